"""This puts an ELM327 on a pty: a daemon opens it like any USB adapter and talks to it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from sickbay_sim.wires.elm327 import Elm327
from sickbay_sim.wires.pty import Pty


class AdapterPort:
    """An adapter on a port, in the running loop. `spoil` may change what it says on its way to the daemon."""

    def __init__(self, path: Path, adapter: Elm327, spoil: Callable[[bytes], None] | None = None) -> None:
        self.pty = Pty(path)
        self.adapter = adapter
        self._spoil = spoil or self.pty.write
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def plug(self, renamed: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self.pty.listen(self._loop, self._take)
        self.pty.plug(renamed)

    def unplug(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.pty.unplug()

    def _take(self, content: bytes) -> None:
        assert self._loop is not None
        self.adapter.feed(content, self._loop.time())
        self._speak()

    def _speak(self) -> None:
        assert self._loop is not None
        said = self.adapter.take(self._loop.time())
        if said:
            self._spoil(said)
        if self._timer is not None:
            self._timer.cancel()
        due_s = self.adapter.next_s()
        self._timer = None if due_s is None else self._loop.call_at(due_s, self._speak)

"""This is a serial port without hardware: a pty under a name that outlives it, as a name in /dev/serial/by-id does."""

import asyncio
import os
import tty
from collections.abc import Callable
from pathlib import Path

READ_BYTES = 4096


class Pty:
    """A pty whose far end a daemon opens at `path`, a symbolic link. Writes that nobody fetches are lost and counted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = 0  # writes that found the buffer full: no daemon was reading
        self._ends: tuple[int, int] | None = None  # ours, and the daemon's, held so that its closing is no hang-up here
        self._set_aside: list[int] = []  # keeps a number of /dev/pts taken, so that the next plug gets another
        self._listening: tuple[asyncio.AbstractEventLoop, Callable[[bytes], None]] | None = None

    @property
    def plugged(self) -> bool:
        return self._ends is not None

    @property
    def device(self) -> Path | None:
        """This is what the link leads to now, e.g. /dev/pts/4."""
        return Path(os.ttyname(self._ends[1])) if self._ends else None

    def plug(self, renamed: bool = False) -> None:
        """This makes the port and its name appear; plugging twice does nothing. `renamed`: under another number than before."""
        if self._ends is not None:
            return
        if renamed:
            self._set_aside = self._set_aside or list(os.openpty())
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        self._ends = ours, theirs
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(theirs))
        if self._listening is not None:
            self.listen(*self._listening)

    def unplug(self) -> None:
        """This makes the port vanish under the daemon's hands: it sees an end of file or EIO."""
        if self._ends is None:
            return
        if self._listening is not None:
            self._listening[0].remove_reader(self._ends[0])
        ends, self._ends = (*self._ends, *self._set_aside), None
        self._set_aside = []
        self.path.unlink(missing_ok=True)
        for end in ends:
            os.close(end)

    def write(self, content: bytes) -> None:
        if self._ends is not None:
            try:
                os.write(self._ends[0], content)
            except BlockingIOError:
                self.lost += 1

    def listen(self, loop: asyncio.AbstractEventLoop, take: Callable[[bytes], None]) -> None:
        """This hands every byte that the daemon sends to `take`, now and after each plug."""
        self._listening = loop, take
        if self._ends is not None:
            loop.add_reader(self._ends[0], self._readable)

    def _readable(self) -> None:
        if self._ends is None or self._listening is None:
            return
        try:
            content = os.read(self._ends[0], READ_BYTES)
        except BlockingIOError:
            return
        if content:
            self._listening[1](content)

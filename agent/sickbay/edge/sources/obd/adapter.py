"""This is the conversation with one adapter: one question, one answer, and back in step after whatever went wrong."""

import asyncio
from typing import Any

import serial

from sickbay.edge.ports import Wire
from sickbay.edge.sources.obd.answers import Answer, Kind, Prompts, read

SEARCH = 8.0  # times the usual patience, while the adapter says that it looks for the car's protocol
QUIET = 1 / 8  # of the patience: after garbage the line must be this quiet before the next question
SET_UP = ("ATE0", "ATL0", "ATS0", "ATH1", "ATSP0")  # no echo, no line feeds, no blanks, headers, protocol found out


class AdapterGoneError(OSError):
    """This is an adapter whose port has ended, or that gives no prompt whatever it is sent."""


class Adapter:
    """An open port with an adapter on it. Both questions and settings go through `ask`."""

    def __init__(self, port: serial.SerialBase, timeout_s: float) -> None:
        self.wire = Wire(port, self._take)
        self.came = 0  # bytes
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._prompts = Prompts()
        self._answers: list[list[str]] = []
        self._more = asyncio.Event()
        self._dirty = False  # the last answer was none: what comes next may still belong to it

    async def close(self) -> None:
        await self.wire.close()

    async def start(self) -> str:
        """This resets the adapter, sets it up and returns how it names itself; raises AdapterGoneError where none answers."""
        name = (await self.ask("ATZ", 2.0)).text
        for command in SET_UP:
            await self.ask(command)
        return name

    async def ask(self, command: str, patience: float = 1.0) -> Answer:
        """This returns the answer, GARBAGE for none that makes sense; raises AdapterGoneError when not even a prompt comes.

        `patience` is in times the configured timeout.
        """
        if self._dirty:
            await self._settle()
        self._clear()
        asked_at = self._loop.time()
        await self.wire.write(command.encode("ascii") + b"\r")
        until = asked_at + patience * self._timeout_s
        while (lines := await self._next(until)) is None:
            if not self._prompts.searching or self._loop.time() - asked_at > SEARCH * self._timeout_s:
                await self._wake()
                return Answer(Kind.GARBAGE, text=f"no answer to {command} in time")
            until = self._loop.time() + self._timeout_s
        answer = read(lines, command)
        self._dirty = answer.kind in (Kind.GARBAGE, Kind.STOPPED)
        return answer

    async def _wake(self) -> None:
        """This makes an adapter that hangs give a prompt: any byte interrupts what it does."""
        self._dirty = True
        for _ in range(2):
            self._clear()
            await self.wire.write(b"\r")
            if await self._next(self._loop.time() + self._timeout_s) is not None:
                return
        raise AdapterGoneError("it gives no prompt")

    async def _settle(self) -> None:
        """This waits until the line is quiet: a late answer must not be taken for that to the next question."""
        until = self._loop.time() + 2 * self._timeout_s
        came = -1
        while came != self.came and self._loop.time() < until:
            came = self.came
            await self._pause(QUIET * self._timeout_s)
        self._dirty = False

    async def _pause(self, seconds: float) -> None:
        await asyncio.wait({self.wire.ended}, timeout=seconds)
        self._must_be_there()

    def _must_be_there(self) -> None:
        if self.wire.ended.done():
            raise AdapterGoneError(self.wire.ended.result())

    async def sleep(self, seconds: float) -> None:
        """This waits, and raises AdapterGoneError as soon as the port ends."""
        await self._pause(max(0.0, seconds))

    async def _next(self, until: float) -> list[str] | None:
        """This returns the lines up to the next prompt, None when none comes in time."""
        while not self._answers:
            self._must_be_there()
            if self._loop.time() >= until:
                return None
            self._more.clear()
            waiting = asyncio.create_task(self._more.wait())
            either: set[asyncio.Future[Any]] = {waiting, self.wire.ended}
            left_s = until - self._loop.time()
            await asyncio.wait(either, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        return self._answers.pop(0)

    def _clear(self) -> None:
        self._answers.clear()
        self._prompts.clear()

    def _take(self, chunk: bytes) -> None:
        self.came += len(chunk)
        self._answers += self._prompts.feed(chunk)
        if self._answers:
            self._more.set()

"""A keeping on a real node, journal, relay and events file, without sources: effects are put in by hand."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plants
import virtual_time
from sickbay.config import OutputTable
from sickbay.core.effects import Drive, Escalate, Event
from sickbay.core.node import Node
from sickbay.core.reading import Receipt
from sickbay.daemon.keeping import Keeping
from sickbay.daemon.messages import Envelopes, EventsFile
from sickbay.daemon.times import Clock, kept
from sickbay.edge.actuators import Outputs
from sickbay.edge.journal import Journal, Limits
from sickbay.edge.pins import MockPins

DEFAULT = Limits()


class LoopClock(Clock):
    """The device's clock, on the time of the loop."""

    def __call__(self) -> int:
        return round(asyncio.get_running_loop().time() * 1000)

    def epochs(self) -> list[tuple[int, float]]:
        return [(0, 1.8e9)]


class Deck:
    """What a keeping needs of a daemon, and nothing that puts effects in by itself."""

    def __init__(
        self, folder: Path, limits: Limits = DEFAULT, connect: Any = None, state_bytes: int = 0, **keeping: Any
    ):
        self.folder = folder
        self.node = Node(plants.equipment(), "deck")
        self.clock = LoopClock()
        self.outputs = Outputs({"fan": OutputTable("gpio", 17, "on")}, MockPins())
        self.envelopes = Envelopes("deck", "loop", "sickbay/1", "c", self.clock, 1)
        self.events = EventsFile(folder / "events.jsonl", self.clock)
        self.uplink: Any = None
        self.receipts: list[Receipt] = []
        self.snapshots = 0
        self._state_bytes = state_bytes
        more = {"connect": connect} if connect is not None else {}
        loop = asyncio.get_running_loop()
        self.keeping = Keeping(self, folder, lambda: Journal(folder, limits, monotonic=loop.time, **more), **keeping)

    async def __aenter__(self) -> "Deck":
        self.node.restore(await self._memory())
        self._running = asyncio.create_task(self.keeping.run())
        return self

    async def _memory(self) -> bytes:
        return await self.keeping.open() or self.node.snapshot()

    async def __aexit__(self, *_: object) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self.keeping.close()

    def take(self, fact: Receipt) -> None:
        self.receipts.append(fact)
        self.node.done(fact)

    def turn(self) -> None:
        self.node.tick(self.clock())
        self.keeping.put(self.node.take_effects())

    def snapshot(self) -> bytes:
        self.snapshots += 1
        # Of a stated size where the wear is of interest: every page of it another one than the last time, the worst there is.
        if self._state_bytes:
            return self.snapshots.to_bytes(8, "big") * (self._state_bytes // 8)
        return kept(self.clock, self.node.snapshot())[-4096:]


def told(n: int, severity: str = "major", kind: str = "opened", bytes_: int = 200, class_: str = "stuck") -> Escalate:
    """This returns an escalation about fault `n`."""
    body = {"class": class_, "summary": "x" * bytes_, "history": {}}
    return Escalate(f"f{n}.r1", f"f{n}", 1, kind, severity, 0, body)


def line(kind: str, name: str = "a") -> Event:
    return Event(kind, 0, name, {"result": "failed"})


def drive(n: int, on: bool = False) -> Drive:
    return Drive(f"d{n}", "fan", on, 0)


class SlowDisk:
    """Connections that stop at COMMIT while `hang` is set, until it is cleared."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()

    def connect(self, path: Path) -> sqlite3.Connection:
        free = self.free

        class Slow(sqlite3.Connection):
            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                if sql == "COMMIT":
                    free.wait()
                return super().execute(sql, *values)

        return sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False, factory=Slow)


class AtOnce(virtual_time.VirtualLoop):
    """A virtual loop whose threads take no time: what they do is done when they are asked."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001
            done.set_exception(error)
        return done


def run(script: Callable[[], Any]) -> Any:
    """This runs a coroutine function in virtual time, whose disk takes none."""
    with asyncio.Runner(loop_factory=AtOnce) as runner:
        return runner.run(script())

"""These are small model files for the tests of the scorer, and a worker's answers to wait for."""

import asyncio
import itertools
import os
import random
import signal
import struct
import time
from pathlib import Path

from sickbay.core.effects import Question
from sickbay.core.reading import Residuals
from sickbay.edge.scorer.card import Card, CardPart
from sickbay.edge.scorer.client import ModelWorker
from sickbay.edge.scorer.emit import emit
from sickbay.edge.scorer.network import Layer, Network, beside

PATIENCE_S = 20.0  # for what takes a tenth of a second on an idle machine


def float32(value: float) -> float:
    """This returns the number that a float32 keeps of `value`."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def network(widths: tuple[int, ...], seed: int = 1, relu: bool = False) -> Network:
    """This returns a network of drawn weights; hidden layers are ReLU where asked."""
    chance = random.Random(seed)

    def drawn(count: int) -> tuple[float, ...]:
        return tuple(float32(chance.gauss(0, 0.5)) for _ in range(count))

    return Network(
        tuple(
            Layer(tuple(drawn(a) for _ in range(b)), drawn(b), relu and k < len(widths) - 2)
            for k, (a, b) in enumerate(itertools.pairwise(widths))
        )
    )


PUMP, FAN = ("flow", "pressure", "current"), ("rpm", "temp")
ROW = (1.0, -2.0, 0.5)  # of the pump
PUMP_NETWORK, FAN_NETWORK = network((3, 2, 3), 1, relu=True), network((2, 1, 2), 2, relu=True)
CARD = Card(
    1,
    "pump and fan",
    {"pump": CardPart(PUMP, ("L/min", "kPa", "A"), 0, {"rows": 400}), "fan": CardPart(FAN, (), 3)},
    fitted_on="nothing",
    rows=400,
)


UNIT = beside([PUMP_NETWORK, FAN_NETWORK])
FILE = emit(UNIT, CARD)


def mutant(chance: random.Random, body: bytes) -> bytes:
    """This returns the file with a few wounds: flipped bits, wild words, cuts, moved pieces."""
    raw = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(raw))
        kind = chance.randrange(5)
        if kind == 0:
            raw[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            raw[at] = chance.randrange(256)
        elif kind == 2:
            word = chance.choice(
                (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC, len(raw), chance.getrandbits(32))
            )
            raw[at : at + 4] = struct.pack("<I", word)
        elif kind == 3 and len(raw) > 64:
            del raw[at : at + chance.randrange(1, 32)]
        else:
            raw[at:at] = raw[chance.randrange(len(raw)) :][: chance.randrange(1, 32)]
    return bytes(raw)


def unit_file(folder: Path, name: str = "unit.tflite") -> Path:
    """This writes one file for the two parts, pump and fan."""
    path = folder / name
    path.write_bytes(FILE)
    return path


def halt(worker: int | None) -> None:
    """This stops a worker, and returns once it stands: a signal takes a moment to arrive, in which it could still answer."""
    assert worker is not None
    os.kill(worker, signal.SIGSTOP)
    os.waitid(os.P_PID, worker, os.WSTOPPED | os.WNOWAIT)


class Ward:
    """A worker and what it delivered, in order."""

    def __init__(self, models: dict[str, Path], **options: object) -> None:
        self.got: list[Residuals] = []
        self._more = asyncio.Event()
        options.setdefault("deadline_ms", 30_000)  # a busy machine must not decide a test that is not about deadlines
        self.worker = ModelWorker(models, lambda: time.monotonic_ns() // 1_000_000, self._deliver, **options)

    def _deliver(self, residuals: Residuals) -> None:
        self.got.append(residuals)
        self._more.set()

    async def __aenter__(self) -> "Ward":
        await self.worker.start()
        return self

    async def __aexit__(self, *of: object) -> None:
        await self.worker.stop()

    async def settled(self) -> None:
        await asyncio.wait_for(self.worker.settled(), PATIENCE_S)

    async def answers(self, count: int) -> list[Residuals]:
        """This returns all answers once there are `count`."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.got) < count:
                self._more.clear()
                await self._more.wait()
        return self.got

    async def ask(self, part: str, row: tuple[float, ...], at_ms: int = 0) -> tuple[float, ...] | None:
        """This asks and returns the answer."""
        before = len(self.got)
        self.worker.ask(Question(part, at_ms, row))
        return (await self.answers(before + 1))[-1].estimates

    async def dies_of(self, part: str, questions: int = 1) -> None:
        """This kills the worker while it is busy with so many questions of a part.

        They go out in the loop's next turn: killed before, it would never have had them, and be under no suspicion.
        """
        halt(self.worker.pid)
        for at_ms in range(questions):
            self.worker.ask(Question(part, at_ms, ROW))
        await asyncio.sleep(0)
        assert self.worker.pid is not None
        os.kill(self.worker.pid, signal.SIGKILL)

    async def another_worker(self, than: int | None) -> int:
        """This returns the pid of the worker that took the place of `than`, once it is settled."""
        async with asyncio.timeout(PATIENCE_S):
            await self.worker.settled()
            while self.worker.pid in (None, than):
                await asyncio.sleep(0)  # its death has yet to reach the loop
                await self.worker.settled()
        assert self.worker.pid is not None
        return self.worker.pid

"""This measures a model score of 8 signals with the hop to the worker and back, on each runtime, beside an empty hop."""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from sickbay.core.effects import Question
from sickbay.core.reading import Residuals
from sickbay.edge.scorer.client import ModelWorker
from sickbay.edge.scorer.find import resolve

ROW = (0.1, -0.4, 1.2, 0.0, 0.7, -1.1, 0.3, 0.2)
ASKS = 4000
WINDOW = 4  # parts that ask at one moment: they share the hop
ECHO = "import os\nwhile True:\n    got = os.read(0, 64)\n    if not got: break\n    os.write(1, got)\n"


def measure() -> list[tuple[str, str, str, str]]:
    empty_us = echo()
    out = []
    for runtime in ("litert", "numpy", "python"):
        found = asyncio.run(scored(runtime))
        if found is None:
            out.append((f"a score of 8 signals, {runtime}: us", "not here", "", ""))
            continue
        each_us, many_us = found
        beside = f"an empty hop of 64 bytes: {empty_us:.0f}"
        out.append((f"a score of 8 signals with the hop, {runtime}: us", f"{each_us:.0f}", beside, "<= 60"))
        out.append((f"the same, {WINDOW} parts of one moment, {runtime}: us", f"{many_us:.0f}", "", "<= 60"))
    return out


async def scored(runtime: str) -> tuple[float, float] | None:
    """This returns the median round trip of one score, and of one of many, in us; None where the runtime is not here."""
    answered = asyncio.Event()
    open_ = 0

    def take(answer: Residuals) -> None:
        nonlocal open_
        open_ -= 1
        if not open_:
            answered.set()

    model = resolve("generic", Path.cwd())
    worker = ModelWorker({"part": model}, lambda: 0, take, only=runtime)
    await worker.start()
    try:
        await asyncio.wait_for(worker.settled(), 30)
        if worker.status()["runtime"] != runtime:
            return None
        medians = []
        for window in (1, WINDOW):
            took: list[float] = []
            for k in range(ASKS // window):
                answered.clear()
                open_ = window
                began = time.perf_counter()
                for _ in range(window):
                    worker.ask(Question("part", k, ROW))
                await answered.wait()
                took.append((time.perf_counter() - began) / window)
            medians.append(statistics.median(took) * 1e6)
        return medians[0], medians[1]
    finally:
        await worker.stop()


def echo() -> float:
    """This returns the median round trip of 64 bytes through a process that only sends them back, in us."""
    process = subprocess.Popen([sys.executable, "-c", ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    there, back = process.stdin.fileno(), process.stdout.fileno()
    took = []
    for _ in range(ASKS):
        began = time.perf_counter()
        os.write(there, b"x" * 64)
        os.read(back, 64)
        took.append(time.perf_counter() - began)
    process.stdin.close()
    process.wait(5)
    process.stdout.close()
    return statistics.median(took) * 1e6

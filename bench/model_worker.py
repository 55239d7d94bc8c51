"""This measures the model worker: microseconds a score with the hop, the asker's own share, and the worker's memory.

    python bench/model_worker.py [--json] [--scores N]

For each runtime that is installed: one part of eight signals on models/generic.tflite, asked one by one and four at a
time from a program that waits, and from an event loop as the daemon does it.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from sickbay.core.effects import Question
from sickbay.core.reading import Residuals
from sickbay.edge.scorer.blocking import BlockingWorker
from sickbay.edge.scorer.client import ModelWorker
from sickbay.edge.scorer.runtimes import CHAIN

MODEL = Path(__file__).parent.parent / "models" / "generic.tflite"
SIGNALS = {"part": tuple(f"s{i}" for i in range(8))}
ROW = tuple((-1.0) ** i * 0.3 * i for i in range(8))


def memory_mib(pid: int | None) -> dict[str, float]:
    """This returns a process's resident memory, and what of it is its own and in no file."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "RssAnon"))}
    return {"rss_mib": round(kib["VmRSS"] / 1024, 1), "anonymous_mib": round(kib["RssAnon"] / 1024, 1)}


def waiting(runtime: str, scores: int) -> dict[str, object] | None:
    """This returns the figures of BlockingWorker, None where the runtime is not installed."""
    began = time.perf_counter()
    with BlockingWorker({"part": MODEL}, signals=SIGNALS, only=runtime) as worker:
        start_ms = (time.perf_counter() - began) * 1e3
        if worker.status()["runtime"] != runtime:
            return None
        question = Question("part", 0, ROW)
        for _ in range(200):
            worker.ask(question)
        wall, own = time.perf_counter(), time.process_time()
        for _ in range(scores):
            worker.ask(question)
        wall, own = time.perf_counter() - wall, time.process_time() - own
        four = time.perf_counter()
        for _ in range(scores // 4):
            worker.ask_all([question] * 4)
        four = time.perf_counter() - four
        return {
            "runtime": runtime,
            "settled_ms": round(start_ms),
            "us_a_score": round(wall / scores * 1e6, 1),
            "us_own_cpu": round(own / scores * 1e6, 1),
            "us_each_of_four": round(four / (scores // 4 * 4) * 1e6, 1),
            **memory_mib(worker.pid),
        }


async def looping(runtime: str, scores: int) -> dict[str, object]:
    """This returns the figures of ModelWorker: each answer asks the next question, as close as a loop can follow."""
    left, done = scores, asyncio.Event()

    def deliver(_: Residuals) -> None:
        nonlocal left
        left -= 1
        if left > 0:
            worker.ask(question)
        else:
            done.set()

    worker = ModelWorker({"part": MODEL}, lambda: 0, deliver, signals=SIGNALS, only=runtime)
    question = Question("part", 0, ROW)
    await worker.start()
    await worker.settled()
    wall, own = time.perf_counter(), time.process_time()
    worker.ask(question)
    await done.wait()
    wall, own = time.perf_counter() - wall, time.process_time() - own
    await worker.stop()
    return {
        "us_in_the_loop": round(wall / scores * 1e6, 1),
        "us_daemon_cpu": round(own / scores * 1e6, 1),
        "missed": worker.counts.missed,
    }


def main() -> int:
    """This prints one line a runtime."""
    parser = argparse.ArgumentParser(description="Microseconds and memory of the model worker.")
    parser.add_argument("--scores", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    for runtime in CHAIN:
        found = waiting(runtime, wanted.scores)
        if found is not None:
            found |= asyncio.run(looping(runtime, wanted.scores))
            text = json.dumps(found) if wanted.json else "  ".join(f"{k} {v}" for k, v in found.items())
        else:
            text = (
                json.dumps({"runtime": runtime, "installed": False})
                if wanted.json
                else f"runtime {runtime}  not installed"
            )
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

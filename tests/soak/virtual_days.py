"""This lets a keeping, with its real journal, events file and node, live for a month in virtual time, and watches what grows.

    PYTHONPATH=tests python -m soak.virtual_days [--days 30] [--state 20000] [--seed 1]

Quiet days have a heartbeat each five minutes and one small story. On the busy day a message of 3 KB comes each ten minutes, and
20,000 verdicts. On the day of the storm one comes each minute, all that the triage budget allows. A snapshot is meant as packed:
12 kB at 8 signals, 20 kB at 13. The fleet gives its receipts; for the first ten days there is no network. The wall clock steps by
a year, to and fro. What was written is our own count; beside it the kernel's.
"""

import argparse
import asyncio
import logging
import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deck
from deck import Deck, line, told
from sickbay.edge.journal import LedgerRow
from soak.figures import Figure, report

DAY_S = 86_400
STEP_S = 60.0
NETWORK_FROM_DAY = 10
BUSY, STORM = 15, 22


class Month:
    """What was seen, day by day."""

    def __init__(self) -> None:
        self.days: list[tuple[int, int]] = []
        self.file_bytes: list[int] = []
        self.descriptors: list[int] = []
        self.memory_kb: list[int] = []
        self.left: set[str] = set()
        self.twice = 0
        self.put: set[str] = set()
        self.shed: dict[str, int] = {}
        self.waiting = 0


async def live(folder: Path, days: int, state_bytes: int, chance: random.Random, tell: Callable[[str], None]) -> Month:
    month = Month()
    async with Deck(folder, state_bytes=state_bytes) as d:
        n = 0
        for day in range(days):
            for minute in range(DAY_S // 60):
                await asyncio.sleep(STEP_S)
                wall = 1.8e9 + d.clock() / 1000 + (366 * DAY_S * chance.choice((-1, 0, 1)) if day % 5 == 4 else 0)
                often = 10 if day == BUSY else 1 if day == STORM else 0
                if (often and minute % often == 0) or minute in (600, 620, 700):
                    n += 1
                    effects = [told(n, chance.choice(("critical", "major", "minor")), "opened", 3000)]
                    month.put.add(effects[0].effect_id)
                    if not often or minute % 30 == 0:
                        effects += [line("isolate"), line("fault")]
                    d.keeping.put([*effects, *[line("verdict")] * (140 if day == BUSY else 14 if day == STORM else 1)])
                    await d.keeping.carried_out()
                if minute % 5 == 0:
                    await d.keeping.ledger_add([LedgerRow(wall, "t", "state.up", "c", 120)], True)
                if day >= NETWORK_FROM_DAY:
                    await _deliver(d, month, wall)
                await d.keeping.beat()
            month.days.append(d.keeping.journal.wear.day())
            month.file_bytes.append(sum(f.stat().st_size for f in folder.glob("sickbay.db*")))
            month.descriptors.append(len(list(Path("/proc/self/fd").iterdir())))
            month.memory_kb.append(_memory_kb())
            if day % 10 == 9:
                tell(f"  day {day + 1}: {month.days[-1][0] / 1e6:.1f} MB in {month.days[-1][1]} bursts")
        month.shed, month.waiting = d.keeping.journal.shed(), d.keeping.journal.outbox_rows
    return month


async def _deliver(d: Deck, month: Month, wall: float) -> None:
    """This is the fleet: it holds what came and says so."""
    rows = await d.keeping.pending(32)
    if rows:
        await d.keeping.ledger_add(
            [LedgerRow(wall, r.topic, "escalation", "c", len(r.payload), r.id) for r in rows], False
        )
        for id_ in await d.keeping.forget([row.id for row in rows]):
            month.twice += id_ in month.left
            month.left.add(id_)


def run(days: int, state_bytes: int, seed: int, tell: Callable[[str], None] = print) -> list[Figure]:
    """This returns what a quiet and a busy day cost, and what grew."""
    logging.getLogger("sickbay").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as place:
        before = _kernels_bytes()

        async def script() -> Month:
            return await live(Path(place), days, state_bytes, random.Random(seed), tell)

        month = deck.run(script)
        ours, kernels = sum(size for size, _ in month.days), _kernels_bytes() - before
        events_bytes = sum(f.stat().st_size for f in Path(place).glob("events.jsonl*"))
    command = f"python -m soak.virtual_days --days {days} --state {state_bytes} --seed {seed}"
    quiet = [d for day, d in enumerate(month.days) if day not in (BUSY, BUSY + 1, STORM, STORM + 1)]
    size, bursts = max(quiet)
    lost = len(month.put) - len(month.left) - month.waiting - sum(month.shed.values())
    kept = days <= NETWORK_FROM_DAY or not lost
    figures = [
        _figure("a quiet day, bytes written", command, "<= 3 MB", f"{size / 1e6:.2f} MB", size <= 3_000_000),
        _figure("a quiet day, synced bursts", command, "<= 150", f"{max(b for _, b in quiet)}", bursts <= 150),
    ]
    if days > BUSY:
        size, bursts = month.days[BUSY]
        text = f"{size / 1e6:.1f} MB in {bursts} bursts"
        figures.append(_figure("a busy day, a message each ten minutes", command, "<= 25 MB", text, size <= 25_000_000))
    if days > STORM:
        size, bursts = month.days[STORM]
        text = f"{size / 1e6:.1f} MB in {bursts} bursts"
        figures.append(
            _figure("a storm, a message each minute all day", command, "no cap on what is urgent", text, True)
        )
    ratio = ours / max(1, kernels)
    figures += [
        _figure(
            "our count of bytes written / the kernel's", command, "0.8 to 1.5", f"{ratio:.2f}", 0.8 <= ratio <= 1.5
        ),
        _figure(
            f"{days} days: messages lost or sent twice",
            command,
            "0",
            f"{lost} and {month.twice}",
            kept and not month.twice,
        ),
        _figure(
            f"{days} days: the database at its largest, and at the end",
            command,
            "bounded",
            f"{max(month.file_bytes) / 1e6:.1f} MB, {month.file_bytes[-1] / 1e6:.1f} MB",
            max(month.file_bytes) < 20_000_000,
        ),
        _figure(
            f"{days} days: events.jsonl", command, "<= 32 MiB", f"{events_bytes / 1e6:.1f} MB", events_bytes <= 33 << 20
        ),
        _figure(
            f"{days} days: file descriptors more than on the first",
            command,
            "0",
            f"{month.descriptors[-1] - month.descriptors[0]}",
            month.descriptors[-1] <= month.descriptors[0],
        ),
        _figure(
            f"{days} days: memory more than after a third of them",
            command,
            "<= 4 MiB",
            f"{(month.memory_kb[-1] - month.memory_kb[days // 3]) / 1024:.1f} MiB",
            month.memory_kb[-1] - month.memory_kb[days // 3] <= 4096,
        ),
    ]
    return figures


def _figure(what: str, command: str, aim: str, measured: str, good: bool) -> Figure:
    return Figure(what, command, aim, measured=measured, failures=0 if good else 1, replay="" if good else command)


def _kernels_bytes() -> int:
    pairs = (row.split(": ") for row in Path("/proc/self/io").read_text().splitlines())
    return int(dict(pairs)["write_bytes"])


def _memory_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def soak(seed: int, scale: float) -> list[Figure]:
    return run(max(3, round(30 * scale)), 20_000, seed)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", "--count", type=int, default=30)
    parser.add_argument("--state", type=int, default=20_000, help="bytes of a snapshot, packed")
    parser.add_argument("--seed", type=int, default=1)
    options: Any = parser.parse_args(argv)
    return report(run(options.days, options.state, options.seed))


if __name__ == "__main__":
    sys.exit(main())

"""This lets the real uplink, on a real journal, live through bad lines in virtual time: cut, slow, half-open, dripping, refused.

    PYTHONPATH=tests python -m soak.uplink [--lives 10000] [--days 30] [--offline 7] [--seed 1]

The sockets are real and on 127.0.0.1, only the clock jumps. `lives` counts connections and how long the device holds one that is
dead; `offline` loses the network for days while the outbox overflows; `days` looks for what grows in a month of a bad line.
"""

import argparse
import asyncio
import gc
import logging
import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deck as decks
from deck import told
from shore import WELL, Fate, Shore, sailing, until
from sickbay.edge.journal import Limits
from soak.figures import Figure, report

DAY_S = 86_400.0
STUCK_MAX_S = 120.0
SEVERITIES = ("critical", "major", "major", "minor", "minor")


def any_fate(chance: random.Random) -> Fate:
    """This returns what befalls a connection, one in twelve nothing."""
    kind = chance.randrange(12)
    if kind < 4:
        return Fate(cut_after=chance.randrange(0, 12), slow_s=chance.choice((0.0, 0.0, 3.0)))
    if kind < 7:
        return Fate(deaf_after=chance.randrange(0, 12))
    if kind < 9:
        return Fate(slow_s=chance.uniform(0.1, 40.0), cut_after=chance.randrange(1, 20))
    if kind == 9:
        return Fate(connack=chance.choice((0x86, 0x87, 0x88, 0x89, 0x97, 0x9C, 0x9F)))
    if kind == 10:
        return Fate(drips=True)
    return Fate(cut_after=chance.randrange(20, 200))


async def _lives(folder: Path, lives: int, seed: int) -> tuple[Shore, set[str], bool]:
    chance, n = random.Random(seed), 0
    async with Shore(lambda: any_fate(chance)) as shore, sailing(folder, shore.url, seed) as ship:
        while shore.lives < lives:
            await asyncio.sleep(chance.uniform(60.0, 1200.0))
            ship.keeping.put([told(n, chance.choice(SEVERITIES))])
            n += 1
        shore.fate = lambda: WELL
        await until(lambda: ship.offered == shore.got.keys() and not ship.keeping.journal.outbox_rows, DAY_S, 10.0)
        return shore, set(ship.offered), not ship.keeping.journal.outbox_rows


def run_lives(lives: int, seed: int) -> list[Figure]:
    """This returns how long a dead connection was held at the longest, and what was lost."""
    command = f"python -m soak.uplink --lives {lives} --days 0 --offline 0 --seed {seed}"
    with tempfile.TemporaryDirectory() as place:
        shore, offered, calm = decks.run(lambda: _lives(Path(place), lives, seed))
    slowest = max(shore.stuck_s, default=0.0)
    stuck = Figure(f"connections of {shore.lives:,} that were held dead for more than 120 s", command, "0")
    stuck.trials, stuck.failures = shore.lives, sum(s > STUCK_MAX_S for s in shore.stuck_s)
    stuck.replay = command
    lost = Figure("messages lost on such a line", command, "0", len(offered), len(offered - shore.got.keys()))
    lost.replay = command
    return [
        stuck,
        _figure("the longest that a dead connection was held", command, "<= 120 s", f"{slowest:.0f} s", slowest <= 120),
        lost,
        _figure("the outbox is empty within a day of a good line", command, "yes", "yes" if calm else "no", calm),
    ]


async def _offline(
    folder: Path, days: float, seed: int, gap_s: float, room: int
) -> tuple[int, int, int, dict[str, int], set[str]]:
    chance = random.Random(seed)
    limits = Limits(outbox_bytes=room)
    shore, n = Shore(), 0
    async with sailing(folder, shore.url, seed, limits=limits) as ship:
        while asyncio.get_running_loop().time() < days * DAY_S:
            await asyncio.sleep(chance.uniform(0.2, 1.8) * gap_s)
            ship.keeping.put([told(n, chance.choice(SEVERITIES), bytes_=chance.randrange(200, 3000))])
            n += 1
        await ship.keeping.carried_out()
        kept = ship.keeping.journal.outbox_rows
        async with shore:
            await until(lambda: not ship.keeping.journal.outbox_rows, DAY_S, 10.0)
            left = ship.keeping.journal.outbox_rows
            return len(ship.offered), kept, left, ship.keeping.journal.shed(), set(shore.got)


def run_offline(days: float, seed: int, gap_s: float = 330.0, room: int = 1 << 20) -> list[Figure]:
    """This returns whether delivered + kept + shed is what was offered, and what of the critical was shed."""
    command = f"python -m soak.uplink --lives 0 --days 0 --offline {days:g} --seed {seed}"
    with tempfile.TemporaryDirectory() as place:
        offered, kept, left, shed, got = decks.run(lambda: _offline(Path(place), days, seed, gap_s, room))
    gone = sum(shed.values())
    says = f"{offered:,} = {len(got):,} + {left} + {gone:,}"
    exact = offered == len(got) + left + gone and kept == len(got) + left
    return [
        _figure(
            f"{days:g} days offline with an outbox that overflows: offered = delivered + kept + shed, counted",
            command,
            "exact",
            says,
            exact,
        ),
        _figure(
            f"{days:g} days offline: critical messages shed",
            command,
            "0",
            str(shed.get("critical", 0)),
            not shed.get("critical"),
        ),
    ]


class Month:
    """What was seen each day."""

    def __init__(self) -> None:
        self.memory_kb: list[int] = []
        self.descriptors: list[int] = []
        self.tasks: list[int] = []
        self.lost = 0
        self.lives = 0


async def _month(folder: Path, days: int, seed: int, tell: Callable[[str], None]) -> Month:
    chance, month, n = random.Random(seed), Month(), 0

    def fate() -> Fate:
        return any_fate(chance) if chance.random() < 0.7 else Fate(cut_after=chance.randrange(20, 3000))

    async with Shore(fate) as shore, sailing(folder, shore.url, seed) as ship:
        for day in range(days):
            for _ in range(24):
                await asyncio.sleep(3600.0)
                ship.keeping.put([told(n, chance.choice(SEVERITIES), bytes_=1000)])
                n += 1
                await ship.keeping.beat()
            _look(month)
            if day % 10 == 9:
                tell(f"  day {day + 1}: {month.memory_kb[-1] / 1024:.1f} MiB, {shore.lives} connections")
        shore.fate = lambda: WELL
        await until(lambda: ship.offered == shore.got.keys(), DAY_S, 60.0)
        month.lost, month.lives = len(ship.offered - shore.got.keys()), shore.lives
    return month


def _look(month: Month) -> None:
    gc.collect()
    month.memory_kb.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024)
    month.descriptors.append(len(list(Path("/proc/self/fd").iterdir())))
    month.tasks.append(len(asyncio.all_tasks()))


def run_month(days: int, seed: int, tell: Callable[[str], None] = print) -> list[Figure]:
    """This returns what grew in so many days of a bad line."""
    command = f"python -m soak.uplink --lives 0 --days {days} --offline 0 --seed {seed}"
    with tempfile.TemporaryDirectory() as place:
        month = decks.run(lambda: _month(Path(place), days, seed, tell))
    # What is open just then varies by a connection; what leaks grows.
    third = max(1, days // 3)
    grown_kb = month.memory_kb[-1] - max(month.memory_kb[:third])
    files = max(month.descriptors[-third:]) - max(month.descriptors[:third])
    tasks = max(month.tasks[-third:]) - max(month.tasks[:third])
    over = f"{days} days on a bad line, {month.lives:,} connections"
    return [
        _figure(
            f"{over}: memory more than in the first third",
            command,
            "<= 4 MiB",
            f"{grown_kb / 1024:.1f} MiB",
            grown_kb <= 4096,
        ),
        _figure(f"{over}: descriptors more than then", command, "<= 3", str(files), files <= 3),
        _figure(f"{over}: tasks more than then", command, "<= 3", str(tasks), tasks <= 3),
        _figure(f"{over}: messages lost", command, "0", str(month.lost), not month.lost),
    ]


def _figure(what: str, command: str, aim: str, measured: str, good: bool) -> Figure:
    return Figure(what, command, aim, measured=measured, failures=0 if good else 1, replay="" if good else command)


def soak(seed: int, scale: float) -> list[Figure]:
    """This returns the figures of all three."""
    logging.getLogger("sickbay").setLevel(logging.CRITICAL)
    figures = run_lives(max(50, round(10_000 * scale)), seed)
    figures += run_offline(max(0.5, 7 * scale), seed)
    return figures + run_month(max(3, round(30 * scale)), seed)


def main(argv: list[str] | None = None) -> int:
    logging.getLogger("sickbay").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lives", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--offline", type=float, default=7.0)
    parser.add_argument("--seed", type=int, default=1)
    options: Any = parser.parse_args(argv)
    figures = run_lives(options.lives, options.seed) if options.lives else []
    figures += run_offline(options.offline, options.seed) if options.offline else []
    figures += run_month(options.days, options.seed) if options.days else []
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())

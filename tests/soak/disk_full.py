"""This fills the disk at every single step of what a journal does, and looks whether anything acknowledged is lost.

    PYTHONPATH=tests python -m soak.disk_full [--stories 3] [--seed 1]

A story of calls is told again and again; the first time the first write or truncation is refused, the next time the
second, and so on to the last. What follows is refused too, for a while or to the end; then there is room again.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from sickbay.edge.journal import Journal
from sickbay.errors import StoreError
from soak.figures import Figure, report
from soak.power_cuts import memory
from soak.story import Ward, look, next_call
from soak.traced_disk import TracedDisk, image_of, lay

CALLS = 14


class Full:
    """A gate that lets so many writes through, then refuses `span` of them."""

    def __init__(self, first: int, span: int) -> None:
        self.first, self.span, self.seen = first, span, 0

    def __call__(self, what: str, file: str) -> None:
        if what not in ("write", "truncate"):  # a new file on a full disk is another matter: see test_journal_full_disk
            return
        self.seen += 1
        if self.first < self.seen <= self.first + self.span:
            raise apsw.FullError("no room, says the test")


def once(place: Path, seed: str, first: int, calls: int) -> tuple[list[str], bool]:
    """This tells one story with the disk full from one step on. It returns what went wrong, and whether it came so far."""
    chance = random.Random(seed)
    full = Full(first, random.Random(f"{seed} {first}").choice((1, 3, 10, 10**9)))
    work, there = place / "work", place / "there"
    for folder in (work, there):
        folder.mkdir(exist_ok=True)
        lay({}, folder)
    disk = TracedDisk(f"full-{seed}-{first}", full)
    ward, safe, wrong = Ward(), Ward(), []
    try:
        with Journal(work, connect=disk.connect) as journal:
            for n in range(calls):
                call = next_call(chance, ward, f"{n}")
                try:
                    call(journal)
                    on_disk = not journal.waits
                except StoreError:
                    on_disk = False
                ward.settle()
                if on_disk:
                    safe = ward.copy()
                missing = ward.rows.keys() - {row.id for row in journal.pending(100_000)}
                if missing:
                    wrong.append(f"call {n}: {len(missing)} messages can no longer leave")
                if not on_disk or n == calls - 1:
                    lay(image_of(work), there)  # the daemon is killed just now
                    wrong += [f"call {n}, killed: {what}" for what in _lost(there, safe, ward)]
            full.span = 0  # somebody made room
            journal.flush()
    finally:
        disk.close()
    found, _ = look(work, ward)
    return wrong + [f"at the end: {what}" for what in found], full.seen > first


def _lost(folder: Path, safe: Ward, ward: Ward) -> list[str]:
    """This returns which acknowledged rows a kill would have lost: of what waits in memory nobody was told that it is kept."""
    with Journal(folder) as journal:
        there = {row.id for row in journal.pending(100_000)}
        said = journal.notes
    lost = (safe.rows.keys() & ward.rows.keys()) - there
    return ([f"lost {sorted(lost)[:3]}"] if lost else []) + ([f"said {said}"] if said else [])


def run(stories: int, seed: int, calls: int = CALLS, tell: Callable[[str], None] = print) -> Figure:
    """This returns how many of the steps, each the first that found the disk full, lost something."""
    figure = Figure(
        "steps at each of which the disk was full: lost an acknowledged row, or stopped",
        f"python -m soak.disk_full --stories {stories} --seed {seed}",
        "0",
    )
    with tempfile.TemporaryDirectory(dir=memory()) as place:
        for story in range(stories):
            first, further = 0, True
            while further:
                wrong, further = once(Path(place), f"{seed}-{story}", first, calls)
                figure.trials += 1
                if wrong:
                    figure.failures += 1
                    figure.replay = (
                        figure.replay or f"{figure.command}  # story {story}, step {first}: {'; '.join(wrong[:3])}"
                    )
                first += 1
            tell(f"  story {story}: full at each of {first} steps, {figure.failures} lost something")
    return figure


def soak(seed: int, scale: float) -> list[Figure]:
    return [run(max(1, round(10 * scale)), seed)]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stories", "--count", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options: Any = parser.parse_args(argv)
    return report([run(options.stories, options.seed)])


if __name__ == "__main__":
    sys.exit(main())

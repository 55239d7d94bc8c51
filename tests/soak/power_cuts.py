"""This cuts the power of a journal at random points of what it writes, and looks at what is left.

    PYTHONPATH=tests python -m soak.power_cuts [--count 10000] [--seed 1] [--synchronous FULL] [--life N]

A life is 25 calls of the real journal on a disk that is traced (see traced_disk). Each life is cut 25 times, at any write; each cut
is opened by the product as it is, on the interpreter's own sqlite3. The next life goes on from the last cut of the one before.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sickbay.edge.journal import Journal, Limits
from soak.figures import Figure, report
from soak.story import Ward, look, next_call
from soak.traced_disk import Image, Op, Platter, TracedDisk, image_of, lay

CUTS_A_LIFE = 25
CALLS_A_LIFE = 25
FULL = "PRAGMA synchronous=FULL"


def live(
    disk: TracedDisk, folder: Path, chance: random.Random, ward: Ward, replaced: tuple[str, str], life: int
) -> dict[int, Ward]:
    """This lets a journal work, and returns what was acknowledged from each place of the trace on."""
    marks: dict[int, Ward] = {0: ward.copy()}
    # Every other life has used up its day's bytes: then lines of the ledger wait for company.
    limits = Limits(day_bytes=1) if life % 2 else Limits()
    with Journal(folder, limits, connect=lambda path: disk.connect(path, replaced)) as journal:
        for n in range(CALLS_A_LIFE):
            call = next_call(chance, ward, f"{life}-{n}")
            marks[len(disk.ops)] = ward.copy()
            call(journal)
            ward.settle()
            marks[len(disk.ops)] = ward.copy()
    return marks


def run(
    count: int, seed: int, synchronous: str = "FULL", first_life: int = 0, tell: Callable[[str], None] = print
) -> Figure:
    """This returns how many of `count` cuts lost something that had been acknowledged."""
    replaced = (FULL, f"PRAGMA synchronous={synchronous}")
    command = f"python -m soak.power_cuts --count {count} --seed {seed}"
    if synchronous != "FULL":
        command += f" --synchronous {synchronous}"
    figure = Figure(f"power cuts that lost an acknowledged row, synchronous={synchronous}", command, "0")
    figure.detail = {"lives": 0}
    image: Image = {}
    ward, life = Ward(), first_life
    with tempfile.TemporaryDirectory(dir=memory()) as place:
        work, there = Path(place) / "work", Path(place) / "there"
        work.mkdir()
        there.mkdir()
        while figure.trials < count:
            chance = random.Random(f"{seed} {life}")
            if life % 20 == 0:  # a new device: each twenty lives can be played again by themselves
                image, ward = {}, Ward()
            lay(image, work)
            disk = TracedDisk(f"traced-{seed}-{life}")
            try:
                marks = live(disk, work, chance, ward, replaced, life)
            finally:
                disk.close()
            image, ward = _cut(
                disk.ops, marks, image, there, chance, figure, min(CUTS_A_LIFE, count - figure.trials), life
            )
            life += 1
            figure.detail["lives"] += 1
            if life % 40 == 0:
                tell(f"  {figure.trials:,} cuts, {figure.failures} lost something")
    return figure


def _cut(
    ops: list[Op],
    marks: dict[int, Ward],
    image: Image,
    place_: Path,
    chance: random.Random,
    figure: Figure,
    cuts: int,
    life: int,
) -> tuple[Image, Ward]:
    """This cuts one life at some places, counts what is wrong, and returns what the last cut left."""
    platter, done, known = Platter(image), 0, marks[0]
    after: tuple[Image, Ward] = image, known
    for place in sorted(chance.choices(range(1, len(ops) + 1), k=cuts)):
        while done < place:
            known = marks.get(done, known)
            platter.play(ops[done])
            done += 1
        known = marks.get(done, known)
        left = platter.cut(chance)
        lay(left, place_)
        found, ward = look(place_, known)
        figure.trials += 1
        if found:
            figure.failures += 1
            if not figure.replay:
                seed = figure.command.split("--seed ")[1].split()[0]
                start = life - life % 20
                figure.replay = (
                    figure.command.replace(f"--seed {seed}", f"--seed {seed} --life {start}")
                    + f"  # life {life}, cut after write {place} of {len(ops)}: {'; '.join(found)}"
                )
        after = image_of(place_), ward
        for wreck in place_.glob("*corrupt*"):
            wreck.unlink()
    return after


def memory() -> str | None:
    """This returns a folder in memory where there is one: 10,000 cuts wear out a disk too."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def soak(seed: int, scale: float) -> list[Figure]:
    """This returns the figures for the product, and for the two settings that must be caught losing something."""
    few = max(50, round(300 * min(1.0, scale)))
    product = run(max(50, round(10_000 * scale)), seed)
    caught: list[Figure] = []
    for synchronous in ("NORMAL", "OFF"):
        figure = run(few, seed, synchronous)
        share = f"{figure.failures} in {figure.trials} ({figure.failures / figure.trials:.0%})"
        caught.append(
            Figure(
                f"the same cuts with synchronous={synchronous}, which must be caught losing rows",
                figure.command,
                "> 0",
                measured=share,
                failures=0 if figure.failures else 1,
                detail={"first": figure.replay},
            )
        )
    return [product, *caught]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--synchronous", choices=("FULL", "NORMAL", "OFF"), default="FULL")
    parser.add_argument("--life", type=int, default=0, help="begin there: as told by a failure")
    options: Any = parser.parse_args(argv)
    return report([run(options.count, options.seed, options.synchronous, options.life)])


if __name__ == "__main__":
    sys.exit(main())

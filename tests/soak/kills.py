"""This kills a process that writes the journal with SIGKILL, at any moment, and looks at what is left; then the whole daemon.

    PYTHONPATH=tests python -m soak.kills [--count 1000] [--daemon 0] [--seed 1]

The child tells the beginning and the end of each call through a pipe. Parent and child draw the same story from the same seed, so
the parent knows what was acknowledged when the child died. A child is forked: it costs no start, so that kills fall into opening
and recovery as often as into writing.
"""

import argparse
import functools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sickbay.edge.journal import Journal, Limits
from soak.figures import Figure, report
from soak.story import Ward, look, next_call

CALLS_MAX = 400
KILLS_A_DEVICE = 3


def run(count: int, seed: int, tell: Callable[[str], None] = print) -> Figure:
    """This returns how many of `count` kills lost something that had been acknowledged."""
    figure = Figure(
        "SIGKILLs of a process that writes the journal", f"python -m soak.kills --count {count} --seed {seed}", "0"
    )
    figure.detail = {"calls": 0}
    ward = Ward()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for n in range(count):
            if len(ward.rows) > 2000:
                ward = _emptied(folder)
            chance = random.Random(f"{seed} {n}")
            calls = _killed(folder, chance, ward, n)
            found, ward = look(folder, ward)
            figure.trials += 1
            figure.detail["calls"] += calls
            if found:
                figure.failures += 1
                figure.replay = (
                    figure.replay or f"{figure.command}  # kill {n}, after {calls} calls: {'; '.join(found)}"
                )
            if n % 100 == 99:
                tell(f"  {figure.trials:,} kills, {figure.failures} lost something, {figure.detail['calls']:,} calls")
    return figure


def _killed(folder: Path, chance: random.Random, ward: Ward, n: int) -> int:
    """This lets a child write until it is killed, brings the ward to where the child was, and returns how many calls it made."""
    patience = chance.choice((chance.randrange(0, 2 * CALLS_MAX // 10), 0))
    delay_s = chance.uniform(0.0, 0.03 if patience == 0 else 0.004)
    seed = chance.random()
    out, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        code = 3
        try:
            _write(folder, random.Random(seed), ward, n, told)
            code = 0
        finally:
            os._exit(code)
    os.close(told)
    said = b""
    while said.count(b"a") < patience:
        more = os.read(out, 4096)
        if not more:
            break
        said += more
    time.sleep(delay_s)
    os.kill(child, signal.SIGKILL)
    while more := os.read(out, 4096):
        said += more
    os.close(out)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise AssertionError(f"the child of kill {n} ended by itself; {seed=}")
    story = random.Random(seed)
    for i in range(said.count(b"b")):
        next_call(story, ward, f"{n}-{i}")
        if i < said.count(b"a"):
            ward.settle()
    return said.count(b"a")


def _write(folder: Path, chance: random.Random, ward: Ward, n: int, told: int) -> None:
    with Journal(folder, Limits(day_bytes=1) if n % 2 else Limits()) as journal:
        for i in range(CALLS_MAX):
            call = next_call(chance, ward, f"{n}-{i}")
            os.write(told, b"b")
            call(journal)
            ward.settle()
            os.write(told, b"a")


def _emptied(folder: Path) -> Ward:
    with Journal(folder) as journal:
        journal.forget([row.id for row in journal.pending(100_000)])
    return look(folder, Ward())[1]


def run_daemon(count: int, seed: int, tell: Callable[[str], None] = print) -> Figure:
    """This returns how many of `count` kills of the real daemon lost an order that was answered or a message that was told."""
    command = f"python -m soak.kills --count 0 --daemon {count} --seed {seed}"
    figure = Figure("SIGKILLs of the whole daemon: answered orders and told messages lost", command, "0")
    chance = random.Random(seed)
    messages: set[str] = set()
    while figure.trials < count:
        # A device may tell ten messages in ten minutes: a fresh one after a few kills has its own ten.
        with tempfile.TemporaryDirectory() as place:
            _device(Path(place), min(KILLS_A_DEVICE, count - figure.trials), chance, figure, messages)
        tell(f"  {figure.trials} kills of the daemon, {figure.failures} lost something, {len(messages)} messages")
    figure.what += f" ({len(messages)} messages)"
    return figure


def _device(folder: Path, kills: int, chance: random.Random, figure: Figure, messages: set[str]) -> None:
    """This kills one device's daemon some times, and counts what it lost."""
    from scene import Line, Unit, configuration

    # Orders are about a. Of the others four are out of range, others each time: a case that opens thrice in an hour latches.
    others = [f"s{n:02d}" for n in range(4 * KILLS_A_DEVICE)]
    names = ("a", *others)
    with Line(folder, names) as line, Unit(folder, configuration(folder, names=names)) as unit:
        unit.learnt()
        out_of_service: set[str] = set()
        for n in range(kills):
            line.say = functools.partial(_out_of_range, dict.fromkeys(others[4 * n : 4 * n + 4], 5000.0))
            for _ in range(chance.randrange(1, 5)):
                unit.ask("release" if out_of_service else "quarantine", name="a", reason=f"kill {n}")
                out_of_service ^= {"a"}
            # A message waits 1.5 s: kills fall before, into and after its commit.
            time.sleep(chance.uniform(0.5, 3.0))
            unit.kill()
            told = {f"{e['id']}.r{e['revision']}" for e in unit.events() if e["kind"] == "escalate"}
            with Journal(unit.state) as journal:
                rows = [row.id for row in journal.pending(100_000)]
            unit.start()
            states = {name: s["state"] for name, s in unit.status()["signals"].items()}
            kept = {name for name, s in states.items() if s in ("isolated", "locked_out", "probation")}
            wrong = [f"{id_} is not in the outbox" for id_ in sorted(told - set(rows))]
            wrong += [f"{name} is {states[name]}" for name in sorted(out_of_service - kept)]
            if len(rows) != len(set(rows)):
                wrong.append("an id is there twice")
            messages.update(f"{folder.name} {id_}" for id_ in rows)
            figure.trials += 1
            if wrong:
                figure.failures += 1
                figure.replay = figure.replay or f"{figure.command}  # kill {figure.trials}: {'; '.join(wrong)}"


def _out_of_range(ill: dict[str, float], row: dict[str, float]) -> bytes:
    return json.dumps({**row, **ill}).encode() + b"\n"


def soak(seed: int, scale: float) -> list[Figure]:
    """This returns the figures of both."""
    return [run(max(20, round(1000 * scale)), seed), run_daemon(max(5, round(40 * scale)), seed)]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--daemon", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options: Any = parser.parse_args(argv)
    figures = [run(options.count, options.seed)] if options.count else []
    if options.daemon:
        figures.append(run_daemon(options.daemon, options.seed))
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())

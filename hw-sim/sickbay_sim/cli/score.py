"""This is `sickbay-sim score`: many scenarios with many seeds, and what they say together, beside two baselines."""

import argparse
import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING

from sickbay_sim import scenario_file
from sickbay_sim.scenario_file import ScenarioError

if TYPE_CHECKING:
    from sickbay_sim.score.summary import Summary
    from sickbay_sim.score.sweep import Outcome, Task

SEEDS_MAX = 100_000
STEPS = 20  # lines of progress where nobody watches


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Exit codes: 0 every expectation held, 1 one was broken, 2 wrongly called. Ctrl-C prints what there is so far."
    )
    parser.add_argument("scenario", type=Path, nargs="+", metavar="SCENARIO", help="a file, or a folder of *.toml")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--seeds", type=_seeds, metavar="N|A..B", help="seeds 1 to N, or A to B (default: each scenario's own)"
    )
    which.add_argument("--seed", type=int, help="one seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="a picture of the one run that is asked for")
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="the card as a page, as docs/scorecard.md")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    from sickbay_sim.score.summary import summary
    from sickbay_sim.score.sweep import sweep, tasks

    try:
        scenarios = [scenario_file.read(path) for path in scenario_file.gather(options.scenario)]
        seeds = [options.seed] if options.seed is not None else list(options.seeds or ())
        todo = tasks(scenarios, seeds)
        if options.picture is not None and len(todo) != 1:
            raise ScenarioError(f"--picture is of one run, and these are {len(todo)}. Name one scenario and one --seed")
        for file in (options.picture, options.write):
            # Said at once: an hour of runs must not end in a folder that is not there.
            if file is not None and not file.parent.is_dir():
                raise ScenarioError(f"{file}: there is no folder {file.parent}. Make it, or name another")
        outcomes: list[Outcome] = []
        try:
            with contextlib.closing(sweep(todo, options.jobs)) as done, _progress(len(todo)) as told:
                for outcome in done:
                    outcomes.append(outcome)
                    told(outcome)
        except KeyboardInterrupt:
            print(f"sickbay-sim score: interrupted after {len(outcomes)} of {len(todo)} runs", file=sys.stderr)
        except BrokenProcessPool:
            says = "a worker was killed, most likely for want of memory; try --jobs 1"
            print(f"sickbay-sim score: {says}. {len(outcomes)} of {len(todo)} runs were made", file=sys.stderr)
    except ScenarioError as error:
        print(f"sickbay-sim score: {error}", file=sys.stderr)
        return 2
    found, drawing = summary(outcomes), ""
    whole = len(outcomes) == len(todo)
    code = 0 if found.held and whole else 1
    try:
        if len(todo) == 1 and outcomes:
            drawing = _drawn(todo[0], options)
        if options.write is not None:
            _write(options, found, whole)
    except OSError as error:
        print(f"sickbay-sim score: {error.filename}: {error.strerror}; it was not written", file=sys.stderr)
        code = 2
    try:
        if options.json:
            print(json.dumps({"whole": whole, **found.as_json()}, indent=1, ensure_ascii=False))
        else:
            print(drawing, end="\n" if drawing else "")
            _show(found)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has gone. Nothing more can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _seeds(text: str) -> range:
    """This reads N or A..B."""
    first, dots, last = text.partition("..")
    try:
        low, high = (int(first), int(last)) if dots else (1, int(first))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor A..B, such as 1..50") from None
    if not 0 <= low <= high < low + SEEDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}: the first must not be above the last, and neither below 0")
    return range(low, high + 1)


@contextlib.contextmanager
def _progress(total: int) -> Iterator["_Told"]:
    """This gives what is called after each run: a bar where somebody watches, else a line now and then."""
    if not sys.stderr.isatty():
        yield _Told(total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield _Told(total, lambda says: bar.update(task, advance=1, description=says))


class _Told:
    """What is said of a sweep while it is under way."""

    def __init__(self, total: int, show: object = None) -> None:
        self._total, self._show = total, show
        self._done = self._broken = 0

    def __call__(self, outcome: "Outcome") -> None:
        self._done += 1
        self._broken += bool(outcome.broken)
        says = f"{self._broken} broken; last {outcome.task.scenario.name}, seed {outcome.task.seed}"
        if callable(self._show):
            self._show(says)
        elif self._total > 1 and (self._done % max(1, self._total // STEPS) == 0 or self._done == self._total):
            print(f"{self._done} of {self._total} runs, {says}", file=sys.stderr, flush=True)


def _drawn(task: "Task", options: argparse.Namespace) -> str:
    """This returns the terminal's picture of one run, and writes the other where it is asked for."""
    from sickbay_sim.score import picture, strip
    from sickbay_sim.score.sweep import play

    if options.json and options.picture is None:
        return ""
    played = play(task)
    if options.picture is not None:
        options.picture.write_text(picture.drawn(played), encoding="utf-8")
        print(f"wrote {options.picture}", file=sys.stderr)
    return strip.drawn(played)


def _write(options: argparse.Namespace, found: "Summary", whole: bool) -> None:
    import sickbay
    from sickbay_sim.score.page import page

    if not whole:
        print(f"sickbay-sim score: {options.write} was not written: not all runs were made", file=sys.stderr)
        return
    seeds = f"{options.seeds[0]}..{options.seeds[-1]}" if options.seeds else str(options.seed or "of the scenarios")
    asked = f" --seeds {seeds}" if options.seeds else "" if options.seed is None else f" --seed {options.seed}"
    command = f"sickbay-sim score {shlex.join(map(str, options.scenario))}{asked} --write {options.write}"
    text = page(command, seeds, found.own, found.beside, found.standings, sickbay.__version__)
    options.write.write_text(text, encoding="utf-8")
    print(f"wrote {options.write}", file=sys.stderr)


def _show(found: "Summary") -> None:
    """This prints the card for eyes."""
    from sickbay.cli.terminal import table
    from sickbay_sim.score import baselines
    from sickbay_sim.score.summary import rows

    extent = found.own.extent
    print(
        f"{extent.runs} runs of {extent.scenarios} scenarios, {extent.illnesses} illnesses, {extent.months:.3g} device-months "
        f"({extent.healthy_months:.3g} without an illness)"
    )
    print()
    lines: list[Sequence[object]] = [
        (figure.name, *cells, figure.aim) for figure, cells in rows(found.own, found.beside)
    ]
    table(["figure", "sickbay", *(baselines.NAMES[name] for name in found.beside), "aim"], lines)
    layers = found.own.layers
    print()
    table(
        ["truth / told", *layers.columns],
        [(row, *(n or "" for n in layers.counts[row].values())) for row in layers.rows],
    )
    broken = [s for s in found.standings if s.held < s.runs]
    print(f"\n{len(found.standings) - len(broken)} of {len(found.standings)} scenarios held")
    for standing in broken:
        what = ", ".join(f"{name} ({count})" for name, count in standing.broken.items())
        print(f"BROKEN  {standing.name}: {what}: {standing.example}")
        for line in standing.replays:
            print(f"    {line}")

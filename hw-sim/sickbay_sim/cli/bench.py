"""This is `sickbay-sim bench`: scenarios in virtual time, what happened in each, and whether it should have."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sickbay_sim import scenario_file
from sickbay_sim.scenario import Scenario
from sickbay_sim.scenario_file import ScenarioError
from sickbay_sim.verdict import Check, judge

if TYPE_CHECKING:
    from sickbay_sim.record import Run

_SHOWN = ("isolate", "would_isolate", "probation", "release", "source_lost", "source_back", "command", "note", "shed")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit codes: 0 every expectation held, 1 one was broken, 2 a file cannot be taken."
    parser.add_argument("scenario", type=Path, nargs="+", metavar="SCENARIO", help="a file, or a folder of *.toml")
    parser.add_argument("--seed", type=int, help="which unit, and its chance (default: the scenario's own)")
    parser.add_argument("--brief", action="store_true", help="one line a scenario, and what was broken")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    from sickbay_sim import bench

    try:
        scenarios = [scenario_file.read(path) for path in scenario_file.gather(options.scenario)]
        return through(scenarios, lambda scenario: bench.run(scenario, options.seed), options)
    except ScenarioError as error:
        print(f"sickbay-sim bench: {error}", file=sys.stderr)
        return 2


def through(scenarios: Sequence[Scenario], play: Callable[[Scenario], "Run"], options: argparse.Namespace) -> int:
    """This plays scenarios in turn and tells of them, for eyes or for programs; it returns the exit code."""
    found: list[dict[str, Any]] = []
    broken = 0
    for scenario in scenarios:
        began = time.monotonic()
        one = play(scenario)
        took_s = time.monotonic() - began
        checks = judge(one)
        broken += not all(check.held for check in checks)
        if options.json:
            found.append(plain(one, checks, took_s))
        else:
            show(one, checks, took_s, options.brief)
    if options.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    elif len(scenarios) > 1:
        print(f"{len(scenarios) - broken} of {len(scenarios)} scenarios held")
    return 1 if broken else 0


def span(at_s: float) -> str:
    """This returns a story time as h:mm:ss, negative in the warm-up."""
    whole = int(abs(at_s))
    return f"{'-' if at_s < 0 else ''}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def timeline(run: "Run") -> list[tuple[float, str, str]]:
    """This returns (at_s, what, in words) of all that happened: the truth, people, and what the agent said and did."""
    lines: list[tuple[float, str, str]] = []
    for ill in run.truth:
        severity = f", severity {ill.severity:g}" if ill.severity != 1 else ""
        lines.append((ill.onset_s, "truth", f"{ill.kind} of {ill.target} ({ill.layer}{severity})"))
        if ill.end_s is not None:
            lines.append((ill.end_s, "truth", f"{ill.kind} of {ill.target} is over"))
    for load in run.scenario.loads:
        over = f" within {load.over_s:g} s" if load.over_s else ""
        lines.append((load.at_s, "load", f"{load.what} to {load.to:g}{over}"))
    for change in run.changes:
        if change.kind in _SHOWN or (change.kind == "output" and not change.detail.get("ok", True)):
            said = (
                str(change.detail[k])
                for k in ("verb", "answer", "refused", "reason", "rule", "detail", "says")
                if k in change.detail
            )
            lines.append((change.at_s, change.kind, f"{change.name}: {'; '.join(filter(None, said))}"))
    for told in run.told:
        lines.append((told.at_s, "told", f"{told.kind} {told.severity} [{told.layer}/{told.class_}] {told.summary}"))
    return sorted(lines, key=lambda line: line[0])


def show(run: "Run", checks: list[Check], took_s: float, brief: bool) -> None:
    """This prints one run for eyes."""
    scenario = run.scenario
    held = all(check.held for check in checks)
    story_s = scenario.warm_s + scenario.seconds
    figures = f"{scenario.plant}, seed {run.seed}, {span(scenario.seconds)} in {took_s:.1f} s, {story_s / max(took_s, 1e-9):,.0f} x"
    print(f"{'held  ' if held else 'BROKEN'}  {scenario.name}: {scenario.title} ({figures})")
    if not brief:
        for at_s, what, says in timeline(run):
            print(f"    {span(at_s):>9}  {what:<13} {says}")
    for check in checks:
        if not check.held or not brief:
            print(f"    {'held  ' if check.held else 'BROKEN'}  {check.name}: {check.says}")
    if not held:
        print(f"    again: sickbay-sim {run.how} {scenario.path or scenario.name} --seed {run.seed}")


def plain(run: "Run", checks: list[Check], took_s: float) -> dict[str, Any]:
    """This returns one run for programs."""
    return {
        "scenario": run.scenario.name,
        "title": run.scenario.title,
        "plant": run.scenario.plant,
        "seed": run.seed,
        "held": all(check.held for check in checks),
        "checks": [asdict(check) for check in checks],
        "truth": [asdict(ill) for ill in run.truth],
        "told": [{**asdict(told), "class": told.class_} for told in run.told],
        "masked": [asdict(span) for span in run.masked],
        "states": run.states,
        "relays": run.relays,
        "bytes_in": run.bytes_in,
        "bytes_out": run.bytes_out,
        "lost": run.lost,
        "cpu_s": round(run.cpu_s, 3),
        "took_s": round(took_s, 3),
        "trouble": run.trouble,
    }

"""This is `sickbay-sim swarm`: many devices and the receiving end in virtual time, over links that fail, watched all the way."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from sickbay_sim import scenario_file
from sickbay_sim.scenario import Scenario
from sickbay_sim.scenario_file import ScenarioError

TELLS_S = 5.0  # how often progress is told, at most
GRACE_S = 1800.0  # after the last story: what waits must arrive
STAGGER_S = 600.0
DEVICES_MAX = 100_000


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Without a scenario every device meets faults of its own at stated rates (docs/swarm.md). "
        "Exit codes: 0 every invariant held, 1 one was broken, 2 wrongly called."
    )
    parser.add_argument(
        "scenario", type=Path, nargs="*", metavar="SCENARIO", help="a file, or a folder of *.toml; in turns"
    )
    parser.add_argument("--devices", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="of all chance there is (default: 1)")
    parser.add_argument("--hours", type=float, help="of virtual time (default: 24, or as long as the scenarios)")
    parser.add_argument(
        "--rate", type=float, default=1.0, help="how often things happen, times the stated rates (default: 1)"
    )
    parser.add_argument("--processes", type=int, help="default: one a core")
    parser.add_argument("--site", type=int, help="only this one of the sites")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    from sickbay_sim.swarm.fate import Rates
    from sickbay_sim.swarm.run import replay, swarm
    from sickbay_sim.swarm.site import Plan
    from sickbay_sim.swarm.summary import plain, words

    try:
        stories = [scenario_file.read(path) for path in scenario_file.gather(options.scenario)]
        wrong = _wrong(options, stories)
    except ScenarioError as error:
        wrong = str(error)
    if wrong:
        print(f"sickbay-sim swarm: {wrong}", file=sys.stderr)
        return 2
    hours = options.hours or _hours(stories)
    rates = Rates().times(options.rate if not stories else 0.0)
    plan = Plan(options.devices, options.seed, hours, tuple(stories), rates, records=False)
    if options.site is not None and not 0 <= options.site < plan.sites():
        print(f"sickbay-sim swarm: --site {options.site}: there are {plan.sites()}, from 0 on", file=sys.stderr)
        return 2
    began = time.monotonic()
    found = swarm(plan, options.processes, _progress(plan.hours, began), options.site)
    wall_s = time.monotonic() - began
    again = [replay(plan, b.device, options.rate, tuple(map(str, options.scenario))) for b in found.breaches[:1]]
    if options.json:
        said: dict[str, Any] = {"seed": options.seed, "hours": hours, **plain(found, wall_s), "again": again}
        print(json.dumps(said, indent=1))
    else:
        for line in words(found, wall_s):
            print(line)
        print(f"again: {again[0]}" if again else "every invariant held")
    return 1 if found.breached else 0


def _wrong(options: argparse.Namespace, stories: list[Scenario]) -> str:
    """This returns what cannot be, "" where all can."""
    if not 1 <= options.devices <= DEVICES_MAX:
        return f"--devices {options.devices} is not between 1 and {DEVICES_MAX}"
    if options.hours is not None and not 0.5 <= options.hours <= 24 * 366:
        return f"--hours {options.hours:g} is not between 0.5 and 8784"
    if options.rate < 0 or (options.processes or 1) < 1:
        return "--rate must not be negative, and --processes not be less than 1"
    plug = next((story.name for story in stories if story.port == "obd"), None)
    return f'{plug}: port = "obd" speaks through an adapter, which the swarm has not. Run it on a rig' if plug else ""


def _hours(stories: list[Scenario]) -> float:
    return max((s.warm_s + s.seconds + STAGGER_S + GRACE_S for s in stories), default=86_400.0) / 3600


def _progress(hours: float, began: float) -> Any:
    reached: dict[int, float] = {}
    told = [began]

    def tell(site: int, at_s: float) -> None:
        reached[site] = at_s
        now = time.monotonic()
        if now - told[0] >= TELLS_S:
            told[0] = now
            least_h = min(reached.values()) / 3600
            print(
                f"  {least_h:.0f} of {hours:g} h at {len(reached)} sites, {now - began:.0f} s",
                file=sys.stderr,
                flush=True,
            )

    return tell

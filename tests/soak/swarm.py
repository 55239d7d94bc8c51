"""This lets a swarm live through everything at once, and holds it against its invariants all the way.

    PYTHONPATH=tests python -m soak.swarm [--devices 40] [--hours 24] [--seed 1] [--site N]

Faults of all layers, kills, bad links, a broker that is killed or cannot be reached, a fleet that is killed, away for days or
restored from yesterday's backup, wall clocks that step by up to a year, a person's orders at random. A row comes each ten seconds:
what is tried is what becomes of a message. A breach is told with the line that plays it again.
"""

import argparse
import sys
import time
from collections.abc import Callable

from sickbay_sim.swarm.fate import Rates
from sickbay_sim.swarm.run import swarm
from sickbay_sim.swarm.site import Plan
from sickbay_sim.swarm.summary import Lived, words
from sickbay_sim.swarm.watch import INVARIANTS
from soak.figures import Figure

PERIOD_S = 10.0
SITE_DEVICES = 20
# A device-month: each device meets something every few hours. Links are up for most of the time, or nothing could be compared.
RATES = Rates(
    sensor=40,
    part=20,
    line=20,
    surroundings=15,
    link=60,
    lost_connections=200,
    kill=40,
    order=60,
    clock=10,
    broker_kill=40,
    broker_away=20,
    fleet_kill=60,
    fleet_away=4,
    fleet_restored=20,
)


def plan_of(devices: int, hours: float, seed: int) -> Plan:
    """This returns the swarm that a soak lets live."""
    return Plan(
        devices=devices,
        seed=seed,
        hours=hours,
        rates=RATES,
        warm_s=1200.0,
        period_s=PERIOD_S,
        records=False,
        site_devices=SITE_DEVICES,
    )


def run(devices: int, hours: float, seed: int, only: int | None = None) -> tuple[list[Figure], Lived]:
    """This returns an invariant a figure: how often it was looked at, and how often it did not hold."""
    command = f"python -m soak.swarm --devices {devices} --hours {hours:g} --seed {seed}"
    began = time.monotonic()
    found = swarm(plan_of(devices, hours, seed), only=only)
    wall_s = time.monotonic() - began
    figures = []
    for name in INVARIANTS:
        broken = [breach for breach in found.breaches if breach.invariant == name]
        figure = Figure(f"swarm: {name}", command, "0", trials=found.looks.get(name, 0), failures=len(broken))
        if broken:
            first = broken[0]
            number = int(first.device.rpartition("-")[2]) // SITE_DEVICES if first.device.startswith("unit-") else 0
            figure.replay = f"{command} --site {number}  # {first.device} at {first.at_s:.0f} s: {first.saw}"
        figures.append(figure)
    figures.append(
        Figure(
            "swarm: lived through, device-months",
            command,
            measured=f"{found.months:.2f} in {wall_s:.0f} s; {found.offered} messages, {found.lost} lost",
            detail=dict(found.counts),
        )
    )
    return figures, found


def soak(seed: int, scale: float) -> list[Figure]:
    """This is the swarm's part of `make soak`."""
    return run(40, max(2.0, 24.0 * scale), seed)[0]


def main(tell: Callable[[str], None] = print) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", type=int, default=40)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--site", type=int, help="only this one")
    options = parser.parse_args()
    began = time.monotonic()
    figures, found = run(options.devices, options.hours, options.seed, options.site)
    for line in words(found, time.monotonic() - began):
        tell(line)
    for figure in figures:
        if figure.replay:
            tell(f"again: {figure.replay}")
    return 0 if all(figure.good for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())

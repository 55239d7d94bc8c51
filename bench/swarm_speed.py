"""This measures the swarm: a thousand devices of 12 signals (the mean of the three plants) at 1 Hz, receiving end and all."""

import os
import time

from sickbay_sim.swarm.fate import MONTH_S
from sickbay_sim.swarm.machine import Ring, Shared, table_of
from sickbay_sim.swarm.run import swarm
from sickbay_sim.swarm.site import SHARES, Plan

DEVICES, HOURS, WARM_S = 1000, 0.5, 450.0  # a quarter of it is learning, which costs most at its end
NIGHT_S = 8 * 3600.0
ROWS = 2000


def measure() -> list[tuple[str, str, str, str]]:
    plan = Plan(devices=DEVICES, seed=1, hours=HOURS, warm_s=WARM_S, records=False)
    began = time.monotonic()
    found = swarm(plan)
    wall_s = time.monotonic() - began
    speed = found.device_s / DEVICES / wall_s
    whole = sum(found.spent_s.values())
    sensors = min(1.0, sensors_s() * found.rows / whole)
    shares = {name: spent / whole for name, spent in found.spent_s.items()}
    cores = os.cpu_count() or 1
    return [
        (
            f"swarm, {DEVICES:,} devices at 1 Hz for {HOURS * 60:.0f} min, learning and all: times real time",
            f"{speed:,.1f}",
            f"{cores} cores, {plan.sites()} sites; a patient for {SHARES} devices",
            ">= 10",
        ),
        (
            "swarm: CPU us a device and second",
            f"{whole / found.rows * 1e6:,.0f}",
            f"nodes {shares['devices'] - sensors:.0%}, sensors {sensors:.0%}, patients {shares['plants']:.0%}",
            f"links, journals and fleet {shares['messages'] + shares['reckoning']:.0%}",
        ),
        (
            "swarm: device-months in a night of 8 h, reckoned from that",
            f"{speed * DEVICES * NIGHT_S / MONTH_S:,.0f}",
            f"measured: {found.months:.2f} in {wall_s:.0f} s, {found.breached} invariants broken",
            ">= 30",
        ),
    ]


def sensors_s() -> float:
    """This returns what one row of a device's own sensors costs, its patient not counted."""
    ring = Ring("cooling-loop", 1, "clean")
    ring.ahead(ROWS)
    machine = Shared(ring, (), 1, table_of("speed"))
    began = time.process_time()
    for _ in range(ROWS):
        machine.row()
    return (time.process_time() - began) / ROWS


if __name__ == "__main__":
    for row in measure():
        print("   ".join(row))

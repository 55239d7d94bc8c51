"""This measures the simulator's bench: a quiet hour of each machine through the real node, beside the machine alone."""

import time

from sickbay_sim import bench
from sickbay_sim.patient import Patient
from sickbay_sim.scenario import Scenario

WARM_S, RUN_S, ROUNDS = 900.0, 3600.0, 3


def measure() -> list[tuple[str, str, str, str]]:
    out = []
    for plant in ("cooling-loop", "car"):
        scenario = Scenario("quiet", "A quiet hour", plant, RUN_S, warm_s=WARM_S, profile="clean")
        signals, alone_s = machine(scenario)
        best_s, node_s = min(whole(scenario) for _ in range(ROUNDS))
        story_s = WARM_S + RUN_S
        aim = ">= 5,000 (for 12)"
        beside = f"the machine alone: {story_s / alone_s:,.0f}"
        out.append(
            (f"bench, {plant}, {signals} signals at 1 Hz: times real time", f"{story_s / best_s:,.0f}", beside, aim)
        )
        out.append((f"bench, {plant}: the node's share, times real time", f"{story_s / node_s:,.0f}", beside, aim))
    return out


def whole(scenario: Scenario) -> tuple[float, float]:
    """This returns the CPU seconds of a run, and those of the node in it."""
    began = time.process_time()
    run = bench.run(scenario)
    return time.process_time() - began, run.cpu_s


def machine(scenario: Scenario) -> tuple[int, float]:
    """This returns how many signals a machine has, and the CPU seconds that its physics and sensors take for the same time."""
    best = float("inf")
    for _ in range(ROUNDS):
        patient = Patient(scenario.seed, plant=scenario.plant, profile=scenario.profile, start_s=-WARM_S)
        began = time.process_time()
        for _ in range(round((WARM_S + RUN_S) / scenario.period_s)):
            patient.advance(scenario.period_s)
        best = min(best, time.process_time() - began)
    return len(patient.sensors.chains), best


if __name__ == "__main__":
    for row in measure():
        print("   ".join(row))

"""This is what the score card must know of a machine besides the run itself, and which class each fault of a story is of."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sickbay_sim.plant.plant import PartSpec, Plant
from sickbay_sim.record import Illness, Run
from sickbay_sim.scenario import Fault, Scenario

CLASSES = ("hard", "intermittent", "drift", "wear")
# A class apart, in no other share of what was found: what a story says nothing that is measured can show (the word of ISO 26262-1).
LATENT = "latent"
# The one table of what class a fault is of: wear where the plant says so, else its kind where that decides by itself, else the
# shape of its severity.
BY_KIND = {
    "drift": "drift",
    "saturate": "drift",
    "intermittent": "intermittent",
    "spikes": "intermittent",
    "emi": "intermittent",
}
# Kinds whose severity is the share of readings or lines that they hit: below 1 they come and go.
BY_SHARE = frozenset({"dropout", "sentinel", "garbage", "wrong_baud", "truncated", "half_frame", "stale_repeats"})
BY_SHAPE = {
    "step": "hard",
    "intermittent": "intermittent",
    "linear": "drift",
    "exponential": "drift",
    "staircase": "drift",
}
# What happens to a machine that is well: nothing need be told, and what is told of anything else meanwhile is false. Where a
# story expects one of these to be told, it counts as an illness like any other.
EVERYDAY = frozenset(
    {
        *("engine_off", "load_step", "heat_wave"),
        *("kill", "clock_step", "clock_1970", "clock_backwards"),
        *("duplicated", "reordered", "flood", "replug_renamed"),
        *("broker_outage", "broker_refusal", "broker_slow", "broker_half_open"),
    }
)


@dataclass(frozen=True)
class Machine:
    """One machine as its daemon is configured. `wear` holds the kinds of ailment that are slow by nature."""

    plant: str
    signals: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]]
    parts: Mapping[str, PartSpec]
    units: Mapping[str, str]
    wear: frozenset[str] = frozenset()

    @property
    def essential(self) -> frozenset[str]:
        return frozenset(name for name, part in self.parts.items() if part.essential)

    @property
    def essential_outputs(self) -> frozenset[str]:
        return frozenset(p.output for p in self.parts.values() if p.essential and p.output is not None)


@dataclass(frozen=True)
class Played:
    """One run and the machine that it was of."""

    run: Run
    machine: Machine

    def class_of(self, illness: Illness) -> str:
        """This returns the class of an illness, by what its story says, its kind and the shape that the story gave it."""
        fault = fault_of(self.run.scenario, illness)
        if fault is not None and fault.latent:
            return LATENT
        if illness.kind in self.machine.wear:
            return "wear"
        if illness.kind in BY_SHARE and illness.severity < 1:
            return "intermittent"
        return BY_KIND.get(illness.kind) or BY_SHAPE[fault.shape if fault is not None else "step"]


def fault_of(scenario: Scenario, illness: Illness) -> Fault | None:
    """This returns the line of the story that an illness came from: the same kind and target, the nearest onset."""
    same = [f for f in scenario.faults if (f.kind, f.target) == (illness.kind, illness.target)]
    return min(same, key=lambda f: abs(f.at_s - illness.onset_s), default=None)


def is_everyday(run: Run, illness: Illness) -> bool:
    """This returns whether a truth is no illness that anybody should be told of: see EVERYDAY."""
    if illness.kind not in EVERYDAY:
        return False
    scenario = run.scenario
    answered = [scenario.faults[expect.fault or 0] for expect in scenario.expects if scenario.faults]
    return fault_of(scenario, illness) not in answered


def machine_of(plant: type[Plant] | Plant, scenario: Scenario) -> Machine:
    """This returns a plant's description, with what the scenario overrides."""
    parts = {}
    for name, part in plant.parts.items():
        changes: dict[str, Any] = {
            key: tuple(value) if key == "signals" and isinstance(value, list) else value
            for key, value in scenario.parts.get(name, {}).items()
            if key in ("signals", "essential", "isolate", "output")
        }
        parts[name] = replace(part, **changes)
    ranges = dict(plant.ranges)
    for name, keys in scenario.signals.items():
        limits = keys.get("range")
        if isinstance(limits, list | tuple) and len(limits) == 2:
            ranges[name] = (float(limits[0]), float(limits[1]))
    return Machine(
        plant=plant.name,
        signals=tuple(plant.signals),
        ranges=ranges,
        parts=parts,
        units={name: sensor.unit for name, sensor in plant.signals.items()},
        wear=frozenset(kind for kind, ailment in plant.part_ailments.items() if ailment.wear),
    )

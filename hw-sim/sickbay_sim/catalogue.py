"""This knows every plant, every kind of fault and what it can befall: for `list`, and to refuse what a scenario cannot mean."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from sickbay_sim.ailments import KINDS
from sickbay_sim.plant.plant import Demand, PartAilment, PartSpec
from sickbay_sim.plant.sensors import COOLING_LOOP, Sensor
from sickbay_sim.scenario import Scenario

LINE = "rig"  # the name of the one source that every simulated machine speaks through


class Description(Protocol):
    """What a plant's class says of the machine."""

    name: str
    signals: Mapping[str, Sensor]
    ranges: Mapping[str, tuple[float, float]]
    redundant: Mapping[str, str]
    parts: Mapping[str, PartSpec]
    relays: Mapping[str, int]
    part_ailments: Mapping[str, PartAilment]
    demands: Mapping[str, Demand]


class _Loop:
    name: str = "cooling-loop"
    signals: Mapping[str, Sensor] = COOLING_LOOP
    ranges: Mapping[str, tuple[float, float]] = {
        "flow": (0.0, 60.0),
        "pressure": (0.0, 160.0),
        "current": (0.0, 10.0),
        "vibration": (0.0, 4.0),
        "inlet_temp": (-20.0, 110.0),
        "outlet_temp": (-20.0, 110.0),
        "outlet_temp_b": (-20.0, 110.0),
        "fan_rpm": (0.0, 6000.0),
    }
    redundant: Mapping[str, str] = {"outlet_temp_b": "outlet_temp"}
    parts: Mapping[str, PartSpec] = {
        "pump": PartSpec(("flow", "pressure", "current", "vibration"), True, "passive", "pump_relay"),
        "fan": PartSpec(("fan_rpm", "inlet_temp", "outlet_temp", "outlet_temp_b"), False, "active", "fan_relay"),
    }
    relays: Mapping[str, int] = {"fan_relay": 17, "pump_relay": 18}
    part_ailments: Mapping[str, PartAilment] = {
        k: PartAilment(v.targets, v.meaning) for k, v in KINDS.items() if v.layer != "sensor"
    }
    demands: Mapping[str, Demand] = {}


PLANTS: Mapping[str, Description] = {"cooling-loop": _Loop()}


@dataclass(frozen=True)
class Entry:
    """One kind of fault, as `list` shows it. `plant` is "" where any machine can have it."""

    kind: str
    layer: str  # sensor | part | line | surroundings
    plant: str
    targets: tuple[str, ...]
    meaning: str  # what severity 1 is
    implemented: bool = True


def entries() -> list[Entry]:
    """This returns every kind of fault there is."""
    found = [Entry(k, v.layer, "", v.targets, v.meaning) for k, v in KINDS.items() if v.layer == "sensor"]
    for plant in PLANTS.values():
        found += [Entry(k, "part", plant.name, v.targets, v.meaning) for k, v in plant.part_ailments.items()]
    return found


def kinds_of(plant: Description) -> dict[str, Entry]:
    """This returns the kinds that a plant can have; where `targets` is empty it befalls any signal."""
    return {e.kind: e for e in entries() if e.plant in ("", plant.name)}


def exercised_by(entry: Entry, scenarios: Iterable[Scenario]) -> list[str]:
    """This returns the names of the scenarios in which a kind of fault occurs."""
    return [
        s.name
        for s in scenarios
        if entry.plant in ("", s.plant) and any(fault.kind == entry.kind for fault in s.faults)
    ]


def complaints(scenario: Scenario) -> Iterator[str]:
    """This yields what a scenario says that its plant has no meaning for."""
    from sickbay_sim.scenario_file import nearest

    plant = PLANTS.get(scenario.plant)
    if plant is None:
        yield f'plant: there is no "{scenario.plant}".{nearest(scenario.plant, PLANTS)}'
        return
    kinds = kinds_of(plant)
    for i, fault in enumerate(scenario.faults):
        kind = kinds.get(fault.kind)
        if kind is None:
            yield f'fault[{i}].kind: "{fault.kind}" is unknown on {plant.name}.{nearest(fault.kind, kinds)}'
        elif fault.target not in (kind.targets or plant.signals):
            known = kind.targets or plant.signals
            yield f'fault[{i}].target: "{fault.target}" cannot have {fault.kind}.{nearest(fault.target, known)}'
    for i, load in enumerate(scenario.loads):
        demand = plant.demands.get(load.what)
        if demand is None:
            yield f'load[{i}].what: {plant.name} knows no "{load.what}".{nearest(load.what, plant.demands)}'
        elif not demand.low <= load.to <= demand.high:
            yield f"load[{i}].to: {load.to:g} {demand.unit} is not between {demand.low:g} and {demand.high:g}"
    yield from _unknown_names(scenario, plant)


def _unknown_names(scenario: Scenario, plant: Description) -> Iterator[str]:
    from sickbay_sim.scenario_file import nearest

    known = [*plant.signals, *plant.parts, *plant.relays, LINE, "journal"]
    named: list[tuple[str, str]] = []
    for i, expect in enumerate(scenario.expects):
        targets = (expect.target,) if isinstance(expect.target, str) else expect.target
        named += [(f"expect[{i}].target", name) for name in targets]
    named += [("bounds.never_isolate", name) for name in scenario.bounds.never_isolate]
    named += [("bounds.never_blame", name) for name in scenario.bounds.never_blame]
    named += [(f"order[{i}].target", order.target) for i, order in enumerate(scenario.orders) if order.target]
    for key, name in named:
        if name not in known:
            yield f'{key}: {plant.name} has no "{name}".{nearest(name, known)}'
    for key, names, have in (
        ("bounds.relays", scenario.bounds.relays, plant.relays),
        ("signals", scenario.signals, plant.signals),
        ("parts", scenario.parts, plant.parts),
    ):
        for name in names:
            if name not in have:
                yield f'{key}.{name}: {plant.name} has no "{name}".{nearest(name, have)}'

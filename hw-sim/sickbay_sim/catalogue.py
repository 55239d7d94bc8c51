"""This knows every plant, every kind of fault and what it can befall: for `list`, and to refuse what a scenario cannot mean."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sickbay_sim import ailments
from sickbay_sim.ailments import AilmentError, Kind
from sickbay_sim.ailments.kinds import WORLD_DEMANDS
from sickbay_sim.ailments.sensor import ORDER
from sickbay_sim.device import DEVICE_KINDS
from sickbay_sim.plant import PLANTS, Plant
from sickbay_sim.scenario import Fault, Load, Scenario
from sickbay_sim.wires import spoil

Description = type[Plant]  # a plant's class says all of the machine that a configuration needs

LINE = "rig"  # the name of the one source that every simulated machine speaks through


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
    """This returns every kind of fault there is, those of a plant's own parts once for each plant."""
    found: list[Entry] = []
    for plant in PLANTS.values():
        for name, kind in ailments.kinds_of(plant).items():
            own = kind.layer == "part"
            entry = Entry(name, kind.layer, plant.name if own else "", kind.targets, _meaning(kind), _acts(name, kind))
            if entry not in found:
                found.append(entry)
    layers = ("sensor", "part", "line", "surroundings")
    return sorted(found, key=lambda entry: (layers.index(entry.layer), entry.plant))


def _acts(name: str, kind: Kind) -> bool:
    """This returns whether there is something that carries a kind out."""
    if kind.acts == "physics":
        return kind.layer == "part" or name in WORLD_DEMANDS
    return name in {"reading": ORDER, "bytes": tuple(spoil.KINDS), "device": DEVICE_KINDS}[kind.acts]


def _meaning(kind: Kind) -> str:
    worst = f"; severity 1: {kind.worst}" if kind.worst not in ("", kind.meaning) else ""
    return f"{kind.meaning}{worst}"


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
    if scenario.port == "obd" and scenario.plant != "car":
        yield 'port: a diagnostic plug is in a car only. Take "json" or "csv"'
    kinds = ailments.kinds_of(plant)
    for i, fault in enumerate(scenario.faults):
        if fault.kind not in kinds:
            yield f'fault[{i}].kind: "{fault.kind}" is unknown on {plant.name}.{nearest(fault.kind, kinds)}'
        known = kinds[fault.kind].targets or tuple(plant.signals)
        for name in fault.target.split("<>"):
            if name not in known:
                yield f'fault[{i}].target: "{name}" cannot have {fault.kind}.{nearest(name, known)}'
        yield from _refused(f"fault[{i}]", ailments.check, fault, plant)
    for i, load in enumerate(scenario.loads):
        if load.what not in plant.demands:
            yield f'load[{i}].what: {plant.name} knows no "{load.what}".{nearest(load.what, plant.demands)}'
        yield from _refused(f"load[{i}]", ailments.check_load, load, plant)
    yield from _unknown_names(scenario, plant)


def _refused(
    at: str, check: Callable[[Any, Description], object], what: Fault | Load, plant: Description
) -> Iterator[str]:
    try:
        check(what, plant)
    except AilmentError as error:
        yield f"{at}: {error}"


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

"""These are the ailments: what can go wrong between physics and port, when it begins, how bad it is and when it ends.

A part's ailment changes the physics, a sensor's changes the reading. An unknown kind or a target that cannot have it
is an error.
"""

import difflib
import random
from dataclasses import dataclass

from sickbay_sim.plant.cooling_loop import Condition


class AilmentError(ValueError):
    """This is an ailment that nobody knows, or that its target cannot have."""


@dataclass(frozen=True)
class Ailment:
    """One ailment. Times are plant seconds, `end_s` None is for good; KINDS explains `severity`."""

    kind: str
    target: str
    onset_s: float = 0.0
    end_s: float | None = None
    severity: float | None = None


@dataclass(frozen=True)
class Kind:
    """One kind of ailment: `layer` is sensor, part or relay; `targets` is empty for any sensor."""

    layer: str
    targets: tuple[str, ...]
    severity: float
    meaning: str


KINDS = {
    "stuck": Kind("sensor", (), 1.0, "says the last reading for ever; severity has no meaning"),
    "bias": Kind("sensor", (), 40.0, "is off by severity times its own noise"),
    "drift": Kind("sensor", (), 0.1, "moves off by severity times its own noise each second"),
    "dropout": Kind("sensor", (), 1.0, "is missing from the line; severity is the share that is missing"),
    "noise": Kind("sensor", (), 15.0, "is noisier: severity times its own noise on top"),
    "fan_fail": Kind("part", ("fan",), 1.0, "stands still, whatever its relay does"),
    "pump_fail": Kind("part", ("pump",), 1.0, "has an open winding: no current, no flow"),
    "pump_wear": Kind("part", ("pump",), 0.5, "is worn: 0 new, 1 hardly pumping"),
    "fouling": Kind("part", ("radiator",), 0.6, "has this share of its air stopped by dirt"),
    "blockage": Kind("part", ("hose",), 0.4, "has this share of its cross-section stopped"),
    "welded": Kind("relay", ("fan_relay", "pump_relay"), 1.0, "keeps its contacts as they are, whatever its coil does"),
}


def check(ailment: Ailment, sensors: tuple[str, ...]) -> Ailment:
    """This returns the ailment with its severity filled in, or raises AilmentError with what would do."""
    kind = KINDS.get(ailment.kind)
    if kind is None:
        near = difflib.get_close_matches(ailment.kind, KINDS, n=1)
        mend = f'Did you mean "{near[0]}"?' if near else f"Known: {', '.join(KINDS)}"
        raise AilmentError(f"ailment {ailment.kind!r}: unknown kind. {mend}")
    targets = kind.targets or sensors
    if ailment.target not in targets:
        raise AilmentError(
            f"ailment {ailment.kind!r}: {ailment.target!r} cannot have it. It befalls: {', '.join(targets)}"
        )
    if ailment.end_s is not None and ailment.end_s <= ailment.onset_s:
        raise AilmentError(f"ailment {ailment.kind!r} of {ailment.target!r}: it ends before it begins")
    severity = kind.severity if ailment.severity is None else ailment.severity
    if not 0 < severity < 1e6 or (kind.layer != "sensor" and severity > 1):
        raise AilmentError(f"ailment {ailment.kind!r} of {ailment.target!r}: severity {severity:g} is out of range")
    return Ailment(ailment.kind, ailment.target, ailment.onset_s, ailment.end_s, severity)


def active(ailments: list[Ailment], at_s: float) -> list[Ailment]:
    """This returns the ailments in force at a time."""
    return [a for a in ailments if a.onset_s <= at_s and (a.end_s is None or at_s < a.end_s)]


def weigh_on(condition: Condition, ailing: list[Ailment]) -> None:
    """This sets what the physics suffers from; what nobody has any more is well again. Relays stay as they are."""
    severity = {a.kind: a.severity or 0.0 for a in ailing}
    condition.fan_broken = "fan_fail" in severity
    condition.pump_broken = "pump_fail" in severity
    condition.pump_wear = severity.get("pump_wear", 0.0)
    condition.fouling = severity.get("fouling", 0.0)
    condition.blockage = severity.get("blockage", 0.0)


class Distortion:
    """What ailing sensors make of good readings. It holds what they last said, and chance of its own."""

    def __init__(self, seed: int, noise: dict[str, float]) -> None:
        self._noise = noise
        self._chance = random.Random(f"ailments {seed}")
        self._frozen: dict[str, float] = {}

    def apply(self, said: dict[str, float], ailing: list[Ailment], at_s: float) -> dict[str, float | None]:
        """This returns the readings as they reach the port; None for one that is missing."""
        out: dict[str, float | None] = dict(said)
        stuck = {a.target for a in ailing if a.kind == "stuck"}
        for ailment in ailing:
            name, value, severity = ailment.target, out.get(ailment.target), ailment.severity or 0.0
            if value is None:
                continue
            unit = self._noise[name]
            if ailment.kind == "bias":
                out[name] = round(value + severity * unit, 6)
            elif ailment.kind == "drift":
                out[name] = round(value + severity * unit * (at_s - ailment.onset_s), 6)
            elif ailment.kind == "noise":
                out[name] = round(value + severity * unit * self._chance.gauss(0, 1), 6)
            elif ailment.kind == "stuck":
                out[name] = self._frozen.get(name, value)
            elif ailment.kind == "dropout" and self._chance.random() < severity:
                out[name] = None
        for name, now in out.items():
            if name not in stuck and now is not None:
                self._frozen[name] = now
        return out

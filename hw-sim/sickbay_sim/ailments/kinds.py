"""This is the registry of ailments: each kind, its layer, whom it befalls and what severity 1 is. Nonsense is an error.

A sensor's severity is measured in "its noise", see `sensor.noises`: so it means the same for a flow meter and a thermometer.
At 1 it stands out of normal running, at 0.1 it mostly hides in it.
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sickbay_sim.ailments.shape import SHAPES
from sickbay_sim.plant import PLANTS
from sickbay_sim.plant.plant import Plant
from sickbay_sim.plant.sensors import chain_of, is_analogue
from sickbay_sim.scenario import Fault, Load

LAYERS = ("sensor", "part", "line", "surroundings")
ACTS = ("reading", "physics", "bytes", "device")


class AilmentError(ValueError):
    """This is an ailment that nobody knows, or that its target cannot have."""


@dataclass(frozen=True)
class Kind:
    """One kind of ailment. `targets` is empty for any sensor; `acts` says what it changes."""

    layer: str  # one of LAYERS: whom the story blames
    acts: str  # one of ACTS: reading, physics, bytes, or device (which includes broker, disk and clock)
    targets: tuple[str, ...]
    meaning: str
    worst: str = ""  # what severity 1 is; "" where severity has no meaning
    usual: float = 1.0  # severity of an Ailment that names none, in the ailment's own terms
    unit: float = 1.0  # an Ailment's severity over a Fault's

    @property
    def graded(self) -> bool:
        """This is whether severity has a meaning."""
        return self.worst != ""


def _sensor(meaning: str, worst: str = "", usual: float = 1.0, unit: float = 1.0) -> Kind:
    return Kind("sensor", "reading", (), meaning, worst, usual, unit)


BIAS, DRIFT_PER_S, NOISE, GAIN, SAG = 40.0, 0.1, 15.0, 0.2, 0.3
SPIKE, SPIKE_SHARE, QUANTA, EMI, DELAY_S, LOOSE = 60.0, 0.1, 20.0, 30.0, 60.0, 0.5

SENSOR_KINDS: Mapping[str, Kind] = {
    "stuck": _sensor("says the last reading for ever"),
    "bias": _sensor("is off", "off by 40 times its noise", BIAS, BIAS),
    "drift": _sensor("moves off, further each second", "0.1 times its noise a second", DRIFT_PER_S, DRIFT_PER_S),
    "gain": _sensor("exaggerates", "says a fifth more"),
    "noise": _sensor("is noisier", "15 times its noise on top", NOISE, NOISE),
    "spikes": _sensor("leaps now and then", "one reading in ten is off by 60 times its noise"),
    "intermittent": _sensor(
        "has a loose contact: at the low end of its range, or missing, for seconds", "half of the time"
    ),
    "dropout": _sensor("is missing from the line, a reading at a time", "all of them are missing"),
    "swap": _sensor('has changed places with another, target "a<>b"'),
    "saturate": _sensor("has a ceiling that comes down", "20 times its noise below what it said at the onset"),
    "quantise": _sensor("has lost bits: says steps only", "steps of 20 times its noise"),
    "delay": _sensor("tells old news, which shows when something moves", "a minute old"),
    "emi": _sensor("hums in bursts, a fifth of the time", "30 times its noise"),
    "sentinel": _sensor("says its chain's error code: 85.0, -127 or 65535", "says nothing else"),
    "unit_change": _sensor("says the same in another unit: degF, psi, ..."),
    "sign_flip": _sensor("has its sign turned over"),
}


def _line(meaning: str, worst: str) -> Kind:
    return Kind("line", "bytes", ("rig", "line"), meaning, worst)


LINE_KINDS: Mapping[str, Kind] = {
    "garbage": _line("carries lines of random bytes in place of good ones", "all lines"),
    "flips": _line("turns bits over", "one bit in a hundred"),
    "wrong_baud": _line("is read at another speed: nothing makes sense", "all lines"),
    "truncated": _line("loses the ends of lines", "all lines"),
    "duplicated": _line("says lines twice", "all lines"),
    "reordered": _line("lets a line overtake the one before", "all lines"),
    "crc_valid_wrong": _line("carries wrong values under a right checksum", "all lines"),
    "half_frame": _line("stops in the middle of a line and begins the next", "all lines"),
    "unplug": Kind("line", "bytes", ("rig", "line"), "vanishes: end of file or EIO"),
    "replug_renamed": Kind("line", "bytes", ("rig", "line"), "vanishes and comes back under another name"),
    "slow_dribble": _line("comes a byte at a time", "a line takes a minute"),
    "flood": _line("says far more than was asked", "a thousand lines for one"),
    "stale_repeats": _line("says the same old line again and again", "all lines"),
}


def _world(acts: str, target: str, meaning: str, worst: str = "") -> Kind:
    return Kind("surroundings", acts, (target,), meaning, worst)


SURROUNDINGS_KINDS: Mapping[str, Kind] = {
    "common_mode": _world("reading", "supply", "the supply of the sensors sags: all analogue readings fall", "by 30 %"),
    "heat_wave": _world("physics", "ambient", "the room warms up", "to the most that the plant is asked to bear"),
    "load_step": _world("physics", "load", "more is asked of the machine", "the most that the plant is asked for"),
    "engine_off": _world("physics", "engine", "the machine is switched off, as every evening"),
    "left_open": _world("physics", "door", "somebody leaves the door open"),
    "supply_sag": _world("physics", "supply", "the machine's supply sags", "to the least that the plant knows"),
    "broker_outage": _world("device", "broker", "the broker is gone"),
    "broker_refusal": _world("device", "broker", "the broker says no to each publish"),
    "broker_slow": _world("device", "broker", "the broker answers late", "half a minute late"),
    "broker_half_open": _world("device", "broker", "the connection is dead and nobody was told"),
    "disk_full": _world("device", "disk", "nothing can be written any more"),
    "kill": _world("device", "daemon", "the daemon is killed with -9 and started again"),
    "clock_step": _world("device", "clock", "the wall clock leaps forward", "by a day"),
    "clock_1970": _world("device", "clock", "the wall clock begins at 1970 and is set later"),
    "clock_backwards": _world("device", "clock", "the wall clock leaps back", "by a day"),
}

# What the surroundings ask of a plant: the demands that may answer to it, and which end of the demand is the worst.
WORLD_DEMANDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "heat_wave": (("ambient_c", "weather_k"), "high"),
    "load_step": (("load", "heat", "duty", "electric_load_w", "goods_kg"), "high"),
    "engine_off": (("running", "engine", "ignition", "on"), "low"),
    "left_open": (("door",), "high"),
    "supply_sag": (("supply", "supply_v", "mains"), "low"),
}

# An ailment of old in its own terms: what it is where nobody says how bad.
_USUAL_OF_PARTS = {"pump_wear": 0.5, "fouling": 0.6, "blockage": 0.4}


def kinds_of(plant: type[Plant] | Plant) -> dict[str, Kind]:
    """This returns the kinds that a plant can have; the surroundings' only where they can reach it."""
    parts = {
        kind: Kind("part", "physics", a.targets, a.meaning, a.meaning, _USUAL_OF_PARTS.get(kind, 1.0))
        for kind, a in plant.part_ailments.items()
    }
    world = {
        kind: found
        for kind, found in SURROUNDINGS_KINDS.items()
        if (kind not in WORLD_DEMANDS or demand_for(kind, plant) is not None)
        and (kind != "common_mode" or any(is_analogue(sensor) for sensor in plant.signals.values()))
    }
    return {**SENSOR_KINDS, **parts, **LINE_KINDS, **world}


def demand_for(kind: str, plant: type[Plant] | Plant) -> str | None:
    """This returns the demand by which the surroundings act on a plant."""
    return next((name for name in WORLD_DEMANDS[kind][0] if name in plant.demands), None)


def _all_kinds() -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for plant in PLANTS.values():
        for name, kind in kinds_of(plant).items():
            before = found.setdefault(name, kind)
            if kind.layer == "part" and before != kind:
                meaning = before.meaning if kind.meaning in before.meaning else f"{before.meaning}; {kind.meaning}"
                targets = tuple(dict.fromkeys((*before.targets, *kind.targets)))
                found[name] = Kind("part", "physics", targets, meaning, meaning, before.usual)
    return {**found, **{name: kind for name, kind in SURROUNDINGS_KINDS.items() if name not in found}}


# Every kind of every plant. Whether one plant can have it is for `kinds_of` and `check`.
KINDS: Mapping[str, Kind] = _all_kinds()


@dataclass(frozen=True)
class Ailment:
    """One ailment as a person at a rig says it. `severity` is in the kind's own terms: bias 8 is 8 times the noise."""

    kind: str
    target: str
    onset_s: float = 0.0
    end_s: float | None = None
    severity: float | None = None


def as_fault(ailment: Ailment, plant: type[Plant] | Plant) -> Fault:
    """This returns the ailment as a fault of a story; a sensor's may be worse than 1. Raises AilmentError as `check`."""
    kind = _known(ailment.kind, plant)
    severity = kind.usual if ailment.severity is None else ailment.severity
    fault = Fault(ailment.kind, ailment.target, ailment.onset_s, ailment.end_s, severity / kind.unit)
    return check(fault, plant, worst=1e6 if kind.layer == "sensor" and kind.unit > 0 else 1.0)


def check(fault: Fault, plant: type[Plant] | Plant, worst: float = 1.0) -> Fault:
    """This returns the fault, or raises AilmentError with what would do."""
    kind = _known(fault.kind, plant)
    what = f"ailment {fault.kind!r} of {fault.target!r}"
    _check_target(fault, kind, plant)
    if not (math.isfinite(fault.at_s) and (fault.until_s is None or fault.until_s > fault.at_s)):
        raise AilmentError(f"{what}: it ends before it begins, at {fault.at_s:g} s")
    if not 0 < fault.severity <= worst:
        raise AilmentError(
            f"{what}: severity {fault.severity * kind.unit:g} is out of range; {kind.unit:g} is {kind.worst or 'any'}"
        )
    if fault.shape not in SHAPES:
        raise AilmentError(f"{what}: shape {fault.shape!r} is unknown. {_nearest(fault.shape, SHAPES)}")
    if fault.shape != "step" and not 0 < fault.over_s < math.inf:
        raise AilmentError(f"{what}: shape {fault.shape!r} needs over_s, the seconds that it takes (or one period)")
    if fault.shape == "intermittent" and not 0 < fault.duty < 1:
        raise AilmentError(f"{what}: duty {fault.duty:g} is not a share between 0 and 1")
    return fault


def check_load(load: Load, plant: type[Plant] | Plant) -> Load:
    """This returns the load, or raises AilmentError with what would do."""
    demand = plant.demands.get(load.what)
    if demand is None:
        raise AilmentError(f"load {load.what!r}: {plant.name} knows none. {_nearest(load.what, plant.demands)}")
    if not demand.low <= load.to <= demand.high:
        raise AilmentError(f"load {load.what!r}: {load.to:g} is not within {demand.low:g} .. {demand.high:g}")
    if not (math.isfinite(load.at_s) and 0 <= load.over_s < math.inf):
        raise AilmentError(f"load {load.what!r}: at_s {load.at_s:g} or over_s {load.over_s:g} makes no sense")
    return load


# What a contact cannot have: there is nothing between its two readings.
_NOT_ON_SWITCHES = frozenset(
    ("bias", "drift", "gain", "noise", "spikes", "saturate", "quantise", "emi", "unit_change", "sign_flip")
)
UNITS: Mapping[str, tuple[str, float, float]] = {  # unit -> (the other one, factor, offset)
    "degC": ("degF", 1.8, 32.0),
    "kPa": ("psi", 0.1450377, 0.0),
    "bar": ("psi", 14.50377, 0.0),
    "L/min": ("gal/min", 0.2641721, 0.0),
    "g": ("m/s2", 9.80665, 0.0),
    "mm/s": ("in/s", 0.03937008, 0.0),
    "rev/min": ("Hz", 1 / 60, 0.0),
    "A": ("mA", 1000.0, 0.0),
    "V": ("mV", 1000.0, 0.0),
    "km/h": ("mph", 0.6213712, 0.0),
    "W": ("kW", 0.001, 0.0),
}


def _known(name: str, plant: type[Plant] | Plant) -> Kind:
    kinds = kinds_of(plant)
    if name not in kinds:
        if name in KINDS:
            raise AilmentError(f"ailment {name!r}: {plant.name} cannot have it")
        raise AilmentError(f"ailment {name!r}: unknown kind. {_nearest(name, kinds)}")
    return kinds[name]


def _check_target(fault: Fault, kind: Kind, plant: type[Plant] | Plant) -> None:
    names = tuple(fault.target.split("<>")) if fault.kind == "swap" else (fault.target,)
    if fault.kind == "swap" and (len(names) != 2 or names[0] == names[1]):
        raise AilmentError(f"ailment 'swap': {fault.target!r} is not of the form \"a<>b\" with two different signals")
    known = kind.targets or tuple(plant.signals)
    for name in names:
        if name not in known:
            raise AilmentError(f"ailment {fault.kind!r}: {name!r} cannot have it. It befalls: {', '.join(known)}")
    if kind.layer != "sensor":
        return
    chains = [chain_of(plant.signals[name]) for name in names]
    if "switch" in chains and fault.kind in _NOT_ON_SWITCHES:
        raise AilmentError(f"ailment {fault.kind!r}: {fault.target!r} is a switch, which cannot have it")
    if fault.kind == "sentinel" and "switch" in chains:
        raise AilmentError(f"ailment 'sentinel': {fault.target!r} is a switch, which has no error code")
    unit = plant.signals[names[0]].unit
    if fault.kind == "unit_change" and unit not in UNITS:
        raise AilmentError(
            f"ailment 'unit_change': {fault.target!r} is in {unit or 'no unit'}, for which no other unit is usual"
        )


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f'Did you mean "{near[0]}"?' if near else f"Known: {', '.join(names)}"

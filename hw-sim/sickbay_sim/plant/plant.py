"""This is what every simulated machine offers, whatever its physics: measuring chains, parts, relays, what can befall it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sickbay_sim.plant.sensors import Sensor


@dataclass(frozen=True)
class PartSpec:
    """One part as a daemon's configuration would name it."""

    signals: tuple[str, ...]
    essential: bool = False
    isolate: str = "passive"  # off | passive | active
    output: str | None = None  # the relay that takes it out of service


@dataclass(frozen=True)
class PartAilment:
    """One thing that can befall a part. `severity` in 0..1 says how bad: 1 is as bad as it gets."""

    targets: tuple[str, ...]  # what it can befall: parts, or things of the plant that no part of the configuration is
    meaning: str  # what severity 1 is, in a technician's words
    blamed: tuple[str, ...] = ()  # parts of the configuration that may rightly be blamed; empty: the target itself
    wear: bool = False  # slow by nature: a remaining life can be told


@dataclass(frozen=True)
class Demand:
    """One thing that people or the weather do to a healthy machine: a load, the ambient, an engine that is off."""

    meaning: str
    unit: str
    usual: float
    low: float
    high: float


class Plant(Protocol):
    """A machine in motion. It begins in its own steady state; all chance in it comes from its seed.

    The class attributes are the machine's description: they need no instance.
    """

    name: str
    signals: Mapping[str, Sensor]  # measuring chains in the order of the wire
    ranges: Mapping[str, tuple[float, float]]  # what a daemon's configuration says a signal can be
    redundant: Mapping[str, str]  # signal -> the one that measures the same
    parts: Mapping[str, PartSpec]
    relays: Mapping[str, int]  # relay -> pin
    part_ailments: Mapping[str, PartAilment]  # kind -> what it is
    demands: Mapping[str, Demand]

    def step(self, dt_s: float) -> None:
        """This moves on by `dt_s` > 0, in steps short enough for its physics."""

    def true_values(self) -> dict[str, float]:
        """This returns what perfect sensors would say now, in the units of `signals`."""
        ...

    def suffer(self, kind: str, target: str, severity: float) -> None:
        """This puts one part ailment at a severity of 0..1; 0 is well again."""

    def demand(self, what: str, value: float) -> None:
        """This puts one demand at a value."""

    def switch(self, relay: str, on: bool) -> None:
        """This puts a relay's coil on or off; what the contacts do is physics."""

    def contacts(self, relay: str) -> bool:
        """This returns whether a relay's contacts are closed now."""
        ...

"""This is the equipment a node looks after: signals, parts, outputs, what is essential and what can stand in for what."""

from enum import StrEnum

import msgspec

from sickbay.errors import ConfigError


class Mode(StrEnum):
    """This is what the machine may do with a faulty part or sensor on its own."""

    OFF = "off"  # judged, told, never isolated, not even in the log
    PASSIVE = "passive"  # judged and logged; nothing moved
    ACTIVE = "active"


_STRICTNESS = {Mode.OFF: 0, Mode.PASSIVE: 1, Mode.ACTIVE: 2}


class Signal(msgspec.Struct, frozen=True):
    """One measured quantity and what is known of it before any learning."""

    name: str
    source: str  # the source that carries it: silence of a whole source is the line's fault, not each sensor's
    unit: str = ""
    every_ms: int = 1000
    low: float | None = None
    high: float | None = None
    rate_max_per_s: float | None = None
    sentinels: tuple[float, ...] = ()
    limit_low: float | None = (
        None  # what the machine must not fall below in service, unlike `low`, which nothing can be
    )
    limit_high: float | None = None
    lsb: float = 0.0  # smallest step of the sensor, 0: found out
    redundant_with: str | None = None
    substitute: str | None = None
    isolate: Mode | None = None  # None: as the most active of the parts that hold it


class Output(msgspec.Struct, frozen=True):
    """One relay or pin that can take a part out of service."""

    name: str
    fail_on: bool = True  # what it must be when sickbay is gone
    isolated_on: bool = False  # what it is while its part is isolated


class Part(msgspec.Struct, frozen=True):
    """A group of signals that belong to one physical thing, and what may be done with it."""

    name: str
    signals: tuple[str, ...]
    essential: bool = False
    isolate: Mode = Mode.PASSIVE
    output: str | None = None
    has_model: bool = False
    min_signals: int = 0  # masking never leaves the part with fewer signals in service


class Policy(msgspec.Struct, frozen=True):
    """The guard rails that hold for the whole device."""

    isolated_max: int = 3  # parts and sensors isolated by the machine at one time
    cooldown_ms: int = 10_000  # least time in ISOLATED before probation
    probation_ms: int = 60_000  # first probation; doubles with each relapse
    trial_ms: int = 600_000  # how long a part that was switched off may take to look well again
    relapses_max: int = 3  # this many relapses lock out
    cycle_ms: int = 86_400_000  # an operation cycle
    corroborate_rows: int = 30  # rows that peers are given to confirm what one signal alone says
    learn_rows: int = 400  # rows of normal running from which a unit without a baseline learns
    warn_ahead_ms: int = 604_800_000  # wear is told once its limit is likely to be reached within this
    false_alarms_per_month: float = 0.1  # what the owner accepts of a part; thresholds follow from it
    two_key: bool = False  # whether two keys together may release from afar what is not essential
    tighten_max: float = 1.5  # how much stricter an order from afar may have a target judged
    buttons: tuple[str, ...] = ()  # what a press in Home Assistant may order


class Equipment(msgspec.Struct, frozen=True):
    """Everything a node looks after. Order is the order of the file; nothing here changes while running."""

    device: str
    signals: tuple[Signal, ...]
    parts: tuple[Part, ...] = ()
    outputs: tuple[Output, ...] = ()
    policy: Policy = Policy()

    def __post_init__(self) -> None:
        check(self)

    def mode_of_signal(self, name: str) -> Mode:
        """This returns what may be done with a signal: its own word, else the most active of its parts."""
        own = next(s.isolate for s in self.signals if s.name == name)
        if own is not None:
            return own
        modes = [p.isolate for p in self.parts if name in p.signals]
        return max(modes, key=_STRICTNESS.__getitem__, default=Mode.PASSIVE)

    def redundancy_group(self, name: str) -> tuple[str, ...]:
        """This returns the signals that measure the same thing as `name`, itself included, in file order."""
        links = {s.name: s.redundant_with for s in self.signals if s.redundant_with}
        group = {name}
        while True:
            wider = group | {a for a, b in links.items() if b in group} | {b for a, b in links.items() if a in group}
            if wider == group:
                return tuple(s.name for s in self.signals if s.name in group)
            group = wider


def check(equipment: Equipment) -> None:
    """This raises ConfigError where names do not meet: it is the one place that knows what fits what."""
    signals = _unique("signals", [s.name for s in equipment.signals])
    outputs = _unique("outputs", [o.name for o in equipment.outputs])
    parts = _unique("parts", [p.name for p in equipment.parts])
    both = [name for name in parts if name in signals]
    if both:
        raise ConfigError(
            f"parts.{both[0]}: a signal has the same name; an order could not tell them apart. Rename one"
        )
    for s in equipment.signals:
        for key, other in (("redundant_with", s.redundant_with), ("substitute", s.substitute)):
            if other is not None and (other not in signals or other == s.name):
                raise ConfigError(f"signals.{s.name}.{key}: {other!r} is not another signal")
        if s.low is not None and s.high is not None and s.low >= s.high:
            raise ConfigError(f"signals.{s.name}.range: {s.low:g} is not below {s.high:g}")
        if s.limit_low is not None and s.limit_high is not None and s.limit_low >= s.limit_high:
            raise ConfigError(f"signals.{s.name}: limit_low {s.limit_low:g} is not below limit_high {s.limit_high:g}")
    driven: dict[str, str] = {}
    for p in equipment.parts:
        unknown = [name for name in p.signals if name not in signals]
        if unknown:
            raise ConfigError(f"parts.{p.name}.signals: {unknown[0]!r} is not a signal")
        if len(set(p.signals)) != len(p.signals):
            raise ConfigError(f"parts.{p.name}.signals: a signal stands twice")
        if p.output is not None:
            if p.output not in outputs:
                raise ConfigError(f"parts.{p.name}.output: {p.output!r} is not an output")
            if p.output in driven:
                raise ConfigError(f"parts.{p.name}.output: {p.output!r} already belongs to part {driven[p.output]!r}")
            driven[p.output] = p.name


def _unique(what: str, names: list[str]) -> frozenset[str]:
    for name in names:
        if not name or any(c.isspace() or c in "/#+" for c in name):
            raise ConfigError(f"{what}.{name!r}: a name has no blanks and none of / # +")
    return frozenset(names)

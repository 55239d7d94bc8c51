"""This is a scenario: one story about one machine in one file, and what must and must not come of it.

Times are story seconds: 0 is the end of the warm-up, in which the unit is well and learns what its normal is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """One fault of the story. `kind` decides the layer: sensor, part, line or surroundings."""

    kind: str
    target: str
    at_s: float
    until_s: float | None = None  # None: for good
    severity: float = 1.0  # 0..1 of the kind's own worst
    shape: str = "step"  # step | linear | exponential | staircase | intermittent
    over_s: float = 0.0  # linear, exponential, staircase: how long until full severity; intermittent: one period
    duty: float = 0.5  # intermittent: the share of a period in which it is there
    latent: str = ""  # why nothing that is measured can show it: the card counts it apart


@dataclass(frozen=True)
class Load:
    """One thing that people or the weather do to the healthy machine: a Demand of the plant."""

    what: str
    to: float
    at_s: float
    over_s: float = 0.0  # how long it takes to get there, linearly


@dataclass(frozen=True)
class Order:
    """One thing that a person at the device (or the fleet, where remote) orders: the verbs of the `sickbay` command."""

    verb: str  # ack | shelve | unshelve | release | quarantine | clear | cycle
    target: str  # a signal, part or line; a fault id cannot be known beforehand
    at_s: float
    reason: str = ""
    who: str = "anna"
    for_s: float = 0.0  # shelve: for how long
    remote: bool = False


@dataclass(frozen=True)
class Expect:
    """What must come of a fault. Only what is stated is asked."""

    target: str | tuple[str, ...]  # whom the story blames; any of several will do
    fault: int | None = None  # index of the fault it answers; None: the only one
    within_s: float | None = None  # from onset to the first escalation that names the target
    layer: str | None = None
    class_: tuple[str, ...] = ()
    quarantine: bool | None = None  # isolated, or would have been where passive
    released_within_s: float | None = None  # from the fault's end
    lead_s: float | None = None  # wear: told at least this long before its limit


@dataclass(frozen=True)
class Bounds:
    """What the whole run must keep to. None: not asked."""

    escalations_max: int | None = None  # opened, that is faults told
    messages_max: int | None = None
    duplicates_max: int = 0
    lost_max: int = 0
    bytes_max: int | None = None
    never_isolate: tuple[str, ...] = ()
    never_blame: tuple[str, ...] = ()
    relays: Mapping[str, bool] = field(default_factory=dict)  # contacts at the end


@dataclass(frozen=True)
class Scenario:
    """One story. `path` is where it was read from."""

    name: str
    title: str
    plant: str  # cooling-loop | car | cold-room
    seconds: float
    seed: int = 1
    warm_s: float = 900.0
    period_s: float = 1.0
    profile: str = "cheap"  # the measuring chains: cheap | clean
    port: str = "json"  # json | csv | obd: what the line speaks
    faults: tuple[Fault, ...] = ()
    loads: tuple[Load, ...] = ()
    expects: tuple[Expect, ...] = ()
    bounds: Bounds = Bounds()
    orders: tuple[Order, ...] = ()
    model: str = "none"  # none | learnt: the unit's own, fitted on the warm-up as `sickbay learn` would
    policy: Mapping[str, object] = field(default_factory=dict)  # [policy] of the daemon's configuration
    signals: Mapping[str, Mapping[str, object]] = field(default_factory=dict)  # overrides of [signals.NAME]
    parts: Mapping[str, Mapping[str, object]] = field(default_factory=dict)  # overrides of [parts.NAME]
    tags: tuple[str, ...] = ()  # healthy, confusable, wear, ...
    path: Path | None = None

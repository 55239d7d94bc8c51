"""This is the record of one run of one scenario: what was true, what the agent said and did, and what it cost.

Every way to run a scenario (bench, rig, swarm) leaves the same record; the score card reads nothing else. All times are story
seconds: 0 is the end of the warm-up from which a unit learns, negative is the warm-up itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sickbay_sim.scenario import Scenario


@dataclass(frozen=True)
class Illness:
    """One thing that was truly wrong: from the first moment it was in force (severity above 0) to the last."""

    kind: str
    layer: str  # sensor | part | line | surroundings
    target: str
    onset_s: float
    end_s: float | None  # None: to the end of the run
    blamed: tuple[str, ...]  # names that may rightly be blamed for it: the target, or the parts it shows in
    severity: float


@dataclass(frozen=True)
class Change:
    """One line of what the agent said of itself, with the kinds and names of events.jsonl."""

    at_s: float
    kind: str  # verdict | fault | isolate | would_isolate | probation | release | output | source_lost | ...
    name: str
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """One escalation, as it left the node; `delivered_s` is when the receiving end had committed it, None if it never did."""

    at_s: float
    id: str
    fault_id: str
    revision: int
    kind: str  # opened | updated | closed
    class_: str
    layer: str
    target: str
    severity: str
    summary: str
    bytes: int = 0
    delivered_s: float | None = None
    outlook: str = ""  # the time left until a declared limit, where it gave one
    arrivals: int = 1  # how often the receiving end counted it as new: more than 1 is a duplicate


@dataclass(frozen=True)
class Masked:
    """One span in which a signal or part was isolated or would have been."""

    name: str
    from_s: float
    to_s: float | None
    active: bool  # False: passive, it would have been isolated


@dataclass(frozen=True)
class StandIn:
    """One moment at which something stood in for a masked signal: what it said, and what was true."""

    at_s: float
    signal: str
    by: str
    said: float
    true: float
    scale: float  # the signal's own normal spread, to compare across units


@dataclass
class Run:
    """One run. `rows` is empty unless it was asked for; it holds what reached the port, for pictures and baselines."""

    scenario: Scenario
    seed: int
    how: str  # bench | rig | swarm
    device: str = "unit"
    truth: list[Illness] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    masked: list[Masked] = field(default_factory=list)
    stand_ins: list[StandIn] = field(default_factory=list)
    relays: dict[str, list[tuple[float, bool]]] = field(
        default_factory=dict
    )  # contacts: (at_s, closed), first at start
    states: dict[str, str] = field(default_factory=dict)  # each signal's and part's state at the end
    rows: list[tuple[float, dict[str, float | None]]] = field(default_factory=list)
    true_rows: list[tuple[float, dict[str, float]]] = field(
        default_factory=list
    )  # what perfect sensors would have said
    limits_s: dict[str, float] = field(default_factory=dict)  # signal: when it truly first went beyond a declared limit
    bytes_in: int = 0  # what came over the line
    bytes_out: int = 0  # what left for the fleet
    lost: int = 0  # messages of which neither the device nor the fleet knows any more
    cpu_s: float = 0.0  # of the agent alone
    end_s: float = 0.0
    trouble: str = ""  # why the run ended early, "" if it did not

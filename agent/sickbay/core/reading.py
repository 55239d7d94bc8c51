"""These are the facts that come in through the node's one door."""

from enum import StrEnum

import msgspec


class Quality(StrEnum):
    """This is how far a signal's latest reading can be trusted."""

    GOOD = "good"
    SUSPECT = "suspect"
    BAD = "bad"
    SILENT = "silent"


class Reading(msgspec.Struct, frozen=True, gc=False, tag="reading"):
    """One value from one signal, as the wire gave it."""

    signal: str  # name in the config, e.g. "coolant.temp"
    value: float | None  # in the signal's own unit; None when the read failed or gave no finite number
    at_ms: int  # monotonic, since the daemon started; never wall time


class LineState(msgspec.Struct, frozen=True, tag="line"):
    """What a source says of its own line: whether it answers, and how much of what came was garbage.

    `good` and `garbage` count frames since the source's last LineState, not since the start.
    """

    source: str
    alive: bool
    at_ms: int
    good: int = 0
    garbage: int = 0
    detail: str = ""  # for people, e.g. "/dev/ttyACM0: no such device"
    asleep: bool = False  # alive, and what the line leads to is switched off: nothing to read, and no fault


class Residuals(msgspec.Struct, frozen=True, tag="residuals"):
    """A model's answer to a Question: what it expected of each signal, in standardised units.

    `estimates` has one number a signal of the part, in the part's order. `None` says that the model has no view
    this time (worker dead, deadline missed, answer not finite).
    """

    part: str
    at_ms: int  # of the row that was asked about
    estimates: tuple[float, ...] | None


class Receipt(msgspec.Struct, frozen=True, tag="receipt"):
    """What became of an effect: an output driven and read back, or a message the fleet has committed."""

    effect_id: str
    at_ms: int
    ok: bool
    detail: str = ""


class ReadBack(msgspec.Struct, frozen=True, tag="read_back"):
    """What an output's contacts have done by themselves: they are no longer as they were ordered, or are again."""

    output: str
    at_ms: int
    follows: bool
    detail: str = ""  # for people, e.g. "fan_relay: pin 17 is driven on, but pin 22 reads off"


class Command(msgspec.Struct, frozen=True, tag="command"):
    """An order of a person or of the fleet.

    `verb` is one of ack, shelve, unshelve, release, quarantine, feedback, clear, cycle, context, tighten, advisory, loosen.
    `target` is a signal, a part or a fault id. `remote` is true for what came over the network: it may tighten, never loosen.
    """

    verb: str
    target: str
    at_ms: int
    who: str = "unknown"
    reason: str = ""
    for_ms: int = 0  # shelve, tighten, advisory: how long
    remote: bool = False
    id: str = ""  # of an order from afar, which is answered
    keys: int = 1  # from afar: how many different keys of different people signed it
    time_trusted: bool = True  # from afar: whether this device's clock could judge that it has not expired
    factor: float = 0.0  # tighten: how much stricter
    says: str = ""  # feedback: false_alarm, right or undo
    class_: str = ""  # advisory: the class of fault that is suspected
    home: bool = False  # a press in Home Assistant, which nobody signed


Fact = Reading | LineState | Residuals | ReadBack
Input = Reading | LineState | Residuals | ReadBack | Receipt | Command

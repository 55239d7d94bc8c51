"""These are the effects that leave through the node's one door. The shell journals them, then acts, then tells."""

import msgspec


class Question(msgspec.Struct, frozen=True, tag="question"):
    """A row that the part's model should look at; the answer comes back as `Residuals`.

    `row` is standardised: (value - centre) / scale, one number a signal of the part, 0.0 where a reading is missing.
    """

    part: str
    at_ms: int
    row: tuple[float, ...]


class Drive(msgspec.Struct, frozen=True, tag="drive"):
    """An output to be set and read back. Answered by a `Receipt`. Driving twice does no harm."""

    effect_id: str
    output: str
    on: bool
    at_ms: int
    reason: str = ""


class Event(msgspec.Struct, frozen=True, tag="event"):
    """One change, as it will stand as a line of events.jsonl.

    `kind` is one of source_lost, source_back, verdict, fault, isolate, would_isolate, release, output, escalate, acknowledged,
    command, shed, note.
    """

    kind: str
    at_ms: int
    name: str  # signal, part, output, source or fault id
    detail: dict[str, object] = {}


class Escalate(msgspec.Struct, frozen=True, tag="escalate"):
    """One message that deserves to leave. It stays in the outbox until the fleet's own receipt.

    `body` is the escalation's record (see `wire.Escalation`), without wall time: the shell stamps that.
    """

    effect_id: str  # "<fault id>.r<revision>": the CloudEvents id
    fault_id: str
    revision: int
    kind: str  # opened | updated | closed
    severity: str
    at_ms: int
    body: dict[str, object]


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """What became of an order from afar. It goes to the outbox, as an escalation does."""

    effect_id: str  # the CloudEvents id
    order_id: str
    verb: str
    target: str
    obeyed: bool
    says: str
    who: str
    at_ms: int
    context: dict[str, object] = {}  # where it was asked for: what `why` says


Effect = Question | Drive | Event | Escalate | Answer

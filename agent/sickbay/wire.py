"""These are the message shapes shared with the fleet, versioned by the topic prefix `sickbay/1`."""

from typing import Any

import msgspec

from sickbay.errors import WireError

OPENED, UPDATED, CLOSED = "sickbay.fault.opened", "sickbay.fault.updated", "sickbay.fault.closed"
MAX_BYTES = 16_384  # of one message; brokers on small machines refuse more than 20 KiB


class Escalation(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """One fault's story, revision by revision. It is the `data` of a CloudEvent; `subject` is `fault_id`."""

    fault_id: str  # minted by the device, unique for ever
    revision: int  # 1 for opened, then rising by one
    device: str
    target: str  # the signal, part, output or source that is at fault
    class_: str  # stuck, range, rate, noise, sentinel, silent, disagreement, shift, no_effect, garbage, ...
    layer: str  # sensor | part | line | surroundings | unknown
    severity: str  # critical | major | minor
    summary: str  # one sentence for a person
    evidence: list[str] = []
    counter_evidence: list[str] = []
    outlook: str = ""  # the time left until a declared limit, where a trend can tell
    rule: str = ""  # the rule that allowed, or forbade, the action
    done: str = ""  # what was done
    stands_in: str | None = None  # the substitute
    releases: str = ""  # what would release it
    next_step: str = ""  # what a person should do
    freeze_frame: dict[str, Any] = {}  # {"from_ms", "to_ms", "opened_ms", "signals": {name: [[at_ms, value], ...]}}
    history: dict[str, Any] = {}  # this unit's own: occurrences, first, last, near misses, feedback
    model: str = ""  # the cohort
    left_out: dict[str, str] = {}  # what would stand here and does not, and why: a line of [consent], or want of room


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A CloudEvents 1.0 envelope in structured JSON mode. https://github.com/cloudevents/spec (v1.0.2)."""

    specversion: str
    id: str
    source: str  # "sickbay/DEVICE"
    type: str
    subject: str = ""
    time: str = ""  # RFC 3339, wall time of the device
    datacontenttype: str = "application/json"
    timequality: str = "unsynced"  # extension: synced | unsynced
    historical: bool = False  # extension: true when it waited for a connection
    # Extensions that order and date messages where the clock was wrong: the device's start, the place of the message in it, and
    # the time by a clock that only goes forward. All messages of one boot share one offset from it to the wall.
    boot: int = 0
    seq: int = 0
    atms: int = 0
    data: dict[str, Any] = {}


class ReceiptMessage(msgspec.Struct, frozen=True):
    """The fleet's receipt, after its own commit: the CloudEvents ids it holds.

    A store that came back from a backup lacks what was receipted since: `lacks` asks for the stories of those faults once more,
    `digest` for a digest. Both only repeat what may leave anyhow, which is why they need no signature.
    """

    ids: list[str]
    lacks: list[str] = []
    digest: bool = False


class OpenFault(msgspec.Struct, frozen=True):
    """One fault, how far its story has come, and how far the fleet has receipted it."""

    id: str
    revision: int
    delivered: int = 0


class Digest(msgspec.Struct, frozen=True):
    """All faults that are open, sent on each connect: what is not in it is closed, so that no clear is ever lost."""

    device: str
    open: list[OpenFault]
    boot: int
    shed: dict[str, int] = {}  # by severity: messages that the device had to throw away, ever
    closed: list[OpenFault] = []  # the latest that were told and are over: a fleet that lost them can ask
    time: str = ""  # RFC 3339
    timequality: str = "unsynced"
    atms: int = 0  # as in CloudEvent


class State(msgspec.Struct, frozen=True):
    """The device's retained word about itself: birth, heartbeat and, as the last will, its end."""

    device: str
    state: str  # up | gone
    boot: int = 0
    version: str = ""
    model: str = ""  # the cohort
    open: int = 0  # faults
    time: str = ""  # RFC 3339
    timequality: str = "unsynced"
    atms: int = 0  # as in CloudEvent


# RecursionError: ten thousand opening brackets are 10 kB, and anybody who may publish can send them.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_event = msgspec.json.Decoder(CloudEvent)
_receipt = msgspec.json.Decoder(ReceiptMessage)
_escalation = msgspec.json.Decoder(Escalation)
_digest = msgspec.json.Decoder(Digest)
_state = msgspec.json.Decoder(State)


def decode_event(payload: bytes) -> tuple[CloudEvent, Escalation]:
    """This returns the envelope and its escalation, or raises WireError with the reason."""
    try:
        event = _event.decode(payload)
        escalation = msgspec.convert(event.data, Escalation)
    except _UNREADABLE as error:
        raise WireError(f"escalation: not understood: {error}") from None
    if event.specversion != "1.0":
        raise WireError(f"escalation: specversion {event.specversion!r} is not 1.0")
    if event.type not in (OPENED, UPDATED, CLOSED):
        raise WireError(f"escalation: unknown type {event.type!r}")
    return event, escalation


def decode_receipt(payload: bytes) -> ReceiptMessage:
    """This returns a receipt, or raises WireError."""
    try:
        return _receipt.decode(payload)
    except _UNREADABLE as error:
        raise WireError(f"receipt: not understood: {error}") from None


def decode_digest(payload: bytes) -> Digest:
    """This returns a digest, or raises WireError."""
    try:
        return _digest.decode(payload)
    except _UNREADABLE as error:
        raise WireError(f"digest: not understood: {error}") from None


def decode_state(payload: bytes) -> State:
    """This returns a device's state, or raises WireError."""
    try:
        state = _state.decode(payload)
    except _UNREADABLE as error:
        raise WireError(f"state: not understood: {error}") from None
    if state.state not in ("up", "gone"):
        raise WireError(f"state: {state.state!r} is neither up nor gone")
    return state


def topic(prefix: str, device: str, leaf: str) -> str:
    """This returns the topic of a device, e.g. leaf "up/escalation", "down/receipt"."""
    return f"{prefix}/{device}/{leaf}"


encode = msgspec.json.encode

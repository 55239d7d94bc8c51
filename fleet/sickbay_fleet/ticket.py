"""This is the one rule of a ticket: the highest revision of a fault's story tells its state. Pure."""

from datetime import UTC, datetime

import msgspec

from sickbay import wire


class Ticket(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """One fault of one device, as people see it."""

    id: str
    device: str
    target: str
    class_: str
    layer: str
    severity: str
    state: str  # open | closed
    opened: str  # RFC 3339
    closed: str | None
    messages: int


class Story(msgspec.Struct, frozen=True):
    """A ticket and what is needed to judge the next message about it."""

    ticket: Ticket
    revision: int  # the highest seen
    summary: str = ""
    note: str = ""  # set where a digest, not a message, closed it
    # (boot, ms of the device's own clock) of a time that is that of the arrival, since the device did not know its own then.
    opened_by: tuple[int, int] | None = None
    closed_by: tuple[int, int] | None = None
    heard: tuple[int, int] = (
        0,
        0,
    )  # (boot, ms of the device's own clock) of the latest message: a digest of before is older news


def tell(
    story: Story | None, event: wire.CloudEvent, escalation: wire.Escalation, now: str, offset_s: float | None = None
) -> Story:
    """This returns the story after one more message, in whatever order messages come.

    A late revision counts as a message and may show an earlier beginning; it changes nothing else. `offset_s` is what has to be
    added to the device's own clock of that boot, None while nobody knows.
    """
    own = _utc(event.time) if event.timequality == "synced" else None
    if own is None and offset_s is not None:
        own = wall(event.atms, offset_s)
    at = own or now
    by = (event.boot, event.atms) if own is None and event.boot else None
    if story is None:
        ticket = Ticket(
            id=escalation.fault_id,
            device=escalation.device,
            target=escalation.target,
            class_=escalation.class_,
            layer=escalation.layer,
            severity=escalation.severity,
            state="closed" if event.type == wire.CLOSED else "open",
            opened=at,
            closed=at if event.type == wire.CLOSED else None,
            messages=1,
        )
        closed_by = by if event.type == wire.CLOSED else None
        heard = event.boot, event.atms
        return Story(ticket, escalation.revision, escalation.summary, opened_by=by, closed_by=closed_by, heard=heard)
    old = msgspec.structs.replace(story.ticket, messages=story.ticket.messages + 1)
    opened_by = story.opened_by
    if at < old.opened or (event.type == wire.OPENED and at != now):
        old = msgspec.structs.replace(old, opened=at)
        opened_by = by
    heard = max(story.heard, (event.boot, event.atms))
    story = msgspec.structs.replace(story, opened_by=opened_by, heard=heard)
    if escalation.revision <= story.revision:
        return msgspec.structs.replace(story, ticket=old)
    closed = event.type == wire.CLOSED
    ticket = msgspec.structs.replace(
        old,
        target=escalation.target,
        class_=escalation.class_,
        layer=escalation.layer,
        severity=escalation.severity,
        state="closed" if closed else "open",
        closed=at if closed else None,
    )
    closed_by = by if closed else None
    return Story(ticket, escalation.revision, escalation.summary, opened_by=opened_by, closed_by=closed_by, heard=heard)


def dated(story: Story, boot: int, offset_s: float) -> Story:
    """This returns the story with its times put right, once a device's clock of that boot is known."""
    ticket = story.ticket
    if story.opened_by is not None and story.opened_by[0] == boot:
        ticket = msgspec.structs.replace(ticket, opened=wall(story.opened_by[1], offset_s) or ticket.opened)
        story = msgspec.structs.replace(story, opened_by=None)
    if story.closed_by is not None and story.closed_by[0] == boot:
        ticket = msgspec.structs.replace(ticket, closed=wall(story.closed_by[1], offset_s) or ticket.closed)
        story = msgspec.structs.replace(story, closed_by=None)
    return msgspec.structs.replace(story, ticket=ticket)


def offset_s(time: str, at_ms: int) -> float | None:
    """This returns what has to be added to a device's own clock to get the wall's, from one moment by both."""
    try:
        return datetime.fromisoformat(time).timestamp() - at_ms / 1000
    except (ValueError, OverflowError):
        return None


def wall(at_ms: int, offset_s: float) -> str | None:
    """This returns the wall time of a moment of a device's own clock."""
    try:
        return datetime.fromtimestamp(offset_s + at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return None


def _utc(time: str) -> str | None:
    """This returns a time as all times here are written, so that they compare as text; None for what is no time."""
    try:
        return datetime.fromisoformat(time).astimezone(UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):
        return None


def close_unheard(story: Story, note: str, now: str) -> Story:
    """This returns the story of a fault that the device no longer holds open, although it never said so."""
    return msgspec.structs.replace(
        story, ticket=msgspec.structs.replace(story.ticket, state="closed", closed=now), note=note
    )


def reopen(story: Story) -> Story:
    """This returns the story of a fault that a digest closed and a later digest holds open again."""
    return msgspec.structs.replace(
        story, ticket=msgspec.structs.replace(story.ticket, state="open", closed=None), note=""
    )

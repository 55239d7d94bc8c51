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


def tell(story: Story | None, event: wire.CloudEvent, escalation: wire.Escalation, now: str) -> Story:
    """This returns the story after one more message, in whatever order messages come.

    A late revision counts as a message and may show an earlier beginning; it changes nothing else.
    """
    at = (_utc(event.time) if event.timequality == "synced" else None) or now
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
        return Story(ticket, escalation.revision, escalation.summary)
    old = msgspec.structs.replace(story.ticket, messages=story.ticket.messages + 1)
    if at < old.opened or (event.type == wire.OPENED and at != now):
        old = msgspec.structs.replace(old, opened=at)
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
    return Story(ticket, escalation.revision, escalation.summary)


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

"""This gives a message of the outbox the shape in which it leaves: marked as late, and as small as the broker wants it."""

from typing import Any

import msgspec

# What is left out first where a broker takes only small packets. The words of a fault stay.
_DISPENSABLE = ("freeze_frame", "context", "history", "counter_evidence", "evidence")


def historical(payload: bytes) -> bytes:
    """This returns the CloudEvent marked as one that waited for a connection; what is none is left as it is."""
    event = _decoded(payload)
    return payload if event is None else msgspec.json.encode({**event, "historical": True})


def fitted(payload: bytes, bytes_max: int) -> bytes:
    """This returns the message in at most so many bytes where that is possible, and says in `left_out` what is missing."""
    event = _decoded(payload)
    body: Any = event.get("data") if event is not None else None
    if event is None or not isinstance(body, dict):
        return payload
    for field in _DISPENSABLE:
        if len(payload) <= bytes_max:
            break
        if body.get(field):
            left_out = {**body.get("left_out", {}), field: f"the broker takes {bytes_max} bytes"}
            body = {**body, field: type(body[field])(), "left_out": left_out}
            payload = msgspec.json.encode({**event, "data": body})
    return payload


def _decoded(payload: bytes) -> dict[str, Any] | None:
    try:
        event = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return event if isinstance(event, dict) else None

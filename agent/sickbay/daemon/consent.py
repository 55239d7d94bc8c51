"""This keeps back what the owner did not consent to, says so in the message, and names the line that lets the rest go.

The words of a fault leave because [mqtt] is there: that is what it is for. Everything beside them is a class of data with a key in
[consent]. Only the configuration file is asked, when a message is made and again when it leaves.
"""

from typing import Any

import msgspec

from sickbay.config import ConsentTable

# Of a message's body: the field, the key that lets it leave, and what of it always may, since it tells of gaps in the delivery.
FIELDS: dict[str, tuple[str, frozenset[str]]] = {
    "freeze_frame": ("freeze_frames", frozenset()),
    "history": ("history", frozenset(("shed", "withheld"))),
    "context": ("context", frozenset()),
}


class Consent:
    """What the owner of this device lets go."""

    def __init__(self, why: str, allowed: ConsentTable) -> None:
        """`why` names the line of the configuration that lets anything leave at all."""
        self._why, self._allowed = why, allowed

    def applied(self, body: dict[str, Any]) -> dict[str, Any]:
        """This returns the body of a message without what may not leave; `left_out` names that and its key."""
        out, left_out = dict(body), dict(body.get("left_out", {}))
        for field, (key, always) in FIELDS.items():
            held = out.get(field)
            if getattr(self._allowed, key) or not isinstance(held, dict) or not held.keys() - always:
                continue
            out[field] = {name: held[name] for name in held if name in always}
            left_out[field] = f"[consent] {key} = false"
        if left_out:
            out["left_out"] = left_out
        return out

    def line(self, body: dict[str, Any]) -> str:
        """This returns the lines of the configuration that let a body leave which `applied` returned."""
        keys = [
            f"{key} = true"
            for field, (key, always) in FIELDS.items()
            if isinstance(body.get(field), dict) and body[field].keys() - always
        ]
        return "; ".join([self._why, *([f"[consent] {', '.join(keys)}"] if keys else [])])

    def leaving(self, payload: bytes) -> tuple[bytes, str]:
        """This returns a message that may have waited since before the configuration changed, as it may leave now, and why."""
        try:
            event = msgspec.json.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return payload, self._why
        body = event.get("data") if isinstance(event, dict) else None
        if not isinstance(body, dict):
            return payload, self._why
        applied = self.applied(body)
        if applied == body:
            return payload, self.line(body)
        return msgspec.json.encode({**event, "data": applied}), self.line(applied)

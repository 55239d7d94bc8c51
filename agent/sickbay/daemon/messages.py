"""This puts wall time and envelopes on what the node says: CloudEvents, birth, digest, and lines of events.jsonl."""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

import sickbay
from sickbay import order_wire, wire
from sickbay.config import ConsentTable
from sickbay.core.effects import Answer, Effect, Escalate, Event
from sickbay.daemon.consent import Consent
from sickbay.daemon.times import Clock, time_quality
from sickbay.edge.journal import OutboxRow

EVENTS_BYTES_MAX = 16 << 20  # then events.jsonl becomes events.jsonl.1, and the one before is gone

# Events that change what must outlive a power cut. Verdicts alone do not: the next reading brings them again.
LASTING = frozenset(("fault", "isolate", "would_isolate", "probation", "release", "output", "command", "acknowledged"))
_OF_A_FAULT = ("fault", "escalate", "acknowledged")
Told = tuple[str, int, int]  # fault id, revision, the latest revision that the fleet receipted
_TYPES = {"opened": wire.OPENED, "updated": wire.UPDATED, "closed": wire.CLOSED}
_ALLOWED = ConsentTable()


class Envelopes:
    """What every message of this device has in common."""

    def __init__(
        self,
        device: str,
        model: str,
        prefix: str,
        consent: str,
        clock: Clock,
        boot: int,
        *,
        quality: Callable[[], str] = time_quality,
        wall_s: Callable[[], float] = time.time,
        allowed: ConsentTable = _ALLOWED,
    ) -> None:
        self._device, self._model, self._prefix, self._consent = device, model, prefix, Consent(consent, allowed)
        self._clock, self._boot = clock, boot
        self._quality, self._wall_s = quality, wall_s
        self._seq = 0
        self.shed: dict[str, int] = {}  # messages that will never leave, by severity: the fleet must know of the gap

    def rows(self, effects: Iterable[Effect]) -> list[OutboxRow]:
        """This returns the outbox rows of those effects that are messages, in order."""
        return [
            self.escalation(e) if isinstance(e, Escalate) else self.answer(e)
            for e in effects
            if isinstance(e, Escalate | Answer)
        ]

    def answer(self, effect: Answer) -> OutboxRow:
        """This returns the outbox row of the answer to an order; a context that does not fit the wire is left out."""
        told = order_wire.Answer(
            order=effect.order_id,
            device=self._device,
            verb=effect.verb,
            target=effect.target,
            obeyed=effect.obeyed,
            says=effect.says,
            who=effect.who,
            believed=bool(effect.who),
            context=effect.context,
        )
        self._seq += 1
        body = self._consent.applied(msgspec.to_builtins(told))
        payload = self._answered(effect, body)
        if len(payload) > wire.MAX_BYTES:
            body = {**body, "context": {"left_out": "it was too long"}}
            payload = self._answered(effect, body)
        topic = wire.topic(self._prefix, self._device, "up/answer")
        kind = "obeyed" if effect.obeyed else "refused"
        id_ = effect.effect_id
        return OutboxRow(id_, id_, "minor", kind, topic, payload, self._wall_s(), self._consent.line(body))

    def _answered(self, effect: Answer, told: dict[str, Any]) -> bytes:
        return self._event(effect.effect_id, order_wire.ANSWERED, effect.order_id, effect.at_ms, told)

    def escalation(self, effect: Escalate) -> OutboxRow:
        """This returns the outbox row of an escalation, its freeze frame thinned until it fits the wire."""
        self._seq += 1
        body = self._consent.applied({**effect.body, "model": self._model})
        if self.shed:
            body["history"] = {**body.get("history", {}), "shed": dict(self.shed)}
        while True:
            payload = self._event(effect.effect_id, _TYPES[effect.kind], effect.fault_id, effect.at_ms, body)
            if len(payload) <= wire.MAX_BYTES or not _thin(body):
                break
        topic = wire.topic(self._prefix, self._device, "up/escalation")
        return OutboxRow(
            id=effect.effect_id,
            fault_id=effect.fault_id,
            severity=effect.severity,
            kind=effect.kind,
            topic=topic,
            payload=payload,
            created=self._wall_s(),
            consent=self._consent.line(body),
            class_=str(effect.body.get("class", "")),
        )

    def leaving(self, payload: bytes) -> tuple[bytes, str]:
        """This returns a message of the outbox as it may leave now, and what lets it: consent can have ended since it was made."""
        return self._consent.leaving(payload)

    def birth(self, open_faults: int) -> bytes:
        """This returns the device's retained word about itself."""
        at_ms = self._clock()
        return wire.encode(
            wire.State(
                device=self._device,
                state="up",
                boot=self._boot,
                version=sickbay.__version__,
                model=self._model,
                open=open_faults,
                time=self._clock.wall(at_ms),
                timequality=self._quality(),
                atms=at_ms,
            )
        )

    def digest(self, open_faults: Iterable[Told], closed: Iterable[Told] = ()) -> bytes:
        """This returns the open faults, so that no clear is ever lost, and the latest closed ones."""
        at_ms = self._clock()
        return wire.encode(
            wire.Digest(
                device=self._device,
                open=[wire.OpenFault(*told) for told in open_faults],
                boot=self._boot,
                shed=dict(self.shed),
                closed=[wire.OpenFault(*told) for told in closed],
                time=self._clock.wall(at_ms),
                timequality=self._quality(),
                atms=at_ms,
            )
        )

    def _event(self, id_: str, type_: str, subject: str, at_ms: int, told: dict[str, Any]) -> bytes:
        return wire.encode(
            wire.CloudEvent(
                specversion="1.0",
                id=id_,
                source=f"sickbay/{self._device}",
                type=type_,
                subject=subject,
                time=self._clock.wall(at_ms),
                timequality=self._quality(),
                boot=self._boot,
                seq=self._seq,
                atms=at_ms,
                data=told,
            )
        )


def _thin(body: dict[str, Any]) -> bool:
    """This takes the longest window out of a freeze frame; returns whether there was one."""
    frame = body.get("freeze_frame")
    if not isinstance(frame, dict) or not frame.get("signals"):
        return False
    signals = dict(frame["signals"])
    name = max(signals, key=lambda name: len(signals[name]))
    del signals[name]
    body["freeze_frame"] = {**frame, "signals": signals}
    left_out = body.get("left_out", {})
    body["left_out"] = {**left_out, f"freeze_frame.signals.{name}": f"a message has at most {wire.MAX_BYTES} bytes"}
    return True


class EventsFile:
    """events.jsonl: one line a change, append-only, readable by anything. A full disk costs lines, never the daemon."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self.lost = 0

    def write(self, events: list[Event]) -> int:
        """This appends the lines of some events, and returns how many bytes that were."""
        if self._path is None or not events:
            return 0
        lines = b"".join(self._line(event) for event in events)
        try:
            if self._path.exists() and self._path.stat().st_size > EVENTS_BYTES_MAX:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
            with self._path.open("ab") as out:
                out.write(lines)
        except OSError:
            self.lost += len(events)
            return 0
        return len(lines)

    def _line(self, event: Event) -> bytes:
        record = {"mono_ms": event.at_ms, "wall": self._clock.wall(event.at_ms), "kind": event.kind, "name": event.name}
        # The same names as in status: "target" is what it is about, "id" the fault's.
        record["id" if event.kind in _OF_A_FAULT else "target"] = event.name
        return msgspec.json.encode({**record, **{k: v for k, v in event.detail.items() if k not in record}}) + b"\n"


def level(event: Event) -> int:
    """This returns how loud an event is in the log: what went as it should is no warning."""
    if event.kind == "output" and event.detail.get("ok"):
        return logging.INFO
    return logging.WARNING if event.kind in LASTING - {"acknowledged", "command"} else logging.INFO


def words(event: Event) -> str:
    """This returns an event as a line of the log."""
    detail = ", ".join(f"{k} {v}" for k, v in event.detail.items() if v not in ("", None, []))
    return f"{event.kind} {event.name}: {detail}" if detail else f"{event.kind} {event.name}"

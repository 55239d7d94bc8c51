"""This keeps the record of a run in process: the node's effects and the machine's rows, in story seconds."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec

from sickbay.core.effects import Escalate, Event
from sickbay.core.equipment import Equipment
from sickbay.core.node import Node
from sickbay.core.quarantine import OUT_OF_SERVICE, State
from sickbay.daemon.messages import Envelopes
from sickbay.daemon.times import Clock
from sickbay_sim.patient import Patient
from sickbay_sim.record import Change, Masked, Run, StandIn, Told

STAND_IN_EVERY_S = 10.0  # how often a stand-in's word is held against the truth
BIRTH = datetime(2026, 1, 1, tzinfo=UTC)  # wall time at the start of every story

_MASKING = {"isolate", "would_isolate", "probation", "release"}


class StoryClock(Clock):
    """The wall clock of a story: every run of a scenario writes the same times on its messages."""

    def wall(self, at_ms: int) -> str:
        at = BIRTH + timedelta(milliseconds=at_ms)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Keeper:
    """The record of one run while it grows."""

    def __init__(self, run: Run, equipment: Equipment, zero_ms: int, keep_rows: bool = False) -> None:
        self.run = run
        self._zero_ms = zero_ms
        self._keep_rows = keep_rows
        self._signals = [s.name for s in equipment.signals]
        self._limited = [s for s in equipment.signals if s.limit_low is not None or s.limit_high is not None]
        self._envelopes = Envelopes(equipment.device, run.scenario.plant, "sickbay/1", "bench", StoryClock(), 1)
        self._masked: dict[str, tuple[float, bool]] = {}  # name: (since, active)
        self._stand_in_s = 0.0
        self._scales: dict[str, float] = {}
        self._contacts: dict[str, bool] = {}
        self._encode = msgspec.json.Encoder().encode

    def story_s(self, at_ms: int) -> float:
        return (at_ms - self._zero_ms) / 1000

    def event(self, event: Event) -> None:
        """This takes in one change, and follows what it says of masks."""
        at_s = self.story_s(event.at_ms)
        self.run.changes.append(Change(at_s, event.kind, event.name, event.detail))
        if event.kind in _MASKING:
            self._mask(event.name, State(str(event.detail["state"])), at_s)

    def told(self, effect: Escalate) -> int:
        """This takes in one message and returns its place among those told."""
        row = self._envelopes.escalation(effect)
        body = effect.body
        words = {key: str(body[key]) for key in ("class", "layer", "target", "summary")}
        self.run.told.append(
            Told(
                self.story_s(effect.at_ms),
                effect.effect_id,
                effect.fault_id,
                effect.revision,
                effect.kind,
                words["class"],
                words["layer"],
                words["target"],
                effect.severity,
                words["summary"],
                len(row.payload),
                outlook=str(body["outlook"]),
            )
        )
        self.run.bytes_out += len(row.payload)
        return len(self.run.told) - 1

    def delivered(self, place: int, at_ms: int) -> None:
        """This takes in that the receiving end has committed a message."""
        self.run.told[place] = replace(self.run.told[place], delivered_s=self.story_s(at_ms))

    def row(self, at_ms: int, row: dict[str, float | None], patient: Patient, node: Node) -> None:
        """This takes in what reached the port in one period, and what was true meanwhile."""
        for relay in patient.coils:
            closed = patient.contacts(relay)
            if self._contacts.get(relay) is not closed:
                self._contacts[relay] = closed
                self.run.relays.setdefault(relay, []).append((self.story_s(at_ms), closed))
        said = {name: value for name, value in row.items() if value is not None}
        # As the wires write it: a blank after each colon and comma, and two bytes for the line's end.
        self.run.bytes_in += len(self._encode(said)) + 2 * len(said) + 1
        if self._limited and at_ms >= self._zero_ms:
            self._watch_limits(self.story_s(at_ms), patient.true_values())
        if self._masked or self._keep_rows:
            self._compare(self.story_s(at_ms), row, patient, node)

    def ended(self, node: Node, seconds: float) -> Run:
        """This closes the record."""
        for name, (since_s, active) in self._masked.items():
            self.run.masked.append(Masked(name, since_s, None, active))
        self._masked.clear()
        self.run.masked.sort(key=lambda m: m.from_s)
        self.run.states = {name: str(r.state) for name, r in node.ward.quarantine.records.items()}
        self.run.end_s = seconds
        return self.run

    def _watch_limits(self, at_s: float, true: dict[str, float]) -> None:
        """This notes which signals truly go beyond a limit that is declared for them, each once."""
        for signal in list(self._limited):
            value = true[signal.name]
            low = -math.inf if signal.limit_low is None else signal.limit_low
            high = math.inf if signal.limit_high is None else signal.limit_high
            if not low <= value <= high:
                self.run.limits_s[signal.name] = at_s
                self._limited.remove(signal)

    def _mask(self, name: str, state: State, at_s: float) -> None:
        active = None if state is State.IN_SERVICE else state in OUT_OF_SERVICE
        before = self._masked.get(name)
        if before is not None and before[1] is not active:
            self.run.masked.append(Masked(name, before[0], at_s, before[1]))
            del self._masked[name]
        if active is not None and name not in self._masked:
            self._masked[name] = (at_s, active)

    def _compare(self, at_s: float, row: dict[str, float | None], patient: Patient, node: Node) -> None:
        true = patient.true_values()
        if self._keep_rows:
            self.run.rows.append((at_s, row))
            self.run.true_rows.append((at_s, true))
        if at_s < self._stand_in_s + STAND_IN_EVERY_S:
            return
        self._stand_in_s = at_s
        for name in self._masked:
            channel = node.ward.channels.get(name)
            by = channel.substitute if channel is not None else None
            said = node.ward.channels[by].value if by is not None else None
            if by is not None and said is not None:
                self.run.stand_ins.append(StandIn(at_s, name, by, said, true[name], self._scale(node, name)))

    def _scale(self, node: Node, name: str) -> float:
        """This returns a signal's normal spread as the unit has learnt it."""
        if name not in self._scales:
            rows = node.ward.channels[name].rows
            learnt = rows[0][0].view.learnt() if rows else None
            if learnt is None:
                return 1.0
            self._scales[name] = learnt.signals[rows[0][1]].scale
        return self._scales[name]

"""This is one device in one object: facts, orders, receipts and time come in by one door, effects leave by the other.

Nothing in here reads a clock, a file or chance. The same inputs give the same effects, byte for byte, on any machine, and a node
restored from its snapshot goes on as if it had never stopped.
"""

from collections.abc import Mapping, Sequence

from sickbay.core import afar, casework, closing, intake, isolating, lines, memory, orders, parts, telling
from sickbay.core.baseline import Learnt
from sickbay.core.diagnosis import Finding
from sickbay.core.effects import Effect
from sickbay.core.equipment import Equipment
from sickbay.core.fault import Result
from sickbay.core.reading import Command, Fact, LineState, ReadBack, Reading, Receipt, Residuals
from sickbay.core.ward import Ward


class Node:
    """One device. `mint` makes its fault ids unique for ever; `learnt` is what earlier learning left, by part."""

    def __init__(self, equipment: Equipment, mint: str, learnt: Mapping[str, Learnt] | None = None) -> None:
        self.ward = Ward(equipment, mint, learnt or {})

    def start(self, at_ms: int) -> None:
        """This puts every output where its part's state wants it: at a first start, and after a restart alike."""
        ward = self.ward
        ward.advance(at_ms)
        for channel in ward.channels.values():
            # Silence is counted from the start: a sensor that never spoke is as silent as one that stopped.
            channel.checks.started(ward.now_ms)
        ward.pending_drives.clear()
        for part in ward.equipment.parts:
            if part.output is not None:
                isolating.drive(ward, part, "start")
        ward.due_ms = ward.now_ms

    def feed(self, fact: Fact) -> None:
        """This takes in a reading, a source's word about its line, an answer of a model, or what contacts did by themselves."""
        if type(fact) is Reading:
            intake.reading(self.ward, fact)
        elif isinstance(fact, LineState):
            lines.line(self.ward, fact)
        elif isinstance(fact, Residuals):
            row = self.ward.rows.get(fact.part)
            if row is not None:
                row.view.residuals(fact.estimates)
        elif isinstance(fact, ReadBack):
            self.ward.advance(fact.at_ms)
            casework.read_back(self.ward, fact)

    def row_over(self, at_ms: int) -> None:
        """This says that nothing more will come for this instant: rows that are still incomplete are judged as they are."""
        ward = self.ward
        ward.advance(at_ms)
        for row in ward.rows.values():
            if row.seen:
                parts.close_row(ward, row, at_ms)

    def command(self, order: Command) -> str:
        """This obeys an order and returns what was done; raises OrderRefused with the reason."""
        self.ward.advance(order.at_ms)
        return orders.obey(self.ward, order)

    def use_up(self, keys: Sequence[str], counter: int) -> None:
        """This takes the counter of an order from afar as used, before it is obeyed; raises OrderRefused for a replay."""
        self.ward.orders.use_up(keys, counter)

    def done(self, receipt: Receipt) -> None:
        """This takes in what became of a Drive or an Escalate."""
        ward = self.ward
        ward.advance(receipt.at_ms)
        if receipt.effect_id in ward.pending_drives:
            casework.driven(ward, receipt)
            return
        fault_id, _, revision = receipt.effect_id.rpartition(".r")
        if not receipt.ok:
            ward.triage.retell(fault_id, ward.now_ms)  # the fleet has lost it: a store that came back from a backup
            ward.soon(ward.now_ms)
            return
        case = ward.triage.committed(fault_id, int(revision)) if revision.isdigit() else None
        if case is not None:
            ward.emit("acknowledged", fault_id, revision=int(revision), target=case.target)

    def store(self, healthy: bool, says: str, at_ms: int) -> None:
        """This takes in whether the device can keep its records."""
        self.ward.advance(at_ms)
        result = Result.PASSED if healthy else Result.FAILED
        casework.judge(self.ward, "journal", "store", result, Finding("surroundings", "journal", "store", (says,)))

    def tick(self, now_ms: int) -> None:
        """This lets time pass: silence, incomplete rows, probations, cycles, and messages that are due."""
        ward = self.ward
        ward.advance(now_ms)
        now = ward.now_ms
        for channel in ward.channels.values():
            if not channel.silent and channel.checks.overdue(now):
                lines.fell_silent(ward, channel, now)
        for row in ward.rows.values():
            if row.seen and now - row.opened_ms >= parts.ROW_WAITS * row.period_ms:
                parts.close_row(ward, row, now)
        isolating.moved(ward, ward.quarantine.tick(now))
        isolating.tend(ward, now)
        afar.tick(ward, now)
        closing.close_cases(ward, now)
        if now - ward.cycle_ms >= ward.equipment.policy.cycle_ms:
            casework.end_cycle(ward)
        ward.effects += ward.triage.due(
            now, lambda case, at_ms: telling.body(ward, case, at_ms), lambda case: telling.gist(ward, case)
        )
        ward.due_ms = _next_due(ward, now)

    def deadline_ms(self) -> int | None:
        """This returns when `tick` wants to be called next, None if only a fact can change anything."""
        due = self.ward.due_ms
        for row in self.ward.rows.values():
            if row.seen:
                waits = row.opened_ms + int(parts.ROW_WAITS * row.period_ms)
                if due is None or waits < due:
                    due = waits
        return due

    def take_effects(self) -> list[Effect]:
        """This returns what is to be done, in order, once."""
        taken, self.ward.effects = self.ward.effects, []
        return taken

    def snapshot(self) -> bytes:
        """This returns all that must last, under a seal."""
        return memory.snapshot(self.ward)

    def restore(self, kept: bytes) -> list[str]:
        """This takes up where a snapshot left off, and returns what of it did not fit, in words."""
        return memory.restore(self.ward, kept)


def _next_due(ward: Ward, now: int) -> int:
    """This returns the earliest time at which anything can change by itself."""
    policy = ward.equipment.policy
    due = ward.cycle_ms + policy.cycle_ms
    for channel in ward.channels.values():
        if not channel.silent:
            due = min(due, channel.checks.next_deadline_ms() or due)
    for case in ward.triage.open_cases():
        if case.clear_ms is not None:
            due = min(due, max(case.clear_ms + policy.probation_ms, now + 1000))
    for part in ward.equipment.parts:
        if part.output in ward.ordered and ward.quarantine.records[part.name].output_fails:
            due = min(due, ward.ordered[part.output][1] + isolating.AGAIN_MS)
    for other in (ward.quarantine.due_ms(now), ward.triage.due_ms(), ward.orders.due_ms()):
        due = due if other is None else min(due, other)
    return max(due, now + 1)

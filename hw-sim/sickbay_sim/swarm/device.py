"""This is one device of the swarm: the real node and the real journal, in the shell's order of state, journal, act, tell.

The daemon's shell does this around an event loop, which would cost a thousand loops. What differs here: a commit takes no time, a
disk never hangs, and nothing is spared towards the end of a day's bytes.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from sickbay.core import report
from sickbay.core.effects import Drive, Effect, Escalate, Event
from sickbay.core.equipment import Equipment
from sickbay.core.node import Node
from sickbay.core.reading import Command, LineState, Reading, Receipt
from sickbay.daemon import times
from sickbay.daemon.keeping import SNAPSHOT_S, SNAPSHOT_S_MAX, SNAPSHOTS_DAY_BYTES, URGENT
from sickbay.daemon.messages import LASTING, Envelopes
from sickbay.daemon.shell import RETOLD_MS
from sickbay.daemon.times import Epoch
from sickbay.edge.journal import Journal, OutboxRow
from sickbay.edge.journal.journal import LAZY_ROWS_MAX, LAZY_S
from sickbay.edge.sources.serial_line.driver import COUNT_GOOD_MS
from sickbay.edge.uplink import Sent
from sickbay.errors import OrderRefused
from sickbay_sim.catalogue import LINE
from sickbay_sim.ear import Ear
from sickbay_sim.keeping import BIRTH, Keeper
from sickbay_sim.swarm.agenda import Agenda
from sickbay_sim.swarm.books import Books
from sickbay_sim.swarm.clock import SwarmClock
from sickbay_sim.swarm.fate import Order
from sickbay_sim.swarm.machine import Alone, Machine, Row
from sickbay_sim.swarm.shelf import Shelf
from sickbay_sim.swarm.uplink import PREFIX, Way
from sickbay_sim.swarm.watch import DeviceWatch

LAZY_LINES_MAX = 64
WITHHELD_MS = 6 * 3_600_000  # by then 288 messages could have left
COMMIT_OVERHEAD_BYTES = 8 * 4096
BYTES_IN_EVERY = 60  # rows: so often the length of a line is taken, for all of them


@dataclass(frozen=True)
class Makeup:
    """What a device is made of."""

    equipment: Equipment
    model: str  # its cohort
    machine: Machine
    period_ms: int
    ear: Callable[["Device"], Ear] | None  # where bytes are spoilt
    keeper: Keeper | None  # where a record is wanted


class Device:
    """One device. `at_ms` is always the site's time; the node has its own, which stands still while the device is off."""

    def __init__(
        self, made: Makeup, number: int, first_row_ms: int, shelf: Shelf, books: Books, watch: DeviceWatch, seed: str
    ) -> None:
        self.number, self.agenda, self.row_ms = number, Agenda(), first_row_ms  # when its next row comes
        self.name, self.machine, self.equipment = made.equipment.device, made.machine, made.equipment
        self.way: Way  # set by the site: it needs the device
        self.books, self.watch, self.keeper = books, watch, made.keeper
        self.down = False
        self.kills = self.outbox_rows = self.outbox_peak = self.snapshot_peak = self.rows_fed = self.retold = 0
        self.wall_step_s = 0.0  # what somebody did to its wall clock
        self.epoch_ms = 0  # when the present process began
        self.period_ms = made.period_ms
        self._made, self._shelf = made, shelf
        self._chance = random.Random(f"{seed} device {self.name}")
        self._ear: Ear | None = None
        self._lazy: list[Sent] = []
        self._shed: dict[str, int] = {}
        self._awake_ms: int | None = None
        self._encode = msgspec.json.Encoder().encode

    # The process.

    def start(self, at_ms: int) -> None:
        """This is the daemon's start: the node as its journal remembers it, outputs where they belong, then the uplink."""
        journal = self._shelf.journal(self.name, self._site_s)
        kept = journal.load()
        self.node = Node(self.equipment, f"{self._chance.getrandbits(24):06x}")
        epochs: list[Epoch] = []
        if kept is not None:
            epochs, memory = times.taken_up(kept)
            notes = self.node.restore(memory)
            assert not notes, f"{self.name}: a snapshot of this very version was not understood: {notes}"
        self.clock = SwarmClock(self.node.ward.now_ms, epochs, lambda: self.agenda.now_ms, self.wall_s)
        self.envelopes = Envelopes(
            self.name,
            self._made.model,
            PREFIX,
            "[mqtt] url",
            self.clock,
            journal.boot,
            quality=lambda: "unsynced",
            wall_s=self.wall_s,
        )
        self._shed = self.envelopes.shed = journal.shed()
        self.down, self.epoch_ms = False, at_ms
        self._good = self._lasting = 0
        self._due_ms: int | None = None
        self._kept_ms = at_ms - self._chance.randrange(round(SNAPSHOT_S * 1000))  # not all in one second
        self._every_ms = round(SNAPSHOT_S * 1000)
        self._awake_ms = None
        self._retold: dict[str, int] = {}
        self.node.start(self.clock())
        self._turn(at_ms)
        self.way.start(at_ms)

    def kill(self, at_ms: int) -> None:
        """This is SIGKILL, or the plug: pins fall back to their fail state, and what was not on the disk is gone."""
        if self.down:
            return
        self.down = True
        self.kills += 1
        self._lazy.clear()
        self._shelf.kill(self.name)
        self.way.stop(at_ms)
        for output in self.equipment.outputs:
            self.machine.switch(output.name, output.fail_on)

    def _site_s(self) -> float:
        return self.agenda.now_ms / 1000

    def next_ms(self) -> int:
        """This returns when something is to happen here next."""
        other_ms = self.agenda.next_ms
        return self.row_ms if self.row_ms < other_ms else other_ms

    # Facts in.

    def row(self) -> None:
        """This is the next row of the machine, on its way into the node."""
        at_ms = self.agenda.now_ms = self.row_ms
        self.row_ms += self.period_ms
        row = self.machine.row()
        self.rows_fed += 1
        if self.keeper is not None:
            self._measure(row, at_ms)
        if self._made.ear is not None:
            near = self.machine.line_near()
            self._ear = (self._ear or self._made.ear(self)) if near else None
        if self._ear is not None:
            self._ear.row(row, self.machine.of_bytes(), at_ms)
        elif not self.down:
            now, feed = self.clock(), self.node.feed
            for name, value in row.items():
                if value is not None:
                    feed(Reading(name, value, now))
            self._good += 1
            if self._good * self.period_ms >= COUNT_GOOD_MS:
                feed(LineState(LINE, True, now, self._good))
                self._good = 0
        if not self.down:
            self._turn(at_ms)
            if at_ms - self._kept_ms >= self._every_ms:
                self._commit([], True, at_ms)

    def hear(self, fact: Reading | LineState) -> None:
        """This takes a fact from the line's end. What it says of time is the site's."""
        if not self.down:
            self.node.feed(msgspec.structs.replace(fact, at_ms=self.clock()))

    def ordered(self, order: Order) -> None:
        """This is a person at the device. The node itself notes a refusal."""
        if self.down:
            return
        target = order.target or self._anybody(order.draw)
        says = "false_alarm" if order.verb == "feedback" else ""
        try:
            self.node.command(Command(order.verb, target, self.clock(), "anna", order.reason, order.for_ms, says=says))
        except OrderRefused:
            self.books.refused_orders += 1
        self._turn(self.agenda.now_ms)

    def _anybody(self, draw: float) -> str:
        """This returns what a person may mean: a fault that is open, or else, and now and then, anything."""
        cases = [case.id for case in self.node.ward.triage.open_cases()]
        names = cases if cases and draw < 0.8 else list(self.node.ward.quarantine.records)
        return names[int(draw * 1000) % len(names)]

    def step_wall(self, step_s: float) -> None:
        """This is somebody who sets the wall clock, rightly or wrongly."""
        self.wall_step_s += step_s

    def store(self, well: bool) -> None:
        """This is a disk that takes nothing, or takes again."""
        if not self.down:
            self.node.store(
                well, "" if well else "the journal cannot be written: no space left on device", self.clock()
            )
            self._turn(self.agenda.now_ms)

    def _measure(self, row: Row, at_ms: int) -> None:
        assert self.keeper is not None
        if isinstance(self.machine, Alone):
            self.keeper.row(at_ms, dict(row), self.machine.patient, self.node)
        elif self.rows_fed % BYTES_IN_EVERY == 1:
            said = {name: value for name, value in row.items() if value is not None}
            self.keeper.run.bytes_in += BYTES_IN_EVERY * (len(self._encode(said)) + 2 * len(said) + 1)

    # One turn of the shell.

    def _turn(self, at_ms: int) -> None:
        node = self.node
        due, now = node.deadline_ms(), at_ms - self.clock.skew_ms
        if due is not None and due <= now:
            node.tick(now)
        effects = node.take_effects()
        if effects:
            self._carry(effects, at_ms)
        due = node.deadline_ms()
        if due is not None:
            self._wake_by(due + self.clock.skew_ms)

    def _wake_by(self, due_ms: int) -> None:
        if due_ms >= self.row_ms or (self._awake_ms is not None and self._awake_ms <= due_ms):
            return
        self._awake_ms = due_ms
        process_ms = self.epoch_ms

        def wake(at_ms: int) -> None:
            if not self.down and process_ms == self.epoch_ms:
                self._awake_ms = None
                self._turn(at_ms)

        self.agenda.at(due_ms, wake)

    def _carry(self, effects: list[Effect], at_ms: int) -> None:
        """This keeps, acts and tells what the node wants, and what it wants because of that."""
        while effects:
            rows: list[OutboxRow] = []
            drives: list[Drive] = []
            now = False
            for effect in effects:
                if isinstance(effect, Event):
                    now = self._note(effect, at_ms) or now
                elif isinstance(effect, Escalate):
                    rows.append(self._told(effect, at_ms))
                elif isinstance(effect, Drive):
                    drives.append(effect)
                    self.watch.drive(effect, self.node, at_ms)
            if rows or drives or now or self._lasting >= LAZY_ROWS_MAX:
                self._commit(rows, True, at_ms)
            elif self._lasting:
                self._soon(at_ms)
            for drive in drives:
                follows = self.machine.switch(drive.output, drive.on)
                says = f"{drive.output} reads {'on' if drive.on is follows else 'off'}"
                self.node.done(Receipt(drive.effect_id, self.clock(), follows, says))
            effects = self.node.take_effects()

    def _note(self, event: Event, at_ms: int) -> bool:
        """This takes in one change; returns whether it must be on the disk at once."""
        if self.keeper is not None:
            self.keeper.event(msgspec.structs.replace(event, at_ms=at_ms))
        if event.kind == "isolate":
            self.watch.isolated(event.name, self.node, at_ms)
        if event.kind in LASTING:
            self._lasting += 1
        return event.kind in URGENT

    def _told(self, effect: Escalate, at_ms: int) -> OutboxRow:
        self.watch.told(effect, at_ms)
        place = self.keeper.told(msgspec.structs.replace(effect, at_ms=at_ms)) if self.keeper is not None else None
        self.books.offered(self.name, effect, place, at_ms)
        return self.envelopes.escalation(effect)

    # The journal.

    def _journal(self) -> Journal:
        journal = self._shelf.journal(self.name, self._site_s)
        if self._lazy:
            lines, self._lazy = self._lazy, []
            journal.ledger_add(lines, True)
        return journal

    def _commit(self, rows: Sequence[OutboxRow], with_state: bool, at_ms: int) -> None:
        snapshot = times.kept(self.clock, self.node.snapshot()) if with_state else None
        journal = self._journal()
        journal.commit(snapshot, rows)
        self._lasting, self._due_ms = 0, None
        if snapshot is not None:
            self._kept_ms = at_ms
            self.snapshot_peak = max(self.snapshot_peak, len(snapshot))
            quiet_s = 86_400 * (len(snapshot) + COMMIT_OVERHEAD_BYTES) / SNAPSHOTS_DAY_BYTES
            self._every_ms = round(1000 * min(SNAPSHOT_S_MAX, max(SNAPSHOT_S, quiet_s)))
            self.watch.bounded(self.node, len(snapshot), self._shelf.file_bytes(self.name), at_ms)
        self._counted(journal)
        if rows:
            self.way.wake(at_ms)

    def _soon(self, at_ms: int) -> None:
        """This lets what is not urgent wait for company."""
        if self._due_ms is not None:
            return
        due_ms = self._due_ms = at_ms + round(LAZY_S * 1000)

        def keep(then_ms: int) -> None:
            if not self.down and self._due_ms == due_ms:
                self._commit([], self._lasting > 0, then_ms)

        self.agenda.at(due_ms, keep)

    def _counted(self, journal: Journal) -> None:
        self.outbox_rows = journal.outbox_rows
        self.outbox_peak = max(self.outbox_peak, journal.outbox_bytes)
        shed = journal.shed()
        if shed != self._shed:
            self._shed = self.envelopes.shed = shed
            by = journal.shed_by()
            self.node.ward.emit("shed", "outbox", by_severity=shed, by_class=by["class"], why=by["why"])

    def in_outbox(self) -> set[str]:
        """This returns the ids of all that waits."""
        return {row.id for row in self._journal().pending(1_000_000)}

    def shed(self) -> int:
        """This returns how many messages the device counted as thrown overboard, ever."""
        return sum(self._shed.values())

    # The uplink's side.

    def pending(self, limit: int) -> Sequence[OutboxRow]:
        return self._journal().pending(limit) if self.outbox_rows else ()

    def forget(self, ids: list[str]) -> list[str]:
        journal = self._journal()
        there = journal.forget(ids, lazy=True)
        self._counted(journal)
        at_ms = self.agenda.now_ms
        self._soon(at_ms)
        for id_ in there:
            self.node.done(Receipt(id_, self.clock(), True))
        self.books.forgotten(self.name, there)
        self._turn(at_ms)
        return there

    def ledger_add(self, lines: list[Sent], lazy: bool) -> None:
        if lazy and len(self._lazy) < LAZY_LINES_MAX:
            self._lazy += lines
        else:
            self._journal().ledger_add(lines, lazy)

    def birth(self) -> bytes:
        return self.envelopes.birth(len(self.node.ward.triage.open_cases()))

    def digest(self) -> bytes:
        return self.envelopes.digest(report.digest(self.node.ward), report.lately_closed(self.node.ward))

    def leaving(self, payload: bytes) -> tuple[bytes, str]:
        return self.envelopes.leaving(payload)

    def lacked(self, faults: list[str]) -> None:
        """This lets faults be told once more that the fleet has lost, each at most once an hour."""
        now = self.clock()
        self._retold = {id_: at for id_, at in self._retold.items() if now - at < RETOLD_MS}
        for id_ in faults:
            if id_ in self.node.ward.triage.cases and id_ not in self._retold:
                self._retold[id_] = now
                self.retold += 1
                self.node.done(Receipt(f"{id_}.r0", now, False, "the fleet lacks it"))
        self._turn(self.agenda.now_ms)

    def open_faults(self) -> dict[str, int]:
        """This returns what the device holds open and has told: fault id and revision."""
        return {case.id: case.revision for case in self.node.ward.triage.open_cases() if case.revision}

    def withheld(self) -> set[str]:
        """This returns the faults that are over and whose last message the budget holds back, if not for too long."""
        now = self.clock()
        cases = self.node.ward.triage.cases.values()
        return {
            c.id for c in cases if c.closed_ms is not None and c.told != "closed" and now - c.closed_ms < WITHHELD_MS
        }

    def wall_s(self) -> float:
        """This returns what the device's wall clock says."""
        return BIRTH.timestamp() + self.agenda.now_ms / 1000 + self.wall_step_s

"""This keeps what the node says: state and messages in one transaction first, then the acts, then the lines about them.

How soon depends on what it is. An order, an isolation, an output and a message go to the disk at once. What else must last waits
for company, at most 5 s or 20 of its kind. All state goes along each time, and by itself every 15 minutes or so.

The disk may fail, fill up or hang. Whatever it does, acts and messages go on from memory, within bounds, and it is told once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from sickbay.core.effects import Answer, Drive, Effect, Escalate, Event
from sickbay.core.node import Node
from sickbay.core.reading import Receipt
from sickbay.daemon.messages import LASTING, Envelopes, EventsFile
from sickbay.daemon.patience import HANGS_S, DiskHangs, JournalThread
from sickbay.daemon.pending_lines import PendingLines
from sickbay.daemon.times import Clock
from sickbay.edge.actuators import Outputs
from sickbay.edge.journal import Journal, LedgerRow, OutboxRow
from sickbay.edge.journal.journal import LAZY_ROWS_MAX, LAZY_S
from sickbay.edge.journal.outbox import order, rank
from sickbay.edge.journal.schema import FILE as DATABASE
from sickbay.edge.journal.waiting import Waiting
from sickbay.errors import OrderRefused, StoreError

log = logging.getLogger("sickbay")

URGENT = frozenset(("isolate", "release", "output", "command"))
FORGOTTEN_MAX = 10_000  # receipts that wait for it
HANGS_TOLD_S = 30.0  # a card may well think for some seconds: nobody need be told
CARRIED_OUT_S = 5.0  # how long the answer to an order waits for the disk and the relay; the CLI waits 10
SNAPSHOT_S = 900.0
SNAPSHOT_S_MAX = 7200.0
SNAPSHOTS_DAY_BYTES = 2_000_000  # what they may cost on a quiet day: a big snapshot comes more rarely
COMPANY_S = 600.0  # how long what is not urgent waits from 60 % of a day's bytes on, and from 90 % what is not critical
_OVERHEAD_BYTES = 8 * 4096  # of a commit beside its snapshot


class Running(Protocol):
    """What is needed of the running daemon."""

    node: Node
    clock: Clock
    outputs: Outputs
    envelopes: Envelopes
    events: EventsFile
    uplink: Any

    def take(self, fact: Receipt) -> None: ...

    def turn(self) -> None: ...

    def snapshot(self) -> bytes: ...


class Keeping:
    """The one way to the journal. `put` never blocks; `run` carries out; the uplink's side is pending, forget, ledger_add."""

    def __init__(self, daemon: Running, state: Path, opened: Callable[[], Journal], hangs_s: float = HANGS_S) -> None:
        self._daemon, self._state, self._opened = daemon, state, opened
        self._thread = JournalThread(self._came_back, hangs_s)
        self._held = Waiting()  # messages the journal has not taken, and what else waits for a disk that hangs
        self._held.boot = None
        self._forget_later: dict[str, None] = {}
        self._catching_up: asyncio.Task[None] | None = None
        self._drives: list[Drive] = []
        self._lines = PendingLines()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._act_now = False
        self._lasting = 0  # changes of state that wait for company
        self._due_s: float | None = None
        self._kept_s = 0.0
        self._snapshot_bytes = 0
        self._error = self._says = ""
        self._lost, self._lost_told = "", False
        self._shed: dict[str, int] = {}

    async def open(self) -> bytes | None:
        """This opens the journal and returns the last snapshot; raises StoreError where the folder cannot be written."""
        self._loop = asyncio.get_running_loop()
        self.journal = await self._thread.run(self._opened)
        kept = await self._thread.run(self.journal.load)
        self._lost = "; ".join(note for note in self.journal.notes if "moved aside" in note)
        self._shed = self.journal.shed()
        self._tell_notes()
        self._kept_s = self._loop.time()
        return kept

    # Effects.

    def put(self, effects: Iterable[Effect]) -> None:
        """This takes effects of the node, in order, to be kept and carried out."""
        for effect in effects:
            if isinstance(effect, Event):
                self.line(effect)
                if effect.kind in URGENT:
                    self._now()
                elif effect.kind in LASTING:
                    self._lasting += 1
                    self._soon(0.0 if self._lasting == LAZY_ROWS_MAX else LAZY_S)
            elif isinstance(effect, Drive):
                self._drives.append(effect)
                self._now()
            elif isinstance(effect, Escalate | Answer):
                rows = self._daemon.envelopes.rows([effect])
                self._held.add(rows, ())
                if self._thread.hangs():
                    self._held.bound()
                thrift, grave = self.journal.wear.thrift(), any(rank(row.severity) == 0 for row in rows)
                if not grave and (thrift == 2 or (thrift and all(row.kind == "updated" for row in rows))):
                    self._soon(COMPANY_S)
                else:
                    self._now()

    def lost(self, says: str) -> None:
        """This notes that records were lost, to be told once."""
        self._lost = self._lost or says

    async def carried_out(self) -> bool:
        """This waits until all that is urgent so far was kept and acted on, but not long: a stuck disk holds up no answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CARRIED_OUT_S):
                await self._idle.wait()
                return True
        return False

    async def kept(self) -> bool:
        """This returns whether all that the node knows now is on the disk."""
        self._now()
        return await self.carried_out() and not self._error and not self._thread.hangs()

    async def run(self) -> None:
        """This carries out what was put, until cancelled."""
        self._daemon.envelopes.shed = self._shed
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._due_s):
                    await self._wake.wait()
            await self.once()

    async def once(self, last: bool = False) -> None:
        """This carries out what was put so far, once."""
        self._wake.clear()
        late = self._due_s is not None and self._loop.time() >= self._due_s
        drives, self._drives = self._drives, []
        if (self._act_now or late or last) and not self._thread.hangs():
            lasting = self._lasting and not self.journal.wear.thrift()
            await self._commit(bool(self._act_now or last or self._held.rows or lasting))
        elif late:
            self._due_s = self._loop.time() + LAZY_S
        for drive in drives:
            ok, detail = await self._daemon.outputs.drive(drive.output, drive.on)
            self._daemon.take(Receipt(drive.effect_id, self._daemon.clock(), ok, detail))
        await self._write_lines()
        if not self._drives and (not self._act_now or self._thread.hangs()):
            self._idle.set()

    async def came_back(self) -> None:
        """This returns when the disk no longer hangs, and the journal has all that waited for it."""
        await self._thread.free()
        if self._catching_up is not None:
            await self._catching_up

    async def close(self) -> None:
        """This keeps the last of it, and lets the journal go, as far as the disk will have it."""
        await self.once(last=True)
        with contextlib.suppress(DiskHangs):
            await self._thread.soon(self.journal.close)
        self._thread.shutdown()

    # The uplink's side.

    async def pending(self, limit: int) -> list[OutboxRow]:
        """This returns what should leave next; out of memory while the disk hangs."""
        try:
            return await self._thread.soon(lambda: self.journal.pending(limit))
        except DiskHangs:
            held = self._held.rows
            return [held[id_] for id_ in order([(r.id, r.fault_id, rank(r.severity)) for r in held.values()])][:limit]

    async def forget(self, ids: Sequence[str]) -> list[str]:
        """This lets messages go that the fleet holds, and returns those that were there."""
        try:
            there = await self._thread.soon(lambda: self.journal.forget(ids, lazy=True), self._received)
        except DiskHangs:
            there = [id_ for id_ in ids if self._held.rows.pop(id_, None) is not None]
            self._forget_later.update(dict.fromkeys(ids))
            for id_ in list(self._forget_later)[:-FORGOTTEN_MAX]:  # the fleet will give its receipt again
                del self._forget_later[id_]
        self._soon(LAZY_S)
        return there

    async def ledger_add(self, lines: Sequence[Any], lazy: bool) -> None:
        """This records messages that leave now."""
        try:
            await self._thread.soon(lambda: self.journal.ledger_add(lines, lazy))
        except DiskHangs:
            self._held.add((), lines)

    async def ledger(self, since: float) -> list[LedgerRow]:
        """This returns the messages that left since a wall time; raises OrderRefused while the disk hangs."""
        try:
            return await self._thread.soon(lambda: list(self.journal.ledger(since)))
        except DiskHangs:
            raise OrderRefused("the disk does not answer, and the ledger is on it. Ask again later") from None

    async def remembered(self, key: str) -> bytes | None:
        """This returns what `remember` was last given under a key, None where there is nothing or the disk hangs."""
        try:
            return await self._thread.soon(lambda: self.journal.kept(key))
        except DiskHangs:
            return None

    async def remember(self, key: str, value: bytes) -> None:
        """This puts a few bytes on the disk; where it takes nothing they wait in memory, and the regular look tells of it."""
        with contextlib.suppress(DiskHangs, StoreError):
            await self._thread.soon(lambda: self.journal.keep(key, value))

    # Now and then.

    async def beat(self) -> None:
        """This is the regular look at the disk: is it there, has it room, is a snapshot due?"""
        if not self._thread.hangs() and not (self._state / DATABASE).exists():
            await self._begin_anew()
        elif self._overdue() or self._error or not self.journal.healthy:
            self._now()
            await self.carried_out()
        with contextlib.suppress(DiskHangs):
            await self._thread.soon(self.journal.look)
        self._tell()
        if self._lost_told:
            self._lost_told = False
            self._daemon.node.store(not self._says, self._says, self._daemon.clock())
        self.tell_lost()

    def tell_lost(self) -> None:
        """This tells, once, that records were lost. It stands until the next look: long enough to be escalated."""
        if self._lost:
            self._daemon.node.store(False, self._lost, self._daemon.clock())
            self._lost, self._lost_told = "", True

    def status(self) -> dict[str, Any]:
        """This returns how the disk is worn, how it is, and what was left out."""
        journal, wear = self.journal, self.journal.wear
        day_bytes, day_bursts = wear.day()
        return {
            "bytes_written": wear.bytes,  # ever, by our own count: what the flash has to bear
            "synced_bursts": wear.bursts,
            "day_bytes": day_bytes,  # in the last 24 hours that the device ran
            "day_bursts": day_bursts,
            "day_bytes_max": wear.day_bytes_max,
            "thrift": wear.thrift(),
            "snapshot_every_s": round(self._every_s()),
            "short": journal.short,
            "hangs": self._thread.hangs(),
            "gaps": journal.gaps,  # how often the file was found damaged and begun anew
            "ledger_dropped": journal.ledger_dropped(),
            "lines_dropped": dict(self._lines.dropped),
        }

    # Within.

    def _now(self) -> None:
        self._act_now = True
        self._idle.clear()
        self._wake.set()

    def _soon(self, wait_s: float) -> None:
        if self.journal.wear.thrift():
            wait_s = COMPANY_S
        due = self._loop.time() + wait_s
        if self._due_s is None or due < self._due_s:
            self._due_s = due
            self._wake.set()

    def line(self, event: Event) -> None:
        """This takes a line, and no commit with it."""
        self._lines.add(event)
        self._wake.set()

    async def _commit(self, with_state: bool) -> None:
        """This writes through the one journal thread. A full disk is told once, and costs nothing but its own records."""
        rows = list(self._held.rows.values())
        # No effect of the node is under way but those in our hands: state and messages are of one moment.
        snapshot = self._daemon.snapshot() if with_state else None
        self._act_now, self._lasting, self._due_s = False, 0, None
        if snapshot is not None:
            self._kept_s, self._snapshot_bytes = self._loop.time(), len(snapshot)
        journal = self.journal

        def write() -> str:
            try:
                journal.commit(snapshot, rows)
            except StoreError as error:
                return str(error)
            return ""

        def written(error: str) -> None:
            for row in rows:  # the journal has them now, on the disk or in its own memory
                self._held.rows.pop(row.id, None)
            self._error = error

        with contextlib.suppress(DiskHangs):
            written(await self._thread.soon(write, written))
        self._tell()
        if rows and self._daemon.uplink is not None:
            self._daemon.uplink.wake()

    def _came_back(self) -> None:
        self._now()
        self._catching_up = self._loop.create_task(self._catch_up())

    async def _catch_up(self) -> None:
        """This gives the journal what waited for it while the disk hung."""
        lines, gone, ids = list(self._held.lines), dict(self._held.gone), list(self._forget_later)
        self._held.lines.clear()
        self._held.gone.clear()
        self._forget_later.clear()
        journal = self.journal
        with contextlib.suppress(DiskHangs):
            self._received(await self._thread.soon(lambda: journal.take_over(lines, gone, ids), self._received))

    def _received(self, ids: list[str]) -> None:
        for id_ in ids:
            self._daemon.take(Receipt(id_, self._daemon.clock(), True))

    async def _write_lines(self) -> None:
        """This writes what happened to events.jsonl: only verdicts are left out where a day's bytes or the room run short."""
        if not self._lines or self._thread.hangs():
            return
        events, wear = self._daemon.events, self.journal.wear
        lines = self._lines.take(bool(self.journal.short), wear.thrift() == 2)
        with contextlib.suppress(DiskHangs):
            await self._thread.soon(lambda: wear.append(events.write(lines)))

    def _overdue(self) -> bool:
        return self._loop.time() - self._kept_s >= self._every_s()

    def _every_s(self) -> float:
        """This returns how often all state is kept when nothing happens."""
        size = self._snapshot_bytes + _OVERHEAD_BYTES
        quiet = min(SNAPSHOT_S_MAX, max(SNAPSHOT_S, 86_400 * size / SNAPSHOTS_DAY_BYTES))
        return quiet * (1, 4, 16)[self.journal.wear.thrift()]

    def _tell(self) -> None:
        """This takes in how the disk is, and tells a change once."""
        self._tell_notes(but=self._error)
        hung = self._thread.hung_s() > HANGS_TOLD_S
        says = f"{self._state}: the disk does not answer; kept in memory. Check the disk" if hung else ""
        says = says or self._error or self.journal.short
        if bool(says) != bool(self._says):
            self._says = says
            log.log(logging.ERROR if says else logging.WARNING, "%s", says or "the journal can be written again")
            self._daemon.node.store(not says, says, self._daemon.clock())
            self._loop.call_soon(self._daemon.turn)
        shed = self.journal.shed()
        if shed != self._shed:
            self._shed = self._daemon.envelopes.shed = shed
            by = self.journal.shed_by()
            self._daemon.node.ward.emit("shed", "outbox", by_severity=shed, by_class=by["class"], why=by["why"])
            self._loop.call_soon(self._daemon.turn)

    def _tell_notes(self, but: str = "") -> None:
        notes, self.journal.notes = self.journal.notes, []
        for note in notes:
            if note != but:
                log.warning("%s", note)

    async def _begin_anew(self) -> None:
        """This makes the journal again where somebody took its file away, from what is still open and in memory."""
        old = self.journal
        rows = await self._thread.run(lambda: old.pending(100_000))
        try:
            self.journal = await self._thread.run(self._opened)
        except StoreError as error:
            self._error = str(error)
            return
        await self._thread.run(old.close)
        self._held.add(rows, ())
        self._lost = f"{self._state / DATABASE} was gone; begun anew with {len(rows)} messages that had not left"
        log.error("%s", self._lost)
        self._now()
        await self.carried_out()

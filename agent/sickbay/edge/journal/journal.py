"""This is the journal: one class, one file, one thread at a time."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sickbay.edge.journal import ledger, outbox, room, schema
from sickbay.edge.journal.disk import Disk, unwritable
from sickbay.edge.journal.ledger import LedgerRow, Line
from sickbay.edge.journal.limits import Limits
from sickbay.edge.journal.outbox import OutboxRow
from sickbay.edge.journal.waiting import Waiting, first_boot
from sickbay.edge.journal.wear import PAGE_BYTES, Wear
from sickbay.errors import StoreError

LAZY_S = 5.0  # how long what is not urgent may wait for company; the daemon then calls `flush`
LAZY_ROWS_MAX = 20  # this many do not wait any longer
_LAZY_LINES_MAX = 64
_LAZY_AGE_MAX_S = 7200.0
_KEPT_BYTES_MAX = 4096
_SHORT_BYTES = 1 << 20  # of the outbox, on a disk that has no room: as much as memory would hold
_STALE_EVERY_S = 3600.0
_UNSAVED_MAX = 256 << 10  # of the wear that is not on the disk yet
_WEAR = "wear"
_LIMITS = Limits()


class Journal:
    """What must last. Opening goes on afresh where the file is unsound; only an unwritable folder stops it.

    Every method is synchronous and belongs to one thread at a time. `notes` is for the caller to tell and to empty.
    While the disk takes nothing `healthy` is false: what was given waits in memory, within a bound, and goes along
    with the next call that writes.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits = _LIMITS,
        connect: schema.Connect = schema.by_sqlite,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.healthy = True
        self.boot = first_boot()
        self.outbox_rows = 0
        self.outbox_bytes = 0
        self.gone: outbox.Gone = {}  # messages that will never leave, ever
        self.short = ""  # what the disk is short of, for a person
        self.wear = Wear(monotonic, limits.day_bytes)
        self._limits = limits
        self._waiting = Waiting()
        self._stored = 0, 0  # rows of the outbox on the disk, and their bytes
        self._ledger_dropped = 0
        self._taken_up = False
        self._stale_at_s = self._lines_s = 0.0
        self._disk = Disk(folder, connect, self.wear)
        try:
            self._start()
        except BaseException:
            self._disk.close()
            raise

    def _start(self) -> None:
        folder = self._disk.folder
        try:
            self._reader()
        except (sqlite3.Error, OSError) as error:
            self._disk.disconnect()
            closed = schema.primary_code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
            if room.is_read_only(folder) or (closed and not room.is_full(folder)):
                raise StoreError(unwritable(folder, str(error))) from None
            self._ill(error)
        self.look()
        with contextlib.suppress(StoreError):
            self.flush()

    @property
    def notes(self) -> list[str]:
        return self._disk.notes

    @notes.setter
    def notes(self, left: list[str]) -> None:
        self._disk.notes = left

    @property
    def gaps(self) -> int:
        """How often the file was found damaged and begun anew: so often was there something that is not in it."""
        return self._disk.gaps

    @property
    def waits(self) -> bool:
        """Whether something is in memory that wants to be on the disk within LAZY_S."""
        held = self._waiting
        return bool(held.forgotten or held.rows or held.kept or held.snapshot is not None)

    def load(self) -> bytes | None:
        """This returns the node's last snapshot, None on a fresh journal."""
        if self._waiting.snapshot is not None:
            return self._waiting.snapshot
        try:
            row = self._reader().execute("SELECT body, length FROM snapshot").fetchone()
        except (sqlite3.Error, OSError) as error:
            self._cannot_read(error)
            return None
        return bytes(row[0][: row[1]]) if row else None

    def commit(self, snapshot: bytes | None, messages: Sequence[OutboxRow] = (), lines: Sequence[Line] = ()) -> None:
        """This puts a snapshot, new messages and ledger lines on the disk in one transaction.

        Raises StoreError while they are not there; they are kept in memory and go along with the next call.
        """
        if snapshot is not None:
            self._waiting.snapshot = snapshot
        self._waiting.add(messages, lines)
        self.flush()

    def pending(self, limit: int) -> list[OutboxRow]:
        """This returns what should leave next: the gravest first, then the oldest; a fault's revisions in order."""
        held = self._waiting
        try:
            db = self._reader()
            if not held.rows:
                first = outbox.first(db, limit + len(held.forgotten))
                return [row for row in first if row.id not in held.forgotten][:limit]
            stories = [story for story in outbox.stories(db) if story[0] not in held.rows]
        except (sqlite3.Error, OSError) as error:
            self._cannot_read(error)
            stories = []
        stories += [(row.id, row.fault_id, outbox.rank(row.severity)) for row in held.rows.values()]
        ids = [id_ for id_ in outbox.order(stories) if id_ not in held.forgotten][:limit]
        return [row for id_ in ids if (row := held.rows.get(id_) or self._row(id_))]

    def forget(self, ids: Sequence[str], lazy: bool = False) -> list[str]:
        """This takes messages out of the outbox and returns those that were there, each once, on a full disk too.

        All go in one transaction. `lazy` ones, up to 20, may wait for the next write: after a power cut they are sent once
        more, and the fleet takes each once.
        """
        held = self._waiting
        there: list[str] = []
        for id_ in dict.fromkeys(ids):
            if id_ in held.forgotten:
                continue
            waited = held.rows.pop(id_, None) is not None
            row = self._row(id_)
            if row is not None:
                held.forgotten[id_] = row.size
                waited = True
            if waited:
                there.append(id_)
        self._tally()
        if held.forgotten and not (lazy and len(held.forgotten) < LAZY_ROWS_MAX):
            with contextlib.suppress(StoreError):
                self.flush()
        return there

    def kept(self, key: str) -> bytes | None:
        """This returns what `keep` was last given under that key, None where there is nothing or it cannot be read."""
        if key in self._waiting.kept:
            return self._waiting.kept[key]
        try:
            row = self._reader().execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
        except (sqlite3.Error, OSError) as error:
            self._cannot_read(error)
            return None
        return bytes(row[0]) if row else None

    def keep(self, key: str, value: bytes) -> None:
        """This puts a few bytes on the disk under a key, e.g. the last number of an order. It has returned: they are there.

        Raises StoreError while they are not; they wait in memory like everything else. At most 4 KiB, and few keys, all
        named in code: nobody outside must be able to invent one.
        """
        if len(value) > _KEPT_BYTES_MAX:
            raise ValueError(f"{key}: {len(value)} bytes; at most {_KEPT_BYTES_MAX} are kept under a key")
        self._waiting.kept[key] = value
        self.flush()

    def shed(self) -> dict[str, int]:
        """This returns how many messages of each severity will never leave, ever: for want of room, or too old."""
        return outbox.summed(lambda class_, severity, why: severity, self.gone, self._waiting.gone)

    def shed_by(self) -> dict[str, dict[str, int]]:
        """This returns the same by class and severity, and by reason: {"class": {"stuck major": 2}, "why": {"age": 2}}."""
        gone = self.gone, self._waiting.gone
        return {
            "class": outbox.summed(lambda class_, severity, why: f"{class_} {severity}".lstrip(), *gone),
            "why": outbox.summed(lambda class_, severity, why: why, *gone),
        }

    def ledger_add(self, lines: Sequence[Line], lazy: bool = False) -> None:
        """This records messages that leave now; never raises, since an escalation matters more than its record.

        `lazy` lines (heartbeats) may wait in memory for the next write, at most two hours or 64 lines: a power cut
        can cost the record of heartbeats, and no more, and the flash is spared 240 synced writes a day.
        Where a day's bytes run short, lines of messages from the outbox wait too: a message is taken out of it in the
        same transaction as its line goes in, so a power cut can cost the record of one sending more, never of a message.
        """
        held = self._waiting
        if not held.lines:
            self._lines_s = self.wear.lived_s()
        held.add((), lines)
        young = self.wear.lived_s() - self._lines_s < _LAZY_AGE_MAX_S
        thrifty = self.wear.thrift() > 0 and (lazy or all(line.id for line in lines))
        waits = (lazy and held.only_lines()) or (thrifty and held.only_sent())
        if waits and young and len(held.lines) < _LAZY_LINES_MAX:
            return
        with contextlib.suppress(StoreError):
            self.flush()

    def take_over(self, lines: Sequence[Line], gone: outbox.Gone, ids: Sequence[str]) -> list[str]:
        """This takes what somebody else held while the disk hung: ledger lines, counts, and receipts as `forget` does."""
        self._waiting.add((), lines)
        outbox.add(self._waiting.gone, gone)
        there = self.forget(ids)
        with contextlib.suppress(StoreError):
            self.flush()
        return there

    def ledger(self, since: float = 0.0) -> Iterator[LedgerRow]:
        """This yields every message that left from that wall time on, oldest first."""
        stored: list[LedgerRow] = []
        with contextlib.suppress(sqlite3.Error, OSError):
            stored = list(ledger.read(self._reader(), since))
        yield from stored
        yield from [row for row in self._waiting.lines if row.at >= since]

    def ledger_dropped(self) -> int:
        """This returns how many ledger lines the bound has dropped."""
        return self._ledger_dropped + self._waiting.lines_dropped

    def flush(self) -> None:
        """This writes what waits in memory; raises StoreError where the disk still takes nothing."""
        if self._waiting.empty():
            return
        try:
            self._write()
        except (sqlite3.Error, OSError) as error:
            try:
                self._write_again(error)
            except (sqlite3.Error, OSError) as last:
                self._waiting.bound()
                self._tally()
                self._ill(last)
                raise StoreError(self._disk.advice(last)) from None
        self._well()

    def look(self) -> str:
        """This returns what the disk is short of, "" for nothing. Then only what is grave is added; see `room`."""
        self.short = room.short(self._disk.folder, bool(self.short))
        return self.short

    def close(self) -> None:
        """This writes what waits, the count of the wear too, and lets the file go."""
        try:
            if self.wear.unsaved_bytes:
                self._waiting.kept[_WEAR] = self.wear.saved()
            with contextlib.suppress(StoreError):
                self.flush()
        finally:
            self._disk.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self) -> None:
        db, held = self._reader(), self._waiting
        if held.snapshot is not None or held.boot is not None or self.wear.unsaved_bytes > _UNSAVED_MAX:
            held.kept[_WEAR] = self.wear.saved()
        db.execute("BEGIN IMMEDIATE")
        try:
            gone = self._put(db, held)
            stored, dropped = outbox.totals(db), ledger.dropped(db)
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        if _WEAR in held.kept:
            self.wear.unsaved_bytes = 0
        outbox.add(self.gone, held.gone)
        held.clear()
        self._stored, self._ledger_dropped = stored, dropped
        self._tally()
        if gone:
            outbox.add(self.gone, gone)
            aged = all(why == outbox.AGE for _, _, why in gone)
            why = "too old to be news" if aged else f"over its {self._limits.outbox_bytes} bytes or short of room"
            self._disk.note(f"outbox: {why}; thrown overboard: {outbox.told(gone)}")
        self._disk.account(bool(self.short))

    def _put(self, db: sqlite3.Connection, held: Waiting) -> outbox.Gone:
        """This puts all that waits into a transaction, and returns what the outbox lost by it."""
        if held.boot is not None:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('boots', ?)", (held.boot,))
        if held.snapshot is not None:
            # A body of the same size is overwritten in place: padding to whole pages halves what is written.
            body = held.snapshot.ljust(-(-len(held.snapshot) // PAGE_BYTES) * PAGE_BYTES, b"\0")
            db.execute(
                "INSERT INTO snapshot VALUES (1, ?, ?)"
                " ON CONFLICT (one) DO UPDATE SET length = excluded.length, body = excluded.body",
                (len(held.snapshot), body),
            )
        db.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", list(held.kept.items()))
        db.executemany("DELETE FROM outbox WHERE id = ?", [(id_,) for id_ in held.forgotten])
        # The ledger counts attempts of rows on the disk; those that waited bring their own.
        ledger.insert(db, list(held.lines), grow=not self.short)
        outbox.count_gone(db, held.gone)
        gone = self._expired(db)
        if held.rows:
            budget = self._limits.outbox_bytes
            outbox.insert(db, held.rows.values(), self.wear.lived_s())
            gone |= outbox.shed(db, min(budget, _SHORT_BYTES) if self.short else budget, budget)
        return gone

    def _expired(self, db: sqlite3.Connection) -> outbox.Gone:
        """This takes out, once an hour, what is too old to be news."""
        now_s = self.wear.lived_s()
        if now_s < self._stale_at_s:
            return {}
        self._stale_at_s = now_s + _STALE_EVERY_S
        return outbox.expire(db, now_s - self._limits.ttl_s)

    def _write_again(self, error: Exception) -> None:
        """This mends what can be mended, then writes once more."""
        if isinstance(error, sqlite3.Error) and schema.is_corrupt(error):
            self._replace(error)
        elif schema.is_full(error) or room.is_full(self._disk.folder):
            self._disk.make_room()
        else:
            self._disk.disconnect()
        self._write()

    def _reader(self) -> sqlite3.Connection:
        return self._disk.db(self._opened)

    def _opened(self, db: sqlite3.Connection) -> None:
        """This takes up what a file that was just opened knows."""
        if self._waiting.boot is not None:  # this start is not counted yet
            found = db.execute("SELECT value FROM meta WHERE key = 'boots'").fetchone()
            self.boot = self._waiting.boot = found[0] + 1 if found else self.boot
        if not self._taken_up:
            self._taken_up = True
            kept = db.execute("SELECT value FROM kept WHERE key = ?", (_WEAR,)).fetchone()
            if kept is not None:
                self.wear.take_up(bytes(kept[0]))
            self.wear.at_least(outbox.newest_s(db))
        self.gone = outbox.read_gone(db)
        self._stored, self._ledger_dropped = outbox.totals(db), ledger.dropped(db)
        self._tally()

    def _row(self, id_: str) -> OutboxRow | None:
        try:
            return outbox.get(self._reader(), id_)
        except (sqlite3.Error, OSError) as error:
            self._cannot_read(error)
            return None

    def _cannot_read(self, error: Exception) -> None:
        """This notes a read that failed; a damaged file is replaced at once, since it would fail for ever."""
        if isinstance(error, sqlite3.Error) and schema.is_corrupt(error):
            with contextlib.suppress(OSError):
                self._replace(error)
        else:
            self._ill(error)

    def _replace(self, error: Exception) -> None:
        rows = self._stored[0]
        self._disk.replace(f"{error}; {rows} messages that had not left went with it" if rows else str(error))
        self._waiting.boot = self.boot
        self._stored = 0, 0
        self._tally()

    def _tally(self) -> None:
        """This counts what is in the outbox: what is stored and not forgotten, and what waits in memory."""
        held = self._waiting
        self.outbox_rows = self._stored[0] - len(held.forgotten) + len(held.rows)
        lighter = sum(held.forgotten.values())
        self.outbox_bytes = self._stored[1] - lighter + sum(row.size for row in held.rows.values())

    def _ill(self, error: Exception) -> None:
        if self.healthy:
            self.healthy = False
            self._disk.note(self._disk.advice(error))

    def _well(self) -> None:
        if not self.healthy:
            self.healthy = True
            self._disk.note(f"{self._disk.folder}: can be written again; everything that waited is on the disk")
        self._disk.refill()

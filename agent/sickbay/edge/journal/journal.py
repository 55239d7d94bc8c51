"""This is the journal: one class, one file, one thread at a time."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from sickbay.edge.journal import ballast, ledger, outbox, schema
from sickbay.edge.journal.ledger import LedgerRow, Line
from sickbay.edge.journal.outbox import OutboxRow
from sickbay.edge.journal.waiting import Waiting, first_boot
from sickbay.errors import StoreError

_LAZY_LINES_MAX = 64
_LAZY_AGE_MAX_S = 1800.0
_NOTES_MAX = 50
_KEPT_BYTES_MAX = 4096
_PAGE_BYTES = 4096


class Journal:
    """What must last. Opening goes on afresh where the file is unsound; only an unwritable folder stops it.

    Every method is synchronous and belongs to one thread at a time. `notes` is for the caller to tell and to empty.
    While the disk takes nothing `healthy` is false: what was given waits in memory, within a bound, and goes along
    with the next call that writes.
    """

    def __init__(self, folder: Path, budget_bytes: int = 16 << 20) -> None:
        self.notes: list[str] = []
        self.healthy = True
        self.boot = first_boot()
        self.bytes_written = 0  # an estimate: log and checkpoint pages
        self.synced_bursts = 0
        self.outbox_rows = 0
        self.outbox_bytes = 0
        self._folder = folder
        self._budget_bytes = budget_bytes
        self._waiting = Waiting()
        self._wal_bytes = 0
        self._db: sqlite3.Connection | None = None
        self._lock = _take(folder)
        try:
            self._start()
        except BaseException:
            self._lock.close()
            raise

    def _start(self) -> None:
        self._ballast = ballast.load(self._folder)
        try:
            self._reader()
        except (sqlite3.Error, OSError) as error:
            self._disconnect()
            if self._is_read_only() or schema.primary_code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
                raise StoreError(_unwritable(self._folder, str(error))) from None
            self._ill(error)
        with contextlib.suppress(StoreError):
            self.flush()

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
            if not held.rows and not held.forgotten:
                return outbox.first(db, limit)
            stories = [story for story in outbox.stories(db) if story[0] not in held.rows]
        except (sqlite3.Error, OSError) as error:
            self._cannot_read(error)
            stories = []
        stories += [(row.id, row.fault_id, outbox.rank(row.severity)) for row in held.rows.values()]
        ids = [id_ for id_ in outbox.order(stories) if id_ not in held.forgotten][:limit]
        return [row for id_ in ids if (row := held.rows.get(id_) or self._stored(id_))]

    def forget(self, ids: Sequence[str]) -> list[str]:
        """This takes messages out of the outbox and returns those that were there, each once, on a full disk too."""
        held = self._waiting
        there: list[str] = []
        for id_ in dict.fromkeys(ids):
            if id_ in held.forgotten:
                continue
            waited = held.rows.pop(id_, None) is not None
            if self._stored(id_) is not None:
                held.forgotten[id_] = None
                waited = True
            if waited:
                there.append(id_)
        if there:
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
        """This returns how many messages of each severity went overboard for want of room, ever."""
        total = dict(self._waiting.shed)
        with contextlib.suppress(sqlite3.Error, OSError):
            for severity, count in self._reader().execute("SELECT severity, count FROM gone"):
                total[severity] = total.get(severity, 0) + count
        return total

    def ledger_add(self, lines: Sequence[Line], lazy: bool = False) -> None:
        """This records messages that leave now; never raises, since an escalation matters more than its record.

        `lazy` lines (heartbeats) may wait in memory for the next write, at most half an hour or 64 lines: a power cut
        can cost the record of heartbeats, and no more, and the flash is spared 240 synced writes a day.
        """
        held = self._waiting
        held.add((), lines)
        if lazy and held.only_lines():
            young = abs(held.lines[-1].at - held.lines[0].at) < _LAZY_AGE_MAX_S
            if young and len(held.lines) < _LAZY_LINES_MAX:
                return
        with contextlib.suppress(StoreError):
            self.flush()

    def ledger(self, since: float = 0.0) -> Iterator[LedgerRow]:
        """This yields every message that left from that wall time on, oldest first."""
        stored: list[LedgerRow] = []
        with contextlib.suppress(sqlite3.Error, OSError):
            stored = list(ledger.read(self._reader(), since))
        yield from stored
        yield from [row for row in self._waiting.lines if row.at >= since]

    def ledger_dropped(self) -> int:
        """This returns how many ledger lines the bound has dropped."""
        with contextlib.suppress(sqlite3.Error, OSError):
            return ledger.dropped(self._reader()) + self._waiting.lines_dropped
        return self._waiting.lines_dropped

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
                self._ill(last)
                raise StoreError(self._advice(last)) from None
        self._well()

    def close(self) -> None:
        """This writes what waits and lets the file go."""
        try:
            with contextlib.suppress(StoreError):
                self.flush()
        finally:
            self._disconnect()
            self._lock.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self) -> None:
        db, held = self._reader(), self._waiting
        db.execute("BEGIN IMMEDIATE")
        try:
            if held.boot is not None:
                db.execute("INSERT OR REPLACE INTO meta VALUES ('boots', ?)", (held.boot,))
            if held.snapshot is not None:
                # A body of the same size is overwritten in place: padding to whole pages halves what is written.
                body = held.snapshot.ljust(-(-len(held.snapshot) // _PAGE_BYTES) * _PAGE_BYTES, b"\0")
                db.execute(
                    "INSERT INTO snapshot VALUES (1, ?, ?)"
                    " ON CONFLICT (one) DO UPDATE SET length = excluded.length, body = excluded.body",
                    (len(held.snapshot), body),
                )
            db.executemany("DELETE FROM outbox WHERE id = ?", [(id_,) for id_ in held.forgotten])
            ledger.insert(db, held.lines)  # counts attempts of rows on the disk; those that waited bring their own
            outbox.insert(db, held.rows.values())
            gone = outbox.shed(db, self._budget_bytes) if held.rows else {}
            db.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", held.kept.items())
            outbox.count_gone(db, held.shed, "memory")
            rows, size = outbox.totals(db) if held.rows or held.forgotten else (self.outbox_rows, self.outbox_bytes)
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        self.outbox_rows, self.outbox_bytes = rows, size
        held.clear()
        if gone:
            told = ", ".join(f"{count} {severity}" for severity, count in gone.items())
            self._note(f"outbox: over its {self._budget_bytes} bytes; thrown overboard: {told}")
        self._account(db)

    def _write_again(self, error: Exception) -> None:
        """This mends what can be mended, then writes once more."""
        if isinstance(error, sqlite3.Error) and schema.is_corrupt(error):
            self._replace(error)
        elif schema.is_full(error) or self._is_full():
            if ballast.drop(self._folder):
                self._ballast = False
                self._note(f"{self._folder}: the disk is full; the ballast was freed to go on. Make room on it")
            with contextlib.suppress(sqlite3.Error):  # the log's own room, once it is folded in
                self._reader().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._wal_bytes = self._wal_size()
        else:
            # After an I/O error the connection may hold a stale view of the file.
            self._disconnect()
        self._write()

    def _reader(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = schema.connect(self._folder, self.notes)
            if self._waiting.boot is not None:  # this start is not counted yet
                found = self._db.execute("SELECT value FROM meta WHERE key = 'boots'").fetchone()
                self.boot = self._waiting.boot = found[0] + 1 if found else self.boot
            self.outbox_rows, self.outbox_bytes = outbox.totals(self._db)
            self._wal_bytes = self._wal_size()
        return self._db

    def _stored(self, id_: str) -> OutboxRow | None:
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
        self._disconnect()
        where = schema.move_aside(self._folder)
        self._waiting.boot = self.boot
        self.outbox_rows = self.outbox_bytes = 0
        self._note(f"{self._folder / schema.FILE}: found damaged ({error}); moved aside to {where.name}")

    def _account(self, db: sqlite3.Connection) -> None:
        """This counts what a commit wrote and folds a long log into the database."""
        size = self._wal_size()
        self.bytes_written += max(0, size - self._wal_bytes)
        self.synced_bursts += 1
        self._wal_bytes = size
        if size < schema.CHECKPOINT_BYTES:
            return
        with contextlib.suppress(sqlite3.Error):  # a reader in the way, or no room: the next commit tries again
            db.execute("PRAGMA busy_timeout=100")
            busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            db.execute("PRAGMA busy_timeout=5000")
            if not busy:
                self.bytes_written += min(size, db.execute("PRAGMA page_count").fetchone()[0] * _PAGE_BYTES)
                self.synced_bursts += 1
                self._wal_bytes = 0

    def _wal_size(self) -> int:
        try:
            return Path(f"{self._folder / schema.FILE}-wal").stat().st_size
        except OSError:
            return 0

    def _disconnect(self) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _is_full(self) -> bool:
        try:
            room = os.statvfs(self._folder)
        except OSError:
            return False
        return room.f_bavail * room.f_frsize < 64 * 1024

    def _is_read_only(self) -> bool:
        try:
            return bool(os.statvfs(self._folder).f_flag & os.ST_RDONLY)
        except OSError:
            return False

    def _advice(self, error: Exception) -> str:
        where = self._folder
        if self._is_read_only():
            return f"{where}: the file system is read-only now; kept in memory. Check the disk, remount it for writing"
        if schema.is_full(error) or self._is_full():
            return f"{where}: no room left; kept in memory. Make room: it is written as soon as there is some"
        return f"{where}: cannot be written ({error}); kept in memory. Check the disk"

    def _ill(self, error: Exception) -> None:
        if self.healthy:
            self.healthy = False
            self._note(self._advice(error))

    def _well(self) -> None:
        if not self.healthy:
            self.healthy = True
            self._note(f"{self._folder}: can be written again; everything that waited is on the disk")
        if not self._ballast:
            self._ballast = ballast.load(self._folder)

    def _note(self, text: str) -> None:
        self.notes.append(text)
        del self.notes[:-_NOTES_MAX]


def _take(folder: Path) -> IO[bytes]:
    """This returns the held lock on the folder: two daemons on one journal would undo each other's work."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        lock = (folder / "sickbay.lock").open("ab")
    except OSError as error:
        raise StoreError(_unwritable(folder, error.strerror or str(error))) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StoreError(
            f"{folder}: another sickbay is at work with this state folder; not opened. Stop it, or set paths.state"
        ) from None
    return lock


def _unwritable(folder: Path, why: str) -> str:
    mend = "Give it to the user that runs sickbay, or set paths.state"
    return f"{folder}: the state folder cannot be written ({why}); not opened. {mend}"

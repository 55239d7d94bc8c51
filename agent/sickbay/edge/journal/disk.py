"""This is the one connection to the database, the log beside it, and the lock on their folder."""

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sickbay.edge.journal import ballast, room, schema
from sickbay.edge.journal.wear import PAGE_BYTES, Wear
from sickbay.errors import StoreError

_NOTES_MAX = 50
_LOG_BYTES_SHORT = 128 << 10  # how long the log may grow on a disk that has no room


class Disk:
    """What the journal writes on. Every call may raise sqlite3.Error or OSError, and can be tried again."""

    def __init__(self, folder: Path, connect: schema.Connect, wear: Wear) -> None:
        """Raises StoreError where another sickbay holds the folder, or nobody can write it."""
        self.folder = folder
        self.notes: list[str] = []
        self.gaps = 0  # how often the file was found damaged, as far as the wreckage tells
        self._connect, self._wear = connect, wear
        self._db: sqlite3.Connection | None = None
        self._log_bytes = 0
        self._lock = _take(folder)
        self._ballast = ballast.load(folder)

    def db(self, opened: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
        """This returns the connection; a new one is first handed to `opened`."""
        if self._db is None:
            self._db = schema.connect(self.folder, self.notes, self._connect)
            self._log_bytes = self._log_size()
            self.gaps = schema.newest_aside(self.folder)
            try:
                opened(self._db)
            except BaseException:
                self.disconnect()
                raise
        return self._db

    def disconnect(self) -> None:
        """This lets the connection go: after an I/O error it may hold a stale view of the file."""
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def close(self) -> None:
        """This lets file and folder go."""
        self.disconnect()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def account(self, short: bool) -> None:
        """This counts what a commit wrote, and folds a long log into the database."""
        size = self._log_size()
        self._wear.spend(max(0, size - self._log_bytes), 1)
        self._log_bytes = size
        if size >= (_LOG_BYTES_SHORT if short else schema.CHECKPOINT_BYTES):
            self._fold()

    def _fold(self) -> None:
        db = self._db
        assert db is not None
        with contextlib.suppress(sqlite3.Error):  # no room: the next commit tries again
            pages = self._log_pages()
            busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                self._wear.spend(pages * PAGE_BYTES, 1)
                self._log_bytes = 0

    def _log_pages(self) -> int:
        """This returns how many pages of the database the log holds, each once: so much does folding it in write.

        https://www.sqlite.org/fileformat2.html, 4.1: a header of 32 bytes, then frames, each a header of 24 that begins with
        the page's number, and the page.
        """
        pages: set[bytes] = set()
        with contextlib.suppress(OSError), Path(f"{self.folder / schema.FILE}-wal").open("rb") as log:
            for at in range(32, self._log_bytes, 24 + PAGE_BYTES):
                log.seek(at)
                pages.add(log.read(4))
        return len(pages)

    def make_room(self) -> None:
        """This frees what a full disk leaves to free: the ballast, then the log's own room."""
        if ballast.drop(self.folder):
            self._ballast = False
            self.note(f"{self.folder}: the disk is full; the ballast was freed to go on. Make room on it")
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._log_bytes = self._log_size()

    def refill(self) -> None:
        """This makes the ballast again where there is room for it."""
        if not self._ballast:
            self._ballast = ballast.load(self.folder)
            if self._ballast:
                self._wear.spend(ballast.BALLAST_BYTES, 1)

    def replace(self, why: str) -> None:
        """This moves a damaged file aside. The next connection begins a fresh one."""
        self.disconnect()
        where = schema.move_aside(self.folder)
        self.note(f"{self.folder / schema.FILE}: found damaged ({why}); moved aside to {where.name}")

    def note(self, text: str) -> None:
        """This keeps a word for whoever empties `notes`."""
        self.notes.append(text)
        del self.notes[:-_NOTES_MAX]

    def advice(self, error: Exception) -> str:
        """This returns what a person should do about an error."""
        where = self.folder
        if room.is_read_only(where):
            return f"{where}: the file system is read-only now; kept in memory. Check the disk, remount it for writing"
        if schema.is_full(error) or room.is_full(where):
            return f"{where}: no room left; kept in memory. Make room: it is written as soon as there is some"
        return f"{where}: cannot be written ({error}); kept in memory. Check the disk"

    def _log_size(self) -> int:
        try:
            return Path(f"{self.folder / schema.FILE}-wal").stat().st_size
        except OSError:
            return 0


def unwritable(folder: Path, why: str) -> str:
    """This returns the sentence for a folder that nobody can write."""
    mend = "Give it to the user that runs sickbay, or set paths.state"
    return f"{folder}: the state folder cannot be written ({why}); not opened. {mend}"


def _take(folder: Path) -> int:
    """This returns the held lock on the folder: two daemons on one journal would undo each other's work."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        lock = _lock_file(folder)
    except OSError as error:
        raise StoreError(unwritable(folder, error.strerror or str(error))) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StoreError(
            f"{folder}: another sickbay is at work with this state folder; not opened. Stop it, or set paths.state"
        ) from None
    return lock


def _lock_file(folder: Path) -> int:
    """This returns an open file to lock: on a disk without room for one more, the folder itself."""
    try:
        return os.open(folder / "sickbay.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

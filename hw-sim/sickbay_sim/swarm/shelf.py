"""These are the devices' journals on one disk: real files, each open as long as its device's process lives."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sickbay.edge.journal import Journal, Limits, ballast
from sickbay.edge.journal.schema import FILE, by_sqlite


class Shelf:
    """Journals by device. An open one holds three descriptors; a process may often have no more than 1,024."""

    def __init__(self, root: Path, limits: Limits) -> None:
        self.opened = 0  # how often a file was opened
        self._root, self._limits = root, limits
        self._open: dict[str, Journal] = {}
        self._connections: dict[str, list[sqlite3.Connection]] = {}
        self._dead: set[str] = set()

    def journal(self, device: str, lived_s: Callable[[], float]) -> Journal:
        """This returns a device's journal, open. The ballast is spared: no disk is full here."""
        found = self._open.get(device)
        if found is None:
            found = Journal(self._root / device, self._limits, lambda path: self._connect(device, path), lived_s)
            ballast.drop(self._root / device)
            self.opened += 1
            self._open[device] = found
        return found

    def kill(self, device: str) -> None:
        """This is SIGKILL: what was not on the disk is gone."""
        found = self._open.pop(device, None)
        if found is None:
            return
        self._dead.add(device)
        for connection in self._connections.pop(device, []):
            connection.close()
        try:
            found.close()  # finds no file any more, and lets go of the lock as a process's end does
        finally:
            self._dead.discard(device)

    def file_bytes(self, device: str) -> int:
        """This returns how long a device's database and its log are."""
        size = 0
        for suffix in ("", "-wal"):
            with contextlib.suppress(OSError):
                size += (self._root / device / f"{FILE}{suffix}").stat().st_size
        return size

    def close(self) -> None:
        """This puts everything back: what waits in memory goes to the disk."""
        while self._open:
            self._open.popitem()[1].close()
        self._connections.clear()

    def _connect(self, device: str, path: Path) -> sqlite3.Connection:
        if device in self._dead:
            raise sqlite3.OperationalError("its process was killed")
        made = by_sqlite(path)
        self._connections.setdefault(device, []).append(made)
        return made

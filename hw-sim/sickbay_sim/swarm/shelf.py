"""These are the devices' journals on one disk: real files, of which few are open at a time."""

import contextlib
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from sickbay.edge.journal import Journal, Limits, ballast
from sickbay.edge.journal.schema import FILE, by_sqlite

OPEN_MAX = 48  # an open journal holds three descriptors; a process may often have no more than 1,024


class Shelf:
    """Journals by device. The one that was asked for longest ago is put back first, as at a daemon's orderly end."""

    def __init__(self, root: Path, lived_s: Callable[[], float], limits: Limits, open_max: int = OPEN_MAX) -> None:
        self.opened = 0  # how often a file was opened
        self._root, self._lived_s, self._limits, self._open_max = root, lived_s, limits, open_max
        self._open: OrderedDict[str, Journal] = OrderedDict()
        self._connections: dict[str, list[sqlite3.Connection]] = {}
        self._dead: set[str] = set()

    def journal(self, device: str) -> Journal:
        """This returns a device's journal, open."""
        found = self._open.get(device)
        if found is not None:
            self._open.move_to_end(device)
            return found
        while len(self._open) >= self._open_max:
            self.put_back(next(iter(self._open)))
        made = Journal(self._root / device, self._limits, lambda path: self._connect(device, path), self._lived_s)
        self.opened += 1
        self._open[device] = made
        return made

    def is_open(self, device: str) -> bool:
        return device in self._open

    def put_back(self, device: str) -> None:
        """This closes a journal: what waits in memory goes to the disk. The ballast is spared while it lies there."""
        found = self._open.pop(device, None)
        if found is not None:
            found.close()
            self._connections.pop(device, None)
            ballast.drop(self._root / device)

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
        """This puts everything back."""
        for device in list(self._open):
            self.put_back(device)

    def _connect(self, device: str, path: Path) -> sqlite3.Connection:
        if device in self._dead:
            raise sqlite3.OperationalError("its process was killed")
        made = by_sqlite(path)
        self._connections.setdefault(device, []).append(made)
        return made

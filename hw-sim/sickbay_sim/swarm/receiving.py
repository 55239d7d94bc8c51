"""This is the receiving end of a site: the fleet's own store on its own file, and receipts only after its commit."""

import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sickbay import wire
from sickbay_fleet.intake import BATCH_MAX
from sickbay_fleet.store import Arrived, Store
from sickbay_sim.swarm.broker import Broker
from sickbay_sim.swarm.under_way import UnderWay

COMMIT_MS = 40  # from a batch's arrival to its commit
GATHERS_MS = 100  # what comes meanwhile goes along in one batch
IDS_MAX = 200  # of one receipt


class Receiving:
    """The fleet's process and its disk. `wall` says the time to write on tickets."""

    def __init__(
        self,
        folder: Path,
        under_way: UnderWay,
        broker: Broker,
        wall: Callable[[], str],
        committed: Callable[[str, list[str], int], None],
    ) -> None:
        self.there = True
        self.since_ms = 0
        self.crashes = self.restores = 0
        self.restored_ms = -1
        self.erased: set[tuple[str, str]] = set()  # (device, fault): what a restore took away again
        self.erased_messages = 0
        self._path, self._backup = folder / "fleet.db", folder / "yesterday.db"
        self._under_way, self._broker, self._wall = under_way, broker, wall
        self._committed = committed
        self._inbox: deque[tuple[bool, Arrived]] = deque()
        self._life = 0
        self._draining = False
        self.taken = 0
        self.store = Store(self._path, wall)
        broker.hand_over = self._arrive

    def _arrive(self, arrived: Arrived, kept: bool, at_ms: int) -> None:
        self._inbox.append((kept, arrived))
        self._under_way.hold(arrived.device)
        if not self._draining:
            self._draining = True
            life = self._life
            self._under_way.at(at_ms + GATHERS_MS, lambda then_ms: self._take(then_ms, life), ())

    def _take(self, at_ms: int, life: int) -> None:
        """This commits one batch, and then gives its receipts."""
        if life != self._life:
            return
        came = [self._inbox.popleft() for _ in range(min(BATCH_MAX, len(self._inbox)))]
        batch = [arrived for _, arrived in came]
        whom = dict.fromkeys(arrived.device for arrived in batch)
        taken = self.store.take(batch)
        self.taken += len(batch)
        for device, ids in taken.receipts.items():
            self._committed(device, ids, at_ms)

        def say(device: str, receipt: wire.ReceiptMessage, then_ms: int) -> None:
            self._broker.receipt(device, wire.encode(receipt), then_ms)

        def receipts(then_ms: int) -> None:
            if life != self._life:
                return  # it ended between its commit and its receipts
            for device, lacks in taken.lacks.items():
                if lacks:
                    say(device, wire.ReceiptMessage([], lacks=lacks), then_ms)
            for device, ids in taken.receipts.items():
                for start in range(0, len(ids), IDS_MAX):
                    say(device, wire.ReceiptMessage(ids[start : start + IDS_MAX]), then_ms)
            for kept, arrived in came:
                if kept and b'"up"' in arrived.payload:
                    say(arrived.device, wire.ReceiptMessage([], digest=True), then_ms)

        self._under_way.at(at_ms + COMMIT_MS, receipts, whom)
        for arrived in batch:
            self._under_way.release(arrived.device)
        if self._inbox:
            self._under_way.at(at_ms + COMMIT_MS, lambda then_ms: self._take(then_ms, life), ())
        else:
            self._draining = False

    def crash(self, at_ms: int) -> None:
        """This is SIGKILL: what was read and not committed is gone, although the broker has its PUBACK."""
        self._life += 1
        for _, arrived in self._inbox:
            self._under_way.release(arrived.device)
        self._inbox.clear()
        self._draining = False
        self.there = self._broker.fleet_there = False
        self.crashes += 1

    def back(self, at_ms: int) -> None:
        """This is the next process."""
        if self.there:
            return
        self.there, self.since_ms = True, at_ms
        self.store.close()
        self.store = Store(self._path, self._wall)
        if self._broker.up:
            self._broker.fleet_back(at_ms)

    def broker_back(self, at_ms: int) -> None:
        """This is a broker that can be reached again."""
        if self.there:
            self._broker.fleet_back(at_ms)
            self.since_ms = at_ms

    def backup(self) -> None:
        """This is the night's copy."""
        with contextlib.closing(sqlite3.connect(self._path)) as now, contextlib.closing(self._fresh_backup()) as kept:
            now.backup(kept)

    def _fresh_backup(self) -> sqlite3.Connection:
        self._backup.unlink(missing_ok=True)
        return sqlite3.connect(self._backup)

    def restore(self, at_ms: int) -> None:
        """This puts yesterday's store in the place of today's, and notes what is gone by that."""
        self.crash(at_ms)
        self.store.close()
        if self._backup.exists():
            with contextlib.closing(sqlite3.connect(self._path)) as now:
                now.execute("ATTACH ? AS old", (str(self._backup),))
                gone = now.execute(
                    "SELECT device, ticket FROM messages m WHERE NOT EXISTS"
                    " (SELECT 1 FROM old.messages o WHERE o.device = m.device AND o.id = m.id)"
                ).fetchall()
            self.erased.update(gone)
            self.erased_messages += len(gone)
            for suffix in ("-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
            self._path.write_bytes(self._backup.read_bytes())
            self.restores += 1
            self.restored_ms = at_ms
        self.store = Store(self._path, self._wall)
        self.back(at_ms)

    # What a watcher reads, past the store's own code: the file itself.

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """This returns the rows of a query of the committed file."""
        with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as db:
            return db.execute(query, values).fetchall()

    def holds(self, device: str, ids: list[str]) -> set[str]:
        """This returns which of a device's messages are in the store."""
        with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as db:
            found = (
                db.execute("SELECT 1 FROM messages WHERE device = ? AND id = ?", (device, id_)).fetchone()
                for id_ in ids
            )
            return {id_ for id_, there in zip(ids, list(found), strict=True) if there}

    def file_bytes(self) -> int:
        return sum(Path(f"{self._path}{suffix}").stat().st_size for suffix in ("", "-wal"))

    def close(self) -> None:
        self.store.close()

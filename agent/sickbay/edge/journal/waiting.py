"""This is what was given to the journal and is not on the disk yet: nothing, while the disk is well."""

import time
from collections import deque
from collections.abc import Iterable

import msgspec

from sickbay.edge.journal.ledger import LedgerRow, Line, row_of
from sickbay.edge.journal.outbox import MEMORY, Gone, OutboxRow, rank

BYTES_MAX = 1 << 20
LINES_MAX = 1000


def first_boot() -> int:
    """This returns the count that a new journal starts from: seconds since 1970.

    A journal that was lost would else count from 1 again, and the fleet would take its digests for those of an earlier life.
    """
    return max(1, int(time.time()))


class Waiting:
    """The latest snapshot, messages in order of age, ledger lines, and ids to delete."""

    def __init__(self) -> None:
        self.boot: int | None = first_boot()  # this start, until it is counted on the disk
        self.snapshot: bytes | None = None
        self.rows: dict[str, OutboxRow] = {}
        self.lines: deque[LedgerRow] = deque(maxlen=LINES_MAX)
        self.lines_dropped = 0
        self.forgotten: dict[str, int] = {}  # id: size
        self.kept: dict[str, bytes] = {}
        self.gone: Gone = {}

    def add(self, rows: Iterable[OutboxRow], lines: Iterable[Line]) -> None:
        """This takes messages and ledger lines in."""
        for row in rows:
            self.rows.setdefault(row.id, row)
        for line in lines:
            self.lines_dropped += len(self.lines) == LINES_MAX
            self.lines.append(row_of(line))
            held = self.rows.get(line.id)
            if held is not None:
                self.rows[line.id] = msgspec.structs.replace(held, attempts=held.attempts + 1)

    def bound(self) -> None:
        """This throws messages beyond a mebibyte overboard, least grave and oldest first, and counts them."""
        over = sum(row.size for row in self.rows.values()) - BYTES_MAX
        if over <= 0:
            return
        last = {row.fault_id: row.id for row in self.rows.values()}
        aged = enumerate(self.rows.values())
        worst = sorted(aged, key=lambda at: (-rank(at[1].severity), last[at[1].fault_id] == at[1].id, at[0]))
        for _, row in worst:
            if over <= 0:
                break
            over -= row.size
            del self.rows[row.id]
            key = (row.class_, row.severity, MEMORY)
            self.gone[key] = self.gone.get(key, 0) + 1

    def only_lines(self) -> bool:
        """This returns whether nothing but ledger lines waits."""
        return bool(self.lines) and not self._more_than_lines()

    def only_sent(self) -> bool:
        """This returns whether nothing waits but ledger lines and receipts: what left, and what came of it."""
        return not (self.boot or self.rows or self.gone or self.kept or self.snapshot is not None)

    def empty(self) -> bool:
        """This returns whether there is nothing to write."""
        return not self.lines and not self._more_than_lines()

    def _more_than_lines(self) -> bool:
        return bool(self.boot or self.rows or self.forgotten or self.gone or self.kept or self.snapshot is not None)

    def clear(self) -> None:
        """This forgets everything, since it is on the disk now."""
        self.boot = self.snapshot = None
        self.rows.clear()
        self.lines.clear()
        self.forgotten.clear()
        self.kept.clear()
        self.gone.clear()

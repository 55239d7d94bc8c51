"""This is the record of every message that left the device, to be read without a network."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

ROWS_MAX = 10_000
ROWS_LEAST = 100  # on a disk that has no room


class Line(Protocol):
    """What a ledger line must tell, whoever made it."""

    @property
    def at(self) -> float: ...  # wall time, seconds since 1970

    @property
    def topic(self) -> str: ...

    @property
    def what(self) -> str: ...  # class and kind, e.g. "escalation opened"

    @property
    def why(self) -> str: ...  # the line of the configuration that lets it leave

    @property
    def bytes(self) -> int: ...  # topic and payload as they went

    @property
    def id(self) -> str: ...  # the CloudEvents id; "" for what has none


class LedgerRow(msgspec.Struct, frozen=True):
    """One message that left."""

    at: float
    topic: str
    what: str
    why: str
    bytes: int
    id: str = ""


def row_of(line: Line) -> LedgerRow:
    """This returns a line as a row that the journal may keep."""
    return LedgerRow(line.at, line.topic, line.what, line.why, line.bytes, line.id)


def insert(db: sqlite3.Connection, rows: Sequence[LedgerRow], grow: bool = True) -> None:
    """This adds rows, counts an attempt for those still in the outbox, and drops the oldest beyond the bound.

    Where it must not `grow`, each new row takes the place of the oldest.
    """
    if not rows:
        return
    first, last = db.execute("SELECT coalesce(min(n), 1), coalesce(max(n), 0) FROM ledger").fetchone()
    rows_max = ROWS_MAX if grow else max(ROWS_LEAST, last - first + 1)
    for row in rows:
        db.execute(
            "INSERT INTO ledger (at, topic, what, why, bytes, id) VALUES (?,?,?,?,?,?)",
            (row.at, row.topic, row.what, row.why, row.bytes, row.id),
        )
        if row.id:
            db.execute("UPDATE outbox SET attempts = attempts + 1 WHERE id = ?", (row.id,))
    db.execute("DELETE FROM ledger WHERE n <= (SELECT max(n) FROM ledger) - ?", (rows_max,))


def read(db: sqlite3.Connection, since: float) -> Iterator[LedgerRow]:
    """This yields the rows from that wall time on, in the order they left."""
    for row in db.execute("SELECT at, topic, what, why, bytes, id FROM ledger WHERE at >= ? ORDER BY n", (since,)):
        yield LedgerRow(*row)


def dropped(db: sqlite3.Connection) -> int:
    """This returns how many lines the bound has dropped: numbers start at 1 and none is used twice."""
    return int(db.execute("SELECT coalesce(min(n) - 1, 0) FROM ledger").fetchone()[0])

"""These are the messages that wait for the fleet's own receipt: what goes first, and what goes overboard."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence

import msgspec

RANKS = {"critical": 0, "major": 1, "minor": 2}
_SEVERITIES = {rank: severity for severity, rank in RANKS.items()}
_ROW_OVERHEAD_BYTES = 128  # SQLite's own, and the index

# A fault's earlier revision borrows the rank of its gravest later one: so graver faults go first, and the
# revisions of one fault are never reordered, since that borrowed rank only rises (grows less grave) with seq.
_ORDER = """
SELECT id FROM (
    SELECT id, seq, MIN(rank) OVER (PARTITION BY fault_id ORDER BY seq
                                    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS gravest
    FROM outbox) ORDER BY gravest, seq
"""

# Never a graver one before a lesser one. Within a severity first an 'updated' that a later revision replaces, then
# any other replaced one (the later one tells the whole story), then 'updated', then the rest; oldest first.
_OVERBOARD = """
SELECT id, rank, bytes, class FROM (
    SELECT id, seq, rank, bytes, kind, class,
           seq < MAX(seq) OVER (PARTITION BY fault_id) AS replaced
    FROM outbox)
ORDER BY rank DESC, (replaced AND kind = 'updated') DESC, replaced DESC, kind = 'updated' DESC, seq LIMIT 256
"""

# By age go revisions that a later one replaces, and stories that are over. What is still open is news however old it is, and
# so is what was critical.
_STALE = """
SELECT id, rank, class FROM (
    SELECT id, rank, class, kind, lived, seq < MAX(seq) OVER (PARTITION BY fault_id) AS replaced
    FROM outbox)
WHERE lived < ? AND rank > 0 AND (replaced OR kind NOT IN ('opened', 'updated'))
"""

Gone = dict[tuple[str, str, str], int]  # (class, severity, why): messages that will never leave
MEMORY, ROOM, AGE = "memory", "room", "age"


class OutboxRow(msgspec.Struct, frozen=True):
    """One message on its way to the fleet."""

    id: str  # the CloudEvents id
    fault_id: str
    severity: str  # critical | major | minor
    kind: str  # opened | updated | closed
    topic: str
    payload: bytes
    created: float  # wall time, seconds since 1970
    consent: str  # the line of the configuration that lets it leave
    attempts: int = 0  # how often it was handed to a broker
    class_: str = ""  # of the fault

    @property
    def size(self) -> int:
        """What the row counts against the budget, in bytes."""
        return len(self.payload) + len(self.topic) + len(self.consent) + len(self.id) * 2 + _ROW_OVERHEAD_BYTES


def rank(severity: str) -> int:
    """This returns 0 for critical; an unknown word counts as the least grave."""
    return RANKS.get(severity, max(RANKS.values()))


def order(stories: Sequence[tuple[str, str, int]]) -> list[str]:
    """This returns ids in the order of sending, from (id, fault id, rank) by age; the twin of the SQL above."""
    gravest: dict[str, int] = {}
    keys: list[tuple[int, int, str]] = []
    for at, (id_, fault_id, rank_) in reversed(list(enumerate(stories))):
        gravest[fault_id] = min(gravest.get(fault_id, rank_), rank_)
        keys.append((gravest[fault_id], at, id_))
    return [id_ for _, _, id_ in sorted(keys)]


def insert(db: sqlite3.Connection, rows: Iterable[OutboxRow], lived_s: float) -> None:
    """This adds rows; one whose id is there already stays as it was."""
    db.executemany(
        "INSERT OR IGNORE INTO outbox"
        " (id, fault_id, rank, kind, topic, consent, created, attempts, bytes, payload, class, lived)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        [
            (
                *(r.id, r.fault_id, rank(r.severity), r.kind, r.topic, r.consent, r.created),
                *(r.attempts, r.size, r.payload, r.class_, lived_s),
            )
            for r in rows
        ],
    )


def first(db: sqlite3.Connection, limit: int) -> list[OutboxRow]:
    """This returns the rows that go first."""
    ids = [row[0] for row in db.execute(f"{_ORDER} LIMIT ?", (limit,))]
    return [row for each in ids if (row := get(db, each))]


def stories(db: sqlite3.Connection) -> list[tuple[str, str, int]]:
    """This returns (id, fault id, rank) of all rows in order of age, without their payloads."""
    return db.execute("SELECT id, fault_id, rank FROM outbox ORDER BY seq").fetchall()


def get(db: sqlite3.Connection, id_: str) -> OutboxRow | None:
    """This returns the row with that id."""
    row = db.execute(
        "SELECT id, fault_id, rank, kind, topic, payload, created, consent, attempts, class FROM outbox WHERE id = ?",
        (id_,),
    ).fetchone()
    if row is None:
        return None
    return OutboxRow(row[0], row[1], _SEVERITIES.get(row[2], "minor"), *row[3:])


def totals(db: sqlite3.Connection) -> tuple[int, int]:
    """This returns how many rows there are and their bytes."""
    rows, size = db.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM outbox").fetchone()
    return int(rows), int(size)


def shed(db: sqlite3.Connection, budget_bytes: int, grave_bytes: int) -> Gone:
    """This throws the least grave overboard until the rest fits, and returns what went.

    What is critical may fill `grave_bytes`, which is no less than the budget.
    """
    gone: Gone = {}
    size = totals(db)[1]
    while size > budget_bytes:
        for id_, rank_, bytes_, class_ in db.execute(_OVERBOARD).fetchall():
            if size <= (budget_bytes if rank_ else grave_bytes):
                return _counted(db, gone)
            db.execute("DELETE FROM outbox WHERE id = ?", (id_,))
            _add(gone, (class_, _SEVERITIES.get(rank_, "minor"), ROOM))
            size -= bytes_
    return _counted(db, gone)


def expire(db: sqlite3.Connection, before_s: float) -> Gone:
    """This takes out what came before that time of the device's life and is no news any more, and returns what went."""
    gone: Gone = {}
    for id_, rank_, class_ in db.execute(_STALE, (before_s,)).fetchall():
        db.execute("DELETE FROM outbox WHERE id = ?", (id_,))
        _add(gone, (class_, _SEVERITIES.get(rank_, "minor"), AGE))
    return _counted(db, gone)


def newest_s(db: sqlite3.Connection) -> float:
    """This returns the latest time of the device's life at which a row came, 0 where there is none."""
    return float(db.execute("SELECT coalesce(max(lived), 0) FROM outbox").fetchone()[0])


def count_gone(db: sqlite3.Connection, gone: Gone) -> None:
    """This adds to the count of messages that will never leave."""
    db.executemany(
        "INSERT INTO gone VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET count = count + ?4",
        [(*key, count) for key, count in gone.items()],
    )


def read_gone(db: sqlite3.Connection) -> Gone:
    """This returns how many messages will never leave, ever."""
    return {(c, s, why): n for c, s, why, n in db.execute("SELECT class, severity, why, count FROM gone")}


def add(to: Gone, gone: Gone) -> None:
    """This adds counts to counts."""
    for key, count in gone.items():
        to[key] = to.get(key, 0) + count


def summed(by: Callable[[str, str, str], str], *gone: Gone) -> dict[str, int]:
    """This returns the counts together, by whatever `by` makes of class, severity and reason."""
    out: dict[str, int] = {}
    for each in gone:
        for key, count in each.items():
            out[by(*key)] = out.get(by(*key), 0) + count
    return out


def told(gone: Gone) -> str:
    """This returns the counts for a person, e.g. "3 major stuck"."""
    return ", ".join(f"{count} {severity} {class_}".rstrip() for (class_, severity, _), count in sorted(gone.items()))


def _counted(db: sqlite3.Connection, gone: Gone) -> Gone:
    count_gone(db, gone)
    return gone


def _add(gone: Gone, key: tuple[str, str, str]) -> None:
    gone[key] = gone.get(key, 0) + 1

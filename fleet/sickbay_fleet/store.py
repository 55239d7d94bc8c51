"""This keeps tickets in SQLite: each message once, receipted only after the commit."""

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sickbay import wire
from sickbay.errors import StoreError, WireError
from sickbay.order_wire import Answer, decode_answer
from sickbay_fleet import ticket as rule
from sickbay_fleet.ticket import Story, Ticket

APPLICATION_ID = 0x51CB_F1EE
VERSION = 1
QUARANTINE_MAX = 1000
ANSWERS_MAX = 10_000
KEPT_CLOSED = "-400 days"

_TABLES = """
CREATE TABLE tickets (
    device TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, opened TEXT NOT NULL, closed TEXT, story BLOB NOT NULL,
    PRIMARY KEY (device, id));
CREATE TABLE messages (
    device TEXT NOT NULL, id TEXT NOT NULL, ticket TEXT NOT NULL, revision INTEGER NOT NULL, received TEXT NOT NULL,
    payload BLOB NOT NULL, PRIMARY KEY (device, id));
CREATE INDEX messages_of ON messages (device, ticket);
CREATE TABLE devices (device TEXT PRIMARY KEY, boot INTEGER NOT NULL, state TEXT NOT NULL, at TEXT NOT NULL, body BLOB);
CREATE TABLE quarantine (
    n INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, topic TEXT NOT NULL, why TEXT NOT NULL, payload BLOB NOT NULL);
CREATE TABLE counts (what TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""
# What a store of before there were orders gets as well.
_LATER = """
CREATE TABLE IF NOT EXISTS answers (
    n INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, id TEXT NOT NULL, received TEXT NOT NULL, body BLOB NOT NULL,
    UNIQUE (device, id));
CREATE TABLE IF NOT EXISTS boots (device TEXT NOT NULL, boot INTEGER NOT NULL, offset_s REAL NOT NULL, PRIMARY KEY (device, boot));
"""
BOOTS_MAX = 50  # of one device, whose clock is known
LACKS_MAX = 200  # stories that one digest asks for


class Taken(msgspec.Struct, frozen=True):
    """What became of one batch."""

    receipts: dict[str, list[str]]  # device: ids that the store holds now
    lines: list[str]  # ticket changes, for people
    refused: list[tuple[str, str, str]]  # device, kind, why
    lacks: dict[str, list[str]] = {}  # device: faults that it told once, and of which this store knows too little


class Arrived(msgspec.Struct, frozen=True):
    """One message from the broker."""

    device: str  # as the topic has it
    leaf: str  # escalation | digest | state | answer
    payload: bytes


class Answered(msgspec.Struct, frozen=True):
    """What a device answered to an order, and when that came."""

    received: str
    answer: Answer


class Store:
    """The receiving end's memory. Synchronous; one thread at a time."""

    def __init__(self, path: Path, now: Callable[[], str]) -> None:
        self._now = now
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = _connect(path, "rwc")
            try:
                _prepare(self._db, path)
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"{path}: the ticket store cannot be opened ({error}). Check store.url and the disk"
            ) from None
        self._prune()

    def take(self, batch: Sequence[Arrived]) -> Taken:
        """This takes messages in, in one transaction; raises StoreError, and then nothing of the batch counts."""
        taken = Taken({}, [], [], {})
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            try:
                for arrived in batch:
                    self._one(arrived, taken)
                db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreError(
                f"ticket store: cannot be written ({error}); nothing was receipted. Check the disk"
            ) from None
        return taken

    def up(self) -> list[str]:
        """This returns the devices that were connected by the last word of them."""
        try:
            return [row[0] for row in self._db.execute("SELECT device FROM devices WHERE state = 'up' ORDER BY device")]
        except sqlite3.Error:
            return []

    def close(self) -> None:
        """This lets the file go."""
        self._db.close()

    def _one(self, arrived: Arrived, taken: Taken) -> None:
        try:
            if arrived.leaf == "escalation":
                self._escalation(arrived, taken)
            elif arrived.leaf == "digest":
                self._digest(arrived, taken)
            elif arrived.leaf == "answer":
                self._answer(arrived, taken)
            else:
                self._state(arrived, taken)
        except WireError as error:
            taken.refused.append((arrived.device, arrived.leaf, str(error)))
            self._count(f"refused {arrived.leaf}")
            self._db.execute(
                "INSERT INTO quarantine (at, topic, why, payload) VALUES (?,?,?,?)",
                (self._now(), f"{arrived.device}/up/{arrived.leaf}", str(error), arrived.payload[: wire.MAX_BYTES]),
            )
            self._db.execute("DELETE FROM quarantine WHERE n <= (SELECT max(n) FROM quarantine) - ?", (QUARANTINE_MAX,))

    def _escalation(self, arrived: Arrived, taken: Taken) -> None:
        event, escalation = wire.decode_event(arrived.payload)
        if {event.source, f"sickbay/{escalation.device}"} != {f"sickbay/{arrived.device}"}:
            raise WireError(
                f"escalation: came on the topic of {arrived.device!r} and says that it is from {event.source!r}, "
                f"device {escalation.device!r}: refused"
            )
        if not event.id or not escalation.fault_id:
            raise WireError("escalation: no id")
        receipts = taken.receipts.setdefault(arrived.device, [])
        if event.id not in receipts:
            receipts.append(event.id)
        added = self._db.execute(
            "INSERT OR IGNORE INTO messages VALUES (?,?,?,?,?,?)",
            (arrived.device, event.id, escalation.fault_id, escalation.revision, self._now(), arrived.payload),
        )
        if added.rowcount == 0:
            self._count("duplicates")
            return
        self._learn_clock(arrived.device, event.boot, event.time, event.timequality, event.atms)
        before = self._story(arrived.device, escalation.fault_id)
        after = rule.tell(before, event, escalation, self._now(), self._offset_s(arrived.device, event.boot))
        self._keep(after)
        taken.lines.append(_line(before, after, event))

    def _digest(self, arrived: Arrived, taken: Taken) -> None:
        digest = wire.decode_digest(arrived.payload)
        self._same_device(digest.device, arrived)
        known = self._db.execute("SELECT boot FROM devices WHERE device = ?", (arrived.device,)).fetchone()
        if known and digest.boot < known[0]:
            return  # of an earlier start: it came late
        self._learn_clock(arrived.device, digest.boot, digest.time, digest.timequality, digest.atms)
        listed = {fault.id: fault for fault in digest.open}
        rows = self._db.execute(
            "SELECT id FROM tickets WHERE device = ? AND state = 'open'", (arrived.device,)
        ).fetchall()
        for (id_,) in rows:
            story = self._story(arrived.device, id_)
            overtaken = story is not None and digest.atms > 0 and story.heard > (digest.boot, digest.atms)
            if id_ not in listed and story is not None and not overtaken:
                after = rule.close_unheard(story, "closed: the device no longer lists it as open", self._now())
                self._keep(after)
                taken.lines.append(f"{_name(after.ticket)}: {after.note}")
        for id_, fault in listed.items():
            story = self._story(arrived.device, id_)
            if story is None:
                lost = self._lacks(arrived.device, fault, 0, taken)
                says = "its story is lost here, and asked for" if lost else "no message about it has come yet"
                taken.lines.append(f"{arrived.device} {id_}: open on the device, and {says}")
            elif story.ticket.state == "closed" and story.note:
                self._keep(rule.reopen(story))
                taken.lines.append(f"{_name(story.ticket)}: open again, the device lists it")
            elif self._lacks(arrived.device, fault, story.revision, taken):
                taken.lines.append(f"{_name(story.ticket)}: revision {fault.revision} is lost here, and asked for")
            elif fault.revision > story.revision:
                taken.lines.append(f"{_name(story.ticket)}: revision {fault.revision} is still on its way")
        for fault in digest.closed:
            story = self._story(arrived.device, fault.id)
            self._lacks(arrived.device, fault, story.revision if story is not None else 0, taken)

    def _lacks(self, device: str, fault: wire.OpenFault, revision: int, taken: Taken) -> bool:
        """This asks for a story that the device was given a receipt for and that is not here: of a backup, or of another store."""
        asked = taken.lacks.setdefault(device, [])
        if fault.delivered <= revision or len(asked) >= LACKS_MAX:
            return False
        if fault.id not in asked:
            asked.append(fault.id)
        return True

    def _learn_clock(self, device: str, boot: int, time: str, quality: str, at_ms: int) -> None:
        """This takes in what a device's own clock of one boot means on the wall, and puts right what had to be guessed."""
        if quality != "synced" or not boot or self._offset_s(device, boot) is not None:
            return
        offset_s = rule.offset_s(time, at_ms)
        if offset_s is None:
            return
        self._db.execute("INSERT INTO boots VALUES (?,?,?)", (device, boot, offset_s))
        self._db.execute(
            "DELETE FROM boots WHERE device = ? AND boot NOT IN"
            " (SELECT boot FROM boots WHERE device = ? ORDER BY boot DESC LIMIT ?)",
            (device, device, BOOTS_MAX),
        )
        for (raw,) in self._db.execute("SELECT story FROM tickets WHERE device = ?", (device,)).fetchall():
            story = msgspec.json.decode(raw, type=Story)
            after = rule.dated(story, boot, offset_s)
            if after != story:
                self._keep(after)

    def _offset_s(self, device: str, boot: int) -> float | None:
        row = self._db.execute("SELECT offset_s FROM boots WHERE device = ? AND boot = ?", (device, boot)).fetchone()
        return row[0] if row else None

    def _answer(self, arrived: Arrived, taken: Taken) -> None:
        event, answer = decode_answer(arrived.payload)
        self._same_device(answer.device, arrived)
        if not event.id:
            raise WireError("answer: no id")
        receipts = taken.receipts.setdefault(arrived.device, [])
        if event.id not in receipts:
            receipts.append(event.id)
        added = self._db.execute(
            "INSERT OR IGNORE INTO answers (device, id, received, body) VALUES (?,?,?,?)",
            (arrived.device, event.id, self._now(), msgspec.json.encode(answer)),
        )
        if added.rowcount == 0:
            self._count("duplicates")
            return
        self._db.execute("DELETE FROM answers WHERE n <= (SELECT max(n) FROM answers) - ?", (ANSWERS_MAX,))
        did = "obeyed" if answer.obeyed else "refused"
        taken.lines.append(f"{arrived.device} {answer.target}: {did} {answer.verb} ({answer.order}). {answer.says}")

    def _state(self, arrived: Arrived, taken: Taken) -> None:
        state = wire.decode_state(arrived.payload)
        self._same_device(state.device, arrived)
        self._learn_clock(arrived.device, state.boot, state.time, state.timequality, state.atms)
        before = self._db.execute("SELECT state, boot FROM devices WHERE device = ?", (arrived.device,)).fetchone()
        self._db.execute(
            "INSERT INTO devices VALUES (?,?,?,?,?) ON CONFLICT (device) DO UPDATE SET"
            " boot = max(boot, excluded.boot), state = excluded.state, at = excluded.at, body = excluded.body",
            (arrived.device, state.boot, state.state, self._now(), arrived.payload[: wire.MAX_BYTES]),
        )
        if before is None or before[0] != state.state:
            taken.lines.append(f"{arrived.device}: {state.state}")

    def _same_device(self, said: str, arrived: Arrived) -> None:
        if said != arrived.device:
            raise WireError(f"{arrived.leaf}: came on the topic of {arrived.device!r} and says {said!r}: refused")

    def _story(self, device: str, id_: str) -> Story | None:
        row = self._db.execute("SELECT story FROM tickets WHERE device = ? AND id = ?", (device, id_)).fetchone()
        return msgspec.json.decode(row[0], type=Story) if row else None

    def _keep(self, story: Story) -> None:
        t = story.ticket
        self._db.execute(
            "INSERT OR REPLACE INTO tickets VALUES (?,?,?,?,?,?)",
            (t.device, t.id, t.state, t.opened, t.closed, msgspec.json.encode(story)),
        )

    def _count(self, what: str) -> None:
        self._db.execute("INSERT INTO counts VALUES (?, 1) ON CONFLICT (what) DO UPDATE SET count = count + 1", (what,))

    def _prune(self) -> None:
        """This forgets tickets that have been closed for more than 400 days, with their messages."""
        old = "(SELECT id FROM tickets t WHERE t.device = messages.device AND closed < date('now', ?))"
        with contextlib.suppress(sqlite3.Error):
            self._db.execute(f"DELETE FROM messages WHERE ticket IN {old}", (KEPT_CLOSED,))
            self._db.execute("DELETE FROM tickets WHERE closed < date('now', ?)", (KEPT_CLOSED,))


def tickets(path: Path, only_open: bool = False) -> list[Ticket]:
    """This returns all tickets, oldest first, while the receiving end may be running; raises StoreError."""
    if not path.is_file():
        raise StoreError(f"{path}: there is no ticket store yet. Start sickbay-fleet serve, or check store.url")
    try:
        with contextlib.closing(_connect(path, "ro")) as db:
            rows = db.execute("SELECT story FROM tickets ORDER BY opened, device, id").fetchall()
    except sqlite3.Error as error:
        raise StoreError(f"{path}: the ticket store cannot be read ({error}). Check store.url") from None
    found = [msgspec.json.decode(story, type=Story).ticket for (story,) in rows]
    return [each for each in found if each.state == "open" or not only_open]


def answers(path: Path) -> list[Answered]:
    """This returns what devices answered to orders, oldest first, while the receiving end may be running; raises StoreError."""
    if not path.is_file():
        raise StoreError(f"{path}: there is no ticket store yet. Start sickbay-fleet serve, or check store.url")
    try:
        with contextlib.closing(_connect(path, "ro")) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'answers'").fetchone():
                return []
            rows = db.execute("SELECT received, body FROM answers ORDER BY n").fetchall()
    except sqlite3.Error as error:
        raise StoreError(f"{path}: the ticket store cannot be read ({error}). Check store.url") from None
    return [Answered(received, msgspec.json.decode(body, type=Answer)) for received, body in rows]


def counts(path: Path) -> dict[str, Any]:
    """This returns how many messages were refused or came twice."""
    with contextlib.closing(_connect(path, "ro")) as db:
        return dict(db.execute("SELECT what, count FROM counts ORDER BY what").fetchall())


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    url = path.absolute().as_uri() + f"?mode={mode}"
    return sqlite3.connect(url, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False)


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    there = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if there:
        owner = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if (owner, version) != (APPLICATION_ID, VERSION):
            raise StoreError(f"{path}: not a ticket store of this version; left as it is. Set another store.url")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    if not there:
        db.executescript(
            f"BEGIN IMMEDIATE; {_TABLES} PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={VERSION}; COMMIT;"
        )
    db.executescript(_LATER)


def _name(ticket: Ticket) -> str:
    return f"{ticket.device} {ticket.target} {ticket.class_} ({ticket.id})"


def _line(before: Story | None, after: Story, event: wire.CloudEvent) -> str:
    kind = event.type.rpartition(".")[2]
    if before is not None and after.revision == before.revision:
        return f"{_name(after.ticket)}: {kind} came late, revision {after.revision} stands ({after.ticket.state})"
    late = ", had waited for a connection" if event.historical else ""
    return f"{_name(after.ticket)}: {kind}, {after.ticket.severity}{late}. {after.summary}".rstrip(". ")

"""The journal keeps what must last, in order, within its budget."""

import sqlite3
import stat

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sickbay.edge.journal import Journal, LedgerRow, Limits, OutboxRow, outbox, schema
from sickbay.errors import StoreError


def row(id_, fault="f1", severity="major", kind="updated", size=10, created=0.0):
    return OutboxRow(id_, fault, severity, kind, "sickbay/1/d/up/escalation", b"x" * size, created, "[mqtt]")


def line(at=1.0, id_="", what="escalation opened"):
    return LedgerRow(at, "sickbay/1/d/up/escalation", what, "[mqtt]", 100, id_)


def ids(rows):
    return [each.id for each in rows]


def test_snapshot_and_messages_come_back_after_a_restart(tmp_path):
    """A fault and the message about it stand or fall together: neither may be there without the other."""
    with Journal(tmp_path) as journal:
        assert journal.load() is None
        journal.commit(b"node", [row("f1.r1")])
    with Journal(tmp_path) as journal:
        assert journal.load() == b"node"
        assert journal.pending(10) == [row("f1.r1")]
        assert (journal.outbox_rows, journal.outbox_bytes) == (1, row("f1.r1").size)


def test_boot_counts_the_starts(tmp_path):
    boots = []
    for _ in range(3):
        with Journal(tmp_path) as journal:
            boots.append(journal.boot)
    assert boots == [boots[0], boots[0] + 1, boots[0] + 2]


def test_a_second_daemon_on_the_same_folder_is_refused(tmp_path):
    """Two daemons would forget each other's messages."""
    with Journal(tmp_path), pytest.raises(StoreError, match=r"another sickbay.*paths\.state"):
        Journal(tmp_path)
    Journal(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_told_with_a_mend(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/state: the state folder cannot be written .* set paths\.state"):
        Journal(tmp_path / "file" / "state")


def test_the_gravest_goes_first_and_a_fault_keeps_its_order(tmp_path):
    """r1 of a fault that became critical goes ahead with it, since r2 before r1 would confuse the receiver."""
    with Journal(tmp_path) as journal:
        journal.commit(None, [row("a.r1", "a", "minor"), row("b.r1", "b", "major"), row("a.r2", "a", "critical")])
        journal.commit(None, [row("c.r1", "c", "critical"), row("a.r3", "a", "minor")])
        assert ids(journal.pending(10)) == ["a.r1", "a.r2", "c.r1", "b.r1", "a.r3"]
        assert ids(journal.pending(2)) == ["a.r1", "a.r2"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(sorted(outbox.RANKS)))))
def test_order_in_sql_equals_order_in_memory(story):
    """Rows on the disk and rows that wait in memory for a full disk must leave in one and the same order."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    try:
        db.executescript(schema._TABLES)
        rows = [row(f"{n}", fault, severity) for n, (fault, severity) in enumerate(story)]
        outbox.insert(db, rows, 0.0)
        in_sql = ids(outbox.first(db, 1000))
    finally:
        db.close()
    assert in_sql == outbox.order([(r.id, r.fault_id, outbox.rank(r.severity)) for r in rows])
    for fault in "abcd":
        own = [r.id for r in rows if r.fault_id == fault]
        assert [id_ for id_ in in_sql if id_ in own] == own


def test_an_id_is_kept_once_and_forgotten_once(tmp_path):
    """A commit may be repeated after a crash, and a receipt after a reconnect."""
    with Journal(tmp_path) as journal:
        journal.commit(None, [row("f1.r1"), row("f1.r1", size=99)])
        journal.commit(None, [row("f1.r1", size=98)])
        assert journal.pending(10) == [row("f1.r1")]
        assert journal.forget(["f1.r1", "f1.r1", "unknown"]) == ["f1.r1"]
        assert journal.forget(["f1.r1"]) == []
        assert (journal.pending(10), journal.outbox_rows, journal.outbox_bytes) == ([], 0, 0)


def test_a_few_bytes_are_kept_by_key(tmp_path):
    """The number of the last signed order must outlive a power cut, else an old order could be played again."""
    with Journal(tmp_path) as journal:
        assert journal.kept("orders") is None
        journal.keep("orders", b"41")
        journal.keep("orders", b"42")
        with pytest.raises(ValueError, match="at most 4096"):
            journal.keep("orders", b"x" * 5000)
    with Journal(tmp_path) as journal:
        assert journal.kept("orders") == b"42"
        assert journal.kept("nothing") is None


def test_a_row_that_left_counts_its_attempts(tmp_path):
    with Journal(tmp_path) as journal:
        journal.commit(None, [row("f1.r1")])
        journal.ledger_add([line(id_="f1.r1")])
        journal.ledger_add([line(id_="f1.r1")])
    with Journal(tmp_path) as journal:
        assert journal.pending(1) == [msgspec.structs.replace(row("f1.r1"), attempts=2)]


def test_over_budget_the_least_grave_goes_overboard(tmp_path):
    """Replaced updates go first; a critical one never before a minor one; what went is counted for ever."""
    rows = [
        row("c.r1", "c", "critical", "opened", 300),
        row("c.r2", "c", "critical", "updated", 300),
        row("c.r3", "c", "critical", "updated", 300),
        row("m.r1", "m", "minor", "opened", 300),
        row("m.r2", "m", "minor", "updated", 300),
        row("m.r3", "m", "minor", "updated", 300),
        row("j.r1", "j", "major", "opened", 300),
    ]
    size = rows[0].size
    left = {}
    for keep in range(len(rows), -1, -1):
        folder = tmp_path / str(keep)
        with Journal(folder, Limits(keep * size)) as journal:
            journal.commit(None, rows)
            left[keep] = set(ids(journal.pending(10)))
            assert journal.outbox_bytes == keep * size
            assert sum(journal.shed().values()) == len(rows) - keep
    went = [(left[k] - left[k - 1]).pop() for k in range(len(rows), 0, -1)]
    assert went == ["m.r2", "m.r1", "m.r3", "j.r1", "c.r2", "c.r1", "c.r3"]
    with Journal(tmp_path / "3") as journal:
        assert journal.shed() == {"major": 1, "minor": 3}


def test_what_went_overboard_is_told(tmp_path):
    with Journal(tmp_path, Limits(500)) as journal:
        journal.commit(None, [row("a", "a", "minor", size=200), row("b", "b", "major", size=200)])
        assert ids(journal.pending(9)) == ["b"]
        assert any("1 minor" in note for note in journal.notes)


def test_ledger_holds_what_left_in_order(tmp_path):
    with Journal(tmp_path) as journal:
        journal.ledger_add([line(1.0, what="state"), line(2.0, "f1.r1")])
        journal.commit(b"s", [], [line(3.0)])
    with Journal(tmp_path) as journal:
        assert [(each.at, each.what, each.id) for each in journal.ledger()] == [
            (1.0, "state", ""),
            (2.0, "escalation opened", "f1.r1"),
            (3.0, "escalation opened", ""),
        ]
        assert [each.at for each in journal.ledger(since=2.5)] == [3.0]


def test_ledger_is_bounded_and_says_what_it_dropped(tmp_path):
    with Journal(tmp_path) as journal:
        for start in range(0, 10_400, 400):
            journal.ledger_add([line(float(start + n)) for n in range(400)])
        kept = list(journal.ledger())
        assert (len(kept), kept[0].at, journal.ledger_dropped()) == (10_000, 400.0, 400)


def test_heartbeats_in_the_ledger_share_a_write(tmp_path):
    """288 heartbeats a day, each with its own synced write, would spend twice the flash budget of a quiet day."""
    with Journal(tmp_path) as journal:
        before, size = journal.wear.bursts, journal.wear.bytes
        for beat in range(288):
            journal.ledger_add([line(300.0 * beat, what="state")], lazy=True)
        assert len(list(journal.ledger())) == 288
        assert journal.wear.bursts - before <= 48
        assert journal.wear.bytes - size < 1_200_000
    with Journal(tmp_path) as journal:
        assert len(list(journal.ledger())) == 288


def test_bytes_written_follow_the_log(tmp_path):
    with Journal(tmp_path) as journal:
        start = journal.wear.bytes
        for n in range(40):
            journal.commit(bytes([n]) * (60_000 + n), [row(f"f.r{n}")])
        assert 40 * 60_000 < journal.wear.bytes - start < 40 * 60_000 * 2
        assert (tmp_path / "sickbay.db-wal").stat().st_size < 2 << 20


@pytest.mark.parametrize(
    "damage",
    [b"this is not a database, it is a long text" * 50, b"SQLite format 3\0" + b"\xff" * 8000],
    ids=["text", "header-only"],
)
def test_an_unsound_file_is_moved_aside_and_told(tmp_path, damage):
    """A device that refuses to start because of a bad block helps nobody."""
    (tmp_path / "sickbay.db").write_bytes(damage)
    with Journal(tmp_path) as journal:
        assert journal.load() is None
        assert "moved aside to sickbay.db.corrupt-1" in journal.notes[0]
        journal.commit(b"s", [row("f1.r1")])
    assert (tmp_path / "sickbay.db.corrupt-1").read_bytes() == damage
    with Journal(tmp_path) as journal:
        assert journal.notes == []
        assert journal.load() == b"s"


def test_a_damaged_page_is_found_at_the_start(tmp_path):
    with Journal(tmp_path) as journal:
        journal.commit(b"s" * 50_000, [row(f"f{n}", size=900) for n in range(60)])
    path = tmp_path / "sickbay.db"
    body = bytearray(path.read_bytes())
    for page in range(1, len(body) // 4096):
        body[page * 4096 : page * 4096 + 200] = b"\x5a" * 200
    path.write_bytes(body)
    with Journal(tmp_path) as journal:
        assert "moved aside" in journal.notes[0]
        assert journal.pending(10) == []


def test_damage_while_running_does_not_stop_the_work(tmp_path):
    """The card can go bad at any time: the next commit goes on with a fresh file and says so."""
    with Journal(tmp_path) as journal:
        journal.commit(b"s" * 50_000, [row(f"f{n}", size=900) for n in range(60)])
        journal._reader().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (tmp_path / "sickbay.db").open("r+b") as file:
            size = file.seek(0, 2)
            file.seek(0)
            file.write(b"\x5a" * size)
        journal._reader().execute("PRAGMA shrink_memory")
        journal.commit(b"after", [row("new")])
        assert journal.load() == b"after"
        assert ids(journal.pending(99)) == ["new"]
        assert any("corrupt-1" in note for note in journal.notes)
    with Journal(tmp_path) as journal:
        assert journal.load() == b"after"


def test_another_programs_database_is_left_whole(tmp_path):
    other = sqlite3.connect(tmp_path / "sickbay.db")
    other.execute("CREATE TABLE precious (x)")
    other.execute("INSERT INTO precious VALUES (42)")
    other.commit()
    other.close()
    with Journal(tmp_path) as journal:
        assert "another program's database" in journal.notes[0]
    other = sqlite3.connect(tmp_path / "sickbay.db.corrupt-1")
    assert other.execute("SELECT x FROM precious").fetchall() == [(42,)]
    other.close()


def test_a_file_of_a_newer_version_is_moved_aside(tmp_path):
    Journal(tmp_path).close()
    newer = sqlite3.connect(tmp_path / "sickbay.db")
    newer.execute("PRAGMA user_version=99")
    newer.close()
    with Journal(tmp_path) as journal:
        assert "version 99" in journal.notes[0]


def test_a_file_of_version_1_is_taken_over_with_all_it_holds(tmp_path):
    """An upgrade must lose no message that waits."""
    Journal(tmp_path).close()
    older = sqlite3.connect(tmp_path / "sickbay.db")
    older.executescript(
        "DROP TABLE outbox; DROP TABLE gone; DROP TABLE kept;"
        "CREATE TABLE shed (severity TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, fault_id TEXT NOT NULL,"
        " rank INTEGER NOT NULL, kind TEXT NOT NULL, topic TEXT NOT NULL, consent TEXT NOT NULL, created REAL NOT NULL,"
        " attempts INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL, payload BLOB NOT NULL);"
        "CREATE INDEX outbox_story ON outbox (fault_id, seq, rank, kind, bytes, id);"
        "INSERT INTO outbox VALUES (7, 'f1.r1', 'f1', 1, 'updated', 'sickbay/1/d/up/escalation', '[mqtt]', 0, 0, 90, X'787878');"
        "INSERT INTO shed VALUES ('minor', 3); PRAGMA user_version=1;"
    )
    older.close()
    with Journal(tmp_path) as journal:
        assert journal.notes == []
        assert journal.pending(9) == [row("f1.r1", size=3)]
        assert journal.shed() == {"minor": 3}
        journal.commit(None, [row("f1.r2")])
        journal.keep("orders", b"1")
    with Journal(tmp_path) as journal:
        assert ids(journal.pending(9)) == ["f1.r1", "f1.r2"]


def test_at_most_three_unsound_files_are_kept(tmp_path):
    """Else a bad card would fill itself with its own wreckage."""
    for n in range(5):
        (tmp_path / "sickbay.db").write_text(f"wreck {n}" * 500)
        Journal(tmp_path).close()
    assert sorted(path.name for path in tmp_path.glob("*corrupt*")) == [f"sickbay.db.corrupt-{n}" for n in (3, 4, 5)]


def test_a_folder_in_the_place_of_the_file_is_moved_aside(tmp_path):
    (tmp_path / "sickbay.db").mkdir()
    with Journal(tmp_path) as journal:
        assert "is a folder" in journal.notes[0]
        journal.commit(b"s")


def test_ballast_takes_real_room(tmp_path):
    Journal(tmp_path).close()
    found = (tmp_path / "sickbay.ballast").stat()
    assert stat.S_ISREG(found.st_mode)
    assert found.st_blocks * 512 >= 1 << 20

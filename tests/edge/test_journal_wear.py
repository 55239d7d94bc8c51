"""The journal counts what the flash bears and how old its messages are, in a time that no clock can step."""

import msgspec
import pytest

from sickbay.edge.journal import Journal, LedgerRow, Limits, OutboxRow
from sickbay.edge.journal.wear import Wear

DAY_S = 86_400.0
YEAR_S = 366 * DAY_S


class Life:
    """A device's monotonic time, and its wall clock, each moved by hand."""

    def __init__(self):
        self.now_s = 1000.0
        self.wall_s = 1.8e9

    def __call__(self):
        return self.now_s

    def passes(self, seconds):
        self.now_s += seconds
        self.wall_s += seconds


def row(id_, fault="f", severity="major", kind="opened", created=0.0, class_="stuck"):
    return OutboxRow(id_, fault, severity, kind, "t", b"x" * 100, created, "c", 0, class_)


def ids(journal):
    return sorted(each.id for each in journal.pending(999))


def test_a_day_is_the_last_24_hours_of_life():
    life = Life()
    wear = Wear(life)
    for _ in range(48):
        wear.spend(100_000, 2)
        life.passes(3600.0)
    size, bursts = wear.day()
    assert bursts in (46, 48)
    assert 23 * 100_000 < size < 24 * 150_000
    assert wear.bursts == 96
    life.passes(25 * 3600.0)
    assert wear.day() == (0, 0)


def test_thrift_begins_before_the_day_is_spent():
    """Snapshots are stretched while there is still something left for messages."""
    wear = Wear(Life(), day_bytes_max=1_000_000)
    seen = []
    while wear.day()[0] < 1_000_000:
        wear.spend(20_000, 1)
        seen.append(wear.thrift())
    assert seen == sorted(seen)
    assert seen.count(0) > seen.count(1) > seen.count(2) > 0


def test_the_meter_goes_on_over_restarts_and_while_it_restarts_again_and_again(tmp_path):
    """A daemon that crashes every few seconds must not start each time with a fresh day."""
    life = Life()
    seen = []
    for _ in range(5):
        with Journal(tmp_path, monotonic=life) as journal:
            journal.commit(b"s" * 50_000, [])
            seen.append(journal.wear.day()[0])
            life.passes(5.0)
    assert seen == sorted(seen) and seen[-1] > 5 * 50_000
    life.passes(DAY_S)  # it was off: its time stood still
    with Journal(tmp_path, monotonic=Life()) as journal:
        assert journal.wear.day()[0] > seen[-1]


def test_what_was_kept_and_cannot_be_read_is_left():
    wear = Wear(Life())
    wear.spend(1, 1)
    wear.take_up(b"nonsense")
    wear.take_up(msgspec.msgpack.encode({"a": 1}))
    assert wear.bursts == 1


def test_old_news_goes_and_what_is_open_or_critical_stays(tmp_path):
    """A month without a network: nobody wants 400 stories that are over; everybody wants those that are not."""
    life = Life()
    with Journal(tmp_path, Limits(ttl_s=30 * DAY_S), monotonic=life) as journal:
        journal.commit(
            None,
            [
                row("over.r1", "over"),
                row("over.r2", "over", kind="closed"),
                row("open.r1", "open"),
                row("open.r2", "open", kind="updated"),
                row("grave.r1", "grave", "critical"),
                row("grave.r2", "grave", "critical", "closed"),
            ],
        )
        life.passes(29 * DAY_S)
        journal.commit(b"s", [row("young.r1", "young", kind="closed")])
        assert len(ids(journal)) == 7
        life.passes(1.1 * DAY_S)
        journal.commit(b"s", [])
        assert ids(journal) == ["grave.r1", "grave.r2", "open.r2", "young.r1"]
        assert journal.shed_by() == {"class": {"stuck major": 3}, "why": {"age": 3}}
        assert any("too old to be news; thrown overboard: 3 major stuck" in note for note in journal.notes)
    with Journal(tmp_path, monotonic=Life()) as journal:
        assert journal.shed() == {"major": 3}


@pytest.mark.parametrize("step_s", [YEAR_S, -YEAR_S])
def test_a_wall_clock_that_steps_a_year_makes_nothing_old_and_forgives_nothing(tmp_path, step_s):
    """A Pi has no clock of its own: it starts in 1970 and jumps when the network comes."""
    life = Life()
    with Journal(tmp_path, monotonic=life) as journal:
        journal.commit(b"s" * 9000, [row("a.r1", "a", kind="closed", created=life.wall_s)])
        journal.ledger_add([LedgerRow(life.wall_s, "t", "escalation opened", "c", 9, "a.r1")])
        before = journal.wear.day()
        life.wall_s += step_s
        life.passes(3600.0 * 2)
        journal.commit(b"s" * 9000, [row("b.r1", "b", kind="closed", created=life.wall_s)])
        journal.ledger_add([LedgerRow(life.wall_s, "t", "escalation opened", "c", 9, "b.r1")])
        assert ids(journal) == ["a.r1", "b.r1"]
        assert [line.id for line in journal.ledger()] == ["a.r1", "b.r1"], "in the order they left"
        assert journal.wear.day() > before
        assert journal.shed() == {}
    with Journal(tmp_path, monotonic=Life()) as journal:
        assert ids(journal) == ["a.r1", "b.r1"]
        assert journal.wear.day() > before


def test_heartbeats_wait_together_whatever_the_wall_says(tmp_path):
    """Else a clock that steps to and fro would cost a synced write each time."""
    with Journal(tmp_path) as journal:
        before = journal.wear.bursts
        for n in range(60):
            journal.ledger_add([LedgerRow(1.8e9 + (n % 2) * YEAR_S, "t", "state", "c", 9)], lazy=True)
        assert journal.wear.bursts - before <= 2
        assert len(list(journal.ledger())) == 60


def seen_after_a_cut(folder, place):
    """This returns what stands in the files now: the rows of the outbox, and whose lines the ledger has."""
    place.mkdir()
    for file in folder.glob("sickbay.db*"):
        (place / file.name).write_bytes(file.read_bytes())
    with Journal(place) as journal:
        return ids(journal), [line.id for line in journal.ledger()]


def test_where_bytes_run_short_a_line_goes_in_as_its_message_goes_out(tmp_path):
    """Three synced writes a message are one: and at no moment is a message neither waiting nor in the ledger."""
    with Journal(tmp_path / "j", Limits(day_bytes=1)) as journal:
        journal.commit(b"s", [row("f1.r1"), row("f2.r1")])
        before = journal.wear.bursts
        journal.ledger_add([LedgerRow(0.0, "t", "escalation.opened", "c", 9, "f1.r1")])
        assert journal.forget(["f1.r1"], lazy=True) == ["f1.r1"]
        journal.ledger_add([LedgerRow(0.0, "t", "escalation.opened", "c", 9, "f2.r1")])
        assert journal.wear.bursts == before
        assert seen_after_a_cut(tmp_path / "j", tmp_path / "cut") == (["f1.r1", "f2.r1"], [])
        assert [line.id for line in journal.ledger()] == ["f1.r1", "f2.r1"], "who asks sees it at once"
        journal.commit(None, [row("f3.r1", severity="critical")])
        assert seen_after_a_cut(tmp_path / "j", tmp_path / "then") == (["f2.r1", "f3.r1"], ["f1.r1", "f2.r1"])


def test_where_bytes_run_short_only_lines_of_the_outbox_wait(tmp_path):
    """What is in no outbox would be lost with its line."""
    with Journal(tmp_path / "j", Limits(day_bytes=1)) as journal:
        journal.commit(b"s", [row("f1.r1")])
        journal.ledger_add([LedgerRow(0.0, "t", "digest", "c", 9)])
        assert seen_after_a_cut(tmp_path / "j", tmp_path / "cut")[1] == [""]


def test_many_receipts_are_one_write(tmp_path):
    with Journal(tmp_path) as journal:
        journal.commit(None, [row(f"f{n}.r1", f"f{n}") for n in range(500)])
        before = journal.wear.bursts
        assert len(journal.forget([f"f{n}.r1" for n in range(400)])) == 400
        assert journal.wear.bursts == before + 1
        for n in range(400, 419):
            assert journal.forget([f"f{n}.r1"], lazy=True) == [f"f{n}.r1"]
        assert journal.wear.bursts == before + 1 and journal.waits
        assert journal.outbox_rows == 81 and "f400.r1" not in ids(journal)
        journal.forget(["f419.r1"], lazy=True)
        assert journal.wear.bursts == before + 2 and not journal.waits


def test_what_is_lost_is_counted_by_class(tmp_path):
    size = row("x").size
    with Journal(tmp_path, Limits(2 * size + 10)) as journal:
        journal.commit(None, [row("a", "a", "minor", class_="stuck"), row("b", "b", "minor", class_="silent")])
        journal.commit(None, [row("c", "c", class_="range"), row("d", "d", "critical", class_="no_effect")])
        assert ids(journal) == ["c", "d"]
        assert journal.shed_by() == {"class": {"stuck minor": 1, "silent minor": 1}, "why": {"room": 2}}


def test_a_damaged_file_is_counted_with_what_went_with_it(tmp_path):
    """Nobody can say what was lost, but that something was, and how often."""
    with Journal(tmp_path) as journal:
        journal.commit(b"s", [row("a"), row("b")])
        journal._replace(OSError("as if damaged"))
        assert journal.gaps == 0  # counted when the fresh file is opened
        journal.commit(b"t", [])
        assert journal.gaps == 1
        assert any("2 messages that had not left went with it" in note for note in journal.notes)

"""One fault, one ticket, each message once, in whatever order they come."""

import itertools
import sqlite3

import pytest

from sickbay import wire
from sickbay.errors import StoreError
from sickbay_fleet.store import QUARANTINE_MAX, Arrived, Store, counts, tickets

KINDS = {1: wire.OPENED, 2: wire.UPDATED, 3: wire.CLOSED}


def message(revision, fault="f1", device="pump-7", kind=None, source=None, severity="major", quality="synced"):
    body = wire.Escalation(fault, revision, device, "flow", "stuck", "sensor", severity, "flow stands still")
    return wire.encode(
        wire.CloudEvent(
            specversion="1.0",
            id=f"{fault}.r{revision}",
            source=source or f"sickbay/{device}",
            type=kind or KINDS[revision],
            subject=fault,
            time=f"2026-01-01T00:00:0{revision}Z",
            timequality=quality,
            data=wire.msgspec.to_builtins(body),
        )
    )


def escalation(*arguments, **options):
    return Arrived("pump-7", "escalation", message(*arguments, **options))


def digest(*open_, boot=1, device="pump-7"):
    body = wire.Digest(device, [wire.OpenFault(id_, revision) for id_, revision in open_], boot)
    return Arrived("pump-7", "digest", wire.encode(body))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fleet" / "tickets.db"


@pytest.fixture
def store(path):
    one = Store(path, lambda: "2026-06-01T00:00:00.000+00:00")
    yield one
    one.close()


def test_a_ticket_opens_updates_and_closes(store, path):
    taken = store.take([escalation(1), escalation(2), escalation(3)])
    assert taken.receipts == {"pump-7": ["f1.r1", "f1.r2", "f1.r3"]}
    (ticket,) = tickets(path)
    assert wire.msgspec.to_builtins(ticket) == {
        "id": "f1",
        "device": "pump-7",
        "target": "flow",
        "class": "stuck",
        "layer": "sensor",
        "severity": "major",
        "state": "closed",
        "opened": "2026-01-01T00:00:01.000+00:00",
        "closed": "2026-01-01T00:00:03.000+00:00",
        "messages": 3,
    }
    assert [line.partition(": ")[2].split(",")[0] for line in taken.lines] == ["opened", "updated", "closed"]


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_any_order_ends_in_the_same_ticket(store, path, order):
    """A late 'updated' must not reopen what is closed; a 'closed' that comes first is right in the end."""
    for revision in order:
        store.take([escalation(revision)])
    (ticket,) = tickets(path)
    assert (ticket.state, ticket.opened, ticket.closed, ticket.messages) == (
        "closed",
        "2026-01-01T00:00:01.000+00:00",
        "2026-01-01T00:00:03.000+00:00",
        3,
    )
    assert tickets(path, only_open=True) == []


def test_a_message_that_comes_twice_is_receipted_twice_and_counted_once(store, path):
    """The first receipt may have been lost: without a second the device would send for ever."""
    store.take([escalation(1), escalation(1)])
    assert store.take([escalation(1)]).receipts == {"pump-7": ["f1.r1"]}
    assert tickets(path)[0].messages == 1
    assert counts(path) == {"duplicates": 2}


def test_a_device_cannot_speak_for_another(store, path):
    store.take([escalation(1)])
    for forged in (message(3, device="pump-8"), message(3, source="sickbay/pump-8")):
        taken = store.take([Arrived("pump-7", "escalation", forged)])
        assert taken.receipts == {}
        assert "refused" in taken.refused[0][2]
    own = Arrived("pump-8", "escalation", message(3, device="pump-8"))
    store.take([own])
    assert [(t.device, t.state) for t in tickets(path)] == [("pump-7", "open"), ("pump-8", "closed")]
    assert counts(path) == {"refused escalation": 2}


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[]", b"{}", b'{"specversion":"1.0","id":"x"}', b"{" * 9000])
def test_garbage_is_kept_apart_and_never_receipted(store, path, payload):
    taken = store.take([Arrived("pump-7", leaf, payload) for leaf in ("escalation", "digest", "state")])
    assert taken.receipts == {}
    assert [leaf for _, leaf, _ in taken.refused] == ["escalation", "digest", "state"]
    assert sum(counts(path).values()) == 3


def test_quarantine_is_bounded(store, path):
    for _ in range(3):
        store.take([Arrived("d", "escalation", b"x")] * 500)
    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*) FROM quarantine").fetchone()[0] == QUARANTINE_MAX
    db.close()
    assert counts(path) == {"refused escalation": 1500}


def test_a_digest_closes_what_the_device_no_longer_holds_open(store, path):
    """The message that closed it may have been shed, or lost with a broken card: no clear is ever lost."""
    store.take([escalation(1), escalation(1, "f2")])
    taken = store.take([digest(("f2", 1))])
    assert {t.id: t.state for t in tickets(path)} == {"f1": "closed", "f2": "open"}
    assert "no longer lists it" in taken.lines[0]
    store.take([escalation(3)])
    assert tickets(path)[0].closed == "2026-01-01T00:00:03.000+00:00"


def test_a_late_update_does_not_reopen_what_a_digest_closed(store, path):
    store.take([escalation(1), escalation(2, kind=wire.UPDATED), digest()])
    store.take([escalation(1)])
    assert tickets(path)[0].state == "closed"


def test_a_digest_tells_what_is_not_known_here(store):
    store.take([escalation(1)])
    lines = store.take([digest(("f1", 4), ("f9", 1))]).lines
    assert "revision 4 is still on its way" in lines[0]
    assert "f9: open on the device, and no message about it has come yet" in lines[1]


def test_a_digest_of_an_earlier_start_is_ignored(store, path):
    state = wire.encode(wire.State("pump-7", "up", boot=5))
    store.take([Arrived("pump-7", "state", state), escalation(1)])
    store.take([digest(boot=4)])
    assert tickets(path)[0].state == "open"


def test_unsynced_clocks_are_not_believed(store, path):
    """A device without a clock opens its faults in 1970."""
    store.take([escalation(1, quality="unsynced")])
    assert tickets(path)[0].opened == "2026-06-01T00:00:00.000+00:00"


def test_tickets_outlast_a_restart(store, path):
    store.take([escalation(1)])
    again = Store(path, lambda: "")
    assert again.take([escalation(1)]).lines == []
    again.close()


def test_a_file_of_something_else_is_left_alone(tmp_path):
    db = sqlite3.connect(tmp_path / "other.db")
    db.execute("CREATE TABLE x (y)")
    db.close()
    with pytest.raises(StoreError, match="not a ticket store"):
        Store(tmp_path / "other.db", lambda: "")
    with pytest.raises(StoreError, match="no ticket store yet"):
        tickets(tmp_path / "none.db")


def test_a_digest_that_was_overtaken_by_a_newer_opening_does_not_close_it(store, path):
    """Redelivery and shared subscriptions put messages out of order: the device's own clock tells which is news."""

    def at(payload, boot, atms):
        return wire.msgspec.json.encode({**wire.msgspec.json.decode(payload), "boot": boot, "atms": atms})

    opened = Arrived("pump-7", "escalation", at(message(1), 1, 5000))
    before = Arrived("pump-7", "digest", at(digest().payload, 1, 4000))
    after = Arrived("pump-7", "digest", at(digest().payload, 1, 6000))
    store.take([opened, before])
    assert [t.state for t in tickets(path)] == ["open"]
    store.take([after])
    assert [t.state for t in tickets(path)] == ["closed"]

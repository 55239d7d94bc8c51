"""A receiving end that came back from a backup, and devices whose clock was wrong: what devices say puts both right."""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker import BROKERS
from deck import Deck, run
from dock import Dock, row, until
from scene import Line, Unit, configuration
from scene import until as seen
from sickbay import wire
from sickbay.core.effects import Escalate
from sickbay.core.reading import Receipt
from sickbay_fleet.store import Arrived, Store, tickets

ARRIVED = "2026-06-01T00:00:00.000+00:00"
TRUE = datetime(2026, 5, 1, tzinfo=UTC)  # when the device's own clock showed 0, in its boot 7


@pytest.fixture
def store(tmp_path: Path):  # type: ignore[no-untyped-def]
    one = Store(tmp_path / "t.db", lambda: ARRIVED)
    yield one
    one.close()


def message(
    revision: int, at_ms: int, wall: datetime, quality: str, fault: str = "f1", boot: int = 7, kind: str = ""
) -> Arrived:
    body = wire.Escalation(fault, revision, "pump-7", "flow", "stuck", "sensor", "major", "flow stands still")
    kinds = {1: wire.OPENED, 2: wire.UPDATED, 3: wire.CLOSED}
    event = wire.CloudEvent(
        specversion="1.0",
        id=f"{fault}.r{revision}",
        source="sickbay/pump-7",
        type=kind or kinds[revision],
        subject=fault,
        time=wall.isoformat(),
        timequality=quality,
        boot=boot,
        seq=revision,
        atms=at_ms,
        data=wire.msgspec.to_builtins(body),
    )
    return Arrived("pump-7", "escalation", wire.encode(event))


def digest(open_: list[wire.OpenFault], closed: list[wire.OpenFault] | None = None, **more: object) -> Arrived:
    told = wire.Digest("pump-7", open_, 7, closed=closed or [], **more)  # type: ignore[arg-type]
    return Arrived("pump-7", "digest", wire.encode(told))


def at(seconds: float) -> str:
    return (TRUE + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


@pytest.mark.parametrize("off", [timedelta(days=-366), timedelta(days=366), timedelta(0)])
def test_times_of_a_boot_are_put_right_once_its_clock_is_known(store: Store, tmp_path: Path, off: timedelta) -> None:
    """A Pi without a clock chip opens and closes a fault before NTP answers: a year wrong, either way."""
    wrong = TRUE + off
    store.take([message(1, 10_000, wrong, "unsynced"), message(3, 60_000, wrong, "unsynced")])
    (ticket,) = tickets(tmp_path / "t.db")
    assert (ticket.opened, ticket.closed) == (ARRIVED, ARRIVED), "the time of arrival, as long as nobody knows better"
    store.take([digest([], time=at(100), timequality="synced", atms=100_000)])
    (ticket,) = tickets(tmp_path / "t.db")
    assert (ticket.opened, ticket.closed) == (at(10), at(60))


def test_what_comes_after_the_clock_is_known_is_dated_at_once(store: Store, tmp_path: Path) -> None:
    """The birth knows the time; what waited in the outbox from before comes behind it."""
    state = wire.State("pump-7", "up", 7, time=at(100), timequality="synced", atms=100_000)
    store.take([Arrived("pump-7", "state", wire.encode(state))])
    store.take([message(1, 10_000, TRUE - timedelta(days=366), "unsynced")])
    assert tickets(tmp_path / "t.db")[0].opened == at(10)


def test_another_boot_is_another_clock(store: Store, tmp_path: Path) -> None:
    """The device's own clock stands still while it is off: one boot's offset says nothing of another's."""
    store.take([message(1, 10_000, TRUE, "unsynced", boot=6)])
    store.take([digest([wire.OpenFault("f1", 1)], time=at(100), timequality="synced", atms=100_000)])
    assert tickets(tmp_path / "t.db")[0].opened == ARRIVED


def test_times_that_are_none_harm_nobody(store: Store, tmp_path: Path) -> None:
    store.take([digest([], time="never", timequality="synced", atms=1)])
    store.take([digest([], time=at(0), timequality="synced", atms=-(1 << 62))])
    store.take([message(1, 1 << 62, TRUE, "unsynced")])
    assert tickets(tmp_path / "t.db")[0].opened == ARRIVED


def test_what_was_receipted_and_is_not_here_is_asked_for(store: Store) -> None:
    """A revision that the device has not got a receipt for is on its way; asking for that would double it."""
    store.take([message(1, 0, TRUE, "synced", fault="known")])
    known = wire.OpenFault("known", 3, delivered=3)
    lost, on_its_way = wire.OpenFault("lost", 2, delivered=2), wire.OpenFault("new", 1, delivered=0)
    over = wire.OpenFault("over", 2, delivered=2)
    taken = store.take([digest([known, lost, on_its_way], [over])])
    assert taken.lacks == {"pump-7": ["known", "lost", "over"]}
    assert any("lost: open on the device, and its story is lost here, and asked for" in line for line in taken.lines)


def test_a_whole_fleet_that_asks_for_everything_is_bounded(store: Store) -> None:
    taken = store.take([digest([wire.OpenFault(f"f{n}", 1, delivered=1) for n in range(1000)])])
    assert len(taken.lacks["pump-7"]) == 200


@pytest.mark.parametrize("kind", BROKERS)
def test_a_store_restored_from_yesterday_asks_for_what_came_since(tmp_path: Path, kind: type) -> None:
    """The device stays connected all the while: the receiving end that comes finds it by its retained birth, and asks."""

    async def script() -> None:
        with kind() as broker:
            async with Dock(tmp_path, broker.url) as dock:
                dock.fleet_comes()
                await dock.tell([row("old")])
                await until(lambda: len(dock.saw) == 1 and not dock.journal.outbox_rows)
                await dock.fleet_goes()
                for file in tmp_path.glob("fleet.db*"):
                    shutil.copy(file, tmp_path / f"backup-{file.name}")
                sent = dock.uplink.status()["sent"]
                dock.fleet_comes()
                await until(lambda: dock.uplink.status()["sent"] > sent)  # the digest that it asked for
                await dock.tell([row("since"), row("old", 2, "closed")])
                await until(lambda: "since" in dock.saw and not dock.journal.outbox_rows)
                await dock.fleet_goes()
                for file in tmp_path.glob("fleet.db*"):
                    file.unlink()
                for file in tmp_path.glob("backup-fleet.db*"):
                    shutil.copy(file, tmp_path / file.name.removeprefix("backup-"))
                dock.open = [wire.OpenFault("since", 1, delivered=1)]
                dock.closed = [wire.OpenFault("old", 2, delivered=2)]
                dock.fleet_comes()
                await until(lambda: set(dock.lacks) == {"old", "since"})
                await until(lambda: [t.state for t in dock.tickets()] == ["closed"], 5.0)

    asyncio.run(script())


def test_the_node_tells_a_lost_story_again_open_or_closed(tmp_path: Path) -> None:
    """Told again it has a new revision, so that it is news to the fleet, and the same fault id, so that it is the same ticket."""

    async def script() -> None:
        async with Deck(tmp_path) as deck:
            node = deck.node
            told: list[Escalate] = []

            def turn(at_ms: int) -> None:
                node.tick(at_ms)
                found = [e for e in node.take_effects() if isinstance(e, Escalate)]
                told.extend(e for e in found if e.body["target"] == "journal")

            node.store(False, "the disk is ill", 1000)
            for second in range(2, 40):
                node.store(False, "the disk is ill", second * 1000)
                turn(second * 1000)
            assert [e.kind for e in told] == ["opened"]
            fault = told[0].fault_id
            node.done(Receipt(told[0].effect_id, 41_000, True))
            node.done(Receipt(f"{fault}.r0", 42_000, False, "the fleet lacks it"))
            turn(50_000)
            assert [(e.kind, e.revision, e.fault_id) for e in told] == [("opened", 1, fault), ("updated", 2, fault)]
            for second in range(60, 400):
                node.store(True, "", second * 1000)
                turn(second * 1000)
            assert told[-1].kind == "closed"
            node.done(Receipt(f"{fault}.r0", 500_000, False, "the fleet lacks it"))
            node.done(Receipt("nobody.r0", 500_000, False, "the fleet lacks it"))
            turn(600_000)
            assert (told[-1].kind, told[-1].revision) == ("closed", told[-2].revision + 1)

    run(script)


def test_a_running_daemon_brings_back_the_ticket_that_its_fleet_lost(tmp_path: Path) -> None:
    """All of it: a real daemon, a fleet whose store is thrown away, and the open fault is a ticket once more."""

    async def script(url: str, unit: Unit) -> None:
        for life in range(2):
            folder = tmp_path / f"fleet-{life}"
            folder.mkdir()
            async with Dock(folder, "mqtt://127.0.0.1:1", fleet_url=url) as fleet:
                fleet.fleet_comes()
                await until(lambda f=fleet: [t for t in f.tickets() if t.device == "unit-1"])
                await asyncio.to_thread(unit.until_status, "the empty outbox", lambda s: s["outbox"]["rows"] == 0)
                (ticket,) = [t for t in fleet.tickets() if t.device == "unit-1"]
                assert (ticket.state, ticket.target) == ("open", "a")

    with (
        BROKERS[-1]() as broker,
        Line(tmp_path) as line,
        Unit(tmp_path, configuration(tmp_path, f'[mqtt]\nurl = "{broker.url}"\n')) as unit,
    ):
        unit.learnt()
        line.say = lambda row: b'{"a": 5000, "b": %r}\n' % row["b"]
        seen("the message", lambda: unit.status()["outbox"]["rows"])
        asyncio.run(script(broker.url, unit))

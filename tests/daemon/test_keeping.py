"""The keeping: what goes to the disk at once and what waits, and what becomes of it all when the disk hangs."""

import asyncio
import json

import deck
from deck import Deck, SlowDisk, drive, line, told
from sickbay.daemon.pending_lines import EVENTS_MAX
from sickbay.edge.journal import Journal, LedgerRow, Limits


def ids(rows):
    return [row.id for row in rows]


def lines(folder):
    return [json.loads(each) for each in (folder / "events.jsonl").read_text().splitlines()]


def test_what_is_urgent_is_kept_at_once_and_the_rest_within_five_seconds(tmp_path):
    """20 changes a minute, each with its own synced write, would wear the card out for nothing."""

    async def script():
        async with Deck(tmp_path) as d:
            wear = d.keeping.journal.wear
            start = wear.bursts
            d.keeping.put([told(1)])
            assert await d.keeping.carried_out()
            assert wear.bursts == start + 1
            for n in range(10):
                d.keeping.put([line("fault"), line("acknowledged"), line("verdict")][: 1 + n % 2])
                await asyncio.sleep(0.3)
            assert wear.bursts == start + 1
            await asyncio.sleep(2.5)
            assert wear.bursts == start + 2
            for kind in ("isolate", "release", "output", "command"):
                d.keeping.put([line(kind)])
                assert await d.keeping.carried_out()
            assert wear.bursts == start + 6
            for _ in range(20):
                d.keeping.put([line("fault")])
            await asyncio.sleep(0.01)
            assert wear.bursts == start + 7, "twenty do not wait"

    deck.run(script)


def test_a_quiet_day_stays_within_the_budget_of_the_flash(tmp_path):
    """3 MB and 150 synced bursts: a card that is written so lives for as long as the machine."""

    async def script():
        async with Deck(tmp_path, state_bytes=30_000) as d:
            for n in range(86_400 // 20):
                await asyncio.sleep(20.0)
                await d.keeping.beat()
                if n % 15 == 0:
                    await d.keeping.ledger_add([LedgerRow(1.0, "t", "state", "c", 90)], True)
            return d.keeping.journal.wear.day(), d.snapshots

    (size, bursts), snapshots = deck.run(script)
    assert size < 3_000_000 and bursts <= 150
    assert 30 <= snapshots <= 96


def test_a_storm_stretches_what_is_not_urgent_and_no_critical_message(tmp_path):
    async def script():
        async with Deck(tmp_path, Limits(day_bytes=2_000_000), state_bytes=60_000) as d:
            journal = d.keeping.journal
            n = 0
            while journal.wear.thrift() < 2:
                n += 1
                d.keeping.put([told(n)])
                assert await d.keeping.carried_out()
            d.keeping.put([told(n + 1)])
            d.keeping.put([line("fault")])
            await asyncio.sleep(30.0)
            assert f"f{n + 1}.r1" not in ids(journal.pending(999)), "it waits for company"
            d.keeping.put([told(n + 2, "critical")])
            assert await d.keeping.carried_out()
            assert {f"f{n + 1}.r1", f"f{n + 2}.r1"} <= set(ids(journal.pending(999)))
            assert d.keeping.status()["snapshot_every_s"] >= 4 * 900

    deck.run(script)


def test_from_sixty_percent_on_updates_wait_and_what_is_new_does_not(tmp_path):
    """An update tells more of what is known already: it is the first of the messages to wait for company."""

    async def script():
        async with Deck(tmp_path, Limits(day_bytes=4_000_000), state_bytes=30_000) as d:
            journal = d.keeping.journal
            n = 0
            while journal.wear.thrift() < 1:
                n += 1
                d.keeping.put([told(n)])
                assert await d.keeping.carried_out()
            d.keeping.put([told(n + 1, kind="updated")])
            await asyncio.sleep(30.0)
            assert f"f{n + 1}.r1" not in ids(journal.pending(999))
            d.keeping.put([told(n + 2, "critical", "updated")])
            assert await d.keeping.carried_out()
            assert {f"f{n + 1}.r1", f"f{n + 2}.r1"} <= set(ids(journal.pending(999))), "what waited goes along"
            d.keeping.put([told(n + 3, "minor")])
            assert await d.keeping.carried_out()
            assert f"f{n + 3}.r1" in ids(journal.pending(999))
            d.keeping.put([told(n + 4, kind="updated")])
            await asyncio.sleep(601.0)
            assert f"f{n + 4}.r1" in ids(journal.pending(999)), "ten minutes at most"
            assert journal.wear.thrift() == 1

    deck.run(script)


def test_what_is_shed_is_told_by_class_to_person_and_fleet(tmp_path):
    async def script():
        async with Deck(tmp_path, Limits(2000)) as d:
            for n in range(6):
                d.keeping.put([told(n, class_="silent")])
                assert await d.keeping.carried_out()
            d.turn()
            await asyncio.sleep(1.0)
            shed = d.keeping.journal.shed()
            assert d.envelopes.shed == shed and shed["major"] >= 1
            assert json.loads(d.envelopes.digest([]))["shed"] == shed
            assert json.loads(d.envelopes.escalation(told(9)).payload)["data"]["history"]["shed"] == shed
            (event, *_) = [e for e in lines(tmp_path) if e["kind"] == "shed"]
            assert event["by_class"].keys() == {"silent major"} and event["why"].keys() == {"room"}

    deck.run(script)


def hung(tmp_path, script):
    """This runs a scene with a disk that can hang, in real time: the thread that hangs is a real one."""
    disk = SlowDisk()

    async def scene():
        async with Deck(tmp_path, connect=disk.connect, hangs_s=0.1) as d:
            try:
                await script(d, disk)
            finally:
                disk.free.set()

    asyncio.run(scene())


async def caught_up(d):
    """This returns when the journal has all that waited for it."""
    await d.keeping.came_back()
    assert await d.keeping.kept()


def test_a_disk_that_hangs_holds_up_no_act_and_no_message(tmp_path):
    """A card that is dying takes its time; the machine that it sits in does not wait."""

    async def script(d, disk):
        disk.free.clear()
        d.keeping.put([told(1), line("isolate"), drive(1)])
        assert await d.keeping.carried_out()
        assert [(r.effect_id, r.ok) for r in d.receipts] == [("d1", True)]
        d.keeping.put([told(2, "critical"), drive(2, True)])
        assert await d.keeping.carried_out()
        assert len(d.receipts) == 2
        assert ids(await d.keeping.pending(9)) == ["f2.r1", "f1.r1"]
        assert not await d.keeping.kept()
        await d.keeping.ledger_add([LedgerRow(1.0, "t", "escalation opened", "c", 9, "f2.r1")], False)
        assert await d.keeping.forget(["f2.r1"]) == ["f2.r1"]
        assert d.keeping.status()["hangs"]
        disk.free.set()
        await caught_up(d)
        assert ids(await d.keeping.pending(9)) == ["f1.r1"]

    hung(tmp_path, script)
    with Journal(tmp_path) as journal:
        assert ids(journal.pending(9)) == ["f1.r1"]
        assert [line_.id for line_ in journal.ledger()] == ["f2.r1"]


def test_while_it_hangs_memory_is_bounded_and_verdicts_go_first(tmp_path):
    async def script(d, disk):
        disk.free.clear()
        d.keeping.put([line("command")])
        assert await d.keeping.carried_out()
        for n in range(EVENTS_MAX):
            d.keeping.put([line("verdict"), *([line("fault", str(n))] if n < EVENTS_MAX - 20 else [])])
        for n in range(200):
            d.keeping.put([told(n, "critical" if n % 2 else "minor", bytes_=9000)])
        await d.keeping.once()
        assert d.keeping.status()["lines_dropped"].keys() == {"verdict"}
        assert sum(row.size for row in d.keeping._held.rows.values()) < 1_300_000
        for n in range(50):
            d.keeping.put([line("fault", str(n))])
        dropped = d.keeping.status()["lines_dropped"]
        assert dropped["verdict"] == EVENTS_MAX and sum(dropped.values()) > EVENTS_MAX
        disk.free.set()
        await caught_up(d)
        rows = ids(await d.keeping.pending(999))
        assert {f"f{n}.r1" for n in range(1, 200, 2)} <= set(rows), "no critical one is lost"
        assert d.keeping.journal.shed().get("minor", 0) + len(rows) == 200

    hung(tmp_path, script)

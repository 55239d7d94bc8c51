"""Each reason of a broker has a wait that fits it, and the day's bytes hold back what can wait: never what is critical."""

import asyncio
import json

import msgspec
import pytest

from broker import Peer
from deck import AtOnce, told
from dock import Dock, row, until
from shore import Shore, sailing
from shore import until as there
from sickbay.edge.uplink import Timing, shape, waits
from sickbay.edge.uplink.budget import DAY_S, SLOT_S, Budget
from sickbay.edge.uplink.turns import Turns

UP = "sickbay/1/dock-1/up/escalation"
SCALED = Timing(backoff_first_s=0.01, backoff_max_s=0.02, receipt_s=0.05, receipt_max_s=0.05, reason_scale=0.001)


class Hours:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("reason", "least_s"),
    [(0x86, 60), (0x87, 60), (0x88, 15), (0x89, 15), (0x97, 300), (0x9C, 300), (0x9D, 300), (0x9F, 60)],
)
def test_a_refusal_is_followed_by_a_wait_that_fits_it(tmp_path, reason, least_s):
    """A server that is busy is asked sooner than one whose owner must act, and a quota is a matter of minutes."""

    async def scene():
        async with Peer(connack=reason) as peer:
            steady = Timing(backoff_first_s=0.01, backoff_max_s=0.02)
            async with Dock(tmp_path, peer.url, steady, options={"jitter": lambda: 0.0}) as dock:
                wait = await until(lambda: dock.uplink.status()["next_try_s"])
                assert least_s - 5 <= wait <= 1.5 * least_s
                assert peer.connects == 1

    asyncio.run(scene())


def test_a_broker_that_has_moved_is_named_and_not_followed(tmp_path):
    """Where the messages go is the owner's word. A broker that was broken into must not send them elsewhere."""
    elsewhere = b"evil.example:1883"
    reference = b"\x1c" + len(elsewhere).to_bytes(2, "big") + elsewhere

    async def scene():
        async with Peer(connack=0x9D, properties=reference) as peer, Dock(tmp_path, peer.url, SCALED) as dock:
            await until(lambda: peer.connects > 1)
            await until(lambda: dock.uplink.status()["state"] == "denied")
            says = dock.uplink.status()["detail"]
            assert "sends us elsewhere to 'evil.example:1883'" in says and "change mqtt.url" in says

    asyncio.run(scene())


def test_a_topic_that_is_refused_is_tried_with_one_message_and_ever_more_rarely():
    clock = Hours()
    holds = waits.Holds(1.0, clock)
    assert holds.refused(UP, 0x97) == 300.0 == holds.refused(UP, 0x97), "more of one batch is no second refusal"
    assert holds.until("other") is None
    for wait in (600.0, 1200.0, 2400.0, 3600.0, 3600.0):
        clock.now = holds.until(UP)
        assert holds.refused(UP, 0x97) == clock.now + wait
    holds.taken(UP)
    assert holds.until(UP) is None
    turns = Turns(Timing(), holds, Budget(0, clock), clock)
    rows = [row(f"f{n}") for n in range(5)]
    holds.refused(UP, 0x87)
    assert turns.due(rows, 20) == [] and turns.soonest(rows) == clock.now + 60.0
    clock.now += 60.0
    assert turns.due(rows, 20) == rows[:1]


def test_a_broker_with_a_full_quota_is_left_alone_and_nothing_is_lost(tmp_path):
    async def scene():
        async with Peer(puback={UP: 0x97}) as peer, Dock(tmp_path, peer.url, SCALED) as dock:
            await dock.tell([row(f"f{n}") for n in range(8)])
            await until(lambda: dock.uplink.status()["state"] == "denied")
            assert "(0x97)" in dock.uplink.status()["detail"]
            peer.puback.clear()
            await until(
                lambda: {json.loads(p)["id"] for t, p in peer.published if t == UP} == {f"f{n}.r1" for n in range(8)}
            )
            assert dock.journal.outbox_rows == 8

    asyncio.run(scene())


def test_a_packet_too_large_is_learnt_and_the_message_goes_without_its_window(tmp_path):
    """Some brokers say their limit, others hang up on what is over it. The words of a fault must get through in any case."""

    class Small(Peer):
        def _answer(self, writer, kind, flags, body):
            super()._answer(writer, kind, flags, body)
            if kind == 3 and len(body) > 3000:
                self.close_with(0x95)

    big = row("big")
    event = json.loads(big.payload)
    event["data"]["freeze_frame"] = {"signals": {"flow": [[n, 15.9] for n in range(600)]}}
    big = msgspec.structs.replace(big, payload=json.dumps(event).encode())

    async def scene():
        async with Small() as peer, Dock(tmp_path, peer.url, SCALED) as dock:
            await dock.tell([big])
            small = await until(lambda: next((p for t, p in peer.published if t == UP and len(p) < 2900), None))
            body = json.loads(small)["data"]
            assert body["freeze_frame"] == {} and "the broker takes" in body["left_out"]["freeze_frame"]
            assert body["summary"].startswith("flow stands still")

    asyncio.run(scene())


def test_a_message_is_made_smaller_no_more_than_it_must():
    event = {
        "id": "x",
        "data": {"freeze_frame": {"a": "f" * 500}, "history": {"b": "h" * 500}, "evidence": ["e" * 100]},
    }
    payload = json.dumps(event).encode()
    kept = json.loads(shape.fitted(payload, 1000))["data"]
    assert kept["freeze_frame"] == {} and kept["history"] and kept["evidence"]
    assert list(kept["left_out"]) == ["freeze_frame"]
    assert shape.fitted(payload, 5000) == payload
    assert shape.fitted(b"\xff not json", 1) == b"\xff not json" == shape.historical(b"\xff not json")


def test_the_days_bytes_stretch_heartbeats_first_and_never_what_is_critical():
    clock = Hours()
    budget = Budget(1000, clock)
    lets = lambda: [each for each in ("heartbeat", "updated", "other", "critical") if budget.lets(each)]  # noqa: E731
    found = []
    for _ in range(10):
        found.append(lets())
        budget.spend("other", 100)
        clock.now += 60.0
    assert found[5][0] == "heartbeat" and found[6][0] == "updated" and found[8][0] == "other"
    assert found[9] == ["other", "critical"] and lets() == ["critical"]
    assert budget.eases_s() <= DAY_S + SLOT_S
    clock.now = DAY_S + SLOT_S
    assert budget.spent() == 0 and len(lets()) == 4
    assert Budget(1000, clock, spent=950).lets("other") is False, "a restart is no new day"
    assert Budget(0, clock, spent=1 << 40).lets("heartbeat"), "0 is no bound"


def test_what_is_over_the_days_bytes_waits_and_goes_the_next_day(tmp_path):
    """Nothing is thrown away for it; a critical message that comes meanwhile goes at once."""

    async def scene():
        async with Shore() as shore, sailing(tmp_path, shore.url, 1, bytes_per_day=20_000) as ship:
            await asyncio.sleep(5.0)
            ship.keeping.put([told(n, "minor", bytes_=900) for n in range(40)])
            await asyncio.sleep(3600.0)
            first = len(shore.got)
            assert 5 <= first < 40 and shore.bytes_in <= 20_000
            assert ship.uplink.status()["budget"]["stretched"]["other"] > 0
            ship.keeping.put([told(99, "critical", bytes_=900)])
            assert await there(lambda: "f99.r1" in shore.got, 5.0)
            assert await there(lambda: len(shore.got) == 41, 4 * DAY_S, 600.0)
            assert not ship.keeping.journal.shed()

    with asyncio.Runner(loop_factory=AtOnce) as runner:
        runner.run(scene())


def test_heartbeats_come_more_rarely_where_the_days_bytes_run_short(tmp_path):
    async def scene():
        async with Shore() as shore, sailing(tmp_path, shore.url, 1, bytes_per_day=10_000) as ship:
            await asyncio.sleep(0.9 * DAY_S)
            assert shore.bytes_in <= 12_000, "288 heartbeats would be 70 kB"
            assert ship.uplink.status()["budget"]["stretched"]["heartbeat"] > 50

    with asyncio.Runner(loop_factory=AtOnce) as runner:
        runner.run(scene())

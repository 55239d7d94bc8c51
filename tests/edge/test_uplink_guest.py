"""A guest on the uplink's connection: what it says stands in the ledger, and it holds up nobody."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

import msgspec

from broker import Peer
from sickbay import wire
from sickbay.config import Mqtt
from sickbay.edge.journal import Journal
from sickbay.edge.uplink import Timing, Uplink

QUICK = Timing(backoff_first_s=0.05, backoff_max_s=0.2, heartbeat_s=600.0)
TOPIC = "sickbay/1/pump-7/down/ha"
PACKET_MAX_300 = b"\x27" + (300).to_bytes(4, "big")  # MQTT 5, 3.2.2.3.6: Maximum Packet Size


class Guest:
    """It says what it is told to say, once, and then has no more to say."""

    topics = (TOPIC,)

    def __init__(self, *says):
        self.says, self.taken, self.pressed = says, [], []
        self.said, self.kept = asyncio.Event(), asyncio.Event()

    def heard(self, topic, payload, retained):
        self.pressed.append((topic, payload, retained))
        if retained:
            self.kept.set()

    async def speak(self, say):
        for payload, regular in self.says:
            self.taken.append(await say("t", payload, "guest.state", "[guest]", regular=regular))
        self.said.set()


@contextlib.asynccontextmanager
async def uplink(folder, peer, guest, orders=(), **mqtt):
    journal, pool = Journal(folder), ThreadPoolExecutor(1)

    async def call(work, *arguments):
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)

    one = Uplink(
        Mqtt(url=peer.url, **mqtt),
        "pump-7",
        pending=lambda limit: call(journal.pending, limit),
        forget=lambda ids: call(journal.forget, ids),
        ledger_add=lambda lines, lazy: call(journal.ledger_add, lines, lazy),
        on_receipt=lambda ids: None,
        on_command=orders.append if orders != () else lambda payload: None,
        birth=lambda: wire.encode(wire.State("pump-7", "up", 1, "1.0", "loop", 1, "t")),
        digest=lambda: wire.encode(wire.Digest("pump-7", [], 1)),
        timing=QUICK,
        jitter=lambda: 1.0,
        guest=guest,
    )
    running = asyncio.create_task(one.run())
    try:
        yield one, journal
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        pool.shutdown()
        journal.close()


def of_the_guest(journal):
    return [(line.what, line.bytes, line.why) for line in journal.ledger() if line.topic == "t"]


def test_what_a_guest_says_is_in_the_ledger_and_regular_words_are_counted_together(tmp_path):
    """What leaves equals the ledger, and ten thousand lines must not be full of one kind."""

    async def script():
        guest = Guest((b"1", False), (b"22", True), (b"333", True), (b"4444", True))
        async with Peer() as peer:
            async with uplink(tmp_path, peer, guest) as (one, journal):
                await asyncio.wait_for(guest.said.wait(), 20)
                assert of_the_guest(journal) == [("guest.state", 2, "[guest]")]
                assert one.status()["state"] == "connected" and peer.connects == 1
            assert [payload for topic, payload in peer.published if topic == "t"] == [b"1", b"22", b"333", b"4444"]
        with Journal(tmp_path) as journal:
            assert of_the_guest(journal)[1:] == [("guest.state x3", 3 + 4 + 5, "[guest]")]

    asyncio.run(script())


def test_a_guest_that_has_no_more_to_say_ends_no_connection_and_hears_on(tmp_path):
    """Its topics are its own: what comes there is never taken for an order of the fleet."""

    async def script():
        guest, orders = Guest(), []
        async with Peer() as peer, uplink(tmp_path, peer, guest, orders) as (one, _):
            await asyncio.wait_for(guest.said.wait(), 20)
            peer.send(TOPIC, b"pressed")
            peer.send(TOPIC, b"kept", retain=True)
            await asyncio.wait_for(guest.kept.wait(), 20)
            assert guest.pressed == [(TOPIC, b"pressed", False), (TOPIC, b"kept", True)]
            assert orders == [] and peer.connects == 1 and sum(one.status()["garbage"].values()) == 0

    asyncio.run(script())


def test_what_a_broker_does_not_take_does_not_leave_and_is_told(tmp_path):
    """Sent all the same it would end the connection, each time anew."""

    async def script():
        guest = Guest((b"x" * 400, False), (b"y", False))
        properties = PACKET_MAX_300
        async with Peer(properties=properties) as peer, uplink(tmp_path, peer, guest) as (one, journal):
            await asyncio.wait_for(guest.said.wait(), 20)
            assert guest.taken == [False, True]
            assert [line[1] for line in of_the_guest(journal)] == [2]
            assert "more than it takes" not in one.status()["detail"], "the last word was taken: nothing is denied"

    asyncio.run(script())


def test_where_the_days_bytes_run_short_a_guest_waits_first(tmp_path):
    """Numbers for a wall must not use up what a fault needs."""

    async def script():
        guest = Guest((b"z" * 3000, False), (b"1", True), (b"2", False))
        async with Peer() as peer, uplink(tmp_path, peer, guest, bytes_per_day=5000) as (one, _):
            await asyncio.wait_for(guest.said.wait(), 20)
            assert guest.taken == [True, False, True]
            assert one.status()["budget"]["stretched"] == {"guest": 1}
            assert msgspec.json.encode(one.status())

    asyncio.run(script())

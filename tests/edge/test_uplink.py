"""The uplink empties the outbox, and only the fleet's receipt lets a row go."""

import asyncio
import contextlib
import gc
import logging
import ssl
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiomqtt
import msgspec
import pytest

from broker import BROKERS, Broker, Mosquitto, Peer, mosquitto
from sickbay import wire
from sickbay.config import Mqtt
from sickbay.edge.journal import Journal, OutboxRow
from sickbay.edge.uplink import Timing, Uplink
from sickbay.edge.uplink.backoff import Backoff
from sickbay.errors import WireError

QUICK = Timing(backoff_first_s=0.05, backoff_max_s=0.2, receipt_s=30.0, heartbeat_s=600.0)
UP = "sickbay/1/pump-7/up/escalation"
PATIENCE_S = 20.0


def row(id_, severity="major", created=0.0, size=0):
    event = wire.CloudEvent(
        specversion="1.0", id=id_, source="sickbay/pump-7", type=wire.OPENED, data={"x": "y" * size}
    )
    fault = id_.partition(".")[0]
    return OutboxRow(id_, fault, severity, "opened", UP, wire.encode(event), created, '[mqtt] url = "..."')


class Device:
    """A real journal in its own thread, with an uplink on it."""

    def __init__(self, folder, url, **options):
        self.journal = Journal(folder)
        self.pool = ThreadPoolExecutor(1)
        self.receipts, self.orders = [], []
        self.uplink = Uplink(
            Mqtt(url=url, **options.pop("mqtt", {})),
            "pump-7",
            pending=lambda limit: self.call(self.journal.pending, limit),
            forget=lambda ids: self.call(self.journal.forget, ids),
            ledger_add=lambda lines, lazy: self.call(self.journal.ledger_add, lines, lazy),
            on_receipt=self.receipts.extend,
            on_command=self.order,
            birth=lambda: wire.encode(wire.State("pump-7", "up", self.journal.boot, "1.0", "loop", 1, "t")),
            digest=lambda: wire.encode(wire.Digest("pump-7", [wire.OpenFault("f1", 2)], self.journal.boot)),
            **{"timing": QUICK, "jitter": lambda: 1.0, **options},
        )

    async def call(self, work, *arguments):
        return await asyncio.get_running_loop().run_in_executor(self.pool, work, *arguments)

    async def commit(self, *rows):
        await self.call(self.journal.commit, None, rows)
        self.uplink.wake()

    async def left(self):
        return [each.id for each in await self.call(self.journal.pending, 9999)]

    def order(self, payload):
        if b"bad signature" in payload:
            raise WireError("the signature does not fit")
        self.orders.append(payload)


@contextlib.asynccontextmanager
async def device(folder, url, **options):
    one = Device(folder, url, **options)
    running = asyncio.create_task(one.uplink.run())
    try:
        yield one
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        one.pool.shutdown()
        one.journal.close()


def client(broker, name="fleet"):
    return aiomqtt.Client("127.0.0.1", broker.port, identifier=name, protocol=aiomqtt.ProtocolVersion.V5)


DEEP = b'{"ids": [], "x": ' + b"[" * 30_000  # more brackets than a parser may recurse: it must not end the daemon


async def until(condition):
    """This waits for what must come; the bound only ends a test that has failed anyway."""
    for _ in range(round(PATIENCE_S / 0.005)):
        if answer := condition():
            return answer
        await asyncio.sleep(0.005)
    raise AssertionError("did not come")


async def gather(messages, enough):
    """This collects (topic, payload, retained) until `enough` says so."""
    seen = []
    async with asyncio.timeout(PATIENCE_S):
        async for message in messages:
            seen.append((str(message.topic), bytes(message.payload), message.retain))
            if enough(seen):
                break
    return seen


def receipt(*ids):
    return wire.encode(wire.ReceiptMessage(list(ids)))


@pytest.mark.parametrize("kind", BROKERS)
def test_a_row_leaves_the_outbox_only_with_its_receipt(tmp_path, kind):
    """The broker's PUBACK is not delivery: a broker killed with kill -9 lost 200 of 200 it had acknowledged."""

    async def scene():
        with kind() as broker:
            async with client(broker) as fleet, device(tmp_path, broker.url) as one:
                await fleet.subscribe("sickbay/1/+/up/escalation", qos=1)
                await one.commit(row("f1.r1"))
                seen = await gather(fleet.messages, bool)
                assert msgspec.json.decode(seen[0][1])["id"] == "f1.r1"
                await until(lambda: one.uplink.status()["state"] == "connected")
                assert await one.left() == ["f1.r1"]
                await fleet.publish("sickbay/1/pump-7/down/receipt", receipt("f1.r1", "not ours"), qos=1)
                await until(lambda: one.receipts)
                assert one.receipts == ["f1.r1"]
                assert await one.left() == []

    asyncio.run(scene())


@pytest.mark.parametrize("kind", BROKERS)
def test_a_connection_begins_with_birth_and_digest_and_ends_with_goodbye(tmp_path, kind):
    async def scene():
        with kind() as broker:
            async with client(broker) as fleet:
                await fleet.subscribe("sickbay/1/+/up/#", qos=1)
                async with device(tmp_path, broker.url):
                    seen = await gather(fleet.messages, lambda seen: len(seen) == 2)
                assert [topic.rpartition("/")[2] for topic, _, _ in seen] == ["state", "digest"]
                state = wire.decode_state(seen[0][1])
                assert (state.state, state.open) == ("up", 1) and state.boot == wire.decode_digest(seen[1][1]).boot
                assert wire.decode_digest(seen[1][1]).open == [wire.OpenFault("f1", 2)]
                (goodbye,) = await gather(fleet.messages, bool)
                assert wire.decode_state(goodbye[1]).state == "gone"
            async with client(broker, "late") as late:
                await late.subscribe("sickbay/1/+/up/#", qos=1)
                (kept,) = await gather(late.messages, bool)
                assert kept == ("sickbay/1/pump-7/up/state", goodbye[1], True)

    asyncio.run(scene())


def test_a_device_that_drops_dead_is_told_by_its_will(tmp_path):
    async def scene():
        with Broker() as broker:
            async with client(broker) as fleet, device(tmp_path, broker.url) as one:
                await fleet.subscribe("sickbay/1/+/up/state", qos=1)
                await gather(fleet.messages, bool)
                # The same client id again: the broker must drop the first, which is a line that broke.
                async with client(broker, "sickbay-pump-7"):
                    seen = await gather(fleet.messages, bool)
                    assert wire.decode_state(seen[0][1]).state == "gone"
                assert [line.what for line in one.journal.ledger()][:3] == ["state.will", "state.up", "digest"]

    asyncio.run(scene())


@pytest.mark.parametrize("kind", BROKERS)
def test_nothing_is_lost_when_the_broker_is_killed(tmp_path, kind):
    """kill -9 four times while 200 messages leave: each arrives at a receiver that knows its ids, and the outbox is empty."""

    async def scene():
        got = set()

        async def receive(broker):
            while True:
                with contextlib.suppress(aiomqtt.MqttError):
                    async with client(broker) as fleet:
                        fleet.timeout = 0.2  # aiomqtt would wait ten seconds for an answer on a dead line
                        await fleet.subscribe("sickbay/1/+/up/escalation", qos=1)
                        async for message in fleet.messages:
                            got.add(msgspec.json.decode(message.payload)["id"])
                            await fleet.publish("sickbay/1/pump-7/down/receipt", receipt(*sorted(got)), qos=1)
                await asyncio.sleep(0.02)

        with kind() as broker:
            receiver = asyncio.create_task(receive(broker))
            try:
                quick = Timing(backoff_first_s=0.05, backoff_max_s=0.05, receipt_s=0.3, receipt_max_s=0.3)
                async with device(tmp_path, broker.url, timing=quick) as one:
                    for storm in range(4):
                        for n in range(50):
                            await one.commit(row(f"f{storm}-{n}.r1"))
                        await until(lambda least=storm * 50 + 20: len(got) > least)
                        await asyncio.to_thread(broker.kill)
                        await until(lambda: one.uplink.status()["state"] == "waiting")
                        await asyncio.to_thread(broker.restart)
                    await until(lambda: len(one.receipts) == 200)
                    assert await one.left() == []
                    assert sorted(one.receipts) == sorted(got)
            finally:
                receiver.cancel()
                await asyncio.gather(receiver, return_exceptions=True)

    asyncio.run(scene())


def test_a_row_without_receipt_goes_again(tmp_path):
    async def scene():
        async with Peer() as peer:
            quick = Timing(receipt_s=0.05, receipt_max_s=0.1)
            async with device(tmp_path, peer.url, timing=quick) as one:
                await one.commit(row("f1.r1"))
                await until(lambda: [topic for topic, _ in peer.published].count(UP) == 4)
                peer.send("sickbay/1/pump-7/down/receipt", receipt("f1.r1"))
                await until(lambda: one.receipts)
                assert one.journal.pending(9) == []

    asyncio.run(scene())


def test_rows_the_fleet_never_receipts_do_not_hold_up_the_others(tmp_path):
    """A fleet that cannot read forty of our messages must still get the forty-first."""

    async def scene():
        async with Peer() as peer:
            quick = Timing(receipt_s=0.02, receipt_max_s=0.02)
            async with device(tmp_path, peer.url, timing=quick) as one:
                await one.commit(*(row(f"f{n}.r1", "critical") for n in range(40)), row("last.r1", "minor"))
                await until(lambda: any(b"last.r1" in payload for _, payload in peer.published))

    asyncio.run(scene())


def test_the_gravest_goes_first(tmp_path):
    async def scene():
        async with Peer() as peer:
            with Journal(tmp_path) as journal:
                journal.commit(None, [row("a.r1", "minor"), row("b.r1", "critical"), row("c.r1", "major")])
            async with device(tmp_path, peer.url):
                await until(lambda: len(peer.published) == 5)
            sent = [msgspec.json.decode(payload)["id"] for topic, payload in peer.published if topic == UP]
            assert sent == ["b.r1", "c.r1", "a.r1"]

    asyncio.run(scene())


def test_what_waited_for_a_connection_is_marked(tmp_path):
    """The receiver must not page someone at night for what was over yesterday."""

    async def scene():
        async with Peer() as peer:
            with Journal(tmp_path) as journal:
                journal.commit(None, [row("old.r1", created=99.0)])
            async with device(tmp_path, peer.url, wall=lambda: 100.0) as one:
                await until(lambda: len(peer.published) == 3)
                await one.commit(row("new.r1", created=101.0))
                await until(lambda: len(peer.published) == 4)
            events = [wire.msgspec.json.decode(payload) for topic, payload in peer.published if topic == UP]
            assert [(e["id"], e.get("historical", False)) for e in events] == [("old.r1", True), ("new.r1", False)]

    asyncio.run(scene())


def test_what_leaves_equals_the_ledger(tmp_path):
    """Each message that the broker saw stands in the ledger with its bytes, and the other way round."""

    async def scene():
        async with Peer() as peer:
            async with device(tmp_path, peer.url) as one:
                await one.commit(row("f1.r1", created=1e12), row("f2.r1"))
                await until(lambda: len(peer.published) == 4)
            with Journal(tmp_path) as journal:
                lines = [line for line in journal.ledger() if line.what != "state.will"]
            assert [(line.topic, line.bytes) for line in lines] == [
                (topic, len(topic) + len(payload)) for topic, payload in peer.published
            ]
            assert [(line.what, line.id) for line in lines if line.id] == [
                ("escalation.opened", "f1.r1"),
                ("escalation.opened", "f2.r1"),
            ]
            assert all("[mqtt] url" in line.why for line in lines)

    asyncio.run(scene())


DENYING = {"peer": lambda: Peer(puback={UP: 0x87})}
if mosquitto():
    DENYING["mosquitto"] = lambda: Mosquitto(acl=f"topic deny {UP}\ntopic readwrite sickbay/#\n")


@contextlib.asynccontextmanager
async def running(broker):
    if isinstance(broker, Peer):
        async with broker:
            yield broker
    else:
        with broker:
            yield broker


@pytest.mark.parametrize("name", DENYING)
def test_a_denied_publish_is_told_once_with_its_name(tmp_path, caplog, name):
    """aiomqtt's publish returns as if all were well; then nothing would ever arrive, and nobody would know why."""

    async def scene():
        async with running(DENYING[name]()) as broker:
            quick = Timing(receipt_s=0.02, receipt_max_s=0.02, reason_scale=0.0002)
            async with device(tmp_path, broker.url, timing=quick) as one:
                await one.commit(row("f1.r1"), row("f2.r1"))
                await until(lambda: one.uplink.status()["sent"] > 8)
                status = one.uplink.status()
                assert status["state"] == "denied"
                assert "Not authorized (0x87)" in status["detail"]
                assert UP in status["detail"]
                assert await one.left() == ["f1.r1", "f2.r1"]
                if isinstance(broker, Peer):
                    broker.puback.clear()
                    await until(lambda: one.uplink.status()["state"] == "connected")

    with caplog.at_level(logging.WARNING, "sickbay.uplink"):
        asyncio.run(scene())
    assert len([record for record in caplog.records if "refused to let us publish" in record.getMessage()]) == 1


def test_a_denied_subscription_is_told(tmp_path):
    """Without receipts the outbox would fill for ever."""

    async def scene():
        async with Peer(suback={"sickbay/1/pump-7/down/receipt": 0x87}) as peer, device(tmp_path, peer.url) as one:
            await until(lambda: one.uplink.status()["state"] == "denied")
            assert "subscribe sickbay/1/pump-7/down/receipt: Not authorized (0x87)" in one.uplink.status()["detail"]

    asyncio.run(scene())


REFUSALS = {
    0x86: ("denied", "Bad user name or password (0x86). Check mqtt.username"),
    0x87: ("denied", "Not authorized (0x87)"),
    0x84: ("denied", "(0x84). It does not speak MQTT 5"),
    0x88: ("waiting", "Server unavailable (0x88)"),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_refused_connection_says_why(tmp_path, reason):
    async def scene():
        quick = Timing(backoff_first_s=0.01, reason_scale=0.0001)
        async with Peer(connack=reason) as peer, device(tmp_path, peer.url, timing=quick) as one:
            await until(lambda: peer.connects > 2 and one.uplink.status()["next_try_s"] is not None)
            status = one.uplink.status()
            state, words = REFUSALS[reason]
            assert status["state"] == state
            assert "refused to let sickbay-pump-7 in" in status["detail"]
            assert words in status["detail"]

    asyncio.run(scene())


def test_each_obstacle_has_its_own_words(tmp_path):
    """Who stands beside the device must know whether to look at the plug, the name, the password or the broker."""

    async def words(name, url, **mqtt):
        async with device(tmp_path / name, url, mqtt=mqtt) as one:
            await until(lambda: one.uplink.status()["state"] in ("waiting", "denied"))
            return one.uplink.status()["detail"]

    async def scene():
        assert "nothing listens there" in await words("refused", f"mqtt://127.0.0.1:{Peer().port}")
        assert "name cannot be resolved" in await words("dns", "mqtt://no-such-host.invalid:1883")
        async with Peer() as peer:
            secure = peer.url.replace("mqtt:", "mqtts:")
            assert "nowhere.pem: cannot be read" in await words("ca", secure, cert=str(tmp_path / "nowhere.pem"))
            assert "password: cannot be read" in await words(
                "password", peer.url, username="u", password_file=str(tmp_path / "password")
            )

    asyncio.run(scene())


def test_tls_needs_a_broker_that_can_be_trusted(tmp_path):
    """The certificate in tests/edge/tls is its own authority and guards nothing."""
    folder = Path(__file__).parent / "tls"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    async def scene():
        async with Peer(tls=context) as peer:
            async with device(tmp_path, peer.url, mqtt={"ca": str(folder / "cert.pem")}) as one:
                await one.commit(row("f1.r1"))
                await until(lambda: len(peer.published) == 3)
            async with device(tmp_path, peer.url) as one:
                await until(lambda: one.uplink.status()["state"] == "denied")
                assert "its certificate is not trusted" in one.uplink.status()["detail"]
                assert "Check mqtt.ca" in one.uplink.status()["detail"]
            assert len(peer.published) == 4  # and the goodbye of the first

    with warnings.catch_warnings():
        # paho 2.2 leaves the socket of a failed handshake to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.run(scene())
        gc.collect()


def test_a_connection_taken_over_is_told(tmp_path):
    """Two devices with one id throw each other out for ever."""

    async def scene():
        async with Peer() as peer, device(tmp_path, peer.url) as one:
            await until(lambda: len(peer.published) == 2)
            peer.close_with(0x8E)
            await until(lambda: "must not share device.id" in one.uplink.status()["detail"])

    asyncio.run(scene())


def test_garbage_from_the_fleet_is_counted_and_told_once(tmp_path, caplog):
    async def scene():
        async with Peer() as peer, device(tmp_path, peer.url) as one:
            await one.commit(row("f1.r1"))
            await until(lambda: len(peer.published) == 3)
            for payload in (b"", b"\xff\xfe", b"[]", b'{"ids": "f1.r1"}', b'{"ids": [1]}', b"{" * 5000, DEEP):
                peer.send("sickbay/1/pump-7/down/receipt", payload)
            for payload in (b"\x00", b"{}}", b'{"payload": "bad signature"}', DEEP):
                peer.send("sickbay/1/pump-7/down/command", payload)
            peer.send("sickbay/1/pump-7/down/command", b'{"verb": "late"}', retain=True)
            peer.send("sickbay/1/pump-7/down/command", b'{"verb": "ack"}')
            await until(lambda: one.orders)
            assert one.orders == [b'{"verb": "ack"}']
            assert one.uplink.status()["garbage"] == {"receipt": 7, "command": 5}
            assert await one.left() == ["f1.r1"]

    with caplog.at_level(logging.WARNING, "sickbay.uplink"):
        asyncio.run(scene())
    assert len([record for record in caplog.records if "makes no sense" in record.getMessage()]) == 2


def test_the_brokers_own_limits_are_kept(tmp_path):
    """More in flight than the broker's Receive Maximum ends the connection; so does a packet it has no room for."""

    async def scene():
        limits = b"\x21\x00\x03" + b"\x27\x00\x00\x08\x00"  # Receive Maximum 3, Maximum Packet Size 2048
        async with Peer(properties=limits) as peer, device(tmp_path, peer.url) as one:
            await until(lambda: len(peer.published) == 2)
            peer.hold = True
            await one.commit(row("huge.r1", size=3000), *(row(f"f{n}.r1") for n in range(12)))
            for sent in range(5, 14):
                await until(lambda least=sent: len(peer.published) >= least)
                peer.release_one()
            assert peer.unanswered_max == 3
            assert not any(b"huge" in payload for _, payload in peer.published)
            assert "huge.r1" in one.uplink.status()["detail"]
            peer.release()

    asyncio.run(scene())


def test_heartbeats_go_on(tmp_path):
    async def scene():
        async with Peer() as peer:
            quick = Timing(heartbeat_s=0.02)
            async with device(tmp_path, peer.url, timing=quick):
                await until(lambda: [topic for topic, _ in peer.published].count("sickbay/1/pump-7/up/state") > 3)

    asyncio.run(scene())


def test_username_and_password_come_from_the_config_and_a_file(tmp_path, monkeypatch):
    """A bare name is a systemd credential."""
    (tmp_path / "cred").write_text("s3cret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    seen = []

    class Nosy(Peer):
        def _answer(self, writer, kind, flags, body):
            seen.append(body)
            super()._answer(writer, kind, flags, body)

    async def scene():
        async with Nosy() as peer:
            login = {"username": "pump", "password_file": "cred"}
            async with device(tmp_path / "state", peer.url, mqtt=login):
                await until(lambda: peer.connects)

    asyncio.run(scene())
    assert seen[0].endswith(b"\x00\x04pump\x00\x06s3cret")


def test_stopping_while_the_broker_says_nothing_is_clean(tmp_path):
    async def scene():
        async with Peer(silent=True) as peer, device(tmp_path, peer.url):
            await until(lambda: peer._writers)

    asyncio.run(scene())


def test_backoff_doubles_to_its_bound_and_starts_afresh():
    backoff = Backoff(1.0, 300.0, lambda: 1.0)
    assert [backoff.next_s() for _ in range(11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    backoff.reset()
    assert backoff.next_s() == 1


def test_backoff_is_spread_and_never_nothing():
    spread = iter([0.0, 0.5, 0.25])
    backoff = Backoff(1.0, 300.0, lambda: next(spread))
    assert [backoff.next_s() for _ in range(3)] == [0.05, 1.0, 1.0]

"""This stands at the other end of the wire: it takes messages in, commits, and only then receipts."""

import asyncio
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2s
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from sickbay import wire
from sickbay.config import Mqtt
from sickbay.errors import StoreError
from sickbay_fleet.settings import Settings, database
from sickbay_fleet.store import Arrived, Store, Taken

BATCH_MAX = 100
_IDS_MAX = 200  # of one receipt
_SESSION_EXPIRY_S = 7 * 86_400
_ANSWER_S = 10.0
_log = logging.getLogger("sickbay.fleet")
_quiet = logging.getLogger("sickbay.fleet.paho")
_quiet.propagate = False
_quiet.addHandler(logging.NullHandler())


async def serve(
    settings: Settings,
    store: Store,
    say: Callable[[str], None],
    backoff_s: tuple[float, float] = (1.0, 60.0),
    jitter: Callable[[], float] = random.random,
) -> None:
    """This runs until cancelled. A broker that is absent is awaited; a store that cannot be written ends it (StoreError)."""
    pool = ThreadPoolExecutor(1, "store")
    intake = Intake(settings, store, say, pool)
    failures, told = 0, ""
    try:
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await intake.one_connection()
            except (aiomqtt.MqttError, OSError) as error:
                if isinstance(error, StoreError):
                    raise
                words = f"{settings.mqtt.url}: {_why(error)}; waiting for it"
                if words != told:
                    told = words
                    _log.warning("%s", words)
            if asyncio.get_running_loop().time() - began > 30.0:
                failures = 0
            wait = min(backoff_s[1], backoff_s[0] * 2.0 ** min(failures, 30)) * jitter()
            failures += 1
            await asyncio.sleep(max(0.05, wait))
    finally:
        pool.shutdown()


class Intake:
    """One receiving end."""

    def __init__(self, settings: Settings, store: Store, say: Callable[[str], None], pool: ThreadPoolExecutor) -> None:
        self._mqtt, self._store, self._say, self._pool = settings.mqtt, store, say, pool
        # The same name at each start, so that the broker keeps what comes meanwhile; another one for another store.
        self._client_id = (
            "sickbay-fleet-" + blake2s(str(database(settings).absolute()).encode(), digest_size=5).hexdigest()
        )
        self._refused_told: set[tuple[str, str]] = set()

    async def one_connection(self) -> None:
        """This stays connected until the line breaks (aiomqtt.MqttError)."""
        connection = client(self._mqtt, self._client_id, _SESSION_EXPIRY_S)
        try:
            await self._listen(connection)
        finally:
            # aiomqtt leaves the socket open when the broker never answered, and complains of errors nobody asked for.
            connection._client._sock_close()
            for future in (connection._connected, connection._disconnected):
                if future.done() and not future.cancelled():
                    future.exception()

    async def _listen(self, client: aiomqtt.Client) -> None:
        async with client:
            for leaf in ("escalation", "digest", "state", "answer"):
                topic = f"{self._mqtt.prefix}/+/up/{leaf}"
                (reason,) = await client.subscribe(topic, qos=1)
                if getattr(reason, "is_failure", False):
                    _log.warning(
                        "the broker refused to let us subscribe to %s: %s. Allow the fleet's user that", topic, reason
                    )
            _log.info("connected to %s", self._mqtt.url)
            # Their digests tell what this store, maybe from a backup, lacks. Others are found by what the broker kept of them.
            asked = set(await asyncio.get_running_loop().run_in_executor(self._pool, self._store.up))
            for device in sorted(asked):
                await self._say_to(client, device, wire.ReceiptMessage([], digest=True))
            messages = client.messages
            async for message in messages:
                came = [message]
                while len(messages) and len(came) < BATCH_MAX:
                    came.append(await anext(messages))
                batch = [(each.retain, arrived) for each in came if (arrived := self._arrived(each)) is not None]
                await self._take(client, [arrived for _, arrived in batch])
                for kept, arrived in batch:
                    up = kept and arrived.leaf == "state" and b'"up"' in arrived.payload
                    if up and arrived.device not in asked:
                        asked.add(arrived.device)
                        await self._say_to(client, arrived.device, wire.ReceiptMessage([], digest=True))

    def _arrived(self, message: aiomqtt.Message) -> Arrived | None:
        parts = str(message.topic).removeprefix(self._mqtt.prefix + "/").split("/")
        payload = message.payload if isinstance(message.payload, bytes) else b""
        return Arrived(parts[0], parts[2], payload) if len(parts) == 3 else None

    async def _take(self, client: aiomqtt.Client, batch: list[Arrived]) -> None:
        taken = await asyncio.get_running_loop().run_in_executor(self._pool, self._store.take, batch)
        self._tell(taken)
        for device, lacks in taken.lacks.items():
            if lacks:
                await self._say_to(client, device, wire.ReceiptMessage([], lacks=lacks))
        for device, ids in taken.receipts.items():
            for start in range(0, len(ids), _IDS_MAX):
                await self._say_to(client, device, wire.ReceiptMessage(ids[start : start + _IDS_MAX]))

    async def _say_to(self, client: aiomqtt.Client, device: str, receipt: wire.ReceiptMessage) -> None:
        await _publish(client, wire.topic(self._mqtt.prefix, device, "down/receipt"), wire.encode(receipt))

    def _tell(self, taken: Taken) -> None:
        for line in taken.lines:
            self._say(line)
        for device, kind, why in taken.refused:
            if (device, kind) not in self._refused_told and len(self._refused_told) < 1000:
                self._refused_told.add((device, kind))
                self._say(f"{device}: refused, further ones of its kind are only counted: {why}")


async def _publish(client: aiomqtt.Client, topic: str, payload: bytes) -> None:
    """This publishes, and gives up at once when the line breaks: aiomqtt alone would wait for its timeout."""
    sending = asyncio.ensure_future(client.publish(topic, payload, qos=1))
    either: list[asyncio.Future[Any]] = [sending, client._disconnected]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not sending.done():
            raise aiomqtt.MqttError("the connection broke") from client._disconnected.exception()
        sending.result()
    finally:
        if not sending.done():
            sending.cancel()


def client(mqtt: Mqtt, client_id: str, session_s: int) -> aiomqtt.Client:
    """This returns a connection that is still to be opened; the broker keeps its messages for `session_s` after its end."""
    url = urlsplit(mqtt.url)
    make: Any = Properties  # paho leaves its constructor untyped
    properties = make(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = session_s
    tls = None
    if url.scheme == "mqtts":
        tls = aiomqtt.TLSParameters(ca_certs=mqtt.ca or None, certfile=mqtt.cert or None, keyfile=mqtt.key or None)
    password = (
        Path(mqtt.password_file).expanduser().read_text(encoding="utf-8").rstrip("\r\n") if mqtt.password_file else None
    )
    return aiomqtt.Client(
        url.hostname or "",
        url.port or (8883 if url.scheme == "mqtts" else 1883),
        identifier=client_id,
        protocol=aiomqtt.ProtocolVersion.V5,
        username=mqtt.username or None,
        password=password,
        keepalive=mqtt.keepalive_s,
        clean_start=session_s == 0,
        properties=properties,
        tls_params=tls,
        timeout=_ANSWER_S,
        logger=_quiet,
    )


def _why(error: Exception) -> str:
    cause = error.__cause__ or error.__context__ or error
    if isinstance(cause, ConnectionRefusedError):
        return "nothing listens there (connection refused)"
    return str(cause).removeprefix("[code:128] ") or type(cause).__name__

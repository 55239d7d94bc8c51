"""This is one connection to a broker that sees what aiomqtt drops: the reason code of every PUBACK, and the broker's limits."""

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sickbay.config import Mqtt
from sickbay.edge.uplink.dial import Names, dial

SESSION_EXPIRY_S = 86_400  # a broker keeps receipts and orders for a day
IN_FLIGHT_MAX = 20
PACKET_BYTES_MAX = 65_536  # of what a broker may send to us
PUT_S = 30.0  # how long a broker may take for one PUBACK, its turn included
LEAVE_S = 2.0  # how long taking leave may take
_ANSWER_S = 10.0
# A line that is dead is noticed within 1.45 of the keepalive: a ping each 0.75, and 0.7 for its answer.
_PING_AFTER, _ANSWER_WITHIN = 0.75, 0.7

# paho reports every lost connection as an error; the uplink tells it once, in words.
_log = logging.getLogger("sickbay.uplink.paho")
_log.propagate = False
_log.addHandler(logging.NullHandler())


class Session(aiomqtt.Client):
    """A connection of MQTT 5. `put` returns the broker's reason code, of which aiomqtt's own `publish` says nothing.

    Overrides callbacks that aiomqtt hands to paho (2.5.1: client.py) and its way to connect and to stay alive: aiomqtt connects
    in a thread that nothing can stop, and paho notices a half-open line only after twice the keepalive, by a clock of its own.
    """

    def __init__(self, mqtt: Mqtt, client_id: str, will: aiomqtt.Will) -> None:
        host, port, self._tls = address(mqtt)
        make: Any = Properties  # paho leaves its constructor untyped
        properties = make(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.MaximumPacketSize = PACKET_BYTES_MAX
        super().__init__(
            host,
            port,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            username=mqtt.username or None,
            password=password(mqtt),
            will=will,
            keepalive=mqtt.keepalive_s,
            clean_start=False,
            properties=properties,
            timeout=_ANSWER_S,
            max_queued_incoming_messages=256,
            max_inflight_messages=IN_FLIGHT_MAX,
            logger=_log,
        )
        self.packet_bytes_max: int | None = None  # the broker's own limit
        self.in_flight_max = IN_FLIGHT_MAX  # the lesser of ours and the broker's
        self.elsewhere = ""  # where the broker sends us, with reason 0x9C or 0x9D
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._acks: dict[int, asyncio.Future[ReasonCode]] = {}
        self._hears = asyncio.Event()

    async def open(self, names: Names, leaves: Callable[[], Awaitable[None]]) -> None:
        """This connects; raises aiomqtt.MqttError or OSError. `leaves` is awaited just before CONNECT, and with it the will, go."""
        sock = await dial(names, self._hostname, self._port, self._tls)
        try:
            await leaves()
            vars(self._client)["_create_socket"] = lambda: (
                sock
            )  # paho's own would block; nothing else in its connect does
            self._client.connect(
                self._hostname, self._port, self._keepalive, clean_start=self._clean_start, properties=self._properties
            )
        except BaseException:
            sock.close()
            raise
        await self._wait_for(self._connected, timeout=None)

    async def close(self) -> None:
        """This takes leave of the broker where there still is one, and lets the socket go in any case."""
        try:
            if self._client.is_connected():
                with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                    async with asyncio.timeout(LEAVE_S):
                        await self.__aexit__(None, None, None)
        finally:
            # aiomqtt leaves the socket and its reader in the loop when the broker never answered.
            self._client._sock_close()
            for future in (self._connected, self._disconnected):
                if future.done() and not future.cancelled():
                    future.exception()  # seen: else asyncio complains when it is collected

    async def put(self, topic: str, payload: bytes, retain: bool = False) -> ReasonCode:
        """This publishes with QoS 1 and returns the broker's reason code; raises aiomqtt.MqttError on a broken line."""
        try:
            async with asyncio.timeout(PUT_S), self._slots:
                return await self._put(topic, payload, retain)
        except TimeoutError:
            raise aiomqtt.MqttError(f"no PUBACK for {topic}: the operation timed out") from None

    async def _put(self, topic: str, payload: bytes, retain: bool) -> ReasonCode:
        told = self._client.publish(topic, payload, qos=1, retain=retain)
        if told.rc != 0:
            cause = self._disconnected.exception() if self._disconnected.done() else None
            raise aiomqtt.MqttCodeError(told.rc, "not connected") from cause
        ack: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._acks[told.mid] = ack
        try:
            either: list[asyncio.Future[Any]] = [ack, self._disconnected]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if ack.done():
                return ack.result()
            raise aiomqtt.MqttError("disconnected") from self._disconnected.exception()
        finally:
            self._acks.pop(told.mid, None)
            ack.cancel()

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Any) -> None:
        ack = self._acks.get(mid)
        if ack is not None and not ack.done():
            ack.set_result(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Properties | None = None
    ) -> None:
        self.packet_bytes_max = getattr(properties, "MaximumPacketSize", None)
        self.elsewhere = getattr(properties, "ServerReference", "")
        # paho keeps to its own bound, not to the broker's: more in flight than that ends the connection (0x93).
        self.in_flight_max = min(IN_FLIGHT_MAX, getattr(properties, "ReceiveMaximum", IN_FLIGHT_MAX))
        self._slots = asyncio.Semaphore(self.in_flight_max)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Properties | None = None
    ) -> None:
        self.elsewhere = getattr(properties, "ServerReference", self.elsewhere)
        if not self._connected.done():  # aiomqtt would go on waiting for a CONNACK that cannot come
            error = aiomqtt.MqttError("the broker hung up before it let us in")
            error.__cause__ = ConnectionAbortedError()
            self._connected.set_exception(error)
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        def readable() -> None:
            self._hears.set()
            try:
                client.loop_read()
                while client._sock is not None and getattr(client._sock, "pending", int)() > 0:
                    client.loop_read()  # what TLS has read and the socket will not announce again
            except Exception as error:  # noqa: BLE001 - what a broker sends may break paho's parser in any way
                self._broken(error)

        self._loop.add_reader(sock.fileno(), readable)
        self._misc_task = self._loop.create_task(self._stay_alive())

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        # At once, since we are in the loop: aiomqtt's own comes a turn later: the number may be another socket's.
        def writable() -> None:
            try:
                client.loop_write()
            except Exception as error:  # noqa: BLE001 - as above
                self._broken(error)

        self._loop.add_writer(sock.fileno(), writable)

    async def _stay_alive(self) -> None:
        """This pings, and ends a line on which nothing is heard in time; paho's keepalive is the broker's where that has one."""
        while True:
            keepalive_s = self._client.keepalive or self._keepalive
            await asyncio.sleep(_PING_AFTER * keepalive_s)
            if not self._client.is_connected():
                continue
            self._hears.clear()
            self._client._send_pingreq()
            try:
                async with asyncio.timeout(_ANSWER_WITHIN * keepalive_s):
                    await self._hears.wait()
            except TimeoutError as error:
                self._broken(error)
                return

    def _broken(self, error: Exception) -> None:
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError(str(error)))
        elif not self._disconnected.done():
            self._disconnected.set_exception(error)


def address(mqtt: Mqtt) -> tuple[str, int, ssl.SSLContext | None]:
    """This returns host, port and TLS; raises OSError where a certificate cannot be read."""
    url = urlsplit(mqtt.url)
    secure = url.scheme == "mqtts"
    context = None
    if secure:
        for path in filter(None, (mqtt.ca, mqtt.cert, mqtt.key)):
            Path(path).open("rb").close()  # ssl's own error does not name the file
        context = ssl.create_default_context(cafile=mqtt.ca or None)
        if mqtt.cert:
            context.load_cert_chain(mqtt.cert, mqtt.key or None)
    return url.hostname or "", url.port or (8883 if secure else 1883), context


def password(mqtt: Mqtt) -> str | None:
    """This returns the password, read anew each time so that a changed file counts; raises OSError.

    A bare name is a systemd credential where there are any (systemd.exec(5), LoadCredential=).
    """
    if not mqtt.password_file:
        return None
    path = Path(mqtt.password_file).expanduser()
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and not path.is_absolute():
        path = Path(credentials) / path
    return path.read_text(encoding="utf-8").rstrip("\r\n")

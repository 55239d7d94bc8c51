"""This is one connection to a broker that sees what aiomqtt drops: the reason code of every PUBACK, and the broker's limits."""

import asyncio
import contextlib
import logging
import os
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sickbay.config import Mqtt

SESSION_EXPIRY_S = 86_400  # a broker keeps receipts and orders for a day
IN_FLIGHT_MAX = 20
PACKET_BYTES_MAX = 65_536  # of what a broker may send to us
_ANSWER_S = 10.0

# paho reports every lost connection as an error; the uplink tells it once, in words.
_log = logging.getLogger("sickbay.uplink.paho")
_log.propagate = False
_log.addHandler(logging.NullHandler())


class Session(aiomqtt.Client):
    """A connection of MQTT 5. `put` returns the broker's reason code, of which aiomqtt's own `publish` says nothing.

    Overrides two callbacks that aiomqtt hands to paho (2.5.1: client.py, `_on_publish` and `_on_connect`).
    """

    def __init__(self, mqtt: Mqtt, client_id: str, will: aiomqtt.Will) -> None:
        host, port, context = address(mqtt)
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
            tls_context=context,
            timeout=_ANSWER_S,
            max_queued_incoming_messages=256,
            max_inflight_messages=IN_FLIGHT_MAX,
            logger=_log,
        )
        self.packet_bytes_max: int | None = None  # the broker's own limit
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._acks: dict[int, asyncio.Future[ReasonCode]] = {}

    async def open(self) -> None:
        """This connects; raises aiomqtt.MqttError. Cancelled, it waits for the connecting thread and closes its socket."""
        entering = asyncio.ensure_future(self.__aenter__())
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            self._connected.cancel()  # nobody waits for the broker's answer any more
            await asyncio.wait({entering})
            if not entering.cancelled():
                entering.exception()
            raise

    async def close(self) -> None:
        """This takes leave of the broker where there still is one, and lets the socket go in any case."""
        try:
            if self._client.is_connected():
                with contextlib.suppress(aiomqtt.MqttError):
                    await self.__aexit__(None, None, None)
        finally:
            # aiomqtt leaves the socket and its reader in the loop when the broker never answered.
            self._client._sock_close()
            for future in (self._connected, self._disconnected):
                if future.done() and not future.cancelled():
                    future.exception()  # seen: else asyncio complains when it is collected

    async def put(self, topic: str, payload: bytes, retain: bool = False) -> ReasonCode:
        """This publishes with QoS 1 and returns the broker's reason code; raises aiomqtt.MqttError on a broken line."""
        async with self._slots:
            return await self._put(topic, payload, retain)

    async def _put(self, topic: str, payload: bytes, retain: bool) -> ReasonCode:
        told = self._client.publish(topic, payload, qos=1, retain=retain)
        if told.rc != 0:
            raise aiomqtt.MqttCodeError(told.rc, "not connected")
        ack: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._acks[told.mid] = ack
        try:
            either: list[asyncio.Future[Any]] = [ack, self._disconnected]
            await asyncio.wait(either, timeout=3 * _ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
            if ack.done():
                return ack.result()
            if self._disconnected.done():
                raise aiomqtt.MqttError("disconnected") from self._disconnected.exception()
            raise aiomqtt.MqttError("Operation timed out")
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
        # paho keeps to its own bound, not to the broker's: more in flight than that ends the connection (0x93).
        most = getattr(properties, "ReceiveMaximum", IN_FLIGHT_MAX)
        self._slots = asyncio.Semaphore(min(IN_FLIGHT_MAX, most))
        super()._on_connect(client, userdata, flags, reason_code, properties)


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

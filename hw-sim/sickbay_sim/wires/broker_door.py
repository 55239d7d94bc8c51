"""This stands between a daemon and its broker and does to the connection what networks do: pass, delay, swallow, refuse, deny.

MQTT is looked into for one thing alone: a broker that denies answers each PUBLISH with a reason code (MQTT 5, 3.4.2.1), and that
cannot be done from outside of the protocol.
"""

import asyncio
import contextlib
from enum import StrEnum

READ_BYTES = 65_536
HELD_MAX = 256  # pieces that wait in a slow connection; beyond it nothing is read, as from a full socket
PUBLISH, PUBACK = 3, 4
NOT_AUTHORISED = 0x87
PACKET_BYTES_MAX = 1 << 20


class Way(StrEnum):
    """This is what becomes of a connection's bytes."""

    PASS = "pass"
    SWALLOW = "swallow"  # both ends believe in each other, and nothing comes through
    REFUSE = "refuse"  # nobody listens, and who was connected is reset
    DENY = "deny"  # each publish with QoS 1 is answered "not authorised"


class BrokerDoor:
    """A port of 127.0.0.1 that leads to a broker's. Times are real seconds."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.way = Way.PASS
        self.delay_s = 0.0  # each way
        self.denied = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """What goes under mqtt.url."""
        return f"mqtt://127.0.0.1:{self.port}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        await self._shut()
        for pump in tuple(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def put(self, way: Way, delay_s: float = 0.0) -> None:
        """This changes what becomes of connections, those that are there included."""
        self.delay_s = delay_s
        if way is self.way:
            return
        before, self.way = self.way, way
        if way is Way.REFUSE:
            await self._shut()
        elif self._server is None:
            await self.open()
        elif before is Way.SWALLOW:
            self._reset()  # what was swallowed is missing from the stream: no connection goes on after that

    async def _shut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self._reset()
        if server is not None:
            await server.wait_closed()

    def _reset(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, back}
        self._writers |= ends
        pumps = {
            asyncio.create_task(self._pump(reader, back, writer)),
            asyncio.create_task(self._pump(onward, writer, None)),
        }
        self._pumps |= pumps
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass  # the door closes; asyncio's streams would print a traceback of a cancelled handler
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._pumps -= pumps
            for end in ends:
                end.transport.abort()
            self._writers -= ends

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter | None
    ) -> None:
        """This carries bytes one way; `client` is who sent them where they go to the broker, for its PUBACKs."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD_MAX)
        packets = _Packets()

        async def deliver() -> None:
            while True:
                due, content = await waiting.get()
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                writer.write(content)
                await writer.drain()

        delivering = asyncio.create_task(deliver())
        try:
            with contextlib.suppress(OSError):
                while content := await reader.read(READ_BYTES):
                    if self.way is Way.SWALLOW:
                        continue
                    for packet in packets.feed(content) if client is not None else [content]:
                        if client is not None and self.way is Way.DENY and (refusal := _refusal(packet)) is not None:
                            self.denied += 1
                            client.write(refusal)
                        else:
                            await waiting.put((loop.time() + self.delay_s, packet))
            # Whoever hung up had said all this before.
            while not waiting.empty() and not delivering.done():
                await asyncio.sleep(0)
                if self.delay_s:
                    break
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)


class _Packets:
    """Bytes in, whole MQTT packets out."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, content: bytes) -> list[bytes]:
        """This returns the packets that are whole now; a stream that is no MQTT comes out as it is."""
        self._held += content
        found: list[bytes] = []
        while True:
            size = _size(self._held)
            if size is None and len(self._held) < PACKET_BYTES_MAX:
                return found
            size = len(self._held) if size is None else size
            if len(self._held) < size or not size:
                return found
            found.append(self._held[:size])
            self._held = self._held[size:]


def _size(content: bytes) -> int | None:
    """This returns how long the first packet is, None where that is not known yet. MQTT 5, 2.1.4."""
    length = 0
    for place in range(1, min(5, len(content))):
        length |= (content[place] & 0x7F) << 7 * (place - 1)
        if not content[place] & 0x80:
            return 1 + place + length
    return None


def _refusal(packet: bytes) -> bytes | None:
    """This returns the PUBACK that denies a PUBLISH with QoS 1; None for anything else."""
    if packet[0] >> 4 != PUBLISH or packet[0] >> 1 & 3 != 1:
        return None
    head = next(i for i in range(1, 5) if not packet[i] & 0x80) + 1
    topic = int.from_bytes(packet[head : head + 2], "big")
    identifier = packet[head + 2 + topic : head + 4 + topic]
    return bytes([PUBACK << 4, 3]) + identifier + bytes([NOT_AUTHORISED])

"""The other end of the line in virtual time: broker and fleet in one on a real socket. Each connection has a fate of its own."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from broker import CONNACK, CONNECT, DISCONNECT, PINGREQ, PUBACK, PUBLISH, SUBACK, SUBSCRIBE, packet
from deck import DEFAULT, Deck
from sickbay import wire
from sickbay.config import Mqtt
from sickbay.core.effects import Effect, Escalate
from sickbay.core.reading import Receipt
from sickbay.edge.journal import Limits
from sickbay.edge.uplink import Timing, Uplink
from sickbay_fleet.embedded_broker import free_port

WALL_S = 1.8e9


class Fate(msgspec.Struct, frozen=True):
    """What befalls one connection. Packets are those that the device sends."""

    cut_after: int | None = None  # hung up
    deaf_after: int | None = None  # half-open: nothing is answered any more
    slow_s: float = 0.0  # before each answer
    connack: int = 0
    drips: bool = False  # the answer to CONNECT comes byte by byte, and never ends


WELL = Fate()


class Shore:
    """A listening port of 127.0.0.1. What it took in it receipts, unless it is `mute`."""

    def __init__(self, fate: Callable[[], Fate] = lambda: WELL, mute: bool = False) -> None:
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self.fate, self.mute = fate, mute
        self.got: dict[str, int] = {}  # id: how often
        self.places: list[tuple[int, int]] = []  # boot and seq of each message, as it came
        self.bytes_in = 0
        self.pings = self.lives = 0
        self.stuck_s: list[float] = []  # how long the device kept a connection that had gone dead
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Shore":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.lives += 1
        try:
            await self._live(reader, writer, self.fate())
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _live(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: Fate) -> None:
        loop, seen = asyncio.get_running_loop(), 0
        while fate.cut_after is None or seen < fate.cut_after:
            if fate.deaf_after is not None and seen >= fate.deaf_after:
                since = loop.time()
                with contextlib.suppress(ConnectionError):
                    while await reader.read(65_536):
                        pass
                self.stuck_s.append(loop.time() - since)
                return
            head, body = await _packet(reader)
            seen += 1
            if fate.drips and head >> 4 == CONNECT:
                await self._drip(reader, writer)
                return
            if fate.slow_s:
                await asyncio.sleep(fate.slow_s)
            if head >> 4 == DISCONNECT:
                return
            self._answer(writer, head, body, fate)

    async def _drip(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """This sends a CONNACK of 2 MB, a byte a second, until the device has had enough."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        for byte in b"\x20\xff\xff\x7f" + bytes(1000):
            writer.write(bytes([byte]))
            await asyncio.sleep(1.0)
            if reader.at_eof() or writer.transport.is_closing():
                break
        self.stuck_s.append(loop.time() - since)

    def _answer(self, writer: asyncio.StreamWriter, head: int, body: bytes, fate: Fate) -> None:
        kind = head >> 4
        if kind == CONNECT:
            writer.write(packet(CONNACK, bytes([0, fate.connack, 0])))
            if fate.connack:
                writer.close()
        elif kind == SUBSCRIBE:
            writer.write(packet(SUBACK, body[:2] + b"\x00\x01"))
        elif kind == PUBLISH:
            size = int.from_bytes(body[:2], "big")
            topic, mid = body[2 : 2 + size].decode(), body[2 + size : 4 + size]
            payload = body[5 + size :]
            writer.write(packet(PUBACK, mid + b"\x00"))
            self.bytes_in += size + len(payload)
            if topic.endswith("/up/escalation"):
                event = msgspec.json.decode(payload)
                self.places.append((event["boot"], event["seq"]))
                self._take(writer, topic, event["id"])
        elif kind == PINGREQ:
            self.pings += 1
            writer.write(b"\xd0\x00")

    def _take(self, writer: asyncio.StreamWriter, topic: str, id_: str) -> None:
        self.got[id_] = self.got.get(id_, 0) + 1
        if not self.mute:
            down = topic.replace("/up/escalation", "/down/receipt").encode()
            receipt = wire.encode(wire.ReceiptMessage([id_]))
            writer.write(packet(PUBLISH, len(down).to_bytes(2, "big") + down + b"\x00\x07\x00" + receipt, 0b0010))


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readexactly(1))[0]
    size = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return head, await reader.readexactly(size)


class Ship(Deck):
    """A deck that knows what was offered to it: by the test, and by its own node, whose disk can fall ill too."""

    async def __aenter__(self) -> "Ship":
        await super().__aenter__()
        self.offered: set[str] = set()
        put = self.keeping.put

        def counted(effects: Iterable[Effect]) -> None:
            effects = list(effects)
            self.offered.update(e.effect_id for e in effects if isinstance(e, Escalate))
            put(effects)

        vars(self.keeping)["put"] = counted
        return self


@contextlib.asynccontextmanager
async def sailing(
    folder: Path,
    url: str,
    seed: int,
    timing: Timing | None = None,
    limits: Limits = DEFAULT,
    wall: Any = None,
    **mqtt: Any,
) -> AsyncIterator["Ship"]:
    """A real keeping with its journal, and a real uplink on it, in virtual time."""
    chance = random.Random(seed)
    async with Ship(folder, limits) as deck:
        loop = asyncio.get_running_loop()
        deck.uplink = Uplink(
            Mqtt(url=url, **mqtt),
            "deck",
            pending=deck.keeping.pending,
            forget=deck.keeping.forget,
            ledger_add=deck.keeping.ledger_add,
            on_receipt=lambda ids: [deck.take(Receipt(id_, deck.clock(), True)) for id_ in ids] and None,
            on_command=lambda payload: None,
            birth=lambda: deck.envelopes.birth(0),
            digest=lambda: deck.envelopes.digest([]),
            leaving=deck.envelopes.leaving,
            jitter=chance.random,
            wall=wall or (lambda: WALL_S + loop.time()),
            timing=timing or Timing(),
        )
        running = asyncio.create_task(deck.uplink.run())
        try:
            yield deck
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def until(condition: Callable[[], Any], within_s: float, step_s: float = 1.0) -> bool:
    """This returns whether it came true within so much virtual time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while not condition():
        if loop.time() > end:
            return False
        await asyncio.sleep(step_s)
    return True

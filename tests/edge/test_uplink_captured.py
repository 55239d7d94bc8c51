"""What was captured on the wire equals the ledger: every message's topic and bytes, through cuts in mid-flight and reconnects."""

import asyncio
import contextlib
import random
from collections import Counter
from pathlib import Path

import pytest

from broker import BROKERS
from dock import DEVICE, Dock, row, until
from sickbay.edge.journal import Journal

CONNECT, PUBLISH = 1, 3


class Tap:
    """A port that leads to a broker's and reads along what the device sends; `cut_after` bytes it hangs up, in mid-packet."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.captured: Counter[tuple[str, int]] = Counter()  # (topic, bytes of topic and payload) of whole messages
        self.cut_after: list[int] = []
        self.broken = 0
        self._pumps: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Tap":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for pump in tuple(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        back: asyncio.Task[None] | None = None
        try:
            onward, broker = await asyncio.open_connection("127.0.0.1", self._target)
            back = asyncio.create_task(self._back(onward, writer))
            left = self.cut_after.pop(0) if self.cut_after else 1 << 40
            held = b""
            while content := await reader.read(4096):
                held = self._read_along(held + content[:left])
                broker.write(content[:left])
                left -= len(content)
                if left <= 0:
                    self.broken += 1
                    break
            broker.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            if back is not None:
                back.cancel()
                await asyncio.gather(back, return_exceptions=True)
            self._pumps.discard(task)

    async def _back(self, onward: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while content := await onward.read(4096):
                writer.write(content)

    def _read_along(self, held: bytes) -> bytes:
        """This notes whole packets, and returns what is left."""
        while True:
            size = shift = 0
            for at in range(1, min(5, len(held))):
                size |= (held[at] & 0x7F) << shift
                shift += 7
                if not held[at] & 0x80:
                    break
            else:
                return held
            if len(held) < at + 1 + size:
                return held
            self._note(held[0], held[at + 1 : at + 1 + size])
            held = held[at + 1 + size :]

    def _note(self, head: int, body: bytes) -> None:
        if head >> 4 == PUBLISH:
            topic, rest = _text(body)
            rest = rest[2:]  # the packet's identifier: all is QoS 1
            self.captured[topic, len(topic) + len(rest) - 1 - rest[0]] += 1
        elif head >> 4 == CONNECT:
            _, rest = _text(body)
            rest = rest[4:]  # version, flags, keepalive
            _, rest = _text(rest[1 + rest[0] :])  # properties, client id
            topic, rest = _text(rest[1 + rest[0] :])  # will properties, will topic
            payload, _ = _text(rest)
            self.captured[topic, len(topic) + len(payload)] += 1


def _text(body: bytes) -> tuple[str, bytes]:
    size = int.from_bytes(body[:2], "big")
    return body[2 : 2 + size].decode(), body[2 + size :]


def ledger(folder: Path) -> Counter[tuple[str, int]]:
    with Journal(folder / "device") as journal:
        return Counter((line.topic, line.bytes) for line in journal.ledger())


@pytest.mark.parametrize("kind", BROKERS[-1:])
def test_on_a_good_line_what_was_captured_is_the_ledger(tmp_path: Path, kind: type) -> None:
    """Byte for byte and message for message: birth, will, digest, escalations, the goodbye."""

    async def script() -> Counter[tuple[str, int]]:
        with kind() as broker:
            async with Tap(broker.port) as tap:
                async with Dock(tmp_path, tap.url, fleet_url=broker.url) as dock:
                    dock.fleet_comes()
                    await dock.tell([row(f"f{n}", size=37 * n) for n in range(40)])
                    await until(lambda: len(dock.saw) == 40 and not dock.journal.outbox_rows)
                return tap.captured

    captured = asyncio.run(script())
    assert captured == ledger(tmp_path)
    leaves = Counter(
        {leaf: sum(n for (t, _), n in captured.items() if t.endswith(leaf)) for leaf in ("state", "digest")}
    )
    assert leaves["state"] >= 3 and leaves["digest"] >= 1, "the will, the birth and the goodbye are messages too"


@pytest.mark.parametrize("seed", range(3))
def test_through_cuts_the_ledger_never_shows_less_than_was_captured(tmp_path: Path, seed: int) -> None:
    """A line may stand for what the cut swallowed, never the other way round: nothing leaves without one."""
    chance = random.Random(seed)

    async def script() -> tuple[Counter[tuple[str, int]], int]:
        with BROKERS[-1]() as broker:
            async with Tap(broker.port) as tap:
                tap.cut_after = [chance.randrange(20, 12_000) for _ in range(25)]
                async with Dock(tmp_path, tap.url, fleet_url=broker.url) as dock:
                    dock.fleet_comes()
                    n = 0
                    while tap.cut_after or n < 30:
                        await dock.tell([row(f"f{n}", size=chance.randrange(0, 3000))])
                        n += 1
                        await asyncio.sleep(chance.uniform(0.0, 0.03))
                    await until(lambda: len(dock.saw) == n and not dock.journal.outbox_rows)
                return tap.captured, tap.broken

    captured, broken = asyncio.run(script())
    written = ledger(tmp_path)
    assert broken >= 20
    assert captured - written == Counter()
    more = written - captured
    assert sum(more.values()) <= 21 * broken, (
        "only what was under way when a line broke: at most twenty messages, and a will"
    )
    assert DEVICE in next(iter(written))[0]

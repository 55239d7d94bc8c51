"""A device that hears orders from afar: the real daemon in this loop, keys, and a clock and a rate that the test holds."""

import asyncio
import base64
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sickbay import config
from sickbay.daemon import Daemon
from sickbay.daemon.afar import OrdersFromAfar
from sickbay.edge.orders.verifier import CannotVerify
from sickbay.edge.orders.verify import verdict
from sickbay.errors import OrderRefused
from sickbay.order_wire import PAYLOAD_TYPE, PublicKey, key_line, keyid, pae, sealed

DEVICE = """
[device]
id = "unit-1"
[paths]
state = "state"
socket = "s.sock"
[sources.old]
driver = "replay"
path = "old.csv"
[signals.a]
from = "old.a"
[signals.b]
from = "old.b"
[signals.c]
from = "old.c"
[parts.pump]
signals = ["a"]
essential = true
isolate = "active"
[parts.box]
signals = ["b", "c"]
isolate = "active"
[orders]
keys = ["anna.pub", "bert.pub"]
two_key = true
"""
NOW_S = 2_000_000_000.0
_serial = itertools.count()


class Key:
    """One person's key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.private = Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))
        self.raw = self.private.public_key().public_bytes_raw()
        self.id = keyid(self.raw)


ANNA, BERT, EVE = Key("anna"), Key("bert"), Key("eve")


def order(*keys: Key, counter: int, **changed: Any) -> bytes:
    """This returns a signed order, as the fleet makes it."""
    now_ms = round(NOW_S * 1000)
    body = {
        "version": 1,
        "device": "unit-1",
        "id": f"order-{next(_serial):08d}",
        "counter": counter,
        "issued_ms": now_ms,
    }
    body |= {"expires_ms": now_ms + 60_000, "verb": "quarantine", "target": "b", "reason": "test", **changed}
    raw = json.dumps(body).encode()
    return sealed(raw, {key.id: key.private.sign(pae(PAYLOAD_TYPE.encode(), raw)) for key in keys or (ANNA,)})


async def look_here(envelope: bytes, keys: Mapping[str, PublicKey]) -> list[str]:
    """This looks at signatures as the process does, here: a test asks too often to start one each time."""
    asked = {
        "keys": {id_: base64.b64encode(key.raw).decode() for id_, key in keys.items()},
        "envelope": json.loads(envelope),
    }
    found = verdict(json.dumps(asked).encode())
    if found.error:
        raise CannotVerify(found.error)
    return found.valid


async def turns(over: Callable[[], object]) -> None:
    """This lets the loop turn until something is over."""
    for _ in range(1_000_000):
        if over():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come to an end")


class Device:
    """The real daemon in this loop, and its ear for orders with a clock and a rate that the test holds."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.wall_s, self.now_s, self.quality = NOW_S, 0.0, "synced"
        self.looked = 0
        self.hearing: asyncio.Task[None] | None = None
        self.look: Callable[..., Awaitable[list[str]]] = look_here
        self.ear = OrdersFromAfar(
            daemon,
            "unit-1",
            daemon._config.orders.keys,
            look=self._look,
            quality=lambda: self.quality,
            wall_s=lambda: self.wall_s,
            now_s=lambda: self.now_s,
        )

    async def _look(self, envelope: bytes, keys: Mapping[str, PublicKey]) -> list[str]:
        self.looked += 1
        return await self.look(envelope, keys)

    async def hears(self, payload: bytes) -> str:
        """This gives one order and returns what was said of it."""
        self.now_s += 6.0  # so that a test is refused for what it does, not for how fast
        try:
            self.ear.take(payload)
        except OrderRefused as refusal:
            return str(refusal)
        await self.settled()
        said = self.ear.status()["last"]
        assert said is not None
        return str(said["says"])

    async def settled(self) -> None:
        """This waits until nothing waits any more."""
        await turns(lambda: not self.ear._waiting and not self.ear._told)
        await self.daemon.kept()

    @property
    def journal(self) -> Any:
        return self.daemon.keeping.journal

    async def told(self) -> dict[str, dict[str, Any]]:
        """This returns the answers in the outbox, by their message's id."""
        await self.daemon.kept()
        await self.daemon.carried_out()
        return {row.id: json.loads(row.payload)["data"] for row in self.journal.pending(100)}

    def state(self, target: str) -> str:
        return str(self.daemon.node.ward.quarantine.state(target))

    def events(self) -> list[dict[str, Any]]:
        path = self.daemon.state / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def at(folder: Path, scene: Callable[[Device], Awaitable[None]], text: str = DEVICE) -> None:
    """This runs a scene at a running daemon that trusts anna and bert."""
    for key in (ANNA, BERT):
        file = folder / f"{key.name}.pub"
        file.write_text(key_line(key.name, key.raw))
        file.chmod(0o644)
    if not (folder / "old.csv").exists():
        (folder / "old.csv").write_text("t,a,b,c\n0,1,2,3\n")
    (folder / "sickbay.toml").write_text(text)

    async def run() -> None:
        daemon = Daemon(config.load(folder / "sickbay.toml"), folder)
        life = asyncio.create_task(daemon.run())
        await turns(lambda: hasattr(daemon, "uplink") or life.done())
        assert not life.done()
        # The plant of a test began long ago: its orders were issued after that.
        daemon.clock._past = [(0, NOW_S - 3600.0)]
        device = Device(daemon)
        device.hearing = hearing = asyncio.create_task(device.ear.run())
        try:
            await scene(device)
            assert hearing.cancelled() or not hearing.done()
        finally:
            hearing.cancel()
            daemon._stop.set()
            await asyncio.wait({life, hearing})
        assert life.result() == 0

    asyncio.run(run())

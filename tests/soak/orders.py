"""A million orders that somebody spoilt, and ten thousand that came before: none is obeyed, and the device lives on.

`python tests/soak/orders.py [COUNT [SEED]]` prints one line of JSON. Every one goes through the daemon's own ear: shape, device,
key, time, counter, and what is left through the real check of its signature, in this process instead of a new one each
time. An order is obeyed only where its signed bytes are the very ones that were signed: another spelling of the envelope,
or spoilt base64 that means the same, is the same order, and is obeyed once.
"""

import asyncio
import base64
import contextlib
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from afar_scene import ANNA, BERT, EVE, NOW_S, Device, at, order
from sickbay.errors import SickbayError
from sickbay.order_wire import opened
from soak.figures import Figure

REPLAYS = 10_000
ANEW = 200  # spoilt copies of one signed order
LOST = (
    ("device", "unit-2"),
    ("counter", 1 << 52),
    ("verb", "release"),
    ("target", "pump"),
    ("target", "a"),
    ("id", "other-0001"),
)
LOST += (
    ("expires_ms", round(NOW_S * 1000) + 80_000_000),
    ("reason", ""),
    ("args", {"for_s": 60.0}),
    ("version", 2),
    ("who", "x"),
)


def flip(raw: bytearray, chance: random.Random) -> None:
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)


def cut(raw: bytearray, chance: random.Random) -> None:
    at_ = chance.randrange(len(raw))
    del raw[at_ : at_ + chance.randrange(1, 40)]


def double(raw: bytearray, chance: random.Random) -> None:
    at_ = chance.randrange(len(raw))
    raw[at_:at_] = raw[at_ : at_ + chance.randrange(1, 40)]


def insert(raw: bytearray, chance: random.Random) -> None:
    at_ = chance.randrange(len(raw))
    raw[at_:at_] = chance.choice([b"{", b"[", b'"', b"\\", b"\x00", b"\xff", b" ", b"[" * 500, chance.randbytes(9)])


BYTES: list[Callable[[bytearray, random.Random], None]] = [flip, cut, double, insert]


def spoilt(whole: bytes, other: bytes, chance: random.Random) -> bytes:
    """This returns a copy of a signed order with something changed: bytes, a field, or whose signature it bears."""
    kind = chance.randrange(8)
    if kind < 3:
        raw = bytearray(whole)
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            chance.choice(BYTES)(raw, chance)
        return bytes(raw)
    envelope, another = json.loads(whole), json.loads(other)
    if kind == 3:  # a field of the order, still signed as before
        body = json.loads(base64.b64decode(envelope["payload"]))
        name, value = chance.choice(LOST)
        body[name] = value
        envelope["payload"] = base64.b64encode(json.dumps(body).encode()).decode()
    elif kind == 4:  # a byte of what was signed
        raw = bytearray(base64.b64decode(envelope["payload"]))
        chance.choice(BYTES)(raw, chance)
        envelope["payload"] = base64.b64encode(raw).decode()
    elif kind == 5:  # a byte of the signature
        raw = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
        chance.choice(BYTES)(raw, chance)
        envelope["signatures"][0]["sig"] = base64.b64encode(raw).decode()
    elif kind == 6:  # somebody else's signature, or somebody else's name on it
        envelope["signatures"] = chance.choice(
            [
                another["signatures"],
                [{**envelope["signatures"][0], "keyid": chance.choice([BERT.id, EVE.id, ""])}],
                [*another["signatures"], *envelope["signatures"]],
                [],
            ]
        )
    else:
        envelope["payloadType"] = chance.choice(["application/json", "", "application/vnd.sickbay.order+json "])
    return json.dumps(envelope).encode()


async def give(device: Device, payload: bytes) -> None:
    """This gives one to the ear, and lets it finish with it."""
    ear = device.ear
    with contextlib.suppress(SickbayError):
        ear.take(payload)
        device.now_s += 6.0
    while ear._waiting:
        await ear._one(*ear._waiting.popleft())


async def storm(device: Device, count: int, chance: random.Random) -> dict[str, Any]:
    """This returns what became of so many spoilt orders and replays."""
    assert device.hearing is not None
    device.hearing.cancel()  # from here on nothing goes on behind our back
    ear, ward = device.ear, device.daemon.node.ward
    same = other = 0
    past: list[bytes] = []
    began, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for n in range(count):
        if n % ANEW == 0:
            whole, stranger = order(ANNA, counter=10 + n, verb="context"), order(EVE, counter=10 + n, verb="context")
            signed = opened(whole).body
        payload = spoilt(whole, stranger, chance)
        obeyed = ear.obeyed
        await give(device, payload)
        if ear.obeyed > obeyed:
            past.append(payload)
            same += opened(payload).body == signed
            other += opened(payload).body != signed
        ear._told.clear()
        if n % 1000 == 0:
            await asyncio.sleep(0)
    seconds = time.monotonic() - began
    for n in range(20):
        past.append(order(ANNA, counter=10 + count + n, verb="context"))
        await give(device, past[-1])
    obeyed, replay = ear.obeyed, ear.refused.get("replay", 0)
    for _ in range(REPLAYS):
        await give(device, chance.choice(past))
    untouched = (
        all(r.state == "in_service" and not r.held for r in ward.quarantine.records.values())
        and not ward.orders.standing
    )
    return {
        "mutants": count,
        "obeyed_that_were_not_signed": other,
        "the_same_order_spelt_otherwise": same,
        "refused": dict(ear.refused),
        "signatures_looked_at": device.looked,
        "replays": REPLAYS,
        "replays_obeyed": ear.obeyed - obeyed,
        "replays_refused": ear.refused.get("replay", 0) - replay,
        "nothing_moved": untouched,
        "us_a_mutant": round(seconds / max(1, count) * 1e6, 1),
        "grown_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory,
    }


def main(count: int = 1_000_000, seed: int = 1) -> dict[str, Any]:
    """This returns the figures of one storm, and raises where anything was obeyed that must not be."""
    found: dict[str, Any] = {}

    async def scene(device: Device) -> None:
        found.update(await storm(device, count, random.Random(seed)))

    with tempfile.TemporaryDirectory(prefix="sickbay-orders-") as folder:
        at(Path(folder), scene)
    assert found["obeyed_that_were_not_signed"] == 0 and found["replays_obeyed"] == 0 and found["nothing_moved"], found
    assert found["replays_refused"] == REPLAYS, found
    return found


def soak(seed: int, scale: float) -> list[Figure]:
    """This returns the figures of both, for docs/reliability.md."""
    found = main(max(1000, round(1_000_000 * scale)), seed)
    command = f"python tests/soak/orders.py {found['mutants']} {seed}"
    lost = found["obeyed_that_were_not_signed"], found["replays_obeyed"]
    return [
        Figure("spoilt orders from afar that were obeyed", command, "0", found["mutants"], lost[0], detail=found),
        Figure("replayed orders that were obeyed", command, "0", found["replays"], lost[1]),
    ]


if __name__ == "__main__":
    print(json.dumps({"seed": int((sys.argv[2:] or ["1"])[0]), **main(*map(int, sys.argv[1:3]))}))

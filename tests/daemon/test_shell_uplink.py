"""What brokers do to a running daemon: absent, refusing, denying. The outbox waits, and status says for what."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from broker import Broker, Peer, free_port
from scene import Line, Unit, configuration, until

PREFIX = "sickbay/1/unit-1"


def mqtt(url: str) -> str:
    return f'[mqtt]\nurl = "{url}"\n'


def too_high(row: dict[str, float]) -> bytes:
    """This returns a row whose a is more than it can be."""
    return b'{"a": 5000, "b": %r}\n' % row["b"]


def play(script: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(script())


def attempts(peer: Peer, topic: str) -> int:
    return [t for t, _ in peer.published].count(topic)


async def when(unit: Unit, what: str, fits: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """This waits for a status without standing in the way of the peer in this loop."""
    return await asyncio.to_thread(unit.until_status, what, fits)


def test_without_a_broker_it_works_keeps_and_delivers_when_one_comes(tmp_path: Path) -> None:
    """Sites lose their uplink for days. What happened meanwhile arrives, once, and the ledger knows it."""
    broker = Broker(free_port())
    with Line(tmp_path) as line, Unit(tmp_path, configuration(tmp_path, mqtt(broker.url))) as unit:
        waiting = unit.until_status("the wait", lambda s: s["uplink"]["state"] == "waiting")
        assert (
            "nothing listens there" in waiting["uplink"]["detail"]
            and "Is the broker running?" in waiting["uplink"]["detail"]
        )
        line.say = too_high
        kept = unit.until_status("the message that waits", lambda s: s["outbox"]["rows"] == 1)
        assert kept["signals"]["a"]["state"] == "isolated", "the quarantine does not wait for a network"
        assert "1 messages wait" in unit.cli("status").stdout
        with broker:
            unit.until_status("the connection", lambda s: s["uplink"]["state"] == "connected")
            until("the message on its way", lambda: "escalation.opened" in [r["what"] for r in unit.ask("ledger")])
        assert unit.status()["outbox"]["rows"] == 1, "no receipt, no forgetting: a PUBACK is not delivery"


def test_a_broker_that_lets_us_not_in_is_quoted_in_status(tmp_path: Path) -> None:
    """A wrong password looks like a dead network unless the device says what it was told."""

    async def script() -> None:
        async with Peer(connack=0x87) as peer:
            with Line(tmp_path), Unit(tmp_path, configuration(tmp_path, mqtt(peer.url))) as unit:
                said = await when(unit, "the refusal", lambda s: s["uplink"]["state"] == "denied")
                assert "Not authorized (0x87)" in said["uplink"]["detail"]
                assert "mqtt.username" in said["uplink"]["detail"]
                await asyncio.to_thread(unit.reads)

    play(script)


def test_a_broker_that_takes_no_escalation_is_quoted_and_nothing_is_lost(tmp_path: Path) -> None:
    """With MQTT 3 a denied publish vanished without a word; the row must stay and the reason must show."""

    async def script() -> None:
        denied = f"{PREFIX}/up/escalation"
        async with Peer(puback={denied: 0x87}) as peer:
            with Line(tmp_path) as line, Unit(tmp_path, configuration(tmp_path, mqtt(peer.url))) as unit:
                line.say = too_high
                said = await when(unit, "the refusal", lambda s: s["uplink"]["state"] == "denied")
                assert f"publish {denied}: Not authorized (0x87)" in said["uplink"]["detail"]
                assert said["outbox"]["rows"] == 1
                peer.puback.clear()
                peer.cut()
                tries = partial(attempts, peer, denied)
                await asyncio.to_thread(until, "the second try", lambda: tries() >= 2)
                event = json.loads(next(p for t, p in peer.published if t == denied))
                peer.send(f"{PREFIX}/down/receipt", json.dumps({"ids": [event["id"]]}).encode())
                await when(unit, "the empty outbox", lambda s: s["outbox"]["rows"] == 0)
                assert event["specversion"] == "1.0" and event["type"] == "sickbay.fault.opened"
                assert event["subject"] == event["data"]["fault_id"] and event["data"]["target"] == "a"

    play(script)


def test_orders_from_afar_are_not_obeyed_and_garbage_is_counted(tmp_path: Path) -> None:
    """Until there is a key to check them by, nobody far away may move anything here."""

    async def script() -> None:
        async with Peer() as peer:
            with Line(tmp_path), Unit(tmp_path, configuration(tmp_path, mqtt(peer.url))) as unit:
                await when(unit, "the connection", lambda s: s["uplink"].get("sent", 0) >= 2)
                order = json.dumps({"verb": "quarantine", "target": "a"}).encode()
                peer.send(f"{PREFIX}/down/command", order)
                peer.send(f"{PREFIX}/down/command", order, retain=True)
                peer.send(f"{PREFIX}/down/receipt", b"\xff\x00 garbage")
                peer.send(f"{PREFIX}/down/receipt", b'{"ids": ["never-heard-of.r1"]}')
                said = await when(unit, "the count", lambda s: s["uplink"]["garbage"]["receipt"] == 1)
                assert said["uplink"]["garbage"]["command"] == 2
                assert said["orders"]["refused"] == {"no_key": 1, "retained": 1} and said["orders"]["obeyed"] == 0
                assert await asyncio.to_thread(unit.event, "command", "unit-1", because="retained")
                assert said["signals"]["a"]["state"] == "in_service"
                await asyncio.to_thread(unit.says, "it is not obeyed")

    play(script)

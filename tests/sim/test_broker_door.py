"""The door between a daemon and its broker, with a real broker behind it and a real MQTT client before it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiomqtt
import pytest

from broker import BROKERS
from sickbay_sim.wires.broker_door import BrokerDoor, Way, _Packets, _refusal

PATIENCE_S = 15.0


def play(scene: Callable[[BrokerDoor], Awaitable[None]]) -> None:
    """This runs a scene before a door that leads to a real broker."""

    async def whole(port: int) -> None:
        door = BrokerDoor(port)
        await door.open()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await scene(door)
        finally:
            await door.close()

    with BROKERS[-1]() as broker:
        asyncio.run(whole(broker.port))


def client(door: BrokerDoor, **more: Any) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", door.port, protocol=aiomqtt.ProtocolVersion.V5, **more)


async def echo(door: BrokerDoor) -> float:
    """This publishes to itself through the door, and returns how long that took in seconds."""
    async with client(door) as mqtt:
        await mqtt.subscribe("t", qos=1)
        began = time.monotonic()
        await mqtt.publish("t", b"x" * 70_000, qos=1)
        async for message in mqtt.messages:
            assert message.payload == b"x" * 70_000
            return time.monotonic() - began
    raise AssertionError("the broker hung up")


def test_an_open_door_is_not_there() -> None:
    play(lambda door: _gives(echo(door)))


async def _gives(job: Awaitable[float]) -> None:
    assert await job < PATIENCE_S


def test_a_slow_door_delays_both_ways() -> None:
    """There and back: twice the delay at least, however large the message."""

    async def scene(door: BrokerDoor) -> None:
        await door.put(Way.PASS, 0.1)
        assert await echo(door) >= 0.2

    play(scene)


def test_a_shut_door_resets_who_is_connected_and_opens_again_on_the_same_port() -> None:
    """A broker that is gone; the daemon's configuration does not change when it comes back."""

    async def scene(door: BrokerDoor) -> None:
        port = door.port
        with pytest.raises(aiomqtt.MqttError):
            async with client(door) as mqtt:
                await mqtt.subscribe("t")
                await door.put(Way.REFUSE)
                async for _ in mqtt.messages:
                    pass
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
        await door.put(Way.PASS)
        assert door.port == port
        await echo(door)

    play(scene)


def test_a_half_open_connection_answers_nothing_and_ends_when_the_door_opens() -> None:
    """Both ends believe in each other; what was swallowed is missing, so nobody may go on from there."""

    async def scene(door: BrokerDoor) -> None:
        async with client(door) as mqtt:
            await mqtt.subscribe("t", qos=1)
            await door.put(Way.SWALLOW)
            publishing = asyncio.create_task(mqtt.publish("t", b"x", qos=1, timeout=PATIENCE_S))
            done, _ = await asyncio.wait({publishing}, timeout=0.2)
            assert not done, "a dead line says nothing at all"
            await door.put(Way.PASS)
            with pytest.raises(aiomqtt.MqttError):
                async for _ in mqtt.messages:
                    pass
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
        await echo(door)

    async def patient(door: BrokerDoor) -> None:
        try:
            await scene(door)
        except aiomqtt.MqttError:
            await echo(door)  # leaving a connection that was cut says so once more

    play(patient)


def test_a_denying_broker_answers_each_publish_with_its_reason() -> None:
    """MQTT 5's negative PUBACK: the connection stays, the message does not get through."""

    async def scene(door: BrokerDoor) -> None:
        async with client(door) as mqtt:
            await mqtt.subscribe("t", qos=1)
            await door.put(Way.DENY)
            await mqtt.publish("t", b"denied", qos=1)
            assert door.denied == 1
            await door.put(Way.PASS)
            await mqtt.publish("t", b"let through", qos=1)
            async for message in mqtt.messages:
                assert message.payload == b"let through"
                return

    play(scene)


def test_packets_come_whole_however_they_are_cut() -> None:
    """A stream has no edges: three bytes at a time, or two packets at once."""
    publish = bytes([0x32, 8, 0, 1]) + b"t" + bytes([0, 7, 0]) + b"xy"
    long = bytes([0x32, 0x80 | 72, 2]) + bytes(328)
    stream = publish + bytes([0xC0, 0]) + long
    packets = _Packets()
    found = [packet for i in range(0, len(stream), 3) for packet in packets.feed(stream[i : i + 3])]
    assert found == [publish, bytes([0xC0, 0]), long]
    assert _refusal(publish) == bytes([0x40, 3, 0, 7, 0x87]) and _refusal(bytes([0xC0, 0])) is None
    assert _refusal(bytes([0x30, 6, 0, 1]) + b"t" + bytes([0]) + b"xy") is None, "QoS 0 has no answer"

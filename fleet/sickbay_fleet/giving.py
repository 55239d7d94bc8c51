"""This gives one order to one device, and waits for what the device answers."""

import asyncio
import contextlib
import secrets
from typing import Any

import aiomqtt
import msgspec
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from sickbay import wire
from sickbay.config import Mqtt
from sickbay.errors import SickbayError, WireError
from sickbay.order_wire import VERSION, Answer, Args, Order, decode_answer, sealed
from sickbay_fleet.intake import client
from sickbay_fleet.keys import SigningKey, next_counter

LATER_S = 3.0  # after a refusal that anybody might have caused, the true answer is given so long to come


class NotGiven(SickbayError, ConnectionError):
    """This is an order that did not leave."""


class Given(msgspec.Struct, frozen=True):
    """An order that left, and what came back."""

    order: str
    device: str
    verb: str
    target: str
    counter: int
    keys: list[str]
    answer: Answer | None  # None: none came in time


def signed(order: Order, keys: list[SigningKey]) -> bytes:
    """This returns the envelope of an order, signed by each key."""
    body = msgspec.json.encode(order)
    return sealed(body, {key.id: key.sign(body) for key in keys})


def order_of(
    device: str, verb: str, target: str, reason: str, args: Args, keys: list[SigningKey], now_ms: int, life_s: float
) -> Order:
    """This returns an order that nobody gave before: its counter is written down. Raises WireError for what no device reads."""
    fields = {
        "version": VERSION,
        "device": device,
        "id": secrets.token_hex(8),
        "counter": 1,
        "issued_ms": now_ms,
        "expires_ms": now_ms + round(life_s * 1000),
        "verb": verb,
        "target": target,
        "reason": reason,
        "who": "+".join(key.name for key in keys),
        "args": msgspec.to_builtins(args),
    }
    try:
        order = msgspec.convert(fields, Order)
    except msgspec.ValidationError as error:
        raise WireError(f"order: {error}") from None
    return msgspec.structs.replace(order, counter=next_counter(keys, now_ms))


async def give(mqtt: Mqtt, order: Order, keys: list[SigningKey], wait_s: float) -> Given:
    """This publishes an order and waits for its answer; raises NotGiven where the broker does not take it."""
    envelope = signed(order, keys)
    connection = client(mqtt, f"sickbay-order-{order.id}", session_s=0)
    answers = wire.topic(mqtt.prefix, order.device, "up/answer")
    try:
        async with connection:
            (reason,) = await connection.subscribe(answers, qos=1)
            if getattr(reason, "is_failure", False):
                raise NotGiven(
                    f"the broker refused to let us subscribe to {answers}: {reason}; the order was not given"
                )
            await _publish(connection, wire.topic(mqtt.prefix, order.device, "down/command"), envelope, order)
            answer = await _answer(connection, order, wait_s)
    except (aiomqtt.MqttError, OSError) as error:
        if isinstance(error, SickbayError):
            raise
        raise NotGiven(
            f"{mqtt.url}: {error.__cause__ or error}; the order may not have left. Is the broker running?"
        ) from None
    names = [key.name for key in keys]
    return Given(order.id, order.device, order.verb, order.target, order.counter, names, answer)


async def _publish(connection: aiomqtt.Client, topic: str, envelope: bytes, order: Order) -> None:
    make: Any = Properties  # paho leaves its constructor untyped
    properties = make(PacketTypes.PUBLISH)
    # The broker need not keep what the device would refuse.
    properties.MessageExpiryInterval = max(1, (order.expires_ms - order.issued_ms) // 1000)
    refusals: list[Any] = []
    told = connection._client.on_publish

    def noted(client: Any, userdata: Any, mid: int, reason: Any, more: Any) -> None:
        if getattr(reason, "is_failure", False):
            refusals.append(reason)
        told(client, userdata, mid, reason, more)  # type: ignore[call-arg,misc]

    # aiomqtt's own publish returns as if all were well when the broker refuses (2.5.1).
    connection._client.on_publish = noted
    await connection.publish(topic, envelope, qos=1, retain=False, properties=properties)
    if refusals:
        raise NotGiven(
            f"the broker refused to let us publish {topic}: {refusals[0]}; the order was not given. Allow that there"
        )


async def _answer(connection: aiomqtt.Client, order: Order, wait_s: float) -> Answer | None:
    """This returns the device's answer, None where none came. After one without belief the true one may come."""
    found: Answer | None = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s) as limit:
            async for message in connection.messages:
                with contextlib.suppress(WireError):
                    _, answer = decode_answer(bytes(message.payload))
                    if answer.order != order.id or answer.device != order.device:
                        continue
                    if answer.believed:
                        return answer
                    found = answer
                    limit.reschedule(min(limit.when() or 0.0, asyncio.get_running_loop().time() + LATER_S))
    return found

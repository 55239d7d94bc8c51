"""This shows the device in Home Assistant, where its owner wants that: a description, how it stands, and buttons that he listed.

It is a guest on the uplink's connection: a few topics of its own, nothing through the outbox. What it says is for eyes on the spot
and may be lost; what must arrive goes to the fleet. A press is an order that nobody signed; see core/home.py for what it may do.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from sickbay import wire
from sickbay.config import Config
from sickbay.core import home, report
from sickbay.core.effects import Event
from sickbay.core.node import Node
from sickbay.core.reading import Command
from sickbay.daemon import discovery
from sickbay.daemon.keeping import Keeping
from sickbay.daemon.times import Clock
from sickbay.edge.orders.verifier import Bucket
from sickbay.errors import OrderRefused

log = logging.getLogger("sickbay.home")

KEPT = "homeassistant"  # under this key the journal holds the topics that hold our retained words
WHY = "[home_assistant] discovery = true"
GAP_S = 2.0  # between two messages, however much changes
AT_ONCE, EVERY_S = 5, 5.0  # presses: five at once, then one each five seconds
TOLD_AT_ONCE, TOLD_EVERY_S = 10, 60.0  # lines about presses that were turned away; the rest is only counted
PRESS_BYTES_MAX = 1024
REASON = "a button in Home Assistant"


class Running(Protocol):
    """What is needed of the running daemon."""

    node: Node
    clock: Clock
    keeping: Keeping

    def order(self, command: Command) -> str: ...


class Say(Protocol):
    """The uplink's door: a retained message that leaves now, with its line for the ledger. Returns whether the broker took it."""

    async def __call__(self, topic: str, payload: bytes, what: str, why: str, *, regular: bool = False) -> bool: ...


class _Press(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    verb: str
    target: str


async def invited(daemon: Running, config: Config) -> "HomeAssistant | None":
    """This returns the guest, None where there is nothing to say: it is switched off, and nothing of it is left at the broker."""
    left = await daemon.keeping.remembered(KEPT)
    topics: list[str] = []
    with contextlib.suppress(msgspec.MsgspecError):
        topics = msgspec.json.decode(left, type=list[str]) if left else []
    return HomeAssistant(daemon, config, topics) if config.home_assistant.discovery or topics else None


class HomeAssistant:
    """What is said to Home Assistant, and what is heard from it. `left` are topics that may still hold a word of ours."""

    def __init__(
        self, daemon: Running, config: Config, left: list[str], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        assert config.mqtt is not None
        self._daemon, self._table, self._model = daemon, config.home_assistant, config.device.model
        self._equipment = daemon.node.ward.equipment
        prefix, device = config.mqtt.prefix, self._equipment.device
        leaves = (wire.topic(prefix, device, leaf) for leaf in ("up/state", "up/ha", "down/ha"))
        self._of = discovery.Topics(*leaves)
        self._config_topic = discovery.config_topic(self._table.prefix, device)
        self._left = left
        self._outputs = {part.name: part.output for part in self._equipment.parts}
        self._news = asyncio.Event()
        self._rate = Bucket(AT_ONCE, EVERY_S, now_s)
        self._lines = Bucket(TOLD_AT_ONCE, TOLD_EVERY_S, now_s)
        self.pressed = 0
        self.turned_away: dict[str, int] = {}
        # Only where there is a button is anything listened to at all.
        self.topics = (self._of.press,) if self._table.discovery and self._table.buttons else ()

    def changed(self) -> None:
        """This says that something may have happened which is worth a message before its time."""
        self._news.set()

    def status(self) -> dict[str, Any]:
        """This returns what was pressed and obeyed, and what was turned away before the node saw it."""
        return {"buttons": list(self._table.buttons), "pressed": self.pressed, "turned_away": dict(self.turned_away)}

    async def speak(self, say: Say) -> None:
        """This speaks for as long as one connection lasts."""
        mine = [self._config_topic, self._of.state] if self._table.discovery else []
        if mine and mine != self._left:
            # Kept before anything is said: what is retained at a broker must not be forgotten here.
            await self._remember([*mine, *(topic for topic in self._left if topic not in mine)])
        gone = [
            await say(topic, b"", "homeassistant.cleared", self._why()) for topic in self._left if topic not in mine
        ]
        if all(gone) and self._left != mine:
            await self._remember(mine)
        if not self._table.discovery:
            return
        table = self._table
        told = discovery.description(self._equipment, self._model, self._of, table.every_s, table.buttons)
        await say(self._config_topic, msgspec.json.encode(told), "homeassistant.discovery", WHY)
        while True:
            self._news.clear()
            state = self._state()
            await say(self._of.state, msgspec.json.encode(state), "homeassistant.state", WHY, regular=True)
            await self._until_news(discovery.standing(state))

    async def _until_news(self, told: object) -> None:
        """This returns when it is time to speak again: something else stands than what was told, or every_s are over."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._table.every_s
        await asyncio.sleep(min(GAP_S, self._table.every_s))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                while discovery.standing(self._state()) == told:
                    self._news.clear()
                    await self._news.wait()
                    await asyncio.sleep(GAP_S / 10)  # what comes together is looked at together

    def heard(self, topic: str, payload: bytes, retained: bool) -> None:
        """This takes in a press. It never raises: what is refused is noted, and told now and then."""
        if retained:
            self._turn_away("retained", "a retained press is not obeyed: it would come again at every connect")
            return
        if not self._rate.take():
            self._turn_away("flood", "too many presses came at once")
            return
        try:
            press = msgspec.json.decode(payload[: PRESS_BYTES_MAX + 1], type=_Press)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._turn_away("shape", f"a press that makes no sense: {error}")
            return
        for target in self._targets(press):
            order = Command(press.verb, target, self._daemon.clock(), home.WHO, REASON, home=True)
            with contextlib.suppress(OrderRefused):  # the node has noted it
                self._daemon.order(order)
                self.pressed += 1

    def _targets(self, press: _Press) -> list[str]:
        """This returns what a press is about: every open fault where it is about the whole device."""
        if press.target:
            return [press.target]
        cases = self._daemon.node.ward.triage.open_cases() if press.verb == "ack" else []
        return [case.id for case in cases if case.overlay.acked_by is None]

    def _state(self) -> dict[str, object]:
        ward = self._daemon.node.ward
        status = report.status(ward, self._daemon.clock.wall)
        return discovery.state(status, self._daemon.keeping.journal.outbox_rows, self._outputs)

    def _turn_away(self, why: str, says: str) -> None:
        self.turned_away[why] = self.turned_away.get(why, 0) + 1
        if self._lines.take():
            log.warning("home assistant: %s; further ones are counted", says)
            detail: dict[str, object] = {"who": home.WHO, "origin": home.WHO, "refused": says, "because": why}
            self._daemon.keeping.line(Event("command", self._daemon.clock(), self._equipment.device, detail))

    def _why(self) -> str:
        return WHY if self._table.discovery else "[home_assistant] discovery = false: what was retained is taken back"

    async def _remember(self, topics: list[str]) -> None:
        self._left = topics
        await self._daemon.keeping.remember(KEPT, msgspec.json.encode(topics))

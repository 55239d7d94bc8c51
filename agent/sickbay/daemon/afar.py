"""This takes orders from afar: cheap checks first, then the signature, then the counter is kept, and only then it is obeyed.

Nothing is believed before the signature. What is refused before it costs a count and now and then a line; what is believed is noted
and answered whether it is obeyed or not.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol

from sickbay.core import orders
from sickbay.core.afar import FLEET
from sickbay.core.effects import Answer, Event
from sickbay.core.node import Node
from sickbay.core.reading import Command
from sickbay.daemon.times import Clock, time_quality
from sickbay.edge.orders.keys import load
from sickbay.edge.orders.verifier import Bucket, CannotVerify, is_installed, verify
from sickbay.errors import OrderRefused, SickbayError, WireError
from sickbay.order_wire import LIFE_MAX_MS, Opened, Order, PublicKey, opened

log = logging.getLogger("sickbay.orders")

WAITING_MAX = 16  # orders that wait for their signature to be looked at
AT_ONCE, EVERY_S = 10, 6.0  # processes that look at signatures: ten at once, then one each six seconds
TOLD_AT_ONCE, TOLD_EVERY_S = 20, 60.0  # lines about what was refused without belief; the rest is only counted
ANSWERED_AT_ONCE, ANSWERED_EVERY_S = 5, 600.0  # answers to orders that nobody believed: about clocks alone
SKEW_MS = 300_000  # by how much a sender's clock may be ahead of this device's


class Running(Protocol):
    """What is needed of the running daemon."""

    node: Node
    clock: Clock

    def order(self, command: Command) -> str: ...

    def turn(self) -> None: ...

    async def kept(self) -> bool: ...

    async def line(self, event: Event) -> None: ...


Verify = Callable[[bytes, Mapping[str, PublicKey]], Awaitable[list[str]]]


class _Waiting(NamedTuple):
    opened: Opened
    envelope: bytes


class OrdersFromAfar:
    """One device's ear for the fleet. `take` never blocks and raises for what is refused at once; `run` does the rest in turn."""

    def __init__(
        self,
        daemon: Running,
        device: str,
        files: tuple[str, ...],
        *,
        look: Verify = verify,
        quality: Callable[[], str] = time_quality,
        wall_s: Callable[[], float] = time.time,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._daemon, self._device, self._files = daemon, device, files
        self._look, self._quality, self._wall_s = look, quality, wall_s
        self._waiting: deque[_Waiting] = deque()
        self._come = asyncio.Event()
        self._rate = Bucket(AT_ONCE, EVERY_S, now_s)
        self._lines = Bucket(TOLD_AT_ONCE, TOLD_EVERY_S, now_s)
        self._answers = Bucket(ANSWERED_AT_ONCE, ANSWERED_EVERY_S, now_s)
        self._told: list[Event] = []
        self.keys, self.troubles = load(files)
        self.obeyed = 0
        self.refused: dict[str, int] = {}
        self._last: dict[str, Any] | None = None
        if files and not is_installed():
            self.troubles.append("cryptography is not installed: no order from afar is obeyed. Install sickbay[orders]")
            self.keys = {}
        for trouble in self.troubles:
            log.warning("%s", trouble)

    def status(self) -> dict[str, Any]:
        """This returns whose orders are obeyed, and what became of those that came."""
        return {
            "keys": {key.name: id_[:16] for id_, key in self.keys.items()},
            "troubles": self.troubles,
            "obeyed": self.obeyed,
            "refused": dict(self.refused),
            "waiting": len(self._waiting),
            "last": self._last,
        }

    def take(self, payload: bytes) -> None:
        """This takes in what came as an order; raises SickbayError where it is refused before anybody looks at its signature."""
        if not self.keys:
            why = (
                "this device trusts no key: it is not obeyed"
                if not self._files
                else "no key can be used: it is not obeyed"
            )
            raise self._turned_away(
                "no_key", None, f"an order from the fleet must be signed, and {why}. See [orders] keys"
            )
        try:
            found = opened(payload)
        except WireError as error:
            raise self._turned_away("shape", None, str(error)) from None
        self._cheap(found)
        if len(self._waiting) >= WAITING_MAX or not self._rate.take():
            raise self._turned_away("flood", found.order, "too many orders came at once; give it again in a minute")
        self._waiting.append(_Waiting(found, payload))
        self._come.set()

    def retained(self) -> None:
        """This takes note of an order that a broker had kept: it is not looked at."""
        self._turned_away("retained", None, "a retained order is not obeyed: it would come again at every connect")

    async def run(self) -> None:
        """This carries out what waits, one after another, until cancelled."""
        while True:
            self._come.clear()
            while self._told:
                await self._daemon.line(self._told.pop(0))
            while self._waiting:
                await self._one(*self._waiting.popleft())
            if not self._told:
                await self._come.wait()

    def _cheap(self, found: Opened) -> None:
        """This raises OrderRefused for what no signature could make good."""
        order = found.order
        if order.device != self._device:
            raise self._turned_away("device", order, f"it is for device {order.device}, and this is {self._device}")
        if not any(key in self.keys for key in found.signatures):
            raise self._turned_away("unknown_key", order, "no key that this device trusts is named in it")
        says = self._untimely(order)
        if says:
            refusal = self._turned_away("time", order, says)
            if self._answers.take():
                self._answer_unbelieved(order, says)
            raise refusal
        known = [key for key in found.signatures if key in self.keys]
        used = max(self._daemon.node.ward.orders.counters.get(key, 0) for key in known)
        if order.counter <= used:
            raise self._turned_away(
                "replay", order, f"counter {order.counter} is used up, the last was {used}: a replay"
            )

    def _untimely(self, order: Order) -> str:
        """This returns why an order is out of its time, "" where it is not, or where nobody knows the time here."""
        if not 0 < order.expires_ms - order.issued_ms <= LIFE_MAX_MS:
            return (
                f"it is meant to live for {(order.expires_ms - order.issued_ms) / 3.6e6:.1f} h, and at most 24 h it may"
            )
        if self._quality() != "synced":
            return ""  # the node obeys what tightens only
        now = round(self._wall_s() * 1000)
        mine = f"by this device's own clock, which is synchronised and says {_utc(now)}"
        if order.expires_ms <= now:
            return f"it expired at {_utc(order.expires_ms)} {mine}"
        if order.issued_ms > now + SKEW_MS:
            return (
                f"it was issued at {_utc(order.issued_ms)}, which is still to come {mine}: the sender's clock is ahead"
            )
        began = round(self._daemon.clock.epochs()[0][1] * 1000)
        if order.issued_ms < began - SKEW_MS:
            return f"it was issued before this device's memory began, at {_utc(began)}, and may have been obeyed then"
        return ""

    async def _one(self, found: Opened, envelope: bytes) -> None:
        """This looks at one order's signature, and carries it out where it is good."""
        order = found.order
        try:
            self._cheap(found)  # once more: one before it may have used up the counter, and it may have waited
            valid = await self._look(envelope, self.keys)
        except CannotVerify as error:
            log.warning("%s", self._turned_away("cannot_verify", order, str(error)))
            return
        except SickbayError:
            return  # told already
        signers = [self.keys[key] for key in valid if key in self.keys and key in found.signatures]
        if not signers:
            self._turned_away("signature", order, "its signature is not good")
            return
        await self._believed(order, signers)

    async def _believed(self, order: Order, signers: list[PublicKey]) -> None:
        daemon, who = self._daemon, FLEET + "+".join(key.name for key in signers)
        command = Command(
            verb=order.verb,
            target=order.target,
            at_ms=daemon.clock(),
            who=who,
            reason=order.reason,
            for_ms=round(order.args.for_s * 1000),
            remote=True,
            id=order.id,
            keys=len({key.name for key in signers}),
            time_trusted=self._quality() == "synced",
            factor=order.args.factor,
            class_=order.args.class_,
        )
        try:
            daemon.node.use_up([key.id for key in signers], order.counter)
            if not await daemon.kept():
                says = "its counter cannot be kept, so that it could be replayed: not obeyed. See what status says of the disk"
                orders.refuse(daemon.node.ward, command, says)
                daemon.turn()
                raise OrderRefused(says)
            says = daemon.order(command)
        except OrderRefused as refusal:
            self._count("refused", order, who, str(refusal))
            return
        self.obeyed += 1
        self._remember(order, who, True, says)

    def _answer_unbelieved(self, order: Order, says: str) -> None:
        # Another id than a believed answer's: who forges an order must not be able to speak for the true one.
        ward = self._daemon.node.ward
        id_ = f"unbelieved-{order.id}-{ward.now_ms}"
        ward.effects.append(Answer(id_, order.id, order.verb, order.target, False, says, "", ward.now_ms))
        self._daemon.turn()

    def _turned_away(self, kind: str, order: Order | None, says: str) -> OrderRefused:
        """This counts what is refused without belief, tells it now and then, and returns the refusal."""
        self._count(kind, order, "", says)
        if self._lines.take():
            detail: dict[str, object] = {"origin": "fleet", "believed": False, "refused": says, "because": kind}
            if order is not None:
                detail |= {"verb": order.verb, "order": order.id}
            name = order.target if order is not None else self._device
            self._told.append(Event("command", self._daemon.clock(), name, detail))
            self._come.set()
        return OrderRefused(f"order {order.id if order is not None else 'from afar'}: {says}")

    def _count(self, kind: str, order: Order | None, who: str, says: str) -> None:
        self.refused[kind] = self.refused.get(kind, 0) + 1
        self._remember(order, who, False, says)

    def _remember(self, order: Order | None, who: str, obeyed: bool, says: str) -> None:
        named = {"order": order.id, "verb": order.verb, "target": order.target} if order is not None else {}
        wall = self._daemon.clock.wall(self._daemon.clock())
        self._last = {**named, "who": who, "obeyed": obeyed, "says": says, "at": wall}


def _utc(at_ms: int) -> str:
    """This returns a wall time for people."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms / 1000))
    except (OverflowError, ValueError, OSError):
        return f"{at_ms} ms"

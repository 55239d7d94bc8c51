"""This is the door for a guest on the device's connection: a few topics in, a few retained messages out, all in the ledger."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec

from sickbay.edge.uplink.budget import Budget
from sickbay.edge.uplink.session import Session

COUNTED_S = 900.0  # so long regular messages of one kind are counted together, in one line of the ledger


class Say(Protocol):
    """How a guest speaks: a retained message that leaves now. Returns whether the broker took it.

    `regular` ones are counted together in the ledger, and wait for better days where the day's bytes run short.
    """

    async def __call__(self, topic: str, payload: bytes, what: str, why: str, *, regular: bool = False) -> bool: ...


class Guest(Protocol):
    """Who uses the connection beside the outbox. Nothing of it is kept, and nothing of the outbox waits for it."""

    @property
    def topics(self) -> Sequence[str]: ...

    def heard(self, topic: str, payload: bytes, retained: bool) -> None: ...

    async def speak(self, say: Say) -> None:
        """This is run anew on each connection, and cancelled with it."""


class Door:
    """The one way in and out for a guest. In the ledger, a quarter of an hour's regular messages are one line.

    A power cut costs the count of those, and no more.
    """

    def __init__(
        self,
        guest: Guest | None,
        line: Callable[[str, bytes, str, str], Any],
        ledger_add: Callable[[Sequence[Any], bool], Awaitable[None]],
        budget: Budget,
        fits: Callable[[Session, str, bytes], bool],
        judge: Callable[[str, str, Any], None],
        now_s: Callable[[], float],
    ) -> None:
        self.guest = guest
        self._line, self._ledger_add, self._budget, self._now_s = line, ledger_add, budget, now_s
        self._fits, self._judge = fits, judge
        self._since_s = 0.0
        # Topic, what and why: how many, and a line with the bytes of them all.
        self._counted: dict[tuple[str, str, str], tuple[int, Any]] = {}

    def topics(self) -> Sequence[str]:
        """This returns what the guest wants to hear."""
        return self.guest.topics if self.guest is not None else ()

    def heard(self, topic: str, payload: bytes, retained: bool) -> bool:
        """This hands on a message, and returns whether it was the guest's."""
        if self.guest is None or topic not in self.guest.topics:
            return False
        self.guest.heard(topic, payload, retained)
        return True

    async def open(self, session: Session) -> None:
        """This lets the guest speak until the connection ends; where it has no more to say, that ends nothing."""
        await self.write_counted()
        if self.guest is not None:

            async def say(topic: str, payload: bytes, what: str, why: str, *, regular: bool = False) -> bool:
                if not self._fits(session, topic, payload) or not self._leaves(topic, payload, regular):
                    return False
                await self._note(self._line(topic, payload, what, why), regular)
                reason = await session.put(topic, payload, retain=True)
                self._judge("publish", topic, reason)
                return not reason.is_failure

            await self.guest.speak(say)
        await asyncio.get_running_loop().create_future()

    async def write_counted(self) -> None:
        """This writes what was counted into the ledger."""
        counted, self._counted = self._counted, {}
        lines = [
            line if count == 1 else msgspec.structs.replace(line, what=f"{line.what} x{count}")
            for count, line in counted.values()
        ]
        if lines:
            await self._ledger_add(lines, True)

    def _leaves(self, topic: str, payload: bytes, regular: bool) -> bool:
        if not regular or self._budget.lets("heartbeat", len(topic) + len(payload)):
            return True
        self._budget.stretch("guest")
        return False

    async def _note(self, line: Any, regular: bool) -> None:
        if regular:
            self._count(line)
        else:
            await self._ledger_add([line], False)
        if self._counted and self._now_s() - self._since_s >= COUNTED_S:
            await self.write_counted()

    def _count(self, line: Any) -> None:
        if not self._counted:
            self._since_s = self._now_s()
        key = line.topic, line.what, line.why
        count, before = self._counted.get(key, (0, line))
        size = before.bytes + line.bytes if count else line.bytes
        self._counted[key] = count + 1, msgspec.structs.replace(line, bytes=size)

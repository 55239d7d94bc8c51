"""This is the door for somebody else on the device's connection: a few topics in, a few retained messages out, all in the ledger."""

from collections.abc import Sequence
from typing import Protocol

from sickbay.edge.uplink.words import Line

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

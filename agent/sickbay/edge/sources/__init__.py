"""These are the drivers that turn hardware into facts. Each runs as one asyncio task and never raises for what hardware does."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from sickbay.core.reading import LineState, Reading

Sink = Callable[[Reading | LineState], None]  # never blocks; the daemon bounds it
Clock = Callable[[], int]  # monotonic milliseconds since the daemon started


class Probe(msgspec.Struct, frozen=True):
    """What `sickbay check` says of one source or output."""

    name: str
    ok: bool
    detail: str


class Driver(Protocol):
    """One source. `run` goes on until cancelled; a missing device is reported once, awaited and picked up."""

    name: str

    async def run(self) -> None: ...

    async def probe(self, wait_s: float) -> Probe: ...

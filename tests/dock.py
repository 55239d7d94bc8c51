"""A device and the receiving end in real time on a real broker: a real journal and uplink here, a real intake and store there."""

import asyncio
import contextlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sickbay import wire
from sickbay.config import Mqtt
from sickbay.edge.journal import Journal, OutboxRow
from sickbay.edge.uplink import Timing, Uplink
from sickbay_fleet import intake, settings
from sickbay_fleet.store import Store, tickets
from sickbay_fleet.ticket import Ticket

DEVICE = "dock-1"
QUICK = Timing(backoff_first_s=0.05, backoff_max_s=0.2, receipt_s=1.0, receipt_max_s=2.0, reason_scale=0.001)
KINDS = {"opened": wire.OPENED, "updated": wire.UPDATED, "closed": wire.CLOSED}


def row(fault: str, revision: int = 1, kind: str = "opened", severity: str = "major", size: int = 600) -> OutboxRow:
    """This returns one message of a fault's story, as the daemon would put it into the outbox."""
    told = wire.Escalation(
        fault, revision, DEVICE, "flow", "stuck", "sensor", severity, "flow stands still " + "x" * size
    )
    event = wire.CloudEvent(
        specversion="1.0",
        id=f"{fault}.r{revision}",
        source=f"sickbay/{DEVICE}",
        type=KINDS[kind],
        subject=fault,
        time=datetime.now(UTC).isoformat(),
        timequality="synced",
        data=wire.msgspec.to_builtins(told),
    )
    topic = wire.topic("sickbay/1", DEVICE, "up/escalation")
    return OutboxRow(event.id, fault, severity, kind, topic, wire.encode(event), 1e12, '[mqtt] url = "..."')


class Dock:
    """`with` it, tell it rows, and look at what the fleet `saw`: ticket id to the loop's time at which it stood in the store."""

    def __init__(
        self, folder: Path, url: str, timing: Timing = QUICK, fleet_url: str = "", options: Any = None, **mqtt: Any
    ) -> None:
        """`options` are the uplink's own, `mqtt` keys of [mqtt]."""
        self.folder, self._mqtt, self._timing = folder, Mqtt(url=url, **mqtt), timing
        self._options = options or {}
        self._fleet_mqtt = Mqtt(url=fleet_url or url)
        self.told: dict[str, float] = {}
        self.saw: dict[str, float] = {}
        self.open: list[wire.OpenFault] = []
        self.closed: list[wire.OpenFault] = []
        self.lacks: list[str] = []
        self._fleet: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Dock":
        self.journal = Journal(self.folder / "device")
        self._pool = ThreadPoolExecutor(1)
        self.uplink = Uplink(
            self._mqtt,
            DEVICE,
            pending=lambda limit: self._call(self.journal.pending, limit),
            forget=lambda ids: self._call(self.journal.forget, ids),
            ledger_add=lambda lines, lazy: self._call(self.journal.ledger_add, lines, lazy),
            on_receipt=lambda ids: None,
            on_lacks=self.lacks.extend,
            on_command=lambda payload: None,
            birth=lambda: wire.encode(wire.State(DEVICE, "up", self.journal.boot)),
            digest=lambda: wire.encode(wire.Digest(DEVICE, self.open, self.journal.boot, closed=self.closed)),
            timing=self._timing,
            **self._options,
        )
        self._running = asyncio.create_task(self.uplink.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.fleet_goes()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        self._pool.shutdown()
        self.journal.close()

    async def _call(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    @property
    def database(self) -> Path:
        return self.folder / "fleet.db"

    def fleet_comes(self) -> None:
        """This starts the receiving end."""
        now = lambda: datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: E731
        self._store = Store(self.database, now)
        found = settings.Settings(self._fleet_mqtt, settings.Store(f"sqlite:///{self.database}"))
        self._fleet = asyncio.create_task(intake.serve(found, self._store, self._say, (0.05, 0.2)))

    async def fleet_goes(self) -> None:
        """This ends it."""
        if self._fleet is not None:
            self._fleet.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._fleet
            self._fleet = None
            self._store.close()

    def _say(self, line: str) -> None:
        found = re.search(r"\(([^() ]+)\): (?:opened|updated|closed)", line)
        if found:
            self.saw.setdefault(found[1], asyncio.get_running_loop().time())

    async def tell(self, rows: Sequence[OutboxRow]) -> None:
        """This puts messages into the outbox."""
        await self._call(self.journal.commit, None, rows)
        for each in rows:
            self.told.setdefault(each.fault_id, asyncio.get_running_loop().time())
        self.uplink.wake()

    def tickets(self) -> list[Ticket]:
        return tickets(self.database)


async def until(condition: Any, within_s: float = 25.0) -> Any:
    """This waits for what must come; the bound only ends what has failed anyway."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while not (answer := condition()):
        if loop.time() > end:
            raise AssertionError("did not come")
        await asyncio.sleep(0.005)
    return answer

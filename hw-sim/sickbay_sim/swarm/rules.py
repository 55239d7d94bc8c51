"""These are the rules by which the agent's uplink empties an outbox, without its loop: what goes now, what goes again and when.

`sickbay.edge.uplink.uplink` holds the same rules around asyncio and a socket. Its constants are taken from there; a test lets both
empty the same outbox and compares.
"""

from collections.abc import Sequence

from sickbay.edge.uplink import Timing
from sickbay.edge.uplink.session import IN_FLIGHT_MAX

WITHOUT_RECEIPT = 3  # after so many tries a row no longer holds up those behind it
SET_BACK_MAX = 200
PUT_MS = 30_000  # so long a publish waits for its PUBACK; then the connection counts as broken
CONNECT_MS = 10_000  # so long a connect waits for its answer


class Sending:
    """One device's memory of what it sent. Times are milliseconds of any one clock."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._tries: dict[str, int] = {}
        self._again_ms: dict[str, int] = {}

    def connected(self) -> None:
        """This is a new connection: everything without a receipt goes again."""
        self._again_ms.clear()

    def wanted(self) -> int:
        """This returns how many rows of the outbox are looked at."""
        set_back = sum(tries >= WITHOUT_RECEIPT for tries in self._tries.values())
        return IN_FLIGHT_MAX + min(set_back, SET_BACK_MAX)

    def due(self, ids: Sequence[str], at_ms: int) -> list[str]:
        """This returns what of the first rows of the outbox leaves now."""
        if len(self._tries) > 10 * SET_BACK_MAX:  # rows that were shed meanwhile
            self._tries = {id_: self._tries[id_] for id_ in ids if id_ in self._tries}
        return [id_ for id_ in ids if self._again_ms.get(id_, 0) <= at_ms][:IN_FLIGHT_MAX]

    def sent(self, id_: str, at_ms: int) -> None:
        """This notes that a row leaves."""
        tries = self._tries[id_] = self._tries.get(id_, 0) + 1
        wait_s = min(self._timing.receipt_max_s, self._timing.receipt_s * 2.0 ** min(tries - 1, 30))
        self._again_ms[id_] = at_ms + round(wait_s * 1000)

    def soonest_ms(self, ids: Sequence[str], at_ms: int) -> int:
        """This returns when to look again, where nothing is due."""
        return min((self._again_ms[id_] for id_ in ids), default=at_ms + round(self._timing.receipt_s * 1000))

    def received(self, ids: Sequence[str]) -> None:
        """This notes receipts."""
        for id_ in ids:
            self._tries.pop(id_, None)
            self._again_ms.pop(id_, None)

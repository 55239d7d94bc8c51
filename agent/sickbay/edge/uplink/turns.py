"""This decides whose turn it is: which messages of the outbox go now, and when the others do."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from sickbay.edge.uplink.budget import CRITICAL, Budget
from sickbay.edge.uplink.session import IN_FLIGHT_MAX
from sickbay.edge.uplink.waits import Holds

_WITHOUT_RECEIPT = 3  # after so many tries a row no longer holds up those behind it
_SET_BACK_MAX = 200


class Row(Protocol):
    """What the uplink needs to know of a message in the outbox."""

    @property
    def id(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def created(self) -> float: ...


class Timing(msgspec.Struct, frozen=True):
    """How long things take."""

    backoff_first_s: float = 1.0
    backoff_max_s: float = 300.0
    steady_s: float = 30.0  # a connection that held so long starts the backoff afresh
    receipt_s: float = (
        60.0  # then a row without receipt goes again; doubles with each try, and starts afresh when the fleet asks
    )
    receipt_max_s: float = 7200.0
    heartbeat_s: float = 300.0
    reason_scale: float = 1.0  # of the waits that a broker's reason codes call for


class Turns:
    """The tries of each row, the topics that are held back, and the day's bytes. Times are the loop's."""

    def __init__(self, timing: Timing, holds: Holds, budget: Budget, now: Callable[[], float]) -> None:
        self._timing, self._holds, self._budget, self._now = timing, holds, budget, now
        self._tries: dict[str, int] = {}
        self._again_at: dict[str, float] = {}
        self._stretched: set[str] = set()

    def limit(self) -> int:
        """This returns how many rows to look at: those that wait must not hide those behind them."""
        set_back = sum(tries >= _WITHOUT_RECEIPT for tries in self._tries.values()) + len(self._stretched)
        return IN_FLIGHT_MAX + min(set_back, _SET_BACK_MAX)

    def due(self, rows: Sequence[Row], most: int) -> list[Row]:
        """This returns the rows that go now, and counts those that the day's bytes hold back."""
        if len(self._tries) > 10 * _SET_BACK_MAX:  # rows that were shed meanwhile
            self._tries = {row.id: self._tries[row.id] for row in rows if row.id in self._tries}
        self._stretched &= {row.id for row in rows}
        out: list[Row] = []
        trying: set[str] = set()
        size = 0  # of those that go now: they are not spent yet
        for row in rows:
            if len(out) == most:
                break
            if self._again_at.get(row.id, 0.0) > self._now() or not self._topic_lets(row, trying):
                continue
            if not self._budget.lets(urgency(row), size + len(row.payload)):
                self._again_at[row.id] = self._now() + self._budget.eases_s()
                if row.id not in self._stretched:
                    self._stretched.add(row.id)
                    self._budget.stretch(urgency(row))
                continue
            self._stretched.discard(row.id)
            out.append(row)
            size += len(row.payload)
        return out

    def _topic_lets(self, row: Row, trying: set[str]) -> bool:
        until = self._holds.until(row.topic)
        if until is None:
            return True
        if until > self._now() or row.topic in trying:
            return False
        trying.add(row.topic)  # one message tries whether the topic is free again
        return True

    def soonest(self, rows: Sequence[Row]) -> float:
        """This returns when the next of these rows may go."""
        times = [max(self._again_at.get(row.id, 0.0), self._holds.until(row.topic) or 0.0) for row in rows]
        return min(times, default=self._now() + self._timing.receipt_s)

    def tried(self, row: Row) -> None:
        """This notes that a row goes now: without a receipt it goes again, later each time."""
        tries = self._tries[row.id] = self._tries.get(row.id, 0) + 1
        wait = min(self._timing.receipt_max_s, self._timing.receipt_s * 2.0 ** min(tries - 1, 30))
        self._again_at[row.id] = self._now() + wait

    def settled(self, ids: Iterable[str]) -> None:
        """This forgets rows that the fleet holds."""
        for id_ in ids:
            self._tries.pop(id_, None)
            self._again_at.pop(id_, None)

    def again(self) -> None:
        """This lets everything without a receipt go again: on a new connection, or when the fleet is back."""
        self._again_at.clear()


def urgency(row: Row) -> str:
    """This returns who a message is to the day's bytes."""
    if row.severity == CRITICAL:
        return CRITICAL
    return "updated" if row.kind == "updated" else "other"


def what(row: Row) -> str:
    """This returns what a message is, for the ledger: "escalation.opened", "answer.obeyed"."""
    return f"{row.topic.rpartition('/')[2]}.{row.kind}"

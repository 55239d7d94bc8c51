"""This is how many bytes may leave in a day, and who waits when they run short: never what is critical."""

from collections import deque
from collections.abc import Callable
from typing import Any

DAY_S, SLOT_S = 86_400.0, 3600.0
# From so much of the day's bytes on a class waits. The last tenth is nobody's but what is critical, which may go beyond it.
WAITS_FROM = {"heartbeat": 0.5, "updated": 0.7, "other": 0.9}
HEARTBEAT_TIMES = 12  # from there on a heartbeat comes so much more rarely
CRITICAL = "critical"


class Budget:
    """The bytes of the last 24 hours, in hours, on a clock that no one can set."""

    def __init__(self, bytes_per_day: int, now: Callable[[], float], spent: int = 0) -> None:
        """`bytes_per_day` 0 is no bound. `spent` is what left in the day before this start."""
        self.day_bytes = bytes_per_day
        self._now = now
        self._slots: deque[tuple[float, int]] = deque()
        self.by_class: dict[str, int] = {}
        self.stretched: dict[str, int] = {}  # how often a class had to wait
        if spent:
            self._slots.append((self._slot(), spent))

    def spend(self, class_: str, size: int) -> None:
        """This notes bytes that leave."""
        slot = self._slot()
        if self._slots and self._slots[-1][0] == slot:
            self._slots[-1] = slot, self._slots[-1][1] + size
        else:
            self._slots.append((slot, size))
        self.by_class[class_] = self.by_class.get(class_, 0) + size
        self._age()

    def spent(self) -> int:
        """This returns the bytes of the last 24 hours."""
        self._age()
        return sum(size for _, size in self._slots)

    def lets(self, urgency: str, size: int = 0) -> bool:
        """This returns whether a message may leave now. `urgency` is critical, other, updated or heartbeat."""
        if not self.day_bytes or urgency == CRITICAL:
            return True
        return self.spent() + size <= self.day_bytes * WAITS_FROM[urgency]

    def stretch(self, urgency: str) -> None:
        """This counts a message that has to wait."""
        self.stretched[urgency] = self.stretched.get(urgency, 0) + 1

    def eases_s(self) -> float:
        """This returns in how many seconds the oldest hour falls out of the day."""
        self._age()
        return max(1.0, self._slots[0][0] + SLOT_S + DAY_S - self._now()) if self._slots else SLOT_S

    def status(self) -> dict[str, Any]:
        """This returns what was spent, of how much, and who had to wait."""
        return {
            "day_bytes": self.spent(),
            "day_bytes_max": self.day_bytes,
            "by_class": dict(self.by_class),
            "stretched": dict(self.stretched),
        }

    def _slot(self) -> float:
        return self._now() // SLOT_S * SLOT_S

    def _age(self) -> None:
        before = self._now() - DAY_S - SLOT_S
        while self._slots and self._slots[0][0] <= before:
            self._slots.popleft()

"""This is what is to happen to one device, in the order of its time, and among equals in the order of its coming."""

import heapq
import itertools
from collections.abc import Callable

Act = Callable[[int], None]  # is given the time at which it happens
NEVER_MS = 1 << 62


class Agenda:
    """Virtual time in milliseconds, as far as one device has come. Nothing is ever put before now."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.next_ms = NEVER_MS  # when the earliest is due
        self._count = itertools.count()
        self._waiting: list[tuple[int, int, Act]] = []

    def at(self, at_ms: int, act: Act) -> None:
        """This lets something happen at a time, at the soonest now."""
        heapq.heappush(self._waiting, (max(at_ms, self.now_ms), next(self._count), act))
        self.next_ms = self._waiting[0][0]

    def one(self) -> None:
        """This lets the earliest happen."""
        self.now_ms, _, act = heapq.heappop(self._waiting)
        self.next_ms = self._waiting[0][0] if self._waiting else NEVER_MS
        act(self.now_ms)

    def __len__(self) -> int:
        return len(self._waiting)

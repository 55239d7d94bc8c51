"""This is the swarm's one clock: what is to happen, in the order of its time, and among equals in the order of its coming."""

import heapq
import itertools
from collections.abc import Callable

Act = Callable[[int], None]  # is given the time at which it happens


class Agenda:
    """Virtual time in milliseconds. Nothing is ever put before now."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.peak = 0  # how much waited at most
        self._count = itertools.count()
        self._waiting: list[tuple[int, int, Act]] = []

    def at(self, at_ms: int, act: Act) -> None:
        """This lets something happen at a time, at the soonest now."""
        heapq.heappush(self._waiting, (max(at_ms, self.now_ms), next(self._count), act))
        self.peak = max(self.peak, len(self._waiting))

    def until(self, end_ms: int) -> None:
        """This lets everything happen that is due before `end_ms`, which is now after that."""
        waiting = self._waiting
        while waiting and waiting[0][0] < end_ms:
            at_ms, _, act = heapq.heappop(waiting)
            self.now_ms = at_ms
            act(at_ms)
        self.now_ms = end_ms

    def __len__(self) -> int:
        return len(self._waiting)

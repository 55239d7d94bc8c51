"""This is what is under way between a site's devices, its broker and its fleet, and whom it may reach.

A device that nothing under way is about can hear nothing from outside, and so may run ahead of the others (`swarm/pace.py`).
"""

import heapq
import itertools
from collections.abc import Collection

from sickbay_sim.swarm.agenda import NEVER_MS, Act

SITE = -1  # the origin of what the broker and the fleet do by themselves


class UnderWay:
    """The site's own time. Among what happens in one millisecond the origin's number decides, then the order of its coming.

    So the order is the same whichever device's turn came first.
    """

    def __init__(self) -> None:
        self.now_ms = 0
        self._count = itertools.count()
        self._waiting: list[tuple[int, int, int, Act, Collection[str]]] = []
        self._about: dict[str, int] = {}

    def at(self, at_ms: int, act: Act, about: Collection[str], origin: int = SITE) -> None:
        """This lets something happen; only the devices that it is `about` can notice."""
        assert at_ms >= self.now_ms, f"{at_ms} ms is over: it is {self.now_ms} ms"
        heapq.heappush(self._waiting, (at_ms, origin, next(self._count), act, about))
        for device in about:
            self.hold(device)

    def hold(self, device: str) -> None:
        """This says that something else is about a device, until `release`: it waits in the fleet's hands, say."""
        self._about[device] = self._about.get(device, 0) + 1

    def release(self, device: str) -> None:
        left = self._about[device] - 1
        if left:
            self._about[device] = left
        else:
            del self._about[device]

    def is_about(self, device: str) -> bool:
        """This returns whether anything under way may reach a device."""
        return device in self._about

    def first(self) -> tuple[int, int]:
        """This returns when the earliest is due, and its origin."""
        return self._waiting[0][:2] if self._waiting else (NEVER_MS, SITE)

    def one(self) -> Collection[str]:
        """This lets the earliest happen, and returns whom it was about."""
        self.now_ms, _, _, act, about = heapq.heappop(self._waiting)
        act(self.now_ms)
        for device in about:
            self.release(device)
        return about

    def __len__(self) -> int:
        return len(self._waiting)

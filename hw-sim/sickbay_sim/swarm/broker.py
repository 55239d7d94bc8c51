"""This is a site's broker: it says PUBACK before anybody has the message, keeps sessions, and forgets all of them when killed.

It behaves as Mosquitto does with its defaults: what a session cannot take is queued up to a bound and dropped beyond it, without a
word to the sender.
"""

import random
from collections import deque
from collections.abc import Callable

from sickbay_fleet.store import Arrived
from sickbay_sim.swarm.under_way import UnderWay

QUEUED_MAX = 1000  # mosquitto.conf(5), max_queued_messages
LATE_MS = 5000  # how late the second copy of a message comes, at most
LATENCY_MS = (2, 40)  # between the broker and the fleet, least and most


class Broker:
    """The middle. `hand_over` is the fleet's ear; devices put their own into `ears` while they are connected."""

    def __init__(self, under_way: UnderWay, chance: random.Random, twice: float) -> None:
        self.up = True
        self.fleet_there = True
        self.hand_over: Callable[[Arrived, bool, int], None] = lambda arrived, kept, at_ms: None
        self.ears: dict[str, Callable[[bytes, int], bool]] = {}  # returns whether it was heard: a PUBACK from there
        self.on_kill: list[Callable[[int], None]] = []
        self.forgotten = self.dropped = self.repeated = 0
        self._under_way, self._chance, self._twice = under_way, chance, twice
        self._life = 0
        self._kept: dict[str, Arrived] = {}  # each device's latest state: it is retained
        self._up: deque[Arrived] = deque()  # for the fleet, while it is not there
        self._down: dict[str, deque[bytes]] = {}  # for devices that are not there
        self._on_its_way = 0
        self._arrives_ms = 0

    def publish(self, arrived: Arrived, at_ms: int) -> None:
        """This takes a message of a device. The PUBACK for it is on its way whatever becomes of the message."""
        if arrived.leaf == "state":
            self._kept[arrived.device] = arrived
        if not self.fleet_there:
            if len(self._up) < QUEUED_MAX:
                self._up.append(arrived)
            else:
                self.dropped += 1
            return
        self._to_fleet(arrived, at_ms)
        if self._chance.random() < self._twice:
            self.repeated += 1
            late_ms = at_ms + self._chance.randrange(LATE_MS)
            self._under_way.at(late_ms, lambda then_ms: self._to_fleet(arrived, then_ms), (arrived.device,))

    def _to_fleet(self, arrived: Arrived, at_ms: int, kept: bool = False) -> None:
        """This sends on: in the order of coming, as a session does."""
        life = self._life
        self._arrives_ms = max(self._arrives_ms, at_ms + self._chance.randint(*LATENCY_MS))
        self._on_its_way += 1

        def arrive(then_ms: int) -> None:
            if life != self._life:
                return
            self._on_its_way -= 1
            if self.fleet_there:
                self.hand_over(arrived, kept, then_ms)
            elif not kept:
                self._up.append(arrived)  # not acknowledged: the session keeps it

        self._under_way.at(self._arrives_ms, arrive, (arrived.device,))

    def fleet_back(self, at_ms: int) -> None:
        """This is the fleet's session taken up again: what is retained comes, and what was queued."""
        self.fleet_there = True
        waiting, self._up = self._up, deque()
        for state in self._kept.values():
            self._to_fleet(state, at_ms, kept=True)
        for arrived in waiting:
            self._to_fleet(arrived, at_ms)

    def receipt(self, device: str, payload: bytes, at_ms: int) -> None:
        """This takes a message for a device."""
        queue = self._down.setdefault(device, deque(maxlen=QUEUED_MAX))
        queue.append(payload)
        self._deliver(device, at_ms)

    def attached(self, device: str, ear: Callable[[bytes, int], bool], at_ms: int) -> None:
        """This is a device's session taken up again."""
        self.ears[device] = ear
        self._deliver(device, at_ms)

    def detached(self, device: str) -> None:
        self.ears.pop(device, None)

    def _deliver(self, device: str, at_ms: int) -> None:
        ear, queue = self.ears.get(device), self._down.get(device)
        while ear is not None and queue and ear(queue[0], at_ms):
            queue.popleft()
        if queue is not None and not queue:
            del self._down[device]

    def kill(self, at_ms: int) -> None:
        """This is kill -9 of a broker without a disk: every session, and all that it had said PUBACK to, is gone."""
        self.forgotten += self._on_its_way + len(self._up) + sum(map(len, self._down.values()))
        self._life += 1
        self._on_its_way = 0
        self._up.clear()
        self._down.clear()
        self._kept.clear()
        self.up = False
        self.ears.clear()
        for broken in self.on_kill:
            broken(at_ms)

    def restart(self, at_ms: int) -> None:
        self.up = True

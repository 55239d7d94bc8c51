"""This lets each device run ahead of the others, as long as nothing from outside can reach it.

A device at a time is several times faster than all of them second by second: its state stays in the processor's cache. What a
device does by itself (rows, ticks, commits, its link's spells, kills) concerns nobody else. It meets the others only where it
hands something to the broker; from then on, until nothing under way is about it any more, it goes in step with the site, event
by event. What befalls all at once (a broker killed, a look at the invariants) stands between two slices. So how long a slice
is changes no result.
"""

import heapq
import time
from collections.abc import Iterable

from sickbay_sim.swarm.device import Device
from sickbay_sim.swarm.under_way import UnderWay


class Pace:
    """Whose turn it is at one site. Devices are numbered from 0 in their order."""

    def __init__(self, devices: Iterable[Device], under_way: UnderWay) -> None:
        self.events_s = 0.0  # on the wall: what was not a row
        self._devices, self._under_way = list(devices), under_way
        self._by_name = {device.name: device for device in self._devices}

    def until(self, end_ms: int) -> None:
        """This lets everything happen that is due before `end_ms`."""
        under_way, devices, clock = self._under_way, self._devices, time.perf_counter
        due = [(device.next_ms(), device.number) for device in devices]
        heapq.heapify(due)
        while True:
            # A device that heard something may be due earlier than when it was entered.
            while due and due[0][0] != devices[due[0][1]].next_ms():
                heapq.heappop(due)
            message = under_way.first()
            if due and due[0] < message:
                if due[0][0] >= end_ms:
                    return
                device = devices[heapq.heappop(due)[1]]
                self._ahead(device, end_ms)
                heapq.heappush(due, (device.next_ms(), device.number))
            else:
                if message[0] >= end_ms:
                    return
                began = clock()
                for name in under_way.one():
                    device = self._by_name[name]
                    heapq.heappush(due, (device.next_ms(), device.number))
                self.events_s += clock() - began

    def _ahead(self, device: Device, end_ms: int) -> None:
        """This lets a device do the next thing, and all that follows while nothing is about it."""
        agenda, name, is_about = device.agenda, device.name, self._under_way.is_about
        while True:
            if device.row_ms <= agenda.next_ms:
                device.row()
            else:
                began = time.perf_counter()
                agenda.one()
                self.events_s += time.perf_counter() - began
            if is_about(name) or device.next_ms() >= end_ms:
                return

    def all_at(self, at_ms: int) -> None:
        """This says that everybody has come to that time."""
        self._under_way.now_ms = at_ms
        for device in self._devices:
            device.agenda.now_ms = at_ms

"""This is what befalls the device itself in a story: when it is killed, when its disk is full, when its broker is away. Pure."""

from collections.abc import Iterable, Iterator

from sickbay_sim.ailments import severity_at
from sickbay_sim.scenario import Fault

BROKER_AWAY = ("broker_outage", "broker_refusal", "broker_half_open")
# What is carried out on a device; a wall clock that leaps moves nothing in a node, and that is the point of such a story.
DEVICE_KINDS = (*BROKER_AWAY, "broker_slow", "disk_full", "kill", "clock_step", "clock_1970", "clock_backwards")
BROKER_SLOW_S = 30.0  # how late the broker answers at severity 1, as the kind's meaning says
STEP_S = 1.0


def edges(fault: Fault, end_s: float) -> Iterator[tuple[float, bool]]:
    """This yields (at_s, there or gone) for a fault that is either there or not, until the story's end."""
    if fault.shape != "intermittent":
        yield fault.at_s, True
        if fault.until_s is not None and fault.until_s < end_s:
            yield fault.until_s, False
        return
    at_s = fault.at_s
    until_s = end_s if fault.until_s is None else min(fault.until_s, end_s)
    while at_s < until_s:
        yield at_s, True
        yield min(at_s + fault.duty * fault.over_s, until_s), False
        at_s += fault.over_s


class Broker:
    """The way to the fleet: how long a message that leaves now takes until the fleet has committed it."""

    def __init__(self, faults: Iterable[Fault], end_s: float, commit_s: float) -> None:
        self._faults = [f for f in faults if f.kind in BROKER_AWAY or f.kind == "broker_slow"]
        self._end_s = end_s
        self._commit_s = commit_s

    def committed_s(self, at_s: float) -> float | None:
        """This returns when a message that leaves at `at_s` is committed; None where that is not in this story."""
        if not self._faults:
            return at_s + self._commit_s
        while any(f.kind in BROKER_AWAY and severity_at(f, at_s) > 0 for f in self._faults):
            at_s += STEP_S
            if at_s > self._end_s:
                return None
        slow = sum(severity_at(f, at_s) for f in self._faults if f.kind == "broker_slow")
        return at_s + self._commit_s + BROKER_SLOW_S * slow

"""These are the clocks of the swarm: each device's own, which stands still while it is off, and the right time."""

from collections.abc import Callable
from datetime import UTC, datetime

from sickbay.daemon.times import Clock, Epoch
from sickbay_sim.keeping import BIRTH


class SwarmClock(Clock):
    """The daemon's clock, told by the agenda: it goes on from where the memory ended, and stood still while the device was off."""

    def __init__(self, base_ms: int, epochs: list[Epoch], now: Callable[[], int], wall_s: Callable[[], float]) -> None:
        super().__init__(base_ms, epochs)
        self._now, self._wall_s = now, wall_s
        self.skew_ms = now() - base_ms

    def __call__(self) -> int:
        return self._now() - self.skew_ms

    def uptime_s(self) -> float:
        return (self() - self._base_ms) / 1000

    def epochs(self) -> list[Epoch]:
        return [*self._past, (self._base_ms, self._wall_s() - self.uptime_s())]


def wall_of(at_ms: int) -> str:
    """This returns the right wall time of a moment of the swarm."""
    return datetime.fromtimestamp(BIRTH.timestamp() + at_ms / 1000, UTC).isoformat(timespec="milliseconds")

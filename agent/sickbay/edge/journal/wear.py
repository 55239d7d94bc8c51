"""This counts what the flash has to bear, and says when to be thrifty."""

import time
from collections.abc import Callable

import msgspec

DAY_BYTES_MAX = 25_000_000
PAGE_BYTES = 4096
HOURS = 24
_HOUR_S = 3600.0
_WRITE_BACK_S = 30.0
_THRIFTY, _MEAN = 0.6, 0.9  # shares of a day's bytes
_ENDS_PAGES = (
    3  # an append dirties its first and last page twice, and one of the file system: 10 % off the kernel's count
)


class _Kept(msgspec.Struct, array_like=True):
    lived_s: float
    hours: list[tuple[int, int, int]]
    bytes: int
    bursts: int


class Wear:
    """Bytes and synced bursts, ever and in the last 24 hours that the device ran.

    Time here is the time that this device has lived, which no clock can step: a wall clock that jumps by a year must
    neither forgive a day's wear nor make a message old. While the device is off it stands still.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, day_bytes_max: int = DAY_BYTES_MAX) -> None:
        self._monotonic, self.day_bytes_max = monotonic, day_bytes_max
        self._began = monotonic()
        self._base_s = 0.0
        self._hours: dict[int, list[int]] = {}  # hour of life: [bytes, bursts]
        self.bytes = self.bursts = 0  # ever
        self.unsaved_bytes = 0
        self._appended = 0
        self._appended_s = -_WRITE_BACK_S

    def lived_s(self) -> float:
        """This returns how long the device has run, all its starts together."""
        return self._base_s + self._monotonic() - self._began

    def at_least(self, lived_s: float) -> None:
        """This lets life have lasted that long already: what was kept may be older than the rows beside it."""
        self._base_s += max(0.0, lived_s - self.lived_s())

    def spend(self, written: int, bursts: int) -> None:
        """This counts bytes that went to the disk in so many synced bursts; 0 bursts for an append that nobody syncs."""
        pages = -(-written // PAGE_BYTES) + _ENDS_PAGES * max(1, bursts)
        size = pages * PAGE_BYTES
        hour = int(self.lived_s() // _HOUR_S)
        spent = self._hours.setdefault(hour, [0, 0])
        spent[0] += size
        spent[1] += bursts
        self.bytes += size
        self.bursts += bursts
        self.unsaved_bytes += size
        for old in [h for h in self._hours if h <= hour - HOURS]:
            del self._hours[old]

    def append(self, written: int) -> None:
        """This counts bytes that nobody syncs: the kernel writes them out twice a minute, whole pages each time."""
        self._appended += written
        if self._appended and self.lived_s() - self._appended_s >= _WRITE_BACK_S:
            self._appended_s = self.lived_s()
            self.spend(self._appended, 0)
            self._appended = 0

    def day(self) -> tuple[int, int]:
        """This returns bytes and bursts of the last 24 hours."""
        since = int(self.lived_s() // _HOUR_S) - HOURS
        spent = [s for hour, s in self._hours.items() if hour > since]
        return sum(s[0] for s in spent), sum(s[1] for s in spent)

    def thrift(self) -> int:
        """This returns 0 while there is plenty; 1 beyond 60 % of a day's bytes, 2 beyond 90 %: write less."""
        spent = self.day()[0]
        return (spent > _THRIFTY * self.day_bytes_max) + (spent > _MEAN * self.day_bytes_max)

    def saved(self) -> bytes:
        """This returns all of it as it is kept on the disk."""
        hours = [(hour, spent[0], spent[1]) for hour, spent in self._hours.items()]
        return msgspec.msgpack.encode(_Kept(self.lived_s(), hours, self.bytes, self.bursts))

    def take_up(self, raw: bytes) -> None:
        """This goes on from what was kept, on top of what was counted since; what cannot be read is left."""
        try:
            kept = msgspec.msgpack.decode(raw, type=_Kept)
        except msgspec.MsgspecError:
            return
        shift = int((self.lived_s() + kept.lived_s) // _HOUR_S) - int(self.lived_s() // _HOUR_S)
        self._hours = {hour + shift: spent for hour, spent in self._hours.items()}
        self._base_s += kept.lived_s
        for hour, size, bursts in kept.hours:
            spent = self._hours.setdefault(hour, [0, 0])
            spent[0] += size
            spent[1] += bursts
        self.bytes += kept.bytes
        self.bursts += kept.bursts

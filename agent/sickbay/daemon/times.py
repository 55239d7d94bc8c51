"""This is the device's two clocks: one that only goes forward, and the wall's, with how far it can be trusted."""

import ctypes
import time
from datetime import UTC, datetime

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


class Clock:
    """Milliseconds since the device's memory began: it goes on from `base_ms` after a restart, and never goes back."""

    def __init__(self, base_ms: int = 0) -> None:
        self._base_ms = base_ms
        self._start_ns = time.monotonic_ns()

    def __call__(self) -> int:
        return self._base_ms + (time.monotonic_ns() - self._start_ns) // 1_000_000

    def uptime_s(self) -> float:
        """This returns seconds since this process started its clock."""
        return (time.monotonic_ns() - self._start_ns) / 1e9

    def wall(self, at_ms: int) -> str:
        """This returns RFC 3339 in UTC for a time of this clock, by what the wall says now."""
        at_s = time.time() - (self() - at_ms) / 1000
        return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def trim_memory() -> None:
    """This gives back to the system what starting left free in the C heap: about a megabyte. malloc_trim(3), glibc only."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class _Timex(ctypes.Structure):
    # Only the size matters: modes = 0 reads, and the answer used is the return value. 208 bytes on 64 bit, less on 32.
    _fields_ = [("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 252)]


def time_quality() -> str:
    """This returns "synced" when the kernel knows its clock to be disciplined, else "unsynced". adjtimex(2)."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(_Timex()))
    except (OSError, AttributeError):
        return "unsynced"
    return "unsynced" if state in (-1, _TIME_ERROR) else "synced"

"""This is the device's two clocks: one that only goes forward, and the wall's, with how far it can be trusted."""

import ctypes
import time
import zlib
from datetime import UTC, datetime

import msgspec

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


Epoch = tuple[int, float]  # (at_ms at a start, wall time then): what turns times before a restart into wall time
SNAPSHOT_BYTES_MAX = 64 << 20  # unpacked
_PACKED = b"\x78"  # RFC 1950: deflate, with a window of 32 KiB
EPOCHS_MAX = 100  # of the latest starts; what is older counts from the oldest


class Clock:
    """Milliseconds since the device's memory began: it goes on from `base_ms` after a restart, and never goes back.

    While the device was off it stood still: nothing was judged meanwhile, so no probation and no shelf ran. Wall time did go
    on, which is why each start keeps its own epoch.
    """

    def __init__(self, base_ms: int = 0, epochs: list[Epoch] | None = None) -> None:
        self._base_ms = base_ms
        self._start_ns = time.monotonic_ns()
        self._past = (epochs or [])[-EPOCHS_MAX:]

    def __call__(self) -> int:
        return self._base_ms + (time.monotonic_ns() - self._start_ns) // 1_000_000

    def uptime_s(self) -> float:
        """This returns seconds since this process started its clock."""
        return (time.monotonic_ns() - self._start_ns) / 1e9

    def epochs(self) -> list[Epoch]:
        """This returns the starts so far, this one by what the wall says now: a clock set late corrects it."""
        return [*self._past, (self._base_ms, time.time() - (self() - self._base_ms) / 1000)]

    def known_s(self) -> float:
        """This returns the latest wall time at which this device was started before: it is past, if the clock was right then."""
        return max((wall_s for _, wall_s in self._past), default=0.0)

    def wall(self, at_ms: int) -> str:
        """This returns RFC 3339 in UTC for a time of this clock."""
        epochs = self.epochs()
        start_ms, start_s = next((e for e in reversed(epochs) if e[0] <= at_ms), epochs[0])
        at_s = start_s + (at_ms - start_ms) / 1000
        return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def kept(clock: Clock, node: bytes) -> bytes:
    """This returns what goes on the disk: the node's snapshot, and what its times mean on the wall. Packed, for the flash's sake:
    27 kB of 8 signals become 12 kB, in 0.3 ms."""
    return zlib.compress(msgspec.msgpack.encode((clock.epochs(), node)), 1)


def taken_up(raw: bytes) -> tuple[list[Epoch], bytes]:
    """This returns the epochs and the node's snapshot; what has another shape is passed on whole, for the node to refuse."""
    try:
        # One of before they were packed begins as an array does, and a packed one never.
        plain = zlib.decompressobj().decompress(raw, SNAPSHOT_BYTES_MAX) if raw[:1] == _PACKED else raw
        return msgspec.msgpack.decode(plain, type=tuple[list[Epoch], bytes])
    except (msgspec.MsgspecError, zlib.error):
        return [], raw


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

"""These are the frames that pass between the daemon and the model worker, over its stdin and stdout.

A frame is a length (u32, of what follows the kind), a kind (u8) and a body; all little-endian.

    LOAD    to the worker, first   JSON: {"parts": [[part, path, [signal, ...] | null], ...], "only": runtime or ""}
    ASK     to the worker          seq u32, part u16 (its place in LOAD), n u16, n x f64: a row
    ANSWER  from the worker        seq u32, n u16, n x f64: the estimates; n = 0: no view this time
    REPORT  from the worker        JSON: see Report

A row is at most 256 cells, so that an ASK fits PIPE_BUF (4096): the kernel takes it whole or not at all, and a full
pipe never leaves half a frame behind.
"""

import struct
from collections.abc import Iterator, Sequence

import msgspec

from sickbay.edge.scorer.network import ROW_MAX
from sickbay.errors import ModelFileError

LOAD, ASK, ANSWER, REPORT = 1, 2, 3, 4
LOAD_BYTES_MAX = 60_000  # a fresh pipe takes this without blocking
FRAME_BYTES_MAX = 1_048_576

_HEAD = struct.Struct("<IB")
_ASK = struct.Struct("<IHH")
_ANSWER = struct.Struct("<IH")
_CELLS = [struct.Struct(f"<{n}d") for n in range(ROW_MAX + 1)]
_ASK_HEAD, _ANSWER_HEAD = struct.Struct("<IBIHH"), struct.Struct("<IBIH")


class Load(msgspec.Struct, frozen=True):
    """What the worker is to load."""

    parts: list[tuple[str, str, tuple[str, ...] | None]]
    only: str = ""  # one runtime of the chain, or "" for the best that works


class Report(msgspec.Struct, frozen=True):
    """How far the worker is. `file` is the one it is about to read; `settled`: no better runtime will come."""

    file: str = ""
    runtime: str = ""
    settled: bool = False
    parts: dict[str, str] = {}  # part: "ok", or why it has no model
    passed_over: dict[str, str] = {}  # runtime: why it was not taken


class FrameError(ValueError):
    """This is a byte stream that is not of the agreed shape: its writer is not to be trusted any more."""


def load_frame(load: Load) -> bytes:
    """This returns the frame that starts a worker."""
    body = msgspec.json.encode(load)
    if len(body) > LOAD_BYTES_MAX:
        raise ModelFileError(
            f"{len(load.parts)} parts with models need {len(body)} bytes to name; {LOAD_BYTES_MAX} fit"
        )
    return _HEAD.pack(len(body), LOAD) + body


def report_frame(report: Report) -> bytes:
    """This returns a report as a frame."""
    body = msgspec.json.encode(report)
    return _HEAD.pack(len(body), REPORT) + body


def ask_frame(seq: int, part: int, row: Sequence[float]) -> bytes:
    """This returns a question as a frame; a row has at most ROW_MAX cells."""
    n = len(row)
    return _ASK_HEAD.pack(_ASK.size + 8 * n, ASK, seq, part, n) + _CELLS[n].pack(*row)


def answer_frame(seq: int, estimates: Sequence[float]) -> bytes:
    """This returns an answer as a frame; no estimates, no view."""
    n = len(estimates)
    return _ANSWER_HEAD.pack(_ANSWER.size + 8 * n, ANSWER, seq, n) + _CELLS[n].pack(*estimates)


def ask(body: bytes) -> tuple[int, int, tuple[float, ...]]:
    """This returns seq, part and row of an ASK's body."""
    if len(body) < _ASK.size:
        raise FrameError("a question without a head")
    seq, part, n = _ASK.unpack_from(body)
    return seq, part, _cells(body, _ASK.size, n)


def answer(body: bytes) -> tuple[int, tuple[float, ...]]:
    """This returns seq and estimates of an ANSWER's body."""
    if len(body) < _ANSWER.size:
        raise FrameError("an answer without a head")
    seq, n = _ANSWER.unpack_from(body)
    return seq, _cells(body, _ANSWER.size, n)


def _cells(body: bytes, at: int, n: int) -> tuple[float, ...]:
    if n > ROW_MAX or len(body) != at + 8 * n:
        raise FrameError(f"{n} cells in {len(body) - at} bytes")
    return _CELLS[n].unpack_from(body, at)


def load(body: bytes) -> Load:
    """This returns a LOAD's body."""
    try:
        return msgspec.json.decode(body, type=Load)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FrameError(str(error)) from None


def report(body: bytes) -> Report:
    """This returns a REPORT's body."""
    try:
        return msgspec.json.decode(body, type=Report)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FrameError(str(error)) from None


class Splitter:
    """What has been read of a stream and makes no frame yet: never more than one frame and one read."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """This returns the frames that `data` completes; raises FrameError where one is longer than any frame is."""
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        while end - at >= _HEAD.size:
            size, kind = _HEAD.unpack_from(data, at)
            if size > FRAME_BYTES_MAX:
                self._rest = b""
                raise FrameError(f"a frame of {size} bytes")
            if end - at - _HEAD.size < size:
                break
            at += _HEAD.size
            yield kind, data[at : at + size]
            at += size
        self._rest = data[at:]

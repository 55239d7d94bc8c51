"""This bounds what goes to stderr, whoever writes it: a library that has lost its chip says so a thousand times a second."""

import io
import threading
import time
from collections.abc import Callable
from typing import TextIO

BURST_LINES = 1000
LINES_A_SECOND = 1.0
LINE_CHARS_MAX = 2000


class Bounded(io.TextIOBase):
    """A text stream that lets a thousand lines through at once and one a second after that; the rest it counts and tells."""

    def __init__(self, out: TextIO, now_s: Callable[[], float] = time.monotonic) -> None:
        self._out, self._now_s = out, now_s
        self._lines = float(BURST_LINES)
        self._at_s = now_s()
        self._left_out = 0
        self._begun = ""
        self._lock = threading.Lock()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._out.fileno()

    def isatty(self) -> bool:
        return self._out.isatty()

    def write(self, text: str) -> int:
        """This writes whole lines while there is room for them; half a line waits for its end, within a bound."""
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
            self._begun = self._begun[-LINE_CHARS_MAX:]
            for line in lines:
                self._one(line[:LINE_CHARS_MAX])
        return len(text)

    def flush(self) -> None:
        self._out.flush()

    def _one(self, line: str) -> None:
        now_s = self._now_s()
        self._lines = min(float(BURST_LINES), self._lines + (now_s - self._at_s) * LINES_A_SECOND)
        self._at_s = now_s
        if self._lines < 1.0:
            self._left_out += 1
            return
        if self._left_out and self._lines >= 2.0:
            self._out.write(f"{self._left_out} lines were left out: too many came at once\n")
            self._left_out = 0
            self._lines -= 1.0
        self._lines -= 1.0
        self._out.write(line + "\n")

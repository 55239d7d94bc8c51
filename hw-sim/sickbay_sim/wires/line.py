"""This is a serial line on a pty, with a name that outlives being unplugged, as in /dev/serial/by-id."""

import json
import os
import tty
from pathlib import Path

FORMATS = ("json", "csv")


class SerialPort:
    """A pty whose far end a daemon opens at `path`, a symbolic link. Lines that nobody fetches are lost and counted."""

    def __init__(self, path: Path, columns: tuple[str, ...], style: str = "json") -> None:
        """`columns` orders the values of csv lines; csv begins with a header each time it is plugged in."""
        if style not in FORMATS:
            raise ValueError(f"line format {style!r}: known are {' and '.join(FORMATS)}")
        self.path = path
        self.lost = 0  # lines that found the buffer full: no daemon was reading
        self._columns = columns
        self._style = style
        self._ends: tuple[int, int] | None = (
            None  # ours, and the daemon's end, held so that its closing is no hang-up here
        )

    @property
    def plugged(self) -> bool:
        return self._ends is not None

    def plug(self) -> None:
        """This makes the line and its name appear; plugging twice does nothing."""
        if self._ends is not None:
            return
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        self._ends = ours, theirs
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(theirs))
        if self._style == "csv":
            self._write(",".join(self._columns))

    def unplug(self) -> None:
        """This makes the line vanish under the daemon's hands: it sees an end of file or EIO."""
        if self._ends is None:
            return
        ends, self._ends = self._ends, None
        self.path.unlink(missing_ok=True)
        for end in ends:
            os.close(end)

    def send(self, row: dict[str, float | None]) -> None:
        """This writes one row. A missing reading is left out of a json line and empty in a csv line."""
        if self._style == "json":
            self._write(json.dumps({name: value for name, value in row.items() if value is not None}))
        else:
            values = (row.get(name) for name in self._columns)
            self._write(",".join("" if value is None else f"{value:g}" for value in values))

    def send_raw(self, content: bytes) -> None:
        """This writes bytes as they are: garbage, half lines, noise."""
        if self._ends is not None:
            try:
                os.write(self._ends[0], content)
            except BlockingIOError:
                self.lost += 1

    def _write(self, line: str) -> None:
        self.send_raw(line.encode("ascii") + b"\r\n")

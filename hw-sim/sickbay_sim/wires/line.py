"""This is a serial line that speaks rows: lines of text on a pty, whole or spoilt on the way."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from sickbay_sim.wires.pty import Pty

FORMATS = ("json", "csv")


def text(row: Mapping[str, float | None], columns: tuple[str, ...], style: str) -> bytes:
    """This returns one row as a line. A missing reading is left out of a json line and empty in a csv line."""
    if style == "json":
        line = json.dumps({name: value for name, value in row.items() if value is not None})
    else:
        values = (row.get(name) for name in columns)
        line = ",".join("" if value is None else f"{value:g}" for value in values)
    return line.encode("ascii") + b"\r\n"


class SerialPort(Pty):
    """A port that rows leave by. `spoil` may change a line on its way: it is given what `write` would get."""

    def __init__(
        self, path: Path, columns: tuple[str, ...], style: str = "json", spoil: Callable[[bytes], None] | None = None
    ) -> None:
        """`columns` orders the values of csv lines; csv begins with a header each time it is plugged in."""
        if style not in FORMATS:
            raise ValueError(f"line format {style!r}: known are {' and '.join(FORMATS)}")
        super().__init__(path)
        self._columns = columns
        self._style = style
        self._spoil = spoil

    def plug(self, renamed: bool = False) -> None:
        """This makes the line and its name appear; plugging twice does nothing."""
        if self.plugged:
            return
        super().plug(renamed)
        if self._style == "csv":
            self.write(",".join(self._columns).encode("ascii") + b"\r\n")

    def send(self, row: Mapping[str, float | None]) -> None:
        """This writes one row."""
        (self._spoil or self.write)(text(row, self._columns, self._style))

    def send_raw(self, content: bytes) -> None:
        """This writes bytes as they are: garbage, half lines, noise."""
        self.write(content)

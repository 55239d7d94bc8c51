"""This reads a recording: a CSV file with a header. It is streamed: memory does not grow with the file."""

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from sickbay.edge.sources.replay.times import ReplayError, Times, When, find_time, is_time, number

SAMPLE_ROWS = 200  # from which the columns are understood
LINE_CHARS_MAX = 65_536  # a longer line falls to pieces, which are then no rows

Row = tuple[float, dict[str, float | None]]


class Recording:
    """A recording whose columns are understood. Iterating reads the file from its start, row by row.

    `at_s` begins at 0 and never decreases. A single row that is out of order bears its predecessor's time; where the
    clock was set back, time goes on from there with the file's own steps. The counts are those of the latest iteration.
    """

    def __init__(
        self, path: Path, names: list[str], columns: dict[str, int], delimiter: str, header: int, when: When | None
    ) -> None:
        self.path = path
        self.columns = tuple(columns)
        self.delimiter = delimiter
        self.time_column = when.name if when else ""  # "": none, the rows are 1 s apart
        self.rows = 0
        self.backward = 0  # rows whose time lay before an earlier row's
        self.garbled = 0  # rows of a wrong width, or without a readable time
        self._picks = list(columns.items())
        self._header = header  # rows to skip
        self._width = len(names)
        self._when = when

    def __iter__(self) -> Iterator[Row]:
        self.rows = self.backward = self.garbled = 0
        times = Times()
        with _opened(self.path) as file:
            for cells in itertools.islice(_rows(file, self.delimiter), self._header, None):
                garbled = len(cells) != self._width
                at_s = float(self.rows)
                if self._when:
                    read = self._when.read(cells)
                    garbled = garbled or read is None
                    at_s = times.next(read)
                    self.backward = times.backward
                self.garbled += garbled
                self.rows += 1
                last = len(cells)
                comma = self.delimiter != ","
                yield at_s, {name: number(cells[at], comma) if at < last else None for name, at in self._picks}


def read_recording(path: Path | str, delimiter: str = "", time_column: str = "") -> Recording:
    """This returns a recording, ready to be iterated over; "" for delimiter and time column: found out.

    The delimiter is one of comma, semicolon, tab. Time is a column of that name (t, time, timestamp, datetime, date...)
    or else the first that holds ISO 8601: ISO 8601 with a blank or T, time of day, seconds since 1970 (also in
    milli-, micro- or nanoseconds), plain seconds; without any, rows are 1 s apart. Raises ReplayError.
    """
    path = Path(path)
    try:
        with _opened(path) as file:
            first = next(iter(_lines(file)), "")
            delimiter = delimiter or max(",;\t", key=first.count)
            file.seek(0)
            sample = list(itertools.islice(_rows(file, delimiter), SAMPLE_ROWS + 1))
    except OSError as error:
        raise ReplayError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not sample:
        raise ReplayError(f"{path}: is empty. A recording is a CSV file: a line of names, then a line a sample")
    comma = delimiter != ","
    named = _is_header(sample[0], comma)
    names = _unique(sample[0]) if named else [str(at + 1) for at in range(len(sample[0]))]
    body = sample[1:] if named else sample
    by_column = [[row[at].strip() for row in body if at < len(row) and row[at].strip()] for at in range(len(names))]
    when = find_time(path, names, by_column, comma, time_column)
    columns = {
        name: at
        for at, (name, cells) in enumerate(zip(names, by_column, strict=True))
        if not (when and when.at == at) and (not cells or any(number(cell, comma) is not None for cell in cells))
    }
    recording = Recording(path, names, columns, delimiter, int(named), when)
    some = any(by_column[at] for at in columns.values())
    if not some and not any(value is not None for _, row in recording for value in row.values()):
        raise ReplayError(f"{path}: holds no numbers. A recording is a CSV file: a line of names, then a line a sample")
    return recording


def _is_header(cells: list[str], comma: bool) -> bool:
    """This returns whether a first row holds names, not values: no number or time at its head."""
    return number(cells[0], comma) is None and not is_time(cells[0])


def _opened(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def _lines(file: TextIO) -> Iterator[str]:
    """This returns the lines that say something, comments left out."""
    while line := file.readline(LINE_CHARS_MAX):
        if not line.isspace() and line[0] != "#":
            yield line


def _rows(file: TextIO, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(_lines(file), delimiter=delimiter[:1])
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            cells = [""]  # a quote that never closes; the row is counted as garbled
        if cells:
            yield cells


def _unique(cells: list[str]) -> list[str]:
    """This returns column names; what stands twice or is empty gets its place as a name."""
    names: list[str] = []
    for at, cell in enumerate(cells):
        name = cell.strip()
        names.append(name if name and name not in names else f"{name}{at + 1}")
    return names

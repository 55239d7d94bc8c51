"""This finds the time column of a recording, and makes its time begin at 0 and never decrease. Pure."""

import difflib
import itertools
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from datetime import time as clock_time
from pathlib import Path

from sickbay.errors import SickbayError

VALUE_MAX = 1e18
DAY_S = 86_400.0


class ReplayError(SickbayError, ValueError):
    """This is a recording that cannot be played."""


class When:
    """The time column: where it is and how its text becomes seconds."""

    def __init__(self, name: str, at: int, parse: Callable[[str], float]) -> None:
        self.name = name
        self.at = at
        self._parse = parse

    def read(self, cells: list[str]) -> float | None:
        try:
            return self._parse(cells[self.at].strip())
        except (ValueError, OverflowError, IndexError):
            return None


class Times:
    """This makes time begin at 0 and never decrease."""

    def __init__(self) -> None:
        self.backward = 0
        self._shift = math.nan
        self._last = 0.0
        self._behind = 0

    def next(self, read: float | None) -> float:
        if read is None:
            return self._last
        if math.isnan(self._shift):
            self._shift = -read
        at_s = read + self._shift
        if at_s < self._last:
            self.backward += 1
            self._behind += 1
            if self._behind >= 2:  # not one row out of order: the clock was set back, or another recording follows
                self._shift += self._last - at_s
                self._behind = 0
            return self._last
        self._behind = 0
        self._last = at_s
        return at_s


_NAMES = (
    "timestamp",
    "datetime",
    "date_time",
    "time",
    "t",
    "ts",
    "date",
    "seconds",
    "elapsed",
    "epoch",
    "millis",
    "ms",
)


def find_time(path: Path, names: list[str], columns: list[list[str]], comma: bool, wanted: str) -> When | None:
    """This returns the time column, or None where there is none."""
    if wanted:
        if wanted not in names:
            near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
            mend = f'Did you mean "{near[0]}"?' if near else f"It has: {', '.join(names[:20])}"
            raise ReplayError(f'{path}: has no time column "{wanted}". {mend}')
        at = names.index(wanted)
        parse = _time_parser(wanted, columns[at], comma)
        if parse is None:
            raise ReplayError(f'{path}: time column "{wanted}" holds no time that goes forward, e.g. {columns[at][:1]}')
        return When(wanted, at, parse)
    plain = [re.sub(r"(_m?s)?\s*([\[(].*)?$", "", name.lower()).strip().replace(" ", "_") or name for name in names]
    ranked = [at for known in _NAMES for at, name in enumerate(plain) if name == known]
    ranked += [at for at, name in enumerate(plain) if name.startswith(("date", "timestamp")) and at not in ranked]
    for at in ranked:
        parse = _time_parser(names[at], columns[at], comma)
        if parse:
            return When(names[at], at, parse)
    for at, cells in enumerate(columns):
        if cells and _mostly(_iso, cells):
            return When(names[at], at, _iso)
    return None


def _time_parser(name: str, cells: list[str], comma: bool) -> Callable[[str], float] | None:
    """This returns what turns a column's text into seconds; None where it holds no time that mostly goes forward."""
    values = [value for value in (number(cell, comma) for cell in cells) if value is not None]
    if cells and len(values) >= 0.9 * len(cells):
        if sum(b < a for a, b in itertools.pairwise(values)) > 0.1 * len(values):
            return None  # a temperature may be called t, too
        largest = max(abs(value) for value in values)
        # Seconds since 1970 are 1.7e9 now; larger numbers are finer units of the same.
        unit = next((unit for least, unit in ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3)) if largest >= least), 1.0)
        if unit == 1.0 and re.search(r"(^|[^a-z])ms([^a-z]|$)|milli", name.lower()):
            unit = 1e-3

        def seconds(text: str) -> float:
            value = number(text, comma)
            if value is None:
                raise ValueError("not a time")
            return value * unit

        return seconds
    if not cells:
        return None
    if _mostly(_iso, cells):
        return _iso
    return _TimeOfDay() if _mostly(_of_day, cells) else None


def _mostly(parse: Callable[[str], float], cells: list[str]) -> bool:
    good = 0
    for cell in cells:
        try:
            parse(cell)
        except (ValueError, OverflowError):
            continue
        good += 1
    return good >= 0.9 * len(cells)


def is_time(text: str) -> bool:
    """This returns whether a text is ISO 8601 or a time of day."""
    return _mostly(_iso, [text.strip()]) or _mostly(_of_day, [text.strip()])


def _iso(text: str) -> float:
    """This returns seconds since 1970 of ISO 8601; a time without zone counts as UTC, which knows no summer time."""
    if not text[4:5] == "-":
        raise ValueError("not ISO 8601")  # "20240101" is a number to us
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _of_day(text: str) -> float:
    if ":" not in text:
        raise ValueError("not a time of day")  # "T10" would be one in ISO 8601, and is a thermometer
    moment = clock_time.fromisoformat(text)
    return moment.hour * 3600.0 + moment.minute * 60.0 + moment.second + moment.microsecond * 1e-6


class _TimeOfDay:
    """Seconds of "23:59:58.5"; a step back by more than half a day is midnight."""

    def __init__(self) -> None:
        self._days = 0
        self._last = 0.0

    def __call__(self, text: str) -> float:
        now = _of_day(text)
        if now < self._last - DAY_S / 2:
            self._days += 1
        self._last = now
        return now + self._days * DAY_S


def number(text: str, decimal_comma: bool = False) -> float | None:
    """This returns the number that a cell says; None where it says none, or none that is finite and below 1e18."""
    try:
        value = float(text)
    except ValueError:
        if decimal_comma and text.count(",") == 1:
            return number(text.replace(",", "."))
        return {"true": 1.0, "false": 0.0}.get(text.strip().lower())
    return value if -VALUE_MAX <= value <= VALUE_MAX else None

"""This says how new what a slowly sampled part shows is: a score that peaks where something begins, and is silent while it lasts.

Three simple views of each signal (far from its mean, a quick change, far from its season or smoothed from its mean), each as -ln p
of a tail that goes on learning, added up with equal weights: tuned weights did not hold on other series. It alarms nobody and
nothing is isolated by it: it goes on learning whatever happens, which a judgement must not.
"""

import math
from collections.abc import Sequence

from sickbay.core.season import Season, find
from sickbay.core.tails import Tail

QUICK, QUICK_LEVEL, SMOOTH = 2.0 / 4.0, 2.0 / 101.0, 2.0 / 11.0  # EWMAs of 3, 100 and 10 rows
START_ROWS = 20  # their mean is the first level
LEVEL_ROWS_MOST = 5000  # behind the mean
VIEWS = 3
LEAST = 3.0 * VIEWS  # -ln p below which nothing is told
QUIET_SHARE = 0.5  # of the learning rows: for so long after a peak only a higher one is news
ALIKE = 0.9  # an earlier peak of this share of a value's height was as high
KNOWN = 0.2  # a peak that was reached n times before counts 1 / (1 + n * this)
PEAKS_MOST = 16


class Newness:
    """One signal. `step` returns -ln p, of the three views together."""

    __slots__ = ("_level", "_quick", "_quick_level", "_rows", "_season", "_smooth", "_tails")

    def __init__(self, values: Sequence[float | None]) -> None:
        known = [v for v in values if v is not None]
        first = known[:START_ROWS]
        self._level = self._quick = self._quick_level = math.fsum(first) / len(first) if first else 0.0
        self._rows = START_ROWS
        self._smooth = 0.0
        period = find(_filled(values, self._level))
        self._season = Season(period) if period else None
        seen = [self._away(v) for v in values if v is not None or self._season is not None]
        self._tails = [Tail([abs(s[k]) for s in seen if s is not None]) for k in range(VIEWS)]

    def step(self, value: float | None) -> float:
        away = self._away(value)
        if away is None:
            return 0.0
        level, quick, season = self._tails
        return level.improbable(abs(away[0])) + quick.improbable(abs(away[1])) + season.improbable(abs(away[2]))

    def _away(self, value: float | None) -> tuple[float, float, float] | None:
        season = self._season
        if value is None:
            if season is not None:
                season.away(None, 0.0)
            return None
        far = value - self._level
        unseasonal = far if season is None else season.away(value, self._level)
        self._level += far / min(self._rows, LEVEL_ROWS_MOST)
        self._rows = min(self._rows + 1, LEVEL_ROWS_MOST)
        self._smooth += SMOOTH * (unseasonal - self._smooth)
        before = self._quick_level
        self._quick += QUICK * (value - self._quick)
        self._quick_level += QUICK_LEVEL * (value - before)
        return far, self._quick - before, self._smooth


class News:
    """One part. `step` returns how new its newest signal is, 0.0 where it is none."""

    __slots__ = ("_peaks", "_quiet_rows", "_since", "_top", "_width", "signals")

    def __init__(self, signals: Sequence[Newness], learn_rows: int) -> None:
        self.signals = list(signals)
        self._width = VIEWS * math.log(max(1, len(self.signals)))  # the oddest of many is odder than one: Bonferroni
        self._quiet_rows = int(QUIET_SHARE * learn_rows)
        self._since = 0  # rows since the last peak
        self._top = 0.0
        self._peaks: list[float] = []

    def step(self, row: Sequence[float | None], masked: Sequence[bool]) -> float:
        found = 0.0
        for value, signal, out in zip(row, self.signals, masked, strict=True):
            improbable = signal.step(value)
            if improbable > found and not out:
                found = improbable
        found -= self._width
        self._since += 1
        if self._top and self._since > self._quiet_rows:
            self._peaks = [*self._peaks, self._top][-PEAKS_MOST:]
            self._top = 0.0
        if found <= LEAST or found <= self._top:
            return 0.0
        self._top, self._since = found, 0
        return found / (1.0 + KNOWN * sum(peak >= ALIKE * found for peak in self._peaks))


def _filled(values: Sequence[float | None], first: float) -> list[float]:
    """This returns values without holes: each stands for what follows it until the next."""
    out, last = [], first
    for value in values:
        last = last if value is None else value
        out.append(last)
    return out

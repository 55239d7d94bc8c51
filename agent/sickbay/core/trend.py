"""This is slow change: how long one signal has until its declared limit, with an interval, or honestly nothing.

A line is fitted over several windows of the signal's past, from minutes to months, each of at most 48 means. It is believed only
where it is steeper than four of its own standard errors, does not flatten, has left all that this unit showed before, and need
not be drawn out to more than three times what was seen of it. The interval divides the gap by the slope, each at two standard
errors to its worse side (as Fieller's theorem does for a ratio: J. R. Stat. Soc. B 16, 1954); the errors of neighbouring means
are taken as first-order autocorrelated (Bence, "Analysis of short time series", Ecology 76, 1995).
"""

import math
from collections import deque
from itertools import pairwise

import msgspec

BINS = 48  # means of one window
BINS_LEAST = 12  # below this nobody believes a line
STEP = 4  # a window's mean is over this many of the next finer one
LEVELS = 8  # from 48 means of 30 s to 48 of 5.7 days
FINEST_MS = 30_000
STEEP = 4.0  # standard errors of the slope
DRAWN_OUT = 3.0  # times the window that a line may be drawn out, and that the unit must have been known before it
FLATTENS = 0.75  # the second half's slope as a share of the first's: below it something settles, and will not arrive
BEYOND = 0.3  # of the range that was normal before: what the trend must have left it by
WIDE = 4.0  # latest over earliest: a wider interval helps nobody
SURE = 2.0  # standard errors that the interval spans to each side, about 95 %
HELD = 0.5  # of its window: how long a trend must point at the same hour before it is believed; a random walk does not
SAME = 0.4  # of the time that seemed left: how far that hour may move; wear that hastens moves it nearer
LAPSE = 0.25  # of its window: how long it may be out of sight meanwhile


class TimeLeft(msgspec.Struct, frozen=True):
    """When a limit will be reached, if things go on as they do: milliseconds from `at_ms`, earliest, likely and latest."""

    at_ms: int
    earliest_ms: int
    likely_ms: int
    latest_ms: int
    limit: float
    level: float  # the signal now, as the line has it
    per_hour: float  # its slope
    over_ms: int  # how long it has been seen to move so


class Trend:
    """The past of one signal, thinned. Bounded: LEVELS x BINS pairs of numbers."""

    __slots__ = ("count", "finest_ms", "levels", "opened_ms", "parts", "seen", "started", "total")

    def __init__(self, finest_ms: int = FINEST_MS) -> None:
        self.finest_ms = finest_ms
        self.levels: list[deque[tuple[int, float]]] = [deque(maxlen=BINS) for _ in range(LEVELS)]
        self.parts: list[list[tuple[int, float]]] = [[] for _ in range(LEVELS)]  # means on their way to the next level
        self.opened_ms: int | None = None
        self.total = 0.0
        self.count = 0
        self.seen: dict[bool, list[TimeLeft]] = {}  # upward or not: the first sight of the present trend, and the last
        self.started: dict[bool, float] = {}  # where a trend that was told set out from

    def add(self, at_ms: int, value: float) -> int | None:
        """This takes one good reading; returns the coarsest level that gained a mean by it, None where none did."""
        if self.opened_ms is None:
            self.opened_ms = at_ms
        if at_ms - self.opened_ms < self.finest_ms:
            self.total += value
            self.count += 1
            return None
        gained = self._mean(0, (self.opened_ms + self.finest_ms // 2, self.total / self.count)) if self.count else None
        self.opened_ms, self.total, self.count = at_ms, value, 1
        return gained

    def _mean(self, level: int, mean: tuple[int, float]) -> int:
        self.levels[level].append(mean)
        if level + 1 == LEVELS:
            return level
        waiting = self.parts[level]
        waiting.append(mean)
        if len(waiting) < STEP:
            return level
        at = sum(t for t, _ in waiting) // STEP
        value = sum(v for _, v in waiting) / STEP
        waiting.clear()
        return self._mean(level + 1, (at, value))

    def watch(self, limit: float, upward: bool, at_ms: int) -> TimeLeft | None:
        """This returns the time left until `limit`, once the trend has pointed at the same hour for long enough."""
        now = self.left(limit, upward)
        seen = self.seen.setdefault(upward, [])
        if seen and at_ms - seen[-1].at_ms > LAPSE * seen[0].over_ms:
            seen.clear()
        if now is None:
            return None
        if not seen or not _agree(seen[0], now):
            seen[:] = [now]
        seen[1:] = [now]
        return now if now.at_ms - seen[0].at_ms >= HELD * seen[0].over_ms else None

    def is_back(self, upward: bool) -> bool:
        """This returns whether the signal is back where a trend that was told set out from."""
        means = self.levels[0]
        if upward not in self.started or len(means) < 3:
            return False
        sign = 1.0 if upward else -1.0
        return max(sign * v for _, v in list(means)[-3:]) <= sign * self.started[upward]

    def left(self, limit: float, upward: bool) -> TimeLeft | None:
        """This returns the time left until `limit`, from the window whose line is surest; None where none can be believed."""
        best: tuple[float, TimeLeft] | None = None
        for level in range(LEVELS):
            points = list(self.levels[level])
            for start in dict.fromkeys((0, max(0, len(points) - BINS_LEAST * 2), max(0, len(points) - BINS_LEAST))):
                found = self._line(points[start:], limit, upward)
                if found is not None and (best is None or found[0] > best[0]):
                    best = found
        return None if best is None else best[1]

    def _line(self, points: list[tuple[int, float]], limit: float, upward: bool) -> tuple[float, TimeLeft] | None:
        if len(points) < BINS_LEAST:
            return None
        sign = 1.0 if upward else -1.0
        first, last = points[0][0], points[-1][0]
        span = last - first
        times = [(t - last) / 3.6e6 for t, _ in points]
        values = [sign * v for _, v in points]
        slope, level, slope_err, level_err = _fit(times, values)
        gap = sign * limit - level
        if gap <= 0 or slope <= STEEP * slope_err or not self._is_news(first, span, values, sign):
            return None
        half = len(points) // 2
        early, late = _fit(times[:half], values[:half])[0], _fit(times[half:], values[half:])[0]
        if late < FLATTENS * max(early, slope):
            return None
        # Wear seldom goes straight: where the second half was steeper, it is taken to go on hastening at the same rate.
        gain = max(0.0, late - early) / (-times[0] / 2)
        pace = late + gain * -times[0] / 4 if gain > 0 else slope
        likely = (gap / slope + _arrives(gap, pace, gain)) / 2
        latest = (gap + SURE * level_err) / max(1e-9 * slope, min(slope, late) - SURE * slope_err)
        earliest = _arrives(max(0.0, gap - SURE * level_err), max(slope, pace) + SURE * slope_err, gain)
        if latest > WIDE * earliest or likely > DRAWN_OUT * span / 3.6e6:
            return None
        early_ms, likely_ms, late_ms = (round(hours * 3.6e6) for hours in (earliest, likely, latest))
        left = TimeLeft(last, early_ms, likely_ms, late_ms, limit, sign * level, sign * slope, span)
        return slope / max(slope_err, 1e-12 * abs(slope)), left

    def _is_news(self, first_ms: int, span_ms: int, values: list[float], sign: float) -> bool:
        """This returns whether the line's end lies beyond all that the unit showed before, over long enough."""
        before = [(t, sign * v) for level in self.levels for t, v in level if t < first_ms]
        if not before or first_ms - min(t for t, _ in before) < DRAWN_OUT * span_ms:
            return False
        highest, lowest = max(v for _, v in before), min(v for _, v in before)
        return (values[-1] + values[-2]) / 2 > highest + BEYOND * (highest - lowest)


def _arrives(gap: float, pace: float, gain: float) -> float:
    """This returns when `gap` is covered at a pace that grows by `gain` for each unit of time."""
    return gap / pace if gain <= 0 else 2 * gap / (pace + math.sqrt(pace * pace + 2 * gain * gap))


def _agree(first: TimeLeft, now: TimeLeft) -> bool:
    """This returns whether two sights of a trend point at about the same hour."""
    then, later = first.at_ms + first.likely_ms, now.at_ms + now.likely_ms
    return abs(later - then) <= SAME * first.likely_ms


def _fit(times: list[float], values: list[float]) -> tuple[float, float, float, float]:
    """This returns slope, level at time 0, and the standard error of each, by least squares."""
    n = len(times)
    t0, v0 = sum(times) / n, sum(values) / n
    stt = sum((t - t0) ** 2 for t in times)
    slope = sum((t - t0) * (v - v0) for t, v in zip(times, values, strict=True)) / stt
    rest = [v - v0 - slope * (t - t0) for t, v in zip(times, values, strict=True)]
    square = sum(r * r for r in rest)
    along = sum(a * b for a, b in pairwise(rest)) / square if square > 0 else 0.0
    # A line through few points hides their autocorrelation; a little is always there.
    along = min(0.9, max(0.0, along + 1.0 / n))
    spread = math.sqrt(square / max(1, n - 2) * (1 + along) / (1 - along))
    return slope, v0 - slope * t0, spread / math.sqrt(stt), spread * math.sqrt(1 / n + t0 * t0 / stt)

"""This is slow change: how long one signal has until its declared limit, with an interval, or honestly nothing.

A line is fitted over several windows of the signal's past, from minutes to months, each of at most 48 means; of what comes and
goes (a compressor, a cranking engine) also through the highest and the lowest of each, since it is a peak that meets a limit. It is
believed only where it is steeper than four of its own standard errors, neither flattens nor settles short of the limit, has left
all that this unit showed before, and need not be drawn out to more than three times what was seen of it. The interval divides
the gap by the slope, each at two standard errors to its worse side (as Fieller's theorem does for a ratio: J. R. Stat. Soc. B 16,
1954); the errors of neighbouring means are taken as first-order autocorrelated (Bence, "Analysis of short time series", Ecology
76, 1995).
"""

import math
from collections import deque
from collections.abc import Iterator
from itertools import pairwise

import msgspec

BINS = 48  # means of one window
BINS_LEAST = 12  # below this nobody believes a line
WINDOWS = (BINS, 36, 24, BINS_LEAST)  # of the latest means of a level: what lines are fitted to
STEP = 4  # a window's mean is over this many of the next finer one
LEVELS = 8  # from 48 means of 30 s to 48 of 5.7 days
FINEST_MS = 30_000
STEEP = 4.0  # standard errors of the slope
HASTENS = 3.0  # growth at most, as an exponent over the window: more is a trend that began within it
DRAWN_OUT = 3.0  # times the window that a line may be drawn out
DOUBT = 0.5  # standard errors that the slopes of quarters are given against settling: more would let a step of the load pass
KNOWN = 0.5  # of its window: how long the unit must have been known before it
FLATTENS = 0.75  # the second half's slope as a share of the first's: below it something settles, and will not arrive
BEYOND = 0.3  # of the range that was normal before: what the trend must have left it by ...
SWINGS = 3.0  # ... and this, times the square of window over time known: a day's swing at its turn grows with the square of time
COMES_AND_GOES = 0.1  # of the gap: where peaks are farther than that from the mean, it is peaks that meet the limit
WIDE = 4.0  # latest over earliest: a wider interval helps nobody
SURE = 2.0  # standard errors that the interval spans to each side, about 95 %
HELD = 0.5  # of its window: how long a trend must point at the same hour before it is believed; a random walk does not
SAME = 0.4  # of the time that seemed left: how far that hour may move; wear that hastens moves it nearer
BACK = 0.25  # of its window: how long a signal must be back before a trend that was told is over
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
    peaks: bool = False  # whether the line goes through the signal's peaks, those towards the limit, and not its means


class Trend:
    """The past of one signal, thinned. Bounded: LEVELS x BINS times four numbers."""

    __slots__ = (
        "count",
        "finest_ms",
        "levels",
        "lines",
        "opened_ms",
        "parts",
        "reaches",
        "seen",
        "stale",
        "started",
        "total",
    )

    def __init__(self, finest_ms: int = FINEST_MS) -> None:
        self.finest_ms = finest_ms
        self.levels: list[deque[tuple[int, float]]] = [deque(maxlen=BINS) for _ in range(LEVELS)]
        # Least and most of each mean; and means on their way to the next level, with theirs.
        self.reaches: list[deque[tuple[float, float]]] = [deque(maxlen=BINS) for _ in range(LEVELS)]
        self.parts: list[list[tuple[int, float, float, float]]] = [[] for _ in range(LEVELS)]
        self.opened_ms: int | None = None
        self.total = 0.0
        self.count = 0
        self.lines: dict[bool, list[tuple[float, TimeLeft] | None]] = {}  # upward or not: the surest of each level
        self.stale: dict[bool, int] = {}  # upward or not: the coarsest level that gained a mean since
        self.seen: dict[bool, list[TimeLeft]] = {}  # upward or not: the first sight of the present trend, and the last
        self.started: dict[bool, tuple[float, int]] = {}  # where a trend that was told set out from, and its window

    def add(self, at_ms: int, value: float) -> int | None:
        """This takes one good reading; returns the coarsest level that gained a mean by it, None where none did."""
        if self.opened_ms is None:
            self.opened_ms = at_ms
        if at_ms - self.opened_ms < self.finest_ms:
            self.total += value
            self.count += 1
            return None
        gained = None
        if self.count:
            mean = self.total / self.count
            gained = self._mean(0, (self.opened_ms + self.finest_ms // 2, mean, mean, mean))
        self.opened_ms, self.total, self.count = at_ms, value, 1
        return gained

    def _mean(self, level: int, mean: tuple[int, float, float, float]) -> int:
        for upward in self.stale:
            self.stale[upward] = max(self.stale[upward], level)
        self.levels[level].append(mean[:2])
        self.reaches[level].append(mean[2:])
        if level + 1 == LEVELS:
            return level
        waiting = self.parts[level]
        waiting.append(mean)
        if len(waiting) < STEP:
            return level
        at = sum(t for t, _, _, _ in waiting) // STEP
        value = sum(v for _, v, _, _ in waiting) / STEP
        least, most = min(v for _, _, v, _ in waiting), max(v for _, _, _, v in waiting)
        waiting.clear()
        return self._mean(level + 1, (at, value, least, most))

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
        return _as_of(now, at_ms) if now.at_ms - seen[0].at_ms >= HELD * seen[0].over_ms else None

    def tell(self, left: TimeLeft) -> None:
        """This keeps where a trend set out from, now that it is told."""
        upward = left.per_hour > 0
        self.started[upward] = (left.level - left.per_hour * left.over_ms / 3.6e6, left.over_ms)

    def is_back(self, upward: bool) -> bool:
        """This returns whether the signal, peaks and all, is back where a trend that was told set out from."""
        if upward not in self.started:
            return False
        sign, (level, over_ms) = 1.0 if upward else -1.0, self.started[upward]
        for means, reaches in zip(self.levels, self.reaches, strict=True):
            if len(means) >= 3 and means[-1][0] - means[0][0] >= BACK * over_ms:
                late = [r for (t, _), r in zip(means, reaches, strict=True) if t >= means[-1][0] - BACK * over_ms][
                    -BINS:
                ]
                return max(max(sign * a, sign * b) for a, b in [*late, *list(reaches)[-3:]]) <= sign * level
        return False

    def moves(self, over_ms: int) -> bool:
        """This returns whether the signal has been on its way lately, up or down, for about as long as `over_ms`."""
        for means, reaches in zip(self.levels, self.reaches, strict=True):
            for sign in (1.0, -1.0):
                peaks = [(t, max(sign * a, sign * b)) for (t, _), (a, b) in zip(means, reaches, strict=True)]
                for points in ([(t, sign * v) for t, v in means], peaks):
                    window = [p for p in points if p[0] >= points[-1][0] - over_ms]
                    if BINS_LEAST <= len(window) < len(points) and _is_news(window, points[: -len(window)]):
                        slope, _, slope_err, _ = _fit([t / 3.6e6 for t, _ in window], [v for _, v in window])
                        if slope > STEEP * slope_err:
                            return True
        return False

    def left(self, limit: float, upward: bool) -> TimeLeft | None:
        """This returns the time left until `limit`, from the window whose line is surest; None where none can be believed."""
        lines = self.lines.setdefault(upward, [None] * LEVELS)
        for level in range(self.stale.get(upward, LEVELS - 1) + 1):
            found = self._level(level, limit, upward) if len(self.levels[level]) >= BINS_LEAST else ()
            lines[level] = max(found, key=lambda line: line[0], default=None)
        self.stale[upward] = -1
        best = max((line for line in lines if line is not None), key=lambda line: line[0], default=None)
        return None if best is None else best[1]

    def _level(self, level: int, limit: float, upward: bool) -> Iterator[tuple[float, TimeLeft]]:
        """This yields (how sure, time left) for each window of one level: of its means or, where these say little, of its peaks."""
        sign = 1.0 if upward else -1.0
        means = [(t, sign * v) for t, v in self.levels[level]]
        peaks = [(t, max(sign * a, sign * b)) for (t, _), (a, b) in zip(means, self.reaches[level], strict=True)]
        older_means = [(t, sign * v) for coarser in self.levels[level + 1 :] for t, v in coarser if t < means[0][0]]
        older_peaks = [
            (t, max(sign * a, sign * b))
            for coarser, reaches in zip(self.levels[level + 1 :], self.reaches[level + 1 :], strict=True)
            for (t, _), (a, b) in zip(coarser, reaches, strict=True)
            if t < means[0][0]
        ]
        for start in dict.fromkeys(max(0, len(means) - many) for many in WINDOWS):
            window, high = means[start:], peaks[start:]
            apart = sum(p - m for (_, p), (_, m) in zip(high, window, strict=True)) / len(window)
            it_peaks = apart > COMES_AND_GOES * (sign * limit - window[-1][1])
            points, older = (high, older_peaks + peaks[:start]) if it_peaks else (window, older_means + means[:start])
            found = _line(points, older, sign * limit)
            if found is not None:
                yield found[0], _told(found[1], limit, sign, it_peaks)


def _told(left: TimeLeft, limit: float, sign: float, peaks: bool) -> TimeLeft:
    """This returns a time left in the signal's own terms: a falling one was turned round to be judged."""
    return msgspec.structs.replace(
        left, limit=limit, level=sign * left.level, per_hour=sign * left.per_hour, peaks=peaks
    )


Points = list[tuple[int, float]]


def _line(points: Points, before: Points, limit: float) -> tuple[float, TimeLeft] | None:
    """This returns how sure the line through a rising window is, and when it reaches its limit; None where it is not believed."""
    if len(points) < BINS_LEAST or not _is_news(points, before):
        return None
    first, last = points[0][0], points[-1][0]
    hours, half = (last - first) / 3.6e6, len(points) // 2
    times = [(t - last) / 3.6e6 for t, _ in points]
    values = [v for _, v in points]
    slope, level, slope_err, level_err = _fit(times, values)
    early = _fit(times[:half], values[:half])[0]
    late, _, late_err, _ = _fit(times[half:], values[half:])
    if late > early:
        # Wear seldom goes straight: what bends towards its limit is no noise.
        slope_err, level, level_err = _bent(times, values, slope) or (slope_err, level, level_err)
    gap = limit - level
    if gap <= 0 or slope <= STEEP * slope_err or late < FLATTENS * max(early, slope):
        return None
    third, third_err, fourth, fourth_err = _quarters(times[half:], values[half:])
    # A window that begins before the trend does looks straight for long: it is its second half that shows the slowing down.
    if _settles(early, late, hours, gap) or _settles(
        third - DOUBT * third_err, fourth + DOUBT * fourth_err, hours / 2, gap
    ):
        return None
    # Wear feeds on itself: where it hastened, it is taken to go on growing at such a rate, at most as from half to half.
    fastest = max(0.0, math.log(late / early) / (hours / 2)) if early > 0 else HASTENS / hours
    growth = min(fastest, max(0.0, math.log(fourth / third) / (hours / 4))) if third > 0 and fourth > 0 else 0.0
    pace = max(slope, late)
    now = pace * math.exp(growth * hours / 4)
    likely = _arrives(gap, now, growth)
    slowest = max(min(slope, late) - SURE * slope_err, now - SURE * late_err, 1e-9 * slope)
    latest = max(likely, (gap + SURE * level_err) / slowest)
    nearest = max(0.0, gap - SURE * level_err)
    fastest = min(fastest, HASTENS / hours)
    earliest = min(likely, _arrives(nearest, pace * math.exp(fastest * hours / 4) + SURE * slope_err, fastest))
    if latest > WIDE * earliest or likely > DRAWN_OUT * hours:
        return None
    early_ms, likely_ms, late_ms = (round(hour * 3.6e6) for hour in (earliest, likely, latest))
    left = TimeLeft(last, early_ms, likely_ms, late_ms, limit, level, slope, last - first)
    return slope / max(slope_err, 1e-12 * abs(slope)), left


def _quarters(times: list[float], values: list[float]) -> tuple[float, float, float, float]:
    """This returns the slopes of two quarters of a window, given its second half, each with its standard error."""
    half = len(times) // 2
    early, _, early_err, _ = _fit(times[:half], values[:half])
    late, _, late_err, _ = _fit(times[half:], values[half:])
    return early, early_err, late, late_err


def _is_news(points: Points, before: Points) -> bool:
    """This returns whether a window's end lies beyond all that the unit showed before, and that it may yet show by itself."""
    first, span = points[0][0], points[-1][0] - points[0][0]
    known = first - min((t for t, _ in before), default=first)
    if known < KNOWN * span or known <= 0:
        return False
    highest, lowest = max(v for _, v in before), min(v for _, v in before)
    more = max(BEYOND, SWINGS * (span / known) ** 2)
    return (points[-1][1] + points[-2][1]) / 2 > highest + more * (highest - lowest)


def _settles(early: float, late: float, span: float, gap: float) -> bool:
    """This returns whether what slows down as it does, by the same share in the same time, comes to rest short of its limit.

    `early` and `late` are the slopes of the two halves, `gap` what is left of the way at the end of `span`.
    """
    if not 0.0 < late < early:
        return False
    tau = span / 2 / math.log(early / late)
    return late * math.sqrt(late / early) * tau < gap


def _arrives(gap: float, pace: float, growth: float) -> float:
    """This returns when `gap` is covered at a pace that grows exponentially, at the rate `growth`."""
    return gap / pace if growth * gap < 1e-6 * pace else math.log1p(gap * growth / pace) / growth


def _as_of(left: TimeLeft, at_ms: int) -> TimeLeft:
    """This returns a time left as it is at a later time: a mean over hours speaks of what was hours ago."""
    gone = at_ms - left.at_ms
    early, likely, late = (max(0, ms - gone) for ms in (left.earliest_ms, left.likely_ms, left.latest_ms))
    return msgspec.structs.replace(left, at_ms=at_ms, earliest_ms=early, likely_ms=likely, latest_ms=late)


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
    spread = _spread([v - v0 - slope * (t - t0) for t, v in zip(times, values, strict=True)], 2)
    return slope, v0 - slope * t0, spread / math.sqrt(stt), spread * math.sqrt(1 / n + t0 * t0 / stt)


def _bent(times: list[float], values: list[float], slope: float) -> tuple[float, float, float] | None:
    """This returns the slope's error, the level at time 0 and its error, where a parabola fits clearly better; None elsewhere.

    Of means that are evenly apart, least squares have the same mean slope for line and parabola, and its bend independent of it.
    """
    n = len(times)
    t0, v0 = sum(times) / n, sum(values) / n
    along = [t - t0 for t in times]
    stt = sum(t * t for t in along)
    across = [t * t - stt / n for t in along]
    scc = sum(c * c for c in across)
    bend = sum(c * (v - v0) for c, v in zip(across, values, strict=True)) / scc
    spread = _spread([v - v0 - slope * t - bend * c for t, c, v in zip(along, across, values, strict=True)], 3)
    slope_err, bend_err = spread / math.sqrt(stt), spread / math.sqrt(scc)
    if bend <= SURE * bend_err:
        return None
    end = t0 * t0 - stt / n
    level_err = math.hypot(spread / math.sqrt(n), t0 * slope_err, end * bend_err)
    return slope_err, v0 - slope * t0 + bend * end, level_err


def _spread(rest: list[float], fitted: int) -> float:
    """This returns the deviation of what a fit of so many numbers leaves, widened for what neighbours have in common."""
    n, square = len(rest), sum(r * r for r in rest)
    along = sum(a * b for a, b in pairwise(rest)) / square if square > 0 else 0.0
    # A line through few points hides their autocorrelation; a little is always there.
    along = min(0.9, max(0.0, along + 1.0 / n))
    return math.sqrt(square / max(1, n - fitted) * (1 + along) / (1 - along))

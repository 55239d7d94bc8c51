"""This turns what a statistic did in normal running into the value it must not pass at a stated rate."""

import math
from collections.abc import Sequence
from operator import mul

TAIL_SHARE = 0.1  # of the values: what counts as the tail
Z95 = 1.64  # one-sided 95 %: how cautious a tail fitted to few values is
FAR_IN_TAIL = -math.log(TAIL_SHARE)  # -ln p where the tail starts
EXCESS_LEAST = 0.05  # of the start: a statistic that hardly varied says little of its tail
TAIL_TINY = 1e-9
TAIL_ROWS_MOST = 20_000  # behind a tail that goes on learning: it forgets what is older
TAUGHT_MOST = 5.0  # mean excesses that one value may teach
IMPROBABLE_MOST = 1e4


def autocorrelation_rows(values: Sequence[float]) -> float:
    """This returns the integrated autocorrelation time: how many rows one independent value takes.

    Sum of autocorrelations up to the first one below 0.05, lags doubling by a quarter so that it stays cheap.
    """
    count = len(values)
    if count < 8:
        return 1.0
    mean = math.fsum(values) / count
    centred = [v - mean for v in values]
    power = math.fsum(v * v for v in centred)
    if power <= 0.0:
        return 1.0
    total, lag, before = 1.0, 1, 0
    while lag < count // 3:
        rho = sum(map(mul, centred, centred[lag:])) / power
        if rho < 0.05:
            break
        total += 2.0 * rho * (lag - before)
        before, lag = lag, max(lag + 1, lag * 5 // 4)
    return total


def limit(values: Sequence[float], chance: float, floor: float = 0.0) -> float:
    """This returns the value that |statistic| passes with probability `chance` a row, by an exponential tail.

    `values` are absolute values of one statistic, row by row, in normal running. Few independent values widen the tail.
    """
    count = len(values)
    if count == 0:
        return max(floor, 1.0)
    ordered = sorted(values)
    start = ordered[min(count - 1, int(count * (1.0 - TAIL_SHARE)))]
    beyond = [v - start for v in ordered if v > start]
    excess = math.fsum(beyond) / len(beyond) if beyond else 0.0
    independent = max(1.0, count / autocorrelation_rows(values))
    # The mean of k exponential values has a relative error of 1/sqrt(k).
    caution = 1.0 + Z95 / math.sqrt(max(1.0, independent * TAIL_SHARE))
    return max(floor, start + excess * caution * max(0.0, math.log(TAIL_SHARE / chance)))


def median(values: Sequence[float]) -> float:
    """This returns the middle value, or the mean of the two middle ones. (`statistics` costs a Pi 1 MB of memory for this.)"""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else 0.5 * (ordered[half - 1] + ordered[half])


def deviation(values: Sequence[float]) -> float:
    """This returns the root mean square distance from the mean."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))


def upper_quantile(chance: float) -> float:
    """This returns how many deviations a Gaussian value exceeds with probability `chance`, 0 < chance <= 0.5.

    By halving, to nine decimals: it is asked once a learning, and the same on every machine.
    """
    low, high = 0.0, 38.0
    while high - low > 1e-11:
        middle = 0.5 * (low + high)
        if 0.5 * math.erfc(middle / math.sqrt(2.0)) > chance:
            low = middle
        else:
            high = middle
    return round(low, 9)


class Tail:
    """This is an exponential tail that goes on learning: how improbable a value of one statistic (0 or more) is.

    Begun on learning rows; afterwards each value moves the tail's start and its mean excess a little, one over the rows seen.
    What lies far out teaches no more than `TAUGHT_MOST` mean excesses at a time: what recurs becomes normal, a fault does not.
    """

    __slots__ = ("excess", "rows", "start", "tailed")

    def __init__(self, values: Sequence[float]) -> None:
        ordered = sorted(values)
        self.rows = len(ordered)
        self.start = ordered[min(len(ordered) - 1, int(len(ordered) * (1.0 - TAIL_SHARE)))] if ordered else 0.0
        beyond = [v - self.start for v in ordered if v > self.start]
        self.tailed = len(beyond) + 1  # values behind the excess
        self.excess = math.fsum(beyond) / len(beyond) if beyond else 0.0
        self.excess = max(self.excess, EXCESS_LEAST * self.start, TAIL_TINY)

    def improbable(self, value: float) -> float:
        """This returns -ln p of one value, and learns from it."""
        away = value - self.start
        gain = 1.0 / min(self.rows + 1, TAIL_ROWS_MOST)
        self.rows = min(self.rows + 1, TAIL_ROWS_MOST)
        move = (
            6.0 * self.excess * gain
        )  # in one row out of ten up by nine tenths, else down by one: it rests at a tenth
        if away > 0.0:
            found = FAR_IN_TAIL + away / self.excess
            self.start += move * (1.0 - TAIL_SHARE)
            self.tailed = min(self.tailed + 1, TAIL_ROWS_MOST)
            self.excess += max(1.0 / self.tailed, gain) * (min(away, TAUGHT_MOST * self.excess) - self.excess)
        else:
            found = FAR_IN_TAIL * value / self.start if self.start > 0.0 else 0.0
            self.start -= move * TAIL_SHARE
        self.excess = max(self.excess, 0.02 * abs(self.start), TAIL_TINY)
        return found if found < IMPROBABLE_MOST else IMPROBABLE_MOST

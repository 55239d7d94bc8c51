"""This is what the other signals of a part say that one of them should be: an estimate with its error, for while it is masked.

Where nothing redundant can stand in, the conditional mean of a joint normal distribution does (Anderson, An Introduction to
Multivariate Statistical Analysis, section 2.5), from means and covariances of this unit's own running. Its error is not taken from
that theory: it is what the estimate was truly off by while the signal could still be read.
"""

import math
from collections.abc import Sequence

from sickbay.core.elimination import solve

ROWS_LEAST = 100  # before anything is estimated
RIDGE = 0.01  # of a variance: keeps signals that always move together from cancelling each other out
CHECK_ROWS = 8  # how often an estimate is held against a signal that can be read
SMOOTH = 0.1  # EWMA of about 19 rows: what single readings scatter by hides how signals move together
CHECK_LEARNING_ROWS = 24  # the same while it still learns: each check then reckons all weights anew
FADES = 1 / 64  # of each such check in the mean square error
CHECKS_LEAST = 12
TELLS_LEAST = 0.8  # of a signal's variance that its peers must explain, as tested, before they may deny it
DENIED = 6.0  # standard errors
WEIGHTS_MAX = 64  # patterns of missing signals whose weights are kept; beyond it all are reckoned anew
SIGNALS_MAX = 24  # of one part: the work grows with the third power


class Relations:
    """How the signals of one part move together on this unit. Bounded by the square of their number."""

    __slots__ = ("checks", "count", "errors", "loads", "means", "moments", "rows", "rows_most", "smooth", "weights")

    def __init__(self, signals: int, rows_most: int) -> None:
        self.rows_most = max(ROWS_LEAST, rows_most)
        self.count = 0  # rows that were learnt from
        self.rows = 0
        self.smooth: list[float | None] = [None] * signals
        self.means = [0.0] * signals
        self.moments = [[0.0] * signals for _ in range(signals)]  # sums of products of deviations
        self.errors = [0.0] * signals  # mean square of what the estimates were off by
        self.checks = [0] * signals
        self.loads: dict[
            int, float
        ] = {}  # of the signals on their common factor, once somebody has asked (working_point.py)
        self.weights: dict[int, tuple[list[int], list[float]]] = {}  # signal and pattern: peers and their weights

    def hear(self, row: Sequence[float | None]) -> None:
        """This takes every row, well or not: all that follows is about its smoothed values."""
        self.smooth = [
            old if new is None else new if old is None else old + SMOOTH * (new - old)
            for old, new in zip(self.smooth, row, strict=True)
        ]

    def wanted(self) -> bool:
        """This counts a row, and returns whether it would be learnt from or tested by."""
        self.rows += 1
        return self.count < self.rows_most or self.rows % CHECK_ROWS == 0

    def well(self) -> None:
        """This takes the row last heard as normal running: first to learn from, later to be tested by."""
        values = [v for v in self.smooth if v is not None]
        if len(values) < len(self.smooth) or len(values) > SIGNALS_MAX:
            return
        if self.count < self.rows_most:
            self._learn(values)
        every = CHECK_ROWS if self.count == self.rows_most else CHECK_LEARNING_ROWS
        if self.rows % every == 0 and self.count >= ROWS_LEAST // 2:
            for i, value in enumerate(values):
                said = self._said(i, [None if j == i else v for j, v in enumerate(values)])
                if said is not None:
                    self.checks[i] += 1
                    share = max(FADES, 1.0 / self.checks[i])
                    self.errors[i] += share * ((value - said) ** 2 - self.errors[i])

    def estimate(self, index: int, masked: Sequence[bool]) -> tuple[float, float] | None:
        """This returns a signal's estimate and its standard error, from the others in service; None before enough is known."""
        if self.count < ROWS_LEAST or self.checks[index] < CHECKS_LEAST:
            return None
        said = self._said(index, [None if j == index or masked[j] else v for j, v in enumerate(self.smooth)])
        return None if said is None else (said, math.sqrt(self.errors[index]))

    def contradicts(self, index: int, masked: Sequence[bool]) -> bool | None:
        """This returns whether the others deny what a signal says now; None where they never had much to say about it."""
        said, value = self.estimate(index, masked), self.smooth[index]
        if said is None or value is None or self.count < 2:
            return None
        spread = self.moments[index][index] / self.count
        if spread <= 0.0 or self.errors[index] > (1.0 - TELLS_LEAST) * spread:
            return None
        return abs(value - said[0]) > DENIED * max(said[1], 1e-12)

    def _learn(self, values: list[float]) -> None:
        """This is Welford's update of means and co-moments."""
        self.count += 1
        before = [v - m for v, m in zip(values, self.means, strict=True)]
        self.means = [m + d / self.count for m, d in zip(self.means, before, strict=True)]
        after = [v - m for v, m in zip(values, self.means, strict=True)]
        for i, d in enumerate(before):
            moments = self.moments[i]
            for j, a in enumerate(after):
                moments[j] += d * a
        self.loads, self.weights = {}, {}  # reckoned from all that is known, so that a restart changes nothing

    def _said(self, index: int, row: Sequence[float | None]) -> float | None:
        seen = [j for j, v in enumerate(row) if v is not None and self.moments[j][j] > 0]
        if not seen:
            return None
        key = index << len(self.means) | sum(1 << j for j in seen)
        if key not in self.weights:
            if len(self.weights) >= WEIGHTS_MAX:
                self.weights = {}
            self.weights[key] = (seen, self._solve(index, seen))
        said = self.means[index]
        for j, weight in zip(*self.weights[key], strict=True):
            value = row[j]
            assert value is not None
            said += weight * (value - self.means[j])
        return said

    def _solve(self, index: int, seen: list[int]) -> list[float]:
        """This returns the weights of the peers, by elimination on their correlations, ridged."""
        spread = {j: math.sqrt(self.moments[j][j]) for j in [*seen, index]}
        if spread[index] == 0.0:
            return [0.0] * len(seen)
        table = [
            [self.moments[a][b] / (spread[a] * spread[b]) + (RIDGE if a == b else 0.0) for b in seen]
            + [self.moments[a][index] / (spread[a] * spread[index])]
            for a in seen
        ]
        return [weight * spread[index] / spread[j] for weight, j in zip(solve(table), seen, strict=True)]

"""This is what the other signals of a part say that one of them should be: an estimate with its error, for while it is masked.

Where nothing redundant can stand in, the conditional mean of a joint normal distribution does (Anderson, An Introduction to
Multivariate Statistical Analysis, section 2.5), from means and covariances of this unit's own running. Its error is not taken from
that theory: it is what the estimate was truly off by while the signal could still be read.
"""

import math
from collections.abc import Sequence

ROWS_LEAST = 100  # before anything is estimated
RIDGE = 0.01  # of a variance: keeps signals that always move together from cancelling each other out
CHECK_ROWS = 8  # how often an estimate is held against a signal that can be read
FADES = 1 / 64  # of each such check in the mean square error
CHECKS_LEAST = 12
WEIGHTS_MAX = 64  # patterns of missing signals whose weights are kept; beyond it all are reckoned anew
SIGNALS_MAX = 24  # of one part: the work grows with the third power


class Relations:
    """How the signals of one part move together on this unit. Bounded by the square of their number."""

    __slots__ = ("checks", "count", "errors", "means", "moments", "rows", "rows_most", "weights")

    def __init__(self, signals: int, rows_most: int) -> None:
        self.rows_most = max(ROWS_LEAST, rows_most)
        self.count = 0  # rows that were learnt from
        self.rows = 0
        self.means = [0.0] * signals
        self.moments = [[0.0] * signals for _ in range(signals)]  # sums of products of deviations
        self.errors = [0.0] * signals  # mean square of what the estimates were off by
        self.checks = [0] * signals
        self.weights: dict[int, tuple[list[int], list[float]]] = {}  # signal and pattern: peers and their weights

    def wanted(self) -> bool:
        """This counts a row, and returns whether it would be learnt from or tested by."""
        self.rows += 1
        return self.count < self.rows_most or self.rows % CHECK_ROWS == 0

    def well(self, row: Sequence[float | None]) -> None:
        """This takes a whole row of normal running: first to learn from, later to be tested by."""
        if any(v is None for v in row) or len(row) > SIGNALS_MAX:
            return
        values = [v for v in row if v is not None]
        if self.count < self.rows_most:
            self._learn(values)
        if self.rows % CHECK_ROWS == 0 and self.count >= ROWS_LEAST // 2:
            for i, value in enumerate(values):
                said = self._said(i, [None if j == i else v for j, v in enumerate(values)])
                if said is not None:
                    self.checks[i] += 1
                    share = max(FADES, 1.0 / self.checks[i])
                    self.errors[i] += share * ((value - said) ** 2 - self.errors[i])

    def estimate(self, index: int, row: Sequence[float | None]) -> tuple[float, float] | None:
        """This returns a signal's estimate and its standard error, from the others of `row`; None before enough is known."""
        if self.count < ROWS_LEAST or self.checks[index] < CHECKS_LEAST:
            return None
        said = self._said(index, [None if j == index else v for j, v in enumerate(row)])
        return None if said is None else (said, math.sqrt(self.errors[index]))

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
        if self.weights and self.count & (self.count - 1) == 0:
            self.weights = {}
        if self.count == self.rows_most:
            self.weights = {}

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
        for k in range(len(seen)):  # a ridged correlation matrix is positive definite: no pivot is needed
            pivot = table[k]
            for other in table[k + 1 :]:
                factor = other[k] / pivot[k]
                for c in range(k, len(pivot)):
                    other[c] -= factor * pivot[c]
        out = [0.0] * len(seen)
        for k in reversed(range(len(seen))):
            out[k] = (table[k][-1] - sum(table[k][c] * out[c] for c in range(k + 1, len(seen)))) / table[k][k]
        return [weight * spread[index] / spread[j] for weight, j in zip(out, seen, strict=True)]

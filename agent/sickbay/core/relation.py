"""This is analytical redundancy: what the other signals of the unit say that one of them should be, learnt on the unit itself.

A relation is a weighted sum of a few other signals, now and smoothed over 10 and 40 rows, so that what follows slowly is followed
too. Which ones is found by forward selection, as long as rows that were not learnt from are foretold better (Chow and Willsky,
Analytical redundancy and the design of robust failure detection systems, IEEE TAC 1984; Miller, Subset Selection in Regression).
A signal's own past is never among them: it would explain its own fault away.
"""

import math
from collections.abc import Sequence

import msgspec

from sickbay.core.elimination import solve

GAINS = (1.0, 2.0 / 11.0, 2.0 / 41.0)  # of the EWMAs: this row, 10 rows, 40 rows
FOLDS = 3  # rows are dealt to as many folds, in blocks: what is foretold is never what was learnt from
BLOCKS = 3  # of each fold
ROWS_MOST = 600  # learnt from: more only cost time, since neighbours say the same
FEATURES_MOST = 5  # of one relation: a technician can still follow it
BETTER = 0.97  # of the foretold rows' error: a further feature must bring it down to this
RIDGE = 1e-3  # of a variance
EXPLAINS = 0.8  # of a signal's variance at least, on rows not learnt from
HINTS = 0.3  # the same for a juror: it is asked only where two accuse each other
STILL = 1e-9  # of a value: what varies less never moved
ROUNDING = 1e-12  # of a mean square: a variance below that is what is left of rounding, not a movement


class Relation(msgspec.Struct):
    """One signal as the others make it. Features are numbered by timescale: signal + timescale x signals."""

    signal: int
    features: list[int]
    weights: list[float]  # in units of the signal for one unit of the feature
    offset: float

    def said(self, bank: Sequence[float]) -> float:
        """This returns what the signal should be now."""
        total = self.offset
        for k, weight in zip(self.features, self.weights, strict=False):  # `strict` costs a tenth of a row
            total += weight * bank[k]
        return total

    def leans(self, signal: int, signals: int) -> float:
        """This returns by how much the estimate errs when one signal is off by 1 for long."""
        return math.fsum(w for k, w in zip(self.features, self.weights, strict=True) if k % signals == signal)


class Scatter:
    """Sums of products of all features, fold by fold: all that a fit needs, bounded by the square of their number."""

    __slots__ = ("counts", "origin", "products", "rows", "rows_fit", "stride", "sums", "width")

    def __init__(self, features: int, rows_fit: int) -> None:
        self.width = features
        self.rows = 0
        self.rows_fit = max(1, rows_fit)
        self.stride = max(1, rows_fit // ROWS_MOST)
        self.origin: list[float] = []
        self.counts = [0] * FOLDS
        self.sums = [[0.0] * features for _ in range(FOLDS)]
        self.products = [[[0.0] * (i + 1) for i in range(features)] for _ in range(FOLDS)]

    def hear(self, bank: Sequence[float]) -> None:
        """This takes one row of features."""
        if not self.origin:
            self.origin = list(bank)
        self.rows += 1
        if self.rows % self.stride:
            return
        fold = self.rows * BLOCKS * FOLDS // self.rows_fit % FOLDS
        row = [v - o for v, o in zip(bank, self.origin, strict=True)]
        self.counts[fold] += 1
        self.sums[fold] = [s + v for s, v in zip(self.sums[fold], row, strict=True)]
        self.products[fold] = [
            [p + v * w for p, w in zip(products, row, strict=False)]
            for products, v in zip(self.products[fold], row, strict=True)
        ]

    def spread(self, feature: int) -> float:
        """This returns a feature's standard deviation over all folds."""
        count = max(1, sum(self.counts))
        mean = math.fsum(sums[feature] for sums in self.sums) / count
        square = sum(products[feature][feature] for products in self.products) / count
        return math.sqrt(max(square - mean * mean, 0.0))


def fit(scatter: Scatter, signals: int) -> tuple[list[Relation], list[Relation]]:
    """This returns a relation for each signal that others foretell, and jurors: the same without the signal it leans on most.

    Two that move as one accuse each other when one of them errs; a juror says which of them still fits the rest.
    """
    whole = _Moments(scatter, None)
    folds = [_Moments(scatter, fold) for fold in range(FOLDS)]
    relations: list[Relation] = []
    jurors: list[Relation] = []
    if not all(m.count for m in folds) or not all(scatter.counts):
        return relations, jurors
    moves = [whole.moves(k) for k in range(scatter.width)]
    for signal in range(signals):
        if not moves[signal]:
            continue
        usable = [k for k in range(scatter.width) if k % signals != signal and moves[k]]
        relation = _selected(scatter, whole, folds, signal, usable, EXPLAINS)
        if relation is None:
            continue
        relations.append(relation)
        spread = [math.sqrt(whole.cov(k, k)) for k in relation.features]
        most = max(zip(relation.features, relation.weights, spread, strict=True), key=lambda f: abs(f[1] * f[2]))[0]
        juror = _selected(scatter, whole, folds, signal, [k for k in usable if k % signals != most % signals], HINTS)
        if juror is not None:
            jurors.append(juror)
    return relations, jurors


class _Moments:
    """Means and covariances of all folds but one."""

    def __init__(self, scatter: Scatter, without: int | None) -> None:
        kept = [f for f in range(FOLDS) if f != without]
        self.origin = scatter.origin
        self.count = sum(scatter.counts[f] for f in kept)
        n = max(1, self.count)
        self.means = means = [math.fsum(scatter.sums[f][k] for f in kept) / n for k in range(scatter.width)]
        triangles = [scatter.products[f] for f in kept]
        self.table: list[list[float]] = []
        for a, mean in enumerate(means):
            lines = zip(*(triangle[a] for triangle in triangles), strict=True)
            self.table.append([sum(each) / n - mean * other for each, other in zip(lines, means, strict=False)])

    def cov(self, a: int, b: int) -> float:
        """This returns the covariance of two features."""
        return self.table[a][b] if a >= b else self.table[b][a]

    def moves(self, k: int) -> bool:
        """This returns whether a feature ever moved."""
        variance, mean = self.table[k][k], self.means[k]
        return variance > max((STILL * max(1.0, abs(self.origin[k]))) ** 2, ROUNDING * mean * mean)

    def weights(self, signal: int, features: Sequence[int]) -> list[float]:
        """This returns the ridged regression of a signal on features, by elimination on their correlations.

        What stood still in these rows (a relay that switched in the others alone) weighs nothing.
        """
        spread = [math.sqrt(self.table[k][k]) if self.moves(k) else math.inf for k in features]
        table = [
            [self.cov(a, b) / (sa * sb) + (RIDGE if a == b else 0.0) for b, sb in zip(features, spread, strict=True)]
            + [self.cov(a, signal) / sa]
            for a, sa in zip(features, spread, strict=True)
        ]
        return [w / s for w, s in zip(solve(table), spread, strict=True)]


def _foretold(scatter: Scatter, moments: Sequence[_Moments], signal: int, features: Sequence[int]) -> float:
    """This returns the sum of squared errors over all folds, each foretold from the others."""
    total = 0.0
    for fold, learnt in enumerate(moments):
        weights = learnt.weights(signal, features)
        terms = [(signal, 1.0), *((k, -w) for k, w in zip(features, weights, strict=True))]
        means, sums, products = learnt.means, scatter.sums[fold], scatter.products[fold]
        count = scatter.counts[fold]
        shift = math.fsum(w * means[k] for k, w in terms)
        first = math.fsum(w * sums[k] for k, w in terms)
        second = math.fsum(v * w * products[max(a, b)][min(a, b)] for a, v in terms for b, w in terms)
        total += second - 2.0 * shift * first + count * shift * shift
    return total


def _selected(
    scatter: Scatter, whole: _Moments, folds: Sequence[_Moments], signal: int, usable: Sequence[int], explains: float
) -> Relation | None:
    """This returns the relation that forward selection finds, None where nothing foretells the signal."""
    chosen: list[int] = []
    weights: list[float] = []
    alone = error = _foretold(scatter, folds, signal, [])
    while len(chosen) < FEATURES_MOST:
        best, most = -1, 0.0
        for k in usable:
            if k in chosen:
                continue
            left = whole.cov(k, signal) - math.fsum(w * whole.cov(k, c) for c, w in zip(chosen, weights, strict=True))
            gain = left * left / whole.cov(k, k)
            if gain > most:
                best, most = k, gain
        if best < 0:
            break
        now = _foretold(scatter, folds, signal, [*chosen, best])
        if now > BETTER * error:
            break
        chosen.append(best)
        error = now
        weights = whole.weights(signal, chosen)
    if not chosen or error > (1.0 - explains) * alone:
        return None
    at = [whole.means[k] + scatter.origin[k] for k in (signal, *chosen)]
    offset = at[0] - math.fsum(w * v for w, v in zip(weights, at[1:], strict=True))
    return Relation(signal, chosen, weights, offset)

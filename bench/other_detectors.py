"""These are the detectors that `sickbay score` is compared with; each speaks its lines.

    python bench/other_detectors.py robust-z < samples.jsonl

They know the warm-up alone and have one configuration for every stream. River and scikit-learn are imported by the detectors
that are theirs.
"""

import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float64]

SMOOTH_ROWS = 5  # rows whose median is the score


class Detector(ABC):
    """This is what all have in common: gaps are filled with the last value, and the limit comes from the warm-up's scores.

    A subclass says how odd a row is: one number a signal, or one number for the row, which then blames nobody. The margins below
    were searched for the sake of each detector, see docs/detection.md.
    """

    smooth_rows = SMOOTH_ROWS
    margin = 1.0  # times what lies between the median and the 99.9 % quantile of the warm-up's scores

    @abstractmethod
    def fit(self, rows: Row) -> list[Row]:
        """This returns how odd the warm-up's own rows are, after they have been learnt."""

    @abstractmethod
    def odd(self, x: Row) -> Row:
        """This returns how odd a row is, never negative."""

    def limit(self, reached: Row) -> float:
        """This returns the score above which there is an alarm: the same rule for all that have no rule of their own."""
        middle, high = np.quantile(reached, (0.5, 0.999))
        return float(middle + self.margin * (high - middle))

    def __init__(self, warm: int) -> None:
        self._warm = warm
        self._rows: list[Row] = []
        self._last: Row | None = None
        self._recent: deque[Row] = deque(maxlen=self.smooth_rows)
        self._limit = 0.0

    def answer(self, x: Row) -> dict[str, Any]:
        """This returns the answer to one sample; NaN is a reading that is missing."""
        if self._last is None or len(self._rows) < self._warm:
            self._rows.append(x)
            if len(self._rows) == self._warm:
                self._learn()
            return {"score": 0.0, "alarm": False, "blame": None}
        self._last = x = np.where(np.isnan(x), self._last, x)
        each = self._smoothed(self.odd(x))
        score = float(each.max())
        return {
            "score": score,
            "alarm": score > self._limit,
            "blame": each.tolist() if len(each) == len(x) > 1 else None,
        }

    def _learn(self) -> None:
        rows = np.array(self._rows)
        seen = [column[~np.isnan(column)] for column in rows.T]
        self._last = np.array([np.median(column) if len(column) else 0.0 for column in seen])
        for row in rows:
            row[:] = self._last = np.where(np.isnan(row), self._last, row)
        reached = [float(self._smoothed(each).max()) for each in self.fit(rows)]
        self._limit = self.limit(np.array(reached))

    def _smoothed(self, each: Row) -> Row:
        self._recent.append(each)
        if self.smooth_rows == 1:
            return each
        middle: Row = np.sort(np.array(self._recent), axis=0)[len(self._recent) // 2]
        return middle


class RobustZ(Detector):
    """This is the distance of each signal from the warm-up's median, in median absolute deviations."""

    margin = 3.0

    def fit(self, rows: Row) -> list[Row]:
        self.middle = np.median(rows, axis=0)
        mad = 1.4826 * np.median(np.abs(rows - self.middle), axis=0)
        spread = np.where(
            mad > 1e-9, mad, rows.std(axis=0)
        )  # a coarse signal rests on its median more than half of the time
        self.spread = np.where(spread > 1e-9, spread, 1.0)
        return [self.odd(row) for row in rows]

    def odd(self, x: Row) -> Row:
        return np.abs(x - self.middle) / self.spread


class FixedLimits(Detector):
    """This is a lowest and a highest value for each signal: the warm-up's, widened by a share of their distance. No smoothing."""

    smooth_rows, margin = 1, 1.25

    def fit(self, rows: Row) -> list[Row]:
        self.low, self.high = rows.min(axis=0), rows.max(axis=0)
        self.spread = np.where(self.high - self.low > 1e-9, self.high - self.low, 1.0)
        return [self.odd(row) for row in rows]

    def odd(self, x: Row) -> Row:
        beyond: Row = np.maximum(np.maximum(self.low - x, x - self.high) / self.spread, 0.0)
        return beyond

    def limit(self, reached: Row) -> float:
        return self.margin


class KMeans(Detector):
    """This is what Netdata's public documents describe ("Machine Learning and Anomaly Detection", "ML configuration").

    For each signal: differences (1), smoothed (3), with 5 lags; two clusters; a row is odd where its distance from the nearest
    centre exceeds the 99 % quantile of the training distances in every model. The documents have 18 models of six hours each,
    three hours apart, trained for ever; here three of half a warm-up, a quarter apart, trained once. The score of a signal
    is its share of odd rows among the last 20.
    """

    smooth_rows, margin = 1, 3.0
    DIFF_SMOOTH, LAGS, RATE_ROWS, QUANTILE = 3, 5, 20, 0.99
    DEPTH = 1 + DIFF_SMOOTH + LAGS  # rows that one vector of features needs

    def fit(self, rows: Row) -> list[Row]:
        features = np.array([self._features(rows[i : i + self.DEPTH]) for i in range(len(rows) - self.DEPTH + 1)])
        half, step = len(features) // 2, len(features) // 4
        parts = [features[k * step : k * step + half] for k in range(3)]
        self.centres = np.array([[two_means(part[:, j]) for j in range(rows.shape[1])] for part in parts])
        far = [np.array([self._distances(f)[k] for f in part]) for k, part in enumerate(parts)]
        self.far = np.array([np.quantile(distances, self.QUANTILE, axis=0) for distances in far])
        self.window: deque[Row] = deque(maxlen=self.DEPTH)
        self.bits: deque[Row] = deque([np.zeros(rows.shape[1])] * self.RATE_ROWS, maxlen=self.RATE_ROWS)
        self.sum = np.zeros(rows.shape[1])
        return [self.odd(row) for row in rows]

    def odd(self, x: Row) -> Row:
        self.window.append(x)
        if len(self.window) == self.DEPTH:
            bit = (self._distances(self._features(np.array(self.window))) > self.far).all(axis=0).astype(float)
            self.sum += bit - self.bits[0]
            self.bits.append(bit)
        return self.sum / self.RATE_ROWS

    def _features(self, window: Row) -> Row:
        """This returns signals x (1 + lags): smoothed differences, oldest first."""
        sums = np.cumsum(np.diff(window, axis=0), axis=0)
        sums[self.DIFF_SMOOTH :] -= sums[: -self.DIFF_SMOOTH].copy()
        return (sums[self.DIFF_SMOOTH - 1 :] / self.DIFF_SMOOTH).T

    def _distances(self, features: Row) -> Row:
        """This returns models x signals: how far it is to the nearest centre."""
        away = features[None, :, None, :] - self.centres
        nearest: Row = np.sqrt(np.einsum("msck,msck->msc", away, away).min(axis=2))
        return nearest


def two_means(points: Row) -> Row:
    """This returns the two centres of Lloyd's k-means, begun at the points nearest to and farthest from the mean."""
    away = ((points - points.mean(axis=0)) ** 2).sum(axis=1)
    centres = points[[int(away.argmin()), int(away.argmax())]]
    for _ in range(100):
        nearest = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        moved = np.array([points[nearest == k].mean(axis=0) if (nearest == k).any() else centres[k] for k in (0, 1)])
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


class HalfSpaceTrees(Detector):
    """This is river's half-space trees (Tan, Ting & Liu 2011) behind its min-max scaler; 25 trees as there, else river's defaults.

    A window is half a warm-up where that is less than river's 250 rows. The frozen one learns nothing after the warm-up.
    """

    learns_on, margin = False, 0.4

    def fit(self, rows: Row) -> list[Row]:
        from river.anomaly import HalfSpaceTrees as Trees
        from river.preprocessing import MinMaxScaler

        window = min(250, len(rows) // 2)
        self.scaler, self.trees = MinMaxScaler(), Trees(n_trees=25, window_size=window, seed=1)
        if self.learns_on:
            return [self.odd(row) for row in rows][window:]
        for row in rows:
            self.scaler.learn_one(dict(enumerate(row.tolist())))
        for row in rows:
            self.trees.learn_one(self.scaler.transform_one(dict(enumerate(row.tolist()))))
        return [self.odd(row) for row in rows]

    def odd(self, x: Row) -> Row:
        named = dict(enumerate(x.tolist()))
        if self.learns_on:
            self.scaler.learn_one(named)
        scaled = self.scaler.transform_one(named)
        score = self.trees.score_one(scaled)
        if self.learns_on:
            self.trees.learn_one(scaled)
        return np.array([score])


class HalfSpaceTreesLearning(HalfSpaceTrees):
    """This is the same, used as river's documents do: each row is scored, then learnt, for ever."""

    learns_on, margin = True, 0.1


class IsolationForest(Detector):
    """This is scikit-learn's isolation forest, as it comes (100 trees of 256 rows), fitted on the warm-up.

    `score_samples` takes milliseconds a call, made for many rows at once; so its trees are walked here, all at the same
    time, to the same score.
    """

    def fit(self, rows: Row) -> list[Row]:
        from sklearn.ensemble import IsolationForest as Forest

        self.forest = forest = Forest(random_state=1).fit(rows)
        trees = [each.tree_ for each in forest.estimators_]
        first = np.cumsum([0, *(tree.node_count for tree in trees)])
        self.roots = first[:-1]
        here = np.arange(first[-1])
        starts = np.repeat(self.roots, np.diff(first))
        left, right = (np.concatenate([getattr(t, f"children_{side}") for t in trees]) for side in ("left", "right"))
        self.leaf = left < 0
        self.left, self.right = np.where(self.leaf, here, left + starts), np.where(self.leaf, here, right + starts)
        self.signal = np.concatenate([np.maximum(tree.feature, 0) for tree in trees])
        self.cut = np.concatenate([tree.threshold for tree in trees])
        self.deepest = max(tree.max_depth for tree in trees)
        self.path = unsplit_path(np.concatenate([tree.n_node_samples for tree in trees]))
        self.usual = float(unsplit_path(np.array([forest.max_samples_]))[0])
        return [self.odd(row) for row in rows]

    def odd(self, x: Row) -> Row:
        x = x.astype(np.float32).astype(float)  # as scikit-learn's trees compare
        at, depth = self.roots, 0
        for _ in range(self.deepest):
            depth += len(at) - int(np.count_nonzero(self.leaf[at]))
            at = np.where(x[self.signal[at]] <= self.cut[at], self.left[at], self.right[at])
        mean = (depth + float(self.path[at].sum())) / len(at)
        return np.array([2.0 ** (-mean / self.usual)])


def unsplit_path(counts: NDArray[np.int64]) -> Row:
    """This returns the mean length of a path below a node of so many rows (Liu, Ting & Zhou 2008, equation 1)."""
    n = np.maximum(counts, 3).astype(float)
    long = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return np.where(counts <= 1, 0.0, np.where(counts == 2, 1.0, long))


DETECTORS: dict[str, tuple[str, Callable[[int], Detector]]] = {
    "fixed": ("fixed limits", FixedLimits),
    "robust-z": ("robust z", RobustZ),
    "kmeans": ("k-means as Netdata describes it", KMeans),
    "forest": ("isolation forest", IsolationForest),
    "hst-frozen": ("half-space trees, frozen", HalfSpaceTrees),
    "hst-learning": ("half-space trees, learning", HalfSpaceTreesLearning),
}


def speak(name: str, lines: IO[bytes], out: IO[bytes]) -> None:
    """This answers each sample by a line, before it reads the next."""
    header = msgspec.json.decode(lines.readline())
    detector = DETECTORS[name][1](int(header["warm"]))
    for line in lines:
        answer = detector.answer(np.array(msgspec.json.decode(line)["x"], dtype=float))
        out.write(msgspec.json.encode(answer) + b"\n")
        out.flush()


if __name__ == "__main__":
    if sys.argv[1:] not in [[known] for known in DETECTORS]:
        sys.exit(f"other_detectors: name one of {', '.join(DETECTORS)}")
    speak(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)

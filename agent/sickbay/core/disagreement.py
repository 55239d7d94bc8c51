"""This judges signals that measure the same thing: whether they still agree, and if not, which of them is alone."""

import math
from collections.abc import Sequence
from itertools import combinations

from sickbay.core.tails import autocorrelation_rows, upper_quantile

CHANCE = 1e-8  # of a false disagreement a row
MARGIN = 1.3  # on the deviations that a Gaussian would need
STEPS = 2.5  # least limit, in the smallest difference seen
LARGEST = 1.5  # a disagreement begins no nearer than this times the largest difference seen in learning
GAIN = 0.02  # two good sensors of one quantity may differ by this share of the way from where they were learnt
SMOOTH = 2.0 / 4.0  # EWMA of 3 rows: one glitch is the checks' business
CLEARER = 2.0  # with two signals, evidence this many times the other's decides


class Disagreement:
    """One redundancy group of two or more signals, in the order given."""

    def __init__(self, count: int, learn_rows: int = 400, lsb: float = 0.0) -> None:
        assert count >= 2
        self.count = count
        self.pairs = tuple(combinations(range(count), 2))
        self.rows_left = max(20, learn_rows)
        self.tested = False  # at least one pair could be judged
        self.failed = False
        self.ratios = [0.0] * len(self.pairs)  # how far apart, 1.0 is the limit
        self._lsb = lsb
        self._kept: list[list[float]] = [[] for _ in self.pairs]
        self._levels: list[float] = []
        self._offsets = [0.0] * len(self.pairs)
        self._limits = [math.inf] * len(self.pairs)
        self._smooth = [0.0] * len(self.pairs)
        self._level = 0.0
        self._judged = [False] * len(self.pairs)

    @property
    def learning(self) -> bool:
        return self.rows_left > 0

    def step(self, values: Sequence[float | None], suspect: bool = False) -> bool:
        """This returns whether the group disagrees. `suspect` rows (a failed check, a fault) are not learnt from."""
        if self.rows_left > 0:
            if not suspect and all(v is not None for v in values):
                self._learn([v for v in values if v is not None])
            return False
        there = sorted(v for v in values if v is not None)
        self.tested = len(there) >= 2
        self.failed = False
        if not self.tested:
            self._judged = [False] * len(self.pairs)
            return False
        allowance = GAIN * abs(there[len(there) // 2] - self._level)
        for k, (i, j) in enumerate(self.pairs):
            a, b = values[i], values[j]
            self._judged[k] = a is not None and b is not None
            if a is None or b is None:
                self.ratios[k] = 0.0
                continue
            self._smooth[k] += SMOOTH * (a - b - self._offsets[k] - self._smooth[k])
            self.ratios[k] = abs(self._smooth[k]) / (self._limits[k] + allowance)
            if self.ratios[k] > 1.0:
                self.failed = True
        return self.failed

    def who(self, evidence: Sequence[float] | None = None) -> int | None:
        """This returns the member that is alone; of two, the one with clearly more `evidence`; else None."""
        if not self.failed:
            return None
        apart = [0] * self.count
        judged = [0] * self.count
        for (i, j), ratio, there in zip(self.pairs, self.ratios, self._judged, strict=True):
            for member in (i, j):
                judged[member] += there
                apart[member] += ratio > 1.0
        alone = [m for m in range(self.count) if judged[m] >= 2 and apart[m] == judged[m]]
        others_agree = any(there and ratio <= 1.0 for ratio, there in zip(self.ratios, self._judged, strict=True))
        if len(alone) == 1 and others_agree:
            return alone[0]
        present = [m for m in range(self.count) if judged[m]]
        if evidence is None or len(present) < 2:
            return None
        order = sorted(present, key=lambda m: -evidence[m])
        first, second = evidence[order[0]], evidence[order[1]]
        return order[0] if first > 0.0 and first >= CLEARER * second else None

    def _learn(self, values: list[float]) -> None:
        for kept, (i, j) in zip(self._kept, self.pairs, strict=True):
            kept.append(values[i] - values[j])
        self._levels.append(sorted(values)[len(values) // 2])
        self.rows_left -= 1
        if self.rows_left > 0:
            return
        self._level = math.fsum(self._levels) / len(self._levels)
        for k, kept in enumerate(self._kept):
            offset = sorted(kept)[len(kept) // 2]
            self._offsets[k] = offset
            least = max(3.0 * self._lsb, 1e-6 * abs(self._level), 1e-12)
            self._limits[k] = max(_limit([v - offset for v in kept]), least)
        self._kept = [[] for _ in self.pairs]
        self._levels = []


def _limit(differences: Sequence[float]) -> float:
    """This returns how far apart two may be, smoothed as `step` smooths: few independent values widen it (Student's t)."""
    smooth, seen = 0.0, []
    for difference in differences:
        smooth += SMOOTH * (difference - smooth)
        seen.append(smooth)
    spread = math.sqrt(math.fsum(v * v for v in seen) / len(seen))
    freedom = max(2.0, len(seen) / autocorrelation_rows(seen))
    deviations = MARGIN * upper_quantile(CHANCE)
    deviations *= 1.0 + (deviations * deviations + 1.0) / (4.0 * freedom)
    # Coarse sensors differ by whole steps, and by one more whenever both round away from each other.
    step = min((abs(d) for d in differences if d != 0.0), default=0.0)
    return max(deviations * spread, LARGEST * max(map(abs, seen)), STEPS * step)

"""This is the second view of a part: what its model could not explain, calibrated on the unit's own normal answers."""

import math
from collections.abc import Sequence

from sickbay.core.tails import autocorrelation_rows, limit

SMOOTH = 2.0 / 6.0  # EWMA of 5 answers
LEAST_ANSWERS = 100  # before the view says anything
MARGIN = 1.3
FOLLOW = 1.0 / 100.0  # of an answer: how fast what is usually left unexplained is followed
GATE = 0.6  # nearer to the limit nothing is learnt
STALE_FADE = 0.8  # of the score for each row without an answer


class ResidualView:
    """Mean squared residual of a part's rows (Q, the squared prediction error), smoothed, against its own normal.

    The first answers (a quarter of the learning rows) calibrate it, while nothing is suspect. Without answers it is silent and
    costs nothing.
    """

    __slots__ = ("_chance", "_kept", "_limit", "_mean", "_needed", "_usual", "asked", "score", "width")

    def __init__(self, width: int, learn_rows: int, chance: float) -> None:
        self.width = width
        self.score = 0.0
        self.asked: tuple[float, ...] | None = None
        self._needed = max(LEAST_ANSWERS, min(learn_rows // 4, 1000))
        self._chance = chance
        self._kept: list[float] = []
        self._limit = 0.0  # 0: not calibrated
        self._usual = 0.0
        self._mean = 0.0

    def answer(self, estimates: Sequence[float] | None, quiet: bool) -> None:
        """This takes the model's estimates of the row last asked about."""
        asked, self.asked = self.asked, None
        if estimates is None or asked is None or len(estimates) != self.width:
            self.score = self.score * STALE_FADE if self.score > 0.05 else 0.0
            return
        total = 0.0
        for z, expected in zip(asked, estimates, strict=True):
            total += (z - expected) * (z - expected)
        value = math.sqrt(total / self.width)
        if not value < 1e9:  # a model that answers NaN has no view
            self.score = self.score * STALE_FADE
            return
        self._mean += SMOOTH * (value - self._mean)
        away = self._mean - self._usual
        if self._limit > 0.0:
            self.score = max(0.0, away) / self._limit
            if self.score < GATE and quiet:
                self._usual += FOLLOW * away
        elif quiet:
            # A model fitted at one hour explains a little less at the next: what it usually leaves is followed slowly.
            count = len(self._kept) + 1
            self._usual += max(FOLLOW, 1.0 / count) * away
            self._kept.append(abs(away))
            if len(self._kept) >= self._needed:
                self._calibrate()

    def rest(self) -> None:
        """This forgets the last answers, not their calibration."""
        self.score, self.asked = 0.0, None
        self._mean = self._usual

    def _calibrate(self) -> None:
        kept = self._kept[10:]  # the first answers still carry the start of the mean
        independent = len(kept) / autocorrelation_rows(kept)
        caution = 1.0 + 2.0 / math.sqrt(max(1.0, independent / 4.0))
        self._limit = max(MARGIN * limit(kept, self._chance), caution * max(kept), 0.05 * self._usual, 1e-9)
        self._kept = []

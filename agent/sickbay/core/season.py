"""This finds out whether a signal repeats itself (a day, a week, a duty cycle), and what it usually is at each point of it."""

import math
from collections.abc import Sequence
from operator import mul

from sickbay.core.tails import deviation, median

EXPLAINS = 0.5  # least correlation of a stretch with the one a period later: half of the variance, on rows not used for the other
PERIODS_LEAST = 2.0  # that a learning stretch must hold
SLOTS_LEAST, SLOTS_MOST = 8, 2048  # rows of a period
SEARCH_ROWS = 500  # longer stretches are searched at a coarser step first
CLIP = 6.0  # mean deviations: a spike must not decide
GAIN = 0.25  # of a slot's usual, a period


def find(values: Sequence[float], periods: float = PERIODS_LEAST, explains: float = EXPLAINS) -> int:
    """This returns the period in rows, 0 where there is none: the highest autocorrelation past its first zero crossing.

    `values` must hold so many of it, and a stretch explain so much of the one a period later.
    """
    stride = max(1, math.ceil(len(values) / SEARCH_ROWS))
    coarse = _centred([math.fsum(values[i : i + stride]) / stride for i in range(0, len(values) - stride + 1, stride)])
    best, strength, crossed = 0, explains, False
    for lag in range(1, int(len(coarse) / periods) + 1):
        rho = _correlation(coarse, lag)
        crossed = crossed or rho < 0.0
        if crossed and rho > strength:
            best, strength = lag, rho
    if best and stride > 1:
        fine = _centred(values)
        near = range((best - 1) * stride + 1, min((best + 1) * stride, int(len(fine) / periods)) + 1)
        best = max(near, key=lambda lag: _correlation(fine, lag), default=0)
    return best if SLOTS_LEAST <= best <= SLOTS_MOST else 0


def _centred(values: Sequence[float]) -> list[float]:
    """This returns values about their mean in units of their deviation, clipped; nothing where they never moved."""
    if not values:
        return []
    centre = median(values)
    spread = math.fsum(abs(v - centre) for v in values) / len(values)
    clipped = [min(max(v, centre - CLIP * spread), centre + CLIP * spread) for v in values]
    size = deviation(clipped)
    mean = math.fsum(clipped) / len(clipped)
    return [(v - mean) / size for v in clipped] if 0.0 < size < 1e150 else []


def _correlation(centred: Sequence[float], lag: int) -> float:
    alike: float = sum(map(mul, centred, centred[lag:]))
    return alike / (len(centred) - lag)


class Season:
    """What one signal usually is at each row of its period: an EWMA over periods, begun with the first."""

    __slots__ = ("_at", "_usual")

    def __init__(self, period: int) -> None:
        assert 0 < period <= SLOTS_MOST
        self._usual: list[float | None] = [None] * period
        self._at = 0

    def away(self, value: float | None, otherwise: float) -> float:
        """This returns how far a value is from what is usual here, or from `otherwise` in the first period; and learns."""
        at = self._at
        self._at = at + 1 if at + 1 < len(self._usual) else 0
        if value is None:
            return 0.0
        usual = self._usual[at]
        self._usual[at] = value if usual is None else usual + GAIN * (value - usual)
        return value - (otherwise if usual is None else usual)

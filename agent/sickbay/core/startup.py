"""This says where a signal's start-up ends: a machine that was just switched on is not yet what it will be."""

import math
from collections.abc import Sequence

BIN_ROWS = 20
MOST = 0.25  # of all rows: what takes longer than that is how the machine is
FAR = 1.5  # times all that the means of the rest cover: so far beyond it the first mean is no part of it
BINS_LEAST = 4  # of the rest: fewer say nothing


def rows(column: Sequence[float | None]) -> int:
    """This returns how many of a signal's first rows belong to its start-up: 0 where it begins as it goes on.

    A flow that is on its way up while the pump starts is its farthest excursion in learning, and would widen every limit.
    """
    means = [_mean(column[i : i + BIN_ROWS]) for i in range(0, len(column) - BIN_ROWS + 1, BIN_ROWS)]
    most = int(MOST * len(means))
    rest = [mean for mean in means[most:] if mean is not None]
    if not most or len(rest) < BINS_LEAST or means[0] is None:
        return 0
    low, high = min(rest), max(rest)
    wide = FAR * (high - low)
    if low - wide <= means[0] <= high + wide:
        return 0
    home = (i for i, mean in enumerate(means[:most]) if mean is not None and low <= mean <= high)
    return BIN_ROWS * next(home, most)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return math.fsum(known) / len(known) if known else None

"""This judges a signal that goes up and down at its own beat, as what a thermostat holds does, by its mean over a whole beat.

The beat is in every slower mean, and learning shows a handful of beats only: their limits come out at several times the swing,
and a sensor that is off by as much hides below. A mean over one whole beat has the swing no more, wherever it began.
"""

import math
from collections.abc import Sequence

from sickbay.core.halves import Halves
from sickbay.core.season import find

BEATS = 3.0  # that learning must hold: two could be chance
ALIKE = 0.6  # least correlation of a stretch with the one a beat later
ROWS_LEAST, ROWS_MOST = 20, 400  # of a beat: a shorter one is in no slow mean, a longer one takes too much to remember
SMOOTH = 2.0 / 11.0  # EWMA of 10 rows: noise hides a beat
START_ROWS = 10
# The mean of a beat may go from one to the next by 1.75 deviations of the swing, which is beyond where it turns (1.4 of a sine);
# on a fault-free rig it went by 0.87 at the most, since beats are not all as long. And 2.5 times as far as in learning.
SWING, FARTHER = 1.75, 2.5


def learn(values: Sequence[float]) -> tuple[int, float]:
    """This returns the rows of a signal's beat, and how far its mean may go from one beat to the next; no rows: it has none."""
    level = _level(values)
    power = math.fsum(v * v for v in level)
    rows = find(level, BEATS, ALIKE) if power > 0.0 else 0
    if not ROWS_LEAST <= rows <= ROWS_MOST:
        return 0, 0.0
    halves = Halves(rows)
    gone = [abs(halves.step(v)) for v in values]
    return rows, max(SWING * math.sqrt(power / len(level)), FARTHER * max(gone))


def _level(values: Sequence[float]) -> list[float]:
    """This returns values without their noise and their trend."""
    if len(values) < BEATS * ROWS_LEAST:
        return []
    mean, means = math.fsum(values[:START_ROWS]) / START_ROWS, []
    for value in values:
        mean += SMOOTH * (value - mean)
        means.append(mean)
    del means[:START_ROWS]
    middle, at = 0.5 * (len(means) - 1), math.fsum(means) / len(means)
    slope = math.fsum((i - middle) * v for i, v in enumerate(means)) / math.fsum(
        (i - middle) ** 2 for i in range(len(means))
    )
    return [v - at - slope * (i - middle) for i, v in enumerate(means)]


class Rhythm:
    """One signal's last two beats. Values are distances from where it was learnt."""

    __slots__ = ("halves", "most")

    def __init__(self, rows: int, most: float) -> None:
        self.halves = Halves(rows)
        self.most = most

    def step(self, value: float) -> float:
        """This takes a value and returns how far the mean of the last beat went, in limits. What goes home is no news."""
        halves = self.halves
        gone = abs(halves.step(value)) / self.most
        home = abs(halves.later) < abs(halves.earlier) and abs(halves.later) < self.most * halves.rows
        return 0.0 if home else gone

    def rest(self) -> None:
        """This forgets the last beats, not the beat."""
        self.halves.rest()

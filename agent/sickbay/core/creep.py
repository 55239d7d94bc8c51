"""This finds what creeps away slower than a chart's level follows it, where nobody else says where the unit is.

A chart's level goes along with slow wander, and so with slow drift. What learning saw of a slow mean is a range; a random walk
leaves it by the root of the rows that have passed since. What is several such ranges beyond, and took longer to get there than
levels take to follow, is told once, and again when it is half as far again: it may be wear, weather or a sensor, and no alarm is
held for what nobody can say to be over. What goes as far faster than that is the charts' matter, and no drift.
"""

import math
from collections.abc import Sequence

from sickbay.core.chart import Chart, SignalLearnt

RANGES = 2.5  # times what the slow mean covered in learning
LEVELS = 2.0  # times the rows over which the level reaches: so long it must have been outside, all the time
ROWS = 20  # for which it is told
AGAIN = 1.5  # times as far as it was when told: then once more


class Creep:
    """How far one signal has crept. Judged every so many rows; `told` while it is to be told, in limits."""

    __slots__ = ("away", "left", "most", "told")

    def __init__(self) -> None:
        self.away = 0  # rows since it left what it was in learning
        self.left = 0  # rows for which it is still told
        self.most = 1.0  # limits: where it is told next
        self.told = 0.0

    def step(self, beyond: float, reach: float, rows: int) -> float:
        """This takes by how many ranges (grown to today's) a slow mean is past all that it was, and returns `told`.

        `reach`: rows over which the signal's level reaches; `rows`: since the step before.
        """
        if beyond <= 0.0:
            self.away, self.left, self.told = 0, 0, 0.0
            return 0.0
        self.away += rows
        far = beyond / RANGES
        if self.left > 0:
            self.left -= rows
            self.most = max(self.most, AGAIN * far)
            self.told = max(1.0, far) if self.left > 0 else 0.0
        elif far >= self.most:
            self.most = AGAIN * far
            if self.away >= LEVELS * reach:
                self.left, self.told = ROWS, max(1.0, far)
        return self.told


class Creeping:
    """All signals of one part. `step` every so many rows; `told` is by signal how far it has crept in limits, None: nobody has."""

    __slots__ = ("each", "rows", "told")

    def __init__(self, signals: int) -> None:
        self.each = [Creep() for _ in range(signals)]
        self.rows = 0  # since learning
        self.told: list[float] | None = None

    def step(
        self, charts: Sequence[Chart], learnt: Sequence[SignalLearnt], masked: Sequence[bool], rows: int, of: int
    ) -> None:
        """This asks who has crept away. `rows`: since the step before; `of`: rows that were learnt from."""
        self.rows += rows
        # A random walk covers so many times what it covered in learning.
        grown = math.sqrt(1.0 + self.rows / max(1, of))
        told = []
        for creep, chart, signal, out in zip(self.each, charts, learnt, masked, strict=True):
            width = grown * (signal.high - signal.low)
            past = max(chart.slow - signal.high, signal.low - chart.slow)
            told.append(creep.step(past / width if width > 0.0 and not out else 0.0, signal.spans[-1], rows))
        self.told = told if any(told) else None

    def rest(self) -> None:
        """This forgets who had crept, not how long ago learning was."""
        self.each = [Creep() for _ in self.each]
        self.told = None

"""This is the further view of a part whose rows are minutes apart: each reading counts, and days and weather pass over it."""

import math
from collections.abc import Sequence

from sickbay.core.abrupt import Abrupt
from sickbay.core.news import Newness, News

SLOW_S = 60.0  # between rows: at 1 Hz a lone wild reading is nothing yet, at a minute it may be all there ever is of an event
DAY_S = 86400.0
DAYS_LEAST = 3.0  # of learning: less says nothing of how days differ
REACH_MOST = 5.0
HUGE = 1e18  # as for charts

Row = Sequence[float | None]


def reach(every_s: float, rows: int, chance: float) -> float:
    """This returns how many times farther a level may go than learning showed.

    What days and weather move goes on wandering: as far as the root of the time (a random walk), and limits are asked to hold for
    one over the chance of a false alarm, of which learning showed so many rows. 1.0 where no days were seen.
    """
    if every_s < SLOW_S or rows * every_s < DAYS_LEAST * DAY_S:
        return 1.0
    return min(REACH_MOST, max(1.0, math.sqrt(1.0 / (chance * rows))))


class SlowView:
    """One part. After `step`: `wild` are the signals whose last reading but one was wild, `news` is how new the row is."""

    __slots__ = ("_abrupt", "_news", "news", "wild")

    def __init__(self, rows: Sequence[Row], chance: float) -> None:
        columns = [[row[j] for row in rows] for j in range(len(rows[0]))]
        self._abrupt = [Abrupt(column, chance) for column in columns]
        self._news = News([Newness(column) for column in columns], len(rows))
        self.wild: list[int] = []
        self.news = 0.0

    def step(self, row: Row, masked: Sequence[bool]) -> None:
        usable = [v if v is not None and -HUGE < v < HUGE else None for v in row]
        self.wild = [j for j, view in enumerate(self._abrupt) if view.step(usable[j]) > 1.0]
        self.news = self._news.step(usable, masked)

    def rest(self) -> None:
        """This forgets the last readings: the part was off."""
        self.wild, self.news = [], 0.0
        for view in self._abrupt:
            view.rest()

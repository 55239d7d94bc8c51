"""This says when the fault behind a part's alarm is over: what raised it has come back, and little is left.

A machine that was stopped, clogged or shaken does not come to rest exactly where it stood, and what its fault has warmed is
warm for long. That is no fault; the part settles: each level is taken up where its signal comes to rest (`Chart.settle_aside`).
"""

from collections.abc import Sequence

from sickbay.core.chart import GATE, Chart

LASTED_ROWS = 50  # a shorter alarm ends as its scores do
EARLY_ROWS = 20  # what is over its limit so soon has raised the alarm ...
LEADS = 0.5  # ... and so has, later, what goes as far as this share of the farthest
# Of the farthest that a signal was: nearer it is back, if it is also near its limit no more; and nearer it is back all the same.
BACK, WELL_BACK = 0.5, 0.25
SLIGHT, LITTLE = 2.0, 0.1  # limits; of the farthest that it was: what is farther out than both settles nowhere
HOME_ROWS = 15  # rows in a row for which all are back


class Settling:
    """This follows one alarm of a part. `step` a row while it lasts; True: its fault is over."""

    __slots__ = ("_farthest", "_home", "_rows")

    def __init__(self) -> None:
        self._farthest: dict[int, float] = {}  # of each signal that raised the alarm, in limits
        self._rows = 0
        self._home = 0  # rows for which all have been back

    def step(self, charts: Sequence[Chart], blame: Sequence[float], masked: Sequence[bool]) -> bool:
        """This takes in one row of a part in alarm. What is out of service raises nothing, and holds nothing up."""
        self._rows += 1
        farthest = self._farthest
        led = LEADS * max(farthest.values(), default=0.0)
        back = self._rows > LASTED_ROWS
        for j, much in enumerate(blame):
            if masked[j] or (much < 1.0 and j not in farthest):
                continue
            ratio = charts[j].ratio()
            if ratio >= max(SLIGHT, LITTLE * farthest.get(j, 0.0)):
                back = False
            if j not in farthest:
                if self._rows > EARLY_ROWS and ratio < led:
                    continue
                farthest[j] = ratio
            most = farthest[j] = max(farthest[j], ratio)
            if ratio >= BACK * most or (much >= GATE and ratio >= WELL_BACK * most):
                back = False
        self._home = self._home + 1 if back and farthest else 0
        return self._home >= HOME_ROWS

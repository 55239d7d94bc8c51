"""This says how a signal that has left its normal goes on: as a sensor that errs, or as a machine that answers to its load.

A sensor's error is added to what it measures: an offset that stands, a slope, a fifth more. How the signal goes up and down is
still the machine's, and was seen in learning. One that goes up and down far more than it ever did, smoothly, no longer tells of the
machine that was learnt: a slipping belt's voltage sags and recovers with each idle, a stuck thermostat's coolant follows the road.
Leaps are left out, and so is the way out of normal itself: those a sensor makes as well.
"""

import math
from collections.abc import Sequence

EVERY = 10  # rows from one kept mean (of ten rows) to the next
SPANS = (4, 16)  # of those: ways over 40 and 160 rows
KEPT = 64  # of those
LEARNT_SPANS = 10  # lengths of a span that learning must hold, or nothing is known of its ways
SETTLES = 1  # kept means after a leap, or after it went out of its normal, that count for nothing yet
WIDER = 2.0  # times the difference between its farthest ways up and down in learning
NOISE = 5.0  # the same, in root mean square steps: less may be what is left of noise
SHAKES = 3.0  # the same, in root mean square distances of a reading from its mean
HOME_KEPT = 30  # kept means within its normal after which it begins anew


def swings(means: Sequence[float]) -> list[float]:
    """This returns how much the ways over each span differed, the farthest up less the farthest down; 0.0: too little is known."""
    return [spread(means, span) if len(means) >= LEARNT_SPANS * span else 0.0 for span in SPANS]


def spread(means: Sequence[float], span: int) -> float:
    ways = [b - a for a, b in zip(means, means[span:], strict=False)]
    return max(ways) - min(ways) if ways else 0.0


class Gait:
    """How one signal goes on while its part is in alarm. All in units of the signal's noise."""

    __slots__ = ("home", "joins", "means", "noise", "offset", "roams", "settles", "shaken")

    def __init__(self) -> None:
        self.means: list[float] = []
        self.noise: list[float] = []
        self.shaken: list[float] = []  # squares of what single readings were off their mean
        self.settles = SETTLES
        self.joins = False  # the next mean is joined to the last: it leapt in between
        self.offset = 0.0
        self.home = HOME_KEPT
        self.roams = False  # it goes up and down as it never did

    def forget(self) -> None:
        """This begins anew."""
        self.means, self.noise, self.shaken, self.settles, self.joins, self.offset = [], [], [], SETTLES, False, 0.0
        self.roams = False

    def step(
        self, middle: float, reading: float | None, noise: float, leapt: bool, alarm: bool, usual: Sequence[float]
    ) -> None:
        """This takes the mean over ten rows and the mean squared step, every tenth row."""
        self.home = 0 if alarm else self.home + 1
        if self.home > HOME_KEPT:
            self.forget()
            return
        if reading is not None:
            self.shaken = [*self.shaken[1 - KEPT :], (reading - middle) ** 2]
        if leapt:
            self.settles = SETTLES
        if self.settles:
            self.settles -= 1
            self.joins = bool(self.means)
            return
        if self.joins:  # what a leap added, and whatever went on meanwhile, is taken out
            self.joins, self.offset = False, self.means[-1] - middle
        self.means = [*self.means[1 - KEPT :], middle + self.offset]
        self.noise = [*self.noise[1 - KEPT :], noise]
        least = max(
            NOISE * math.sqrt(max(self.noise)), SHAKES * math.sqrt(math.fsum(self.shaken) / max(1, len(self.shaken)))
        )
        for span, learnt in zip(SPANS, usual, strict=False):
            if learnt > 0.0 and len(self.means) > span and spread(self.means, span) > max(WIDER * learnt, least):
                self.roams = True

"""This finds single wild readings and abrupt steps of a slowly sampled signal, against what it does by itself all the time.

A river rises within an hour and goes on rising; a logger's glitch leaps and stays, or leaps and comes back. So a step counts by
what it exceeds its neighbours by: the step before it, and the one after where that goes on the same way. One reading is waited
for, never more. The measure is the signal's own activity of late, and the limit goes on learning: what a signal does again and
again, it may do.
"""

import itertools
import math
from collections.abc import Sequence

NEIGHBOUR = 5.0  # times the steps beside it: what goes on growing is a movement, no leap
BACK = 0.4  # of a leap: a reading that goes back by more was a lone wild one; its kind has a tail of its own
LATE = 1.0 / 24.0  # EWMA of the size of a step
LONG = 1.0 / 2000.0
TAUGHT_MOST = 6.0  # times the usual step: what one may teach the activity
QUIET_LEAST = 0.5  # of the long-term activity: after a quiet night the first movement is no leap
LSB_LEAST = 0.3  # of the smallest step: a coarse signal that stands still has no activity
RARE = 3.0  # steps that count for the tail exceed the activity by this
PRIOR, PRIOR_WEIGHT = 2.0, 10.0  # mean excess of a tail of which nothing is known yet, and its weight in leaps
PRIOR_ROWS = 100.0
LIMIT_LEAST = 10.0  # times the activity
MARGIN = 1.5  # real tails are heavier than exponential
TEACHES = 0.7  # of the limit: more no single leap teaches, or a fault would raise the limit over itself
APART_ROWS = 4  # leaps nearer than this are one
GAP_ROWS = 20  # missing rows after which it starts anew
STEPS_LEAST = 20


class Leaps:
    """The leaps of one kind that a signal has made, and what one must exceed to be told: a limit that grows with experience."""

    __slots__ = ("_excess", "_seen", "limit")

    def __init__(self) -> None:
        self.limit = LIMIT_LEAST
        self._seen = 0
        self._excess = PRIOR * PRIOR_WEIGHT  # sum over the leaps

    def learn(self, beyond: float, rows: int, chance: float) -> None:
        self._seen += 1
        self._excess += min(beyond, TEACHES * self.limit) - RARE
        rate = (self._seen + 1.0) / (rows + PRIOR_ROWS)
        mean = self._excess / (self._seen + PRIOR_WEIGHT)
        self.limit = max(LIMIT_LEAST, MARGIN * (RARE + mean * math.log(max(1.0, rate / chance))))


class Abrupt:
    """One signal. `step` returns how near the reading before this one is to the limit; 1.0 is on it."""

    __slots__ = (
        "_active", "_after", "_apart", "_before", "_chance", "_floor", "_last", "_lone", "_long", "_measure", "_missing",
        "_rows", "_stayed",
    )  # fmt: skip

    def __init__(self, values: Sequence[float | None], chance: float) -> None:
        known = [v for v in values if v is not None]
        steps = [abs(b - a) for a, b in itertools.pairwise(known)]
        smallest = min((s for s in steps if s > 0.0), default=0.0)
        usual = math.fsum(steps) / len(steps) if steps else 0.0
        self._floor = LSB_LEAST * smallest  # 0: it never moved, and nothing is known
        self._active = self._long = self._measure = max(usual, self._floor)
        self._chance = chance
        self._last = known[0] if known else 0.0
        self._before = self._after = 0.0  # the last but one step, and the last
        self._missing = 0
        self._rows = 0
        self._apart = APART_ROWS
        self._lone, self._stayed = Leaps(), Leaps()
        if len(steps) < STEPS_LEAST:
            self._floor = 0.0
        for value in values:
            self.step(value)

    def step(self, value: float | None) -> float:
        if value is None or self._floor <= 0.0:
            self._missing += 1
            return 0.0
        step = value - self._last
        self._last = value
        if self._missing:
            # Over a gap it had time to move; after a long one nothing is known of how it got here.
            step = 0.0 if self._missing > GAP_ROWS else step / (1.0 + self._missing)
            self._missing = 0
        leap = abs(self._after)
        on = step if self._after > 0.0 else -step
        beyond = (leap - NEIGHBOUR * max(abs(self._before), on)) / self._measure
        self._before, self._after = self._after, step
        self._active += LATE * (min(leap, TAUGHT_MOST * self._measure) - self._active)
        self._long += LONG * (min(leap, TAUGHT_MOST * self._long) - self._long)
        self._measure = max(self._active, QUIET_LEAST * self._long, self._floor)
        self._rows += 1
        self._apart += 1
        if beyond <= RARE:
            return 0.0
        kind = self._lone if on < -BACK * leap else self._stayed
        ratio = beyond / kind.limit
        if self._apart >= APART_ROWS:
            self._apart = 0
            kind.learn(beyond, self._rows, self._chance)
        return ratio

    def rest(self) -> None:
        """This forgets the last readings, not what is normal."""
        self._before = self._after = 0.0
        self._missing = GAP_ROWS + 1

"""This follows signals that go beyond all that they ever were, while the rest of the unit is where it always was.

A chart's level follows slow wander, and a worn pump is slow: an hour later 95 degC is as normal as 87 was. A machine that is
driven farther than ever takes its signals beyond what they were too, but not one of them alone. So the means of the other parts'
signals over 10, 40 and 160 rows, each within what it was in learning, are the witnesses; where they are not, nothing is asked,
and what went away meanwhile is given its way home.

The same witnesses say when a signal stands still that never stood so long: a coolant of whole degrees may stand for minutes on the
road, and for hours in the yard, but not while the car goes on through town and country as it always did. It is their way that
counts, not the time alone: on a long even road the air below the bonnet stood four times as long as ever, and rightly.
What hardly moved in learning has no bounds that anybody knows: a barometer stood for an hour, and then the road climbed.
"""

import math
from collections.abc import Sequence

SPANS = (10, 40, 160)  # rows of the means; what a machine is driven to shows in the longest
GAINS = tuple(2.0 / (span + 1.0) for span in SPANS)
EDGE = 0.05  # of what a mean was in learning, or a smallest step of the signal: how far out it still counts as within
GAP_ROWS = 20  # without a signal, after which nobody knows whether it stood
STILL = 0.02  # of a value: the step of what never moved
EVERY = 5  # rows between two judgements; what follows is counted in rows
PEERS_LEAST = 2  # signals of other parts: fewer say little of where the unit is
ROWS = 60  # beyond, with the unit where it was, before it counts
OFF = 0.6  # of the limit: nearer, it is back
HELD = 0.7  # of the limit, while the unit is elsewhere
RISE = 1 / 20  # limits a row: what comes slowly must not look abrupt when it is first asked
NEARER, STALE_ROWS = 0.98, 300  # on its way home: times the nearest so far, and rows without such a step
# It has turned round: times the nearest, and limits beyond it. By one limit wander alone may take it.
TURNED, TURNED_LEAST = 1.25, 1.0
STANDS = 3.5  # times the longest that a signal stood in learning
# Since it stood longer than ever: the way of most others' longest means, in widths of what they were, in moves that count.
TOUR, MOVE = 0.8, 0.2
CHANGES_LEAST = 10  # of a signal in learning, or nothing is known of how long it stands
GROWS_MOST = 5.0  # times its width in learning: what a signal that wanders may come to cover in days


class Afield:
    """All signals of one unit. `step` once a row of the whole unit, and `judge` where that says so: one row in five.

    `found` then says who is beyond, and how far.
    """

    __slots__ = (
        "above", "apart", "below", "changes", "counts", "found", "free", "high", "last", "learn_rows", "longest", "low", "means",
        "missing", "nearest", "out", "rows", "runs", "stale", "standing", "stays", "steps", "tours",
    )  # fmt: skip

    def __init__(self, apart: list[list[int]], learn_rows: int) -> None:
        n = len(apart)
        self.apart = apart  # of each signal: those that share no part with it
        self.learn_rows = max(SPANS[-1], learn_rows)
        self.rows = 0
        self.means: list[float] = []  # by timescale, and in it by signal
        self.low: list[float] = []
        self.high: list[float] = []
        self.below: list[float] = []  # the same with their edges, once learnt
        self.above: list[float] = []
        self.missing = [0] * n  # rows since each was last heard
        self.steps = [math.inf] * n  # smallest step of each
        self.last: list[float | None] = [None] * n
        self.changes = [0] * n  # of each in learning
        self.longest = [0] * n  # rows that each stood at most, in learning
        self.runs = [0] * n  # rows since each changed
        self.stays = [0] * n  # of those, with the unit where it was
        # Of who stands longer than ever: each signal's last mark, and its way since.
        self.tours: dict[int, list[tuple[float, float]]] = {}
        self.standing: dict[int, None] = {}  # signals that have stood too long
        self.out: list[int] = []  # signals that are outside of what they were
        self.free = [True] * n  # it left what it was while the rest of the unit was where it was, or came home since
        # In limits: of what is free how far it was when last asked, else the nearest so far of what may be on its way home.
        self.nearest = [0.0] * n
        self.stale = [0] * n
        self.counts = [0] * n
        self.found: dict[int, float] = {}  # signal: how far beyond, 1.0 is on the limit

    def grown(self) -> float:
        """This returns how many times as wide as in learning a signal may have come to wander: as a random walk would."""
        return min(GROWS_MOST, math.sqrt(max(1.0, self.rows / self.learn_rows)))

    def step(self, row: Sequence[float | None], well: bool) -> bool:
        """This takes one row of the unit. `well`: nothing is held against anyone, so that it may be learnt from.

        Returns whether it is time to judge: what takes minutes need not be asked for in each row.
        """
        if not self.means:
            if None in row:
                return False
            self.means = [v for v in row if v is not None] * len(SPANS)
        rows = self.rows
        # Begun at the first row a long mean would know nothing but its neighbourhood for long.
        gains = GAINS if rows >= SPANS[-1] else [max(gain, 1.0 / (rows + 1.0)) for gain in GAINS]
        if rows < self.learn_rows:
            self._move(row, gains, True)
            if well:
                self._learn()
            return False
        self.rows = rows + 1
        self._move(row, gains, False)
        if self.rows % EVERY:
            return False
        n, means, below, above = len(row), self.means, self.below, self.above
        self.out = sorted({k % n for k, mean in enumerate(means) if not below[k] <= mean <= above[k]})
        return True

    def _move(self, row: Sequence[float | None], gains: Sequence[float], learns: bool) -> None:
        """This takes the means along, and takes in which signals have changed."""
        fast, middle, slow = gains
        n, means, last, runs, missing = len(row), self.means, self.last, self.runs, self.missing
        for i, value in enumerate(row):
            if value is None:
                missing[i] += 1
                if missing[i] > GAP_ROWS:
                    last[i], runs[i], self.stays[i] = None, 0, 0
                continue
            missing[i] = 0
            mean = means[i]
            means[i] = mean + fast * (value - mean)
            mean = means[n + i]
            means[n + i] = mean + middle * (value - mean)
            mean = means[n + n + i]
            means[n + n + i] = mean + slow * (value - mean)
            before = last[i]
            if value == before:
                runs[i] += 1
                continue
            if learns and before is not None:
                self.steps[i] = min(self.steps[i], abs(value - before))
                self.longest[i] = max(self.longest[i], runs[i])
                self.changes[i] += 1
            last[i] = value
            runs[i] = self.stays[i] = 0

    def _learn(self) -> None:
        self.rows += 1
        n, means = len(self.last), self.means
        if not self.low:
            self.low, self.high = [math.inf] * len(means), [-math.inf] * len(means)
        for k in range(n * sum(self.rows >= span for span in SPANS)):  # a long mean of few rows is none
            self.low[k] = min(self.low[k], means[k])
            self.high[k] = max(self.high[k], means[k])
        if self.rows >= self.learn_rows:
            self.longest = [max(longest, run) for longest, run in zip(self.longest, self.runs, strict=True)]
            for k, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
                step = self.steps[k % n]
                edge = max(EDGE * (high - low), step if step < math.inf else STILL * abs(high))
                self.below.append(low - edge)
                self.above.append(high + edge)

    def judge(self, past: Sequence[float], masked: Sequence[bool]) -> None:
        """This takes how far each signal is past all that it was in learning, in limits, 0.0 and less: it is within."""
        out = {i for i in self.out if not masked[i]}
        counts, found, runs, stays = self.counts, self.found, self.runs, self.stays
        veiled = True in masked
        for i, (far, apart) in enumerate(zip(past, self.apart, strict=True)):
            if (sum(not masked[j] for j in apart) if veiled else len(apart)) < PEERS_LEAST or masked[i]:
                counts[i] = stays[i] = 0
                found.pop(i, None)
            elif out and not out.isdisjoint(apart):
                self._take_along(i, far)
            elif self.changes[i] >= CHANGES_LEAST:
                self._ask(i, far)
                if runs[i]:
                    stays[i] = stay = min(runs[i], stays[i] + EVERY)
                    if stay > self.longest[i] and stay >= ROWS and self._stands(i, masked):
                        self.standing[i] = None
            if found and far < OFF:
                found.pop(i, None)
            if i in self.tours and runs[i] < EVERY:
                del self.tours[i]
                self.standing.pop(i, None)

    def _stands(self, i: int, masked: Sequence[bool]) -> bool:
        """This returns whether a signal has stood too long, while most of the other parts' signals went all their way."""
        last = 2 * len(self.last)
        means = self.means[last:]
        tour = self.tours.get(i) or [(mean, 0.0) for mean in means]
        for j in self.apart[i]:
            mark, way = tour[j]
            width, went = self.high[last + j] - self.low[last + j], abs(means[j] - mark)
            if went >= MOVE * width > 0.0:
                tour[j] = means[j], way + went / width
        self.tours[i] = tour
        if self.stays[i] < STANDS * self.longest[i]:
            return False
        told = [j for j in self.apart[i] if not masked[j] and self.changes[j] >= CHANGES_LEAST]
        toured = sum(self.runs[j] <= self.longest[j] and tour[j][1] >= TOUR for j in told)
        return toured >= PEERS_LEAST and 2 * toured > len(told)

    def _take_along(self, i: int, far: float) -> None:
        """This is a row in which the unit is elsewhere: nothing is asked, and what goes away now was taken along.

        Not what was beyond all that it was before: its own fault goes on.
        """
        farther = far > self.nearest[i] + TURNED_LEAST
        taken = (far <= 0.0 or (farther and not self.counts[i])) if self.free[i] else farther
        if taken:
            self.free[i], self.nearest[i], self.stale[i] = False, max(far, 0.0), 0
        if i in self.found:
            self.found[i] = min(HELD, self.found[i])

    def _ask(self, i: int, far: float) -> None:
        """This judges one signal in a unit that is where it was."""
        if far <= 0.0:
            self.free[i], self.nearest[i] = True, 0.0
        elif self.free[i]:
            self.nearest[i] = far
        else:
            nearest = self.nearest[i]
            if far < NEARER * nearest:
                self.nearest[i], self.stale[i] = far, 0
            else:
                self.stale[i] += EVERY
                self.free[i] = far > TURNED * nearest + TURNED_LEAST or self.stale[i] >= STALE_ROWS
        counts = self.counts
        if far < 1.0 or not self.free[i]:
            counts[i] = max(0, counts[i] - EVERY)
            if i in self.found:
                self.found[i] = min(far, self.found[i])
            return
        counts[i] = min(2 * ROWS, counts[i] + EVERY)
        if i in self.found:
            self.found[i] = min(far, self.found[i] + EVERY * RISE)
        elif counts[i] >= ROWS:
            self.found[i] = 1.0

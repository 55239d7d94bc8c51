"""This is one relation between a unit's signals while it runs: how far its residual is beyond what it was in calibration.

A residual is a signal less what the others make it (relation.py), smoothed over 3, 10 and 40 rows, against the most that it ever
was on rows that the relation was not learnt from. Who is to blame where several break is said in parity.py.
"""

from collections.abc import Sequence

import msgspec

from sickbay.core.relation import Relation

SMOOTH = (2.0 / 4.0, 2.0 / 11.0, 2.0 / 41.0)  # EWMAs of a residual: 3, 10 and 40 rows
LIMIT = 3.5  # times the most that a residual was in calibration
FLOOR = 0.002  # of a signal's deviation: twins that always said the very same still have a limit
ON_ROWS = 3  # rows beyond its limit before a relation counts as broken
OFF = 0.6  # of its limit: below, it holds again
FADE = 0.97  # of a residual a row, while it cannot be asked
GROWS = 200.0  # rows in which a limit at most grows by its own size, while all is well outside of what was learnt
SWINGS = 0.5  # of a signal's own movement between 10 and 40 rows: more must not stay unexplained
PEAK_FADE = 0.995  # of a juror's peak a row
_FAST, _MIDDLE, _SLOW = SMOOTH


class Watched(msgspec.Struct):
    """One relation while it runs."""

    relation: Relation
    spread: float  # deviation of the signal in learning, in its unit
    peers: list[int]  # the signals it leans on
    count: int = 0
    total: float = 0.0  # of squared errors in calibration
    # Squares of what moved between 10 and 40 rows: the signal, and what was left of it unexplained.
    swings: list[float] = msgspec.field(default_factory=lambda: [0.0, 0.0])
    means: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(SMOOTH))  # smoothed residual
    most: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(SMOOTH))  # of each, in calibration
    said: float = 0.0
    asked: bool = False
    over: int = 0  # rows in a row beyond the limit
    silent: int = 0  # rows in a row for which it could not be asked
    peak: float = 0.0  # nearest to its limit lately, fading

    def ratio(self) -> float:
        """This returns how near the residual is to its limit; 1.0 is on it."""
        return max(abs(mean) / (LIMIT * most) for mean, most in zip(self.means, self.most, strict=True))

    @property
    def broken(self) -> bool:
        """Whether it is beyond its limit, or was when it was last asked."""
        return self.over >= ON_ROWS

    def calibrate(self, bank: Sequence[float], signals: int) -> None:
        """This takes one row that the relation was not learnt from."""
        middle, slow = self.relation.signal + signals, self.relation.signal + 2 * signals
        residual = bank[self.relation.signal] - self.relation.said(bank)
        self.count += 1
        self.total += residual * residual
        self.means = [m + a * (residual - m) for m, a in zip(self.means, SMOOTH, strict=True)]
        self.most = [max(most, abs(mean)) for most, mean in zip(self.most, self.means, strict=True)]
        own, left = bank[middle] - bank[slow], self.means[1] - self.means[2]
        self.swings = [self.swings[0] + own * own, self.swings[1] + left * left]

    def holds(self, explains: float) -> bool:
        """This returns whether the relation foretold those rows, and sets the least it may be off by."""
        self.most = [max(most, FLOOR * self.spread) for most in self.most]
        whole = self.count > 0 and self.total / self.count <= (1.0 - explains) * self.spread * self.spread
        # Two that both rise while a machine warms up agree on one long swing, and say nothing of each other.
        return whole and self.swings[1] <= SWINGS * self.swings[0]

    def step(self, value: float) -> None:
        """This takes what the signal reads now."""
        residual = value - self.said
        fast, middle, slow = self.means
        fast += _FAST * (residual - fast)
        middle += _MIDDLE * (residual - middle)
        slow += _SLOW * (residual - slow)
        self.means = [fast, middle, slow]
        limit, middle_limit, slow_limit = self.most
        worst = (fast if fast > 0.0 else -fast) / limit
        share = (middle if middle > 0.0 else -middle) / middle_limit
        if share > worst:
            worst = share
        share = (slow if slow > 0.0 else -slow) / slow_limit
        if share > worst:
            worst = share
        self.asked = True
        self.silent = 0
        peak = self.peak * PEAK_FADE
        self.peak = peak if peak * LIMIT > worst else worst / LIMIT
        if worst >= LIMIT or (self.over >= ON_ROWS and worst >= OFF * LIMIT):
            self.over += 1
        else:
            self.over = 0

    def rest(self, held: int) -> None:
        """This is a row for which the relation cannot be asked. What was broken stands for so many rows; all else fades."""
        self.asked = False
        self.silent += 1
        if not self.broken or self.silent > held:
            self.over = 0
            fast, middle, slow = self.means
            self.means = [FADE * fast, FADE * middle, FADE * slow]

    def explore(self, value: float) -> None:
        """This is a row where the unit never was, while all is well: the limits grow slowly to what the residual is there."""
        residual = value - self.said
        self.asked, self.over = False, 0
        means, most = self.means, self.most
        for k, gain in enumerate(SMOOTH):
            mean = means[k]
            means[k] = mean = mean + gain * (residual - mean)
            size = mean if mean > 0.0 else -mean
            if size > most[k]:
                most[k] = min(size, most[k] * (1.0 + 1.0 / GROWS))

    def clear(self) -> None:
        """This forgets what was found: one of those who say it is out of service."""
        self.asked, self.over, self.peak = False, 0, 0.0
        self.means = [0.0] * len(SMOOTH)

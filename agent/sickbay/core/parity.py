"""This watches the relations between a unit's signals (relation.py): which of them no longer hold, and whose fault that is.

Parity space in the field's words: each residual is a signal less what the others make it, smoothed over 3, 10 and 40 rows, against
the most it ever was on rows that the relation was not learnt from. A relation is asked only where the unit is within what
was learnt: what a machine does in a place where it never was, the relation cannot know.
"""

import math
from collections.abc import Sequence

from sickbay.core.relation import EXPLAINS, GAINS, HINTS, Relation, Scatter, fit
from sickbay.core.watched import ON_ROWS, SMOOTH, Watched

SIGNALS_MOST = 32  # of one unit: learning grows with their square
FIT_SHARE = 0.6  # of the learning rows; the rest tells how far the estimates err
LEAST_ROWS = 200  # of learning: fewer show relations where there are none
LEARN_ROWS_MOST = 100_000
GATHER_ROWS = 10  # how often it is asked anew who explains what is broken
CALM_ROWS = 300  # rows for which all must hold before who was accused is free ...
HELD = 0.7  # ... and what is held against him till then, in limits
OTHERWISE = 9  # times in a row that something else must be found to accuse somebody else
AGREED = 3  # times in a row that the same is found before anybody is accused
HOLD_ROWS = 10  # rows for which a missing reading stands as it was
EDGE = 0.05  # of what was learnt: how far out a signal still counts as within it
FAR = 0.25  # of what was learnt: so far out the unit is elsewhere
STEP_LEAST = 1e-3  # of a value: what never moved is as wide as this when it is to grow
ONE = 0.8  # of what is broken must be explained by one sensor
AHEAD = 0.15  # of the same, before another sensor
# What a sensor's error may leave unexplained, in squares: times each relation's most in calibration, or times what the best leaves.
# The same share of what is broken is nothing where little is, and far too much where much is.
LEFT = 4.0
JUROR = 0.45  # of its limit: what a juror reaches only where its own signal errs (in calibration 1 / LIMIT, 0.29, was the most)


class Parity:
    """All relations of one unit. `step` once a row of the whole unit; `accused` then says who is odd, and how much.

    `sensor` is the index of the one whose error alone explains what is broken, -1 where there is none; `doubt` says that two
    could each be it; otherwise what is broken is more than a sensor.
    """

    __slots__ = (
        "above", "accused", "agreed", "bank", "below", "calm", "doubt", "found", "high", "holds", "jurors", "known", "learn_rows",
        "low", "missing", "rows", "scatter", "sensor", "signals", "since", "strays", "watched",
    )  # fmt: skip

    def __init__(self, signals: int, learn_rows: int) -> None:
        self.signals = signals
        self.learn_rows = min(max(LEAST_ROWS, learn_rows), LEARN_ROWS_MOST)
        self.bank = [0.0] * (signals * len(GAINS))
        self.missing = [HOLD_ROWS + 1] * signals  # rows since a signal was last heard
        self.known = [False] * signals  # heard before the relations were sought: nothing is known of the others
        self.holds = [HOLD_ROWS] * signals  # rows for which each may be missing: at least as many as it was in learning
        self.rows = 0  # of learning
        self.low: list[float] = []  # of each signal now, and smoothed over 10 rows
        self.high: list[float] = []
        self.below: list[float] = []  # the same with their edges, once learnt: beyond, the unit never was
        self.above: list[float] = []
        self.scatter: Scatter | None = None
        self.strays: list[int] = []  # signals outside of what was learnt, in the row last judged
        self.watched: list[Watched] = []
        self.jurors: list[Watched] = []
        self.accused: dict[int, float] = {}  # signal: how far beyond, 1.0 is on the limit
        self.sensor = -1
        self.doubt = False
        self.since = 0  # rows since the first relation broke
        self.agreed = 0  # times in a row that the same was found
        self.found = (-1, False)  # sensor, doubt
        self.calm = 0  # rows since nothing was broken any more

    def step(self, row: Sequence[float | None], masked: Sequence[bool], well: bool) -> None:
        """This takes one row of the unit. `well`: nothing is held against anyone, so that it may be learnt from."""
        if self.rows < self.learn_rows:
            self._hear(row)
            if well:
                self._learn()
        elif self.watched:
            self._hear(row)
            self._judge(masked, well)

    def about(self, signal: int) -> Watched | None:
        """This returns the relation that makes a signal, None where there is none."""
        return next((each for each in self.watched if each.relation.signal == signal), None)

    def far(self) -> list[int]:
        """This returns the signals that are clearly outside of all that was learnt, or were silent too long to say.

        None before it is learnt, and none where a unit has no relation: nothing is followed there.
        """
        n, bank, low, high = self.signals, self.bank, self.low, self.high
        out = []
        for i in range(n) if self.rows >= self.learn_rows and self.watched else ():
            edges = (FAR * (high[k] - low[k]) for k in (i, n + i))
            within = all(low[k] - e <= bank[k] <= high[k] + e for k, e in zip((i, n + i), edges, strict=True))
            if self.known[i] and (not within or self.missing[i] > self.holds[i]):
                out.append(i)
        return out

    def _hear(self, row: Sequence[float | None]) -> None:
        n, bank, missing = self.signals, self.bank, self.missing
        middle_gain, slow_gain = GAINS[1:]
        for i, value in enumerate(row):
            if value is None or not -1e15 < value < 1e15:
                missing[i] += 1
                value = bank[i]
            elif missing[i]:
                if missing[i] > HOLD_ROWS:
                    bank[n + i] = bank[n + n + i] = value
                    if not self.known[i]:
                        self._appeared(i)
                missing[i] = 0
            bank[i] = value
            bank[n + i] += middle_gain * (value - bank[n + i])
            bank[n + n + i] += slow_gain * (value - bank[n + n + i])

    def _appeared(self, i: int) -> None:
        """This is a signal's first number. Learning begins anew with it: two that appear together only look related.

        Once relations are found it is too late: it is in none of them, and says nothing of where the unit is.
        """
        if self.rows == 0 or self.scatter is not None:
            self.known[i], self.rows, self.scatter = True, 0, None

    def _learn(self) -> None:
        rows_fit = int(FIT_SHARE * self.learn_rows)
        n, bank = self.signals, self.bank
        if self.scatter is None and self.rows == 0:
            self.scatter = Scatter(n * len(GAINS), rows_fit)
            self.low, self.high = bank[: 2 * n], bank[: 2 * n]
        self.rows += 1
        for i, gap in enumerate(self.missing):
            if gap > self.holds[i] and self.known[i]:
                self.holds[i] = gap  # one that comes seldom is not silent in between
        self.low = [v if v < low else low for v, low in zip(bank, self.low, strict=False)]
        self.high = [v if v > high else high for v, high in zip(bank, self.high, strict=False)]
        if self.scatter is not None:
            self.scatter.hear(bank)
            if self.rows >= rows_fit:
                relations, jurors = fit(self.scatter, n)
                self.watched = [self._watch(relation, self.scatter) for relation in relations]
                self.jurors = [self._watch(relation, self.scatter) for relation in jurors]
                self.scatter = None
            return
        late = self._late()
        for each in (*self.watched, *self.jurors):
            if not late or (late.isdisjoint(each.peers) and each.relation.signal not in late):
                each.calibrate(bank, n)
        if self.rows >= self.learn_rows:
            self.watched = [each for each in self.watched if each.holds(EXPLAINS)]
            known = {each.relation.signal for each in self.watched}
            self.jurors = [each for each in self.jurors if each.relation.signal in known and each.holds(HINTS)]
            self.below, self.above = list(self.low), list(self.high)
            for k in range(2 * n):
                self._fence(k)

    def _watch(self, relation: Relation, scatter: Scatter) -> Watched:
        peers = sorted({k % self.signals for k in relation.features})
        return Watched(relation, scatter.spread(relation.signal), peers)

    def _judge(self, masked: Sequence[bool], well: bool) -> None:
        bank, missing = self.bank, self.missing
        self.strays = strays = self._strays()
        hidden = {i for i, each in enumerate(masked) if each} if True in masked else set()
        outside = [i for i in strays if i not in hidden]
        odd = outside[0] if len(outside) == 1 else -1  # alone it may be anywhere itself: all others are where they were
        late = self._late()
        for each in (*self.watched, *self.jurors):
            relation = each.relation
            j = relation.signal
            each.said = relation.said(bank)
            if hidden and not hidden.isdisjoint(each.peers):
                each.clear()
            elif missing[j]:
                each.rest(CALM_ROWS)
            elif late and not late.isdisjoint(each.peers):
                continue  # what a peer was a row ago says little of a signal that moves
            elif not outside or odd == j:
                each.step(bank[j])
            elif well:
                each.explore(bank[j])
            else:
                each.rest(CALM_ROWS)
        if well and outside:
            self._widen(outside)
        for each in self.watched:
            if each.over >= ON_ROWS:
                break
        else:
            self.since = self.agreed = 0
            if self.accused:
                self._calm()
            return
        self.since += 1
        self.calm = 0
        if self.since % GATHER_ROWS == 0:
            self._accuse(*self._explained(hidden))
        elif self.accused:
            broken = self._broken()
            top = max(broken.values())
            self.accused = {i: top if i == self.sensor else broken.get(i, HELD) for i in self.accused}

    def _calm(self) -> None:
        """This is a row in which nothing is broken: who was accused stays so until that lasts. Faults come and go with load."""
        self.calm += 1
        self.accused = dict.fromkeys(self.accused, HELD)
        if self.calm >= CALM_ROWS:
            self.accused, self.sensor, self.doubt, self.calm = {}, -1, False, 0

    def _broken(self) -> dict[int, float]:
        return {each.relation.signal: each.ratio() for each in self.watched if each.broken}

    def _late(self) -> set[int]:
        """This returns the signals that this row is without, those left out that always come more seldom than rows."""
        if not any(self.missing):
            return set()
        return {i for i, gap in enumerate(self.missing) if gap and self.holds[i] <= HOLD_ROWS}

    def _strays(self) -> list[int]:
        """This returns the signals that are outside of what was learnt, or silent."""
        n, bank, missing, holds, known = self.signals, self.bank, self.missing, self.holds, self.known
        below, above = self.below, self.above
        out = []
        for i in range(n):
            within = below[i] <= bank[i] <= above[i] and below[n + i] <= bank[n + i] <= above[n + i]
            if (not within or missing[i] > holds[i]) and known[i]:
                out.append(i)
        return out

    def _fence(self, k: int) -> None:
        """This sets the edges of what was learnt of one signal, now or smoothed."""
        low, high = self.low[k], self.high[k]
        edge = EDGE * (high - low)
        self.below[k], self.above[k] = low - edge, high + edge

    def _widen(self, outside: Sequence[int]) -> None:
        """This lets what was learnt grow to where the unit is and is well, by its own width in as many rows as were learnt from."""
        n, bank = self.signals, self.bank
        for i in outside:
            if self.missing[i]:
                continue
            for k in (i, n + i):
                step = (self.high[k] - self.low[k] + STEP_LEAST * abs(self.high[k])) / self.learn_rows
                self.low[k] = min(self.low[k], max(bank[k], self.low[k] - step))
                self.high[k] = max(self.high[k], min(bank[k], self.high[k] + step))
                self._fence(k)

    def _accuse(self, sensor: int, doubt: bool) -> None:
        """This accuses once the same was found several times in a row."""
        self.agreed = self.agreed + 1 if self.found == (sensor, doubt) else 1
        self.found = (sensor, doubt)
        # Whoever is accused without a doubt is let off for another only where that has been found for longer.
        if self.agreed >= (OTHERWISE if self.accused and not self.doubt else AGREED):
            self.sensor, self.doubt = sensor, doubt
            broken = self._broken()
            self.accused = {sensor: max(broken.values())} if sensor >= 0 else broken

    def _explained(self, hidden: set[int]) -> tuple[int, bool]:
        """This returns the sensor whose error alone would break all this and nothing else (-1: none), and whether more could.

        Who is out of service already is taken at its word: as long as its error explains it all, nobody else's is looked for.
        """
        asked = [each for each in self.watched if each.asked or each.broken]
        worst = max(asked, key=Watched.ratio)
        scale = max(range(len(SMOOTH)), key=lambda k: abs(worst.means[k]) / worst.most[k])
        seen = [each.means[scale] / each.most[scale] for each in asked]
        power = math.fsum(v * v for v in seen)
        shares: list[tuple[float, int]] = []
        for s in range(self.signals):
            own = [1.0 if e.relation.signal == s else -e.relation.leans(s, self.signals) for e in asked]
            signature = [a / each.most[scale] for a, each in zip(own, asked, strict=True)]
            against = math.fsum(a * a for a in signature)
            if against > 0.0 and power > 0.0:
                dot = math.fsum(a * v for a, v in zip(signature, seen, strict=True))
                shares.append((dot * dot / (against * power), s))
        shares.sort(reverse=True)
        best = shares[0][0] if shares else 0.0
        left = max((1.0 - best) * power, len(asked)) * LEFT
        near = [s for share, s in shares if best >= ONE and share >= best - AHEAD and (1.0 - share) * power <= left]
        known = [s for s in near if s in hidden]
        if len(near) < 2 or known:
            near = known or near
            return (near[0] if near else -1), False
        away = [s for s in near if s in self.strays]
        if len(away) == 1:
            return away[0], False
        odd = [e.relation.signal for e in self.jurors if e.relation.signal in near and e.peak >= JUROR]
        return (odd[0], False) if len(odd) == 1 else (-1, not odd)

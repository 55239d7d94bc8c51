"""This learns a unit's cycles: which signals stand in one of two modes (a compressor, on or off), how long, and what follows.

What a thermostat, a timer or a pressure switch turns on and off keeps to bounds that a unit shows in its first hours: the longest
that it stood in each mode, how far each other signal went meanwhile, the mean of each mode, and how much that changes from cycle to
cycle. A signal whose dwells scatter widely (a door, a car in traffic) is moved by people: nothing is concluded from it.

What is learnt is here. What a dwell that does not end, or a cycle that is over, means is in cycles.py.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from sickbay.core.tails import median

BINS = 24  # of a signal's range, in which an empty middle is looked for
EMPTY = 0.003  # of the rows: a bin with no more counts as empty
GAP = 0.3  # of the range that must be empty between two modes
MODE_LEAST = 0.01  # of the rows that the rarer mode must hold
DWELLS_LEAST = 2  # complete ones of the rarer mode before it is a cycle ...
SCATTER = 4.0  # ... the longest of them no longer than this times their median ...
TIGHT = 0.35  # ... and most of them as near to it: where people open a door as chance has it, half are 0.7 of it away
SKIP = 2  # rows after a change of mode that a mean leaves out
FULL = 0.5  # of the median dwell: a shorter one was interrupted, and shows nothing
LATEST, LATEST_LEAST = 5, 3  # cycles whose median is looked at for wear; fewer after a thaw
BEFORE = 3  # dwells whose median the next one is held against
RARE = 0.2  # of the time: so rare a mode is an interlude, such as a thaw
SWITCHES_MOST = 4  # signals that are followed
OWN = 0.25  # of all that a signal did in learning: so far it goes in a mode that is said to move it
HANDLED = 5  # times that it left what it nearly always says: people move it
HARDLY = 0.9  # of a signal's readings that say the very same: it hardly moves
ROWS_LEAST = 200  # of learning
BOUNDLESS = 1e30  # as in chart.py

Row = Sequence[float | None]


class Dwell(msgspec.Struct):
    """One stay in a mode, and what each signal did meanwhile: least, most, mean; and how long other switches were off and on."""

    low: list[float]
    high: list[float]
    total: list[float]
    count: list[int]
    joint_ms: list[int]  # of switch k: off at 2 k, on at 2 k + 1
    since_ms: int = 0
    rows: int = 0
    whole: bool = True  # its beginning was seen
    first: list[float | None] = []  # of each signal
    last: list[float | None] = []

    def hear(self, row: Row) -> None:
        """This takes one row."""
        low, high, total, count = self.low, self.high, self.total, self.count
        if not self.rows:
            self.first = list(row)
        self.last = list(row)
        self.rows += 1
        counts = self.rows > SKIP
        for j, value in enumerate(row):
            if value is not None:
                if value < low[j]:
                    low[j] = value
                if value > high[j]:
                    high[j] = value
                if counts:
                    total[j] += value
                    count[j] += 1

    def mean(self, j: int) -> float | None:
        """This returns a signal's mean, None where it was silent or the dwell too short."""
        return self.total[j] / self.count[j] if self.count[j] else None

    def swing(self, j: int) -> float:
        """This returns how far a signal went, 0.0 where it was silent."""
        return max(0.0, self.high[j] - self.low[j])


def begun(signals: int, switches: int, at_ms: int, whole: bool) -> Dwell:
    """This returns a stay that begins."""
    low, high = [BOUNDLESS] * signals, [-BOUNDLESS] * signals
    return Dwell(low, high, [0.0] * signals, [0] * signals, [0] * (2 * switches), at_ms, 0, whole)


class Mode(msgspec.Struct):
    """What is known of one mode of one switch, from complete dwells that lasted at least FULL of the median."""

    dwells: int = 0
    median_ms: int = 0
    longest_ms: int = 0
    share: float = 0.0  # of the time
    joint_ms: list[int] = []  # as in Dwell: the longest
    least_high: list[float] = []  # by signal: the lowest peak of any dwell, and the highest trough
    most_low: list[float] = []
    least_swing: list[float] = []
    up: list[int] = []  # by signal: dwells that it ended higher than it began
    end: list[float] = []  # by signal: where it was when a dwell ended, on average
    end_low: list[float] = []  # by signal: the lowest and the highest of those, interludes left out
    end_high: list[float] = []
    step: list[float] = []  # by signal: the largest change of its mean from the median of the dwells before
    lowest: list[float] = []  # by signal: of its means
    highest: list[float] = []
    means: list[list[float]] = []  # by signal: of the latest dwells

    def is_past(self, j: int, way: int, value: float) -> bool:
        """This returns whether a signal has gone farther than at the end of any stay."""
        farthest = self.end_high[j] if way > 0 else self.end_low[j]
        return way * value > way * (farthest if abs(farthest) < BOUNDLESS else self.end[j])

    def is_full(self, dwell_ms: int) -> bool:
        return dwell_ms >= FULL * self.median_ms


class Switch(msgspec.Struct):
    """One signal with two modes, and where it stands."""

    signal: int
    low: float  # below it the signal is off, above `high` it is on; in between it is what it was
    high: float
    off: Mode = msgspec.field(default_factory=Mode)
    on: Mode = msgspec.field(default_factory=Mode)
    state: bool | None = None
    heard_ms: int = 0
    dwell: Dwell | None = None

    def mode(self, state: bool) -> Mode:
        return self.on if state else self.off

    @property
    def rare(self) -> bool:
        """Whether one of its modes is an interlude."""
        return min(self.on.share, self.off.share) < RARE

    def reads(self, value: float, state: bool | None) -> bool | None:
        """This returns what a reading says; in between it is what it was."""
        return False if value < self.low else True if value > self.high else state


class Sign(msgspec.Struct):
    """One thing that does not go as it did. `kind` says what; the numbers are for words."""

    kind: str  # stands | together | missed | still | stepped | worn | aside | asked | unmoved
    signal: int  # who shows it
    switch: int = -1  # index among the switches
    state: bool = False
    other: int = -1  # a second signal
    value: float = 0.0
    usual: float = 0.0
    dwell_ms: int = 0
    longest_ms: int = 0


class Known(msgspec.Struct):
    """One number of each cycle: the median of the latest, and where that was in learning."""

    latest: list[float] = []
    low: float = BOUNDLESS
    high: float = -BOUNDLESS

    def hear(self, value: float, learns: bool) -> None:
        """This takes a cycle's number."""
        self.latest.append(value)
        del self.latest[:-LATEST]
        if learns and len(self.latest) == LATEST:
            self.low, self.high = min(self.low, self.middle), max(self.high, self.middle)

    @property
    def middle(self) -> float:
        return median(self.latest)

    def off(self, least: float) -> float:
        """This returns how far it is out of what was learnt, in widths of that; `least` is the smallest width that counts."""
        if len(self.latest) < LATEST_LEAST or self.low > self.high:
            return 0.0
        width, middle = max(least, self.high - self.low), self.middle
        return (middle - self.high) / width if middle > self.high else min(0.0, (middle - self.low) / width)


def hardly_moves(rows: Sequence[Row], j: int) -> bool:
    """This returns whether a signal nearly always says the same, as a door does that is seldom open."""
    said = Counter(v for row in rows if (v := row[j]) is not None)
    return not said or said.most_common(1)[0][1] >= HARDLY * said.total()


def is_handled(rows: Sequence[Row], j: int) -> bool:
    """This returns whether a signal hardly moves but comes and goes many times, as a door does: people move it."""
    said = [v for row in rows if (v := row[j]) is not None]
    if not said or not hardly_moves(rows, j):
        return False
    usual = Counter(said).most_common(1)[0][0]
    return sum(a == usual != b for a, b in pairwise(said)) >= HANDLED


def split(values: Sequence[float]) -> tuple[float, float] | None:
    """This returns two levels within the empty middle of a signal's values, None where it has none."""
    low, high = min(values), max(values)
    width = (high - low) / BINS
    if not 0.0 < width < BOUNDLESS:
        return None
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int((value - low) / width))] += 1
    most = EMPTY * len(values)
    bins, first, start = 0, 0, 0
    for k in range(BINS + 1):
        if k == BINS or counts[k] > most:
            if k - start > bins:
                bins, first = k - start, start
            start = k + 1
    below, above = sum(counts[:first]), sum(counts[first + bins :])
    if bins < GAP * BINS or min(below, above) < max(1.0, MODE_LEAST * len(values)):
        return None
    edge, gap = low + first * width, bins * width
    return edge + gap / 3.0, edge + 2.0 * gap / 3.0


def calm(switches: Sequence[Switch], rows: Sequence[Row]) -> list[int]:
    """This returns, row by row, for how many rows no switch had changed."""
    out: list[int] = []
    states: list[bool | None] = [None] * len(switches)
    for row in rows:
        now = [
            s.reads(v, was) if (v := row[s.signal]) is not None else was
            for s, was in zip(switches, states, strict=True)
        ]
        out.append(out[-1] + 1 if out and now == states else 0)
        states = now
    return out


def stays(switch: Switch, rows: Sequence[Row]) -> list[tuple[bool, int, int]]:
    """This returns a switch's complete dwells: on or off, and the rows at which it began and ended."""
    out: list[tuple[bool, int, int]] = []
    state: bool | None = None
    start = 0
    for k, row in enumerate(rows):
        value = row[switch.signal]
        reads = state if value is None else switch.reads(value, state)
        if reads is not state:
            if state is not None and start > 0:
                out.append((state, start, k))
            start, state = k, reads
    return out


def find(rows: Sequence[Row], times: Sequence[int]) -> list[Switch]:
    """This returns the unit's switches, most frequent first, with how long they stay in each mode."""
    width = len(rows[0]) if len(rows) >= ROWS_LEAST else 0
    found: list[tuple[int, Switch]] = []
    for j in range(width):
        values = [v for row in rows if (v := row[j]) is not None]
        edges = split(values) if values else None
        if edges is None:
            continue
        switch = Switch(j, *edges)
        dwells = stays(switch, rows)
        regular = [
            _regular(switch.mode(on), [(a, b) for was, a, b in dwells if was is on], times) for on in (False, True)
        ]
        rarer = min((switch.off, switch.on), key=lambda mode: mode.share)
        if all(regular) and sum(was is (rarer is switch.on) for was, _, _ in dwells) >= DWELLS_LEAST:
            found.append((-len(dwells), switch))
    found.sort(key=lambda each: each[0])
    switches = [switch for _, switch in found[:SWITCHES_MOST]]
    for switch in switches:
        for mode in (switch.off, switch.on):
            mode.joint_ms = [0] * (2 * len(switches))
            mode.least_high, mode.most_low = [BOUNDLESS] * width, [-BOUNDLESS] * width
            mode.least_swing, mode.step = [BOUNDLESS] * width, [0.0] * width
            mode.up, mode.end = [0] * width, [0.0] * width
            mode.end_low, mode.end_high = [BOUNDLESS] * width, [-BOUNDLESS] * width
            mode.lowest, mode.highest = [BOUNDLESS] * width, [-BOUNDLESS] * width
            mode.means = [[] for _ in range(width)]
    return switches


def _regular(mode: Mode, dwells: Sequence[tuple[int, int]], times: Sequence[int]) -> bool:
    """This returns whether dwells keep to bounds, and notes how long they are."""
    if not dwells:
        return False
    lengths = [times[end] - times[start] for start, end in dwells]
    mode.median_ms, mode.longest_ms = round(median(lengths)), max(lengths)
    mode.share = sum(lengths) / max(1, times[-1] - times[0])
    away_ms = median([abs(each - mode.median_ms) for each in lengths])
    return mode.longest_ms <= SCATTER * mode.median_ms and away_ms <= TIGHT * mode.median_ms


def take_in(mode: Mode, dwell: Dwell, alone: bool) -> None:
    """This learns from a complete dwell of normal running; `alone`: no other switch's interlude fell into it."""
    mode.joint_ms = [max(a, b) for a, b in zip(mode.joint_ms, dwell.joint_ms, strict=True)]
    mode.dwells += 1
    for j, latest in enumerate(dwell.last):
        first = dwell.first[j]
        if first is None or latest is None:
            continue
        mode.least_high[j] = min(mode.least_high[j], dwell.high[j])
        mode.most_low[j] = max(mode.most_low[j], dwell.low[j])
        mode.least_swing[j] = min(mode.least_swing[j], dwell.swing(j))
        mode.up[j] += latest > first
        mode.end[j] += (latest - mode.end[j]) / mode.dwells
        if alone:
            mode.end_low[j], mode.end_high[j] = min(mode.end_low[j], latest), max(mode.end_high[j], latest)
        mean = dwell.mean(j)
        if alone and mean is not None:
            mode.lowest[j], mode.highest[j] = min(mode.lowest[j], mean), max(mode.highest[j], mean)
            mode.step[j] = max(mode.step[j], abs(change(mode, j, mean)))


def change(mode: Mode, j: int, mean: float | None) -> float:
    """This returns how far a dwell's mean is from the median of those before; 0.0 where too few are known."""
    latest = mode.means[j]
    return mean - median(latest) if mean is not None and len(latest) == BEFORE else 0.0


def remember(mode: Mode, dwell: Dwell) -> None:
    """This keeps a dwell's means among the latest."""
    for j, latest in enumerate(mode.means):
        mean = dwell.mean(j)
        if mean is not None:
            latest.append(mean)
            del latest[:-BEFORE]

"""These are the plausibility checks of one signal: what a value cannot be, known before any learning."""

import math
from typing import Final

from sickbay.core.equipment import Signal

BAD_VALUE: Final = 1  # no number, not finite, or larger than any sensor speaks
SENTINEL: Final = 2  # a number that means "no reading"
RANGE: Final = 4  # outside what was declared possible
RATE: Final = 8  # changed faster than was declared possible
SILENT: Final = 16  # nothing came for too long
CHECKS: Final = ("bad_value", "sentinel", "range", "rate", "silent")  # bit k is CHECKS[k]

HUGE = 1e18
# Dallas DS18B20 (85 at power-on, -127 in many libraries when the bus is dead), all-ones and extremes of integers,
# loggers' fill values.
WELL_KNOWN: Final = frozenset(
    (
        85.0,
        -127.0,
        65535.0,
        32767.0,
        -32768.0,
        -999.0,
        9999.0,
        -9999.0,
        -99999.0,
        4294967295.0,
        2147483647.0,
        -2147483648.0,
    )
)
SEEN_FIRST = 5  # good readings before an undeclared sentinel can be told from a value
FAR_SPREADS = 10.0  # of the mean deviation of what was recently seen ...
FAR_SHARE = 0.05  # ... and of its size: an undeclared sentinel must lie farther away than both
RECENT = 1.0 / 16.0  # EWMA of what was recently seen
AGREE = 3  # readings in a row that fit each other, but not the one before, are the new reference for the rate
SILENT_READINGS = 3
SILENT_LEAST_MS = 2000
SILENT_MOST = (
    30  # cadences that count as silence on any unit: beyond it nobody would wait; and while gaps are being learnt
)
GAP_MARGIN = 1.5  # a silence is longer than this many of the longest gap that was normal here
GAPS = (
    1e6  # gaps, of which one may be taken for silence where their lengths scatter: no few hundred rows show the longest
)


class SignalChecks:
    """One signal's checks. `step` returns the failed ones as bits; `tested` says which could be judged at all."""

    __slots__ = (
        "_agreed", "_arrived_ms", "_centre", "_every_ms", "_gap_least_ms", "_gap_ms", "_gap_sum_ms", "_gaps",
        "_heard", "_high", "_learn_rows", "_low", "_missed_limit_ms",
        "_missed_ms", "_next_ms", "_next_value", "_patience", "_rate_ms", "_reference", "_reference_ms", "_seen", "_sentinels",
        "_silent_ms", "_spread", "_step_least_ms", "_tested_good", "tested",
    )  # fmt: skip

    def __init__(self, signal: Signal, learn_rows: int = 0) -> None:
        """`learn_rows` readings teach what gaps are normal on this unit; 0: none but those of any."""
        self._sentinels = frozenset(signal.sentinels)
        self._low = -HUGE if signal.low is None else signal.low
        self._high = HUGE if signal.high is None else signal.high
        self._rate_ms = 0.0 if signal.rate_max_per_s is None else signal.rate_max_per_s / 1000.0  # 0: not declared
        # A serial driver or a busy host hands over readings in bunches: the time between two is never taken
        # for less than half the cadence, else every bunch would look like a leap.
        self._step_least_ms = max(1, signal.every_ms // 2)
        self._every_ms = signal.every_ms
        self._learn_rows = learn_rows
        self._heard = 0
        self._gap_ms = 0  # the longest between two readings while it was learnt
        self._gaps = 0  # of those that were longer than the cadence: how many, their sum, the shortest
        self._gap_sum_ms = self._gap_least_ms = 0
        self._patience = 1
        self._missed_ms = 0  # the same for rows in which others spoke
        self._silent_ms = self._missed_limit_ms = 0
        self._set_silence()
        self._tested_good = BAD_VALUE | SILENT | SENTINEL
        if signal.low is not None or signal.high is not None:
            self._tested_good |= RANGE
        self._arrived_ms = -1
        self._reference = 0.0
        self._reference_ms = -1
        self._next_value = 0.0
        self._next_ms = -1
        self._agreed = 0
        self._centre = 0.0
        self._spread = 0.0
        self._seen = 0
        self.tested = 0

    def step(self, value: float | None, at_ms: int) -> int:
        """This returns the failed checks of one reading. What failed never becomes a reference."""
        if self._heard < self._learn_rows:
            self._learn_gap(at_ms)
        self._arrived_ms = at_ms
        if value is None or not -HUGE <= value <= HUGE:  # a NaN compares false too
            self.tested = BAD_VALUE | SILENT
            return BAD_VALUE
        if value in self._sentinels or (value in WELL_KNOWN and self._far(value)):
            self.tested = BAD_VALUE | SILENT | SENTINEL
            return SENTINEL
        tested = self._tested_good
        if not self._low <= value <= self._high:
            self.tested = tested
            return RANGE
        if self._rate_ms:
            if self._reference_ms >= 0:
                tested |= RATE
                if not self._reachable(value, at_ms, self._reference, self._reference_ms) and not self._settled(
                    value, at_ms
                ):
                    self.tested = tested
                    return RATE
            self._reference = value
            self._reference_ms = at_ms
            self._agreed = 0
        self.tested = tested
        if self._seen:
            away = value - self._centre
            self._centre += RECENT * away
            self._spread += RECENT * (abs(away) - self._spread)
            if self._seen < SEEN_FIRST:
                self._seen += 1
        else:
            self._centre = value
            self._seen = 1
        return 0

    def overdue(self, at_ms: int) -> bool:
        """This returns whether nothing came for max(3 cadences, 2 s), counted at first from the first call."""
        if self._arrived_ms < 0:
            self._arrived_ms = at_ms
        return at_ms - self._arrived_ms > self._silent_ms

    def left_out(self, at_ms: int) -> bool:
        """This returns whether its peers on the line have spoken without it for too long."""
        return self.quiet_ms(at_ms) > self._missed_limit_ms

    def learn_missed(self, at_ms: int) -> None:
        """This takes in how long the signal itself may be missing from rows in normal running."""
        if self._heard < self._learn_rows:
            self._missed_ms = max(self._missed_ms, at_ms - self._arrived_ms)

    def next_deadline_ms(self) -> int | None:
        """This returns when the signal becomes silent if nothing comes; None before it was first asked or read."""
        return None if self._arrived_ms < 0 else self._arrived_ms + self._silent_ms + 1

    def started(self, at_ms: int) -> None:
        """This counts silence from now: a sensor that never speaks is as silent as one that stopped."""
        self._arrived_ms = at_ms

    def patient(self, times: int) -> None:
        """This lets the signal be quiet for so many times as long before it counts as silent."""
        self._patience = times
        self._set_silence()

    def _learn_gap(self, at_ms: int) -> None:
        """This takes in how long a line of this unit may pause in normal running: a cheap adapter drops seconds."""
        if self._heard:
            gap_ms = at_ms - self._arrived_ms
            self._gap_ms = max(self._gap_ms, gap_ms)
            if 2 * gap_ms > 3 * self._every_ms:
                self._gap_least_ms = min(gap_ms, self._gap_least_ms) if self._gaps else gap_ms
                self._gaps += 1
                self._gap_sum_ms += gap_ms
        self._heard += 1
        if self._heard == self._learn_rows:
            self._set_silence()

    def _longest_gap_ms(self) -> float:
        """This returns how long the longest of very many gaps would be, theirs being shifted exponential: bursts end by chance."""
        if not self._gaps:
            return 0.0
        excess_ms = self._gap_sum_ms / self._gaps - self._gap_least_ms
        return self._gap_ms + excess_ms * math.log(GAPS / min(self._gaps, GAPS))

    def _set_silence(self) -> None:
        # Three cadences, and never less than 2 s: at 20 Hz a pause of 150 ms is a busy host, not a dead sensor.
        usual = SILENT_READINGS * self._every_ms
        if self._heard < self._learn_rows:
            usual = SILENT_MOST * self._every_ms
        own = min(round(max(GAP_MARGIN * self._gap_ms, self._longest_gap_ms())), SILENT_MOST * self._every_ms)
        self._silent_ms = self._patience * max(usual, own, SILENT_LEAST_MS)
        missed = min(round(GAP_MARGIN * self._missed_ms), SILENT_MOST * self._every_ms)
        self._missed_limit_ms = self._patience * max(SILENT_READINGS * self._every_ms, missed, SILENT_LEAST_MS)

    @property
    def learns_gaps(self) -> bool:
        """Whether it is not known yet how long this unit's line pauses in normal running."""
        return self._heard < self._learn_rows

    def quiet_ms(self, at_ms: int) -> int:
        """This returns how long nothing came."""
        return at_ms - self._arrived_ms if self._arrived_ms >= 0 else 0

    def quiet(self, at_ms: int) -> bool:
        """This returns whether the next reading is late, though not yet overdue."""
        return self.quiet_ms(at_ms) > self._silent_ms // 2

    def _far(self, value: float) -> bool:
        away = abs(value - self._centre)
        size = max(abs(value), abs(self._centre))
        return self._seen >= SEEN_FIRST and away > FAR_SPREADS * self._spread and away > FAR_SHARE * size

    def _reachable(self, value: float, at_ms: int, since: float, since_ms: int) -> bool:
        return abs(value - since) <= self._rate_ms * max(at_ms - since_ms, self._step_least_ms)

    def _settled(self, value: float, at_ms: int) -> bool:
        """Whether the readings since a leap agree with each other: the leap is over, or its reference was the spike."""
        if self._agreed and self._reachable(value, at_ms, self._next_value, self._next_ms):
            self._agreed += 1
        else:
            self._agreed = 1
        self._next_value, self._next_ms = value, at_ms
        return self._agreed >= AGREE

"""This is the control chart of one signal: how far it is, at several timescales, from where it should be."""

import math
from collections.abc import Sequence

import msgspec

FAST, MIDDLE, SLOW = 2.0 / 4.0, 2.0 / 11.0, 2.0 / 41.0  # EWMAs of 3, 10 and 40 rows
LEVEL_ROWS = 200.0  # how long the level takes to follow slow wander
NOISE = 2.0 / 21.0  # EWMA of 20 rows of the squared step
TIMESCALES = ("jump", "3 rows", "10 rows", "40 rows", "noise")
GAP_RESET = 20  # missing rows after which the EWMAs start anew from the level
GATE = 0.6  # a signal this near to its limit teaches nothing
CONSTANT_CAP = 0.9  # a signal that never moved in learning cannot alarm alone


class SignalLearnt(msgspec.Struct):
    """What normal is for one signal. Times are rows; statistics are in units of `scale`."""

    name: str
    centre: float
    scale: float  # of one reading about its level; 0: it never moved
    limits: list[float]  # per timescale: where it counts as an alarm
    usual: list[float]  # per timescale: root mean square in normal running
    drift: float  # random walk of the level, per square root of a row
    step_ms: float  # mean square of the step from row to row
    repeat: float  # share of rows equal to the row before
    longest_run: int  # rows


class Chart:
    """The running state of one signal's chart. `step` is the hot path: no allocation."""

    __slots__ = (
        "centre", "constant", "drift2", "fast", "g_fast", "g_jump", "g_middle", "g_noise", "g_slow", "held", "inverse",
        "last", "level", "middle", "missing", "noise", "run", "score", "slow", "z",
    )  # fmt: skip

    def __init__(self, learnt: SignalLearnt) -> None:
        self.centre = learnt.centre
        self.constant = learnt.scale <= 0.0
        self.inverse = 1.0 / (learnt.scale if learnt.scale > 0.0 else max(abs(learnt.centre) * 0.01, 1e-9))
        self.g_jump, self.g_fast, self.g_middle, self.g_slow, self.g_noise = (1.0 / v for v in learnt.limits)
        self.drift2 = learnt.drift * learnt.drift
        self.level = self.fast = self.middle = self.slow = 0.0
        self.noise = learnt.step_ms
        self.last = math.nan
        self.run = 0  # rows since the value last changed
        self.held = 0  # rows since the level last learnt
        self.missing = 0
        self.z = 0.0
        self.score = 0.0

    def step(self, value: float | None, learn: bool) -> float:
        """This returns how near the signal is to its limit: 1.0 is on it. A missing value says nothing: 0.0."""
        if value is None:
            self.missing += 1
            self.held += 1
            self.z = self.score = 0.0
            return 0.0
        if self.missing:
            if self.missing > GAP_RESET:
                self.fast = self.middle = self.slow = self.level
                self.last = math.nan
            self.missing = 0
        z = (value - self.centre) * self.inverse
        if z == self.last:
            self.run += 1
        else:
            self.run = 0
        step = z - self.last
        self.last = self.z = z
        fast = self.fast
        fast += FAST * (z - fast)
        self.fast = fast
        middle = self.middle
        middle += MIDDLE * (z - middle)
        self.middle = middle
        slow = self.slow
        slow += SLOW * (z - slow)
        self.slow = slow
        level = self.level
        score = abs(fast - level) * self.g_fast
        other = abs(middle - level) * self.g_middle
        if other > score:
            score = other
        other = abs(slow - level) * self.g_slow
        if other > score:
            score = other
        held = self.held
        if held:
            score /= math.sqrt(1.0 + held * self.drift2)
        other = abs(fast - slow) * self.g_jump
        if other > score:
            score = other
        if step == step:
            self.noise += NOISE * (step * step - self.noise)
            other = self.noise * self.g_noise
            if other > score:
                score = other
        if self.constant and score > CONSTANT_CAP:
            score = CONSTANT_CAP
        if learn and score < GATE:
            self.level = level + (z - level) / LEVEL_ROWS
            if held:
                self.held = 0
        else:
            self.held = held + 1
        self.score = score
        return score

    def statistics(self) -> tuple[float, float, float, float, float]:
        """This returns the signed statistics behind the score, in the order of TIMESCALES."""
        level = self.level
        return self.fast - self.slow, self.fast - level, self.middle - level, self.slow - level, self.noise

    def start(self, values: Sequence[float]) -> None:
        """This puts all levels where the first values are."""
        mean = math.fsum(values) / len(values) if values else 0.0
        self.level = self.fast = self.middle = self.slow = (mean - self.centre) * self.inverse if values else 0.0

"""This is the control chart of one signal: how far it is, at several timescales, from where it should be.

Everything is in units of the signal's own noise (`SignalLearnt.scale`) and in rows. One row costs about 1.5 us.
"""

import math
from collections.abc import Sequence

import msgspec

from sickbay.core.halves import Halves
from sickbay.core.rhythm import Rhythm

FAST = 2.0 / 4.0  # EWMA of FAST_ROWS; the others are each signal's own: `SignalLearnt.spans`
WANDERED_MOST = 9.0  # on the variance, while a level is held
NOISE = 2.0 / 21.0  # EWMA of 20 rows of the squared step
NOISE_MOST = 40.0  # times the mean squared step: what one leap may add
ROUGH_ROWS, ROUGH = 10, 2.0 / 7.0  # how often it is asked how many steps were rough; EWMA of six times as many rows
ROUGH_SHARE = 0.1  # of the steps in learning are rough ...
ROUGH_USUAL = 0.05  # ... and about so many where as many up as down count
GATE = 0.6  # a signal this near to its limit teaches nothing
CONSTANT_MOST = 0.9  # a signal that never moved in learning cannot alarm alone
DRIFT_ROWS = 20.0  # rows without following after which a pure wanderer's allowance has grown by sqrt(2)
# What settles after a fault has its level follow for so many rows, at this gain; from then on only nearer to where it was.
SETTLE_ROWS, SETTLE = 120, 0.1
HOMEWARD = 0.4  # of the limit: less is noise, which would carry the level home on its own
GAP_ROWS = 20  # missing rows after which the EWMAs start anew from the level
UNHEARD_MOST = 0.95  # of a score that waits for the next reading: it ends no alarm, and begins none
BURST = 2  # rows in a row beyond the spike limit that are still a spike; the third makes it a leap
LEAP = 1.6  # score of a leap
# A leap after so many rows away that lands within its limit has come home: that is no new leap.
AWAY_ROWS, HOME = 20, 1.0
# Once the faster mean is back by half, the slower one goes no farther than this times its limit: or a great fault would alarm long
# after it ended.
BACK, WINDUP = 0.5, 1.5
FADE = 0.98  # of leaps and spikes a row: half forgotten after 35 rows
SPIKES = 2.2  # about three wild values within 30 rows: the sensor's or its cable's fault
# A signal that only grew noisier throws no spikes: what is less than one must be four deviations of its present noise (eight times
# the mean squared step), after as many rows within half of what is wild.
WILD_NOISE, CALM_ROWS, RESTLESS = 8.0, 5, 0.5
NEVER = 1 << 60
HUGE = 1e18
BOUNDLESS = 1e30  # no limit; finite, since JSON has no word for infinity

TIMESCALES = ("jump", "fast", "middle", "slow", "noise")
FAST_ROWS = 3
STEP_ROWS = 8  # an offset that comes in one row is seen whole, and from two sides; a slower mean's level would wander off meanwhile
STUCK, SPIKED, SPIKY, NOISY = 1, 2, 4, 8  # marks


def _white(a: float, b: float) -> float:
    """The variance that the difference of two EWMAs with gains a and b has on white noise of variance 1."""
    return a / (2.0 - a) + b / (2.0 - b) - 2.0 * a * b / (a + b - a * b)


def white(spans: Sequence[float]) -> tuple[float, float, float, float]:
    """This returns the variance that the four level statistics of TIMESCALES have on white noise of variance 1."""
    middle, slow, level = gains(spans)
    return _white(FAST, slow), _white(FAST, level), _white(middle, level), _white(slow, level)


def gains(spans: Sequence[float]) -> tuple[float, float, float]:
    """This returns the gains of the middle and the slow EWMA and of the level, from their rows."""
    middle, slow, level = spans
    return 2.0 / (middle + 1.0), 2.0 / (slow + 1.0), 1.0 / level


class SignalLearnt(msgspec.Struct):
    """What normal is for one signal."""

    name: str
    centre: float  # in the signal's own unit
    scale: float  # of one reading about its centre, in its own unit; 0.0: it never moved
    blind: bool = False  # too few readings to say anything
    limits: list[float] = msgspec.field(default_factory=lambda: [BOUNDLESS] * 5)  # per timescale: where an alarm begins
    usual: list[float] = msgspec.field(
        default_factory=lambda: [1.0] * 5
    )  # per timescale: root mean square in normal running (noise: mean squared step)
    freedom: list[float] = msgspec.field(
        default_factory=lambda: [1.0] * 4
    )  # per timescale: independent values behind `usual`
    wander: float = 0.0  # share of the slowest statistic's variance that white noise does not explain
    low: float = 0.0  # lowest and highest that the slow mean was
    high: float = 0.0
    step: float = BOUNDLESS  # how far the mean of STEP_ROWS may be from that of as many before
    beat: int = 0  # rows of the beat at which it goes up and down by itself, 0: none; see rhythm.py
    beat_limit: float = BOUNDLESS  # how far its mean may go from one beat to the next
    pace: float = BOUNDLESS  # fastest that the level may follow, per row
    spans: list[float] = msgspec.field(default_factory=lambda: [10.0, 40.0, 100.0])  # rows: middle and slow EWMA, level
    spike: float = BOUNDLESS  # a reading this far from the last ten is a spike
    wild: float = BOUNDLESS  # one this far is wild: alone it means nothing, three within 30 rows are the sensor's fault
    stuck_rows: int = 0  # equal rows that mean stuck; 0: no number does
    rests: tuple[float, ...] = ()  # values at which no number of rows does: see flatline.py
    repeat: float = 1.0  # share of rows equal to the row before
    longest_run: int = 0  # equal rows
    lone: float | None = None  # how far a lone spike stands out, in its own unit: see lone.py
    rough: float = BOUNDLESS  # step that one in ten exceeded
    rough_most: float = BOUNDLESS  # share of the latest steps beyond it at which its noise has grown
    swings: list[float] = []  # how much its ways over 40 and 160 rows differed: see gait.py


class Chart:
    """The running state of one signal's chart. `step` is the hot path: flat, and it allocates nothing lasting."""

    __slots__ = (
        "blind", "burst", "centre", "constant", "downs", "drift", "fast", "g_fast", "g_jump", "g_middle", "g_noise", "g_slow",
        "g_step", "held", "inverse", "k_level", "k_middle", "k_slow", "last", "leap", "level", "mark", "middle", "missing",
        "noise", "noise_most", "old", "pace", "plunge", "restless", "rests", "rhythm", "rough", "rough_most", "roughness",
        "run", "score", "settling", "slow", "spike", "spiked", "spikes", "steps", "stuck_rows", "told", "unrest", "ups", "wild",
        "z",
    )  # fmt: skip

    def __init__(self, learnt: SignalLearnt) -> None:
        self.centre = learnt.centre
        self.blind = learnt.blind
        self.constant = learnt.scale <= 0.0
        # What never moved has no noise to measure by: a hundredth of its value stands in, and it cannot alarm alone.
        self.inverse = 1.0 / (learnt.scale if learnt.scale > 0.0 else max(abs(learnt.centre) * 0.01, 1e-6))
        self.g_jump, self.g_fast, self.g_middle, self.g_slow, self.g_noise = (1.0 / v for v in learnt.limits)
        self.k_middle, self.k_slow, self.k_level = gains(learnt.spans)
        self.g_step = 1.0 / learnt.step
        self.steps = Halves(STEP_ROWS)
        self.rhythm = Rhythm(learnt.beat, learnt.beat_limit) if learnt.beat else None
        self.drift = learnt.wander / DRIFT_ROWS
        self.pace = learnt.pace
        self.spike = learnt.spike
        self.wild = min(learnt.wild, learnt.spike)
        self.restless = RESTLESS * self.wild
        self.stuck_rows = learnt.stuck_rows if learnt.stuck_rows > 0 else NEVER
        self.rests = tuple((value - learnt.centre) * self.inverse for value in learnt.rests)
        self.noise = learnt.usual[-1]
        self.noise_most = NOISE_MOST * learnt.usual[-1] if learnt.limits[-1] < BOUNDLESS else BOUNDLESS
        self.rough, self.plunge = learnt.rough, -learnt.rough  # up, and down
        self.rough_most = learnt.rough_most
        self.roughness = ROUGH_USUAL  # of the latest steps: how many were rough
        self.ups = self.downs = 0  # rough steps since that was last asked
        self.level = self.fast = self.middle = self.slow = 0.0
        self.last = math.nan
        self.leap = self.spikes = self.z = self.score = 0.0
        self.run = 0  # rows since the value last changed
        self.told = False  # who is to blame: what is odd must not wear off then
        self.held = 0  # rows since the level last learnt
        self.old = math.nan  # the level before the part settled after a fault, while it is another one
        self.settling = 0  # rows for which it goes on settling
        self.missing = 0
        self.burst = 0  # rows in a row beyond the spike limit
        self.spiked = 0  # 2 in the row of a spike, 1 in the next
        self.unrest = 0  # rows until what the signal does counts as calm again
        self.mark = 0

    def start(self, values: Sequence[float]) -> None:
        """This puts every level where the first values are."""
        if values:
            mean = math.fsum(values) / len(values)
            self.level = self.fast = self.middle = self.slow = (mean - self.centre) * self.inverse

    def step(self, value: float | None) -> float:
        """This returns how near the signal is to its limit: 1.0 is on it.

        A missing value says nothing: what was found last waits for the next, for a while.
        """
        if value is None or not -HUGE < value < HUGE or self.blind:
            self.missing = missing = self.missing + 1
            self.held += 1
            self.z = 0.0
            self.mark = 0
            score = self.score
            self.score = score = 0.0 if missing > GAP_ROWS else score if score < UNHEARD_MOST else UNHEARD_MOST
            return score
        if self.missing:
            if self.missing > GAP_ROWS:
                self.fast = self.middle = self.slow = self.level
                self.last = math.nan
                self.steps.rest()
                if self.rhythm is not None:
                    self.rhythm.rest()
            self.missing = 0
        self.z = z = (value - self.centre) * self.inverse
        change = z - self.last
        self.last = z
        mark = 0
        if change == 0.0:
            self.run = run = self.run + 1
            if run >= self.stuck_rows and z not in self.rests:
                mark = STUCK
        else:
            self.run = 0
        middle = self.middle
        away = z - middle
        restless = self.restless
        if away > restless or away < -restless:
            far = away if away > 0.0 else -away
            if self.wild < far <= self.spike and not self.unrest and far * far > WILD_NOISE * self.noise:
                self.spikes += 1.0
            self.unrest = CALM_ROWS
        elif self.unrest:
            self.unrest -= 1
        spike = self.spike
        spiked = self.spiked
        if away > spike or away < -spike:
            self.burst = burst = self.burst + 1
            self.spiked = spiked = 2
            mark |= SPIKED
            if burst <= BURST:
                # A single wild value must not drag the means along; a third in a row is where the signal now is.
                z = middle + (spike if away > 0.0 else -spike)
                if burst == 1:
                    self.spikes += 1.0
            elif burst == BURST + 1:
                home = (z - self.level) * self.g_middle
                self.leap = 0.0 if self.held > AWAY_ROWS and -HOME < home < HOME else LEAP
        elif spiked:
            self.burst = 0
            self.spiked = spiked = spiked - 1
        if self.spikes:
            self.spikes *= FADE
            if self.spikes > SPIKES:
                mark |= SPIKY
        fast = self.fast
        self.fast = fast = fast + FAST * (z - fast)
        self.middle = middle = middle + self.k_middle * (z - middle)
        slow = self.slow
        self.slow = slow = slow + self.k_slow * (z - slow)
        level = self.level
        score = (fast - level if fast > level else level - fast) * self.g_fast
        near = score
        other = (middle - level if middle > level else level - middle) * self.g_middle
        if other > score:
            score = other
        if other > WINDUP and abs(fast - level) < BACK * abs(middle - level):
            self.middle = middle = level + (middle - level) * WINDUP / other
        other = (slow - level if slow > level else level - slow) * self.g_slow
        if other > score:
            score = other
        if other > WINDUP and abs(middle - level) < BACK * abs(slow - level):
            self.slow = slow = level + (slow - level) * WINDUP / other
        held = self.held
        bare = score
        if held:
            # What is known to wander may have gone on wandering while its level was not followed: so far, and no farther,
            # or time alone would forget a fault that lasts.
            wandered = 1.0 + held * self.drift
            score /= math.sqrt(wandered if wandered < WANDERED_MOST else WANDERED_MOST)
        other = (fast - slow if fast > slow else slow - fast) * self.g_jump
        if other > score:
            score = other
        other = self.steps.step(z) * self.g_step
        if other < 0.0:
            other = -other
        if other > score and not (held > AWAY_ROWS and near < HOME):
            score = other  # what steps home is no news
        rhythm = self.rhythm
        if rhythm is not None:
            other = rhythm.step(z)
            if other > score:
                score = other
        if not spiked and change == change:
            if change > self.rough:
                self.ups += 1
            elif change < self.plunge:
                self.downs += 1
            change *= change
            if change > self.noise_most:
                change = self.noise_most
            noise = self.noise
            self.noise = noise = noise + NOISE * (change - noise)
            other = noise * self.g_noise
            if other > score:
                score = other
            if other > 1.0:
                mark |= NOISY
        leap = self.leap
        if leap:
            self.leap = leap * FADE if leap > 0.1 else 0.0
            if leap > score:
                score = leap
        if self.old == self.old:
            self._settle()
            level = self.level
        if score < GATE:
            pace = self.pace
            move = (middle - level) * self.k_level
            self.level = level + (move if -pace <= move <= pace else pace if move > 0.0 else -pace)
            if bare < GATE or self.told:
                self.held = 0
        else:
            self.held = held + 1
            if self.constant and score > CONSTANT_MOST:
                score = CONSTANT_MOST
        self.mark = mark
        self.score = score
        return score

    def is_rough(self) -> bool:
        """This takes in how many of the last ROUGH_ROWS steps were rough, and returns whether the noise has grown by that.

        As many up as down count: a signal that goes somewhere fast is not noisy.
        """
        self.roughness += ROUGH * (2.0 * min(self.ups, self.downs) / ROUGH_ROWS - self.roughness)
        self.ups = self.downs = 0
        return self.roughness > self.rough_most

    def _settle(self) -> None:
        """This moves a level that was taken up after a fault: with its signal at first, later only towards the old level.

        What is warm cools for hours, and its level goes home with it. What turns round on its way is judged by where it turned.
        """
        away, home = self.middle - self.level, self.old - self.level
        if self.settling and abs(away) * self.g_middle > WINDUP:
            self.settling = 0  # it has gone off again
        if self.settling:
            self.settling -= 1
            self.leap = 0.0
        elif abs(self.slow - self.old) < abs(self.slow - self.level):
            # Home, as its slowest mean says: a faster one is there by chance at times.
            self.level, self.old = self.old, math.nan
            return
        elif away * home <= 0.0 or abs(away) * self.g_middle < HOMEWARD:
            return
        self.level += SETTLE * away
        self.slow += SETTLE * (self.middle - self.slow)

    def settle_aside(self) -> None:
        """This takes up as the level what the signal is at after a fault, for as long as it is not back at its old one."""
        if self.old != self.old:
            self.old = self.level
        self.level = self.slow = self.middle
        self.settling = SETTLE_ROWS
        self.held = 0
        self.leap = 0.0

    def ratio(self) -> float:
        """This returns how far the signal is from normal in limits, without the allowance for a level that is held."""
        inverses = (self.g_jump, self.g_fast, self.g_middle, self.g_slow, self.g_noise)
        return max(abs(v) * inverse for v, inverse in zip(self.statistics(), inverses, strict=True))

    def rest(self) -> None:
        """This forgets the last readings, not what is normal."""
        self.fast = self.middle = self.slow = self.level
        self.last = math.nan
        self.leap = self.spikes = self.z = self.score = 0.0
        self.run = self.burst = self.spiked = self.mark = self.ups = self.downs = 0
        self.unrest = 0
        self.steps.rest()
        if self.rhythm is not None:
            self.rhythm.rest()

    def settle(self) -> None:
        """This takes up anew a level that was held for long, unless the signal is farther off than it may have wandered."""
        wandered = math.sqrt(min(WANDERED_MOST, 1.0 + self.held * self.drift))
        if abs(self.slow - self.level) * self.g_slow < wandered:
            self.level, self.held = self.slow, 0

    def statistics(self) -> tuple[float, float, float, float, float]:
        """This returns the signed statistics behind the score, in the order of TIMESCALES."""
        level = self.level
        return self.fast - self.slow, self.fast - level, self.middle - level, self.slow - level, self.noise

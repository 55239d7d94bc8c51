"""This is what normal means for one very unit: learnt from its own fault-free rows, kept, and judged for fit."""

import itertools
import math
from collections.abc import Sequence

import msgspec

from sickbay.core import excitation, gait, lone, rhythm, startup
from sickbay.core.chart import (
    BOUNDLESS,
    ROUGH,
    ROUGH_ROWS,
    ROUGH_SHARE,
    ROUGH_USUAL,
    STEP_ROWS,
    TIMESCALES,
    Chart,
    SignalLearnt,
    white,
)
from sickbay.core.excitation import Follower
from sickbay.core.flatline import rests, stuck_rows
from sickbay.core.tails import autocorrelation_rows, deviation, limit, median, upper_quantile

Row = Sequence[float | None]

START_ROWS = 20  # the first rows of a learning stretch set the levels and are not judged
MARGIN = 1.2  # on the deviations that a Gaussian would need: real tails are heavier
SMALL_SAMPLE = 10.0  # Student's t to first order (Cornish-Fisher): quantile * (1 + about (q^2 + 1) / 4 / freedom)
# On the deviations of a step between eight rows and the next: the parts of a healthy machine step by themselves, accelerometers of
# a fault-free pump rig by up to 7.6 deviations; a Gaussian would need 5.5.
STEP = 1.8
# Where a row's own noise is less than so much of the scale's square, every row shows the wander, and Student's t, which counts few
# independent values, widens a limit to no more than so many times the largest seen in learning.
SMOOTH, FARTHEST = 0.05, 4.0
LARGEST = 1.3  # an alarm begins no nearer than this times the largest seen in learning
HIDDEN_SHARE, HIDDEN_MOST = 0.7, 9.0  # see _limits
PACE_ROWS, PACE = 50, 1.5  # the level may follow half as fast again as over any 50 rows of learning
SPIKE = 1.5  # a spike is this many times the largest distance seen in learning
TRIPLETS = 435.0  # of 30 rows: three wild values among them may come by chance as seldom as one spike
NOISE_LEAST = 4.0  # an alarm for noise begins no nearer than this many times the usual mean squared step
# Noise has grown where so many of the latest steps are rough, and so many times as many as ever in learning.
ROUGH_LEAST, ROUGH_LARGEST = 0.5, 1.5
ROUGH_TIE = 1.01  # what is told in steps repeats the same one but for its last digits
ROUGH_REPEAT = 0.4  # share of repeated readings above which nothing is known of that
JOINT = 1.15  # an alarm of the part begins no nearer than this times the largest combined score in learning
PRIOR_MOST = 1.3  # on a variance: what another operating point's wander may add
WANDERS = 0.5  # share of the slow mean's variance that noise does not explain: more, and a signal moves by itself
WANDERER = 0.9  # share of wander above which a signal's level at a start says nothing
# How far back means and level reach, in rows: middle and slow EWMA, level. Few rows of learning show few independent values of what
# reaches far back, so that its limit would come out wide: less learning, shorter reach.
FEW_ROWS, SOME_ROWS, MANY_ROWS = 250, 400, 800
SOME, MANY = (10.0, 20.0, 70.0), (10.0, 40.0, 100.0)
MIDDLE_LEAST = 4.0
# Least rows that one independent value of pure wander takes where a level reaches over SOME rows or more: cycles look more
# independent than they are.
WANDER_ROWS = 55.0
TINY = 1e-9
SCALE_LEAST = 1e-30


class Learnt(msgspec.Struct):
    """What is known of one part in normal running. Plain numbers: it is kept in the journal and beside a model."""

    signals: list[SignalLearnt]
    rows: int
    joint: float = 1.0  # divides the combined score
    followers: list[Follower] = []  # signals that move with a peer


def learn(
    names: Sequence[str], rows: Sequence[Row], chance: float, prior: Learnt | None = None, reach: float = 1.0
) -> Learnt:
    """This returns what normal is, from fault-free rows. `chance` is that of a false alarm a row, of the whole part.

    From `prior`, another operating point of the same kind of part, only ratios are taken: how much each signal wanders
    beside its noise. Its levels and scales are not: a pump at another speed has others.
    """
    return settled(names, rows, chance, prior, reach)[0]


def settled(
    names: Sequence[str], rows: Sequence[Row], chance: float, prior: Learnt | None = None, reach: float = 1.0
) -> tuple[Learnt, list[Chart]]:
    """This returns what `learn` does, and charts that have seen `rows`, ready to go on."""
    chance = chance / max(1, len(names))
    known = {s.name: s for s in prior.signals} if prior is not None else {}
    signals, begins = [], []
    for j, name in enumerate(names):
        column = [row[j] for row in rows]
        begins.append(startup.rows(column) if reach == 1.0 else 0)
        column = column[begins[j] :]
        signal = _at_rest(name, column, chance)
        if not signal.blind and signal.scale > 0.0:
            _in_motion(signal, column, chance, known.get(name), reach)
        elif not signal.blind:
            signal.limits = [1.0] * len(TIMESCALES)
        signals.append(signal)
    learnt = Learnt(signals, len(rows))
    learnt.followers = excitation.learn(rows)
    for follower in learnt.followers:
        follower.least, follower.lenient = follower.least * reach, reach > 1.0
    charts, largest = _replayed(learnt, rows, begins)
    learnt.joint = max(1.0, JOINT * largest)
    return learnt, charts


def combine(first: float, second: float, third: float) -> float:
    """This returns a part's score from its three largest: one signal suffices, and two or three near it add up."""
    score = (first + 0.5 * second + 0.25 * third) / 1.2
    return first if first > score else score


def misfits(learnt: Learnt, rows: Sequence[Row]) -> list[int]:
    """This returns the signals whose first rows lie clearly outside of where, or move otherwise than how, they did in learning."""
    found = []
    for j, signal in enumerate(learnt.signals):
        values = [v for row in rows if (v := row[j]) is not None]
        if signal.blind or len(values) < 5:
            continue
        if signal.scale <= 0.0:
            if abs(median(values) - signal.centre) > 0.01 * abs(signal.centre) + TINY:
                found.append(j)
            continue
        z = [(v - signal.centre) / signal.scale for v in values]
        at = median(z)
        step_ms = math.fsum((b - a) ** 2 for a, b in itertools.pairwise(z)) / (len(z) - 1)
        reach = signal.limits[2]
        if not signal.low - reach <= at <= signal.high + reach or step_ms > 9.0 * signal.usual[-1]:
            found.append(j)
    return found


def spans(rows: int) -> list[float]:
    """This returns over how many rows middle and slow EWMA and level reach, after so many rows of learning."""
    few = min(1.0, rows / FEW_ROWS)
    many = min(1.0, max(0.0, (rows - SOME_ROWS) / (MANY_ROWS - SOME_ROWS)))
    middle, slow, level = (few * some + many * (most - some) for some, most in zip(SOME, MANY, strict=True))
    return [max(MIDDLE_LEAST, middle), slow, level]


def _at_rest(name: str, column: Sequence[float | None], chance: float) -> SignalLearnt:
    """Centre, scale and how often nothing moves."""
    values = [v for v in column if v is not None]
    if len(values) < START_ROWS:
        return SignalLearnt(name, values[0] if values else 0.0, 0.0, blind=True)
    centre = median(values)
    floor = max(TINY * abs(centre), SCALE_LEAST)
    scale = 1.4826 * median([abs(v - centre) for v in values])
    if scale <= floor:
        scale = deviation(values)
    steps = [b - a for a, b in itertools.pairwise(values)]
    # A reading that flips between two values has most of its distances near nothing: its steps tell its noise.
    scale = max(scale, 0.5 * math.sqrt(math.fsum(s * s for s in steps) / len(steps) / 2.0))
    repeats = longest = run = 0
    for step in steps:
        run = run + 1 if step == 0.0 else 0
        repeats += step == 0.0
        longest = max(longest, run)
    at_rest = rests(values)
    return SignalLearnt(
        name,
        centre,
        scale if scale > floor else 0.0,
        stuck_rows=stuck_rows(values, chance, at_rest),
        rests=at_rest,
        repeat=repeats / len(steps),
        longest_run=longest,
    )


def _in_motion(
    signal: SignalLearnt, column: Sequence[float | None], chance: float, prior: SignalLearnt | None, reach: float
) -> None:
    """What the chart's own statistics do on these rows, and where alarms therefore begin."""
    signal.spans = spans(len(column))
    chart = Chart(signal)
    chart.start([v for v in column[:START_ROWS] if v is not None])
    seen: list[list[float]] = [[] for _ in TIMESCALES]
    levels, slows, aways, middles = [], [], [], []
    steps: list[float] = []
    for i, value in enumerate(column):
        before = chart.middle
        chart.step(value)
        if value is not None and i >= START_ROWS:
            steps.append(chart.steps.gone)
            for kept, statistic in zip(seen, chart.statistics(), strict=True):
                kept.append(statistic)
            levels.append(chart.level)
            slows.append(chart.slow)
            aways.append(abs(chart.z - before))
            middles.append(chart.middle)
    if not levels:
        signal.blind = True
        return
    noise = seen.pop()
    step_ms = max(math.fsum(noise) / len(noise), TINY)
    _limits(signal, seen, step_ms, chance, prior, reach)
    signal.usual.append(step_ms)
    signal.limits.append(max(limit(noise, chance), NOISE_LEAST * step_ms))
    signal.spike = max(limit(aways, chance), SPIKE * max(aways))
    if reach == 1.0:  # else days pass over it, and a view of its own judges single readings (abrupt.py)
        signal.step = _step(steps, step_ms, chance)
        triplet = (chance / TRIPLETS) ** (1.0 / 3.0)
        signal.wild = max(limit(aways, triplet), SPIKE * max(aways))
        signal.lone = lone.learn(column, triplet, min(signal.wild, signal.spike) * signal.scale)
        signal.rough, signal.rough_most = _rough(signal, column)
    signal.low, signal.high = min(slows), max(slows)
    if signal.wander > WANDERS and reach == 1.0:  # where days pass over it, a day is a season (season.py)
        signal.beat, signal.beat_limit = rhythm.learn(
            [(v - signal.centre) / signal.scale for v in column if v is not None]
        )
    signal.swings = gait.swings(middles[:: gait.EVERY])
    signal.limits = [most * reach for most in signal.limits]
    signal.spike *= reach
    if len(levels) > 2 * PACE_ROWS:
        moves = (abs(b - a) for a, b in zip(levels, levels[PACE_ROWS:], strict=False))
        signal.pace = PACE * max(max(moves) / PACE_ROWS, TINY)


def _limits(
    signal: SignalLearnt,
    seen: Sequence[Sequence[float]],
    step_ms: float,
    chance: float,
    prior: SignalLearnt | None,
    reach: float,
) -> None:
    """Limits of the four level statistics: so many deviations as the chance asks, more where little is known.

    The part of the variance that white noise explains is known well, from hundreds of steps. The rest is wander, of
    which 400 rows show only a few independent values: Student's t with that many degrees of freedom.
    """
    deviations = MARGIN * upper_quantile(min(0.1, 5.0 * chance))
    signal.usual, signal.limits, signal.freedom = [], [], []
    wander = 0.0
    wander_rows = WANDER_ROWS * min(1.0, signal.spans[-1] / SOME[-1])
    for k, (kept, noise) in enumerate(zip(seen, white(signal.spans), strict=True)):
        explained = 0.5 * step_ms * noise
        ms = max(math.fsum(v * v for v in kept) / len(kept), explained)
        wander = 1.0 - explained / ms
        independent = max(2.0, len(kept) / max(autocorrelation_rows(kept), wander_rows * wander))
        if prior is not None and prior.scale > 0.0 and not prior.blind:
            ratio = prior.usual[k] ** 2 / max(prior.usual[-1], TINY) * step_ms
            ms = min(max(ms, (independent * ms + ratio) / (independent + 1.0)), PRIOR_MOST * ms)
            independent += 1.0
        freedom = independent / max(wander * wander, 1e-6)
        rms = math.sqrt(ms)
        signal.usual.append(rms)
        signal.freedom.append(freedom)
        largest = max(map(abs, kept))
        most = deviations * (1.0 + SMALL_SAMPLE / freedom) * rms
        if 0.5 * step_ms < SMOOTH and reach == 1.0:
            most = max(deviations * rms, min(most, FARTHEST * largest))
        signal.limits.append(max(most, LARGEST * largest))
    signal.wander = wander
    # Wander that hides below the noise may come in steps too: accelerometers of a healthy pump rig did so by three
    # deviations. What the noise can hide bounds it, so that a smooth signal stays sharp.
    hidden = HIDDEN_SHARE * signal.limits[3] * math.sqrt(wander)
    for k in range(3):
        signal.limits[k] = math.hypot(signal.limits[k], min(hidden, HIDDEN_MOST * signal.usual[k]))


def _rough(signal: SignalLearnt, column: Sequence[float | None]) -> tuple[float, float]:
    """This returns the step that one in ten exceeds, and what share of the latest may, up and down, before the noise has grown.

    A mean squared step is ruled by the few largest; how many are large is not. What often repeats itself flickers as it happens to
    stand between two of its steps, and says nothing.
    """
    known = [(v - signal.centre) / signal.scale for v in column if v is not None]
    steps = [b - a for a, b in itertools.pairwise(known)]
    rough = ROUGH_TIE * sorted(map(abs, steps))[int((1.0 - ROUGH_SHARE) * len(steps))]
    if rough <= 0.0 or signal.repeat > ROUGH_REPEAT:
        return BOUNDLESS, BOUNDLESS
    share = most = ROUGH_USUAL
    for i in range(0, len(steps), ROUGH_ROWS):
        some = steps[i : i + ROUGH_ROWS]
        both = min(sum(step > rough for step in some), sum(step < -rough for step in some))
        share += ROUGH * (2.0 * both / ROUGH_ROWS - share)
        most = max(most, share)
    return rough, max(ROUGH_LEAST, ROUGH_LARGEST * most)


def _step(steps: Sequence[float], step_ms: float, chance: float) -> float:
    """This returns how far the mean of STEP_ROWS may be from that of as many before."""
    ms = max(math.fsum(v * v for v in steps) / len(steps), step_ms / STEP_ROWS)
    return max(STEP * upper_quantile(min(0.1, 5.0 * chance)) * math.sqrt(ms), LARGEST * max(map(abs, steps)))


def _replayed(learnt: Learnt, rows: Sequence[Row], begins: Sequence[int]) -> tuple[list[Chart], float]:
    """This returns charts that have seen `rows`, each from the end of its start-up on, and the largest combined score of all."""
    charts = [Chart(signal) for signal in learnt.signals]
    for j, (chart, begin) in enumerate(zip(charts, begins, strict=True)):
        chart.start([v for row in rows[begin : begin + START_ROWS] if (v := row[j]) is not None])
    largest = 0.0
    for i, row in enumerate(rows):
        scores = [0.0, 0.0, 0.0]
        for chart, value, begin in zip(charts, row, begins, strict=True):
            if i >= begin:
                score = chart.step(value)
                scores.append(score if i >= begin + START_ROWS else 0.0)
        first, second, third = sorted(scores, reverse=True)[:3]
        largest = max(largest, combine(first, second, third))
    for chart in charts:
        chart.leap = chart.spikes = 0.0
        chart.ups = chart.downs = 0
    return charts, largest


def started(learnt: Learnt, rows: Sequence[Row], off: Sequence[int]) -> list[Chart]:
    """This returns charts for a unit that fits `learnt`, levelled on its first rows; those `off` stay at the edge of normal."""
    charts = []
    for j, signal in enumerate(learnt.signals):
        chart = Chart(signal)
        values = [v for row in rows if (v := row[j]) is not None]
        if j in off and values and signal.wander < WANDERER:
            z = (median(values) - signal.centre) * chart.inverse
            edge = min(max(z, signal.low), signal.high)
            values = [edge / chart.inverse + signal.centre]
        chart.start(values)
        charts.append(chart)
    return charts


def standardised(learnt: Learnt, rows: Sequence[Row]) -> list[tuple[float, ...]]:
    """This returns rows as a model sees them: (value - centre) / scale, 0.0 where a reading is missing or never moved."""
    shapes = [(s.centre, 0.0 if s.blind or s.scale <= 0.0 else 1.0 / s.scale) for s in learnt.signals]
    return [
        tuple(0.0 if v is None else (v - centre) * inverse for v, (centre, inverse) in zip(row, shapes, strict=True))
        for row in rows
    ]

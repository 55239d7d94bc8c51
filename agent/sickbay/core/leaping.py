"""This says whether a signal leapt as only a sensor does: at once, by itself, and standing since where it landed.

A machine that changes at once goes on changing: a battery's voltage falls when the alternator stops, and sinks on. And what leaps
in the very moment in which another signal of the unit makes a great move may be the machine's answer to that: it counts as the
sensor's own only once the other has moved again, and it has not answered.
"""

import itertools
import math
from collections.abc import Sequence

from sickbay.core.channel import Channel, PartRow
from sickbay.core.diagnosis import ACCUSED
from sickbay.core.ward import Ward

AT_ONCE = 0.5  # of the way that a signal has gone: what a leap covers from one reading to the next
HALF = 0.5  # of the way: nearer to its centre it has been back
LANDS = 3  # readings after a leap that still belong to it
MEAN, MEAN_LEAST = 8, 3  # readings of a mean
STAYS = 7  # readings in a row: a signal stays there
CALM = 0.5  # of the distance from its centre: the largest step that a signal makes where it stays
ERRORS = 4.0  # standard errors of the difference between two such means
MOVE = 0.3  # of all that a signal went through in learning: a great move
ANSWERS = 5  # readings that an answer to such a move may take
AROUND = 3  # readings on each side of a move


def at_once(ward: Ward, row: PartRow, index: int, found: dict[str, float | int | str | bool | None]) -> bool:
    """This returns whether a signal went at least half of its way between two readings, by itself, and stands there since."""
    channel = row.members[index]
    latest = [(at_ms, value) for at_ms, value in channel.ring if value is not None]
    centre = float(found["centre"] or 0.0)
    way = max((abs(value - centre) for _, value in latest[-MEAN:]), default=0.0)
    steps = [abs(b - a) for (_, a), (_, b) in itertools.pairwise(latest)]
    landed = next((i for i, step in enumerate(steps, 1) if step >= AT_ONCE * way), 0)
    if not landed or way < row.view.reach(index):
        return False  # it is back: nothing stands
    since = [value for _, value in latest[landed:]]
    stays = _stays(since, centre, HALF * way)
    if any(before and not after for before, after in itertools.pairwise(stays)):
        return False  # what comes and goes is no offset
    since = since[LANDS:]
    count = min(MEAN, len(since) // 2)
    if count >= MEAN_LEAST:
        means = [_mean(since[k : k + count]) for k in range(0, len(since) - count + 1, count)]
        if max(abs(mean - means[0]) for mean in means) > HALF * way:
            return False  # it is back where it landed, and went far from there in between
        noise = math.sqrt(_mean([(b - a) ** 2 for a, b in itertools.pairwise(since)]) / count)
        if abs(_mean(since[-count:]) - _mean(since[:count])) > max(row.view.reach(index), ERRORS * noise):
            return False
    at_ms = latest[landed][0]
    return all(_moves_again(ward, other, at_ms) for other in _others(ward, channel) if _moves(ward, other, at_ms))


def comes_and_goes(row: PartRow, index: int) -> bool:
    """This returns whether a signal has lately stayed away from its level for some readings: what only leaps does not."""
    found, reach = row.view.explain(index), row.view.reach(index)
    values = [value for _, value in row.members[index].ring if value is not None]
    return reach > 0.0 and any(_stays(values, float(found["centre"] or 0.0), reach))


def _stays(values: Sequence[float], centre: float, reach: float) -> list[int]:
    """This returns where a signal stayed for some readings: 0 is about its centre, 1 and -1 calmly beyond. Noise never does."""
    out: list[int] = []
    last, length = 2, 0
    for k, value in enumerate(values):
        side = (value > centre + reach) - (value < centre - reach)
        calm = k > 0 and (not side or abs(value - values[k - 1]) <= CALM * abs(value - centre))
        length = length + 1 if side == last and calm else 1
        last = side
        if length == STAYS:
            out.append(side)
    return out


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _others(ward: Ward, channel: Channel) -> list[Channel]:
    """This returns the unit's other signals that are as usual, its twins left out: what they measure is the same."""
    if ward.union is None:
        return []
    twins = channel.twins.members if channel.twins is not None else ()
    rest = [c for c in ward.union.channels if c is not channel and not c.masked and c not in twins]
    return [c for c in rest if all(r.view.blame()[i] < ACCUSED for r, i in c.rows)]


def _great(ward: Ward, other: Channel) -> float:
    """This returns what counts as a great move of a signal; infinite where nothing is known."""
    union = ward.union
    if union is None or union.parity.rows < union.parity.learn_rows:
        return math.inf
    i = union.numbers[other.spec.name]
    return MOVE * (union.parity.high[i] - union.parity.low[i]) or math.inf


def _moves(ward: Ward, other: Channel, at_ms: int) -> bool:
    """This returns whether a signal made a great move around a time."""
    known = [(t, v) for t, v in other.ring if v is not None]
    before, after = [v for t, v in known if t < at_ms][-2 * AROUND :], [v for t, v in known if t >= at_ms][: 2 * AROUND]
    if len(before) <= AROUND or len(after) <= AROUND:
        return False
    return abs(_mean(after[AROUND:]) - _mean(before[:-AROUND])) >= _great(ward, other)


def _moves_again(ward: Ward, other: Channel, at_ms: int) -> bool:
    """This returns whether a signal has made another great move since: as far from where it landed."""
    after = [v for t, v in other.ring if v is not None and t >= at_ms][AROUND:-ANSWERS]
    if len(after) < 3 * AROUND:
        return False
    means = [_mean(after[i : i + AROUND]) for i in range(len(after) - AROUND + 1)]
    return max(abs(mean - means[0]) for mean in means) >= _great(ward, other)

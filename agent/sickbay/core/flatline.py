"""This says after how many equal readings a signal must be stuck: by its own noise, never by time alone.

A sensor's noise is its excitation: where it visibly flickers in normal running, standing still is a fault within a few rows.
Where it does not (a thermostat's water held 794 s, a barometer 5007 s on healthy cars), no run of any length says anything.
At an end of its range a machine rests, and the flicker is cut off with it: a wheel that stands counts no pulses.
"""

import itertools
import math
from collections.abc import Sequence

from sickbay.core.tails import limit

ALTERNATE_LEAST = 0.35  # share of steps that turn back: white noise 2/3, a random walk 1/2, a ramp 0
REPEAT_MOST = 0.65  # share of equal neighbours above which the noise is too small for the sensor's steps
NOISE_LEAST = 0.4  # standard deviation of the noise in smallest steps: below, a value can rest between two steps
ROWS_LEAST = 8
RUN_MARGIN = 2.0  # times the longest normal run
REST_STAYS, REST_ROWS = 3, 20  # at the lowest or highest value of learning, before it may be where the signal rests
LARGE, LARGE_SHARE = 1.5, 0.14  # root mean squares of a step, and how many of a Gaussian's are larger
COARSE_LEAST = 11.5  # -ln of the chance that so many steps in a row are nothing or large: one in 100,000


def rests(values: Sequence[float]) -> tuple[float, ...]:
    """This returns the ends at which a signal came to rest in learning: there it flickers less than half as often as between."""
    if not values:
        return ()
    ends = tuple(dict.fromkeys((min(values), max(values))))
    between = [(a, b) for a, b in itertools.pairwise(values) if a not in ends]
    moving = sum(a != b for a, b in between) / len(between) if between else 0.0
    found = []
    for end in ends:
        after = [b for a, b in itertools.pairwise(values) if a == end]
        left = sum(b != end for b in after)
        if left >= REST_STAYS and len(after) >= REST_ROWS and left <= moving / 2.0 * len(after):
            found.append(end)
    return tuple(found)


def stuck_rows(values: Sequence[float], chance: float, at_rest: Sequence[float] = ()) -> int:
    """This returns how many repeats in a row mean stuck, but for where it rests; 0: standing still means nothing here."""
    steps = [b - a for a, b in itertools.pairwise(values)]
    moves = [s for s in steps if s != 0.0]
    if len(steps) < 40 or len(moves) < 20:
        return 0
    alternate = sum(a * b < 0.0 for a, b in itertools.pairwise(moves)) / (len(moves) - 1)
    repeat = 1.0 - len(moves) / len(steps)
    smallest = min(map(abs, moves))
    noise = math.sqrt(math.fsum(s * s for s in moves) / len(steps) / 2.0)
    if alternate < ALTERNATE_LEAST or repeat > REPEAT_MOST or noise < NOISE_LEAST * smallest:
        return 0
    stays = itertools.groupby(values)
    runs = [sum(1 for _ in stay) - 1 for value, stay in stays if value not in at_rest]
    tail = limit([float(r) for r in runs], chance * len(steps) / len(runs))
    return max(ROWS_LEAST, math.ceil(tail), math.ceil(RUN_MARGIN * max(runs)))


def coarse(values: Sequence[float], usual_step: float, repeat: float) -> bool:
    """This returns whether readings are the same or far apart and nothing in between: bits are lost, or they freeze and jump.

    `usual_step` is the root mean square of a step in normal running, `repeat` the share of readings that equal the one before.
    A machine that changes does not change its sensor's flicker so; and what hardly ever flickered has none to lose.
    """
    steps = [abs(b - a) for a, b in itertools.pairwise(values)]
    if usual_step <= 0.0 or any(0.0 < step < LARGE * usual_step for step in steps):
        return False
    return -len(steps) * math.log(min(1.0, repeat + LARGE_SHARE)) >= COARSE_LEAST

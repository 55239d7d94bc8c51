"""A sensor that is off by less than its signal swings all day: where the swing has a beat, the mean of a beat tells."""

import math
import random

import pytest

from sickbay.core import rhythm
from sickbay.core.anomaly import PartView
from sickbay.core.equipment import Signal
from sickbay.core.halves import Halves
from sickbay.core.rhythm import Rhythm

LEARN = 400


def thermostat(rows: int, seed: int, off: float = 0.0, since: int = 0) -> list[float]:
    """Up and down by half a degree in 80 rows, no two beats alike, on a slow way down, with a sensor's noise."""
    chance = random.Random(seed)
    at, way, turn, out = 90.0, 0.025, 90.5, []
    for i in range(rows):
        at += way
        if (turn - at) * way <= 0.0:
            way = math.copysign(chance.uniform(0.02, 0.03), -way)
            turn = 90.0 - 0.0003 * i + math.copysign(chance.uniform(0.45, 0.55), way)
        out.append(at + chance.gauss(0.0, 0.15) + (off if since and i >= since else 0.0))
    return out


def alarms(values: list[float], seed: int) -> int:
    """This returns the rows in alarm after learning; a second signal is noise alone."""
    chance = random.Random(seed + 1000)
    view = PartView([Signal("temp", "x"), Signal("other", "x")], LEARN)
    rows = 0
    for i, value in enumerate(values):
        view.step([value, chance.gauss(20.0, 0.1)], 1000 * i)
        rows += view.alarm
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_a_bias_of_twice_its_swing_is_found_and_what_goes_on_as_learnt_is_not(seed: int) -> None:
    """The chart's own limits lie at several times the swing: of 400 rows five beats are all that is known."""
    assert alarms(thermostat(1000, seed, 0.9, 600), seed) >= 20
    assert alarms(thermostat(4000, seed), seed) == 0


def test_the_beat_is_learnt_in_rows() -> None:
    rows, most = rhythm.learn(thermostat(LEARN, 1))
    assert 75 <= rows <= 90 and 0.4 < most < 1.0


def test_noise_a_trend_wander_and_too_few_beats_are_no_rhythm() -> None:
    """Two rises of what wanders look like a beat; three in a row hardly do."""
    assert rhythm.learn(thermostat(200, 1)) == (0, 0.0)
    assert rhythm.learn([5.0] * LEARN) == rhythm.learn([]) == rhythm.learn([float(i) for i in range(LEARN)]) == (0, 0.0)
    found = 0
    for seed in range(20):
        chance, at, walk = random.Random(seed), 0.0, []
        for _ in range(LEARN):
            at += chance.gauss(0.0, 1.0)
            walk.append(at)
        found += rhythm.learn(walk)[0] > 0
    assert found <= 1


def test_the_way_home_is_no_news() -> None:
    """The end of an error moves the mean of a beat as far as its beginning did."""
    judged = Rhythm(20, 0.5)
    scores = [judged.step(v) for v in [0.0] * 60 + [2.0] * 60 + [0.0] * 60]
    assert max(scores[60:100]) == pytest.approx(4.0)
    assert max(scores[110:]) < 4.0 and max(scores[140:]) == 0.0


def test_halves_are_exact_after_many_rows() -> None:
    """Sums that are moved along by what comes and goes gather what rounding leaves."""
    chance, halves = random.Random(1), Halves(7)
    values = [chance.gauss(1e9, 1.0) for _ in range(10_000)]
    for value in values:
        found = halves.step(value)
    assert found == pytest.approx(sum(values[-7:]) / 7 - sum(values[-14:-7]) / 7, abs=1e-5)
    halves.rest()
    assert halves.step(5.0) == 0.0

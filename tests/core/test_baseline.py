"""What normal is for one unit: learnt, bounded, honest about what few rows can say."""

import itertools
import math
import random

import msgspec
import pytest

from sickbay.core import baseline
from sickbay.core.anomaly import PartView
from sickbay.core.baseline import Learnt
from sickbay.core.equipment import Signal
from sickbay.core.flatline import ROWS_LEAST, coarse, rests, stuck_rows
from sickbay.core.tails import autocorrelation_rows, limit

CHANCE = 4e-8


def white(rows: int, seed: int = 1, sd: float = 1.0) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(50.0, sd) for _ in range(rows)]


def wander(rows: int, seed: int = 1) -> list[float]:
    chance, at, out = random.Random(seed), 20.0, []
    for _ in range(rows):
        at += chance.gauss(0.0, 0.05)
        out.append(at + chance.gauss(0.0, 0.02))
    return out


def learnt(*columns: list[float]) -> Learnt:
    return baseline.learn([f"s{j}" for j in range(len(columns))], list(zip(*columns, strict=True)), CHANCE)


def test_centre_and_scale_are_the_median_and_the_noise() -> None:
    signal = learnt(white(400, sd=2.0)).signals[0]
    assert signal.centre == pytest.approx(50.0, abs=0.4)
    assert signal.scale == pytest.approx(2.0, rel=0.2)


def test_a_unit_change_changes_no_limit() -> None:
    """Limits are in the signal's own noise: degrees or kelvins, volts or millivolts are the same."""
    values = white(400)
    one, other = learnt(values).signals[0], learnt([1000.0 * v - 7.0 for v in values]).signals[0]
    assert other.limits == pytest.approx(one.limits, rel=1e-6)


def test_a_wanderer_gets_wider_limits_for_its_own_deviations_than_white_noise() -> None:
    """Of slow wander 400 rows show only a few independent values: Student's t must widen the limit."""
    quiet, slow = learnt(white(400), wander(400)).signals
    assert quiet.wander < 0.6 < slow.wander
    assert slow.limits[3] / slow.usual[3] > 1.3 * quiet.limits[3] / quiet.usual[3]


def test_how_far_back_means_reach_follows_from_how_much_was_learnt() -> None:
    """Few rows show few independent values of what reaches far back: its limit would be a guess, and a wide one."""
    reach = [baseline.spans(rows) for rows in (40, 125, 250, 400, 600, 800, 100_000)]
    assert reach[2] == reach[3] == [10.0, 20.0, 70.0] and reach[5] == reach[6] == [10.0, 40.0, 100.0]
    assert reach == sorted(reach) and all(4.0 <= middle <= 10.0 for middle, _, _ in reach)
    assert learnt(white(125)).signals[0].spans == reach[1]


@pytest.mark.parametrize("seed", range(6))
def test_one_step_of_a_converter_is_as_large_wherever_it_is_taken(seed: int) -> None:
    """A thermometer's sixteenths differ in their last digits alone: else those say that its noise has grown."""
    chance = random.Random(seed)
    signal = learnt([round(16.0 * chance.gauss(39.2, 0.04)) / 16.0 for _ in range(300)]).signals[0]
    inverse = 1.0 / signal.scale
    sixteenths = [(k / 16.0 - signal.centre) * inverse for k in range(600, 700)]
    assert len({b - a > signal.rough for a, b in itertools.pairwise(sixteenths)}) == 1


def test_two_levels_that_flip_are_noise_and_not_a_scale_of_nothing() -> None:
    """The flow meter of a real rig says 32 or 33: the median distance is nearly zero, its noise is not."""
    chance = random.Random(5)
    signal = learnt([chance.choice((32.0, 32.0, 33.0)) + chance.gauss(0.0, 0.005) for _ in range(400)]).signals[0]
    assert signal.scale > 0.15


def test_a_constant_has_no_scale_and_too_few_readings_make_it_blind() -> None:
    rows = [[7.0, None if i % 50 else 1.0] for i in range(400)]
    still, rare = baseline.learn(["still", "rare"], rows, CHANCE).signals
    assert still.scale == 0.0 and not still.blind
    assert rare.blind


def test_what_was_learnt_survives_json() -> None:
    """It travels on a model's card, where infinity has no word."""
    known = learnt(white(400), wander(400), [3.0] * 400)
    again = msgspec.json.decode(msgspec.json.encode(known), type=Learnt)
    assert again == known


def test_rows_of_the_same_running_fit_and_another_operating_point_does_not() -> None:
    known = learnt(white(2000), white(2000, 2))
    same = list(zip(white(30, 8), white(30, 9), strict=True))
    assert baseline.misfits(known, same) == []
    moved = [[a - 35.0, b] for a, b in same]
    assert baseline.misfits(known, moved) == [0]


def test_from_another_operating_point_only_ratios_are_taken() -> None:
    """A pump at a third of its flow is a fifth as loud: levels and scales of the prior would be nonsense."""
    prior = learnt(wander(3000))
    values = [5.0 + 0.2 * v for v in white(400, 3)]
    rows = [[v] for v in values]
    alone = baseline.learn(["s0"], rows, CHANCE).signals[0]
    helped = baseline.learn(["s0"], rows, CHANCE, prior).signals[0]
    assert (helped.centre, helped.scale) == (alone.centre, alone.scale)
    assert alone.usual[3] <= helped.usual[3] <= math.sqrt(1.3001) * alone.usual[3]


def test_a_tail_limit_is_seldom_passed_and_not_absurd() -> None:
    values = [abs(v - 50.0) for v in white(400)]
    assert 5.0 < limit(values, 1e-7) < 14.0


def test_autocorrelation_tells_white_from_slow() -> None:
    slow, at = [], 0.0
    for v in white(2000):
        at += 0.05 * (v - 50.0 - at)
        slow.append(at)
    assert autocorrelation_rows(white(2000)) < 2.0
    assert 20.0 < autocorrelation_rows(slow) < 80.0


def test_a_flickering_signal_is_stuck_within_a_few_rows() -> None:
    assert 8 <= stuck_rows(white(400), CHANCE) <= 25


def wheel(rows: int, seed: int = 1) -> list[float]:
    """This is a wheel's speed, which flickers while it turns, and stands for 30 s every two minutes: hardly a pulse then."""
    chance = random.Random(seed)
    turns = [second % 120 >= 30 for second in range(rows)]
    return [max(0.0, round((40.0 * each + chance.gauss(0.0, 0.06)) / 0.15) * 0.15) for each in turns]


def test_where_a_machine_rests_at_an_end_of_its_range_no_flicker_is_missed() -> None:
    """In a jam of half an hour a healthy wheel said nought for 50 rows at a time, and was told as stuck."""
    values = wheel(1200)
    assert rests(values) == (0.0,) and rests(white(400)) == () and rests([7.0] * 400) == ()
    view = PartView([Signal("wheel", "plug"), Signal("load", "plug"), Signal("volts", "plug")], 1200)
    other = random.Random(3)
    for second, value in enumerate(values):
        view.step([value, other.gauss(0.0, 1.0), other.gauss(0.0, 1.0)], second * 1000)

    def marks(value: float) -> set[tuple[int, str]]:
        found: set[tuple[int, str]] = set()
        for second in range(1200, 1400):
            view.step([value, other.gauss(0.0, 1.0), other.gauss(0.0, 1.0)], second * 1000)
            found.update(view.sensor_faults)
        return found

    assert marks(0.0) == set()
    assert marks(40.05) == {(0, "stuck")}


def test_how_long_a_signal_rests_says_nothing_of_how_long_it_stands_elsewhere() -> None:
    values = wheel(1200)
    assert ROWS_LEAST <= stuck_rows(values, CHANCE, rests(values)) < stuck_rows(values, CHANCE)


def test_a_quantised_flicker_needs_longer() -> None:
    rows = stuck_rows([round(v * 2.0) / 2.0 for v in white(400, sd=0.5)], CHANCE)
    assert 25 <= rows <= 150


def test_a_signal_that_lost_bits_is_coarse_and_one_that_shifted_is_not() -> None:
    """What sits on few levels far apart has another flicker than its sensor learnt with, wherever it sits."""
    fine = [round(v / 0.05) * 0.05 for v in white(400, sd=0.05)]
    step = math.sqrt(sum((b - a) ** 2 for a, b in itertools.pairwise(fine)) / 399)
    repeat = sum(a == b for a, b in itertools.pairwise(fine)) / 399
    flips = [50.0 + (i % 7 == 0) for i in range(40)]
    assert coarse(flips, step, repeat) and coarse([51.0] * 40, step, repeat)
    assert not coarse([v + 3.0 for v in fine[:40]], step, repeat)
    assert not coarse([51.0] * 5, step, repeat)  # too few to say
    assert not coarse([1.0] * 64, 0.0, 1.0)  # a switch never flickered


def test_a_slow_coarse_signal_is_never_judged_by_standing_still() -> None:
    """Coolant in whole degrees climbs while the engine warms, then stands still for 794 s on a healthy car."""
    assert stuck_rows([float(40 + i // 5) for i in range(400)], CHANCE) == 0
    dither = [90.0 + (1.0 if i % 17 == 0 else 0.0) for i in range(400)]
    assert stuck_rows(dither, CHANCE) == 0
    assert stuck_rows([101.3] * 5007, CHANCE) == 0


def test_upper_quantile_agrees_with_the_table_of_the_normal_distribution() -> None:
    """Values of the upper tail as in any table: 10 %, 2.5 %, 0.1 %; and deep in the tail, where thresholds are set."""
    from sickbay.core.tails import upper_quantile

    for chance, deviations in ((0.1, 1.2815516), (0.025, 1.9599640), (0.001, 3.0902323), (1e-9, 5.9978070)):
        assert abs(upper_quantile(chance) - deviations) < 1e-6

"""A loose contact of what moves by itself: an engine's speed that leaps with each gear hides spikes from every chart."""

import random

from sickbay.core import lone
from sickbay.core.anomaly import PartView
from sickbay.core.equipment import Signal

LEARN = 1200


def engine(rows: int, seed: int, spikes: float = 0.0, noise: float = 3.0) -> list[list[float | None]]:
    """Rows of an engine's speed, up through the gears and down again, and of another signal that has nothing to do with it."""
    chance = random.Random(seed)
    out: list[list[float | None]] = []
    speed, way, pull, spiked = 900.0, 1.0, 100.0, 0
    for number in range(rows):
        if number % 30 == 0:
            pull = chance.choice(
                (0.0, chance.uniform(20.0, 150.0))
            )  # it is kept, or goes up and down through the gears
        speed += way * pull
        if speed > 2600.0:
            speed, way = speed - 600.0, chance.choice((1.0, -1.0))
        if speed < 900.0:
            speed, way = 900.0 + chance.uniform(0.0, 40.0), 1.0
        said = speed + chance.gauss(0.0, noise)
        if spikes and number - spiked > 8 and chance.random() < 0.1:
            said, spiked = said + chance.choice((-spikes, spikes)), number
        out.append([said, chance.gauss(20.0, 0.1)])
    return out


def found(seed: int, spikes: float, noise: float = 3.0) -> int:
    """This returns for how many of 600 rows spikes are held against the engine's speed."""
    view = PartView([Signal("rpm", "x"), Signal("other", "x")], LEARN)
    for number, row in enumerate(engine(LEARN, seed)):
        view.step(row, 1000 * number)
    marked = 0
    for number, row in enumerate(engine(600, seed + 100, spikes, noise)):
        view.step(row, 1000 * (LEARN + number))
        marked += (0, "spikes") in view.sensor_faults
    return marked


def test_what_stands_out_on_both_sides_of_a_calm_neighbourhood_is_sharp() -> None:
    assert lone.sharpness(10.0, 10.0, 15.0, 10.0, 10.0) == 5.0
    assert lone.sharpness(10.0, 10.0, 5.0, 10.0, 10.0) == 5.0


def test_a_gear_is_not_sharp_however_far_it_leaps() -> None:
    assert lone.sharpness(1490.0, 1742.0, 2341.0, 1678.0, 1133.0) < 60.0
    assert lone.sharpness(10.0, 10.0, 15.0, 15.0, 15.0) == 0.0
    assert lone.sharpness(10.0, 12.0, 14.0, 16.0, 18.0) == 0.0


def test_nothing_is_known_of_a_signal_that_never_stood_out_nor_needed_where_a_chart_sees_as_much() -> None:
    assert lone.learn([20.0] * 100, 1e-3, 1.0) is None
    chance = random.Random(1)
    white = [chance.gauss(0.0, 1.0) for _ in range(600)]
    assert lone.learn(white, 1e-3, 5.0) is None
    assert lone.learn(white, 1e-3, 100.0) is not None


def test_spikes_that_a_chart_takes_for_driving_are_found() -> None:
    for seed in range(1, 5):
        assert found(seed, 600.0) > 100, seed


def test_driving_alone_throws_none() -> None:
    for seed in range(1, 9):
        assert found(seed, 0.0) == 0, seed


def test_what_two_signals_throw_in_the_same_row_is_nobodys_own() -> None:
    pair = [lone.Lone(0, 1.0), lone.Lone(1, 1.0)]
    alone = [lone.Lone(0, 1.0)]
    for number in range(60):
        value = 10.0 if number % 6 == 5 else 0.0
        together, single = lone.step(pair, [value, value]), lone.step(alone, [value])
    assert together == []
    assert single == [0]

"""These tests hold the estimate that stands in for a masked signal: near the truth, and as far off as it says."""

import random

import pytest

from sickbay.core.estimate import ROWS_LEAST, SIGNALS_MAX, WEIGHTS_MAX, Relations


def row(chance: random.Random, load: float) -> list[float]:
    """This is a machine in which all follows the load: flow, current, temperature, and a room that knows nothing of it."""
    return [
        16 + 2 * load + chance.gauss(0, 0.05),
        2.1 + 0.4 * load + chance.gauss(0, 0.01),
        40 - 3 * load + chance.gauss(0, 0.2),
        22 + chance.gauss(0, 0.3),
    ]


def learnt(rows: int = 600, seed: int = 1) -> Relations:
    chance, relations = random.Random(seed), Relations(4, 400)
    for _ in range(rows):
        if relations.wanted():
            relations.well(row(chance, chance.gauss(0, 1)))
    return relations


@pytest.mark.parametrize("index", range(4))
def test_an_estimate_is_as_far_off_as_it_says(index: int) -> None:
    """Who acts on a stand-in must know how far to trust it."""
    relations, chance = learnt(), random.Random(7)
    off = []
    for _ in range(400):
        values: list[float | None] = list(row(chance, chance.gauss(0, 1)))
        found = relations.estimate(index, values)
        assert found is not None and values[index] is not None
        off.append((found[0] - values[index]) / found[1])
    rms = (sum(o * o for o in off) / len(off)) ** 0.5
    assert 0.75 < rms < 1.35


def test_what_follows_the_load_is_estimated_far_better_than_by_its_mean() -> None:
    found = learnt().estimate(0, [None, 2.1 + 0.4 * 1.5, 40 - 3 * 1.5, 22.0])
    assert found is not None
    assert found[0] == pytest.approx(16 + 2 * 1.5, abs=0.3) and found[1] < 0.2


def test_the_estimate_never_looks_at_the_masked_signal_itself() -> None:
    """It is masked because it lies."""
    relations = learnt()
    values: list[float | None] = [18.0, 2.5, 37.0, 22.0]
    assert relations.estimate(0, values) == relations.estimate(0, [999.0, *values[1:]])


def test_more_signals_may_be_missing() -> None:
    found = learnt().estimate(0, [None, None, 37.0, 22.0])
    assert found is not None and found[0] == pytest.approx(18.0, abs=0.6)
    assert learnt().estimate(0, [18.0, None, None, None]) is None


def test_too_little_is_no_knowledge() -> None:
    assert learnt(rows=ROWS_LEAST - 1).estimate(0, [None, 2.1, 40.0, 22.0]) is None


def test_signals_that_stand_still_or_always_move_together_break_nothing() -> None:
    """A constant has no correlation, and two copies of a signal make a singular matrix."""
    chance, relations = random.Random(3), Relations(4, 400)
    for _ in range(400):
        a = chance.gauss(5, 1)
        relations.wanted()
        relations.well([a, a, 7.0, 2 * a])
    found = relations.estimate(0, [None, 6.0, 7.0, 12.0])
    assert found is not None and found[0] == pytest.approx(6.0, abs=0.05)
    constant = relations.estimate(2, [5.0, 5.0, None, 10.0])
    assert constant is not None and constant[0] == pytest.approx(7.0)


def test_all_is_bounded() -> None:
    relations, chance = learnt(), random.Random(5)
    for pattern in range(16):
        values = [v if pattern >> j & 1 else None for j, v in enumerate(row(chance, 0.0))]
        for index in range(4):
            relations.estimate(index, values)
    assert len(relations.weights) <= WEIGHTS_MAX
    many = Relations(SIGNALS_MAX + 1, 400)
    many.well([1.0] * (SIGNALS_MAX + 1))
    assert many.count == 0

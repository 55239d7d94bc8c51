"""These tests hold the estimate that stands in for a masked signal: near the truth, and as far off as it says."""

import random
from collections.abc import Sequence

import pytest

from sickbay.core.estimate import ROWS_LEAST, SIGNALS_MAX, WEIGHTS_MAX, Relations

NONE = [False] * 4


def row(chance: random.Random, load: float) -> list[float]:
    """This is a machine in which all follows the load: flow, current, temperature, and a room that knows nothing of it."""
    return [
        16 + 2 * load + chance.gauss(0, 0.05),
        2.1 + 0.4 * load + chance.gauss(0, 0.01),
        40 - 3 * load + chance.gauss(0, 0.2),
        22 + chance.gauss(0, 0.3),
    ]


def learnt(rows: int = 2000, seed: int = 1) -> Relations:
    chance, relations, load = random.Random(seed), Relations(4, 1500), 0.0
    for _ in range(rows):
        load = 0.98 * load + 0.2 * chance.gauss(0, 1)
        relations.hear(row(chance, load))
        if relations.wanted():
            relations.well()
    return relations


def settle(relations: Relations, values: Sequence[float | None]) -> None:
    for _ in range(200):
        relations.hear(values)


@pytest.mark.parametrize("index", range(4))
def test_an_estimate_is_as_far_off_as_it_says(index: int) -> None:
    """Who acts on a stand-in must know how far to trust it."""
    relations, chance, load = learnt(), random.Random(7), 0.0
    off = []
    for _ in range(3000):
        load = 0.98 * load + 0.2 * chance.gauss(0, 1)
        relations.hear(row(chance, load))
        found, value = relations.estimate(index, NONE), relations.smooth[index]
        assert found is not None and value is not None
        off.append((found[0] - value) / found[1])
    rms = (sum(o * o for o in off) / len(off)) ** 0.5
    assert 0.6 < rms < 1.5


def test_what_follows_the_load_is_estimated_far_better_than_by_its_mean() -> None:
    relations = learnt()
    settle(relations, [None, 2.1 + 0.4 * 1.5, 40 - 3 * 1.5, 22.0])
    found = relations.estimate(0, [True, False, False, False])
    assert found is not None
    assert found[0] == pytest.approx(16 + 2 * 1.5, abs=0.3) and found[1] < 0.2


def test_the_estimate_never_looks_at_the_masked_signal_itself() -> None:
    """It is masked because it lies."""
    one, other = learnt(), learnt()
    settle(one, [18.0, 2.5, 37.0, 22.0])
    settle(other, [999.0, 2.5, 37.0, 22.0])
    assert one.estimate(0, NONE) == other.estimate(0, NONE)


def test_more_signals_may_be_masked() -> None:
    relations = learnt()
    settle(relations, [18.0, 2.5, 37.0, 22.0])
    found = relations.estimate(0, [True, True, False, False])
    assert found is not None and found[0] == pytest.approx(18.0, abs=0.6)
    assert relations.estimate(0, [False, True, True, True]) is None


def test_a_signal_is_denied_by_peers_that_always_moved_with_it_and_by_no_others() -> None:
    """A meter that reads more at the same current is wrong; that a room is warmer, no pump can deny."""
    relations = learnt()
    settle(relations, [16.0, 2.1, 40.0, 22.0])
    assert relations.contradicts(0, NONE) is False
    settle(relations, [20.0, 2.1, 40.0, 22.0])
    assert relations.contradicts(0, NONE) is True
    assert relations.contradicts(3, NONE) is None
    settle(relations, [20.0, 2.9, 34.0, 22.0])
    assert relations.contradicts(0, NONE) is False  # all of it moved: the machine did


def test_too_little_is_no_knowledge() -> None:
    assert learnt(rows=ROWS_LEAST - 1).estimate(0, NONE) is None


def test_signals_that_stand_still_or_always_move_together_break_nothing() -> None:
    """A constant has no correlation, and two copies of a signal make a singular matrix."""
    chance, relations, a = random.Random(3), Relations(4, 400), 5.0
    for _ in range(800):
        a += 0.1 * (5.0 - a) + chance.gauss(0, 0.3)
        relations.hear([a, a, 7.0, 2 * a])
        if relations.wanted():
            relations.well()
    settle(relations, [None, 6.0, 7.0, 12.0])
    found, constant = relations.estimate(0, NONE), relations.estimate(2, NONE)
    assert found is not None and found[0] == pytest.approx(6.0, abs=0.1)
    assert constant is not None and constant[0] == pytest.approx(7.0)


def test_all_is_bounded() -> None:
    relations = learnt()
    for pattern in range(16):
        for index in range(4):
            relations.estimate(index, [bool(pattern >> j & 1) for j in range(4)])
    assert len(relations.weights) <= WEIGHTS_MAX
    many = Relations(SIGNALS_MAX + 1, 400)
    many.hear([1.0] * (SIGNALS_MAX + 1))
    many.well()
    assert many.count == 0

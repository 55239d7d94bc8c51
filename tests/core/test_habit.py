"""Habit: what weather, load and frost do to a unit's cycles is no wear, however far it goes; nor is one sensor's error."""

import pytest

from habitual import EVERY, LEAST, OF, SIGNALS, TWINS, WELL, Unit
from sickbay.core import habit
from sickbay.core.habit import Habit


def learn(seed: int, cycles: int = 60, of: list[int] = OF, twins: list[list[int]] = TWINS) -> tuple[Unit, Habit]:
    unit = Unit(seed)
    rows = [unit.cycle() for _ in range(cycles)]
    thaws = [k for k in range(cycles) if (k + 1) % EVERY == 0]
    found = habit.learnt(rows, of, LEAST, twins, thaws)
    assert found is not None
    return unit, found


@pytest.mark.parametrize("seed", range(6))
def test_a_day_hotter_than_any_that_was_learnt_is_no_wear(seed: int) -> None:
    """What goes along with weather goes farther with more of it: its limits need not have been seen."""
    unit, known = learn(seed)
    assert max(habit.aside(known, [unit.cycle(weather=8.0)], TWINS, WELL).ratio for _ in range(20)) < 2.0


@pytest.mark.parametrize("seed", range(6))
def test_levels_that_no_longer_hang_together_are_off_whichever_signal_is_doubted(seed: int) -> None:
    """A worn valve shows in several signals, by less than weather alone moves each of them."""
    unit, known = learn(seed)
    worn = unit.cycle()
    for k in (1, 2, SIGNALS + 1, SIGNALS + 2):
        worn[k] += 1.0
    assert habit.aside(known, [worn], TWINS, WELL).ratio > 2.0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("error", [1.0, -20.0])
def test_one_sensor_that_errs_is_not_off_once_it_is_left_out(seed: int, error: float) -> None:
    """Else each sensor's drift would be told as its machine's wear."""
    unit, known = learn(seed)
    row = unit.cycle()
    row[3] += error
    row[SIGNALS + 3] += 0.5 * error
    assert habit.aside(known, [row], TWINS, WELL).ratio < 2.0


def test_two_sensors_of_one_place_are_left_out_together() -> None:
    """Both hang in the same draught: that is one witness."""
    twins = [[1], [0], *([] for _ in range(SIGNALS - 2))]
    unit, known = learn(0, twins=twins)
    row = unit.cycle()
    row[0] += 5.0
    row[1] += 5.0
    assert habit.aside(known, [row], twins, WELL).ratio < 2.0 < habit.aside(known, [row], TWINS, WELL).ratio


def test_who_is_known_to_be_ill_is_no_witness() -> None:
    unit, known = learn(1)
    row = unit.cycle()
    row[0] += 5.0
    row[4] += 5.0
    assert habit.aside(known, [row], TWINS, WELL).ratio > 2.0
    assert habit.aside(known, [row], TWINS, [j == 4 for j in range(SIGNALS)]).ratio < 2.0


@pytest.mark.parametrize("seed", range(6))
def test_frost_beyond_all_that_was_learnt_points_where_a_thaw_does(seed: int) -> None:
    """Thick ice bends more than one way; what of it lies beside the habit is still told from a worn valve."""
    unit, known = learn(seed)
    if not known.frost:
        return
    iced = [v + 0.6 * f * s for v, f, s in zip(unit.cycle(), known.frost, known.spread, strict=True)]
    assert habit.aside(known, [iced], TWINS, WELL).frosty > 0.3
    bare = [v - 0.6 * f * s for v, f, s in zip(unit.cycle(), known.frost, known.spread, strict=True)]
    assert habit.aside(known, [bare], TWINS, WELL).frosty < 0.0


def test_a_signal_that_is_not_asked_says_nothing() -> None:
    """A door that is nearly always shut has no spread to be held against."""
    of = [-1 if k % SIGNALS == 2 else k % SIGNALS for k in range(len(OF))]
    unit, known = learn(2, of=of)
    row = unit.cycle()
    row[2], row[SIGNALS + 2] = 99.0, -99.0
    off = habit.aside(known, [row], TWINS, WELL)
    assert off.ratio < 2.0 and not {2, SIGNALS + 2} & set(off.shown)


def test_what_shows_is_given_in_its_own_unit_too() -> None:
    """So that a person reads what a value would be in this weather."""
    unit, known = learn(3)
    row = unit.cycle()
    row[1] += 3.0
    off = habit.aside(known, [row], TWINS, WELL)
    assert max(off.shown, key=lambda k: abs(off.shown[k])) == 1
    assert off.beside[1] == pytest.approx(3.0, abs=2.0)


def test_too_few_cycles_make_no_habit() -> None:
    unit = Unit(0)
    rows = [unit.cycle() for _ in range(habit.CYCLES_LEAST - 1)]
    assert habit.learnt(rows, OF, LEAST, TWINS, []) is None


def test_levels_that_never_move_make_a_habit_all_the_same() -> None:
    """A plant that stood still in learning must not stop the daemon."""
    known = habit.learnt([[1.0] * len(OF)] * 40, OF, LEAST, TWINS, [])
    assert known is not None and not known.ways
    assert habit.aside(known, [[1.0] * len(OF)], TWINS, WELL).ratio == 0.0

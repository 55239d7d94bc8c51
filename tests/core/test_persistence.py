"""One odd row is no alarm, and one calm row does not end one."""

from hypothesis import given
from hypothesis import strategies as st

from sickbay.core.persistence import CLEAR, OFF, ON_ROWS, Persistence


def play(scores: list[float]) -> list[bool]:
    held = Persistence()
    return [held.step(score) for score in scores]


def test_it_takes_as_many_rows_to_begin_as_to_end() -> None:
    assert play([1.0] * ON_ROWS) == [False] * (ON_ROWS - 1) + [True]
    assert play([1.0] * 20 + [0.1] * ON_ROWS)[20:] == [True] * (ON_ROWS - 1) + [False]


def test_between_both_limits_it_stays_as_it_was() -> None:
    assert all(play([1.0] * ON_ROWS + [OFF] * 100)[ON_ROWS:])
    assert not any(play([1.0] * (ON_ROWS - 1) + [OFF] * 100))


@given(st.lists(st.floats(0.0, 9.0), max_size=60))
def test_it_begins_in_a_row_over_the_limit_and_ends_in_a_calm_one(scores: list[float]) -> None:
    found = play(scores)
    for before, now, score in zip([False, *found], found, scores, strict=False):
        assert before == now or (score >= 1.0 if now else score < OFF)


def test_cleared_it_begins_anew() -> None:
    held = Persistence()
    for _ in range(ON_ROWS):
        held.step(2.0)
    held.clear()
    assert not held.on and not held.step(2.0)


def test_what_is_clearly_over_its_limit_begins_it_in_half_the_rows_and_is_confirmed_in_all() -> None:
    held = Persistence()
    found = [(held.step(CLEAR), held.confirmed) for _ in range(ON_ROWS)]
    half = ON_ROWS // 2
    assert [on for on, _ in found] == [False] * (half - 1) + [True] * (half + 1)
    assert [sure for _, sure in found] == [False] * (ON_ROWS - 1) + [True]


@given(st.lists(st.floats(0.0, 9.0), max_size=60))
def test_what_is_confirmed_is_an_alarm(scores: list[float]) -> None:
    held = Persistence()
    for score in scores:
        on = held.step(score)
        assert on or not held.confirmed

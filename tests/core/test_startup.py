"""A machine that was just switched on is not yet what it will be; one that goes on as it began is."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sickbay.core import baseline, startup


def flow(rows: int, seed: int, below: float, for_rows: int) -> list[float]:
    """A flow that is so far below its usual for its first rows, on its way up."""
    chance = random.Random(seed)
    return [20.0 + chance.gauss(0.0, 0.5) - below * max(0.0, 1.0 - i / for_rows) for i in range(rows)]


@pytest.mark.parametrize("seed", range(4))
def test_the_start_of_a_pump_is_left_out_until_it_is_where_it_stays(seed: int) -> None:
    assert 40 <= startup.rows(flow(400, seed, 8.0, 50)) <= 80
    assert startup.rows(flow(400, seed, 0.0, 50)) == 0


def test_no_more_than_a_quarter_is_left_out() -> None:
    running = [1.0 + 0.1 * math.sin(i) for i in range(400)]
    assert startup.rows([100.0] * 90 + running[90:]) == 100
    assert startup.rows([100.0] * 150 + running[150:]) == 0  # what takes longer is how the machine is


def test_a_day_s_way_is_no_start() -> None:
    """What goes on climbing, or wanders, is far out in its first rows too, but not by all that it does afterwards."""
    assert startup.rows([0.1 * i for i in range(400)]) == 0
    assert startup.rows([math.sin(i / 60.0) for i in range(400)]) == 0


@given(st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), max_size=200))
def test_whatever_comes_some_rows_are_left(column: list[float | None]) -> None:
    assert 0 <= startup.rows(column) <= len(column) / 4


def test_limits_are_those_of_the_machine_that_runs() -> None:
    """Else the start is its farthest excursion, and a fault that goes as far is none."""
    running = [[v] for v in flow(600, 1, 0.0, 50)]
    started = [[v] for v in flow(50, 2, 8.0, 50)] + running
    first, second = (baseline.learn(["flow"], rows, 4e-8).signals[0] for rows in (running, started))
    assert second.limits == pytest.approx(first.limits, rel=0.2) and second.high == pytest.approx(first.high, rel=0.3)

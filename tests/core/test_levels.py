"""What a unit's cycles are like, cycle by cycle: what the weather lifts, and what only looks as if."""

import pytest

from sickbay.core.cycle import Known
from sickbay.core.levels import Levels

PRESSURE, CURRENT, AIR = range(3)


def levels(apart: float, others: float = 2.0) -> Levels:
    """A compressor's, after five cycles whose modes are so far apart for the pressure, where 100 to 140 were learnt."""
    out = Levels([[PRESSURE, CURRENT], [AIR]], [[], [], []])
    out.depths[PRESSURE] = Known([apart] * 5, 100.0, 140.0)
    out.ratios = [3.0, others, 0.0]
    return out


@pytest.mark.parametrize(("apart", "lifted"), [(135.0, True), (170.0, True), (240.0, False), (20.0, False)])
def test_weather_lifts_both_modes_alike_and_a_fouled_condenser_one(apart: float, lifted: bool) -> None:
    assert levels(apart).raised(PRESSURE) is lifted


def test_a_signal_that_is_lifted_alone_may_err_and_is_no_weather() -> None:
    assert not levels(120.0, others=0.3).raised(PRESSURE)


def test_too_few_cycles_say_nothing_of_the_weather() -> None:
    out = levels(120.0)
    del out.depths[PRESSURE].latest[2:]
    assert not out.raised(PRESSURE)

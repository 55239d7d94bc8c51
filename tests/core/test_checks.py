"""Plausibility of one signal, and agreement of several that measure the same thing."""

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sickbay.core.checks import BAD_VALUE, RANGE, RATE, SENTINEL, SILENT, SILENT_MOST, SignalChecks
from sickbay.core.disagreement import Disagreement
from sickbay.core.equipment import Signal
from sickbay.core.lasting import down, up


def checks(**declared: Any) -> SignalChecks:
    return SignalChecks(Signal("t", "rig", **declared))


def settled_at(level: float, **declared: Any) -> SignalChecks:
    """Checks that have seen 20 good readings about a level, one a second."""
    made = checks(**declared)
    for i in range(20):
        assert made.step(level + 0.1 * (i % 3), i * 1000) == 0
    return made


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, 2e18])
def test_what_is_no_number_is_a_bad_value_and_tests_nothing_else(value: float | None) -> None:
    """A read error must not count as a passed range check: blindness is not health."""
    made = checks(low=0.0, high=1.0, rate_max_per_s=1.0)
    assert made.step(value, 0) == BAD_VALUE
    assert made.tested == BAD_VALUE | SILENT


def test_only_what_was_declared_is_said_to_be_tested() -> None:
    made = checks()
    assert made.step(1.0, 0) == 0
    assert not made.tested & (RANGE | RATE)


def test_a_value_outside_of_the_range_fails_and_its_ends_do_not() -> None:
    made = checks(low=0.0, high=60.0)
    assert [made.step(v, 0) for v in (0.0, 60.0, 60.1, -0.1)] == [0, 0, RANGE, RANGE]
    assert made.tested & RANGE


def test_a_declared_sentinel_fails_wherever_it_lies() -> None:
    made = checks(sentinels=(85.0,))
    assert made.step(85.0, 0) == SENTINEL


@pytest.mark.parametrize("sentinel", [85.0, -127.0, 65535.0, -9999.0])
def test_a_well_known_sentinel_fails_where_it_is_far_from_what_was_seen(sentinel: float) -> None:
    """A DS18B20 that lost its supply says 85.000; nobody declares that."""
    assert settled_at(21.0).step(sentinel, 20_000) == SENTINEL


def test_a_well_known_sentinel_is_a_value_where_values_are_near_it() -> None:
    """Coolant at 84.9 degrees may well be at 85.0 next."""
    assert settled_at(84.9).step(85.0, 20_000) == 0


def test_a_well_known_sentinel_is_believed_at_a_start() -> None:
    assert checks().step(85.0, 0) == 0


def test_a_sentinel_that_lasts_goes_on_failing() -> None:
    made = settled_at(21.0)
    assert {made.step(-127.0, 20_000 + i * 1000) for i in range(500)} == {SENTINEL}


def test_the_rate_is_over_the_time_that_really_passed() -> None:
    made = settled_at(20.0, rate_max_per_s=1.0)
    assert made.step(25.0, 20_000) == RATE
    assert made.step(25.0, 26_000) == 0  # 7 s after the last good one, 5 degrees are possible


def test_one_spike_does_not_make_the_next_good_reading_fail() -> None:
    made = settled_at(20.0, rate_max_per_s=1.0)
    assert made.step(500.0, 20_000) == RATE
    assert made.step(20.1, 21_000) == 0


def test_a_first_reading_that_was_the_spike_is_forgotten_within_three() -> None:
    made = checks(rate_max_per_s=1.0)
    made.step(500.0, 0)
    assert [made.step(20.0, 1000 + i * 1000) for i in range(4)] == [RATE, RATE, 0, 0]


def test_readings_handed_over_in_a_bunch_are_no_leap() -> None:
    """A busy host delivers three readings of one second each within a few milliseconds."""
    made = checks(rate_max_per_s=2.0, every_ms=1000)
    assert [made.step(20.0 + i, 5000 + i) for i in range(3)] == [0, 0, 0]


def test_silence_is_three_cadences_but_never_less_than_two_seconds() -> None:
    slow, fast = checks(every_ms=60_000), checks(every_ms=50)
    for made in (slow, fast):
        made.step(1.0, 1000)
    assert not slow.overdue(181_000) and slow.overdue(181_001)
    assert not fast.overdue(3000) and fast.overdue(3001)
    assert slow.next_deadline_ms() == 181_001


def test_a_signal_that_never_spoke_is_silent_counted_from_the_first_question() -> None:
    made = checks()
    assert made.next_deadline_ms() is None
    assert not made.overdue(10_000)
    assert made.overdue(13_001)


def test_a_failed_read_is_no_silence() -> None:
    made = checks()
    made.step(None, 9000)
    assert not made.overdue(11_000)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.one_of(st.none(), st.floats()), max_size=60))
def test_no_value_breaks_the_checks_and_no_verdict_is_untested(values: list[float | None]) -> None:
    made = checks(low=-1e3, high=1e3, rate_max_per_s=10.0)
    for i, value in enumerate(values):
        failed = made.step(value, i * 100)
        assert failed & ~made.tested == 0


def test_what_was_seen_outlives_a_restart() -> None:
    """Without it an 85.0 just after a restart would be believed."""
    made = up(down(settled_at(21.0)))
    assert made.step(85.0, 0) == SENTINEL


def taught(count: int, learn_rows: int = 200) -> Disagreement:
    chance = random.Random(3)
    made = Disagreement(count, learn_rows)
    for _ in range(learn_rows):
        truth = chance.gauss(50.0, 5.0)
        assert not made.step([truth + offset + chance.gauss(0.0, 0.1) for offset in (0.0, 0.4, -0.2)[:count]])
    assert not made.learning
    return made


def test_three_that_agree_go_on_agreeing_while_the_truth_moves() -> None:
    made, chance = taught(3), random.Random(4)
    for i in range(5000):
        truth = 50.0 + 20.0 * math.sin(i / 50.0)
        assert not made.step([truth + offset + chance.gauss(0.0, 0.1) for offset in (0.0, 0.4, -0.2)])
        assert made.tested


def test_of_three_the_one_that_drifts_is_named() -> None:
    made = taught(3)
    for i in range(200):
        made.step([50.0, 50.4 + 0.05 * i, 49.8])
    assert made.failed and made.who() == 1


def test_of_two_the_own_evidence_decides_and_without_it_nobody_is_blamed() -> None:
    made = taught(2)
    for _ in range(20):
        made.step([50.0, 60.0])
    assert made.failed
    assert made.who() is None
    assert made.who([0.1, 0.9]) == 1
    assert made.who([0.8, 0.9]) is None


def test_with_one_member_left_nothing_can_be_said() -> None:
    made = taught(2)
    assert not made.step([50.0, None])
    assert not made.tested and made.who([0.0, 9.0]) is None


def test_of_three_with_one_missing_the_remaining_pair_still_counts() -> None:
    made = taught(3)
    for _ in range(10):
        made.step([50.0, None, 70.0])
    assert made.failed
    assert made.who() is None and made.who([0.0, 0.0, 3.0]) == 2


def test_suspect_rows_teach_nothing() -> None:
    made = Disagreement(2, 50)
    for _ in range(100):
        made.step([1.0, 900.0], suspect=True)
    assert made.learning and made.rows_left == 50


def test_agreement_outlives_a_restart() -> None:
    same = up(down(taught(3)))
    assert not same.learning
    for _ in range(10):
        same.step([50.0, 70.0, 49.8])
    assert same.who() == 1


def test_a_unit_whose_line_pauses_is_not_silent_each_time_it_does() -> None:
    """A cheap adapter drops seconds: what is normal for this unit must wake nobody, and a real silence must all the same."""
    checks = SignalChecks(Signal("flow", "rig"), learn_rows=50)
    at = 0
    for n in range(60):
        at += 6000 if n % 20 == 19 else 1000
        checks.step(1.0, at)
    assert not checks.overdue(at + 8000)
    assert checks.overdue(at + 9001)


def test_no_pause_is_so_normal_that_silence_goes_unnoticed() -> None:
    """A sensor that was unplugged while it was learnt must not be missed for as long ever after."""
    checks = SignalChecks(Signal("flow", "rig"), learn_rows=50)
    for n in range(50):
        checks.step(1.0, n * 1000 if n < 25 else 3_600_000 + n * 1000)
    assert checks.overdue(3_600_000 + 49_000 + SILENT_MOST * 1000 + 1)


def test_while_gaps_are_learnt_a_pause_of_some_cadences_is_no_silence() -> None:
    checks = SignalChecks(Signal("flow", "rig"), learn_rows=50)
    checks.step(1.0, 0)
    assert not checks.overdue(SILENT_MOST * 1000)
    assert checks.overdue(SILENT_MOST * 1000 + 1)

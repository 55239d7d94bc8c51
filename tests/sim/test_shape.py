"""These tests hold the shapes to their words: a severity grows as its shape says and is never outside of 0 and the fault's own."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sickbay_sim.ailments.shape import SHAPES, in_force, severity_at
from sickbay_sim.scenario import Fault


def fault(shape: str, **more: float) -> Fault:
    return Fault("bias", "flow", **{"at_s": 100.0, "over_s": 50.0, "severity": 0.8, **more}, shape=shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_before_onset_and_after_the_end_there_is_nothing(shape: str) -> None:
    """Scoring counts from the onset; a fault that acts a row early would be a false alarm."""
    one = fault(shape, until_s=300.0)
    assert [severity_at(one, t) for t in (-1e6, 0.0, 99.999, 300.0, 1e6)] == [0.0] * 5
    assert not in_force(one, 99.999) and in_force(one, 100.0) and not in_force(one, 300.0)


@pytest.mark.parametrize("shape", [s for s in SHAPES if s != "intermittent"])
def test_a_lasting_fault_grows_to_its_full_severity_and_stays_there(shape: str) -> None:
    """Wear that healed by itself would be told late for no fault of the agent."""
    course = [severity_at(fault(shape), 100 + t / 10) for t in range(2000)]
    assert all(a <= b for a, b in itertools.pairwise(course))
    assert course[500:] == [0.8] * 1500


def test_each_shape_is_where_its_name_puts_it_at_half_time() -> None:
    """Linear is half, exponential far less, a staircase on one of five steps, and a step was there all along."""
    half = {shape: severity_at(fault(shape, severity=1.0), 125.0) for shape in SHAPES}
    assert half["step"] == 1.0 and half["linear"] == 0.5
    assert half["exponential"] == pytest.approx(math.expm1(2) / math.expm1(4)) and half["exponential"] < 0.13
    assert half["staircase"] == pytest.approx(0.6)
    stairs = {severity_at(fault("staircase", severity=1.0), 100 + t) for t in range(60)}
    assert sorted(stairs) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


@pytest.mark.parametrize("duty", [0.1, 0.5, 0.9])
def test_an_intermittent_fault_is_there_for_its_share_of_each_period(duty: float) -> None:
    """Whole or not at all: a loose contact knows nothing in between."""
    course = [severity_at(fault("intermittent", duty=duty), 100.0 + t) for t in range(500)]
    assert set(course) == {0.0, 0.8} and course[0] == 0.8
    assert sum(c > 0 for c in course) / 500 == pytest.approx(duty)
    assert course[:50] == course[50:100]


@settings(max_examples=200, derandomize=True)
@given(
    st.sampled_from(SHAPES),
    st.floats(0.01, 1e5),
    st.floats(0.001, 1.0),
    st.floats(0.01, 0.99),
    st.floats(-1e6, 1e6),
    st.one_of(st.none(), st.floats(0.1, 1e5)),
)
def test_severity_is_never_outside_of_its_bounds(
    shape: str, over_s: float, severity: float, duty: float, at_s: float, lasts_s: float | None
) -> None:
    """A plant is asked for 0 to 1 and nothing else, whatever a scenario says."""
    until_s = None if lasts_s is None else 10.0 + lasts_s
    one = Fault("bias", "flow", 10.0, until_s, severity, shape, over_s, duty)
    assert 0.0 <= severity_at(one, at_s) <= severity

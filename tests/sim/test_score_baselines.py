"""These tests hold the two baselines: what simple limits would have said on the very same rows."""

import random

import pytest

from score_runs import MACHINE, ill, trial
from sickbay_sim.score.baselines import as_trial, episodes, limits_of
from sickbay_sim.score.card import card

WARM = [10.0, 12.0] * 50


def test_fixed_limits_are_the_warm_ups_span_and_half_of_it_on_either_side() -> None:
    assert limits_of("fixed", WARM, MACHINE, "flow") == (9.0, 13.0)


def test_fixed_limits_stay_within_the_configured_range() -> None:
    """What cannot be is never allowed, however wild the warm-up was."""
    assert limits_of("fixed", [0.0, 100.0] * 50, MACHINE, "flow") == (0.0, 60.0)


def test_three_sigma_is_mean_and_deviation_of_the_warm_up() -> None:
    low, high = limits_of("sigma", WARM, MACHINE, "flow")
    sd = (100 / 99) ** 0.5
    assert (low, high) == (pytest.approx(11 - 3 * sd), pytest.approx(11 + 3 * sd))


def test_without_a_warm_up_only_the_range_is_known() -> None:
    assert limits_of("sigma", [], MACHINE, "flow") == (0.0, 60.0)


def test_an_alarm_holds_three_seconds_on_either_side() -> None:
    """Two seconds outside are none; three begin it, and three inside end it: one alarm an episode."""
    values = [0, 9, 9, 9, 0, 9, 9, 9, 9, 9, 0, 0, 9, 9, 0, 0, 0, 0, 0]
    column = [(float(k), float(v)) for k, v in enumerate(values)]
    assert list(episodes(column, (-1.0, 1.0))) == [(8.0, 17.0)]


def test_no_reading_counts_as_outside_and_an_alarm_may_stay_on() -> None:
    column = [(float(k), None if k >= 5 else 0.0) for k in range(12)]
    assert list(episodes(column, (-1.0, 1.0))) == [(8.0, None)]


def test_a_baseline_is_scored_by_the_same_card() -> None:
    """It finds what leaves the band, blames the signal for the part's fault, and isolates nothing."""
    chance = random.Random(1)
    rows = [
        (
            float(t),
            {"flow": 11 + chance.uniform(-1, 1) - (8 if 500 <= t < 700 else 0), "temp": 40 + chance.uniform(-1, 1)},
        )
        for t in range(-300, 1000)
    ]
    truth = [ill("pump", 500.0, 700.0, "pump_fail", "part")]
    told = as_trial(trial(truth, seconds=1000.0, rows=rows), "fixed")
    assert [(t.at_s, t.kind, t.target) for t in told.run.told] == [(503.0, "opened", "flow"), (703.0, "closed", "flow")]
    found = card([told])
    assert (found.detection.recall.noticed.n, found.detection.recall.named.n) == (1, 0)
    assert (found.detection.blame.wrong_layer.n, found.detection.false_alarms.opened.events) == (1, 0)
    assert found.isolation.stays == 0

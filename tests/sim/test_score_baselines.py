"""These tests hold the two baselines: what simple limits would have said on the very same rows."""

import random

import pytest

from score_runs import MACHINE, ill, played
from sickbay_sim.score.baselines import as_played, episodes, limits_of
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


def test_a_missing_reading_says_nothing_until_patience_is_over() -> None:
    """A gap as the warm-up had them neither begins nor ends an alarm; a signal that is gone for long is one."""
    short = [(float(k), None if 5 <= k < 12 else 0.0) for k in range(30)]
    assert list(episodes(short, (-1.0, 1.0))) == []
    within = [(float(k), None if 5 <= k < 8 else 9.0) for k in range(12)]
    assert list(episodes(within, (-1.0, 1.0))) == [(3.0, None)]
    gone = [(float(k), None if 5 <= k < 20 else 0.0) for k in range(30)]
    assert list(episodes(gone, (-1.0, 1.0))) == [(14.0, 23.0)]
    assert list(episodes(gone, (-1.0, 1.0), patience_s=20.0)) == []


def test_a_silent_line_is_one_alarm_not_one_a_signal() -> None:
    """Seventeen alarms for one pulled plug would flatter whoever is compared with that."""
    rows = [
        (float(t), {"flow": None, "temp": None} if 100 <= t < 150 else {"flow": 11.0 + t % 2, "temp": 40.0 + t % 3})
        for t in range(-300, 300)
    ]
    cut = as_played(played([ill("rig", 100.0, 150.0, "cut", "line")], seconds=300.0, rows=rows), "sigma")
    assert [(t.at_s, t.kind, t.target, t.layer) for t in cut.run.told] == [
        (109.0, "opened", "line", "line"),
        (153.0, "closed", "line", "line"),
    ]
    assert card([cut]).detection.recall.named.n == 1


def test_patience_grows_with_the_gaps_of_the_warm_up() -> None:
    """A line that is silent for 20 s every now and then is not given an alarm at 10 s."""
    rows = [(float(t), {"flow": None if t % 100 < 20 else 11.0 + t % 2}) for t in range(-300, 600)]
    assert as_played(played(seconds=600.0, rows=rows), "fixed").run.told == []


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
    told = as_played(played(truth, seconds=1000.0, rows=rows), "fixed")
    assert [(t.at_s, t.kind, t.target) for t in told.run.told] == [(503.0, "opened", "flow"), (703.0, "closed", "flow")]
    found = card([told])
    assert (found.detection.recall.noticed.n, found.detection.recall.named.n) == (1, 0)
    assert (found.detection.blame.wrong_layer.n, found.detection.false_alarms.opened.events) == (1, 0)
    assert found.isolation.stays == 0

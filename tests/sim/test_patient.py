"""These tests hold the patient to its word: the same for the same seed, stationary, and its truth written down."""

import json
import statistics
from pathlib import Path

import pytest

from sickbay_sim.ailments import Ailment
from sickbay_sim.patient import COOLING_LOOP, Patient, rows


def test_the_same_seed_is_the_same_patient() -> None:
    """A result that nobody can repeat is no result."""
    ailments = [Ailment("noise", "flow", 20.0), Ailment("fan_fail", "fan", 30.0, 60.0)]
    assert list(rows(5, 100, 0.5, ailments)) == list(rows(5, 100, 0.5, ailments))
    assert list(rows(5, 10, 0.5)) != list(rows(6, 10, 0.5))


def test_a_row_holds_every_signal_in_the_converters_steps() -> None:
    """Quantisation is what real converters do, and what a flat check must live with."""
    some = list(rows(2, 50, 1.0))
    assert len(some) == 50
    for row in some:
        assert tuple(row) == tuple(COOLING_LOOP)
        for name, value in row.items():
            lsb = COOLING_LOOP[name].lsb
            assert value is not None
            assert value / lsb == pytest.approx(round(value / lsb), abs=1e-6)


def test_normal_running_is_stationary() -> None:
    """The first quarter of an hour and the fourth must not differ by more than the load's own wander."""
    some = list(rows(4, 3600, 1.0))
    for name, chain in COOLING_LOOP.items():
        values = [row[name] or 0.0 for row in some]
        early, late = values[:900], values[2700:]
        spread = statistics.stdev(values)
        assert abs(statistics.mean(early) - statistics.mean(late)) < max(spread, 2 * chain.lsb), name


def test_signals_of_one_part_go_together() -> None:
    """Supply moves flow, pressure and current alike; without that a model has nothing to learn."""
    some = list(rows(4, 3000, 1.0))
    smooth = {
        name: [statistics.mean(row[name] or 0.0 for row in some[i : i + 20]) for i in range(0, 3000, 20)]
        for name in ("flow", "pressure", "current", "outlet_temp", "outlet_temp_b")
    }
    assert statistics.correlation(smooth["flow"], smooth["pressure"]) > 0.9
    assert statistics.correlation(smooth["flow"], smooth["current"]) > 0.8
    assert statistics.correlation(smooth["outlet_temp"], smooth["outlet_temp_b"]) > 0.9


def test_the_truth_is_written_down(tmp_path: Path) -> None:
    """Scoring needs to know what really happened, and when, to the row."""
    patient = Patient(0, [Ailment("stuck", "flow", 2.0, 4.0)], truth=tmp_path / "truth.jsonl")
    for _ in range(6):
        patient.advance(1.0)
    patient.switch("fan_relay", False)
    written = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert written == list(patient.truth)
    assert [(line["at_s"], line["what"], line["name"]) for line in written] == [
        (2.0, "onset", "flow"),
        (4.0, "end", "flow"),
        (6.0, "coil", "fan_relay"),
    ]


@pytest.mark.parametrize(("seconds", "period_s"), [(10, 0), (10, -1), (-1, 1), (10, float("nan"))])
def test_senseless_times_are_refused(seconds: float, period_s: float) -> None:
    """An endless or empty stream would be noticed far too late."""
    with pytest.raises(ValueError, match="make no sense"):
        list(rows(0, seconds, period_s))

"""These tests hold the patient to its word: the same for the same seed, stationary, and its truth written down."""

import json
import statistics
from pathlib import Path

import pytest

from sickbay_sim.ailments import Ailment, AilmentError
from sickbay_sim.patient import COOLING_LOOP, Patient, rows
from sickbay_sim.plant import PLANTS
from sickbay_sim.record import Illness
from sickbay_sim.scenario import Fault, Load


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


@pytest.mark.parametrize("profile", ["clean", "cheap"])
@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_any_plant_makes_a_patient_in_any_profile(plant: str, profile: str) -> None:
    """The measuring chains come from the plant's own description."""
    patient = Patient(1, plant=plant, profile=profile)
    seen = [patient.advance(1.0) for _ in range(60)]
    assert all(tuple(row) == tuple(patient.plant.signals) == tuple(patient.true_values()) for row in seen)
    arrived = [row for row in seen if None not in row.values()]
    assert len(arrived) == 60 if profile == "clean" else 40 < len(arrived) <= 60


def test_what_nobody_has_is_an_error() -> None:
    """A story on a machine that does not exist must not be run on another."""
    with pytest.raises(AilmentError, match=r"'boiler': there is none of that name\. Known: cooling-loop"):
        Patient(plant="boiler")
    with pytest.raises(ValueError, match=r"'cheep': there is none of that name\. Known: clean, cheap"):
        Patient(profile="cheep")
    with pytest.raises(AilmentError, match=r"'lamp': there is none of that name\. Known: fan_relay, pump_relay"):
        Patient().switch("lamp", True)


def test_a_story_begins_before_zero() -> None:
    """The warm-up is negative time: the fault at 0 begins with the story, not with the machine."""
    patient = Patient(1, [Fault("stuck", "flow", 0.0)], start_s=-30.0)
    seen = [patient.advance(1.0)["flow"] for _ in range(60)]
    assert len(set(seen[:29])) > 5 and set(seen[29:]) == {seen[28]}
    assert patient.at_s == 30.0
    assert patient.illnesses() == [Illness("stuck", "sensor", "flow", 0.0, None, ("flow",), 1.0)]


def test_illnesses_say_what_was_wrong_from_when_to_when_and_who_may_be_blamed() -> None:
    """The score card reads nothing else of the truth. What is still to come is not in it."""
    faults = [
        Fault("swap", "flow<>pressure", 5.0, 15.0),
        Fault("clog", "filter", 1.0, None, 0.5, "linear", 20.0),
        Fault("relay_open", "fan_relay", 12.0),
        Fault("supply_sag", "supply", 3.0, 4.0, 0.2),
        Fault("garbage", "rig", 8.0, 9.0, 0.3),
        Fault("bias", "flow", 900.0),
    ]
    patient = Patient(1, faults)
    for _ in range(20):
        patient.advance(1.0)
    assert patient.illnesses() == [
        Illness("clog", "part", "filter", 1.0, None, ("pump",), 0.5),
        Illness("supply_sag", "surroundings", "supply", 3.0, 4.0, ("supply",), 0.2),
        Illness("swap", "sensor", "flow<>pressure", 5.0, 15.0, ("flow", "pressure"), 1.0),
        Illness("garbage", "line", "rig", 8.0, 9.0, ("rig",), 0.3),
        Illness("relay_open", "part", "fan_relay", 12.0, None, ("fan_relay", "fan"), 1.0),
    ]


def test_what_acts_on_bytes_and_on_the_device_is_told_to_who_runs_the_machine() -> None:
    """The patient has no line and no disk; its clock says when they are ill, and how badly."""
    faults = [Fault("flips", "line", 2.0, 6.0, 1.0, "linear", 4.0), Fault("disk_full", "disk", 4.0)]
    patient = Patient(1, faults)
    seen = []
    for _ in range(6):
        patient.advance(1.0)
        seen.append([(fault.kind, severity) for fault, severity in patient.in_force("bytes", "device")])
    assert seen == [
        [],
        [],
        [("flips", 0.25)],
        [("flips", 0.5), ("disk_full", 1.0)],
        [("flips", 0.75), ("disk_full", 1.0)],
        [("disk_full", 1.0)],
    ]


def test_healing_ends_the_illness_now() -> None:
    """A person at the rig may mend what the story meant to last."""
    patient = Patient(1, [Fault("fan", "fan", 2.0), Fault("bias", "flow", 50.0)])
    for _ in range(4):
        patient.advance(1.0)
    patient.heal()
    assert patient.illnesses() == [Illness("fan", "part", "fan", 2.0, 4.0, ("fan",), 1.0)]
    for _ in range(60):
        patient.advance(1.0)
    assert patient.true_values()["fan_rpm"] == pytest.approx(patient.plant.unit.fan_rpm, rel=1e-3)
    assert len(patient.illnesses()) == 1


def test_loads_move_the_machine_smoothly_and_are_no_illness() -> None:
    """A hot afternoon under full load is normal running; an agent must live with it."""
    patient = Patient(1, loads=[Load("load", 0.5, 10.0, 20.0), Load("load", 1.5, 100.0), Load("ambient_c", 32.0, 0.0)])
    asked = []
    for _ in range(120):
        patient.advance(1.0)
        asked.append(patient.plant.asked["load"])
    assert asked[8:30:5] == pytest.approx([1.0, 0.9, 0.775, 0.65, 0.525], abs=0.026)
    assert asked[29:98] == [0.5] * 69 and asked[99:] == [1.5] * 21
    assert patient.illnesses() == []
    assert patient.plant.ambient_c == patient.plant.unit.ambient_c + 10


def test_the_surroundings_add_to_what_is_asked_and_take_nothing_with_them() -> None:
    """A heat wave ends; the afternoon that was warm anyway goes on."""
    patient = Patient(1, [Fault("heat_wave", "ambient", 10.0, 20.0, 0.5)], loads=[Load("ambient_c", 25.0, 0.0)])
    felt = []
    for _ in range(30):
        patient.advance(1.0)
        felt.append(patient.plant.asked["ambient_c"])
    assert felt[8] == 25.0 and felt[12] == 35.0 and felt[25] == 25.0
    off = Patient(1, [Fault("engine_off", "engine", 1.0, None, 0.3)])
    for _ in range(30):
        off.advance(1.0)
    assert off.true_values()["flow"] < 1 and off.true_values()["fan_rpm"] < 1


def test_two_of_a_kind_count_once_and_the_worse() -> None:
    """When one of them ends the other is still there."""
    patient = Patient(1, [Fault("fouling", "radiator", 1.0, 9.0, 0.8), Fault("fouling", "radiator", 2.0, None, 0.3)])
    shares = []
    for _ in range(12):
        patient.advance(1.0)
        shares.append(patient.plant.condition.fouling)
    assert shares == [0.8] * 8 + [0.3] * 4

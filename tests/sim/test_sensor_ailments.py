"""These tests see what each ailment of a sensor does to its readings, in both profiles, against the same machine in health."""

import itertools
import statistics
from functools import cache

import pytest

from sickbay_sim.ailments.kinds import SENSOR_KINDS
from sickbay_sim.patient import Patient
from sickbay_sim.plant.cooling_loop import CoolingLoop
from sickbay_sim.plant.sensors import is_analogue
from sickbay_sim.scenario import Fault

ONSET, SECONDS = 200, 500
SIGNALS = CoolingLoop.signals
KINDS = tuple(kind for kind in SENSOR_KINDS if kind != "swap")

Rows = list[dict[str, float | None]]


@cache
def story(profile: str = "clean", *faults: Fault) -> Rows:
    patient = Patient(3, faults, profile=profile)
    return [patient.advance(1.0) for _ in range(SECONDS)]


def pairs(kind: str, signal: str, severity: float = 1.0, profile: str = "clean") -> list[tuple[float, float | None]]:
    """This returns (sound, ill) of the rows from the onset on that arrived in health."""
    ill, sound = story(profile, Fault(kind, signal, ONSET, None, severity)), story(profile)
    both = [(a[signal], b[signal]) for a, b in zip(sound, ill, strict=True)][ONSET - 1 :]
    return [(a, b) for a, b in both if a is not None]


def off(kind: str, signal: str, severity: float = 1.0, profile: str = "clean") -> list[float]:
    return [b - a for a, b in pairs(kind, signal, severity, profile) if b is not None]


@pytest.mark.parametrize("profile", ["clean", "cheap"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_ailment_acts_from_its_onset_on_its_own_signal_alone(kind: str, profile: str) -> None:
    """Else another could be blamed, and the score card would call it right."""
    ill, sound = story(profile, Fault(kind, "flow", ONSET)), story(profile)
    assert ill[: ONSET - 1] == sound[: ONSET - 1]
    assert [r["flow"] for r in ill] != [r["flow"] for r in sound]
    for name in SIGNALS:
        if name != "flow":
            assert [r[name] for r in ill] == [r[name] for r in sound], name


@pytest.mark.parametrize("profile", ["clean", "cheap"])
@pytest.mark.parametrize("signal", ["flow", "pressure", "current", "inlet_temp", "bearing_temp", "fan_rpm"])
@pytest.mark.parametrize("kind", ["bias", "drift", "noise", "spikes", "emi"])
def test_at_one_an_ailment_stands_out_and_at_a_tenth_it_mostly_hides(kind: str, signal: str, profile: str) -> None:
    """Recall is asked at severity 1; a fault that no one could see, or that anyone would, measures nothing."""
    usual = statistics.stdev(a for a, _ in pairs("bias", signal, 1.0, profile))

    def stands_out(severity: float) -> float:
        gone = off(kind, signal, severity, profile)
        return max(abs(statistics.mean(gone)), statistics.pstdev(gone)) / usual

    assert stands_out(1.0) > 0.7  # of each single row: twenty rows say it with certainty
    assert stands_out(1.0) > 2.3 * stands_out(0.1)
    assert stands_out(0.1) < 8


def test_drift_goes_on_and_begins_at_nothing() -> None:
    """0.1 times its noise a second, whatever the rate of rows."""
    gone = off("drift", "bearing_temp")
    assert gone[0] == 0
    assert gone[-1] == pytest.approx(0.1 * 0.05 * (SECONDS - ONSET), abs=0.06)


def test_a_gain_multiplies() -> None:
    """So it shows the more, the more there is to measure."""
    assert statistics.mean(off("gain", "flow")) == pytest.approx(0.2 * 16, rel=0.05)


def test_spikes_are_rare_large_and_of_either_sign() -> None:
    """Between them the sensor is as good as ever."""
    gone = off("spikes", "flow")
    spikes = [g for g in gone if g]
    assert 0.05 < len(spikes) / len(gone) < 0.16
    assert {round(abs(s), 6) for s in spikes} == {60 * 0.08} and min(spikes) < 0 < max(spikes)


def test_a_loose_contact_is_low_or_missing_for_seconds_at_a_time() -> None:
    """An open input reads the low end of its range; a bus sensor does not answer."""
    low = [b == 0.0 for _, b in pairs("intermittent", "flow")]
    gone = [b is None for _, b in pairs("intermittent", "outlet_temp")]
    for away in (low, gone):
        runs = [len(list(run)) for is_away, run in itertools.groupby(away) if is_away]
        assert 0.3 < sum(away) / len(away) < 0.7
        assert statistics.mean(runs) > 1.8


def test_dropouts_leave_out_their_share_one_at_a_time() -> None:
    """None stands for a reading that is missing, not for zero."""
    assert {b for _, b in pairs("dropout", "flow")} == {None}
    assert 0.2 < statistics.mean(b is None for _, b in pairs("dropout", "flow", 0.3)) < 0.4


def test_swapped_sensors_tell_each_others_story() -> None:
    """Two plugs of the same shape, put in the wrong way round."""
    sound, ill = story(), story("clean", Fault("swap", "flow<>pressure", ONSET))
    for a, b in zip(sound[ONSET - 1 :], ill[ONSET - 1 :], strict=True):
        assert (b["flow"], b["pressure"]) == (a["pressure"], a["flow"])
        assert {k: v for k, v in a.items() if k not in ("flow", "pressure")} == {
            k: v for k, v in b.items() if k not in ("flow", "pressure")
        }


def test_a_saturated_sensor_says_its_ceiling() -> None:
    """Below the ceiling it is as good as ever; at severity 1 the ceiling lies below all of normal running."""
    assert len({b for _, b in pairs("saturate", "flow")}) == 1
    assert not any(off("saturate", "flow", 0.1))


def test_lost_bits_leave_steps() -> None:
    """It still follows what moves by more than a step."""
    values = {b for _, b in pairs("quantise", "pressure") if b is not None}
    assert all(v / 5.0 == pytest.approx(round(v / 5.0)) for v in values)


def test_delayed_readings_are_those_of_before() -> None:
    """A buffer that filled up: right values, too late. Until a minute has passed it says the first of them."""
    sound = [r["inlet_temp"] for r in story()]
    ill = [r["inlet_temp"] for r in story("clean", Fault("delay", "inlet_temp", ONSET))]
    assert ill[ONSET + 59 :] == sound[ONSET - 1 : -60]
    assert set(ill[ONSET - 1 : ONSET + 59]) == {sound[ONSET - 1]}


def test_interference_comes_in_bursts() -> None:
    """A motor starts near the cable: a fifth of the time, seconds at a time, and nothing in between."""
    hum = [g != 0 for g in off("emi", "flow")]
    assert 0.05 < sum(hum) / len(hum) < 0.4
    runs = [len(list(run)) for is_hum, run in itertools.groupby(hum) if is_hum]
    assert statistics.mean(runs) > 2


@pytest.mark.parametrize(
    ("signal", "code"), [("outlet_temp", 85.0), ("bearing_temp", -127.0), ("pressure", 65535.0), ("fan_rpm", 65535.0)]
)
def test_a_sentinel_is_the_error_code_of_its_own_chain(signal: str, code: float) -> None:
    """It passes for a number; the agent must know it."""
    assert {b for _, b in pairs("sentinel", signal)} == {code}
    assert 0.2 < statistics.mean(b == code for _, b in pairs("sentinel", signal, 0.3)) < 0.4


def test_another_unit_and_a_turned_sign_say_the_same_thing_wrongly() -> None:
    """A new firmware, a cable the wrong way round."""
    assert all(b == pytest.approx(a * 1.8 + 32) for a, b in pairs("unit_change", "inlet_temp"))
    assert all(b == pytest.approx(a * 0.1450377, abs=1e-5) for a, b in pairs("unit_change", "pressure"))
    assert all(b == -a for a, b in pairs("sign_flip", "flow"))


@pytest.mark.parametrize("profile", ["clean", "cheap"])
def test_a_sagging_supply_of_the_sensors_moves_all_analogue_readings_and_no_other(profile: str) -> None:
    """The confusable pair of many sensors at once: pulses and bus sensors say that the machine itself is well."""
    sound, ill = story(profile), story(profile, Fault("common_mode", "supply", ONSET))
    for name, sensor in SIGNALS.items():
        at = [(a[name], b[name]) for a, b in zip(sound, ill, strict=True) if a[name] is not None][-100:]
        ratio = statistics.mean(b for _, b in at) / statistics.mean(a for a, _ in at)
        assert ratio == pytest.approx(0.7 if is_analogue(sensor) else 1.0, abs=0.03), name


def test_two_ailments_of_one_sensor_act_in_the_order_of_the_chain() -> None:
    """Whichever was written first: the probe drifts, then the converter loses bits, then the unit is changed."""
    a, b = Fault("bias", "inlet_temp", ONSET), Fault("unit_change", "inlet_temp", ONSET)
    assert story("clean", a, b) == story("clean", b, a)
    values = [r["inlet_temp"] for r in story("clean", a, b)][ONSET:]
    assert values == [pytest.approx((r["inlet_temp"] or 0) * 1.8 + 32) for r in story("clean", a)[ONSET:]]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_over_leaves_no_trace(kind: str) -> None:
    """A release is judged by what the sensor says after it was mended."""
    ill = story("clean", Fault(kind, "flow", ONSET, 300.0))
    assert ill[300:] == story()[300:]

"""These tests measure the measuring chains: what a cheap board makes of the same machine that a clean one measures well."""

import itertools
import statistics
from functools import cache

import pytest

from sickbay_sim.patient import Patient
from sickbay_sim.plant.cooling_loop import CoolingLoop
from sickbay_sim.plant.sensors import (
    CHAINS,
    COOLING_LOOP,
    PROFILES,
    Sensor,
    as_profile,
    chain_of,
    thermistor_reading,
)

HOUR = 3600


@cache
def hour(seed: int, profile: str = "cheap") -> list[dict[str, float | None]]:
    patient = Patient(seed, profile=profile)
    return [patient.advance(1.0) for _ in range(HOUR)]


def column(seed: int, name: str, profile: str = "cheap") -> list[float]:
    return [value for row in hour(seed, profile) if (value := row[name]) is not None]


def test_six_percent_of_the_seconds_are_missing_singly_and_in_bursts() -> None:
    """A gap of a second is no fault and one of a quarter of a minute is none either; both happen on healthy boards."""
    gone = [[row["flow"] is None for row in hour(seed)] for seed in range(6)]
    assert statistics.mean(itertools.chain(*gone)) == pytest.approx(0.06, abs=0.01)
    runs = [len(list(run)) for each in gone for away, run in itertools.groupby(each) if away]
    assert 0.4 < runs.count(1) / len(runs) < 0.6
    assert 10 < max(runs) <= 20
    assert all(set(row.values()) == {None} for row in hour(1) if row["flow"] is None)


def test_a_pressure_has_about_nine_values() -> None:
    """Ten bits over four times the range that the job needs: most steps of the converter are never seen."""
    counts = [len(set(column(seed, "pressure"))) for seed in range(6)]
    assert min(counts) >= 7 and max(counts) <= 12 and 8 <= statistics.mean(counts) <= 10
    assert len(set(column(0, "pressure", "clean"))) > 60


def test_a_current_scatters_by_a_fifth() -> None:
    """It is sampled against its own ripple, without a filter; its mean is still right."""
    for seed in range(6):
        cheap, clean = column(seed, "current"), column(seed, "current", "clean")
        assert statistics.stdev(cheap) / statistics.mean(cheap) == pytest.approx(0.2, abs=0.02)
        assert statistics.mean(cheap) == pytest.approx(statistics.mean(clean), rel=0.02)
    lag = [statistics.correlation(column(s, "current")[:-1], column(s, "current")[1:]) for s in range(6)]
    assert max(lag) - min(lag) > 0.2, "each board beats at its own rate"


def test_ten_bits_are_no_more_than_ten_bits() -> None:
    """Whatever the signal, its steps are at least a 1023rd of its range."""
    for name, sensor in CoolingLoop.signals.items():
        if chain_of(sensor) in ("adc", "pressure", "current"):
            values = sorted(set(column(0, name)))
            step = min(b - a for a, b in itertools.pairwise(values))
            assert step >= (sensor.high - sensor.low) / 1023 - 1e-5, name


def test_thermometers_are_a_bus_sensor_or_a_thermistor() -> None:
    """A DS18B20 has sixteenths of a degree; ten bits on a thermistor have fewer, and fewest far from 25 degC."""
    assert all(value * 16 == int(value * 16) for value in column(0, "outlet_temp"))

    def step(temp_c: float) -> float:
        near = sorted({thermistor_reading(temp_c + k / 200) for k in range(200)})
        return max(b - a for a, b in itertools.pairwise(near))

    assert 0.08 < step(25.0) < 0.11 < step(60.0) < step(90.0) < 0.6
    assert thermistor_reading(-300.0) < -40 and thermistor_reading(1e9) > 150
    for temp_c in (-20.0, 0.0, 25.0, 40.0, 80.0):
        assert thermistor_reading(temp_c) == pytest.approx(temp_c, abs=0.35)


def test_cheap_thermometers_disagree_by_their_tolerance() -> None:
    """Two on one pipe: half a degree apart is nothing to tell anyone."""
    apart = [
        statistics.mean(column(seed, "outlet_temp")) - statistics.mean(column(seed, "outlet_temp_b"))
        for seed in range(6)
    ]
    assert 0.2 < statistics.stdev(apart) < 1.2


def test_the_clean_profile_is_the_data_sheet() -> None:
    """The rig, the demo and the shipped models live on it."""
    for sensor in CoolingLoop.signals.values():
        assert as_profile(sensor, "clean") is sensor
    assert tuple(CoolingLoop.signals)[: len(COOLING_LOOP)] == tuple(COOLING_LOOP)


def test_each_sensor_has_chance_of_its_own() -> None:
    """A board with fewer sensors says the same of those it has."""
    for profile in PROFILES:
        few, all_ = Patient(5, profile=profile, signals=("current", "flow")), Patient(5, profile=profile)
        for _ in range(50):
            row = all_.advance(1.0)
            assert few.advance(1.0) == {"current": row["current"], "flow": row["flow"]}


@pytest.mark.parametrize(
    ("sensor", "chain"),
    [
        (Sensor("degC", 0.1, 0.0625, -55, 125), "ds18b20"),
        (Sensor("degC", 0.1, 0.1, -40, 125), "thermistor"),
        (Sensor("degC", 0.3, 1.0, -40, 215), "digital"),
        (Sensor("bar", 0.01, 0.01, 0, 30), "pressure"),
        (Sensor("kPa", 0.5, 1.0, 0, 255), "digital"),
        (Sensor("A", 0.1, 0.01, 0, 20), "current"),
        (Sensor("", 0.0, 1.0, 0, 1), "switch"),
        (Sensor("rev/min", 5.0, 1.0, 0, 6000), "digital"),
        (Sensor("L/min", 0.1, 0.01, 0, 40), "adc"),
        (Sensor("degC", 0.1, 0.1, -40, 125, chain="digital"), "digital"),
    ],
)
def test_a_chain_is_told_from_what_it_measures(sensor: Sensor, chain: str) -> None:
    """A plant that says nothing of cheap boards can still be measured by one; what it does say counts."""
    assert chain_of(sensor) == chain and chain in CHAINS
    cheap = as_profile(sensor, "cheap")
    assert cheap.noise >= sensor.noise and (cheap.lsb >= sensor.lsb or chain == "thermistor")
    assert (cheap is sensor) == (chain in ("digital", "switch"))

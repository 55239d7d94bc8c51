"""How a signal goes on after it left its normal: a sensor that errs adds something, a machine goes up and down as never before."""

import math
import random
from collections.abc import Callable

import pytest

from sickbay.core.anomaly import PartView
from sickbay.core.diagnosis import Witness, part_anomaly
from sickbay.core.equipment import Signal

LEARN, ILL = 2000, 2100

Error = Callable[[int, float, random.Random], float]  # seconds since the onset, the true value: what the sensor says


def after(error: Error, seed: int, rows: int = 1200) -> PartView:
    """A regulated voltage beside a speed that comes and goes; the voltage says what `error` makes of it from ILL on."""
    view = PartView([Signal("volts", "rig"), Signal("speed", "rig")], LEARN)
    chance = random.Random(seed)
    for row in range(ILL + rows):
        idle = math.sin(row / 37.0) > 0.4
        volts = 13.7 + 0.03 * math.sin(row / 61.0) + chance.gauss(0, 0.01)
        said = error(row - ILL, volts, chance) if row >= ILL else volts
        view.step([said, (800.0 if idle else 2000.0) + chance.gauss(0, 10.0)], 1000 * row)
    return view


def bias(s: int, volts: float, _: random.Random) -> float:
    return volts + 0.5


def drift(s: int, volts: float, _: random.Random) -> float:
    return volts + 0.001 * s


def fifth(s: int, volts: float, _: random.Random) -> float:
    return 1.2 * volts


def noise(s: int, volts: float, chance: random.Random) -> float:
    return volts + chance.gauss(0, 0.3)


def stuck(s: int, volts: float, _: random.Random) -> float:
    return 14.5


def hums(s: int, volts: float, chance: random.Random) -> float:
    return volts + (chance.uniform(-0.5, 0.5) if s % 25 < 5 else 0.0)


def sags(s: int, volts: float, _: random.Random) -> float:
    return volts - 0.8 + 0.6 * math.sin(s / 37.0)


def slips(s: int, volts: float, _: random.Random) -> float:
    """The voltage leaps as the car stops and goes, and between it sinks and climbs."""
    road, since = (s // 40) % 2, s % 40
    return volts - 1.5 + (0.1 + 0.01 * since) * (1.0 if road else -1.0)


def settles(s: int, volts: float, _: random.Random) -> float:
    return volts + 2.0 * (1.0 - math.exp(-s / 300.0))


@pytest.mark.parametrize("error", [bias, drift, fifth, noise, stuck, hums])
@pytest.mark.parametrize("seed", range(6))
def test_no_error_of_a_sensor_looks_like_a_machine_that_goes_up_and_down(error: Error, seed: int) -> None:
    """Whoever is sent to the alternator for a voltmeter's fault does not come twice."""
    assert not after(error, seed).roams(0)


@pytest.mark.parametrize("process", [sags, settles])
@pytest.mark.parametrize("seed", range(3))
def test_a_signal_that_moves_as_it_never_did_tells_of_the_machine(process: Error, seed: int) -> None:
    """A belt that slips at idle, a coolant that warms ever more slowly: no sensor adds that to what it measures."""
    assert after(process, seed).roams(0)


@pytest.mark.parametrize("seed", range(4))
def test_what_leaps_every_forty_rows_is_told_by_how_it_goes_on_between(seed: int) -> None:
    """The voltage over a slipping belt leaps as the car stops and goes; the calm between two leaps is short. Within 400 rows."""
    assert after(slips, seed, 400).roams(0)


def test_a_healthy_signal_never_does() -> None:
    view = after(lambda s, volts, chance: volts, 1, 6000)
    assert not view.alarm and not view.roams(0)


def test_where_the_unit_is_elsewhere_it_is_forgotten() -> None:
    """A parked car's voltage does as it never did, and nothing is wrong with it."""
    view = after(sags, 1)
    view.loses_gait()
    assert not view.roams(0)


def test_such_a_signal_accuses_its_part() -> None:
    volts = Witness("volts", 5.0, "volts is 0.8 below its normal", leapt=True, denied=True, roams=True)
    found = part_anomaly("charging", [volts, Witness("speed", 0.1, "")], True, [], 2)
    assert (found.layer, found.target) == ("part", "charging")


def test_its_twin_knows_better() -> None:
    """Two that measure the same thing would both go up and down."""
    volts = Witness("volts", 5.0, "volts is 0.8 below its normal", twin_agrees=False, roams=True)
    found = part_anomaly("charging", [volts, Witness("speed", 0.1, "")], True, [], 2)
    assert (found.layer, found.target) == ("sensor", "volts")


def test_what_roams_together_with_other_parts_is_no_part_of_its_own() -> None:
    """A heater that was given more to do warmed the cooler with it, and was told as a part that had failed."""
    block = Witness("block", 5.0, "block is 5 above its normal", roams=True)
    assert part_anomaly("heater", [block], True, ["fan"], 4, common=True).layer == "unknown"

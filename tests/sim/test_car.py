"""These tests hold the car to physics: what real logs show, which way each ailment pulls, and that no step invents heat."""

import itertools
import math
import random

import pytest

from sickbay_sim.plant.car import Car
from sickbay_sim.plant.plant import Plant

Rows = list[dict[str, float]]


def driven(car: Car, seconds: float, dt_s: float = 1.0) -> Rows:
    """This returns the true values of so many seconds."""
    rows = []
    for _ in range(round(seconds / dt_s)):
        car.step(dt_s)
        rows.append(car.true_values())
    return rows


def said(car: Car, name: str, value: float) -> float:
    """This returns a value in whole steps of its PID."""
    return round(value / car.signals[name].lsb) * car.signals[name].lsb


def column(rows: Rows, name: str) -> list[float]:
    return [row[name] for row in rows]


def ill(kind: str, severity: float, seed: int = 1, **demands: float) -> Car:
    """This returns a car with one ailment that has driven with it for a while."""
    car = Car(seed)
    for what, value in demands.items():
        car.demand(what, value)
    car.suffer(kind, car.part_ailments[kind].targets[0], severity)
    driven(car, 800)
    return car


def parked(seed: int = 1, hours: float = 20.0) -> Car:
    """This returns a car that has stood until it is cold."""
    car = Car(seed)
    car.demand("engine", 0.0)
    for _ in range(round(hours * 60)):
        car.step(60.0)
    return car


def test_it_is_a_plant_and_its_description_is_whole() -> None:
    """The bench knows a machine by this description alone; a name that is nowhere else would be a silent hole."""
    plant: Plant = Car(0)
    assert set(plant.true_values()) == set(plant.signals) == set(plant.ranges)
    for part in plant.parts.values():
        assert set(part.signals) <= set(plant.signals)
    assert {name for part in plant.parts.values() for name in part.signals} == set(plant.signals)
    for one, other in plant.redundant.items():
        assert plant.signals[one].unit == plant.signals[other].unit
    for ailment in plant.part_ailments.values():
        assert set(ailment.blamed) <= set(plant.parts)
    for demand in plant.demands.values():
        assert demand.low <= demand.usual <= demand.high


def test_what_the_plug_says_has_the_steps_of_the_standard() -> None:
    """SAE J1979 gives coolant in whole degrees; a finer one would flatter every detector."""
    steps = {name: sensor.lsb for name, sensor in Car.signals.items()}
    assert steps["coolant_temp"] == steps["intake_temp"] == steps["baro"] == steps["vehicle_speed"] == 1.0
    assert steps["engine_rpm"] == 0.25 and steps["battery_voltage"] == 0.001 and steps["maf"] == 0.01
    assert steps["engine_load"] == steps["throttle"] == pytest.approx(100 / 255)


def test_a_warm_car_looks_as_real_logs_do() -> None:
    """Coolant on a plateau near 87 degC that stands still for minutes, barometer still for over an hour, 13.65-13.81 V."""
    longest = []
    for seed in range(3):
        car = Car(seed)
        rows = driven(car, 3600)
        coolant = [said(car, "coolant_temp", value) for value in column(rows, "coolant_temp")]
        assert min(coolant) >= 85 and max(coolant) <= 90
        assert 86 <= sum(coolant) / len(coolant) <= 89
        longest.append(max(len(list(same)) for _, same in itertools.groupby(coolant)))
        assert len(set(column(rows, "baro"))) == 1
        volts = column(rows, "battery_voltage")
        assert min(volts) > 13.6 and max(volts) < 13.81
        assert min(column(rows, "engine_load")) >= 0 and max(column(rows, "engine_load")) <= 100
        assert max(column(rows, "vehicle_speed")) > 80 and min(column(rows, "vehicle_speed")) == 0
        wheel = [
            w / v for v, w in zip(column(rows, "vehicle_speed"), column(rows, "wheel_speed_fl"), strict=True) if v > 20
        ]
        assert 0.98 < min(wheel) <= max(wheel) < 1.02
    assert min(longest) > 200
    assert 400 < max(longest) < 1200


def test_it_begins_where_it_stays() -> None:
    """A unit learns from its first rows: they must be those of a warm car under way."""
    for seed in range(3):
        car = Car(seed)
        early, late = driven(car, 600), driven(car, 1800)
        for name, slack in (("coolant_temp", 1.2), ("battery_voltage", 0.05)):
            assert sum(column(early, name)) / 600 == pytest.approx(sum(column(late, name)) / 1800, abs=slack)


def test_a_parked_car_cools_in_hours_and_rests_at_its_batterys_voltage() -> None:
    """Off it shows 12.4-12.5 V; the coolant first rises, since the metal is hotter, and then falls for hours."""
    car = Car(2)
    car.demand("engine", 0.0)
    rows = driven(car, 7200)
    assert rows[-1]["engine_rpm"] == rows[-1]["vehicle_speed"] == rows[-1]["engine_load"] == 0
    assert 12.35 < rows[500]["battery_voltage"] < 12.55
    coolant = column(rows, "coolant_temp")
    assert max(coolant[60:300]) > coolant[0] + 0.2
    assert 45 < coolant[-1] < 70


@pytest.mark.parametrize("seed", range(3))
def test_a_cold_start_dips_and_warms_as_real_ones_do(seed: int) -> None:
    """9-10.5 V for about a second, a fast idle, then 3-7 K a minute through town up to the thermostat."""
    car = parked(seed)
    cold = car.true_values()["coolant_temp"]
    assert cold == pytest.approx(20, abs=1)
    car.demand("engine", 1.0)
    crank = driven(car, 3, 0.1)
    low = [row["battery_voltage"] for row in crank if row["battery_voltage"] < 11]
    assert 9.0 < min(low) < 10.5
    assert 0.6 <= 0.1 * len(low) <= 1.8
    warming = driven(car, 1800)
    assert 950 < warming[5]["engine_rpm"] < 1300
    coolant = column(warming, "coolant_temp")
    minutes = next(at for at, value in enumerate(coolant) if value > 80) / 60
    assert 3 < (80 - cold) / minutes < 7
    assert max(coolant) < 91


def test_a_reading_a_second_sees_the_dip() -> None:
    """A daemon polls once a second and must not find a car that started without a starter."""
    for seed in range(3):
        car = parked(seed, hours=2)
        car.demand("engine", 1.0)
        assert min(column(driven(car, 5), "battery_voltage")) < 10.6


def test_the_fan_switches_itself_between_90_and_95() -> None:
    """Standing in the heat the coolant climbs until the fan comes on: healthy, and twice the usual swing."""
    car = Car(1)
    car.demand("speed_kmh", 0.0)
    car.demand("ambient_c", 35.0)
    coolant = column(driven(car, 4800), "coolant_temp")[1800:]
    assert 88.5 < min(coolant) < 90.5
    assert 94.5 < max(coolant) < 96


def test_heat_is_neither_made_nor_lost_on_the_way() -> None:
    """Between two states the stored heat grows by what went in less what went out, warm, cold, ill or boiling."""
    for kind, severity in (("thermostat_open", 0.0), ("thermostat_closed", 1.0), ("pump_wear", 0.9)):
        car = parked(hours=3)
        car.suffer(kind, car.part_ailments[kind].targets[0], severity)
        car.demand("engine", 1.0)
        cooling = car.cooling
        before = cooling.stored_j - cooling.in_j + cooling.out_j
        driven(car, 1500)
        assert cooling.stored_j - cooling.in_j + cooling.out_j == pytest.approx(before, abs=1e-6 * cooling.in_j)
        assert cooling.in_j > 3e6


def test_what_the_alternator_makes_is_what_is_drawn() -> None:
    """Currents at the node add up: the alternator's and the battery's are the consumers'."""
    car = Car(3)
    car.demand("electric_load_w", 600.0)
    driven(car, 60)
    electrics, drive = car.electrics, car.drive
    draw_w = 600 + drive.consumers_w + 180 + (63 if drive.braking else 0) + 180 * car.cooling.fan_share
    assert electrics.alternator_a + electrics.battery_a == pytest.approx(draw_w / 13.5**2 * electrics.volts, rel=1e-9)


@pytest.mark.parametrize("step_s", [0.1, 0.25, 2.0, 20.0])
def test_the_step_size_does_not_matter(step_s: float) -> None:
    """A rig at 20 x real time and a bench at 1 Hz must drive the same car: 0.4 K, 20 mV, 0.5 km/h."""
    car, other = Car(4), Car(4)
    for each in (car, other):
        each.demand("ambient_c", 30.0)
    for _ in range(30):
        driven(car, 20, 1.0)
        driven(other, 20, step_s)
        here, there = car.true_values(), other.true_values()
        assert here["coolant_temp"] == pytest.approx(there["coolant_temp"], abs=0.4)
        assert here["battery_voltage"] == pytest.approx(there["battery_voltage"], abs=0.02)
        assert here["vehicle_speed"] == pytest.approx(there["vehicle_speed"], abs=0.5)
        assert here["intake_temp"] == pytest.approx(there["intake_temp"], abs=0.1)


def test_a_crank_is_as_deep_and_as_long_at_any_step() -> None:
    """A dip that depended on the step would be a fault of the clock: same charge taken, same speed after, within 2 %."""
    taken, after = [], []
    for step_s in (0.1, 0.5, 3.0):
        car = parked(hours=2)
        car.demand("engine", 1.0)
        driven(car, 9, step_s)
        taken.append(car.electrics.charge)
        after.append(car.drive.rpm)
    assert taken == pytest.approx([taken[0]] * 3, rel=3e-4)
    assert after == pytest.approx([after[0]] * 3, rel=0.02)


SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("kind", "signal", "sign", "clear", "demands"),
    [
        ("thermostat_open", "coolant_temp", -1, 20.0, {"speed_kmh": 90.0}),
        ("thermostat_closed", "coolant_temp", +1, 20.0, {"speed_kmh": 140.0, "ambient_c": 30.0}),
        ("fouling", "coolant_temp", +1, 20.0, {"speed_kmh": 120.0, "ambient_c": 30.0}),
        ("pump_wear", "coolant_temp", +1, 5.0, {"speed_kmh": 110.0}),
        ("coolant_leak", "coolant_temp", +1, 10.0, {"speed_kmh": 110.0}),
        ("belt_slip", "battery_voltage", -1, 1.5, {"speed_kmh": 0.0}),
        ("belt_slip", "coolant_temp", +1, 2.0, {"speed_kmh": 110.0}),
        ("alternator_weak", "battery_voltage", -1, 1.5, {"speed_kmh": 50.0}),
        ("tyre_soft", "wheel_speed_fl", +1, 2.0, {"speed_kmh": 70.0}),
    ],
)
def test_the_worse_it_is_the_more_it_shows(
    kind: str, signal: str, sign: int, clear: float, demands: dict[str, float]
) -> None:
    """Monotone in severity where it must show, and plain at the worst: else a severity means nothing."""
    means = []
    for severity in SEVERITIES:
        rows = driven(ill(kind, severity, **demands), 200)
        means.append(sum(column(rows, signal)) / len(rows))
    for better, worse in itertools.pairwise(means):
        assert sign * (worse - better) > -0.15 * (signal == "coolant_temp")
    assert sign * (means[-1] - means[0]) > clear


def test_a_dead_radiator_fan_shows_only_where_no_wind_helps() -> None:
    """On the road it is invisible; in a jam in the heat the coolant climbs beyond the fan switch."""
    road = {severity: ill("fan_fail", severity, speed_kmh=90.0).cooling.coolant_c for severity in (0.0, 1.0)}
    assert road[0.0] == pytest.approx(road[1.0], abs=0.01)
    peaks = []
    for severity in SEVERITIES:
        car = ill("fan_fail", severity, speed_kmh=0.0, ambient_c=38.0)
        peaks.append(max(column(driven(car, 1600), "coolant_temp")))
    assert peaks == sorted(peaks) or max(peaks[:4]) - min(peaks[:4]) < 0.2
    assert peaks[0] < 95.6 and peaks[-1] > 99


def test_a_weak_battery_shows_at_the_crank_and_not_while_driving() -> None:
    """The alternator hides it; a weak alternator is the reverse: low while driving, an honest crank."""
    dips, running = [], []
    for severity in SEVERITIES:
        car = ill("battery_weak", severity)
        running.append(sum(column(driven(car, 300), "battery_voltage")) / 300)
        car.demand("engine", 0.0)
        driven(car, 300)
        car.demand("engine", 1.0)
        dips.append(min(column(driven(car, 3, 0.1), "battery_voltage")))
    assert all(worse < better - 0.3 for better, worse in itertools.pairwise(dips))
    assert max(running) - min(running) < 0.05
    car = ill("alternator_weak", 0.6)
    assert sum(column(driven(car, 300), "battery_voltage")) / 300 < running[0] - 0.2
    car.demand("engine", 0.0)
    driven(car, 300)
    car.demand("engine", 1.0)
    assert min(column(driven(car, 3, 0.1), "battery_voltage")) > dips[1]


def test_a_thermostat_that_hangs_open_is_not_a_sensor_that_reads_low() -> None:
    """Both read low on the road. The thermostat's depends on wind and load and starts from the truth; a bias does not."""
    open_, sound = Car(1), Car(1)
    open_.suffer("thermostat_open", "thermostat", 1.0)
    road, idle = {}, {}
    for car in (open_, sound):
        car.demand("speed_kmh", 90.0)
        driven(car, 1000)
        road[car] = car.cooling.coolant_c
        car.demand("speed_kmh", 0.0)
        driven(car, 1200)
        idle[car] = car.cooling.coolant_c
    assert road[sound] - road[open_] > 25
    assert (road[sound] - road[open_]) - (idle[sound] - idle[open_]) > 8
    cold = parked(hours=24)
    cold.suffer("thermostat_open", "thermostat", 1.0)
    row = cold.true_values()
    assert row["coolant_temp"] == pytest.approx(20, abs=0.7) and row["intake_temp"] == pytest.approx(22, abs=0.7)
    healthy = parked(hours=24)
    for car in (cold, healthy):
        car.demand("engine", 1.0)
    slow, quick = column(driven(cold, 900), "coolant_temp"), column(driven(healthy, 900), "coolant_temp")
    assert quick[-1] - slow[-1] > 15


def test_a_clogged_radiator_is_not_a_hot_day() -> None:
    """Heat outside shows in the intake air too; dirt does not."""
    sound = ill("fouling", 0.0, speed_kmh=110.0)
    hot, dirty = ill("fouling", 0.0, speed_kmh=110.0, ambient_c=42.0), ill("fouling", 0.85, speed_kmh=110.0)
    assert dirty.cooling.coolant_c > sound.cooling.coolant_c + 2.5
    assert hot.cooling.coolant_c < sound.cooling.coolant_c + 2.0
    assert hot.intake_c > dirty.intake_c + 15


def test_what_people_ask_for_shows_where_it_should() -> None:
    """A load on the alternator reaches the engine, height thins the air, cold slows all: the healthy relations."""
    idle, laden = Car(5), Car(5)
    for car in (idle, laden):
        car.demand("speed_kmh", 0.0)
    laden.demand("electric_load_w", 500.0)
    before, after = driven(idle, 300)[-1], driven(laden, 300)[-1]
    assert after["engine_load"] > before["engine_load"] + 2
    assert after["battery_voltage"] < before["battery_voltage"]
    high = Car(5)
    high.demand("altitude_m", 2000.0)
    assert driven(high, 5)[-1]["baro"] == pytest.approx(79.5, abs=2)
    city = Car(5)
    city.demand("drive", 1.0)
    assert max(column(driven(city, 900)[120:], "vehicle_speed")) < 60
    city.demand("drive", 0.0)
    assert max(column(driven(city, 300)[60:], "vehicle_speed")) == 0


def test_the_fans_relay_rules_the_fan_and_its_faults_rule_the_relay() -> None:
    """A read-back that follows the coil of a welded relay would hide the weld."""
    car = Car(1)
    assert car.contacts("fan_relay")
    car.suffer("relay_welded", "fan_relay", 1.0)
    car.switch("fan_relay", False)
    assert car.contacts("fan_relay")
    car.suffer("relay_welded", "fan_relay", 0.0)
    assert not car.contacts("fan_relay")
    car.switch("fan_relay", True)
    assert car.contacts("fan_relay")
    car.suffer("relay_open", "fan_relay", 1.0)
    assert not car.contacts("fan_relay")
    car.demand("speed_kmh", 0.0)
    car.demand("ambient_c", 38.0)
    assert max(column(driven(car, 3600), "coolant_temp")) > 98
    with pytest.raises(KeyError):
        car.switch("pump_relay", True)
    with pytest.raises(KeyError):
        car.suffer("fan_fail", "alternator", 1.0)
    with pytest.raises(KeyError):
        car.suffer("no_such_thing", "fan", 1.0)


def test_everything_recovers() -> None:
    """After a repair it must be the car it was, else a release could never be judged."""
    car = Car(6)
    for kind, ailment in car.part_ailments.items():
        car.suffer(kind, ailment.targets[0], 1.0)
    driven(car, 600)
    for kind, ailment in car.part_ailments.items():
        car.suffer(kind, ailment.targets[0], 0.0)
    driven(car, 2000)
    rows, sound = driven(car, 300), Car(6)
    driven(sound, 2600)
    for row, was in zip(rows, driven(sound, 300), strict=True):
        assert row["coolant_temp"] == pytest.approx(was["coolant_temp"], abs=0.5)
        assert row["vehicle_speed"] == was["vehicle_speed"]
        assert row["battery_voltage"] == pytest.approx(was["battery_voltage"], abs=0.05)


def test_no_mistreatment_makes_nonsense() -> None:
    """Any ailment, demand and step at once: numbers stay finite and within what a sensor can say."""
    chance = random.Random("car fuzz")
    for seed in range(3):
        car = Car(seed)
        for _ in range(250):
            kind = chance.choice(list(car.part_ailments))
            car.suffer(kind, car.part_ailments[kind].targets[0], chance.choice((0.0, 1e-6, 0.5, 1.0, 7.0)))
            what = chance.choice(list(car.demands))
            car.demand(what, chance.choice((car.demands[what].low, car.demands[what].high, 1e9, -1e9, 0.0)))
            car.switch("fan_relay", chance.random() < 0.5)
            car.step(chance.choice((1e-3, 0.1, 1.0, 7.3, 60.0)))
            for name, value in car.true_values().items():
                assert math.isfinite(value), name
                low, high = (-60.0, 260.0) if name.endswith("temp") else (0.0, 16000.0)
                assert low <= value <= high, (name, value)


def test_units_differ_and_each_is_always_itself() -> None:
    """A fleet of equal cars would hide every calibration fault."""
    one, same, other = driven(Car(1), 60), driven(Car(1), 60), driven(Car(2), 60)
    assert one == same
    assert one != other

"""These tests hold the cold room to physics: its cycles and figures, which way each ailment pulls, and that heat balances."""

import functools
import itertools
import math
import random
from dataclasses import dataclass

import pytest

from sickbay_sim.plant.cold_room import COOLING, THAWING, ColdRoom
from sickbay_sim.plant.cold_room_unit import saturation_kpa, vapour_ratio
from sickbay_sim.plant.plant import Plant

Rows = list[dict[str, float]]


def worked(room: ColdRoom, seconds: float, dt_s: float = 2.0) -> Rows:
    """This returns the true values of so many seconds."""
    rows = []
    for _ in range(round(seconds / dt_s)):
        room.step(dt_s)
        rows.append(room.true_values())
    return rows


def mean(rows: Rows, name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)


@dataclass
class Work:
    """What a stretch of work looked like: rows while cooling with the compressor on, those with it off, and its share."""

    on: Rows
    off: Rows
    room: ColdRoom

    @property
    def duty(self) -> float:
        return len(self.on) / (len(self.on) + len(self.off))


def work(room: ColdRoom, hours: float) -> Work:
    """This lets a room work without its defrosts in the picture; a row a 2 s, starts left out until pressures stand."""
    seen, since = Work([], [], room), 0.0
    for _ in range(round(hours * 1800)):
        room.step(2.0)
        since = since + 2 if room.unit.running else 0.0
        if room.phase == COOLING:
            (seen.on if since > 0 else seen.off).append(room.true_values())
    return seen


@functools.cache
def ill(kind: str, severity: float, **demands: float) -> Work:
    """This returns how a room worked with one ailment, the first quarter of an hour left out."""
    room = ColdRoom(1)
    for what, value in {"door": 0.0, **demands}.items():
        room.demand(what, value)
    room.suffer(kind, room.part_ailments[kind].targets[0], severity)
    worked(room, 900)
    return work(room, 1.2)


def test_it_is_a_plant_and_its_description_is_whole() -> None:
    """The bench knows a machine by this description alone; a name that is nowhere else would be a silent hole."""
    plant: Plant = ColdRoom(0)
    assert set(plant.true_values()) == set(plant.signals) == set(plant.ranges)
    assert {name for part in plant.parts.values() for name in part.signals} == set(plant.signals)
    for part in plant.parts.values():
        assert part.output is None or part.output in plant.relays
    for one, other in plant.redundant.items():
        assert plant.signals[one].unit == plant.signals[other].unit
    for ailment in plant.part_ailments.values():
        assert set(ailment.blamed) <= set(plant.parts)
        assert ailment.blamed or set(ailment.targets) <= {*plant.parts, *plant.relays}
    for demand in plant.demands.values():
        assert demand.low <= demand.usual <= demand.high


@pytest.mark.parametrize(
    ("temp_c", "kpa"), [(-40, 51.2), (-26.07, 101.3), (-10, 200.6), (0, 292.8), (40, 1016.6), (60, 1681.8)]
)
def test_the_refrigerant_boils_where_the_tables_say(temp_c: float, kpa: float) -> None:
    """Every pressure comes from this; the figures are ASHRAE's tables of R134a."""
    assert saturation_kpa(temp_c) == pytest.approx(kpa, rel=0.001)


@pytest.mark.parametrize(("temp_c", "grams"), [(-20, 0.637), (-10, 1.606), (0, 3.789), (20, 14.70)])
def test_air_holds_what_the_tables_say(temp_c: float, grams: float) -> None:
    """Frost and humidity come from this: grams of vapour a kg of dry, saturated air, ASHRAE Fundamentals, chapter 1."""
    assert 1000 * vapour_ratio(temp_c) == pytest.approx(grams, rel=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_a_spring_day_looks_as_one_of_a_real_store(seed: int) -> None:
    """-1 degC within its 1.8 K and the bulb's lag, 2 to 6 starts an hour, evaporating near -9, condensing 10-16 K above
    outdoors, a few defrosts that warm the coil beyond 5 degC."""
    room = ColdRoom(seed)
    rows, starts, thaws, running, phase, lift = [], 0, 0, room.unit.running, room.phase, []
    for _ in range(14400):
        room.step(2.0)
        rows.append(room.true_values())
        starts += room.unit.running and not running
        thaws += room.phase == THAWING and phase != THAWING
        running, phase = room.unit.running, room.phase
        if running and rows[-1]["discharge_pressure"] > 0 and room.phase == COOLING:
            lift.append(room.unit.condenser_c - room.outdoor_c)
    assert -1.6 < mean(rows, "room_temp") < -0.6
    # A door in the morning rush or a defrost lifts the air, never the goods.
    assert max(row["room_temp"] for row in rows) < 4.0
    assert room.room.goods_c == pytest.approx(-1.0, abs=0.4)
    assert 16 <= starts <= 48
    assert 1 <= thaws <= 3
    assert max(row["evaporator_temp"] for row in rows) > 5
    running_rows = [row for row in rows if row["compressor_current"] > 0]
    assert 0.15 < len(running_rows) / len(rows) < 0.5
    assert 200 < min(row["suction_pressure"] for row in running_rows) < 230
    assert 10 < max(lift) < 18
    assert 2.5 < max(row["compressor_current"] for row in rows) < 4
    assert 80 < mean(rows, "humidity") < 92
    assert 8 < sum(b["door"] > a["door"] for a, b in itertools.pairwise(rows)) < 120


def test_it_begins_where_it_stays() -> None:
    """A unit learns from its first rows: they must be those of a room in the middle of its cycles."""
    for seed in range(3):
        room = ColdRoom(seed)
        first = mean(worked(room, 3600), "room_temp")
        assert first == pytest.approx(mean(worked(room, 3 * 3600, 4.0), "room_temp"), abs=0.4)


def test_air_answers_in_minutes_and_goods_in_hours() -> None:
    """With the unit off the air runs away within its time constant of 100-1600 s, the goods take hours."""
    room = ColdRoom(2)
    room.demand("door", 0.0)
    room.switch("compressor_relay", False)
    start = room.room.goods_c
    worked(room, 3600)
    air_s = room.room.p.air_j_k / (room.room.p.goods_w_k + room.room.p.walls_w_k)
    goods_s = room.room.goods_kg * 3300 / room.room.p.goods_w_k
    assert 100 < air_s < 1600 and goods_s > 2 * 3600
    assert room.room.air_c > room.room.goods_c + 1
    assert 0.3 < room.room.goods_c - start < 3


def test_heat_is_neither_made_nor_lost_on_the_way() -> None:
    """What came in less what the coil took is what air and goods hold, and the coil holds what it was given less what the
    compressor and the melt took: through doors, defrosts, deliveries and ailments."""
    room = ColdRoom(3)
    air, unit = room.room, room.unit
    held = air.stored_j - air.in_j + air.out_j
    coil = unit.p.coil_j_k * unit.coil_c - unit.in_j + unit.out_j
    for kind, severity in (
        ("fouling", 0.0),
        ("refrigerant_leak", 0.8),
        ("defrost_fail", 1.0),
        ("contactor_welded", 1.0),
    ):
        room.suffer(kind, room.part_ailments[kind].targets[0], severity)
        room.demand("goods_kg", 100.0 if severity else 0.0)
        worked(room, 2 * 3600, 1.7)
    assert air.in_j > 5e6
    assert air.stored_j - air.in_j + air.out_j == pytest.approx(held, abs=1e-6 * air.in_j)
    assert unit.p.coil_j_k * unit.coil_c - unit.in_j + unit.out_j == pytest.approx(coil, abs=1e-6 * unit.in_j)


def test_more_heat_leaves_than_was_taken_and_the_ratio_is_a_real_one() -> None:
    """A coefficient of performance above Carnot's would be a machine that cannot be."""
    room = ColdRoom(1)
    for _ in range(3600):
        room.step(2.0)
        unit = room.unit
        if unit.running and unit.electric_w > 0:
            cop = unit.cooling_w / unit.electric_w
            lift = max(5.0, unit.condenser_c - unit.coil_c)
            assert 1 < cop < 0.9 * (273.15 + unit.coil_c) / lift


@pytest.mark.parametrize("step_s", [0.1, 0.25, 2.0, 20.0])
def test_the_step_size_does_not_matter(step_s: float) -> None:
    """A rig at 20 x real time and a bench at 1 Hz must cool the same room: 0.1 K and 4 kPa on the way down from a warm start."""
    room, other = ColdRoom(4), ColdRoom(4)
    for each in (room, other):
        each.demand("goods_kg", 300.0)
        each.room.air_c = 6.0
    worked(room, 60, 1.0)
    worked(other, 60, step_s)
    for _ in range(12):
        worked(room, 20, 1.0)
        worked(other, 20, step_s)
        here, there = room.true_values(), other.true_values()
        assert here["room_temp"] == pytest.approx(there["room_temp"], abs=0.1)
        assert here["humidity"] == pytest.approx(there["humidity"], abs=1.5)
        assert here["suction_pressure"] == pytest.approx(there["suction_pressure"], abs=4)
        assert here["discharge_pressure"] == pytest.approx(there["discharge_pressure"], abs=8)


def test_a_days_work_is_the_same_at_any_step() -> None:
    """Cycles drift apart in phase; how much is run and at which temperature must not."""
    duties, temps = [], []
    for step_s in (1.0, 2.0, 10.0):
        room = ColdRoom(5)
        rows = worked(room, 4 * 3600, step_s)
        duties.append(sum(row["compressor_current"] > 0 for row in rows) / len(rows))
        temps.append(mean(rows, "room_temp"))
    assert duties == pytest.approx([duties[0]] * 3, abs=0.02)
    assert temps == pytest.approx([temps[0]] * 3, abs=0.08)


SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("kind", "shows"),
    [
        ("refrigerant_leak", {"suction_pressure": -50, "evaporator_temp": +2, "duty": +0.1}),
        ("fouling", {"discharge_pressure": +400, "compressor_current": +0.5}),
        ("icing", {"suction_pressure": -60, "evaporator_temp": -8, "fan_rpm": -70, "duty": +0.1}),
        ("fan_fail", {"fan_rpm": -1200, "suction_pressure": -50}),
        ("valve_wear", {"compressor_current": -0.8, "suction_pressure": +15, "discharge_pressure": -80, "duty": +0.3}),
        ("door_seal", {"duty": +0.1}),
    ],
)
def test_the_worse_it_is_the_more_it_shows(kind: str, shows: dict[str, float]) -> None:
    """Monotone in severity where it must show, in the right direction, and plain at the worst."""
    works = [ill(kind if severity else "icing", severity) for severity in SEVERITIES]
    for signal, by in shows.items():
        values = [each.duty if signal == "duty" else mean(each.on, signal) for each in works]
        # A share of a few cycles is known to about one of their ends.
        sign, slack = math.copysign(1, by), 0.03 if signal == "duty" else 0.04 * abs(by)
        assert all(sign * (worse - better) > -slack for better, worse in itertools.pairwise(values)), (signal, values)
        assert sign * (values[-1] - values[0]) > abs(by), (signal, values)


def test_frost_that_nothing_thaws_grows_from_day_to_day() -> None:
    """A dead defrost heater is slow by nature: hours hide it, days close the coil and lose the temperature."""
    sound, dead = ColdRoom(1), ColdRoom(1)
    dead.suffer("defrost_fail", "defrost_heater", 1.0)
    frost, closed = [], []
    dead.unit.frost_kg = sound.unit.frost_kg = 1.0
    for _ in range(2):
        frost.append(dead.unit.frost_kg)
        closed.append(dead.unit.blocked)
        worked(dead, 7 * 3600, 20.0)
    worked(sound, 7 * 3600, 20.0)
    frost.append(dead.unit.frost_kg)
    closed.append(dead.unit.blocked)
    assert frost == sorted(frost) and dead.unit.frost_kg > 2
    assert closed == sorted(closed) and dead.unit.blocked > 0.35
    assert sound.unit.frost_kg < 1
    dead.suffer("defrost_fail", "defrost_heater", 0.0)
    worked(dead, 7 * 3600, 20.0)
    assert dead.unit.frost_kg < 1


def test_a_heat_wave_is_not_a_dirty_condenser() -> None:
    """Both raise the pressure while it runs. At rest the condenser has the outdoor temperature: only the heat raises that."""
    sound, hot, dirty = ill("icing", 0.0), ill("icing", 0.0, weather_k=10.0), ill("fouling", 0.65)
    running = [mean(each.on, "discharge_pressure") for each in (sound, hot, dirty)]
    resting = [min(row["discharge_pressure"] for row in each.off) for each in (sound, hot, dirty)]
    of_heat, of_dirt = ((resting[n] - resting[0]) / (running[n] - running[0]) for n in (1, 2))
    assert running[1] > running[0] + 200 and running[2] > running[0] + 200
    assert of_heat > 0.65
    assert of_dirt < 0.35


def test_a_leak_is_not_an_iced_coil() -> None:
    """Both lower the suction pressure; at the coil's end a leak is warm, ice is cold."""
    sound, leak, ice = ill("icing", 0.0), ill("refrigerant_leak", 0.8), ill("icing", 0.55)
    for each in (leak, ice):
        assert mean(each.on, "suction_pressure") < mean(sound.on, "suction_pressure") - 15
    assert mean(leak.on, "evaporator_temp") > mean(sound.on, "evaporator_temp") + 1
    assert mean(ice.on, "evaporator_temp") < mean(sound.on, "evaporator_temp") - 2


def test_a_long_loading_is_a_load_and_not_a_fault() -> None:
    """A door held open and warm goods tax the room while every pressure keeps to its relation, and it recovers."""
    room = ColdRoom(1)
    room.demand("door", 1.0)
    room.demand("goods_kg", 300.0)
    open_ = worked(room, 1200)
    assert open_[-1]["door"] == 1 and open_[-1]["room_temp"] > 4
    assert open_[-1]["room_temp_b"] > open_[-1]["room_temp"]
    room.demand("door", 0.0)
    worked(room, 10 * 3600, 10.0)
    assert mean(worked(room, 3600), "room_temp") < 0
    warm = room.room.goods_kg
    room.demand("goods_kg", 0.0)
    assert room.room.goods_kg == pytest.approx(warm - 300)


def test_doors_keep_office_hours_and_weather_its_season() -> None:
    """Habits and seasons are what a unit must learn as its normal: none at night or on a Sunday, warm summers."""

    def openings(day: float, hours: float) -> int:
        room = ColdRoom(2)
        room.demand("day", day)
        rows = worked(room, hours * 3600, 4.0)
        return sum(b["door"] > a["door"] for a, b in itertools.pairwise(rows))

    assert openings(121, 4) > 6
    assert openings(125, 4) == 0  # a Sunday
    room = ColdRoom(2)
    room.demand("door", -1.0)
    worked(room, 11 * 3600, 20.0)
    assert all(row["door"] == 0 for row in worked(room, 3 * 3600, 20.0))  # from nine at night to midnight
    world = ColdRoom(7).world
    winter = [world.outdoor_c(86400.0 * day + 43200) for day in range(60)]
    summer = [world.outdoor_c(86400.0 * day + 43200) for day in range(170, 230)]
    assert -6 < sum(winter) / 60 < 8 and 17 < sum(summer) / 60 < 27
    day = [world.outdoor_c(86400.0 * 180 + 3600 * hour) for hour in range(24)]
    assert max(day) - min(day) > 4


def test_a_contactor_that_sticks_runs_on_or_stays_out() -> None:
    """Welded it freezes the room, open it lets it warm; the agent's relay stands in series and still stops the first."""
    welded, open_ = ColdRoom(1), ColdRoom(1)
    welded.suffer("contactor_welded", "contactor", 1.0)
    open_.suffer("contactor_open", "contactor", 1.0)
    rows = worked(welded, 4 * 3600, 4.0)
    assert all(row["compressor_current"] > 0 for row in rows) and rows[-1]["room_temp"] < -4
    rows = worked(open_, 4 * 3600, 4.0)
    assert all(row["compressor_current"] == 0 for row in rows[1:]) and rows[-1]["room_temp"] > 2
    welded.switch("compressor_relay", False)
    assert worked(welded, 60)[-1]["compressor_current"] == 0


def test_relays_rule_their_circuits_and_their_faults_rule_them() -> None:
    """A read-back that follows the coil of a welded relay would hide the weld."""
    room = ColdRoom(1)
    for relay in room.relays:
        assert room.contacts(relay)
        room.suffer("relay_welded", relay, 1.0)
        room.switch(relay, False)
        assert room.contacts(relay)
        room.suffer("relay_welded", relay, 0.0)
        assert not room.contacts(relay)
        room.switch(relay, True)
        assert room.contacts(relay)
    room.suffer("relay_open", "fan_relay", 1.0)
    assert not room.contacts("fan_relay")
    assert worked(room, 60)[-1]["fan_rpm"] < 1
    with pytest.raises(KeyError):
        room.switch("pump_relay", True)
    with pytest.raises(KeyError):
        room.suffer("fouling", "coil", 1.0)


def test_everything_recovers() -> None:
    """After a repair it must be the room it was, else a release could never be judged."""
    room, sound = ColdRoom(6), ColdRoom(6)
    for kind, ailment in room.part_ailments.items():
        room.suffer(kind, ailment.targets[0], 1.0)
    worked(room, 3600, 4.0)
    worked(sound, 3600, 4.0)
    for kind, ailment in room.part_ailments.items():
        room.suffer(kind, ailment.targets[0], 0.0)
    worked(room, 5 * 3600, 4.0)
    worked(sound, 5 * 3600, 4.0)
    assert mean(worked(room, 7200), "room_temp") == pytest.approx(mean(worked(sound, 7200), "room_temp"), abs=0.3)


def test_no_mistreatment_makes_nonsense() -> None:
    """Any ailment, demand and step at once: numbers stay finite and within what a sensor can say."""
    chance = random.Random("cold-room fuzz")
    for seed in range(2):
        room = ColdRoom(seed)
        for _ in range(200):
            kind = chance.choice(list(room.part_ailments))
            room.suffer(
                kind, chance.choice(room.part_ailments[kind].targets), chance.choice((0.0, 1e-6, 0.5, 1.0, 7.0))
            )
            what = chance.choice(list(room.demands))
            room.demand(what, chance.choice((room.demands[what].low, room.demands[what].high, 1e9, -1e9, 0.0)))
            room.switch(chance.choice(list(room.relays)), chance.random() < 0.7)
            room.step(chance.choice((1e-3, 0.1, 1.0, 7.3, 600.0)))
            for name, value in room.true_values().items():
                assert math.isfinite(value), name
                low, high = (-70.0, 90.0) if name.endswith(("temp", "temp_b")) else (0.0, 3900.0)
                assert low <= value <= high, (name, value)


def test_units_differ_and_each_is_always_itself() -> None:
    """A fleet of equal rooms would hide every calibration fault."""
    one, same, other = worked(ColdRoom(1), 60), worked(ColdRoom(1), 60), worked(ColdRoom(2), 60)
    assert one == same
    assert one != other

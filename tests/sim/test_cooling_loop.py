"""These tests hold the cooling loop to physics: nominal figures, balance of energy, the right direction of every effect."""

import dataclasses
import itertools
import math

import pytest

from sickbay_sim.plant.cooling_loop import (
    CURRENT_NOMINAL_A,
    FLOW_NOMINAL,
    HEAD_NOMINAL_PA,
    LITRE_MIN,
    NOMINAL,
    SPEED_NOMINAL,
    Condition,
    CoolingLoop,
    Parameters,
    drawn,
)
from sickbay_sim.plant.cooling_loop_unit import vapour_kpa

CALM = dataclasses.replace(NOMINAL, wander=0.0)


def settled(parameters: Parameters = CALM, **condition: float) -> CoolingLoop:
    """This returns a loop in the steady state of a condition."""
    loop = CoolingLoop(0, parameters, Condition(**condition))
    for _ in range(4000):
        loop.step(1.0)
    return loop


def test_the_nominal_point_is_the_one_on_the_plate() -> None:
    """About 16 L/min, 62 kPa, 2.1 A and 3060 rev/min; models are fitted to these."""
    loop = CoolingLoop(0, CALM)
    assert loop.flow == pytest.approx(FLOW_NOMINAL, rel=0.002)
    assert loop.head_pa == pytest.approx(HEAD_NOMINAL_PA, rel=0.002)
    assert loop.current_a == pytest.approx(CURRENT_NOMINAL_A, rel=0.002)
    assert loop.omega == pytest.approx(SPEED_NOMINAL, rel=0.002)


def test_it_begins_where_it_stays() -> None:
    """A unit learns from its first rows; a start-up transient there would become its idea of normal."""
    loop = CoolingLoop(3, dataclasses.replace(drawn(3), wander=0.0))
    first = (loop.flow, loop.omega, loop.fan_rpm, loop.block_c, loop.hot_c, loop.cold_c)
    for _ in range(1000):
        loop.step(1.0)
    assert (loop.flow, loop.omega, loop.fan_rpm, loop.block_c, loop.hot_c, loop.cold_c) == pytest.approx(
        first, rel=1e-6
    )


def test_in_the_steady_state_all_heat_leaves() -> None:
    """What goes in comes out, else the loop would warm for ever."""
    for loop in (settled(), settled(fouling=0.3), settled(pump_wear=0.4)):
        assert loop.heat_out_w == pytest.approx(loop.heat_in_w, rel=1e-6)


def test_energy_is_neither_made_nor_lost_on_the_way() -> None:
    """Between two states the stored heat grows by what went in less what went out."""
    loop = CoolingLoop(0, CALM)
    before, balance = loop.stored_j, 0.0
    loop.condition.fan_broken = True
    for _ in range(6000):
        loop.step(0.05)
        balance += (loop.heat_in_w - loop.heat_out_w) * 0.05
    assert loop.stored_j - before == pytest.approx(balance, rel=0.001)
    assert balance > 500e3


def test_the_pump_gives_less_than_the_motor_takes() -> None:
    """Electric power > shaft power > hydraulic power; a pump of this size has a third of it in the water."""
    for wear in (0.0, 0.5):
        loop = settled(pump_wear=wear)
        electric_w = loop.current_a * CALM.volts * loop.supply
        assert electric_w > loop.shaft_w > loop.hydraulic_w > 0
    loop = settled()
    assert 0.25 < loop.hydraulic_w / (loop.current_a * CALM.volts) < 0.5


def test_affinity_laws_hold() -> None:
    """At a lower speed flow falls with n and pressure with n squared (the hose's laminar share bends it a little)."""
    loop = settled(dataclasses.replace(CALM, volts=12.0))
    s = loop.omega / SPEED_NOMINAL
    assert 0.45 < s < 0.65
    assert loop.flow / FLOW_NOMINAL == pytest.approx(s, rel=0.05)
    assert loop.head_pa / HEAD_NOMINAL_PA == pytest.approx(s * s, rel=0.05)


@pytest.mark.parametrize("step_s", [0.01, 0.05, 0.25, 1.0, 20.0])
def test_the_step_size_does_not_matter(step_s: float) -> None:
    """A rig at 20 x real time and a bench at 1 Hz must be the same machine, or a model fitted on one fails on the other."""
    loop, fine = CoolingLoop(0, CALM), CoolingLoop(0, CALM)
    for each, dt_s in ((loop, step_s), (fine, 0.01)):
        each.condition.fan_broken = True
        each.condition.pump_wear = 0.3
        for _ in range(round(60 / dt_s)):
            each.step(dt_s)
    assert loop.flow == pytest.approx(fine.flow, rel=0.002)
    assert loop.cold_c == pytest.approx(fine.cold_c, abs=0.05)
    assert loop.hot_c == pytest.approx(fine.hot_c, abs=0.05)


def test_a_dead_fan_warms_the_outlet_clearly_and_steadily() -> None:
    """This tells a dead fan from a dead tach. 2 s at 20 x real time are 40 s here; the sensor's noise is 0.04 K."""
    loop = CoolingLoop(0, CALM)
    loop.condition.fan_on = False
    seen = [loop.cold_c]
    for _ in range(40):
        loop.step(1.0)
        seen.append(loop.cold_c)
    assert all(later > earlier for earlier, later in itertools.pairwise(seen))
    assert seen[40] - seen[0] > 5.0
    assert loop.fan_rpm < 1


def test_the_thermal_constant_is_minutes_not_seconds() -> None:
    """A real loop of this size needs 100 s and more; a faster one would flatter every detector."""
    loop = settled(fouling=0.3)
    goal = settled().cold_c
    loop.condition.fouling = 0.0
    start, elapsed_s = loop.hot_c + loop.block_c, 0.0
    end = settled().hot_c + settled().block_c
    while (loop.hot_c + loop.block_c - end) / (start - end) > math.exp(-1):
        loop.step(1.0)
        elapsed_s += 1
    assert elapsed_s > 100
    assert goal < loop.cold_c + 1


def test_more_wear_means_less_of_everything_but_vibration() -> None:
    """The relations that a diagnosis goes by: flow, pressure and current fall together, vibration grows."""
    loops = [settled(pump_wear=wear) for wear in (0.0, 0.2, 0.4, 0.6, 0.8)]
    for healthier, worse in itertools.pairwise(loops):
        assert worse.flow < healthier.flow
        assert worse.head_pa < healthier.head_pa
        assert worse.current_a < healthier.current_a
        assert worse.vibration_g > healthier.vibration_g


def test_a_blocked_hose_is_not_a_worn_pump() -> None:
    """Flow falls while pressure rises: one relation broken, and so another part."""
    free, blocked = settled(), settled(blockage=0.5)
    assert blocked.flow < 0.85 * free.flow
    assert blocked.head_pa > 1.05 * free.head_pa


def test_a_dead_pump_stops_the_water_and_the_thermostat_saves_the_block() -> None:
    """No current, no flow, no pressure; the heat source's own cut-out keeps it from boiling."""
    loop = CoolingLoop(0, CALM)
    loop.condition.pump_broken = True
    hottest = 0.0
    for _ in range(1200):
        loop.step(1.0)
        hottest = max(hottest, loop.block_c)
    assert loop.current_a == 0
    assert loop.flow / LITRE_MIN < 0.01
    assert abs(loop.head_pa) < 100
    assert CALM.cutout_c < hottest < CALM.cutout_c + 3


def test_everything_recovers() -> None:
    """After the fault the loop must be the machine it was, else a release could never be judged."""
    loop, sound = settled(), CoolingLoop(0, CALM)
    loop.condition = Condition(fan_broken=True, pump_broken=True)
    for _ in range(600):
        loop.step(1.0)
    loop.condition = Condition()
    for _ in range(4000):
        loop.step(1.0)
    assert loop.cold_c == pytest.approx(sound.cold_c, abs=0.01)
    assert loop.flow == pytest.approx(sound.flow, rel=1e-4)


def test_units_differ_and_each_is_always_itself() -> None:
    """A fleet of equal units would hide every calibration fault."""
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    flows = [CoolingLoop(0, dataclasses.replace(drawn(seed), wander=0.0)).flow for seed in range(8)]
    assert 0.005 < (max(flows) - min(flows)) / FLOW_NOMINAL < 0.1


def turned(**ills: float) -> CoolingLoop:
    """This returns a loop an hour after ailments began, by the plant's own door."""
    loop = CoolingLoop(0, CALM)
    for kind, severity in ills.items():
        loop.suffer(kind, CoolingLoop.part_ailments[kind].targets[0], severity)
    loop.step(3600.0)
    return loop


# What grows (+) and what falls (-) all the way with each ailment; a technician's table of symptoms.
SYMPTOMS = {
    "bearing": "+bearing_temp +vibration +vibration_velocity +current -pump_rpm -flow -pressure",
    "impeller": "-flow -pressure -current +vibration +vibration_velocity +pump_rpm +inlet_temp",
    "clog": "-flow +pressure -current +inlet_temp +block_temp +suction_pressure +discharge_pressure",
    "blockage": "-flow +pressure -current +inlet_temp +block_temp +suction_pressure +discharge_pressure",
    "winding": "-current -pump_rpm -flow -pressure",
    "fan": "-fan_rpm +inlet_temp +outlet_temp +block_temp",
    "fouling": "+inlet_temp +outlet_temp +block_temp",
    "heater_scale": "+block_temp",
    "cavitation": "-suction_pressure -discharge_pressure",
}
UNMOVED = {
    "bearing": "suction_pressure supply_v fan_rpm",
    "clog": "fan_rpm supply_v vibration_kurtosis",
    "fan": "flow pressure current vibration",
    "fouling": "flow pressure current vibration fan_rpm",
    "heater_scale": "flow pressure current inlet_temp outlet_temp fan_rpm",
    "winding": "supply_v fan_rpm vibration_kurtosis",
}


@pytest.mark.parametrize("kind", SYMPTOMS)
def test_each_ailment_worsens_its_own_symptoms_all_the_way(kind: str) -> None:
    """Monotone in severity, or a trend could not tell the time that is left."""
    course = [turned(**{kind: severity}).true_values() for severity in (0.0, 0.1, 0.3, 0.5, 0.7, 0.85)]
    for symptom in SYMPTOMS[kind].split():
        sign = 1 if symptom[0] == "+" else -1
        values = [sign * at[symptom[1:]] for at in course]
        assert all(a < b for a, b in itertools.pairwise(values)), (symptom, values)
    for name in UNMOVED.get(kind, "").split():
        assert course[-1][name] == pytest.approx(course[0][name], rel=0.02), name


def test_a_bearing_warms_and_knocks_before_it_shakes() -> None:
    """Heat and kurtosis come first and RMS later; late wear knocks less, since it knocks all the time."""
    sound, young, old = (turned(bearing=severity).true_values() for severity in (0.0, 0.3, 1.0))
    assert young["bearing_temp"] - sound["bearing_temp"] > 10
    assert young["vibration_kurtosis"] > 8 > old["vibration_kurtosis"] > 4
    assert young["vibration"] < 1.2 * sound["vibration"] and old["vibration"] > 4 * sound["vibration"]
    assert 90 < old["bearing_temp"] < 110


def test_a_clog_lowers_the_current_of_a_centrifugal_pump() -> None:
    """Less water to lift is less work; a bearing is what raises it. That tells the two apart."""
    assert turned(clog=0.5).current_a < 0.9 * CURRENT_NOMINAL_A
    assert turned(bearing=0.5).current_a > 1.1 * CURRENT_NOMINAL_A


def test_cavitation_waits_for_the_suction_head_to_run_out() -> None:
    """Long before the head falls the suction pressure tells; and hot water boils sooner than cold."""
    early, late = turned(cavitation=0.5), turned(cavitation=1.0)
    assert early.suction_kpa < 60 and early.head_pa == pytest.approx(HEAD_NOMINAL_PA, rel=0.002)
    assert late.head_pa < 0.9 * HEAD_NOMINAL_PA
    assert late.vibration_g > 2 * early.vibration_g and late.kurtosis > 4
    hot = turned(cavitation=0.75, fouling=0.9)
    assert hot.bubbles > turned(cavitation=0.75).bubbles + 0.2


def test_vapour_pressure_is_that_of_the_steam_tables() -> None:
    """IAPWS: 2.34 kPa at 20 degC, 7.38 at 40, 31.2 at 70, 101.3 at 100."""
    for temp_c, kpa in ((20, 2.339), (40, 7.384), (70, 31.20), (100, 101.4)):
        assert vapour_kpa(temp_c) == pytest.approx(kpa, rel=0.01)


def test_a_leak_empties_the_tank_then_takes_the_pump_and_mending_it_fills_up() -> None:
    """The float tells first. There is time to act on it: minutes until the pump draws air."""
    loop = CoolingLoop(0, CALM)
    loop.suffer("leak", "hose", 1.0)
    loop.step(240.0)
    early = loop.true_values()
    assert early["float_switch"] == 0.0 and early["flow"] == pytest.approx(16.0, rel=0.01)
    assert 96 < early["suction_pressure"] < 98.5
    loop.step(900.0)
    assert loop.true_values()["flow"] < 8 and loop.true_values()["vibration"] > 0.2
    loop.suffer("leak", "hose", 0.0)
    loop.step(3000.0)
    assert loop.true_values() == pytest.approx(CoolingLoop(0, CALM).true_values(), rel=1e-3)


def test_topping_up_buys_time() -> None:
    """Somebody with a can is normal running; the leak is still there."""
    loop = CoolingLoop(0, CALM)
    loop.suffer("leak", "hose", 0.2)
    loop.step(1200.0)
    assert loop.level == pytest.approx(0.2, abs=0.01)
    loop.demand("refill", 1.0)
    assert loop.level == 1.0
    loop.step(300.0)
    assert loop.level == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("relay", ["fan_relay", "pump_relay"])
def test_contacts_do_what_their_relay_has(relay: str) -> None:
    """Welded ones stay closed, burnt ones open; the coil is what the agent drives, the contacts are what it reads back."""
    loop = CoolingLoop(0, CALM)
    loop.suffer("relay_welded", relay, 1.0)
    loop.switch(relay, False)
    assert loop.contacts(relay)
    loop.suffer("relay_welded", relay, 0.0)
    assert not loop.contacts(relay)
    loop.suffer("relay_open", relay, 0.1)
    loop.switch(relay, True)
    assert not loop.contacts(relay)
    loop.suffer("relay_open", relay, 0.0)
    assert loop.contacts(relay)


def test_what_is_asked_for_moves_the_machine_as_it_should() -> None:
    """Weather, load, supply and off hours: none of them is an ailment, all of them show."""

    def asked(what: str, value: float) -> dict[str, float]:
        loop = CoolingLoop(0, CALM)
        loop.demand(what, value)
        loop.step(3600.0)
        return loop.true_values()

    usual = CoolingLoop(0, CALM).true_values()
    assert asked("ambient_c", 32.0)["outlet_temp"] == pytest.approx(usual["outlet_temp"] + 10, abs=0.2)
    assert asked("load", 0.3)["inlet_temp"] < asked("load", 1.5)["inlet_temp"] - 20
    sag, slow = asked("supply", 0.8), asked("setpoint", 0.8)
    assert sag["flow"] == pytest.approx(slow["flow"], rel=1e-3) and sag["flow"] < 0.85 * usual["flow"]
    assert sag["supply_v"] == pytest.approx(19.2) and slow["supply_v"] == pytest.approx(24.0)
    off = asked("running", 0.0)
    assert off["flow"] < 0.01 and off["current"] == 0 and off["fan_rpm"] < 1
    for name in ("ambient_c", "load", "supply", "setpoint", "running"):
        assert asked(name, CoolingLoop.demands[name].usual) == pytest.approx(usual, rel=1e-4)


@pytest.mark.parametrize("step_s", [0.05, 0.25, 1.0, 10.0])
def test_the_step_size_does_not_matter_to_the_ill_either(step_s: float) -> None:
    """Cavitation and air act on the flow that makes them: no step may set them swinging."""
    ills = {"cavitation": 0.95, "bearing": 0.6, "heater_scale": 0.5, "leak": 0.8}
    loops = []
    for dt_s in (step_s, 0.05):
        loop = CoolingLoop(0, CALM)
        for kind, severity in ills.items():
            loop.suffer(kind, CoolingLoop.part_ailments[kind].targets[0], severity)
        for _ in range(round(500 / dt_s)):
            loop.step(dt_s)
        loops.append(loop.true_values())
    assert loops[0] == pytest.approx(loops[1], rel=0.005)


def test_no_unit_that_chance_draws_is_off_the_plate() -> None:
    """16 L/min, 62 kPa, 2.1 A, 3060 rev/min within a few percent, for fifty units."""
    for seed in range(50):
        at = CoolingLoop(seed).true_values()
        for name, nominal in (("flow", 16.0), ("pressure", 62.0), ("current", 2.1), ("pump_rpm", 3060.0)):
            assert at[name] == pytest.approx(nominal, rel=0.06), (seed, name)
        assert 34 < at["outlet_temp"] < at["inlet_temp"] < 50 and 30 < at["bearing_temp"] < 42
        assert CoolingLoop(seed).npsh_ratio > 8


def test_the_bearing_s_constant_is_ten_minutes() -> None:
    """A twentieth of the noise a second: what is slow must be told as slow."""
    loop = CoolingLoop(0, CALM)
    start, end = loop.bearing_c, turned(bearing=1.0).bearing_c
    loop.suffer("bearing", "pump", 1.0)
    elapsed_s = 0
    while (end - loop.bearing_c) / (end - start) > math.exp(-1):
        loop.step(1.0)
        elapsed_s += 1
    assert 400 < elapsed_s < 800


def test_a_hot_block_from_scale_is_not_a_hot_loop() -> None:
    """The water is as warm as ever, the block is not: that is the heater and not the fan."""
    assert turned(heater_scale=0.8).block_c > turned().block_c + 20


def test_the_description_holds_together() -> None:
    """Bench, rig and configuration are made from it alone."""
    names = set(CoolingLoop.signals)
    assert set(CoolingLoop.ranges) == names == set(CoolingLoop().true_values())
    assert {n for pair in CoolingLoop.redundant.items() for n in pair} <= names
    used = [n for part in CoolingLoop.parts.values() for n in part.signals]
    assert len(used) == len(set(used)) and set(used) <= names
    assert {part.output for part in CoolingLoop.parts.values() if part.output} == set(CoolingLoop.relays)
    for name, value in CoolingLoop().true_values().items():
        low, high = CoolingLoop.ranges[name]
        assert low <= value <= high
    assert all(d.low <= d.usual <= d.high for d in CoolingLoop.demands.values())


@pytest.mark.parametrize("cold_c", [5.0, 40.0, 59.9])
@pytest.mark.parametrize("flow", [0.0, 1.0, 1.29])
def test_ample_suction_is_never_short_of_suction(cold_c: float, flow: float) -> None:
    """It is the short way past the vapour pressure; at its own limits it must not hide a cavitation."""
    loop = CoolingLoop(0, CALM)
    loop.cold_c, loop.flow, loop.level = cold_c, flow * FLOW_NOMINAL, 0.0
    assert loop.ample_suction and loop.npsh_ratio > 4

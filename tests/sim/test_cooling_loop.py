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

"""This is what a cooling loop is built of: the nominal figures, one unit's parameters, and the units that chance makes."""

import math
import random
from dataclasses import dataclass, replace

from sickbay_sim.plant.cooling_loop_sheet import LITRE_MIN

WATER_KG_M3 = 998.0
WATER_J_KG_K = 4182.0
STEP_S_MAX = 0.25

FLOW_NOMINAL = 16 * LITRE_MIN
HEAD_NOMINAL_PA = 62e3
SPEED_NOMINAL = 3060 * 2 * math.pi / 60  # rad/s
CURRENT_NOMINAL_A = 2.1
VELOCITY_NOMINAL_MM_S = 1.1
AIR_KPA = 101.3
M_KPA = WATER_KG_M3 * 9.81e-3  # a metre of water
AIR_MAX = 0.12  # share of gas at which a small centrifugal pump has lost its prime
SPILL_S = 300.0  # in which a leak of severity 1 empties the tank
COLLAPSE_S = 1.0  # in which vapour fills or leaves the impeller
LAMINAR = 2e7  # Pa s/m3: slow flow is laminar, and so water comes to rest behind a pump at rest


@dataclass(frozen=True)
class Parameters:
    """What one unit is built of. `drawn` makes units that differ as real ones do."""

    shutoff_pa: float = 1.35 * HEAD_NOMINAL_PA  # the pump's head at no flow and nominal speed
    inertance: float = WATER_KG_M3 * 6.0 / (math.pi * 0.005**2)  # kg/m4: 6 m of 10 mm hose
    system_r: float = (HEAD_NOMINAL_PA - LAMINAR * FLOW_NOMINAL) / FLOW_NOMINAL**2  # Pa s2/m6
    volts: float = 24.0
    winding_ohm: float = 1.5
    rotor_kg_m2: float = 6e-5
    disc_share: float = 0.4  # of the nominal torque, the rest is Euler's
    vibration_g: float = 0.12
    heat_w: float = 5000.0
    ambient_c: float = 22.0
    block_j_k: float = 28e3
    hot_j_k: float = 6e3
    cold_j_k: float = 6e3
    block_w_k: float = 700.0  # heat source to coolant at nominal flow
    water_w_k: float = 1600.0  # coolant to radiator wall at nominal flow
    air_w_k: float = 950.0  # radiator wall to air at nominal fan speed
    air_capacity_w_k: float = 300.0  # density x specific heat x air flow at nominal fan speed
    draught: float = 0.08  # air flow that is left with the fan at rest, as a share
    casing_w_k: float = 4.0  # from hoses and casing to the room
    fan_rpm: float = 1800.0
    fan_s: float = 1.5
    suction_r: float = 4.0 / FLOW_NOMINAL**2  # kPa s2/m6 from tank to inlet
    tank_m: float = 0.3  # height of the water in a full tank above the inlet
    npsh_m: float = 1.0  # net positive suction head required at nominal flow, at which the head has lost 3 %
    bearing_nm: float = 1.5 / SPEED_NOMINAL  # friction of a sound bearing; a part of the disc's share
    bearing_j_k: float = 150.0
    bearing_w_k: float = 0.25
    cutout_c: float = 90.0  # the heat source's own thermostat
    cutin_c: float = 70.0
    wander: float = 0.01  # of load and supply, one standard deviation
    wander_s: float = 60.0


NOMINAL = Parameters()


def drawn(seed: int) -> Parameters:
    """This returns the parameters of one unit, each a few percent off the nominal, always the same for a seed."""
    chance = random.Random(f"cooling-loop {seed}")

    def about(value: float, spread: float) -> float:
        return value * (1 + spread * max(-2.0, min(2.0, chance.gauss(0, 1))))

    return replace(
        NOMINAL,
        shutoff_pa=about(NOMINAL.shutoff_pa, 0.01),
        system_r=about(NOMINAL.system_r, 0.015),
        winding_ohm=about(NOMINAL.winding_ohm, 0.01),
        vibration_g=about(NOMINAL.vibration_g, 0.1),
        heat_w=about(NOMINAL.heat_w, 0.02),
        ambient_c=NOMINAL.ambient_c + max(-2.0, min(2.0, chance.gauss(0, 1))),
        air_w_k=about(NOMINAL.air_w_k, 0.03),
        water_w_k=about(NOMINAL.water_w_k, 0.03),
        fan_rpm=about(NOMINAL.fan_rpm, 0.01),
    )


def vapour_kpa(temp_c: float) -> float:
    """This returns water's vapour pressure: Antoine's equation, its usual constants for 1..100 degC."""
    return 0.133322 * math.exp(2.302585 * (8.07131 - 1730.63 / (233.426 + max(1.0, temp_c))))


@dataclass
class Condition:
    """What is broken, and what the relays say. Ailments move it; physics reads it. Shares are 0 sound .. 1 worst."""

    fan_on: bool = True  # the relay's contacts
    pump_on: bool = True
    fan_broken: bool = False
    pump_broken: bool = False
    fan_slow: float = 0.0
    pump_wear: float = 0.0  # 0 new .. 1 hardly pumping
    fouling: float = 0.0  # 0 clean .. 1 no air through the radiator
    blockage: float = 0.0  # 0 free .. 0.95: the flow's cross-section that is gone
    clog: float = 0.0
    bearing: float = 0.0
    winding: float = 0.0
    scale: float = 0.0
    breather: float = 0.0
    leak: float = 0.0


# Which share each ailment moves.
SHARES = {
    "bearing": "bearing",
    "impeller": "pump_wear",
    "pump_wear": "pump_wear",
    "cavitation": "breather",
    "clog": "clog",
    "leak": "leak",
    "fan": "fan_slow",
    "winding": "winding",
    "fouling": "fouling",
    "heater_scale": "scale",
    "blockage": "blockage",
}


SLOPE = 0.35 * HEAD_NOMINAL_PA / FLOW_NOMINAL**2  # the pump curve's a


# The motor's k, such that the nominal one draws 2.1 A at 3060 rpm.
BACK_EMF = (NOMINAL.volts - CURRENT_NOMINAL_A * NOMINAL.winding_ohm) / SPEED_NOMINAL


# All torque at nominal speed is the pump's, less what the bearings take (see CoolingLoop._turn).
TORQUE_NOMINAL = BACK_EMF * CURRENT_NOMINAL_A - 2e-6 * SPEED_NOMINAL

"""This is the refrigerating unit of a cold room: compressor, condenser, evaporator with its fan, frost and its heater.

Where the formulae and figures come from:
- saturation pressure of R134a: the auxiliary equation of Tillner-Roth and Baehr, J. Phys. Chem. Ref. Data 23 (1994) 657
  (checked against ASHRAE Fundamentals, chapter 30: within 0.03 % from -40 to 80 degC); enthalpies of liquid and vapour
  are fits of the same tables, IIR reference, within 1 kJ/kg from -30 to 60 degC;
- reciprocating compressor: clearance volumetric efficiency 1 - c (r^(1/n) - 1) and isentropic work: Stoecker and Jones,
  Refrigeration and Air Conditioning, chapter 11; 4.7 m3/h, c 0.05, 60 % from terminals to gas;
- frost and dew: mass transfer by Lewis' relation, heat transfer / 1006 J/kg K; saturation over water and ice: Alduchov
  and Eskridge, J. Appl. Meteorology 35 (1996) 601 (Magnus form);
- evaporator 8-10 K and condenser 10-15 K from their air: usual designs; pressure switches, electric defrost that a
  thermostat on the coil ends, and a fan that waits for a cold coil: data sheets of coolers and condensing units.
"""

import math
import random
from dataclasses import dataclass, replace

R_VAPOUR = 8.314462 / 0.10203  # J/kg K of R134a
CP_AIR = 1006.0
MELT_J_KG = 334e3
SUBLIME_J_KG = 2.834e6
MAINS_V = 230.0
HIGH_OFF_KPA, HIGH_ON_KPA = 1800.0, 1400.0
LOW_OFF_KPA, LOW_ON_KPA = 110.0, 220.0
FROST_KG_MAX = 25.0


def saturation_kpa(temp_c: float) -> float:
    """This returns the pressure of boiling R134a: Tillner-Roth and Baehr, -100 to 100 degC."""
    kelvin = 273.15 + min(100.0, max(-70.0, temp_c))
    theta = 1 - kelvin / 374.18
    square = theta * theta
    series = -7.686556 * theta + 2.311791 * theta * math.sqrt(theta) - 2.039554 * square - 3.583758 * square * square
    return 4056.29 * math.exp(374.18 / kelvin * series)


def vapour_ratio(temp_c: float) -> float:
    """This returns kg of vapour a kg of dry air that saturated air holds, over ice below 0 degC."""
    temp_c = min(90.0, max(-70.0, temp_c))
    if temp_c < 0:
        kpa = 0.61121 * math.exp(22.587 * temp_c / (temp_c + 273.86))
    else:
        kpa = 0.61094 * math.exp(17.625 * temp_c / (temp_c + 243.04))
    return 0.622 * kpa / (101.325 - kpa)


@dataclass(frozen=True)
class UnitParameters:
    """What one refrigerating unit is built of."""

    swept_m3_s: float = 1.3e-3
    clearance: float = 0.05
    efficiency: float = 0.6
    idle_a: float = 1.6  # magnetising current
    coil_j_k: float = 10e3
    coil_w_k: float = 260.0  # to the air with the fan on, free of frost
    still_w_k: float = 12.0  # with the fan off
    condenser_j_k: float = 11e3
    condenser_w_k: float = 165.0
    lull_w_k: float = 22.0  # with its fan off
    frost_half_kg: float = 2.5  # frost that halves the coil
    heater_w: float = 1300.0
    fan_rpm: float = 1350.0
    fan_w: float = 55.0


def drawn(chance: random.Random) -> UnitParameters:
    """This returns one unit, a few percent off the nominal."""
    p = UnitParameters()
    return replace(
        p,
        swept_m3_s=p.swept_m3_s * chance.uniform(0.97, 1.03),
        efficiency=p.efficiency * chance.uniform(0.97, 1.03),
        coil_w_k=p.coil_w_k * chance.uniform(0.95, 1.05),
        condenser_w_k=p.condenser_w_k * chance.uniform(0.94, 1.06),
        fan_rpm=p.fan_rpm * chance.uniform(0.985, 1.015),
    )


@dataclass
class UnitCondition:
    """What is wrong with it, each 0 well .. 1 as bad as it gets."""

    charge_lost: float = 0.0
    condenser_dirty: float = 0.0
    iced: float = 0.0
    valves_worn: float = 0.0
    fan_lost: float = 0.0
    heater_lost: float = 0.0


class Unit:
    """The unit in motion. It is told what its contactors do; what it does to the air it answers."""

    def __init__(self, p: UnitParameters, air_c: float, outdoor_c: float) -> None:
        self.p = p
        self.condition = UnitCondition()
        self.coil_c = air_c - 4
        self.condenser_c = outdoor_c + 3
        self.frost_kg = 0.2
        self.fan_share = 1.0
        self.running = False
        self.suction_kpa = saturation_kpa(self.coil_c)
        self.discharge_kpa = saturation_kpa(self.condenser_c)
        self.electric_w = self.cooling_w = 0.0
        self.current_a = 0.0
        self.in_j = self.out_j = 0.0  # of the coil

    @property
    def wetted(self) -> float:
        """This is the share of the evaporator that liquid reaches. The receiver makes good the first 15 % of a loss."""
        charge = 1 - 0.7 * self.condition.charge_lost
        return max(0.06, min(1.0, (charge - 0.2) / 0.65))

    @property
    def blocked(self) -> float:
        """This is the share of the coil that ice and frost have closed."""
        frost = (self.frost_kg / self.p.frost_half_kg) ** 2
        return 1 - (1 - 0.92 * self.condition.iced) / (1 + frost)

    @property
    def fan_rpm(self) -> float:
        # An axial fan labours against a closed coil.
        return self.p.fan_rpm * self.fan_share * (1 - 0.08 * self.blocked)

    @property
    def coil_w_k(self) -> float:
        """This is what the coil takes from the air for each kelvin, W/K."""
        p = self.p
        return p.still_w_k + p.coil_w_k * math.pow(self.fan_share, 0.7) * (1 - self.blocked) * self.wetted

    def dew_kg_s(self, air_ratio: float) -> float:
        """This returns the vapour that the coil takes for each kg/kg of difference to its surface, kg/s."""
        gap = air_ratio - vapour_ratio(self.coil_c)
        if gap < 0 and self.frost_kg < 1e-4:
            return 0.0
        return self.coil_w_k / CP_AIR

    def step(
        self, dt_s: float, heat_w: float, dew_kg_s: float, outdoor_c: float, on: bool, fan: bool, heat: bool
    ) -> None:
        """This moves on by one step: `heat_w` and `dew_kg_s` are what the air gave the coil in it; `on`, `fan` and
        `heat` say which circuits are live."""
        p, ill = self.p, self.condition
        goal = 1 - ill.fan_lost if fan else 0.0
        if goal != self.fan_share:
            self.fan_share = goal + (self.fan_share - goal) * math.exp(-dt_s / 3)
        self.running = on
        self.cooling_w = self.electric_w = 0.0
        if on:
            self._compress()
        heater = p.heater_w * (1 - ill.heater_lost) if heat else 0.0
        melt = min(250.0 * self.coil_c, self.frost_kg * MELT_J_KG / dt_s) if self.coil_c > 0 else 0.0
        freezes = self.coil_c < 0 or dew_kg_s < 0
        latent = dew_kg_s * SUBLIME_J_KG
        # The colder it boils the less it takes, about 3.5 % a kelvin: linear in the new temperature.
        slope = 0.035 * self.cooling_w
        c = p.coil_j_k / dt_s
        change = (heat_w + latent + heater - melt - self.cooling_w) / (c + slope)
        self.cooling_w += slope * change
        self.coil_c += change
        self.in_j += (heat_w + latent + heater) * dt_s
        self.out_j += (self.cooling_w + melt) * dt_s
        grown = dew_kg_s * dt_s if freezes else 0.0
        self.frost_kg = min(FROST_KG_MAX, max(0.0, self.frost_kg + grown - melt * dt_s / MELT_J_KG))
        sheds = p.condenser_w_k * (1 - 0.85 * ill.condenser_dirty) if on else p.lull_w_k
        c = p.condenser_j_k / dt_s
        rejected = self.cooling_w + 0.9 * self.electric_w
        self.condenser_c = (c * self.condenser_c + rejected + sheds * outdoor_c) / (c + sheds)
        self.suction_kpa = saturation_kpa(self.coil_c)
        self.discharge_kpa = saturation_kpa(self.condenser_c)
        self.current_a = math.hypot(self.electric_w / MAINS_V, p.idle_a) if on else 0.0

    def _compress(self) -> None:
        """This sets cooling and electric power by the two pressures as they stand."""
        p = self.p
        suction, discharge = self.suction_kpa, max(self.discharge_kpa, 1.05 * self.suction_kpa)
        ratio = discharge / suction
        fill = 0.95 * (1 - p.clearance * (ratio ** (1 / 1.1) - 1)) * (1 - 0.7 * self.condition.valves_worn)
        # Vapour 8 K above saturation; its compressibility falls by 0.3 a MPa.
        density = suction * 1e3 / ((1 - 3e-4 * suction) * R_VAPOUR * (self.coil_c + 8 + 273.15))
        kg_s = max(0.05, fill) * p.swept_m3_s * density
        vapour = 398.6 + 0.58 * self.coil_c + 0.85 * 8
        liquid_c = self.condenser_c - 3
        liquid = 200 + 1.335 * liquid_c + 0.0019 * liquid_c * liquid_c
        self.cooling_w = kg_s * 1e3 * max(20.0, vapour - liquid)
        work = 11.0 * suction * 1e3 / density * (ratio ** (1 / 11.0) - 1)
        self.electric_w = kg_s * work / p.efficiency + 40.0

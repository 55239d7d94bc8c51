"""This is what keeps a car's engine at its temperature: block, coolant, pump, wax thermostat, radiator, fan.

Where the formulae and figures come from:
- three heat balances (metal, coolant in the engine, coolant and metal of the radiator) in backward Euler;
- radiator: effectiveness-NTU, cross flow, both unmixed: Incropera, Fundamentals of Heat and Mass Transfer, table 11.4;
  films ~ flow^0.8 in tubes (Dittus-Boelter) and ~ flow^0.6 over fins;
- wax thermostat: starts to open at 84-87 degC, wide open 13 K above, follows with the wax' lag and with the play of
  its stem and seal (hysteresis 1 K): data sheets give 82-95 degC and "fully open 12-15 K above";
- fan switch on at 95, off at 90 degC, pressure cap 1.1 bar with 50 % glycol boils at 125 degC: workshop manuals of
  compact cars; flow of the pump ~ engine speed (the affinity laws).
"""

import math
import random
from dataclasses import dataclass, replace

COOLANT_J_KG_K = 3500.0  # half water, half glycol, at 85 degC
COOLANT_KG_L = 1.03
BOILS_C = 125.0
FAN_ON_C = 95.0
FAN_OFF_C = 90.0
FAN_S = 2.0
CABIN_C = 20.0


@dataclass(frozen=True)
class CoolingParameters:
    """What one car's cooling system is built of."""

    metal_j_k: float = 82e3
    engine_l: float = 3.6  # coolant in engine, hoses and heater
    radiator_l: float = 2.2
    radiator_j_k: float = 4e3  # its metal
    opens_c: float = 85.3
    range_k: float = 13.0
    wax_s: float = 5.0
    play_k: float = 0.8
    leak: float = 0.004  # of the flow, past a closed thermostat: the air bleed
    pump_kg_s: float = 1.2  # at 3000 rev/min, thermostat open
    metal_w_k: float = 900.0  # metal to coolant at that flow
    water_w_k: float = 2600.0  # radiator's inside at that flow
    fins_w_k: float = 1500.0  # radiator's outside at 1.5 kg/s of air
    fan_kg_s: float = 0.7
    ram_kg_m: float = 0.060  # air through the radiator per metre driven
    draught_kg_s: float = 0.015
    heater_w_k: float = 60.0


def drawn(chance: random.Random) -> CoolingParameters:
    """This returns one cooling system, a few percent off the nominal."""
    p = CoolingParameters()
    return replace(
        p,
        metal_j_k=p.metal_j_k * chance.uniform(0.93, 1.07),
        opens_c=p.opens_c + chance.uniform(-0.6, 0.6),
        pump_kg_s=p.pump_kg_s * chance.uniform(0.95, 1.05),
        fins_w_k=p.fins_w_k * chance.uniform(0.93, 1.07),
        fan_kg_s=p.fan_kg_s * chance.uniform(0.95, 1.05),
    )


@dataclass
class CoolingCondition:
    """What is wrong with it, each 0 well .. 1 as bad as it gets."""

    held_open: float = 0.0  # the thermostat cannot close further than this
    held_closed: float = 0.0  # nor open further than 1 less this
    fan_lost: float = 0.0
    impeller_lost: float = 0.0
    coolant_lost: float = 0.0  # of all coolant, times 0.8
    clogged: float = 0.0  # fins
    belt_slips: float = 0.0


class Cooling:
    """The cooling system in motion. Energies since the beginning are summed, so that its balance can be struck."""

    def __init__(self, p: CoolingParameters, ambient_c: float, warm: bool = True) -> None:
        self.p = p
        self.condition = CoolingCondition()
        self.metal_c = self.coolant_c = p.opens_c + 1.5 if warm else ambient_c
        self.radiator_c = ambient_c
        self.wax_c = self.stem_c = self.coolant_c
        self.opening = 0.0
        self.fan_wanted = False
        self.fan_share = 0.0  # of its nominal speed
        self.in_j = self.out_j = 0.0

    @property
    def stored_j(self) -> float:
        """This is the heat in it above 0 degC, as long as no coolant is lost."""
        engine, radiator = self._capacities()
        return self.p.metal_j_k * self.metal_c + engine * self.coolant_c + radiator * self.radiator_c

    def _capacities(self) -> tuple[float, float]:
        left = 1 - 0.8 * self.condition.coolant_lost
        per_l = left * COOLANT_KG_L * COOLANT_J_KG_K
        return self.p.engine_l * per_l, self.p.radiator_l * per_l + self.p.radiator_j_k

    def step(self, dt_s: float, heat_w: float, rpm: float, speed_m_s: float, ambient_c: float, powered: bool) -> None:
        """This moves on by one step; `powered` says whether the fan's circuit is live."""
        p, ill = self.p, self.condition
        self._breathe(dt_s, powered)
        # Below 60 % of the coolant the pump sucks air, below 25 % it moves none.
        level = 1 - 0.8 * ill.coolant_lost
        primed = max(0.02, min(1.0, (level - 0.25) / 0.35))
        turns = rpm / 3000 * (1 - 0.8 * ill.belt_slips) * (1 - 0.95 * ill.impeller_lost) * primed
        # Warm water rises: a pump at rest leaves 1.5 % of the flow.
        flow = p.pump_kg_s * max(0.015 * primed, turns)
        part = (flow / p.pump_kg_s) ** 0.8
        # Curtain area over a small lift: the flow grows faster than the lift.
        share = max(p.leak, self.opening * math.sqrt(self.opening))
        through = flow * share * COOLANT_J_KG_K
        metal = p.metal_w_k * (0.02 + 0.98 * part)
        skin = 8.0 + 0.7 * speed_m_s
        heater = p.heater_w_k * max(0.0, min(1.0, (CABIN_C - ambient_c) / 25)) * min(1.0, 2 * part) if rpm > 0 else 0.0
        boiling = 8000.0 if self.coolant_c > BOILS_C else 0.0
        radiator, still = self._radiator_w_k(through, share * flow, speed_m_s)
        engine_j_k, radiator_j_k = self._capacities()
        cm, ce, cr = p.metal_j_k / dt_s, engine_j_k / dt_s, radiator_j_k / dt_s
        # metal:    (cm + metal + skin) Tm - metal Te = cm Tm' + heat + skin Ta
        # engine:   (ce + metal + through + heater + boiling) Te - metal Tm - through Tr = ce Te' + ...
        # radiator: (cr + through + still) Tr - (through - radiator) Te = cr Tr' + (radiator + still) Ta
        m_all, r_all = cm + metal + skin, cr + through + still
        m0, m1 = (cm * self.metal_c + heat_w + skin * ambient_c) / m_all, metal / m_all
        r0 = (cr * self.radiator_c + (radiator + still) * ambient_c) / r_all
        r1 = (through - radiator) / r_all
        known = ce * self.coolant_c + heater * CABIN_C + boiling * BOILS_C + metal * m0 + through * r0
        coolant = known / (ce + metal * (1 - m1) + through * (1 - r1) + heater + boiling)
        self.metal_c, self.coolant_c, self.radiator_c = m0 + m1 * coolant, coolant, r0 + r1 * coolant
        self.in_j += heat_w * dt_s
        self.out_j += dt_s * (
            skin * (self.metal_c - ambient_c)
            + heater * (coolant - CABIN_C)
            + boiling * (coolant - BOILS_C)
            + radiator * (coolant - ambient_c)
            + still * (self.radiator_c - ambient_c)
        )
        self._open(dt_s)

    def _breathe(self, dt_s: float, powered: bool) -> None:
        """This lets the fan switch itself and the fan run up or down."""
        if self.coolant_c > FAN_ON_C:
            self.fan_wanted = True
        elif self.coolant_c < FAN_OFF_C:
            self.fan_wanted = False
        goal = 1 - self.condition.fan_lost if self.fan_wanted and powered else 0.0
        if goal != self.fan_share:
            self.fan_share = goal + (self.fan_share - goal) * math.exp(-dt_s / FAN_S)

    def _open(self, dt_s: float) -> None:
        """This lets the wax follow the coolant and the stem follow the wax, with play."""
        p, ill = self.p, self.condition
        self.wax_c = wax = self.coolant_c + (self.wax_c - self.coolant_c) * math.exp(-dt_s / p.wax_s)
        self.stem_c = min(max(self.stem_c, wax - p.play_k / 2), wax + p.play_k / 2)
        lift = max(0.0, min(1.0, (self.stem_c - p.opens_c) / p.range_k))
        self.opening = max(ill.held_open, min(1 - ill.held_closed, lift))

    def _radiator_w_k(self, water: float, kg_s: float, speed_m_s: float) -> tuple[float, float]:
        """This returns W/K from hot coolant to air by the flow through, and from the standing radiator to air."""
        p = self.p
        ram = p.ram_kg_m * speed_m_s
        # Fan and headwind push one after the other: pressures add, so flows add by squares.
        fan = p.fan_kg_s * self.fan_share
        breath = (p.draught_kg_s + math.sqrt(ram * ram + fan * fan)) * (1 - 0.97 * self.condition.clogged)
        air = 1005.0 * breath
        outside = p.fins_w_k * (breath / 1.5) ** 0.6
        still = 0.03 * min(outside, air)
        if water < 0.5:
            return 0.0, still
        ua = 1 / (1 / (p.water_w_k * (kg_s / p.pump_kg_s) ** 0.8) + 1 / outside)
        low, high = min(water, air), max(water, air)
        ntu, cr = ua / low, low / high
        effectiveness = 1 - math.exp(ntu**0.22 / cr * (math.exp(-cr * ntu**0.78) - 1))
        return effectiveness * low, still

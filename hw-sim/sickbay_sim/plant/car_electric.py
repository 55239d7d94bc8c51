"""This is a car's electrical system: battery, alternator with its regulator, starter, and everything that draws.

Where the formulae and figures come from:
- voltage at rest over charge, 11.89 V empty to 12.65 V full: Battery Council International's table for flooded
  lead-acid at 27 degC; as a source with a resistance and one RC for polarisation (Thevenin, e.g. Jossen,
  Fundamentals of battery dynamics, J. Power Sources 154, 2006); charging meets more resistance the fuller it is;
- alternator's greatest current over speed, about half at idle and nearly all at 6000 rev/min of its own, and a regulator
  of 13.6-14 V that gives way a little under load: Bosch Automotive Handbook, alternators;
- starter as a resistance of 0.03 ohm at cranking speed: 9-10.5 V for about a second at 300-350 A.
Each step solves one node: all sources and draws meet at the voltage that the engine control module reports (PID 42).
"""

import math
import random
from dataclasses import dataclass, replace

EMPTY_V, FULL_V = 11.89, 12.65
DISCHARGE_OHM = 0.02  # polarisation
POLARISES_S = 60.0
STARTER_OHM = 0.031
RELEASES_V = 5.5  # below this the starter's solenoid lets go
FAN_W = 180.0
BRAKE_LAMPS_W = 63.0
RUNNING_W = 180.0  # ignition, injection, fuel pump
AWAKE_W = 40.0  # modules that answer while the engine is off
ASLEEP_W = 4.0  # and when they have gone to sleep
FALLS_ASLEEP_S = 600.0


@dataclass(frozen=True)
class ElectricParameters:
    """What one car's electrical system is built of."""

    capacity_ah: float = 55.0
    charge: float = 0.8
    battery_ohm: float = 0.0078
    regulator_v: float = 13.80
    regulator_ohm: float = 0.0017
    alternator_a: float = 140.0
    cranks_s: float = 1.0  # at 10 V, warm


def drawn(chance: random.Random) -> ElectricParameters:
    """This returns one electrical system, a little off the nominal."""
    p = ElectricParameters()
    return replace(
        p,
        charge=p.charge + chance.uniform(-0.03, 0.03),
        battery_ohm=p.battery_ohm * chance.uniform(0.92, 1.12),
        regulator_v=p.regulator_v + chance.uniform(-0.03, 0.03),
        alternator_a=p.alternator_a * chance.uniform(0.96, 1.04),
        cranks_s=p.cranks_s * chance.uniform(0.95, 1.25),
    )


@dataclass
class ElectricCondition:
    """What is wrong with it, each 0 well .. 1 as bad as it gets."""

    battery_weak: float = 0.0
    alternator_weak: float = 0.0
    belt_slips: float = 0.0


class Electrics:
    """The electrical system in motion."""

    def __init__(self, p: ElectricParameters) -> None:
        self.p = p
        self.condition = ElectricCondition()
        self.charge = p.charge  # 0..1
        self.polarised_v = 0.0  # positive while discharging
        self.volts = 13.7
        self.alternator_a = 20.0
        self.battery_a = 0.0  # positive: out of it
        self.cranked = 0.0  # how far a start has got, 1 is done

    @property
    def shaft_w(self) -> float:
        """This is what the alternator takes from the engine: its efficiency is about 0.6."""
        return self.alternator_a * max(self.volts, 0.0) / 0.6

    def step(self, dt_s: float, rpm: float, draw_w: float, cranking: bool, ambient_c: float, bonnet_c: float) -> None:
        """This moves on by one step; `draw_w` is what all consumers take at 13.5 V, `bonnet_c` the regulator's air."""
        p, ill = self.p, self.condition
        weak = ill.battery_weak
        siemens = draw_w / 182.25 + (1 / STARTER_OHM if cranking else 0.0)
        # Sulphate binds acid: a weak battery stands lower at the same charge, and resists. Cold doubles it by -20 degC.
        rest = EMPTY_V + (FULL_V - EMPTY_V) * self.charge - 0.3 * weak
        ohm = p.battery_ohm * (1 + 4 * weak) * max(0.8, 1 + 0.022 * (25 - ambient_c))
        charging = 0.15 + 6 * max(0.0, self.charge - 0.75) if self.battery_a <= 0 and not cranking else DISCHARGE_OHM
        # The polarisation of the end of the step is eliminated: what is left is a source and a resistance.
        k = dt_s / POLARISES_S
        source = rest - self.polarised_v / (1 + k)
        battery_s = 1 / (ohm + k * charging / (1 + k))
        slips = 1 - 0.85 * ill.belt_slips
        able = p.alternator_a * (1 - 0.95 * ill.alternator_weak)
        most = able * (1 - math.exp(-(rpm * slips - 400) / 450)) if rpm * slips > 400 else 0.0
        set_v = p.regulator_v - 0.5 * ill.alternator_weak - 0.004 * (bonnet_c - 30)
        regulator_s = 1 / p.regulator_ohm
        made = 0.0
        volts = source * battery_s / (battery_s + siemens)
        if most > 0 and volts < set_v:
            volts = (set_v * regulator_s + source * battery_s) / (regulator_s + battery_s + siemens)
            made = (set_v - volts) * regulator_s
            if made > most:
                made = most
                volts = (made + source * battery_s) / (battery_s + siemens)
        self.volts, self.alternator_a = volts, made
        self.battery_a = amps = (source - volts) * battery_s
        self.polarised_v = (self.polarised_v + k * charging * amps) / (1 + k)
        ampere_seconds = 3600 * p.capacity_ah * (1 - 0.75 * weak)
        self.charge = max(0.0, min(1.0, self.charge - amps * dt_s / ampere_seconds))
        if cranking and volts > RELEASES_V:
            cold = 1 + 0.03 * max(0.0, 20 - ambient_c)
            self.cranked += dt_s / (p.cranks_s * cold) * (volts / 10.0) ** 2

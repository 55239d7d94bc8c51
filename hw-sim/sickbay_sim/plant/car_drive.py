"""This is a driver, a road and a petrol engine: from a wish to go somewhere to torque, fuel, air and heat.

Where the formulae and figures come from:
- resistance to motion m g f + c A rho v^2 / 2, rotating mass and drive line efficiency: Gillespie, Fundamentals of
  Vehicle Dynamics, chapters 2 and 4; 1300 kg, cA 0.65 m2, f 0.012 are those of a compact car;
- friction of a petrol engine fmep = 0.97 + 0.15 n + 0.05 n^2 (bar, n in 1000 rev/min): Heywood, Internal Combustion
  Engine Fundamentals, equation 13.6; indicated efficiency 0.36, heat to the coolant 17-22 % of the fuel's
  and half of the friction: the same, table 12.1;
- calculated load is the air taken over the most that could be taken at this speed: SAE J1979, PID 04;
- pressure over altitude: ISO 2533, the standard atmosphere.
A cycle is a row of legs of whole seconds, drawn from the seed alone: the length of a step changes no journey.
"""

import math
import random
from dataclasses import dataclass, replace

GRAVITY = 9.81
FUEL_J_KG = 42.7e6  # lower heating value of petrol: Heywood, table D.4
AIR_FUEL = 14.6  # stoichiometric, by mass
COLD_ADDS = 0.8  # friction of an engine at 0 degC above that of a warm one, as a share
FOLLOW_S = 2.5  # how soon the driver closes in on a speed
BRAKE_M_S2 = 1.8
SURGE_M_S2 = 1.3  # at a start; less the faster it goes, as people drive

IDLING, CITY, ROAD, MIXED = 0, 1, 2, 3  # styles of driving


@dataclass(frozen=True)
class DriveParameters:
    """What one car and its engine are built of."""

    mass_kg: float = 1300.0
    rolling: float = 0.012
    drag_m2: float = 0.65
    swept_m3: float = 1.6e-3
    torque_max: float = 165.0  # N m, indicated, at sea level
    idle_rpm: float = 780.0
    fast_idle_rpm: float = 380.0  # more than that at 0 degC
    rpm_per_kmh: tuple[float, ...] = (118.0, 66.0, 45.0, 34.0, 27.5)
    tyre: float = 1.0  # the front left wheel's speed for the car's; tread and pressure


def drawn(chance: random.Random) -> DriveParameters:
    """This returns one car, a few percent off the nominal."""
    nominal = DriveParameters()
    return replace(
        nominal,
        mass_kg=nominal.mass_kg * chance.uniform(0.92, 1.12),
        rolling=nominal.rolling * chance.uniform(0.9, 1.15),
        torque_max=nominal.torque_max * chance.uniform(0.95, 1.05),
        idle_rpm=nominal.idle_rpm + chance.uniform(-60, 60),
        tyre=1 + chance.uniform(-0.005, 0.005),
    )


class Drive:
    """The car in motion. `style` and `hold_kmh` are what people want of it, `running` is the engine's state."""

    def __init__(self, p: DriveParameters, chance: random.Random) -> None:
        self.p = p
        self._chance = chance
        self.style = MIXED
        self.hold_kmh = -1.0  # below 0: as the cycle says
        self.running = True
        self.parking = False
        self.at_s = 0.0
        self._leg_end_s = 0.0
        self._phase_end_s = 0.0
        self._phase = ROAD if chance.random() < 0.5 else CITY
        self._moving = True
        self._want_m_s = 0.0
        self._grade = 0.0
        self.consumers_w = 100.0  # wipers, indicators, a pane: on and off by the leg
        self.braking = False
        self.speed_m_s = 0.0
        self.slip = 0.0
        self.gear = 0
        self.rpm = p.idle_rpm
        self.load = 0.2  # 0..1, PID 04
        self.throttle = 0.15  # 0..1
        self.air_kg_s = 2e-3
        self.heat_w = 2500.0  # to the block
        self.indicated_w = 2000.0

    def step(self, dt_s: float, coolant_c: float, extra_w: float, air_share: float, limp: float) -> None:
        """This drives on. `extra_w` is shaft power for alternator and pump, `air_share` the air's density over sea
        level's, `limp` the share of torque that the engine control allows."""
        p = self.p
        self.at_s = at_s = round(self.at_s + dt_s, 6)
        while at_s > self._leg_end_s:
            self._next_leg()
        want = self.hold_kmh / 3.6 if self.hold_kmh >= 0 else self._want_m_s
        if self.parking or not self.running:
            want = 0.0
        old = self.speed_m_s
        change = (want - old) * (1 - math.exp(-dt_s / FOLLOW_S))
        surge = SURGE_M_S2 * limp / (1 + (old / 18) ** 2)
        change = max(-BRAKE_M_S2 * dt_s, min(surge * dt_s, change))
        self.speed_m_s = speed = max(0.0, old + change) if old + change > 0.05 or want > 0.05 else 0.0
        pull = (speed - old) / dt_s
        self.braking = pull < -0.3 or speed == 0
        kmh = 3.6 * speed
        if not self.running:
            self._rest(dt_s)
            return
        # Idle is raised under load, so that the alternator keeps up.
        idle = p.idle_rpm - 50 + min(110.0, 0.06 * extra_w) + p.fast_idle_rpm * max(0.0, min(1.4, 1 - coolant_c / 65))
        goal = max(idle, self._shifted(kmh) * kmh)
        self.rpm = rpm = goal + (self.rpm - goal) * math.exp(-dt_s / 0.4)
        omega = rpm * math.pi / 30
        rolling = p.mass_kg * GRAVITY * (p.rolling + self._grade) if speed > 0 else 0.0
        force = rolling + 0.613 * air_share * p.drag_m2 * speed * speed + 1.06 * p.mass_kg * pull
        self.slip = max(-0.02, min(0.02, 4e-6 * force))
        n = rpm / 1000
        cold = 1 + COLD_ADDS * max(0.0, min(1.4, 1 - coolant_c / 85))
        friction = (0.97 + 0.15 * n + 0.05 * n * n) * 1e5 * p.swept_m3 / (4 * math.pi) * cold
        torque = force * speed / (0.9 * omega) + friction + extra_w / omega
        # Above 4500 rev/min the engine breathes worse; it is driven there by nobody but a fuzzer.
        most = p.torque_max * air_share * max(0.3, 1 - 0.08 * max(0.0, n - 4.5))
        # Overrun still burns a little: idle air is bled in so that the engine does not stall.
        torque = max(0.55 * friction, min(most * limp, torque))
        self.load = torque / most
        self.throttle = 0.12 + 0.75 * self.load * (0.25 + 0.75 * min(1.0, n / 5))
        self.indicated_w = torque * omega
        fuel_w = self.indicated_w / 0.36
        self.air_kg_s = fuel_w / FUEL_J_KG * AIR_FUEL
        self.heat_w = fuel_w * (0.22 - 0.05 * self.load) + 0.5 * friction * omega

    def _rest(self, dt_s: float) -> None:
        """This lets a dead engine run out."""
        self.rpm = 0.0 if self.rpm < 20 else self.rpm * math.exp(-dt_s / 0.3)
        self.load = self.throttle = self.slip = 0.0
        self.air_kg_s = self.heat_w = self.indicated_w = 0.0
        self.gear = 0

    def _shifted(self, kmh: float) -> float:
        """This returns the gear's rev/min per km/h: up above 2500, down below 1350."""
        ratios = self.p.rpm_per_kmh
        while self.gear < len(ratios) - 1 and ratios[self.gear] * kmh > 2500:
            self.gear += 1
        while self.gear > 0 and ratios[self.gear] * kmh < 1350:
            self.gear -= 1
        return ratios[self.gear]

    def _next_leg(self) -> None:
        """This draws the next stretch of road: how fast, how steep, how long."""
        chance = self._chance
        start = self._leg_end_s
        style = self.style
        if style == MIXED:
            if start >= self._phase_end_s:
                self._phase = ROAD if self._phase == CITY else CITY
                self._phase_end_s = start + chance.randint(300, 900)
            style = self._phase
        if style == IDLING:
            want, lasts, self._grade = 0.0, 30, 0.0
        elif style == CITY:
            self._moving = not self._moving
            want = chance.uniform(28, 55) / 3.6 if self._moving else 0.0
            lasts = chance.randint(20, 75) if self._moving else chance.randint(8, 40)
            self._grade = max(-0.04, min(0.04, chance.gauss(0, 0.008)))
        else:
            want, lasts = chance.uniform(75, 115) / 3.6, chance.randint(40, 240)
            self._grade = max(-0.05, min(0.05, chance.gauss(0, 0.01)))
        self.consumers_w = chance.uniform(0, 250)
        self._want_m_s, self._leg_end_s = want, start + lasts

    def cut_short(self, wait_s: int = 0) -> None:
        """This ends the present leg: somebody wants something else, or stands for `wait_s` before driving off."""
        self._leg_end_s = self._phase_end_s = float(math.ceil(self.at_s) + wait_s)
        if wait_s:
            self._want_m_s = 0.0
            self._phase = ROAD  # and so through town first


def pressure_kpa(altitude_m: float) -> float:
    """This returns the standard atmosphere's pressure: ISO 2533, below 11 km."""
    return float(101.325 * (1 - 2.25577e-5 * altitude_m) ** 5.25588)

"""This is a small cooling loop: a pump, a heat source, a radiator with a fan. SI units inside, but degrees Celsius.

Where the formulae come from: - pump curve dp = dp0 s^2 - a Q^2 with s = n / n_nominal, and so the affinity laws Q ~
n, dp ~ n^2, P ~ n^3; system curve dp = r Q^2;
  shaft torque = disc friction c0 w^2 + Euler's c1 w Q: Guelich, Centrifugal Pumps, chapters 2 to 4; inertance L = rho
  l / A;
- DC motor: I = (V - k w) / R, torque k I: any text on electric machines; - radiator: effectiveness-NTU, cross flow,
both unmixed: Incropera, Fundamentals of Heat and Mass Transfer, table 11.4; - film coefficients ~ flow^0.8
(Dittus-Boelter), fan: flow ~ speed (the fan laws); - vibration of a rotor with unbalance, acceleration ~ speed^2 (the
force m e w^2). Steps are semi-implicit: linear in the new state with coefficients of the old, so that no step is too
long to be stable.
"""

import math
import random
from dataclasses import dataclass, field, replace

WATER_KG_M3 = 998.0
WATER_J_KG_K = 4182.0
LITRE_MIN = 1e-3 / 60  # m3/s
STEP_S_MAX = 0.25

FLOW_NOMINAL = 16 * LITRE_MIN
HEAD_NOMINAL_PA = 62e3
SPEED_NOMINAL = 3060 * 2 * math.pi / 60  # rad/s
CURRENT_NOMINAL_A = 2.1
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


@dataclass
class Condition:
    """What is broken, and what the relays say. Ailments move it; physics reads it."""

    fan_on: bool = True  # the relay's contacts
    pump_on: bool = True
    fan_broken: bool = False
    pump_broken: bool = False
    pump_wear: float = 0.0  # 0 new .. 1 hardly pumping
    fouling: float = 0.0  # 0 clean .. 1 no air through the radiator
    blockage: float = 0.0  # 0 free .. 0.95: the flow's cross-section that is gone


@dataclass
class CoolingLoop:
    """The loop in motion. It begins in its own steady state, so that normal running is stationary from the first row."""

    seed: int = 0
    p: Parameters = field(default=NOMINAL)
    condition: Condition = field(default_factory=Condition)

    def __post_init__(self) -> None:
        self._chance = random.Random(f"cooling-loop wander {self.seed}")
        self.load = 1.0  # of the nominal heat, wandering
        self.supply = 1.0  # of the nominal voltage, wandering
        self.heating = True
        self.omega = SPEED_NOMINAL
        self.flow = FLOW_NOMINAL  # m3/s
        self.fan_rpm = self.p.fan_rpm
        self.block_c = self.hot_c = self.cold_c = 40.0
        for _ in range(400):
            self._turn(0.05)
        for _ in range(40):
            self._warm(1e5)
        for wander in ("load", "supply"):
            setattr(self, wander, 1 + self.p.wander * self._chance.gauss(0, 1))
        # The pump follows its supply within a second; the warmth begins at the mean and drifts with the load as it
        # always will.
        for _ in range(200):
            self._turn(0.05)

    def step(self, dt_s: float) -> None:
        """This moves on by `dt_s`, in steps of at most 0.25 s."""
        self._wander(dt_s)
        count = max(1, math.ceil(dt_s / STEP_S_MAX - 1e-9))
        for _ in range(count):
            self._turn(dt_s / count)
            self._warm(dt_s / count)

    @property
    def head_pa(self) -> float:
        """This is the pressure rise over the pump."""
        s = self.omega / SPEED_NOMINAL
        return self._shutoff() * s * s - _SLOPE * self.flow * self.flow

    @property
    def current_a(self) -> float:
        if not self._driven():
            return 0.0
        return max(0.0, (self.p.volts * self.supply - _back_emf() * self.omega) / self.p.winding_ohm)

    @property
    def vibration_g(self) -> float:
        """This is the RMS acceleration at the pump's foot. Wear opens clearances and unbalances the rotor."""
        s = self.omega / SPEED_NOMINAL
        return 0.008 + (self.p.vibration_g - 0.008) * s * s * (1 + 4 * self.condition.pump_wear)

    @property
    def shaft_w(self) -> float:
        return self._torque(self.omega, self.flow) * self.omega

    @property
    def hydraulic_w(self) -> float:
        return self.head_pa * self.flow

    @property
    def heat_in_w(self) -> float:
        return self.p.heat_w * self.load if self.heating else 0.0

    @property
    def heat_out_w(self) -> float:
        """This is what leaves to the room now."""
        return self._radiator_w_k() * (self.hot_c - self.p.ambient_c) + self.p.casing_w_k * (
            self.cold_c - self.p.ambient_c
        )

    @property
    def stored_j(self) -> float:
        p = self.p
        return p.block_j_k * self.block_c + p.hot_j_k * self.hot_c + p.cold_j_k * self.cold_c

    def _driven(self) -> bool:
        return self.condition.pump_on and not self.condition.pump_broken

    def _shutoff(self) -> float:
        # Worn rings let water slip back from outlet to inlet: the head falls.
        return self.p.shutoff_pa * (1 - 0.7 * self.condition.pump_wear)

    def _torque(self, omega: float, flow: float) -> float:
        share = self.p.disc_share
        s = omega / SPEED_NOMINAL
        return _TORQUE_NOMINAL * (share * s * s + (1 - share) * s * flow / FLOW_NOMINAL)

    def _wander(self, dt_s: float) -> None:
        """This lets load and supply drift: a first-order Markov process, exact for any step."""
        keep = math.exp(-dt_s / self.p.wander_s)
        kick = self.p.wander * math.sqrt(1 - keep * keep)
        self.load = 1 + keep * (self.load - 1) + kick * self._chance.gauss(0, 1)
        self.supply = 1 + keep * (self.supply - 1) + kick * self._chance.gauss(0, 1) * 0.5

    def _turn(self, dt_s: float) -> None:
        """This moves pump speed, flow and fan speed by one step."""
        p, k = self.p, _back_emf()
        # J dw/dt = k (V - k w) / R - torque(w, Q), with torque = drag x w and the drag of the old state.
        drag = self._torque(self.omega, self.flow) / self.omega if self.omega > 1e-6 else 0.0
        # Bearings: brings a dead rotor to rest instead of letting it spin down for ever.
        drag += 2e-6
        push, brake = (
            (k * p.volts * self.supply / p.winding_ohm, k * k / p.winding_ohm) if self._driven() else (0.0, 0.0)
        )
        self.omega = max(0.0, (p.rotor_kg_m2 * self.omega + dt_s * push) / (p.rotor_kg_m2 + dt_s * (brake + drag)))
        s = self.omega / SPEED_NOMINAL
        r = p.system_r / (1 - min(self.condition.blockage, 0.95)) ** 2
        losses = (r + _SLOPE) * abs(self.flow) + LAMINAR
        self.flow = (p.inertance * self.flow + dt_s * self._shutoff() * s * s) / (p.inertance + dt_s * losses)
        goal = p.fan_rpm if self.condition.fan_on and not self.condition.fan_broken else 0.0
        self.fan_rpm = (self.fan_rpm + dt_s / p.fan_s * goal) / (1 + dt_s / p.fan_s)

    def _radiator_w_k(self) -> float:
        """This returns effectiveness x smaller capacity rate: heat given off per kelvin between hot water and air."""
        p = self.p
        water = WATER_KG_M3 * WATER_J_KG_K * self.flow
        breath = (p.draught + (1 - p.draught) * self.fan_rpm / p.fan_rpm) * (1 - min(self.condition.fouling, 0.99))
        air = p.air_capacity_w_k * breath
        if water < 1e-3:
            return 0.0
        part = (self.flow / FLOW_NOMINAL) ** 0.8
        ua = 1 / (1 / (p.water_w_k * part) + 1 / (p.air_w_k * breath**0.8))
        low, high = min(water, air), max(water, air)
        ntu, cr = ua / low, low / high
        effectiveness = 1 - math.exp(ntu**0.22 / cr * (math.exp(-cr * ntu**0.78) - 1))
        return effectiveness * low

    def _warm(self, dt_s: float) -> None:
        """This moves the three temperatures by one step of backward Euler; the outer two are eliminated by hand."""
        p = self.p
        if self.block_c > p.cutout_c:
            self.heating = False
        elif self.block_c < p.cutin_c:
            self.heating = True
        water = WATER_KG_M3 * WATER_J_KG_K * self.flow
        block = p.block_w_k * (0.02 + 0.98 * (self.flow / FLOW_NOMINAL) ** 0.8)
        radiator = self._radiator_w_k()
        cb, ch, cc = p.block_j_k / dt_s, p.hot_j_k / dt_s, p.cold_j_k / dt_s
        # block: (cb + block) Tb - block Th = cb Tb' + heat
        # hot:   (ch + block + water) Th - block Tb - water Tc = ch Th'
        # cold:  (cc + water + casing) Tc - (water - radiator) Th = cc Tc' + (radiator + casing) Tambient
        b0 = (cb * self.block_c + self.heat_in_w) / (cb + block)
        b1 = block / (cb + block)
        c_all = cc + water + p.casing_w_k
        c0 = (cc * self.cold_c + (radiator + p.casing_w_k) * p.ambient_c) / c_all
        c1 = (water - radiator) / c_all
        self.hot_c = (ch * self.hot_c + block * b0 + water * c0) / (ch + block * (1 - b1) + water * (1 - c1))
        self.block_c = b0 + b1 * self.hot_c
        self.cold_c = c0 + c1 * self.hot_c


_SLOPE = 0.35 * HEAD_NOMINAL_PA / FLOW_NOMINAL**2  # the pump curve's a


def _back_emf() -> float:
    """This returns k such that the nominal motor draws 2.1 A at 3060 rpm."""
    return (NOMINAL.volts - CURRENT_NOMINAL_A * NOMINAL.winding_ohm) / SPEED_NOMINAL


# All torque at nominal speed is the pump's, less what the bearings take (see _turn).
_TORQUE_NOMINAL = _back_emf() * CURRENT_NOMINAL_A - 2e-6 * SPEED_NOMINAL

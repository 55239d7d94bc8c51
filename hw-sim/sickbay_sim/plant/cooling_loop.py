"""This is a small cooling loop: a pump, a heat source, a radiator with a fan. SI units inside, but degrees Celsius.

Where the formulae come from is in docs/plants.md. Water goes cold side, pump, block, hot side, radiator, cold side; an
open expansion tank stands at the pump's inlet. Steps are semi-implicit: linear in the new state with coefficients of the
old, so that no step is too long to be stable.
"""

import math
import random
from dataclasses import dataclass, field

from sickbay_sim.plant import cooling_loop_sheet as sheet
from sickbay_sim.plant.cooling_loop_sheet import LITRE_MIN
from sickbay_sim.plant.cooling_loop_unit import (
    AIR_KPA,
    AIR_MAX,
    BACK_EMF,
    COLLAPSE_S,
    CURRENT_NOMINAL_A,
    FLOW_NOMINAL,
    HEAD_NOMINAL_PA,
    LAMINAR,
    M_KPA,
    NOMINAL,
    SHARES,
    SLOPE,
    SPEED_NOMINAL,
    SPILL_S,
    STEP_S_MAX,
    TORQUE_NOMINAL,
    VELOCITY_NOMINAL_MM_S,
    WATER_J_KG_K,
    WATER_KG_M3,
    Condition,
    Parameters,
    drawn,
    vapour_kpa,
)

__all__ = [
    "CURRENT_NOMINAL_A",
    "FLOW_NOMINAL",
    "HEAD_NOMINAL_PA",
    "LITRE_MIN",
    "NOMINAL",
    "SPEED_NOMINAL",
    "Condition",
    "CoolingLoop",
    "Parameters",
    "drawn",
]


@dataclass
class CoolingLoop:
    """The loop in motion. It begins in its own steady state, so that normal running is stationary from the first row."""

    seed: int = 0
    p: Parameters | None = None  # None: those of the unit that the seed draws
    condition: Condition = field(default_factory=Condition)

    name = "cooling-loop"
    signals = sheet.SIGNALS
    ranges = sheet.RANGES
    redundant = sheet.REDUNDANT
    parts = sheet.PARTS
    relays = sheet.RELAYS
    part_ailments = sheet.PART_AILMENTS
    demands = sheet.DEMANDS

    def __post_init__(self) -> None:
        self._chance = random.Random(f"cooling-loop wander {self.seed}")
        self.unit = drawn(self.seed) if self.p is None else self.p
        self.load = 1.0  # of the nominal heat, wandering
        self.supply = 1.0  # of the nominal voltage, wandering
        self.asked = {name: demand.usual for name, demand in sheet.DEMANDS.items()}
        self.ambient_c = self.unit.ambient_c
        self.heating = True
        self.omega = SPEED_NOMINAL
        self.flow = FLOW_NOMINAL  # m3/s
        self.fan_rpm = self.unit.fan_rpm
        self.block_c = self.hot_c = self.cold_c = self.bearing_c = 40.0
        self.level = 1.0  # of the tank
        self.air = 0.0  # share of gas in what the pump draws
        self.head_lost = 0.0  # share of the head that vapour takes
        self._coils = dict.fromkeys(sheet.RELAYS, True)
        self._held: dict[tuple[str, str], bool] = {}  # (ailment, relay) -> what the contacts do, whatever the coil says
        for _ in range(400):
            self._turn(0.05)
        for _ in range(40):
            self._warm(1e5)
        for wander in ("load", "supply"):
            setattr(self, wander, 1 + self.unit.wander * self._chance.gauss(0, 1))
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

    def true_values(self) -> dict[str, float]:
        head_kpa, suction_kpa = max(0.0, self.head_pa) / 1e3, self.suction_kpa
        return {
            "flow": self.flow / LITRE_MIN,
            "pressure": head_kpa,
            "current": self.current_a,
            "vibration": self.vibration_g,
            "inlet_temp": self.hot_c,
            "outlet_temp": self.cold_c,
            "outlet_temp_b": self.cold_c,
            "fan_rpm": self.fan_rpm,
            "suction_pressure": suction_kpa,
            "discharge_pressure": suction_kpa + head_kpa,
            "pump_rpm": self.omega * 30 / math.pi,
            "bearing_temp": self.bearing_c,
            "block_temp": self.block_c,
            "vibration_velocity": self.velocity_mm_s,
            "vibration_kurtosis": self.kurtosis,
            "float_switch": 1.0 if self.level > 0.3 else 0.0,
            "supply_v": self.volts,
        }

    def suffer(self, kind: str, target: str, severity: float) -> None:
        """This puts one part ailment at a severity of 0..1. A share that two kinds move keeps the last word of either."""
        c = self.condition
        if kind == "fan_fail":
            c.fan_broken = severity > 0
        elif kind == "pump_fail":
            c.pump_broken = severity > 0
        elif kind in ("relay_welded", "relay_open", "welded"):
            if severity <= 0:
                self._held.pop((kind, target), None)
            elif (kind, target) not in self._held:
                self._held[kind, target] = {"relay_welded": True, "relay_open": False}.get(kind, self.contacts(target))
            self._move_contacts()
        else:
            if kind == "leak" and severity <= 0 < c.leak:
                self._fill()  # Whoever mends a leak fills up.
            setattr(c, SHARES[kind], severity)

    def demand(self, what: str, value: float) -> None:
        self.asked[what] = value
        if what == "ambient_c":
            # Units stand in rooms that differ: what is asked moves each from its own.
            self.ambient_c = self.unit.ambient_c + (value - sheet.DEMANDS[what].usual)
        elif what == "refill" and value >= 0.5:
            self._fill()

    def switch(self, relay: str, on: bool) -> None:
        self._coils[relay] = on
        self._move_contacts()

    def contacts(self, relay: str) -> bool:
        return self.condition.fan_on if relay == "fan_relay" else self.condition.pump_on

    @property
    def volts(self) -> float:
        """This is the supply's voltage."""
        return self.unit.volts * self.supply * self.asked["supply"]

    @property
    def head_pa(self) -> float:
        """This is the pressure rise over the pump."""
        s = self.omega / SPEED_NOMINAL
        return self._shutoff() * s * s - SLOPE * self.flow * self.flow

    @property
    def suction_kpa(self) -> float:
        """This is the absolute pressure at the pump's inlet."""
        p = self.unit
        vacuum = 90.0 * self.condition.breather
        return AIR_KPA - vacuum + M_KPA * p.tank_m * self.level - p.suction_r * self.flow * self.flow

    @property
    def npsh_ratio(self) -> float:
        """This is the suction head there is over the one the pump requires; below 4 it cavitates, at 1 it loses 3 % head."""
        there_m = (self.suction_kpa - vapour_kpa(self.cold_c)) / M_KPA
        share = self.flow / FLOW_NOMINAL
        return max(0.05, there_m) / (self.unit.npsh_m * max(0.3, share * share))

    @property
    def ample_suction(self) -> bool:
        """This is whether it cannot cavitate, told without the vapour pressure: so it is on all but bad days."""
        return (
            self.condition.breather == 0.0 and self.air == 0.0 and self.cold_c < 60.0 and self.flow < 1.3 * FLOW_NOMINAL
        )

    @property
    def current_a(self) -> float:
        if not self._driven():
            return 0.0
        return max(0.0, (self.volts * self.asked["setpoint"] - BACK_EMF * self.omega) / self._winding_ohm())

    @property
    def vibration_g(self) -> float:
        """This is the RMS acceleration at the pump's foot. Wear opens clearances and unbalances the rotor."""
        c, s = self.condition, self.omega / SPEED_NOMINAL
        more = 1 + 4 * c.pump_wear + 4 * math.pow(c.bearing, 2.5) + 2 * self.bubbles
        return 0.008 + (self.unit.vibration_g - 0.008) * s * s * more

    @property
    def velocity_mm_s(self) -> float:
        """This is the RMS velocity, most of it at the speed of rotation: the unbalance's share, so wear leads."""
        c, s = self.condition, self.omega / SPEED_NOMINAL
        own = VELOCITY_NOMINAL_MM_S * self.unit.vibration_g / NOMINAL.vibration_g
        return 0.1 + own * s**3 * (1 + 4 * c.pump_wear + 5 * math.pow(c.bearing, 2.5) + 0.3 * self.bubbles)

    @property
    def kurtosis(self) -> float:
        """This is the acceleration's kurtosis: 3 when sound; a young spall hits hard and rarely, an old one all the time."""
        young = self.condition.bearing / 0.4
        s = min(1.0, self.omega / SPEED_NOMINAL)
        return 3 + s * (8 * (young * math.exp(1 - young)) ** 2 + 2 * self.bubbles)

    @property
    def bubbles(self) -> float:
        """This is how much vapour and air hammers in the pump, 0..1."""
        if self.ample_suction:
            return 0.0
        ratio = self.npsh_ratio
        vapour = 0.0 if ratio >= 4 else min(1.0, (4 - ratio) / 3.5)
        return max(vapour, min(1.0, self.air / AIR_MAX)) if self.omega > 1 else 0.0

    @property
    def shaft_w(self) -> float:
        return self._torque(self.omega, self.flow) * self.omega

    @property
    def hydraulic_w(self) -> float:
        return self.head_pa * self.flow

    @property
    def heat_in_w(self) -> float:
        on = self.heating and self.asked["running"] >= 0.5
        return self.unit.heat_w * self.load * self.asked["load"] if on else 0.0

    @property
    def heat_out_w(self) -> float:
        """This is what leaves to the room now."""
        p, ambient_c = self.unit, self.ambient_c
        return self._radiator_w_k() * (self.hot_c - ambient_c) + p.casing_w_k * (self.cold_c - ambient_c)

    @property
    def stored_j(self) -> float:
        p = self.unit
        return p.block_j_k * self.block_c + p.hot_j_k * self.hot_c + p.cold_j_k * self.cold_c

    def _fill(self) -> None:
        self.level, self.air = 1.0, 0.0

    def _move_contacts(self) -> None:
        held = {relay: closed for (_, relay), closed in self._held.items()}
        self.condition.fan_on = held.get("fan_relay", self._coils["fan_relay"])
        self.condition.pump_on = held.get("pump_relay", self._coils["pump_relay"])

    def _driven(self) -> bool:
        return self.condition.pump_on and not self.condition.pump_broken and self.asked["running"] >= 0.5

    def _winding_ohm(self) -> float:
        return self.unit.winding_ohm * (1 + 1.5 * self.condition.winding)

    def _shutoff(self) -> float:
        # Worn rings let water slip back from outlet to inlet: the head falls. So it does with vapour or air in it.
        return self.unit.shutoff_pa * (1 - 0.7 * self.condition.pump_wear) * (1 - self.head_lost)

    def _torque(self, omega: float, flow: float) -> float:
        share = self.unit.disc_share
        s = omega / SPEED_NOMINAL
        return TORQUE_NOMINAL * (share * s * s + (1 - share) * s * flow / FLOW_NOMINAL)

    def _friction_nm(self) -> float:
        """This is what a bad bearing brakes on top of a sound one."""
        return 10 * self.condition.bearing * self.unit.bearing_nm

    def _wander(self, dt_s: float) -> None:
        """This lets load and supply drift: a first-order Markov process, exact for any step."""
        p = self.unit
        keep = math.exp(-dt_s / p.wander_s)
        kick = p.wander * math.sqrt(1 - keep * keep)
        self.load = 1 + keep * (self.load - 1) + kick * self._chance.gauss(0, 1)
        self.supply = 1 + keep * (self.supply - 1) + kick * self._chance.gauss(0, 1) * 0.5

    def _turn(self, dt_s: float) -> None:
        """This moves pump speed, flow, what is in the tank, and fan speed by one step."""
        p, c, k = self.unit, self.condition, BACK_EMF
        volts, on_duty = self.volts, self.asked["running"] >= 0.5
        # J dw/dt = k (V - k w) / R - torque(w, Q), with torque = drag x w and the drag of the old state.
        drag = (self._torque(self.omega, self.flow) + self._friction_nm()) / self.omega if self.omega > 1e-6 else 0.0
        # Bearings: brings a dead rotor to rest instead of letting it spin down for ever.
        drag += 2e-6
        ohm = self._winding_ohm()
        push, brake = (k * volts * self.asked["setpoint"] / ohm, k * k / ohm) if self._driven() else (0.0, 0.0)
        self.omega = max(0.0, (p.rotor_kg_m2 * self.omega + dt_s * push) / (p.rotor_kg_m2 + dt_s * (brake + drag)))
        s = self.omega / SPEED_NOMINAL
        r = p.system_r / ((1 - min(c.blockage, 0.95)) * (1 - 0.9 * c.clog)) ** 2
        losses = (r + SLOPE) * abs(self.flow) + LAMINAR
        self.flow = (p.inertance * self.flow + dt_s * self._shutoff() * s * s) / (p.inertance + dt_s * losses)
        if c.leak > 0:
            self._spill(dt_s)
        if self.head_lost > 0 or not self.ample_suction:
            ratio = self.npsh_ratio
            lost = 0.0 if ratio >= 4 else min(0.7, 0.03 * (ratio**-3 - 4**-3))
            lost = 1 - (1 - lost) * (1 - 0.9 * math.pow(min(1.0, self.air / AIR_MAX), 1.5))
            self.head_lost = (self.head_lost + dt_s / COLLAPSE_S * lost) / (1 + dt_s / COLLAPSE_S)
            if self.head_lost < 1e-9:
                self.head_lost = 0.0
        # A fan with a regulator of its own: it follows the supply only where that is not enough.
        turns = c.fan_on and not c.fan_broken and on_duty
        goal = p.fan_rpm * (1 - c.fan_slow) * min(1.0, volts / (0.95 * p.volts)) if turns else 0.0
        self.fan_rpm = (self.fan_rpm + dt_s / p.fan_s * goal) / (1 + dt_s / p.fan_s)

    def _spill(self, dt_s: float) -> None:
        lost = self.condition.leak * dt_s / SPILL_S
        if lost >= self.level:
            # An empty tank lets air into the suction; twice its volume of water later the pump hardly holds any.
            self.air = min(AIR_MAX, self.air + AIR_MAX * (lost - self.level) / 2)
        self.level = max(0.0, self.level - lost)

    def _radiator_w_k(self) -> float:
        """This returns effectiveness x smaller capacity rate: heat given off per kelvin between hot water and air."""
        p = self.unit
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
        """This moves the temperatures by one step of backward Euler; the block's and the cold side's are eliminated by hand."""
        p, ambient_c = self.unit, self.ambient_c
        if self.block_c > p.cutout_c:
            self.heating = False
        elif self.block_c < p.cutin_c:
            self.heating = True
        water = WATER_KG_M3 * WATER_J_KG_K * self.flow
        block = p.block_w_k * (0.02 + 0.98 * (self.flow / FLOW_NOMINAL) ** 0.8) / (1 + 5 * self.condition.scale)
        radiator = self._radiator_w_k()
        cb, ch, cc = p.block_j_k / dt_s, p.hot_j_k / dt_s, p.cold_j_k / dt_s
        # block: (cb + block) Tb - block Th = cb Tb' + heat
        # hot:   (ch + block + water) Th - block Tb - water Tc = ch Th'
        # cold:  (cc + water + casing) Tc - (water - radiator) Th = cc Tc' + (radiator + casing) Tambient
        b0 = (cb * self.block_c + self.heat_in_w) / (cb + block)
        b1 = block / (cb + block)
        c_all = cc + water + p.casing_w_k
        c0 = (cc * self.cold_c + (radiator + p.casing_w_k) * ambient_c) / c_all
        c1 = (water - radiator) / c_all
        self.hot_c = (ch * self.hot_c + block * b0 + water * c0) / (ch + block * (1 - b1) + water * (1 - c1))
        self.block_c = b0 + b1 * self.hot_c
        self.cold_c = c0 + c1 * self.hot_c
        # The bearing's own friction, and three tenths of what the winding loses.
        amps = self.current_a
        friction_w = (p.bearing_nm + self._friction_nm()) * self.omega + 0.3 * amps * amps * self._winding_ohm()
        kept = p.bearing_j_k / dt_s
        self.bearing_c = (kept * self.bearing_c + friction_w + p.bearing_w_k * ambient_c) / (kept + p.bearing_w_k)

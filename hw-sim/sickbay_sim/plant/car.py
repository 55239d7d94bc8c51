"""This is a petrol car as its diagnostic plug (OBD-II) and a wheel's pulses tell of it, driven by a driver of its own.

What the plug can say: SAE J1979 (ISO 15031-5), service 01: PID 04 load in steps of 100/255 %, 05 coolant and 0F intake
air in whole degC from -40, 0C engine speed in 0.25 rev/min, 0D speed in whole km/h, 10 air in 0.01 g/s, 11 throttle in
100/255 %, 33 barometric pressure in whole kPa, 42 module voltage in 1 mV. The physics is in car_drive (road and engine),
car_thermal (cooling) and car_electric (battery and alternator), each with its sources; all of it is a function of the
seed and of time, with no chance in a step.
"""

import math
import random
from collections.abc import Mapping

from sickbay_sim.plant import car_drive, car_electric, car_thermal
from sickbay_sim.plant.plant import Demand, PartAilment, PartSpec
from sickbay_sim.plant.relays import Relays
from sickbay_sim.plant.sensors import Sensor

STEP_S_MAX = 1.0
PARKED_STEP_S_MAX = 5.0
CRANK_STEP_S = 0.1
CRANK_S_MAX = 8.0  # the driver lets go of the key
CRANK_PAUSE_S = 15.0
CRANK_RPM = 210.0  # at 10 V
RUN_UP_S = 600  # driven before the first row, so that it begins warm and under way
PERCENT = 100 / 255

_COOLING = ("cooling",)
_CHARGING = ("charging",)


class Car:
    """A car under way. It begins warm, somewhere in its driving cycle."""

    name = "car"
    # All but the wheel are numbers of the engine's own control unit, whatever the profile of the chains.
    signals: Mapping[str, Sensor] = {
        "coolant_temp": Sensor("degC", 0.08, 1.0, -40.0, 215.0, lag_s=4.0, offset=0.3),
        "engine_load": Sensor("%", 0.4, PERCENT, 0.0, 100.0, chain="digital"),
        "intake_temp": Sensor("degC", 0.1, 1.0, -40.0, 215.0, lag_s=8.0, offset=0.5),
        "battery_voltage": Sensor("V", 0.008, 0.001, 0.0, 65.535, offset=0.01, chain="digital"),
        "engine_rpm": Sensor("rev/min", 6.0, 0.25, 0.0, 16383.75),
        "throttle": Sensor("%", 0.2, PERCENT, 0.0, 100.0, offset=0.5, chain="digital"),
        "maf": Sensor("g/s", 0.05, 0.01, 0.0, 655.35, chain="digital"),
        "baro": Sensor("kPa", 0.02, 1.0, 0.0, 255.0),
        "vehicle_speed": Sensor("km/h", 0.1, 1.0, 0.0, 255.0),
        # 48 pulses a turn of 1.95 m, counted for a second: 0.15 km/h a pulse.
        "wheel_speed_fl": Sensor("km/h", 0.06, 0.15, 0.0, 300.0),
    }
    ranges: Mapping[str, tuple[float, float]] = {
        "coolant_temp": (-40.0, 140.0),
        "engine_load": (0.0, 100.0),
        "intake_temp": (-40.0, 100.0),
        "battery_voltage": (5.0, 16.5),
        "engine_rpm": (0.0, 7000.0),
        "throttle": (0.0, 100.0),
        "maf": (0.0, 200.0),
        "baro": (50.0, 110.0),
        "vehicle_speed": (0.0, 220.0),
        "wheel_speed_fl": (0.0, 220.0),
    }
    redundant: Mapping[str, str] = {"wheel_speed_fl": "vehicle_speed"}
    parts: Mapping[str, PartSpec] = {
        "cooling": PartSpec(("coolant_temp", "engine_load", "intake_temp"), essential=True),
        "charging": PartSpec(("battery_voltage", "engine_rpm")),
        "air": PartSpec(("maf", "throttle", "baro")),
        "wheels": PartSpec(("vehicle_speed", "wheel_speed_fl"), isolate="active"),
    }
    relays: Mapping[str, int] = {"fan_relay": 17}
    part_ailments: Mapping[str, PartAilment] = {
        "thermostat_open": PartAilment(("thermostat",), "cannot close: held wide open", _COOLING),
        "thermostat_closed": PartAilment(("thermostat",), "cannot open: nothing flows to the radiator", _COOLING),
        "fan_fail": PartAilment(("fan",), "the radiator fan stands still", _COOLING),
        "fouling": PartAilment(("radiator",), "97 % of its air is stopped by dirt", _COOLING, wear=True),
        "pump_wear": PartAilment(("water_pump",), "95 % of the impeller is eaten away", _COOLING, wear=True),
        "coolant_leak": PartAilment(("coolant",), "80 % of the coolant is gone", _COOLING, wear=True),
        "belt_slip": PartAilment(("belt",), "pump and alternator turn at a fifth", (*_CHARGING, *_COOLING), wear=True),
        "battery_weak": PartAilment(
            ("battery",), "a quarter of its capacity, five times its resistance", _CHARGING, wear=True
        ),
        "alternator_weak": PartAilment(("alternator",), "5 % of its current, half a volt less", _CHARGING, wear=True),
        "tyre_soft": PartAilment(("tyre_fl",), "rolls on a radius 4 % smaller", ("wheels",), wear=True),
        "relay_welded": PartAilment(("fan_relay",), "keeps its contacts as they are, whatever its coil does"),
        "relay_open": PartAilment(("fan_relay",), "its contacts do not close: burnt, or the coil is open"),
    }
    demands: Mapping[str, Demand] = {
        "engine": Demand("1 runs and drives, 0 parks and stops the engine; from 0 to 1 it cranks", "", 1.0, 0.0, 1.0),
        "drive": Demand("0 stands and idles, 1 city, 2 road, 3 both in turn", "", 3.0, 0.0, 3.0),
        "speed_kmh": Demand("a speed held whatever the style; below 0 the style rules", "km/h", -1.0, -1.0, 160.0),
        "ambient_c": Demand("the air outside", "degC", 20.0, -30.0, 50.0),
        "electric_load_w": Demand("lamps, blower, heated panes", "W", 200.0, 0.0, 700.0),
        "altitude_m": Demand("how high the road is", "m", 150.0, -100.0, 4000.0),
    }

    def __init__(self, seed: int = 0) -> None:
        chance = random.Random(f"car {seed}")
        self.drive = car_drive.Drive(car_drive.drawn(chance), random.Random(f"car journey {seed}"))
        self.cooling = car_thermal.Cooling(car_thermal.drawn(chance), self.demands["ambient_c"].usual)
        self.electrics = car_electric.Electrics(car_electric.drawn(chance))
        self._weather = (chance.uniform(-0.8, 0.8), chance.uniform(0, 6.28), chance.uniform(0, 6.28))
        self.wants = {name: demand.usual for name, demand in self.demands.items()}
        self.tyre_soft = 0.0
        self.cranking_s = 0.0  # of this try; below 0: the pause before the next
        self.at_s = self._off_s = 0.0
        self.intake_c = self.wants["ambient_c"] + 8
        self.baro_kpa = round(self._pressure_kpa())
        self._relays = Relays(self.relays)
        for _ in range(RUN_UP_S):
            self._move(1.0)
        self.at_s = 0.0

    def step(self, dt_s: float) -> None:
        """This moves on by `dt_s`, in steps of at most a second; a tenth while the engine is cranked."""
        left = dt_s
        while left > 1e-9:
            most = CRANK_STEP_S if self._starting() else STEP_S_MAX if self.drive.running else PARKED_STEP_S_MAX
            each = min(left, most) if self._starting() else left / math.ceil(left / most - 1e-9)
            self._move(each)
            left -= each

    def true_values(self) -> dict[str, float]:
        """This returns what perfect sensors would say now."""
        drive = self.drive
        kmh = 3.6 * drive.speed_m_s
        return {
            "coolant_temp": self.cooling.coolant_c,
            "engine_load": 100 * drive.load,
            "intake_temp": self.intake_c,
            "battery_voltage": self.electrics.volts,
            "engine_rpm": drive.rpm,
            "throttle": 100 * drive.throttle,
            "maf": 1000 * drive.air_kg_s,
            "baro": float(self.baro_kpa),
            "vehicle_speed": kmh,
            "wheel_speed_fl": kmh * drive.p.tyre * (1 + drive.slip) / (1 - 0.04 * self.tyre_soft),
        }

    def suffer(self, kind: str, target: str, severity: float) -> None:
        """This puts one ailment at a severity of 0..1; an unknown kind or target is a KeyError."""
        if target not in self.part_ailments[kind].targets:
            raise KeyError(f"{kind}: {target} cannot have it")
        bad = min(1.0, max(0.0, severity))
        cooling, electric = self.cooling.condition, self.electrics.condition
        if kind == "thermostat_open":
            cooling.held_open = bad
        elif kind == "thermostat_closed":
            cooling.held_closed = bad
        elif kind == "fan_fail":
            cooling.fan_lost = bad
        elif kind == "fouling":
            cooling.clogged = bad
        elif kind == "pump_wear":
            cooling.impeller_lost = bad
        elif kind == "coolant_leak":
            cooling.coolant_lost = bad
        elif kind == "belt_slip":
            cooling.belt_slips = electric.belt_slips = bad
        elif kind == "battery_weak":
            electric.battery_weak = bad
        elif kind == "alternator_weak":
            electric.alternator_weak = bad
        elif kind == "tyre_soft":
            self.tyre_soft = bad
        else:
            self._relays.suffer(kind, target, bad)

    def demand(self, what: str, value: float) -> None:
        """This puts one demand at a value, within its bounds."""
        bounds = self.demands[what]
        before, self.wants[what] = self.wants[what], min(bounds.high, max(bounds.low, value))
        drive = self.drive
        if what == "drive":
            drive.style = round(self.wants[what])
            if round(before) != drive.style:
                drive.cut_short()
        elif what == "speed_kmh":
            drive.hold_kmh = self.wants[what]
        elif what == "engine":
            drive.parking = self.wants[what] < 0.5

    def switch(self, relay: str, on: bool) -> None:
        """This puts the coil of a relay on or off. The fan's relay stands in series with the engine's own fan switch:
        on lets that rule, off keeps the fan still."""
        self._relays.switch(relay, on)

    def contacts(self, relay: str) -> bool:
        """This returns whether a relay's contacts are closed."""
        return self._relays.contacts[relay]

    def _starting(self) -> bool:
        return not self.drive.running and not self.drive.parking

    def _pressure_kpa(self) -> float:
        base, a, b = self._weather
        hours = self.at_s / 3600
        weather = base + 0.4 * math.sin(hours / 5 + a) + 0.5 * math.sin(hours / 13 + b)
        return car_drive.pressure_kpa(self.wants["altitude_m"]) + weather

    def _move(self, dt_s: float) -> None:
        """This moves everything by one step."""
        self.at_s += dt_s
        drive, electrics, cooling, wants = self.drive, self.electrics, self.cooling, self.wants
        ambient_c = wants["ambient_c"]
        cranking = False
        if drive.running:
            if drive.parking and drive.speed_m_s <= 0:
                drive.running = False
                electrics.cranked = self.cranking_s = 0.0
        elif not drive.parking:
            cranking = self._crank(dt_s)
        pressure = self._pressure_kpa()
        # The control unit keeps whole kPa and lets go of one only when clearly past it.
        if abs(pressure - self.baro_kpa) > 0.7:
            self.baro_kpa = round(pressure)
        air_share = pressure / 101.325 * 293.15 / (273.15 + ambient_c)
        limp = max(0.4, min(1.0, 1 - (cooling.coolant_c - 115) / 20))
        drive.step(dt_s, cooling.coolant_c, electrics.shaft_w + 40.0, air_share, limp)
        if cranking:
            drive.rpm = CRANK_RPM * max(0.0, electrics.volts - 3) / 7
        self._off_s = 0.0 if drive.running or cranking else self._off_s + dt_s
        draw_w = car_electric.AWAKE_W if self._off_s < car_electric.FALLS_ASLEEP_S else car_electric.ASLEEP_W
        if drive.running:
            draw_w = wants["electric_load_w"] + drive.consumers_w + car_electric.RUNNING_W
            draw_w += car_electric.BRAKE_LAMPS_W if drive.braking else 0.0
        if cooling.fan_share > 0.01:
            draw_w += car_electric.FAN_W * cooling.fan_share
        electrics.step(dt_s, drive.rpm if drive.running else 0.0, draw_w, cranking, ambient_c, self.intake_c)
        cooling.step(dt_s, drive.heat_w, drive.rpm, drive.speed_m_s, ambient_c, self.contacts("fan_relay"))
        # Intake air picks up heat under the bonnet, the more the slower it moves.
        goal = ambient_c + 2 + 0.4 * (cooling.metal_c - ambient_c) / (1 + drive.speed_m_s / 4)
        self.intake_c = goal + (self.intake_c - goal) * math.exp(-dt_s / 180)

    def _crank(self, dt_s: float) -> bool:
        """This turns the key: for 8 s at most, then a pause. It returns whether the starter is engaged."""
        if self.electrics.cranked >= 1:
            self.drive.running = True
            self.drive.cut_short(wait_s=15)
            return False
        self.cranking_s += dt_s
        if self.cranking_s > CRANK_S_MAX:
            self.cranking_s, self.electrics.cranked = -CRANK_PAUSE_S, 0.0
        return self.cranking_s > 0


__all__ = ["Car"]

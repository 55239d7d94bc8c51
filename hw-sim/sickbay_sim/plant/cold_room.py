"""This is a walk-in cold store for meat at -1 degC with a refrigerating unit on R134a, through its days, weekdays and seasons.

A thermostat with 1.8 K between on and off runs the compressor; every few hours an electric heater thaws the coil. The physics is
in cold_room_unit (the unit) and cold_room_air (weather, door, air and goods), each with its sources; all of it is a function
of the seed and of time, with no chance in a step.
"""

import math
import random
from collections.abc import Mapping

from sickbay_sim.plant import cold_room_air, cold_room_unit
from sickbay_sim.plant.plant import Demand, PartAilment, PartSpec
from sickbay_sim.plant.relays import Relays
from sickbay_sim.plant.sensors import Sensor

STEP_S_MAX = 2.0
RUN_UP_STEP_S = 4.0
RUN_UP_S = 3600  # before the first row
START_S = 10 * 3600.0  # the first row's time of day
PROBE_S = 60.0  # the thermostat's bulb
CUT_IN_C, CUT_OUT_C = 0.0, -1.8
REST_S = 150.0  # the compressor's least time off
THAWED_C = 8.0
THAW_S_MAX, DRIP_S, CHILL_S_MAX = 1500.0, 120.0, 180.0
CHILLED_C = -3.0  # the fan waits for this, so as not to blow warm drops about
PEOPLE_W = 220.0  # lamp and people while the door is open

COOLING, THAWING, DRIPPING, CHILLING = range(4)

_COMPRESSOR, _EVAPORATOR = ("compressor",), ("evaporator",)


class ColdRoom:
    """A cold store at work. It begins at ten in the morning in the middle of its cycles."""

    name = "cold-room"
    signals: Mapping[str, Sensor] = {
        "room_temp": Sensor("degC", 0.04, 0.0625, -55.0, 125.0, lag_s=30.0, offset=0.1),
        "room_temp_b": Sensor("degC", 0.05, 0.0625, -55.0, 125.0, lag_s=40.0, offset=0.15),
        "humidity": Sensor("%", 0.3, 0.1, 0.0, 100.0, lag_s=20.0, offset=1.5, chain="digital"),
        "evaporator_temp": Sensor("degC", 0.04, 0.0625, -55.0, 125.0, lag_s=8.0, offset=0.15),
        "fan_rpm": Sensor("rev/min", 4.0, 1.0, 0.0, 6000.0),
        "suction_pressure": Sensor("kPa", 1.0, 0.5, 0.0, 1000.0, offset=1.5, chain="pressure"),
        "discharge_pressure": Sensor("kPa", 3.0, 1.0, 0.0, 3000.0, offset=4.0, chain="pressure"),
        "compressor_current": Sensor("A", 0.03, 0.01, 0.0, 30.0),
        "door": Sensor("", 0.0, 1.0, 0.0, 1.0),
    }
    ranges: Mapping[str, tuple[float, float]] = {
        "room_temp": (-30.0, 45.0),
        "room_temp_b": (-30.0, 45.0),
        "humidity": (0.0, 100.0),
        "evaporator_temp": (-45.0, 60.0),
        "fan_rpm": (0.0, 2000.0),
        "suction_pressure": (0.0, 1000.0),
        "discharge_pressure": (0.0, 2600.0),
        "compressor_current": (0.0, 15.0),
        "door": (0.0, 1.0),
    }
    redundant: Mapping[str, str] = {"room_temp_b": "room_temp"}
    parts: Mapping[str, PartSpec] = {
        "room": PartSpec(("room_temp", "room_temp_b", "humidity", "door"), essential=True),
        "compressor": PartSpec(
            ("suction_pressure", "discharge_pressure", "compressor_current"), essential=True, output="compressor_relay"
        ),
        "evaporator": PartSpec(("evaporator_temp", "fan_rpm"), isolate="active", output="fan_relay"),
    }
    relays: Mapping[str, int] = {"compressor_relay": 17, "fan_relay": 22, "defrost_relay": 24}
    part_ailments: Mapping[str, PartAilment] = {
        "refrigerant_leak": PartAilment(
            ("refrigerant",), "70 % of the charge is gone", (*_COMPRESSOR, *_EVAPORATOR), wear=True
        ),
        "fouling": PartAilment(("condenser",), "85 % of its air is stopped by dirt", _COMPRESSOR, wear=True),
        "icing": PartAilment(("coil",), "92 % of the evaporator is a block of ice", _EVAPORATOR, wear=True),
        "defrost_fail": PartAilment(("defrost_heater",), "it stays cold, and frost grows from day to day", _EVAPORATOR),
        "fan_fail": PartAilment(("evaporator_fan",), "stands still, whatever its relay does", _EVAPORATOR),
        "valve_wear": PartAilment(("compressor",), "pumps 30 % of what it did", wear=True),
        "door_seal": PartAilment(("door",), "leaks 8 % of what an open door would", ("room",), wear=True),
        "contactor_welded": PartAilment(("contactor",), "the compressor runs, whatever thermostat says", _COMPRESSOR),
        "contactor_open": PartAilment(("contactor",), "the compressor does not start", _COMPRESSOR),
        "relay_welded": PartAilment(
            ("compressor_relay", "fan_relay", "defrost_relay"), "keeps its contacts as they are, whatever its coil does"
        ),
        "relay_open": PartAilment(
            ("compressor_relay", "fan_relay", "defrost_relay"), "its contacts do not close: burnt, or the coil is open"
        ),
    }
    demands: Mapping[str, Demand] = {
        "day": Demand("the day of the year that it is; the hour stays", "d", 120.0, 0.0, 365.0),
        "weather_k": Demand("how much warmer than season and hour it is outside", "K", 0.0, -20.0, 15.0),
        "door": Demand("1 held open, 0 kept shut, below 0 people come and go as they do", "", -1.0, -1.0, 1.0),
        "goods_kg": Demand("goods brought in beyond the usual, each kg as warm as the hall", "kg", 0.0, -300.0, 600.0),
    }

    def __init__(self, seed: int = 0) -> None:
        chance = random.Random(f"cold-room {seed}")
        self.room = cold_room_air.Room(cold_room_air.drawn(chance))
        self.world = cold_room_air.World(seed, self.room.p.openings)
        self.wants = {name: demand.usual for name, demand in self.demands.items()}
        self.severity: dict[tuple[str, str], float] = {}
        self.clock_s = self.wants["day"] * cold_room_air.DAY_S + START_S - RUN_UP_S
        self.outdoor_c = self.world.outdoor_c(self.clock_s)
        self.unit = cold_room_unit.Unit(cold_room_unit.drawn(chance), -1.0, self.outdoor_c)
        self.thaw_every_s = float(chance.choice((4, 6, 6, 8)) * 3600)
        self.thaw_at_s = START_S - RUN_UP_S + chance.randint(20, 220) * 60.0 + self.wants["day"] * cold_room_air.DAY_S
        self.phase = COOLING
        self._phase_s = 0.0
        self._probe_c = -1.0
        self._calls = False
        self._rested_s = REST_S
        self._high_ok = self._low_ok = True
        self.is_open = False
        self._relays = Relays(self.relays)
        for _ in range(round(RUN_UP_S / RUN_UP_STEP_S)):
            self._move(RUN_UP_STEP_S)

    @property
    def hall_c(self) -> float:
        """This is the hall around the room and beyond its door: heated in winter, warm in summer."""
        return max(12.0, 18 + 0.5 * (self.outdoor_c - 14))

    def step(self, dt_s: float) -> None:
        """This moves on by `dt_s`, in steps of at most two seconds."""
        count = max(1, math.ceil(dt_s / STEP_S_MAX - 1e-9))
        for _ in range(count):
            self._move(dt_s / count)

    def true_values(self) -> dict[str, float]:
        """This returns what perfect sensors would say now."""
        unit, room = self.unit, self.room
        # The second sensor hangs nearer to the door, and feels it.
        beside = 0.03 * (self.hall_c - room.air_c) if self.is_open else 0.0
        return {
            "room_temp": room.air_c,
            "room_temp_b": room.air_c + beside,
            "humidity": room.humidity,
            # At the coil's end: where no liquid comes, it has the air's temperature.
            "evaporator_temp": unit.coil_c + (1 - unit.wetted) * (room.air_c - unit.coil_c),
            "fan_rpm": unit.fan_rpm,
            "suction_pressure": unit.suction_kpa,
            "discharge_pressure": unit.discharge_kpa,
            "compressor_current": unit.current_a,
            "door": float(self.is_open),
        }

    def suffer(self, kind: str, target: str, severity: float) -> None:
        """This puts one ailment at a severity of 0..1; an unknown kind or target is a KeyError."""
        if target not in self.part_ailments[kind].targets:
            raise KeyError(f"{kind}: {target} cannot have it")
        self.severity[kind, target] = bad = min(1.0, max(0.0, severity))
        ill = self.unit.condition
        if kind == "refrigerant_leak":
            ill.charge_lost = bad
        elif kind == "fouling":
            ill.condenser_dirty = bad
        elif kind == "icing":
            ill.iced = bad
        elif kind == "defrost_fail":
            ill.heater_lost = bad
        elif kind == "fan_fail":
            ill.fan_lost = bad
        elif kind == "valve_wear":
            ill.valves_worn = bad
        elif kind == "door_seal":
            self.room.seal_lost = bad
        elif target in self.relays:
            self._relays.suffer(kind, target, bad)

    def demand(self, what: str, value: float) -> None:
        """This puts one demand at a value, within its bounds."""
        bounds = self.demands[what]
        before, self.wants[what] = self.wants[what], min(bounds.high, max(bounds.low, value))
        change = self.wants[what] - before
        if what == "goods_kg" and change:
            self.room.bring(change, self.hall_c)
        elif what == "day":
            whole = round(self.wants["day"] - self.clock_s // cold_room_air.DAY_S) * float(cold_room_air.DAY_S)
            self.clock_s += whole
            self.thaw_at_s += whole

    def switch(self, relay: str, on: bool) -> None:
        """This puts a relay's coil on or off. Each stands in series with the room's own control: on lets that rule."""
        self._relays.switch(relay, on)

    def contacts(self, relay: str) -> bool:
        """This returns whether a relay's contacts are closed."""
        return self._relays.contacts[relay]

    def _move(self, dt_s: float) -> None:
        """This moves everything by one step."""
        unit, room, wants = self.unit, self.room, self.wants
        door = wants["door"]
        self.is_open = self.world.is_open(self.clock_s) if door < 0 else door >= 0.5
        self.clock_s += dt_s
        self.outdoor_c = outdoor_c = self.world.outdoor_c(self.clock_s) + wants["weather_k"]
        on, fan, heat = self._control(dt_s)
        warmth = unit.p.fan_w * unit.fan_share**3 + (PEOPLE_W if self.is_open else 0.0)
        dew = unit.dew_kg_s(room.ratio)
        heat_w, dew_kg_s = room.step(dt_s, self.hall_c, self.is_open, warmth, unit.coil_w_k, unit.coil_c, dew)
        # No more frost can sublime than there is.
        unit.step(dt_s, heat_w, max(dew_kg_s, -unit.frost_kg / dt_s), outdoor_c, on, fan, heat)

    def _control(self, dt_s: float) -> tuple[bool, bool, bool]:
        """This returns which circuits are live: compressor, evaporator fan, defrost heater."""
        unit = self.unit
        self._probe_c = self.room.air_c + (self._probe_c - self.room.air_c) * math.exp(-dt_s / PROBE_S)
        if self._probe_c > CUT_IN_C:
            self._calls = True
        elif self._probe_c < CUT_OUT_C:
            self._calls = False
        self._phase_s += dt_s
        if self.phase == COOLING and self.clock_s >= self.thaw_at_s:
            self.thaw_at_s += self.thaw_every_s
            self._enter(THAWING)
        elif self.phase == THAWING and (unit.coil_c > THAWED_C or self._phase_s > THAW_S_MAX):
            self._enter(DRIPPING)
        elif self.phase == DRIPPING and self._phase_s > DRIP_S:
            self._enter(CHILLING)
        elif self.phase == CHILLING and (unit.coil_c < CHILLED_C or self._phase_s > CHILL_S_MAX):
            self._enter(COOLING)
        # The pressure switches: off beyond one bound, on again within the other.
        if self._high_ok:
            self._high_ok = unit.discharge_kpa <= cold_room_unit.HIGH_OFF_KPA
        else:
            self._high_ok = unit.discharge_kpa < cold_room_unit.HIGH_ON_KPA
        if self._low_ok:
            self._low_ok = unit.suction_kpa >= cold_room_unit.LOW_OFF_KPA
        else:
            self._low_ok = unit.suction_kpa > cold_room_unit.LOW_ON_KPA
        wanted = (self._calls or self.phase == CHILLING) and self.phase not in (THAWING, DRIPPING)
        wanted = wanted and self._high_ok and self._low_ok
        # A compressor that runs need not have rested.
        wanted = wanted and (unit.running or self._rested_s >= REST_S)
        if self.severity.get(("contactor_welded", "contactor"), 0.0) > 0:
            wanted = True
        elif self.severity.get(("contactor_open", "contactor"), 0.0) > 0:
            wanted = False
        on = wanted and self.contacts("compressor_relay")
        self._rested_s = 0.0 if on else self._rested_s + dt_s
        fan = self.phase == COOLING and self.contacts("fan_relay")
        return on, fan, self.phase == THAWING and self.contacts("defrost_relay")

    def _enter(self, phase: int) -> None:
        self.phase, self._phase_s = phase, 0.0


__all__ = ["ColdRoom"]

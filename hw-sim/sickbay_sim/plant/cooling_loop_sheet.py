"""This is the cooling loop's data sheet: what it measures, what it is made of, what can befall it, what is asked of it."""

from collections.abc import Mapping

from sickbay_sim.plant.plant import Demand, PartAilment, PartSpec
from sickbay_sim.plant.sensors import COOLING_LOOP, Sensor

LITRE_MIN = 1e-3 / 60  # m3/s

SIGNALS: Mapping[str, Sensor] = {
    **COOLING_LOOP,
    "suction_pressure": Sensor("kPa", 0.2, 0.05, 0.0, 160.0),  # absolute
    "discharge_pressure": Sensor("kPa", 0.3, 0.1, 0.0, 320.0),  # absolute
    "pump_rpm": Sensor("rev/min", 8.0, 1.0, 0.0, 6000.0),
    "bearing_temp": Sensor("degC", 0.05, 0.05, -40.0, 150.0, lag_s=10.0, offset=0.2, chain="thermistor"),
    "block_temp": Sensor("degC", 0.05, 0.05, -40.0, 150.0, lag_s=5.0, offset=0.2, chain="thermistor"),
    "vibration_velocity": Sensor("mm/s", 0.04, 0.01, 0.0, 45.0),
    "vibration_kurtosis": Sensor("", 0.12, 0.01, 0.0, 40.0),
    "float_switch": Sensor("", 0.0, 1.0, 0.0, 1.0),  # 1 while there is coolant in the tank
    "supply_v": Sensor("V", 0.03, 0.01, 0.0, 40.0),
}
RANGES: Mapping[str, tuple[float, float]] = {
    "flow": (0.0, 60.0),
    "pressure": (0.0, 160.0),
    "current": (0.0, 10.0),
    "vibration": (0.0, 4.0),
    "inlet_temp": (-20.0, 110.0),
    "outlet_temp": (-20.0, 110.0),
    "outlet_temp_b": (-20.0, 110.0),
    "fan_rpm": (0.0, 6000.0),
    "suction_pressure": (0.0, 150.0),
    "discharge_pressure": (0.0, 300.0),
    "pump_rpm": (0.0, 6000.0),
    "bearing_temp": (-20.0, 140.0),
    "block_temp": (-20.0, 120.0),
    "vibration_velocity": (0.0, 45.0),
    "vibration_kurtosis": (0.0, 40.0),
    "float_switch": (0.0, 1.0),
    "supply_v": (0.0, 36.0),
}
REDUNDANT: Mapping[str, str] = {"outlet_temp_b": "outlet_temp"}
PARTS: Mapping[str, PartSpec] = {
    "pump": PartSpec(
        (
            "flow",
            "pressure",
            "current",
            "vibration",
            "discharge_pressure",
            "pump_rpm",
            "bearing_temp",
            "vibration_velocity",
            "vibration_kurtosis",
        ),
        essential=True,
        output="pump_relay",
    ),
    "fan": PartSpec(("fan_rpm", "inlet_temp", "outlet_temp", "outlet_temp_b"), isolate="active", output="fan_relay"),
    "coolant": PartSpec(("suction_pressure", "float_switch")),
    "heater": PartSpec(("block_temp",)),
}
RELAYS: Mapping[str, int] = {"fan_relay": 17, "pump_relay": 18}
_RELAYS = tuple(RELAYS)
_PUMP, _WATER = ("pump",), ("pump", "coolant")

PART_AILMENTS: Mapping[str, PartAilment] = {
    "bearing": PartAilment(("pump",), "about to seize: eleven times the friction, 60 K warmer", wear=True),
    "impeller": PartAilment(("pump",), "hardly pumping: 70 % of the head is lost in open clearances", wear=True),
    "cavitation": PartAilment(("tank",), "its breather is shut and a vacuum of 0.9 bar stands over the water", _WATER),
    "clog": PartAilment(("filter",), "is full of dirt: 10 % of its cross-section is free", _PUMP, wear=True),
    "leak": PartAilment(("hose",), "loses the tank's water in 5 minutes, then draws air; mending it fills up", _WATER),
    "fan": PartAilment(("fan",), "stands still; below 1 it is slower by that share"),
    "winding": PartAilment(("pump",), "has 2.5 times its resistance", wear=True),
    "fouling": PartAilment(("radiator",), "has all of its air stopped by dirt", ("fan",), wear=True),
    "heater_scale": PartAilment(("heater",), "gives its heat to the water six times as badly", wear=True),
    "relay_welded": PartAilment(_RELAYS, "has its contacts closed, whatever its coil does"),
    "relay_open": PartAilment(_RELAYS, "has its contacts open, whatever its coil does"),
    "fan_fail": PartAilment(("fan",), "stands still, at any severity"),
    "pump_fail": PartAilment(("pump",), "has an open winding at any severity: no current, no flow"),
    "pump_wear": PartAilment(("pump",), "is worn: hardly pumping", wear=True),
    "blockage": PartAilment(("hose",), "has its cross-section stopped (95 % at most)", _PUMP),
    "welded": PartAilment(_RELAYS, "keeps its contacts as they were at the onset, whatever its coil does"),
}
DEMANDS: Mapping[str, Demand] = {
    "load": Demand("heat that the machine gives off, as a share of the nominal 5 kW", "1", 1.0, 0.0, 1.5),
    "ambient_c": Demand("the room's temperature; the nominal unit stands in 22 degC", "degC", 22.0, -10.0, 45.0),
    "supply": Demand("voltage of the supply, as a share of the nominal 24 V", "1", 1.0, 0.5, 1.1),
    "setpoint": Demand("the pump's drive, as a share of full voltage", "1", 1.0, 0.4, 1.0),
    "running": Demand("1: on duty; 0: off hours, its own controller stops heat, pump and fan", "1", 1.0, 0.0, 1.0),
    "refill": Demand("1: somebody fills the tank and bleeds the air; it takes no time", "1", 0.0, 0.0, 1.0),
}

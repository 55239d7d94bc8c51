"""This writes the daemon's configuration for a simulated machine, so that bench, rig and swarm all run the same one."""

from sickbay_sim.patient import COOLING_LOOP
from sickbay_sim.rig import FAN_TACH_PIN, PULSES_PER_REV, READ_BACK_PINS, RELAY_PINS, Rig

RANGES = {
    "flow": "[0, 60]",
    "pressure": "[0, 160]",
    "current": "[0, 10]",
    "vibration": "[0, 4]",
    "inlet_temp": "[-20, 110]",
    "outlet_temp": "[-20, 110]",
    "outlet_temp_b": "[-20, 110]",
    "fan_rpm": "[0, 6000]",
}


def configuration(rig: Rig) -> str:
    """This returns the lines of a daemon's configuration that fit a rig."""
    on_pins = rig.fan == "pins"
    columns = [name for name in COOLING_LOOP if not (on_pins and name == "fan_rpm")]
    every_s = rig.period_s
    out = ["[sources.rig]", 'driver = "serial_line"', f'port = "{rig.port}"', f'format = "{rig.style}"', ""]
    if rig.style == "csv":
        out[-1:] = ["columns = [" + ", ".join(f'"{name}"' for name in columns) + "]", ""]
    if on_pins:
        tach = f'{{ pin = {FAN_TACH_PIN}, count = "rising", pulses_per_rev = {PULSES_PER_REV} }}'
        out += ["[sources.pins]", 'driver = "gpio"', f"inputs = {{ fan_tach = {tach} }}", ""]
    for name in columns:
        out += [f"[signals.{name}]", f'from = "rig.{name}"', f'unit = "{COOLING_LOOP[name].unit}"']
        out += [f"every_s = {every_s:g}", f"range = {RANGES[name]}"]
        if name == "outlet_temp_b":
            out += ['redundant_with = "outlet_temp"']
        out += [""]
    fan = "fan_tach" if on_pins else "fan_rpm"
    if on_pins:
        out += ["[signals.fan_tach]", 'from = "pins.fan_tach"', 'unit = "rev/min"', "range = [0, 6000]", ""]
    for relay in RELAY_PINS:
        out += [f"[outputs.{relay}]", 'driver = "gpio"', f"pin = {RELAY_PINS[relay]}", 'fail_state = "on"']
        out += [f"read_back = {READ_BACK_PINS[relay]}", ""]
    out += ["[parts.pump]", 'signals = ["flow", "pressure", "current", "vibration"]', "essential = true"]
    out += ['output = "pump_relay"', ""]
    out += ["[parts.fan]", f'signals = ["{fan}", "inlet_temp", "outlet_temp", "outlet_temp_b"]', 'isolate = "active"']
    out += ['output = "fan_relay"', ""]
    return "\n".join(out)

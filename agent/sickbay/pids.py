"""These are the standard values that every car's engine computer can be asked for: SAE J1979 / ISO 15031-5, service 01.

All of them are linear in one or two bytes of the answer, which is why a table is enough.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sickbay import toml

VOLTAGE = "voltage"  # not the car's computer but the adapter's own measurement of the socket, in V


class Pid(NamedTuple):
    """One parameter: its value is `scale` times the big-endian number in bytes at..at+take, plus `offset`."""

    number: int
    size: int  # bytes of the whole answer, behind 41 and the number
    unit: str
    scale: float = 1.0
    offset: float = 0.0
    take: int = 1
    at: int = 0

    def value(self, payload: bytes) -> float | None:
        """This returns the value in `unit`; None where the answer is too short."""
        if len(payload) < self.size:
            return None
        return round(int.from_bytes(payload[self.at : self.at + self.take], "big") * self.scale + self.offset, 6)

    @property
    def command(self) -> str:
        """What an adapter is sent for it."""
        return f"01{self.number:02X}"


_PERCENT, _TRIM, _LAMBDA = 100 / 255, 100 / 128, 2 / 65536

NAMES: dict[str, Pid] = {
    "engine_load": Pid(0x04, 1, "%", _PERCENT),
    "coolant_temp": Pid(0x05, 1, "degC", 1, -40),
    "short_fuel_trim_1": Pid(0x06, 1, "%", _TRIM, -100),
    "long_fuel_trim_1": Pid(0x07, 1, "%", _TRIM, -100),
    "short_fuel_trim_2": Pid(0x08, 1, "%", _TRIM, -100),
    "long_fuel_trim_2": Pid(0x09, 1, "%", _TRIM, -100),
    "fuel_pressure": Pid(0x0A, 1, "kPa", 3),
    "intake_pressure": Pid(0x0B, 1, "kPa"),
    "rpm": Pid(0x0C, 2, "rev/min", 0.25, take=2),
    "speed": Pid(0x0D, 1, "km/h"),
    "timing_advance": Pid(0x0E, 1, "deg", 0.5, -64),
    "intake_temp": Pid(0x0F, 1, "degC", 1, -40),
    "maf": Pid(0x10, 2, "g/s", 0.01, take=2),
    "throttle": Pid(0x11, 1, "%", _PERCENT),
    "run_time": Pid(0x1F, 2, "s", take=2),
    "distance_with_mil": Pid(0x21, 2, "km", take=2),
    "fuel_rail_pressure_vacuum": Pid(0x22, 2, "kPa", 0.079, take=2),
    "fuel_rail_pressure": Pid(0x23, 2, "kPa", 10, take=2),
    "egr_commanded": Pid(0x2C, 1, "%", _PERCENT),
    "egr_error": Pid(0x2D, 1, "%", _TRIM, -100),
    "evaporative_purge": Pid(0x2E, 1, "%", _PERCENT),
    "fuel_level": Pid(0x2F, 1, "%", _PERCENT),
    "warm_ups_since_clear": Pid(0x30, 1, ""),
    "distance_since_clear": Pid(0x31, 2, "km", take=2),
    "barometric_pressure": Pid(0x33, 1, "kPa"),
    "control_module_voltage": Pid(0x42, 2, "V", 0.001, take=2),
    "absolute_load": Pid(0x43, 2, "%", _PERCENT, take=2),
    "lambda_commanded": Pid(0x44, 2, "", _LAMBDA, take=2),
    "relative_throttle": Pid(0x45, 1, "%", _PERCENT),
    "ambient_temp": Pid(0x46, 1, "degC", 1, -40),
    "throttle_b": Pid(0x47, 1, "%", _PERCENT),
    "throttle_c": Pid(0x48, 1, "%", _PERCENT),
    "accelerator_d": Pid(0x49, 1, "%", _PERCENT),
    "accelerator_e": Pid(0x4A, 1, "%", _PERCENT),
    "accelerator_f": Pid(0x4B, 1, "%", _PERCENT),
    "throttle_commanded": Pid(0x4C, 1, "%", _PERCENT),
    "time_with_mil": Pid(0x4D, 2, "min", take=2),
    "time_since_clear": Pid(0x4E, 2, "min", take=2),
    "ethanol": Pid(0x52, 1, "%", _PERCENT),
    "fuel_rail_pressure_absolute": Pid(0x59, 2, "kPa", 10, take=2),
    "relative_accelerator": Pid(0x5A, 1, "%", _PERCENT),
    "hybrid_battery": Pid(0x5B, 1, "%", _PERCENT),
    "oil_temp": Pid(0x5C, 1, "degC", 1, -40),
    "injection_timing": Pid(0x5D, 2, "deg", 1 / 128, -210, take=2),
    "fuel_rate": Pid(0x5E, 2, "L/h", 0.05, take=2),
    "torque_demanded": Pid(0x61, 1, "%", 1, -125),
    "torque": Pid(0x62, 1, "%", 1, -125),
    "torque_reference": Pid(0x63, 2, "N m", take=2),
    # Eight oxygen sensors, by bank and place: a narrow one's voltage, a wide one's lambda; and four catalysts.
    **{f"oxygen_{i + 1}": Pid(0x14 + i, 2, "V", 0.005) for i in range(8)},
    **{f"lambda_{i + 1}": Pid(0x24 + i, 4, "", _LAMBDA, take=2) for i in range(8)},
    **{f"catalyst_temp_{i + 1}": Pid(0x3C + i, 2, "degC", 0.1, -40, take=2) for i in range(4)},
}
_NUMBERS = {pid.number: pid for pid in NAMES.values()}


def find(word: str) -> Pid | None:
    """This returns the parameter that a name or a number such as "0105" means; None for what no formula is known of."""
    if re.fullmatch(r"01[0-9A-Fa-f]{2}", word):
        return _NUMBERS.get(int(word[2:], 16))
    return NAMES.get(word)


def complaints(at: str, port: str, chosen: Mapping[str, str], fields: Mapping[str, str]) -> Iterator[str]:
    """This yields what cannot be in a source's table: `chosen` are its pids, `fields` {field: signal} is what is read."""
    if not port:
        yield f"{at}.port: empty. Name the adapter's path such as /dev/ttyUSB0, or a URL such as socket://HOST:PORT"
    known = (*NAMES, VOLTAGE)
    for field, word in chosen.items():
        if word != VOLTAGE and find(word) is None:
            yield f'{at}.pids.{field}: "{word}": no formula is known of it.{toml.nearest(word, known)}'
    for field, signal in fields.items():
        if field not in chosen and field != VOLTAGE and find(field) is None:
            mend = toml.nearest(field, (*chosen, *known))
            yield f"signals.{signal}.from: {at} has no {field!r}: no standard value, and not in its pids.{mend}"

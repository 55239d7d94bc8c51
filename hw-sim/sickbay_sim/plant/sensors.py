"""This is what sensors make of a machine's true state: lag, noise, offset and the steps of a converter.

Two profiles of the same machine. "clean" is the chain as its data sheet has it. "cheap" is the chain as one meets it on a
ten-euro board: ten bits over the whole range, a pressure transmitter of four times the range that the job needs, a current
that is sampled without a filter against its own ripple, thermistors, and seconds that never arrive.
"""

import copy
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

PROFILES = ("clean", "cheap")
TEN_BITS = 1023
OWN_LSB = 0.5  # noise of a ten-bit converter on a ten-euro board, in its steps, one standard deviation
OVERSIZED = 4.0  # range of a cheap pressure transmitter over the range of the job: 0-6 bar where 1.6 would do
RIPPLE = 0.2  # scatter of a current sampled against its own ripple, as a share
MISSING = 0.06  # of rows that never arrive
SINGLE, BURST_ROWS, BURST_ROWS_MAX = (
    0.5,
    6.0,
    20,
)  # share of gaps that are one row long; the others on average and at most
CHAINS = ("adc", "pressure", "current", "ds18b20", "thermistor", "digital", "switch")
_PRESSURE_UNITS = ("kPa", "bar", "psi", "Pa", "hPa", "mbar")
_COUNTED_UNITS = ("rev/min", "rpm", "Hz", "1/s", "km/h", "s", "h")


@dataclass(frozen=True)
class Sensor:
    """One measuring chain. `lsb` is the converter's step, `lag_s` the first-order lag of probe and housing."""

    unit: str
    noise: float
    lsb: float
    low: float
    high: float
    lag_s: float = 0.0
    offset: float = 0.0  # one standard deviation of what units differ by
    chain: str = ""  # one of CHAINS; "": by unit, range and step, see chain_of


# The temperature step is that of a DS18B20 at 12 bits: its data sheet, table 2. These eight are what the rig sends.
COOLING_LOOP: Mapping[str, Sensor] = {
    "flow": Sensor("L/min", 0.08, 0.01, 0.0, 40.0),
    "pressure": Sensor("kPa", 0.25, 0.05, 0.0, 160.0),
    "current": Sensor("A", 0.012, 0.002, 0.0, 10.0),
    "vibration": Sensor("g", 0.004, 0.001, 0.0, 4.0),
    "inlet_temp": Sensor("degC", 0.04, 0.0625, -55.0, 125.0, lag_s=2.0, offset=0.1),
    "outlet_temp": Sensor("degC", 0.04, 0.0625, -55.0, 125.0, lag_s=2.0, offset=0.1),
    "outlet_temp_b": Sensor("degC", 0.05, 0.0625, -55.0, 125.0, lag_s=3.0, offset=0.15, chain="thermistor"),
    "fan_rpm": Sensor("rev/min", 6.0, 1.0, 0.0, 6000.0),
}


def chain_of(sensor: Sensor) -> str:
    """This returns which of CHAINS a sensor is: as it says itself, else by what it measures."""
    if sensor.chain:
        return sensor.chain
    if sensor.low == 0 and sensor.high == 1 and sensor.lsb == 1:
        return "switch"
    if sensor.unit == "degC":
        # A step of a whole degree is a control unit's own number on a bus.
        return "ds18b20" if sensor.lsb == 0.0625 else "thermistor" if sensor.lsb < 0.5 else "digital"
    if sensor.unit == "A":
        return "current"
    if sensor.unit in _PRESSURE_UNITS:
        # A pressure in steps of a whole unit comes from a bus as well.
        return "pressure" if sensor.lsb < 1 else "digital"
    return "digital" if sensor.unit in _COUNTED_UNITS else "adc"


def is_analogue(sensor: Sensor) -> bool:
    """This returns whether a reading is a voltage on its way: a supply that sags or a neighbour that hums reaches it."""
    return chain_of(sensor) in ("adc", "pressure", "current", "thermistor")


def as_profile(sensor: Sensor, profile: str) -> Sensor:
    """This returns the chain that a profile makes of a sensor; a thermistor's step is that in the middle of its range."""
    if profile not in PROFILES:
        raise ValueError(f"profile {profile!r}: there is none of that name. Known: {', '.join(PROFILES)}")
    chain = chain_of(sensor)
    if profile == "clean" or chain in ("switch", "digital"):
        return sensor
    if chain == "ds18b20":
        # Data sheet: +-0.5 degC from -10 to 85 degC; two standard deviations of it.
        return replace(sensor, offset=max(sensor.offset, 0.25))
    if chain == "thermistor":
        step = _thermistor_c(511.0) - _thermistor_c(512.0)
        return replace(
            sensor, noise=math.hypot(sensor.noise, OWN_LSB * abs(step)), lsb=0.01, offset=max(sensor.offset, 0.5)
        )
    span = (sensor.high - sensor.low) * (OVERSIZED if chain == "pressure" else 1.0)
    step = max(sensor.lsb, span / TEN_BITS)
    return replace(sensor, noise=math.hypot(sensor.noise, OWN_LSB * step), lsb=step, high=sensor.low + TEN_BITS * step)


# NTC 10 kOhm at 25 degC, beta 3950, below 10 kOhm from the reference: 1/T = 1/T25 + ln(R/R25)/beta.
_BETA, _T25 = 3950.0, 298.15


def _thermistor_c(code: float) -> float:
    ohm_share = code / (TEN_BITS - code)
    return 1 / (1 / _T25 + math.log(ohm_share) / _BETA) - 273.15


_THERMISTOR_C = [round(_thermistor_c(min(TEN_BITS - 0.5, max(0.5, code))), 2) for code in range(TEN_BITS + 1)]


def thermistor_reading(temp_c: float) -> float:
    """This returns what ten bits of a divider with a thermistor make of a temperature: coarser away from 25 degC."""
    ratio = math.exp(_BETA * (1 / (max(-60.0, temp_c) + 273.15) - 1 / _T25))
    return _THERMISTOR_C[round(TEN_BITS * ratio / (1 + ratio))]


class Sensors:
    """The measuring chains of one unit, each with a stream of chance of its own: what befalls one moves no other."""

    def __init__(
        self,
        seed: int,
        chains: Mapping[str, Sensor],
        first: Mapping[str, float],
        noisy: bool = True,
        profile: str = "clean",
    ) -> None:
        self.chains = {name: as_profile(sensor, profile) for name, sensor in chains.items()}
        self._felt = {name: first[name] for name in chains}
        self._reads: list[tuple[str, Callable[[float], float]]] = []
        self._streams: dict[str, tuple[str, float, random.Random]] = {}  # what a reader is made of
        self._kept: dict[str, float] = {}
        self._kept_for_s = -1.0
        self._gap = _Gaps(seed) if profile == "cheap" and noisy else None
        for name, chain in self.chains.items():
            chance = random.Random(f"sensor {seed} {name}")
            offset = chain.offset * chance.gauss(0, 1)
            kind = chain_of(chains[name]) if profile == "cheap" else "clean"
            if noisy:
                self._streams[name] = kind, offset, chance
            self._reads.append((name, _reader(chain, kind, offset, chance) if noisy else _converter(chain)))

    def __deepcopy__(self, memo: dict[int, Any]) -> "Sensors":
        """This returns sensors that go on as these would, and take nothing from these: functions are not copied by themselves."""
        found = copy.copy(self)
        found._felt, found._kept, found._gap = dict(self._felt), dict(self._kept), copy.deepcopy(self._gap, memo)
        found._streams = copy.deepcopy(self._streams, memo)
        found._reads = []
        for name, read in self._reads:
            if isinstance(read, _Rippled):
                found._reads.append((name, copy.deepcopy(read, memo)))
            else:
                anew = name in self._streams
                found._reads.append((name, _reader(self.chains[name], *found._streams[name]) if anew else read))
        return found

    def read(self, truth: Mapping[str, float], dt_s: float) -> dict[str, float]:
        """This returns what the sensors say `dt_s` after they were last read."""
        if dt_s != self._kept_for_s:
            self._kept_for_s = dt_s
            self._kept = {n: math.exp(-dt_s / c.lag_s) for n, c in self.chains.items() if c.lag_s > 0}
        said, felt, kept = {}, self._felt, self._kept
        for name, read in self._reads:
            value = truth[name]
            if name in kept:
                felt[name] = value = value + kept[name] * (felt[name] - value)
            said[name] = read(value)
        return said

    def missing(self) -> bool:
        """This returns whether the row that was just read never arrives; to be asked once for each row."""
        return self._gap is not None and self._gap.next()

    def convert(self, name: str, value: float) -> float:
        """This returns what the converter makes of a value: within its range, in whole steps."""
        return _converter(self.chains[name])(value)


class _Gaps:
    """Rows that never arrive, MISSING of all: half of the gaps a single row, the others bursts."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"gaps {seed}")
        length = SINGLE + (1 - SINGLE) * BURST_ROWS
        self._begins = MISSING / (length * (1 - MISSING))
        self._left = 0

    def next(self) -> bool:
        if self._left > 0:
            self._left -= 1
            # A gap ends with a row that arrives, else two would merge and be longer than they were drawn.
            return self._left > 0
        if self._chance.random() >= self._begins:
            return False
        rows = 1
        if self._chance.random() >= SINGLE:
            while rows < BURST_ROWS_MAX - 1 and self._chance.random() > 1 / (BURST_ROWS - 1):
                rows += 1
            rows += 1
        self._left = rows
        return True


def _converter(chain: Sensor) -> Callable[[float], float]:
    low, high, lsb = chain.low, chain.high, chain.lsb

    def convert(value: float) -> float:
        return round(round(min(high, max(low, value)) / lsb) * lsb, 6)

    return convert


def _reader(chain: Sensor, kind: str, offset: float, chance: random.Random) -> Callable[[float], float]:
    noise, gauss, convert = chain.noise, chance.gauss, _converter(chain)
    low, high, lsb = chain.low, chain.high, chain.lsb

    def plain(value: float) -> float:
        value = value + (offset + noise * gauss(0, 1))
        return round(round((low if value < low else high if value > high else value) / lsb) * lsb, 6)

    if kind == "thermistor":
        return lambda value: thermistor_reading(value + offset + noise * gauss(0, 1))
    if kind == "current":
        return _Rippled(chain, offset, chance)
    if noise == 0 and offset == 0:
        return convert
    return plain


class _Rippled:
    """A current's reader, that samples a ripple at moments of its own. An object, so that a copy has a phase of its own."""

    def __init__(self, chain: Sensor, offset: float, chance: random.Random) -> None:
        self._noise, self._offset, self._chance, self._convert = chain.noise, offset, chance, _converter(chain)
        self._phase, self._beat = chance.uniform(0, math.tau), chance.uniform(0.5, 2.5)

    def __call__(self, value: float) -> float:
        gauss = self._chance.gauss
        self._phase = phase = (self._phase + self._beat + 0.7 * gauss(0, 1)) % math.tau
        return self._convert(
            value * (1 + RIPPLE * math.sqrt(2) * math.sin(phase)) + self._offset + self._noise * gauss(0, 1)
        )

"""This is what sensors make of a machine's true state: lag, noise, offset and the steps of a converter."""

import math
import random
from dataclasses import dataclass

from sickbay_sim.plant.cooling_loop import LITRE_MIN, CoolingLoop


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


# The temperature step is that of a DS18B20 at 12 bits: its data sheet, table 2.
COOLING_LOOP = {
    "flow": Sensor("L/min", 0.08, 0.01, 0.0, 40.0),
    "pressure": Sensor("kPa", 0.25, 0.05, 0.0, 160.0),
    "current": Sensor("A", 0.012, 0.002, 0.0, 10.0),
    "vibration": Sensor("g", 0.004, 0.001, 0.0, 4.0),
    "inlet_temp": Sensor("degC", 0.04, 0.0625, -55.0, 125.0, lag_s=2.0, offset=0.1),
    "outlet_temp": Sensor("degC", 0.04, 0.0625, -55.0, 125.0, lag_s=2.0, offset=0.1),
    "outlet_temp_b": Sensor("degC", 0.05, 0.0625, -55.0, 125.0, lag_s=3.0, offset=0.15),
    "fan_rpm": Sensor("rev/min", 6.0, 1.0, 0.0, 6000.0),
}


def true_values(loop: CoolingLoop) -> dict[str, float]:
    """This returns what perfect sensors would say of a cooling loop, in the units of COOLING_LOOP."""
    return {
        "flow": loop.flow / LITRE_MIN,
        "pressure": max(0.0, loop.head_pa) / 1e3,
        "current": loop.current_a,
        "vibration": loop.vibration_g,
        "inlet_temp": loop.hot_c,
        "outlet_temp": loop.cold_c,
        "outlet_temp_b": loop.cold_c,
        "fan_rpm": loop.fan_rpm,
    }


class Sensors:
    """The measuring chains of one unit, each with a stream of chance of its own: what befalls one moves no other."""

    def __init__(self, seed: int, chains: dict[str, Sensor], first: dict[str, float], noisy: bool = True) -> None:
        self._chains = chains
        self._chance = {name: random.Random(f"sensor {seed} {name}") for name in chains}
        self._offset = {name: c.offset * self._chance[name].gauss(0, 1) for name, c in chains.items()}
        self._felt = dict(first)
        self._noisy = noisy

    def read(self, truth: dict[str, float], dt_s: float) -> dict[str, float]:
        """This returns what the sensors say `dt_s` after they were last read."""
        said = {}
        for name, chain in self._chains.items():
            kept = math.exp(-dt_s / chain.lag_s) if chain.lag_s > 0 else 0.0
            self._felt[name] = felt = truth[name] + kept * (self._felt[name] - truth[name])
            if self._noisy:
                felt += self._offset[name] + chain.noise * self._chance[name].gauss(0, 1)
            said[name] = self.convert(name, felt)
        return said

    def convert(self, name: str, value: float) -> float:
        """This returns what the converter makes of a value: within its range, in whole steps."""
        chain = self._chains[name]
        return round(round(min(chain.high, max(chain.low, value)) / chain.lsb) * chain.lsb, 6)

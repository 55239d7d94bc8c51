"""This is what ailing sensors make of good readings. Each ailment has chance of its own: what befalls one moves no other."""

import math
import random
from collections import deque
from collections.abc import Iterable, Mapping

from sickbay_sim.ailments import kinds as k
from sickbay_sim.plant.plant import Plant
from sickbay_sim.plant.sensors import RIPPLE, Sensor, chain_of, is_analogue
from sickbay_sim.scenario import Fault

EMI_SHARE, EMI_BURST_S, LOOSE_S = 0.2, 5.0, 3.0
DELAY_ROWS_MAX = 10_000
# In the order in which they happen on the way from the probe to the port, whichever began first.
ORDER = (
    "swap",
    "gain",
    "bias",
    "drift",
    "noise",
    "spikes",
    "emi",
    "common_mode",
    "saturate",
    "quantise",
    "delay",
    "unit_change",
    "sign_flip",
    "stuck",
    "intermittent",
    "sentinel",
    "dropout",
)
_ANALOGUE = frozenset(("gain", "bias", "drift", "noise", "spikes", "emi", "common_mode", "saturate"))

Row = dict[str, float | None]


def error_code(sensor: Sensor) -> float:
    """This returns what a chain says when it has nothing to say.

    85.0 is a DS18B20's register at power-on (data sheet, table 1); -127 is what most drivers say of a probe that is gone;
    65535 is a 16-bit register with all bits up, as Modbus devices answer.
    """
    chain = chain_of(sensor)
    return 85.0 if chain == "ds18b20" else -127.0 if sensor.unit == "degC" else 65535.0


def noises(plant: type[Plant] | Plant, profile: str, usual: Mapping[str, float]) -> dict[str, float]:
    """This returns what a sensor's ailments are measured in: its noise, or half a step of its converter where that is more.

    Both are those of the clean chain, so that a fault is the same in either profile; but a current that is sampled against its
    ripple scatters so much more that it counts a tenth of that.
    """
    found = {name: max(sensor.noise, sensor.lsb / 2) for name, sensor in plant.signals.items()}
    if profile == "cheap":
        for name, sensor in plant.signals.items():
            if chain_of(sensor) == "current":
                found[name] = max(found[name], RIPPLE / 10 * abs(usual[name]))
    return found


class Distortion:
    """The sensors' ailments in force, and what each of them must remember."""

    def __init__(
        self, seed: int, plant: type[Plant] | Plant, chains: Mapping[str, Sensor], noises: Mapping[str, float]
    ) -> None:
        """`chains` are those of the profile in use: what is bent is converted again, in their steps and range."""
        self._seed = seed
        self._plant = plant
        self._chains = chains
        self._noises = noises
        self._memory: dict[Fault, _Memory] = {}
        self._last: dict[str, float] = {}  # what each sensor last said

    def apply(self, said: Mapping[str, float], ailing: Iterable[tuple[Fault, float]], dt_s: float) -> Row:
        """This returns the readings as they reach the port; None for one that is missing.

        `ailing` are the faults in force and their severity now. One whose severity is 0 at the moment rests and forgets.
        """
        acting = sorted((x for x in ailing if x[1] > 0 and x[0].kind in ORDER), key=lambda x: ORDER.index(x[0].kind))
        out: Row = dict(said)
        if acting:
            self._memory = {fault: self._remember(fault) for fault, _ in acting}
            for fault, severity in acting:
                self._bend(out, fault, severity, self._memory[fault], dt_s)
        elif self._memory:
            self._memory = {}
        held = {fault.target for fault, _ in acting if fault.kind == "stuck"}
        for name, value in out.items():
            if value is not None and name not in held:
                self._last[name] = value
        return out

    def _remember(self, fault: Fault) -> "_Memory":
        return self._memory.get(fault) or _Memory(f"ailment {self._seed} {fault.kind} {fault.target} {fault.at_s}")

    def _bend(self, out: Row, fault: Fault, severity: float, memory: "_Memory", dt_s: float) -> None:
        if fault.kind == "swap":
            a, b = fault.target.split("<>")
            out[a], out[b] = out[b], out[a]
            return
        if fault.kind == "common_mode":
            for name, sensor in self._plant.signals.items():
                value = out.get(name)
                if value is not None and is_analogue(sensor):
                    out[name] = self._convert(name, value * (1 - k.SAG * severity))
            return
        name = fault.target
        value = out.get(name)
        if value is None:
            return
        if fault.kind == "stuck":
            out[name] = self._last.get(name, value)
            return
        bent = self._bent(fault.kind, name, value, severity, memory, dt_s)
        if bent is not None and fault.kind in _ANALOGUE and severity <= 1:
            bent = self._convert(name, bent)
        out[name] = None if bent is None else round(bent, 6)

    def _bent(
        self, kind: str, name: str, value: float, severity: float, memory: "_Memory", dt_s: float
    ) -> float | None:
        """This returns what one ailment makes of one reading."""
        chance, unit, sensor = memory.chance, self._noises[name], self._plant.signals[name]
        match kind:
            case "bias":
                return value + severity * k.BIAS * unit
            case "drift":
                bent = value + memory.level * unit
                memory.level += severity * k.DRIFT_PER_S * dt_s
                return bent
            case "gain":
                return value * (1 + k.GAIN * severity)
            case "noise":
                return value + severity * k.NOISE * unit * chance.gauss(0, 1)
            case "spikes":
                leap = chance.choice((-1, 1)) if chance.random() < k.SPIKE_SHARE * severity else 0
                return value + leap * k.SPIKE * unit
            case "emi":
                hum = math.sqrt(2) * math.sin(chance.uniform(0, math.tau))
                bursting = memory.lasts(EMI_SHARE, EMI_BURST_S, dt_s)
                return value + k.EMI * severity * unit * hum if bursting else value
            case "saturate":
                if not memory.started:
                    memory.started, memory.level = True, value
                chain = self._chains[name]
                return min(value, chain.high - severity * (chain.high - memory.level + k.QUANTA * unit))
            case "quantise":
                step = max(self._chains[name].lsb, k.QUANTA * severity * unit)
                return round(value / step) * step
            case "delay":
                memory.past.append(value)
                rows = min(DELAY_ROWS_MAX - 1, round(k.DELAY_S * severity / dt_s))
                return memory.past[max(0, len(memory.past) - 1 - rows)]
            case "unit_change":
                _, factor, offset = k.UNITS[sensor.unit]
                return value * factor + offset
            case "sign_flip":
                return -value
            case "intermittent":
                if not memory.lasts(k.LOOSE * severity, LOOSE_S, dt_s):
                    return value
                return sensor.low if is_analogue(sensor) else None
            case "sentinel":
                return error_code(sensor) if chance.random() < severity else value
            case _:  # dropout
                return None if chance.random() < severity else value

    def _convert(self, name: str, value: float) -> float:
        chain = self._chains[name]
        return round(round(min(chain.high, max(chain.low, value)) / chain.lsb) * chain.lsb, 6)


class _Memory:
    """What one ailment remembers while it acts."""

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)
        self.level = 0.0
        self.started = False
        self.past: deque[float] = deque(maxlen=DELAY_ROWS_MAX)
        self._there = False

    def lasts(self, share: float, mean_s: float, dt_s: float) -> bool:
        """This returns whether a thing that comes and goes is there now: a share of the time, `mean_s` at a time."""
        share = min(0.99, share)
        leaves = 1 - math.exp(-dt_s / mean_s)
        # Whatever the step, the share holds: p(come) (1 - share) = p(leave) share.
        comes = min(1.0, leaves * share / (1 - share))
        self._there = self.chance.random() >= leaves if self._there else self.chance.random() < comes
        return self._there

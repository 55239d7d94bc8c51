"""A signal that leaps is its sensor's fault only where it leaps by itself, once, and stands where it landed."""

import math
import random
from collections.abc import Callable

import pytest

from sickbay.core.effects import Escalate
from sickbay.core.equipment import Equipment, Mode, Part, Policy, Signal
from sickbay.core.node import Node
from sickbay.core.reading import Reading

LEARN = 600
ILL = 800  # an idle begins
CRUISE = ILL + 45

Volts = Callable[[int, bool], float]  # row, whether it idles: what is added to the voltage


def journey(seed: int, rows: int) -> list[float]:
    """This returns an engine's speed: idles and drives, no two alike. It idles from ILL on, and drives at CRUISE."""
    chance = random.Random(f"journey {seed}")
    out: list[float] = []
    while len(out) < ILL + rows:
        speed = chance.uniform(1400.0, 3000.0)
        out += [800.0] * chance.randint(10, 28) + [speed] * chance.randint(12, 60)
        if len(out) >= ILL > len(out) - 100:
            out = [*out[:ILL], *[800.0] * 20, *[2200.0] * 40]
    return out


def told(added: Volts, seed: int = 1, rows: int = 400) -> list[tuple[str, str]]:
    """This returns who was told of first in each story, and what it was by then: a voltage beside an engine's speed."""
    return [(str(body["layer"]), str(body["target"])) for body in bodies(added, seed, rows)]


def bodies(added: Volts, seed: int = 1, rows: int = 400) -> list[dict[str, object]]:
    signals = tuple(Signal(name, "rig", isolate=Mode.OFF) for name in ("volts", "speed"))
    node = Node(Equipment("d", signals, (Part("charging", ("volts", "speed")),), (), Policy(learn_rows=LEARN)), "m")
    node.start(0)
    chance = random.Random(seed)
    out: list[dict[str, object]] = []
    for row, speed in enumerate(journey(seed, rows)[: ILL + rows]):
        idles = speed < 1000.0
        volts = 13.7 + chance.gauss(0, 0.01) + (added(row, idles) if row >= ILL else 0.0)
        node.feed(Reading("volts", volts, 1000 * row))
        node.feed(Reading("speed", speed + chance.gauss(0, 10.0), 1000 * row))
        node.tick(1000 * row + 500)
        out += [e.body for e in node.take_effects() if isinstance(e, Escalate)]
    return out


def at_cruise(row: int, _: bool) -> float:
    return 0.5 if row >= CRUISE else 0.0


def with_the_idle(row: int, _: bool) -> float:
    return 0.5


def at_idle(row: int, idles: bool) -> float:
    return -0.5 if idles else 0.0


def sinks_on(row: int, _: bool) -> float:
    return -0.6 - 0.8 * (1.0 - math.exp(-(row - ILL) / 30.0))


def sags_and_recovers(row: int, _: bool) -> float:
    return -0.45 - 0.3 * (1.0 - math.cos((row - ILL) / 9.0))


@pytest.mark.parametrize("leaps", [at_cruise, with_the_idle])
def test_an_offset_that_stands_is_the_sensors_whenever_it_began(leaps: Volts) -> None:
    """Where it began as the engine fell to idle, it is waited for that the engine has picked up again, and it has not answered."""
    assert told(leaps)[0] == ("sensor", "volts")


@pytest.mark.parametrize("answers", [at_idle, sinks_on, sags_and_recovers])
def test_what_answers_to_the_machine_or_sinks_on_is_never_called_the_sensors(answers: Volts) -> None:
    """A slipping belt's voltage fell at once and sank on, a weak alternator's at each idle: a sound voltmeter was blamed."""
    layers = {layer for layer, _ in told(answers)}
    assert "sensor" not in layers

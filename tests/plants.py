"""This is a small plant for the tests of the core: eight signals in three parts, seeded, and a journey of a node through it.

Three lines: `rig` carries the pump, `aux` the fan, `bus` the tank. The pump is essential, the fan hangs on a relay, the tank's
level has a twin. Values are a level and white noise; what ails them is up to the test.
"""

import functools
import random
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from sickbay.core.effects import Drive, Effect, Escalate, Event
from sickbay.core.equipment import Equipment, Mode, Output, Part, Policy, Signal
from sickbay.core.node import Node
from sickbay.core.reading import Command, Input, LineState, Reading, Receipt
from sickbay.errors import OrderRefused

Values = dict[str, float | None]
Ailment = Callable[[int, Values], None]  # (second, values of that second): changes them; a deleted one stays silent

NORMAL = {
    "flow": (16.0, 0.2),
    "pressure": (240.0, 2.0),
    "current": (3.0, 0.05),
    "tach": (2000.0, 15.0),
    "outlet": (45.0, 0.3),
    "level": (70.0, 0.4),
    "level_b": (70.5, 0.4),
    "room": (22.0, 0.2),
}
LEARN = 400  # rows until the plant's parts are learnt
BORN = LEARN + 5  # a second by which all is learnt


def equipment(learn_rows: int = LEARN, fan: Mode = Mode.ACTIVE, tank: Mode = Mode.ACTIVE, **policy: Any) -> Equipment:
    """This returns the plant as its owner declared it."""
    signals = (
        Signal("flow", "rig", "L/min", low=0.0, high=60.0),
        Signal("pressure", "rig", "kPa", rate_max_per_s=40.0),
        Signal("current", "rig", "A"),
        Signal("tach", "aux", "rpm"),
        Signal("outlet", "aux", "degC", sentinels=(-50.0,)),
        Signal("level", "bus", "%", low=0.0, high=100.0),
        Signal("level_b", "bus", "%", redundant_with="level"),
        Signal("room", "bus", "degC"),
    )
    parts = (
        Part("pump", ("flow", "pressure", "current"), essential=True, isolate=Mode.ACTIVE, min_signals=2),
        Part("fan", ("tach", "outlet"), isolate=fan, output="fan_relay"),
        Part("tank", ("level", "level_b", "room"), isolate=tank),
    )
    rules = {"cooldown_ms": 5000, "probation_ms": 20_000, "corroborate_rows": 10, **policy}
    return Equipment("plant-1", signals, parts, (Output("fan_relay"),), Policy(learn_rows=learn_rows, **rules))


def rows(seconds: Iterable[int], *ailments: Ailment, seed: int = 1) -> Iterable[tuple[int, Values]]:
    """This yields (second, values); the same second of the same seed is always the same."""
    for second in seconds:
        chance = random.Random(seed * 1_000_003 + second)
        values: Values = {name: round(mean + chance.gauss(0.0, sd), 4) for name, (mean, sd) in NORMAL.items()}
        for ailment in ailments:
            ailment(second, values)
        yield second, values


def becomes(name: str, value: float | None, start: int, end: int = 10**9) -> Ailment:
    """This sets a signal to one value from `start` until before `end`."""

    def ail(second: int, values: Values) -> None:
        if start <= second < end and name in values:
            values[name] = value

    return ail


def drifts(name: str, per_hour: float, start: int) -> Ailment:
    """This lets a signal creep away."""

    def ail(second: int, values: Values) -> None:
        value = values.get(name)
        if second >= start and value is not None:
            values[name] = value + per_hour * (second - start) / 3600.0

    return ail


def shifts(name: str, by: float, start: int, end: int = 10**9) -> Ailment:
    """This adds to a signal, noise and all."""

    def ail(second: int, values: Values) -> None:
        value = values.get(name)
        if start <= second < end and value is not None:
            values[name] = value + by

    return ail


def falls_silent(names: Iterable[str], start: int, end: int = 10**9) -> Ailment:
    """This keeps readings back."""
    quiet = tuple(names)

    def ail(second: int, values: Values) -> None:
        if start <= second < end:
            for name in quiet:
                values.pop(name, None)

    return ail


def fan_dies(start: int, end: int = 10**9) -> list[Ailment]:
    """This stops the fan: its tach falls, and the outlet warms because of it."""
    return [shifts("tach", -1200.0, start, end), shifts("outlet", 20.0, start, end)]


class Journey:
    """One node on its way: inputs go in as a daemon would give them, effects are kept, orders to outputs are answered.

    `inputs` keeps all that went in, ticks included, so that another node can be taken the same way.
    """

    def __init__(self, plant: Equipment | None = None, relay_follows: bool = True) -> None:
        self.node = Node(plant or equipment(), "boot1")
        self.relay_follows = relay_follows
        self.inputs: list[Input | int] = []
        self.effects: list[Effect] = []
        self.now_ms = 0
        self.node.start(0)
        self._gather()

    def run(self, through: Iterable[tuple[int, Values]]) -> "Journey":
        """This feeds second after second, each signal 5 ms after the one before."""
        for second, values in through:
            for i, (name, value) in enumerate(values.items()):
                self.at(1000 * second + 5 * i)
                self._give(Reading(name, value, self.now_ms))
        return self

    def at(self, at_ms: int) -> None:
        """This lets time pass until `at_ms`, ticking whenever the node asked for it."""
        while (due := self.node.deadline_ms()) is not None and due <= at_ms:
            self._give(max(due, self.now_ms))
        self.now_ms = max(self.now_ms, at_ms)

    def order(self, verb: str, target: str, **more: Any) -> str:
        """This gives a person's order; returns the answer, or the words of the refusal."""
        return self._give(Command(verb, target, self.now_ms, **{"who": "anna", "reason": "test", **more}))

    def fact(self, fact: Input) -> str:
        """This gives anything else."""
        self.at(getattr(fact, "at_ms", self.now_ms))
        return self._give(fact)

    def _give(self, what: Input | int) -> str:
        self.inputs.append(what)
        answer = give(self.node, what)
        if isinstance(what, int):
            self.now_ms = max(self.now_ms, what)
        self._gather()
        return answer

    def _gather(self) -> None:
        for effect in self.node.take_effects():
            self.effects.append(effect)
            if isinstance(effect, Drive):
                says = "read back" if self.relay_follows else "reads on"
                self._give(Receipt(effect.effect_id, self.now_ms, self.relay_follows, says))

    # What a test asks of a journey.

    def state(self, target: str) -> str:
        return str(self.node.ward.quarantine.state(target))

    def events(self, kind: str, name: str | None = None) -> list[Event]:
        return [e for e in self.effects if isinstance(e, Event) and e.kind == kind and name in (None, e.name)]

    def drives(self) -> list[tuple[str, bool]]:
        return [(e.output, e.on) for e in self.effects if isinstance(e, Drive)]

    def told(self, target: str | None = None) -> list[Escalate]:
        return [e for e in self.effects if isinstance(e, Escalate) and target in (None, e.body["target"])]

    def story(self, target: str | None = None) -> list[tuple[str, str, str]]:
        """This returns (kind, target, class) of each message, in order."""
        return [(e.kind, str(e.body["target"]), str(e.body["class"])) for e in self.told(target)]

    def tickets(self) -> dict[str, list[Escalate]]:
        """This returns the messages by fault."""
        found: dict[str, list[Escalate]] = {}
        for message in self.told():
            found.setdefault(message.fault_id, []).append(message)
        return found


def give(node: Node, what: Input | int) -> str:
    """This hands one input to a node, as the daemon does; an integer is the time of a tick."""
    if isinstance(what, int):
        node.tick(what)
    elif isinstance(what, Command):
        try:
            return node.command(what)
        except OrderRefused as refusal:
            return str(refusal)
    elif isinstance(what, Receipt):
        node.done(what)
    else:
        node.feed(what)
    return ""


def trace(effects: Iterable[Effect]) -> bytes:
    """This returns effects as lines of JSON."""
    return b"\n".join(msgspec.json.encode(effect) for effect in effects)


@functools.cache
def long_journey() -> Journey:
    """This is a life with some of everything: sensor, part, line and output faults, orders, relapses, receipts, a cycle's end."""
    ill = BORN + 5
    sick = (
        becomes("level", 70.1, ill, ill + 30),
        becomes("level", 70.9, ill + 38, ill + 60),
        falls_silent(["flow", "pressure", "current"], ill + 10, ill + 20),
        becomes("outlet", -127.0, ill + 25, ill + 35),
        shifts("room", 6.0, ill + 70, ill + 90),
        becomes("pressure", None, ill + 100, ill + 110),
        *fan_dies(ill + 60, ill + 66),
    )
    j = Journey(equipment())
    j.run(rows(range(ill + 15), *sick))
    j.order("ack", "level")
    j.order("shelve", "rig", for_ms=30_000)
    j.order("quarantine", "current")
    j.run(rows(range(ill + 15, ill + 50), *sick))
    j.order("release", "current")
    j.order("unshelve", "level")
    j.order("release", "nobody")
    j.run(rows(range(ill + 50, ill + 80), *sick))
    j.fact(LineState("bus", True, 1000 * (ill + 80), good=5, garbage=9))
    j.fact(LineState("aux", False, 1000 * (ill + 80), detail="gone"))
    j.order("release", "fan", remote=True)
    j.order("release", "fan")
    j.order("cycle", "")
    j.relay_follows = False
    j.run(rows(range(ill + 80, ill + 105), *sick))
    j.order("clear", "level")
    j.order("quarantine", "fan")
    j.run(rows(range(ill + 105, ill + 170), *sick))
    return j

"""A source that sleeps with the machine behind it: nothing to read is then no fault."""

import random

from sickbay.core.effects import Escalate, Event
from sickbay.core.equipment import Equipment, Part, Policy, Signal
from sickbay.core.node import Node
from sickbay.core.reading import LineState, Reading
from sickbay.core.report import status

SIGNALS = tuple(Signal(n, "car") for n in ("a", "b", "c"))


def lived(asleep: bool) -> tuple[Node, list[Escalate | Event]]:
    """This is a unit that ran for 200 s, was silent for an hour, and ran again."""
    node = Node(Equipment("d", SIGNALS, (Part("engine", ("a", "b", "c")),), (), Policy(learn_rows=100)), "m")
    node.start(0)
    rng, told = random.Random(3), []
    for t in range(1, 4001):
        if t == 200 and asleep:
            node.feed(LineState("car", True, t * 1000, detail="switched off, 12.4 V", asleep=True))
        if not 200 <= t < 3800:
            for name in ("a", "b", "c"):
                node.feed(Reading(name, 20.0 + rng.gauss(0, 0.1), t * 1000))
        node.tick(t * 1000 + 500)
        told += [e for e in node.take_effects() if isinstance(e, Escalate | Event)]
        if t == 2000 and asleep:
            now = status(node.ward, str)
            assert {s["quality"] for s in now["signals"].values()} == {"silent"} and now["parts"]["engine"]["blind"]
    return node, told


def test_a_machine_that_is_switched_off_is_silent_and_not_ill() -> None:
    """Blindness is shown, but nobody is called: every car is parked every night."""
    node, told = lived(asleep=True)
    assert not [e for e in told if isinstance(e, Escalate)]
    notes = [e for e in told if isinstance(e, Event) and e.kind == "note"]
    assert [(e.name, e.detail["says"]) for e in notes] == [("car", "switched off, 12.4 V")]
    now = status(node.ward, str)
    assert {s["quality"] for s in now["signals"].values()} == {"good"} and now["sources"]["car"]["alive"]


def test_the_same_silence_without_that_word_is_a_lost_line() -> None:
    """It is the source that knows; without its word silence stays what it was."""
    _, told = lived(asleep=False)
    assert [(e.body["layer"], e.body["target"]) for e in told if isinstance(e, Escalate)][:1] == [("line", "car")]


def test_a_lost_line_that_turns_out_to_sleep_is_found() -> None:
    """The adapter came back while the engine was off: the ticket about the line closes."""
    node = Node(Equipment("d", SIGNALS, (Part("engine", ("a", "b", "c")),)), "m")
    node.start(0)
    node.feed(LineState("car", False, 1000, detail="unplugged"))
    node.feed(LineState("car", True, 9000, detail="switched off", asleep=True))
    kinds = [e.kind for e in node.take_effects() if isinstance(e, Event)]
    assert "source_lost" in kinds and "source_back" in kinds

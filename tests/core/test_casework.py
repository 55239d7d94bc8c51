"""Cases are told apart by what they are about, not by how people call it."""

import random

from sickbay.core.effects import Escalate
from sickbay.core.equipment import Equipment, Part, Policy, Signal
from sickbay.core.node import Node
from sickbay.core.reading import Reading


def test_a_line_and_a_part_of_the_same_name_are_told_apart() -> None:
    """People call both "rig": what moves the part says nothing of the line, and a line back in time is not told."""
    signals = tuple(Signal(n, "rig") for n in ("a", "b", "c"))
    node = Node(
        Equipment("d", signals, (Part("rig", ("a", "b", "c"), essential=True),), (), Policy(learn_rows=100)), "m"
    )
    node.start(0)
    rng, told = random.Random(3), []
    for t in range(5, 300):
        if t in range(262, 270):  # silent, and back within the ten seconds that a line is given
            node.tick(t * 1000)
        else:
            for name in ("a", "b", "c"):
                node.feed(Reading(name, 20.0 + (8.0 if t >= 258 else 0.0) + rng.gauss(0, 0.1), t * 1000))
            node.tick(t * 1000 + 500)
        told += [(e.kind, e.body["layer"]) for e in node.take_effects() if isinstance(e, Escalate)]
    assert told == [("opened", "part")]

"""Cases are told apart by what they are about, not by how people call it."""

import random

from sickbay.core.effects import Escalate, Event
from sickbay.core.equipment import Equipment, Part, Policy, Signal
from sickbay.core.node import Node
from sickbay.core.reading import Command, LineState, Reading
from sickbay.core.report import status


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


def test_releasing_a_part_says_nothing_of_a_line_of_the_same_name() -> None:
    """The line is still cut: a person who brings the part back must not silence that."""
    signals = tuple(Signal(n, "rig") for n in ("a", "b"))
    node = Node(Equipment("d", signals, (Part("rig", ("a", "b")),), (), Policy(learn_rows=100)), "m")
    node.start(0)
    node.feed(LineState("rig", False, 1000, detail="no such device"))
    node.command(Command("quarantine", "rig", 2000, "kim", "to look at it"))
    node.command(Command("release", "rig", 3000, "kim", "looked"))
    case = node.ward.triage.open_case(("rig", "unplugged"))
    assert case is not None and case.is_failing and node.ward.faults.is_failing("rig", "unplugged")


def test_a_unit_that_runs_elsewhere_than_it_learnt_says_so_and_settles_anew() -> None:
    """Judging by the levels of another speed would be one long false alarm; saying nothing would be a riddle."""
    signals = tuple(Signal(n, "rig") for n in ("a", "b"))
    equipment = Equipment("d", signals, (Part("p", ("a", "b")),), (), Policy(learn_rows=100))
    rng = random.Random(4)

    def run(node: Node, level: float, rows: int) -> list[Event]:
        node.start(0)
        for t in range(rows):
            for name in ("a", "b"):
                node.feed(Reading(name, level + rng.gauss(0, 0.1), t * 1000))
        return [e for e in node.take_effects() if isinstance(e, Event) and e.kind == "note"]

    first = Node(equipment, "m")
    assert run(first, 20.0, 200) == []
    learnt = first.ward.rows["p"].view.learnt()
    assert learnt is not None
    second = Node(equipment, "m", {"p": learnt})
    notes = run(second, 70.0, 60)
    assert [e.name for e in notes] == ["p"] and "settling anew" in str(notes[0].detail["says"])
    assert status(second.ward, str)["parts"]["p"]["settling"]


def test_a_fault_that_comes_and_goes_is_one_ticket() -> None:
    """A sensor that was back for forty seconds before may well be back for seventy: that is no news, and no end."""
    signals = tuple(Signal(n, "rig") for n in ("a", "b"))
    node = Node(Equipment("d", signals, (Part("p", ("a", "b")),), (), Policy(learn_rows=100)), "m")
    node.start(0)
    rng, told = random.Random(3), []
    gone = [range(200, 230), range(270, 300), range(370, 400)]
    for t in range(900):
        for name in ("a", "b"):
            if name == "a" and any(t in silence for silence in gone):
                continue
            node.feed(Reading(name, 20.0 + rng.gauss(0, 0.1), t * 1000))
        node.tick(t * 1000 + 500)
        told += [(e.kind, e.body["class"]) for e in node.take_effects() if isinstance(e, Escalate)]
    assert [each for each in told if each[0] != "updated"] == [("opened", "silent"), ("closed", "silent")]

"""Two thermometers in one pipe must agree; when they do not, the one that left its normal is to blame."""

import random

from sickbay.core.effects import Escalate
from sickbay.core.equipment import Equipment, Mode, Part, Policy, Signal
from sickbay.core.lasting import down
from sickbay.core.node import Node
from sickbay.core.reading import Reading

LEARN = 120


def pipe(*extra: str) -> Equipment:
    names = ("a", "b", *extra)
    signals = tuple(Signal(n, "rig", redundant_with=None if n == "a" else "a") for n in names)
    other = Signal("flow", "rig")
    part = Part("pipe", (*names, "flow"), isolate=Mode.ACTIVE)
    return Equipment("d", (*signals, other), (part,), (), Policy(learn_rows=LEARN, probation_ms=20_000))


def run(node: Node, seconds: range, **offsets: float) -> list[Escalate]:
    """This feeds honest noise at 1 Hz, a common slow swell, and what `offsets` adds to each signal."""
    rng = random.Random(seconds.start)
    told: list[Escalate] = []
    for t in seconds:
        swell = 0.02 * ((t // 30) % 5)
        for name in node.ward.channels:
            level = 16.0 if name == "flow" else 40.0 + swell
            node.feed(Reading(name, level + offsets.get(name, 0.0) + rng.gauss(0, 0.1), t * 1000))
        node.tick(t * 1000 + 500)
        told += [e for e in node.take_effects() if isinstance(e, Escalate)]
    return told


def test_twins_that_agree_are_left_alone() -> None:
    node = Node(pipe(), "m")
    node.start(0)
    assert run(node, range(LEARN + 600)) == []


def test_the_twin_that_left_its_normal_is_quarantined_once_and_the_other_stands_in() -> None:
    node = Node(pipe(), "m")
    node.start(0)
    run(node, range(LEARN + 60))
    told = run(node, range(LEARN + 60, LEARN + 160), b=5.0)
    assert [(e.kind, e.body["target"], e.body["layer"]) for e in told] == [("opened", "b", "sensor")]
    assert node.ward.quarantine.state("b") == "isolated"
    assert node.ward.channels["b"].substitute == "a"


def test_of_three_the_one_that_is_alone_is_to_blame() -> None:
    """With three there is a majority, and no need of a baseline."""
    node = Node(pipe("c"), "m")
    node.start(0)
    run(node, range(LEARN + 60))
    told = run(node, range(LEARN + 60, LEARN + 160), c=-5.0)
    assert {e.body["target"] for e in told} == {"c"}


def test_a_quarantined_twin_comes_back_when_it_agrees_again() -> None:
    """Its readings are compared in the shadow: masked is not forgotten."""
    node = Node(pipe(), "m")
    node.start(0)
    run(node, range(LEARN + 60))
    run(node, range(LEARN + 60, LEARN + 160), b=5.0)
    run(node, range(LEARN + 160, LEARN + 400))
    assert node.ward.quarantine.state("b") == "in_service" and node.ward.triage.open_cases() == []


def test_a_restart_keeps_what_the_twins_have_learnt() -> None:
    node = Node(pipe(), "m")
    node.start(0)
    run(node, range(LEARN + 60))
    again = Node(pipe(), "m")
    assert again.restore(node.snapshot()) == []
    assert down(again.ward.twins[0].judge) == down(node.ward.twins[0].judge)
    assert run(again, range(LEARN + 60, LEARN + 120), b=5.0) != []


def test_an_offset_of_ten_deviations_is_found_within_seconds_and_noise_never() -> None:
    """Two thermometers, each with 0.57 degrees of noise: 6 degrees apart is a fault, whatever both do together."""
    node = Node(pipe(), "m")
    node.start(0)
    rng = random.Random(5)
    told: list[Escalate] = []
    for t in range(LEARN + 3000):
        for name in ("a", "b", "flow"):
            offset = 6.0 if name == "b" and t >= LEARN + 2500 else 0.0
            node.feed(Reading(name, 40.0 + offset + rng.gauss(0, 0.57), t * 1000))
        node.tick(t * 1000 + 500)
        told += [e for e in node.take_effects() if isinstance(e, Escalate)]
        assert t >= LEARN + 2500 or not told
    assert told and told[0].body["target"] == "b" and told[0].at_ms < (LEARN + 2560) * 1000


def test_who_stands_still_while_its_twin_goes_on_is_the_one_that_errs() -> None:
    """A wheel's sensor hung at 39 km/h, the car stopped as it does in town, and the car's own speed was told as wrong."""
    rng = random.Random(4)
    parts = (Part("wheels", ("speed", "wheel"), isolate=Mode.ACTIVE),)
    signals = (Signal("speed", "plug"), Signal("wheel", "plug", redundant_with="speed"))
    node = Node(Equipment("d", signals, parts, (), Policy(learn_rows=1200, probation_ms=20_000)), "m")
    node.start(0)
    told: list[Escalate] = []
    at = wheel = goal = 0.0
    for t in range(1400):
        if t % 40 == 0:
            town = (t // 200) % 2
            goal = (0.0 if t // 40 % 2 else rng.uniform(28, 55)) if town else rng.uniform(75, 115)
        at += max(-6.5, min(4.5, 0.33 * (goal - at)))
        wheel = round((at + rng.gauss(0, 0.06)) / 0.15) * 0.15 if t < 1330 else wheel
        for name, value in (("speed", float(round(at))), ("wheel", wheel)):
            node.feed(Reading(name, value, t * 1000))
        node.tick(t * 1000 + 500)
        told += [e for e in node.take_effects() if isinstance(e, Escalate)]
    assert [(e.body["target"], e.body["class"]) for e in told][:1] == [("wheel", "stuck")]
    assert {e.body["target"] for e in told} == {"wheel"}

"""A press in Home Assistant comes over a broker, and nobody signed it. What it may do stands here, whoever let it in."""

import itertools

import msgspec
import pytest

from sickbay.core.equipment import Equipment, Mode, Output, Part, Policy, Signal
from sickbay.core.home import WHO
from sickbay.core.node import Node
from sickbay.core.orders import obey
from sickbay.core.quarantine import State
from sickbay.core.reading import Command
from sickbay.errors import OrderRefused

EQUIPMENT = Equipment(
    "d",
    (Signal("flow", "s"), Signal("spare", "s"), Signal("tach", "s")),
    (
        Part("pump", ("flow",), essential=True),
        Part("fan", ("tach",), isolate=Mode.ACTIVE, output="relay"),
        Part("probes", ("spare", "tach"), isolate=Mode.ACTIVE),
    ),
    (Output("relay"),),
    Policy(buttons=("ack", "release")),
)
VERBS = (
    *("ack", "shelve", "unshelve", "release", "quarantine", "feedback"),
    *("clear", "cycle", "context", "tighten", "advisory", "loosen"),
)


def press(node, verb, target, **more):
    return node.command(Command(verb, target, node.ward.now_ms, WHO, "a button", home=True, **more))


def isolated(target, buttons=("ack", "release"), state=State.ISOLATED, held=False):
    node = Node(msgspec.structs.replace(EQUIPMENT, policy=Policy(buttons=buttons)), "m")
    record = node.ward.quarantine.records[target]
    record.state, record.held, record.by = state, held, "ann"
    node.take_effects()
    return node


def test_a_sensor_that_the_machine_isolated_goes_back_through_probation():
    node = isolated("spare")
    assert "probation" in press(node, "release", "spare")
    assert node.ward.quarantine.state("spare") is State.PROBATION
    (noted,) = [e for e in node.take_effects() if getattr(e, "kind", "") == "command"]
    assert (noted.detail["who"], noted.detail["origin"]) == (WHO, WHO)


@pytest.mark.parametrize("target", ["pump", "flow", "fan"])
def test_a_button_never_releases_what_is_essential_or_would_be_switched_on(target):
    node = isolated(target)
    with pytest.raises(OrderRefused, match="only a person at the device"):
        press(node, "release", target)
    assert node.ward.quarantine.state(target) is State.ISOLATED
    (noted,) = [e for e in node.take_effects() if getattr(e, "kind", "") == "command"]
    assert "refused" in noted.detail, "what was refused is noted too"


def test_a_button_never_lifts_a_lock_out_or_what_a_person_holds():
    for node in (isolated("spare", state=State.LOCKED_OUT), isolated("spare", held=True)):
        before = node.ward.quarantine.state("spare")
        with pytest.raises(OrderRefused, match=r"locked out|reaching into it"):
            press(node, "release", "spare")
        assert node.ward.quarantine.state("spare") is before


def test_over_all_verbs_targets_states_and_holders_a_press_does_no_more_than_the_owner_listed():
    """Nobody thinks of every pair: all of them are tried."""
    targets = [*(s.name for s in EQUIPMENT.signals), *(p.name for p in EQUIPMENT.parts)]
    released = set()
    for verb, target, state, held, buttons in itertools.product(
        VERBS, targets, State, (False, True), ((), ("ack",), ("ack", "release"))
    ):
        node = isolated(target, buttons, state, held)
        before = msgspec.structs.asdict(node.ward.quarantine.records[target])
        try:
            press(node, verb, target, for_ms=1000, factor=1.2)
        except OrderRefused:
            assert msgspec.structs.asdict(node.ward.quarantine.records[target]) == before
            continue
        assert verb in buttons and state is State.ISOLATED and not held
        released.add((verb, target))
    assert released == {("release", "spare"), ("release", "tach"), ("release", "probes")}


def test_without_a_list_no_press_does_anything():
    """The authority is one line that the owner wrote at the device."""
    node = isolated("spare", buttons=())
    with pytest.raises(OrderRefused, match="no such button"):
        obey(node.ward, Command("ack", "spare", 0, WHO, home=True))

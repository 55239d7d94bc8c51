"""What Home Assistant is told: nobody would see an error, only a device that is not there."""

import json

import pytest

import home_rules
from sickbay import wire
from sickbay.core import report
from sickbay.core.equipment import Equipment, Mode, Output, Part, Signal
from sickbay.core.node import Node
from sickbay.core.reading import Command, Reading
from sickbay.daemon import discovery

TOPICS = discovery.Topics(*(wire.topic("sickbay/1", "pump-7", leaf) for leaf in ("up/state", "up/ha", "down/ha")))
PUMP = Equipment(
    "pump-7",
    (
        Signal("flow", "rig", "L/min"),
        Signal("inlet.temp", "rig", "degC", redundant_with="outlet"),
        Signal("outlet", "rig", "degC"),
        Signal("vibration", "rig", "g"),
        Signal('odd"\\{{}}é', "rig"),
    ),
    (
        Part("pump", ("flow", "vibration"), essential=True),
        Part("fan", ("inlet.temp",), isolate=Mode.ACTIVE, output="relay"),
        Part("probes", ("inlet.temp", "outlet", 'odd"\\{{}}é'), isolate=Mode.ACTIVE),
    ),
    (Output("relay"),),
)


def told(equipment=PUMP, buttons=("ack", "release")):
    payload = discovery.description(equipment, "loop", TOPICS, 30.0, buttons)
    return json.loads(json.dumps(payload))


def stands(node):
    outputs = {p.name: p.output for p in node.ward.equipment.parts}
    return discovery.state(report.status(node.ward, str), 3, outputs)


def fed(node, to_s=5, **values):
    for at_ms in range(1000, to_s * 1000, 1000):
        for name, value in values.items():
            node.feed(Reading(name.replace("_", "."), value, at_ms))
        node.tick(at_ms)
    return node


def test_home_assistant_takes_every_word_of_it():
    topic = discovery.config_topic("homeassistant", "pump-7")
    assert topic == "homeassistant/device/pump-7/config"
    assert home_rules.complaints(topic, told()) == []


@pytest.mark.parametrize(
    "unit", [*discovery.UNITS, *discovery.EXACT, *(u.upper() for u in discovery.UNITS), "g", "%", "m", ""]
)
def test_a_unit_has_a_class_only_where_home_assistant_knows_the_pair(unit):
    """A class with a unit that does not belong to it is refused; a "g" taken for a weight would be converted to pounds."""
    one = Equipment("d", (Signal("x", "s", unit),), (Part("p", ("x",)),))
    payload = told(one)
    assert home_rules.complaints("homeassistant/device/d/config", payload) == []
    assert unit not in ("g", "%", "m", "") or "device_class" not in payload["cmps"]["signal_x"]


def test_the_rules_find_what_home_assistant_would_refuse():
    """Rules that take anything prove nothing."""
    for spoilt in (
        {"dev": {"name": "x"}},
        {"o": {}},
        {"typo": 1},
        {"cmps": {"x": {"p": "sensor", "name": "x", "state_topic": "t"}}},
        {
            "cmps": {
                "x": {
                    "p": "sensor",
                    "unique_id": "u",
                    "name": "x",
                    "device_class": "temperature",
                    "unit_of_measurement": "g",
                }
            }
        },
        {"cmps": {"x": {"p": "sensor", "unique_id": "u", "name": "x", "options": ["a"]}}},
        {"cmps": {"x": {"p": "button", "unique_id": "u", "name": "x"}}},
        {"cmps": {"x": {"p": "binary_sensor", "unique_id": "u", "name": "x", "state_class": "measurement"}}},
    ):
        assert home_rules.complaints("homeassistant/device/d/config", {**told(), **spoilt}), spoilt
    assert home_rules.complaints("homeassistant/device/a.b/config", told())


def test_names_that_no_topic_takes_are_kept_apart():
    """Two devices must not describe themselves over each other."""
    ids = [discovery.object_id(name) for name in ("a.b", "a:b", "a_b")]
    assert len(set(ids)) == 3 and all(home_rules.TOPIC.fullmatch(discovery.config_topic("ha", n)) for n in ("a.b", "é"))


def test_every_template_finds_what_it_looks_for_in_the_state():
    """A template that looks in vain shows nothing, and says so in the log of another machine."""
    state = json.loads(json.dumps(stands(fed(Node(PUMP, "m"), flow=15.9))))
    found = {}
    for key, entity in told()["cmps"].items():
        for name in ("value_template", "json_attributes_template"):
            if name in entity and key != "connected":
                found[key, name] = home_rules.shown(entity[name], state)
    assert found["signal_flow", "value_template"] == 15.9
    assert found["outbox", "value_template"] == 3 and found["severity", "value_template"] == "none"
    assert all(isinstance(v, dict) for (_, name), v in found.items() if name.startswith("json"))


def test_every_enumeration_holds_what_can_come():
    payload = told()["cmps"]
    assert set(payload["state_fan"]["options"]) == {
        "in_service",
        "would_isolate",
        "isolated",
        "probation",
        "locked_out",
    }
    assert payload["severity"]["options"] == ["none", "minor", "major", "critical"]


def test_what_is_silent_is_unknown_and_not_the_last_number():
    """A number that stands still on a wall is taken for a measurement."""
    node = fed(Node(PUMP, "m"), flow=15.9)
    assert stands(node)["signals"]["flow"]["value"] == 15.9
    node.tick(600_000)
    state = stands(node)
    assert state["signals"]["flow"]["value"] is None and state["signals"]["flow"]["about"]["quality"] == "silent"
    assert state["parts"]["pump"]["problem"] is None, "nothing is known of it: nobody says that it is well"
    assert all(e["expire_after"] == 90 for e in told()["cmps"].values() if e["p"] == "sensor")


def test_a_stand_in_is_marked_as_one():
    """Whoever looks must see that this is not the sensor's own number."""
    node = fed(Node(PUMP, "m"), inlet_temp=20.0, outlet=21.5)
    node.command(Command("quarantine", "inlet.temp", 5000, "ann", "drifts"))
    signal = stands(node)["signals"]["inlet.temp"]
    assert signal["value"] == 21.5
    assert signal["about"]["substituted"] is True and signal["about"]["stand_in"] == "outlet"
    assert signal["about"]["measured"] == 20.0 and signal["about"]["state"] == "isolated"


def test_there_is_no_button_for_what_none_may_press():
    """A button that always refuses teaches people to press harder."""
    buttons = [e for e in told()["cmps"].values() if e["p"] == "button"]
    releases = [p["target"] for b in buttons if (p := json.loads(b["payload_press"]))["verb"] == "release"]
    assert releases == ["inlet.temp", "outlet", 'odd"\\{{}}é', "probes"]
    assert not [e for e in told(buttons=())["cmps"].values() if e["p"] == "button"]


def test_a_changed_number_is_no_news_and_a_changed_standing_is():
    """Numbers change all the time: they wait for their turn. What was isolated is told at once."""
    node = fed(Node(PUMP, "m"), 3, flow=15.9)
    before = discovery.standing(stands(node))
    node.feed(Reading("flow", 16.3, 3000))
    assert stands(node)["signals"]["flow"]["value"] == 16.3
    assert discovery.standing(stands(node)) == before
    node.command(Command("quarantine", "flow", 3500, "ann", "x"))
    assert discovery.standing(stands(node)) != before

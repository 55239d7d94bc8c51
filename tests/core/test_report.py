"""What a person may ask at any time: the names that the contract promises, and why a thing is as it is."""

import msgspec
import pytest

from plants import BORN, Journey, becomes, equipment, falls_silent, fan_dies, long_journey, rows
from sickbay.core.node import Node
from sickbay.core.reading import Receipt
from sickbay.core.report import digest, status, why
from sickbay.errors import OrderRefused

ILL = BORN + 10


def wall(at_ms: int) -> str:
    return f"t{at_ms}"


def sick() -> Journey:
    """This is a plant with its level isolated, its fan switched off and its rig lost."""
    lost = falls_silent(["flow", "pressure", "current"], ILL + 5)
    return Journey().run(rows(range(ILL + 20), becomes("level", 70.1, ILL), lost, *fan_dies(ILL)))


def test_status_bears_the_names_of_the_contract() -> None:
    j = sick()
    found = status(j.node.ward, wall)
    assert found["device"] == "plant-1" and found["uptime_s"] == pytest.approx(j.node.ward.now_ms / 1000)
    assert set(found["signals"]) == set(j.node.ward.channels) and set(found["parts"]) == {"pump", "fan", "tank"}
    level = found["signals"]["level"]
    assert {"state", "since", "value", "quality", "substitute", "reason"} <= set(level)
    assert (level["state"], level["quality"], level["substitute"]) == ("isolated", "bad", "level_b")
    assert {"state", "since", "reason", "essential", "score"} <= set(found["parts"]["fan"])
    assert found["parts"]["pump"]["essential"] and found["parts"]["fan"]["state"] == "isolated"
    promised = {
        "id", "revision", "class", "layer", "target", "severity", "status_byte", "fdc", "occurrences", "first", "last", "acked",
        "shelved_until", "delivered",
    }  # fmt: skip
    assert all(promised <= set(fault) for fault in found["faults"])
    assert found["sources"]["rig"]["alive"] is False and found["sources"]["aux"]["alive"]


def test_status_is_plain_enough_for_json_at_any_time() -> None:
    for node in (Node(equipment(), "m"), long_journey().node, sick().node):
        msgspec.json.encode(status(node.ward, wall))


def test_a_signal_is_silent_before_its_first_reading_and_good_after() -> None:
    node = Node(equipment(), "m")
    assert status(node.ward, wall)["signals"]["flow"]["quality"] == "silent"
    j = Journey().run(rows(range(3)))
    flow = status(j.node.ward, wall)["signals"]["flow"]
    assert flow["quality"] == "good" and flow["reason"] is None and flow["value"] is not None


def test_symptoms_say_what_mutes_them() -> None:
    faults = status(sick().node.ward, wall)["faults"]
    line = next(f for f in faults if f["target"] == "rig")
    assert [f["target"] for f in faults if f["suppressed_by"] == line["id"]] == ["flow", "pressure", "current"]
    assert all(f["revision"] == 0 for f in faults if f["suppressed_by"])


def test_a_fault_is_delivered_when_the_fleet_has_its_latest_revision() -> None:
    j = sick()
    message = j.told("level")[0]
    assert not next(f for f in status(j.node.ward, wall)["faults"] if f["id"] == message.fault_id)["delivered"]
    j.fact(Receipt(message.effect_id, j.now_ms, True))
    assert next(f for f in status(j.node.ward, wall)["faults"] if f["id"] == message.fault_id)["delivered"]
    assert j.events("acknowledged", message.fault_id)


def test_a_closed_fault_is_remembered_until_it_is_aged_out() -> None:
    j = Journey().run(rows(range(ILL + 60), becomes("flow", 70.0, ILL, ILL + 8)))
    (fault,) = status(j.node.ward, wall)["faults"]
    assert not fault["open"] and fault["status_byte"] & 0x08 and not fault["status_byte"] & 0x01


def test_the_digest_holds_what_is_open_and_was_told() -> None:
    """Symptoms that were never told are no business of the fleet."""
    j = sick()
    assert digest(j.node.ward) == [(fault_id, story[-1].revision, 0) for fault_id, story in sorted(j.tickets().items())]


@pytest.mark.parametrize("name", ["level", "fan", "pump", "rig", "plant-1-boot1-0001", "room"])
def test_why_explains_in_words(name: str) -> None:
    found = why(sick().node.ward, name, wall)
    assert {"name", "state", "says", "reason", "rule", "by", "faults", "now", "past"} <= set(found)
    assert isinstance(found["says"], str) and found["says"]
    msgspec.json.encode(found)


def test_why_names_the_evidence_the_rule_and_what_would_release_it() -> None:
    found = why(sick().node.ward, "level", wall)
    assert "stuck" in found["reason"] and 'isolate = "active"' in found["rule"]
    assert found["faults"][0]["evidence"] and "probation" in found["faults"][0]["releases"]
    assert found["past"][0]["class"] == "stuck" and any("level" in line for line in found["now"])


def test_why_of_nothing_names_what_there_is() -> None:
    with pytest.raises(OrderRefused, match="Known here: flow, pressure"):
        why(sick().node.ward, "folw", wall)


def test_asking_changes_nothing() -> None:
    j = sick()
    before = j.node.snapshot()
    status(j.node.ward, wall)
    for name in (*j.node.ward.channels, *j.node.ward.rows, *j.node.ward.by_source):
        why(j.node.ward, name, wall)
    digest(j.node.ward)
    assert j.node.snapshot() == before and not j.node.take_effects()

"""Nothing but the words of a fault leaves unless the owner of the device said so, in its file."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker import BROKERS
from deck import LoopClock
from scene import Line, Unit, configuration, until
from sickbay import config, order_wire
from sickbay.core import orders
from sickbay.core.effects import Answer, Escalate
from sickbay.daemon.consent import FIELDS, Consent
from sickbay.daemon.messages import Envelopes
from sickbay.edge.journal import OutboxRow
from sickbay.errors import ConfigError

WHY = '[mqtt] url = "mqtt://b"'
BODY = {
    "class": "stuck",
    "summary": "flow stands still",
    "evidence": ["flow has stood still at 15.9 L/min"],
    "next_step": "Look at the sensor.",
    "freeze_frame": {"signals": {"flow": [[0, 15.9]]}},
    "history": {"occurrences": 3, "withheld": 2, "feedback": ["the valve was shut"]},
}


def envelopes(**allowed: bool) -> Envelopes:
    class Still(LoopClock):
        def __call__(self) -> int:
            return 5000

    return Envelopes("pump-7", "loop", "sickbay/1", WHY, Still(), 4, allowed=config.ConsentTable(**allowed))


def told(**allowed: bool) -> tuple[OutboxRow, dict[str, Any]]:
    row = envelopes(**allowed).escalation(Escalate("f1.r1", "f1", 1, "opened", "major", 1000, dict(BODY)))
    return row, json.loads(row.payload)


def test_by_default_the_words_leave_and_no_readings() -> None:
    """An escalation without its window is still one that a person can act on."""
    row, event = told()
    body = event["data"]
    assert body["freeze_frame"] == {} and body["history"] == {"withheld": 2}
    assert body["left_out"] == {
        "freeze_frame": "[consent] freeze_frames = false",
        "history": "[consent] history = false",
    }
    assert body["summary"] and body["evidence"] and body["next_step"]
    assert row.consent == WHY


@pytest.mark.parametrize(("key", "field"), [("freeze_frames", "freeze_frame"), ("history", "history")])
def test_each_class_has_its_own_key_and_the_ledger_its_name(key: str, field: str) -> None:
    row, event = told(**{key: True})
    assert event["data"][field] == BODY[field]
    assert set(event["data"]["left_out"]) == {"freeze_frame", "history"} - {field}
    assert row.consent == f"{WHY}; [consent] {key} = true"


def test_with_all_of_it_nothing_is_left_out() -> None:
    row, event = told(freeze_frames=True, history=True)
    assert "left_out" not in event["data"]
    assert row.consent.endswith("[consent] freeze_frames = true, history = true")


def test_consent_that_was_withdrawn_counts_for_what_waits_already() -> None:
    """A month offline, and the owner thought better of it: what lies in the outbox must not tell more than he wants now."""
    before, _ = told(freeze_frames=True, history=True)
    payload, why = envelopes().leaving(before.payload)
    event = json.loads(payload)
    assert event["data"]["freeze_frame"] == {} and "occurrences" not in event["data"]["history"]
    assert why == WHY and event["id"] == "f1.r1" and event["seq"] == 1
    assert envelopes(freeze_frames=True, history=True).leaving(before.payload)[0] == before.payload
    assert envelopes().leaving(b"\xff")[0] == b"\xff"


def test_an_order_that_asks_gets_an_answer_without_the_context() -> None:
    """A signature of the fleet is no consent of the owner."""
    answer = Answer(
        "a1",
        "order-1",
        "context",
        "flow",
        True,
        "flow: its state is in this answer",
        "fleet:anna",
        0,
        {"now": ["15.9"]},
    )
    (row,) = envelopes().rows([answer])
    _, said = order_wire.decode_answer(row.payload)
    assert said.obeyed and said.context == {} and said.left_out == {"context": "[consent] context = false"}
    (row,) = envelopes(context=True).rows([answer])
    assert order_wire.decode_answer(row.payload)[1].context == {"now": ["15.9"]}
    assert row.consent.endswith("[consent] context = true")


def test_no_verb_reaches_the_consent() -> None:
    """Every verb that exists, from near or far: none has a word for it, and nothing in the core knows of it."""
    core = Path(orders.__file__).parent
    assert not any("onsent" in file.read_text() for file in core.glob("*.py"))
    assert "consent" not in {field.name for field in msgspec.structs.fields(order_wire.Order)}
    with pytest.raises(AttributeError):
        config.ConsentTable().freeze_frames = True  # type: ignore[misc]


def test_a_class_that_does_not_exist_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="freeze_frames"):
        config.parse("[consent]\nfreeze_frame = true\n")


def test_every_class_is_off_by_default_but_the_sign_of_life() -> None:
    table = config.ConsentTable()
    assert not any(getattr(table, key) for key, _ in FIELDS.values()) and table.heartbeat
    page = (Path(__file__).parents[2] / "docs" / "consent.md").read_text()
    assert all(f"`{field.name}`" in page for field in msgspec.structs.fields(config.ConsentTable))
    assert Consent(WHY, table).line({}) == WHY


def test_what_leaves_a_running_daemon_is_what_its_file_lets(tmp_path: Path) -> None:
    """From the pty to the ledger: the window stays here, and the ledger names the line that lets the rest go."""
    with BROKERS[-1]() as broker, Line(tmp_path) as line:
        text = configuration(tmp_path, f'[mqtt]\nurl = "{broker.url}"\n')
        with Unit(tmp_path, text) as unit:
            unit.until_status("the connection", lambda s: s["uplink"]["state"] == "connected")
            unit.learnt()
            line.say = lambda row: b'{"a": 5000, "b": %r}\n' % row["b"]

            def left() -> dict[str, object] | None:
                rows = unit.ask("ledger")
                return next((r for r in rows if r["what"] == "escalation.opened"), None)

            found = until("the message that left", left)
            assert found["why"] == f'[mqtt] url = "{broker.url}"'
            assert 300 < int(str(found["bytes"])) < 2500, "a window of two signals alone has more"

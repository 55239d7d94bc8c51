"""The whole loop, closed: a machine on a pty, the daemon, a broker, the fleet's end, and a person at the command line."""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from broker import Broker
from scene import LiveRig, Unit, until
from sickbay_sim.main import configuration
from sickbay_sim.rig import RELAY_PINS

CONFIG = """
[device]
id = "loop-1"
model = "cooling-loop"
[paths]
state = "{folder}/state"
socket = "{folder}/s.sock"
{mqtt}
[policy]
learn_rows = 60
corroborate_rows = 30
cooldown_s = 0.3
probation_s = 1.0
trial_s = 10.0

"""
FAN = RELAY_PINS["fan_relay"]


def config(folder: Path, rig: LiveRig, mqtt: str = "") -> str:
    return CONFIG.format(folder=folder, mqtt=mqtt) + rig.do(configuration)


def machine(folder: Path) -> LiveRig:
    """This returns a machine that gives 50 rows a second, each 6 s of its own time after the last."""
    return LiveRig(folder, seed=7, period_s=0.02, speed=300.0)


class Story:
    """One device that fell ill and was mended, and what everybody saw at each point."""

    def __init__(self, unit: Unit, rig: LiveRig, fleet: Path) -> None:
        self.unit, self.rig, self._fleet = unit, rig, fleet
        unit.learnt()
        self.well = unit.status()
        rig.do(lambda r: r.ail("stuck", "outlet_temp"))
        self.isolated = unit.event("isolate", "outlet_temp")
        self.at_isolation = unit.status()
        (self.case,) = [f for f in self.at_isolation["faults"] if f["target"] == "outlet_temp"]
        unit.event("acknowledged", self.case["id"])
        self.told = unit.until_status("an empty outbox", lambda s: s["outbox"]["rows"] == 0)
        self.open_tickets = self.tickets()
        self.why = unit.cli("why", "outlet_temp")
        self.why_json = json.loads(unit.cli("why", "outlet_temp", "--json").stdout)
        rig.do(lambda r: r.heal("stuck", "outlet_temp"))
        self.probation = unit.event("probation", "outlet_temp")
        self.release = unit.event("release", "outlet_temp")
        self.closed_tickets = until("the closed ticket", self._closed)

    def tickets(self) -> list[dict[str, Any]]:
        command = [sys.executable, "-m", "sickbay_fleet.main", "tickets", "--config", str(self._fleet), "--json"]
        found: list[dict[str, Any]] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        return found

    def _closed(self) -> list[dict[str, Any]]:
        found = self.tickets()
        return found if found and all(t["state"] == "closed" for t in found) else []


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("loop")
    fleet = folder / "fleet.toml"
    with Broker() as broker, machine(folder) as rig:
        mqtt = f'[mqtt]\nurl = "{broker.url}"\n'
        fleet.write_text(f'{mqtt}[store]\nurl = "sqlite:///{folder}/fleet.db"\n', encoding="utf-8")
        with (folder / "fleet.log").open("wb") as log:
            serve = [sys.executable, "-m", "sickbay_fleet.main", "serve", "--config", str(fleet)]
            end = subprocess.Popen(serve, stdout=log, stderr=log)
        try:
            with Unit(folder, config(folder, rig, mqtt), rig.env) as unit:
                yield Story(unit, rig, fleet)
        finally:
            end.terminate()
            end.wait(20)


def test_a_stuck_sensor_is_isolated_and_its_twin_stands_in(story: Story) -> None:
    """The first half of the promise: at once, here, without anybody's help."""
    signal = story.at_isolation["signals"]["outlet_temp"]
    assert signal["state"] == "isolated"
    assert signal["substitute"] == "outlet_temp_b" and signal["substitute_value"] is not None
    assert story.well["signals"]["outlet_temp"]["state"] == "in_service"
    assert story.case["class"] == "stuck" and story.case["layer"] == "sensor"
    others = {n: s["state"] for n, s in story.at_isolation["signals"].items() if n != "outlet_temp"}
    assert set(others.values()) == {"in_service"}, "what is well stays in service"


def test_one_fault_is_one_ticket_and_the_outbox_is_empty_after_the_receipt(story: Story) -> None:
    """Somebody at the other end sees one line for one fault, and the device knows that it is held there."""
    (ticket,) = story.open_tickets
    assert (ticket["id"], ticket["device"], ticket["target"]) == (story.case["id"], "loop-1", "outlet_temp")
    assert (ticket["class"], ticket["layer"], ticket["state"]) == ("stuck", "sensor", "open")
    shed_by: dict[str, dict[str, int]] = {"class": {}, "why": {}}
    assert story.told["outbox"] == {"rows": 0, "bytes": 0, "shed": {}, "shed_by": shed_by, "healthy": True}
    assert next(f for f in story.told["faults"] if f["id"] == story.case["id"])["delivered"] is True
    escalations = [e for e in story.unit.events() if e["kind"] == "escalate" and e["name"] == story.case["id"]]
    assert len({e["revision"] for e in escalations}) == len(escalations), "no revision was told twice"


def test_why_gives_the_evidence_the_rule_and_what_would_release_it(story: Story) -> None:
    """A person on site must be able to judge the machine's judgement."""
    assert story.why.returncode == 0 and story.why.stderr == ""
    for label in ("state:", "rule:", "fault:", "for:", "released:", "do next:"):
        assert label in story.why.stdout, story.why.stdout
    (fault,) = story.why_json["faults"]
    assert story.why_json["state"] == "isolated" and story.why_json["rule"]
    assert fault["id"] == story.case["id"] and fault["evidence"] and fault["releases"] and fault["next_step"]


def test_mended_it_comes_back_through_probation_and_the_ticket_closes(story: Story) -> None:
    """What nobody has to close by hand does not stay open for ever."""
    assert story.isolated["mono_ms"] < story.probation["mono_ms"] < story.release["mono_ms"]
    assert story.release["mono_ms"] - story.probation["mono_ms"] >= 1000, "probation_s"
    (ticket,) = story.closed_tickets
    assert ticket["id"] == story.case["id"] and ticket["closed"] >= ticket["opened"] and ticket["messages"] >= 2
    assert story.unit.status()["signals"]["outlet_temp"]["state"] == "in_service"


def test_status_has_the_agreed_shape(story: Story) -> None:
    """Programs read this; a key that goes away breaks them in the field."""
    said = json.loads(story.unit.cli("status", "--json").stdout)
    assert {"device", "uptime_s", "time_quality", "signals", "parts", "faults", "outbox", "model"} <= set(said)
    assert said["device"] == "loop-1" and said["uptime_s"] > 0 and said["time_quality"] in ("synced", "unsynced")
    for status in (said, story.at_isolation):
        for signal in status["signals"].values():
            assert {"state", "since", "value", "quality", "substitute", "reason"} <= set(signal)
            assert signal["quality"] in ("good", "suspect", "bad", "silent")
        for part in status["parts"].values():
            assert {"state", "since", "reason", "essential", "score"} <= set(part)
        for fault in status["faults"]:
            agreed = "id revision class layer target severity status_byte fdc occurrences first last acked"
            assert {*agreed.split(), "shelved_until", "delivered"} <= set(fault)
            assert fault["severity"] in ("critical", "major", "minor") and 0 <= fault["status_byte"] <= 255
        assert {"rows", "bytes", "shed"} <= set(status["outbox"])
        assert status["model"]["runtime"] in ("litert", "tflite", "numpy", "python", "none")
        assert isinstance(status["model"]["parts"], dict)
    assert said["parts"]["pump"]["essential"] is True and said["parts"]["fan"]["essential"] is False


def test_every_line_of_events_has_both_clocks_and_a_known_kind(story: Story) -> None:
    """events.jsonl is the device's own account; anything can read it for ever."""
    known = (
        "source_lost source_back verdict fault isolate would_isolate release output escalate acknowledged command shed"
    )
    events = story.unit.events()
    for event in events:
        assert isinstance(event["mono_ms"], int) and event["wall"].endswith("Z") and event["name"], event
        assert event["kind"] in {*known.split(), "probation", "note"}, event
    times = [e["mono_ms"] for e in events]
    assert times == sorted(times)
    assert {"fault", "isolate", "release", "output", "escalate", "acknowledged"} <= {e["kind"] for e in events}


def test_the_ledger_holds_what_left_and_nothing_else(story: Story) -> None:
    """What leaves a site is its owner's business: each message, its size, and the line that allowed it."""
    rows = json.loads(story.unit.cli("ledger", "--json").stdout)
    escalations = [r for r in rows if r["what"].startswith("escalation")]
    assert {r["id"] for r in escalations} >= {f"{story.case['id']}.r1"}
    assert {r["what"] for r in rows} >= {"state.will", "state.up", "digest", "escalation.opened"}
    assert all(r["bytes"] > 0 and r["why"].startswith("[mqtt] url") for r in rows)
    table = story.unit.cli("ledger")
    assert table.returncode == 0 and f"{len(rows)} messages" in table.stdout
    assert json.loads(story.unit.cli("ledger", "--since", "2099-01-01", "--json").stdout) == []


def test_status_for_eyes_says_that_nothing_is_open(story: Story) -> None:
    """The person in front of it needs one look."""
    said = story.unit.cli("status")
    assert said.returncode == 0 and "No open fault." in said.stdout and "fleet connected" in said.stdout
    assert "\x1b" not in said.stdout, "no colour off a terminal"


@pytest.fixture
def ill(tmp_path: Path) -> Iterator[tuple[Unit, LiveRig, str]]:
    """A device with a fan that a person took out of service, and an open fault that he has seen."""
    with machine(tmp_path) as rig, Unit(tmp_path, config(tmp_path, rig), rig.env) as unit:
        until("the relay on", lambda: rig.output(FAN) == 1)
        rig.do(lambda r: r.ail("bias", "flow", 1e5))
        (fault,) = unit.until_status("the open case", lambda s: s["faults"])["faults"]
        assert unit.cli("ack", "flow", "--reason", "on my way").returncode == 0
        said = unit.cli("quarantine", "fan", "--reason", "the guard is off")
        assert said.returncode == 0 and "de-energised" in said.stdout and "pin 22 confirms" in said.stdout
        until("the relay off", lambda: rig.output(FAN) == 0)
        unit.event("output", "fan_relay", on=False, ok=True)
        yield unit, rig, fault["id"]


def resumed(unit: Unit, rig: LiveRig, fault: str) -> None:
    """This holds a device that was started again against what it was before."""
    until("the relay off again", lambda: rig.output(FAN) == 0)
    status = unit.status()
    assert status["parts"]["fan"]["state"] == "isolated" and "guard is off" in status["parts"]["fan"]["reason"]
    (found,) = [f for f in status["faults"] if f["open"]]
    assert found["id"] == fault and (found["acked"]["who"], found["acked"]["reason"]) == (user(), "on my way")
    assert datetime.fromisoformat(found["acked"]["when"]) >= datetime.fromisoformat(found["first"])
    unit.reads()
    unit.until_status("the message that waits", lambda s: s["outbox"]["rows"] >= 1)


def user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def test_a_clean_stop_leaves_fail_states_and_a_start_takes_up_where_it_was(ill: tuple[Unit, LiveRig, str]) -> None:
    """An update must neither leave the fan off while nobody watches, nor bring a quarantined one back."""
    unit, rig, fault = ill
    assert unit.stop() == 0
    until("the fail state", lambda: rig.output(FAN) == 1)
    assert "Traceback" not in unit.log()
    unit.start()
    resumed(unit, rig, fault)


def test_a_kill_loses_nothing(ill: tuple[Unit, LiveRig, str]) -> None:
    """A power cut asks nobody: what was told on events.jsonl was on the disk before."""
    unit, rig, fault = ill
    unit.kill()
    unit.start()
    resumed(unit, rig, fault)


def test_a_persons_orders_and_their_refusals(tmp_path: Path) -> None:
    """Each order says what it did; what cannot be done says why, and ends with 1."""
    with machine(tmp_path) as rig, Unit(tmp_path, config(tmp_path, rig), rig.env) as unit:
        rig.do(lambda r: r.ail("bias", "flow", 1e5))
        unit.until_status("the open case", lambda s: s["faults"])
        shelved = unit.cli("shelve", "flow", "--for", "30min", "--reason", "known")
        assert shelved.returncode == 0 and "shelved for 1800 s" in shelved.stdout
        (fault,) = unit.status()["faults"]
        assert fault["shelved_until"]
        assert unit.cli("shelve", "flow", "--for", "soon", "--reason", "x").returncode == 2
        assert unit.cli("shelve", "nothing", "--reason", "x").returncode == 1
        refused = unit.cli("release", "fan", "--reason", "x")
        assert refused.returncode == 1 and "fan is not out of service" in refused.stderr
        unasked = unit.cli("quarantine", "fan")
        assert unasked.returncode == 2 and "say why" in unasked.stderr
        assert unit.cli("quarantine", "pump", "--reason", "leak").returncode == 0, "a person may"
        until("the pump's relay off", lambda: rig.output(RELAY_PINS["pump_relay"]) == 0)
        assert unit.cli("release", "pump", "--reason", "mended", "--json").returncode == 0
        until("the pump's relay on", lambda: rig.output(RELAY_PINS["pump_relay"]) == 1)
        unknown = unit.cli("why", "fam")
        assert unknown.returncode == 1 and "Known here: " in unknown.stderr
        orders = [e for e in unit.events() if e["kind"] == "command"]
        assert [e["verb"] for e in orders if "answer" in e] == ["shelve", "quarantine", "release"]
        assert [e["verb"] for e in orders if "refused" in e] == ["shelve", "release"]
        assert {e["who"] for e in orders} == {user()}, "the kernel's word, not the caller's"

"""What lines do to a running daemon: absent, pulled, garbled, absurd. It lives, says so once, and reads on."""

import json
import os
import random
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scene import Line, LiveRig, Unit, configuration, plain, sickbay, until
from sickbay_sim.main import configuration as for_rig
from sickbay_sim.rig import RELAY_PINS


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Unit, Line]]:
    """One device that lives through all of this file's trouble, as one in the field has to."""
    folder = tmp_path_factory.mktemp("lines")
    with Line(folder, plugged=False) as line, Unit(folder, configuration(folder)) as unit:
        yield unit, line


def alive(unit: Unit, line: Line) -> None:
    """This puts the line in order and waits until the device says that it is."""
    line.say = plain
    line.plug()
    unit.until_status("the line's return", lambda s: s["sources"]["rig"]["alive"])
    unit.reads()


def spoilt(value: str, row: dict[str, float]) -> bytes:
    """This returns a row in which a is something else."""
    return f'{{"a": {value}, "b": {row["b"]}}}\n'.encode()


def open_now(status: dict[str, Any]) -> list[dict[str, Any]]:
    """This returns the open faults. One of garbage goes on for twenty good counts of ten seconds: it has its own test."""
    return [f for f in status["faults"] if f["open"] and f["class"] != "garbage"]


def test_a_device_that_is_missing_at_the_start_is_told_and_picked_up_when_it_comes(scene: tuple[Unit, Line]) -> None:
    """After a power cut the daemon is often there before the USB hub is."""
    unit, line = scene
    lost = unit.event("source_lost", "rig")
    assert "no such device" in lost["detail"]
    (fault,) = unit.until_status("the line's fault", lambda s: s["faults"])["faults"]
    assert (fault["target"], fault["class"], fault["layer"]) == ("rig", "unplugged", "line")
    assert unit.cli("status").returncode == 0 and "no such device" in unit.cli("why", "rig").stdout
    line.plug()
    unit.event("source_back", "rig")
    unit.until_status("the end of the fault", lambda s: not open_now(s))
    assert unit.log().count("rig: lost:") == 1, "a lost source is logged once"
    unit.learnt()


def test_a_pulled_plug_is_the_lines_fault_and_the_next_plug_mends_it(scene: tuple[Unit, Line]) -> None:
    """Two silent sensors and one loose cable are one ticket, and no sensor is blamed for it."""
    unit, line = scene
    alive(unit, line)
    before = len(unit.events())
    line.unplug()
    unit.event("source_lost", "rig", after=before)
    status = unit.until_status("silence", lambda s: s["signals"]["a"]["quality"] == "silent")
    assert {f["layer"] for f in open_now(status) if not f["suppressed_by"]} == {"line"}, status["faults"]
    line.plug()
    unit.event("source_back", "rig", after=before)
    unit.until_status("good readings", lambda s: all(v["quality"] == "good" for v in s["signals"].values()))
    unit.until_status("the end of every fault", lambda s: not open_now(s))


def test_garbage_that_stays_is_the_lines_fault_and_readings_resume_after_it(scene: tuple[Unit, Line]) -> None:
    """A wrong baud rate or a lost ground: bytes come, and none of them means anything."""
    unit, line = scene
    alive(unit, line)
    noise = random.Random(3)
    line.say = lambda row: noise.randbytes(60) + b"\n"
    found = unit.until_status("the garbage's fault", lambda s: [f for f in s["faults"] if f["class"] == "garbage"])
    fault = next(f for f in found["faults"] if f["class"] == "garbage")
    assert (fault["target"], fault["layer"]) == ("rig", "line")
    assert "garbage" in unit.cli("why", "rig").stdout
    line.say = plain
    unit.until_status("good readings", lambda s: all(v["quality"] == "good" for v in s["signals"].values()))
    assert unit.cli("clear", "rig", "--reason", "the cable was loose").returncode == 0
    unit.until_status("the end of the fault", lambda s: not any(f["open"] for f in s["faults"]))
    assert {p["state"] for p in unit.status()["parts"].values()} == {"in_service"}, "garbage is no part's fault"


def test_a_number_that_is_none_is_a_failed_reading_and_nothing_more(scene: tuple[Unit, Line]) -> None:
    """A device prints whatever its float held; one such value must not reach an average, a file or a person."""
    unit, line = scene
    alive(unit, line)
    for absurd in ("NaN", "Infinity", "-Infinity", "1e300", "1e999", "-1e300", '"open"', "null", "[]", "1" * 400):
        line.say = partial(spoilt, absurd)
        unit.reads(20)
        status = unit.until_status(f"a bad {absurd}", lambda s: s["signals"]["a"]["quality"] == "bad")
        json.loads(json.dumps(status), parse_constant=pytest.fail)
        assert status["signals"]["b"]["quality"] == "good"
        assert status["signals"]["a"]["value"] is None, absurd
    line.say = plain
    unit.until_status("good readings", lambda s: s["signals"]["a"]["quality"] in ("good", "suspect"))
    assert unit.status()["parts"]["box"]["score"] < 1e6
    assert sum(f["target"] == "a" and f["class"] == "bad_value" for f in unit.status()["faults"]) <= 1, "one ticket"


def test_sigterm_while_the_line_pours_ends_it_cleanly(tmp_path: Path) -> None:
    """systemd waits ninety seconds and then kills; a busy line is no reason for that."""
    with Line(tmp_path) as line, Unit(tmp_path, configuration(tmp_path)) as unit:
        line.say = lambda row: plain(row) * 40
        unit.reads(500)
        assert unit.stop() == 0
        assert not (tmp_path / "s.sock").exists(), "no stale socket after a clean stop"
        assert "Traceback" not in unit.log() and "never" not in unit.log()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupt_and_a_closed_terminal_end_it_as_cleanly(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C, or the ssh that it was started in breaks: outputs must go to their fail states all the same."""
    with LiveRig(tmp_path, period_s=0.02) as rig:
        text = f'[paths]\nstate = "{tmp_path}/state"\nsocket = "{tmp_path}/s.sock"\n' + rig.do(for_rig)
        with Unit(tmp_path, text, rig.env) as unit:
            assert unit.process is not None
            unit.ask("quarantine", name="fan", reason="test")
            until("the relay off", lambda: rig.output(RELAY_PINS["fan_relay"]) == 0)
            unit.process.send_signal(how)
            assert unit.process.wait(30) == 0
            until("the fail state", lambda: rig.output(RELAY_PINS["fan_relay"]) == 1)
            assert "Traceback" not in unit.log()


def test_under_nohup_a_closed_terminal_does_not_end_it(tmp_path: Path) -> None:
    """Who said nohup meant it."""
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path), preexec_fn=no_hangup) as unit:
        assert unit.process is not None
        unit.process.send_signal(signal.SIGHUP)
        unit.reads(20)
        assert unit.stop() == 0


def no_hangup() -> None:
    """This is what nohup does."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def test_a_bad_configuration_ends_it_with_two_and_a_suggestion(tmp_path: Path) -> None:
    """The unit file says not to restart on 2: it would fail the same way for ever."""
    file = tmp_path / "sickbay.toml"
    file.write_text(configuration(tmp_path).replace("every_s", "evry_s"), encoding="utf-8")
    for verb in ("run", "check"):
        said = sickbay(verb, "--config", str(file))
        assert said.returncode == 2
        assert said.stderr == 'sickbay: sickbay.toml: signals.a.evry_s: unknown key. Did you mean "every_s"?\n'
    assert not (tmp_path / "state").exists()


def test_a_log_reader_that_has_gone_costs_the_log_and_nothing_else(tmp_path: Path) -> None:
    """`sickbay run 2>&1 | head` or a journald that restarts: the machine is watched on."""
    reader, writer = os.pipe()
    with Line(tmp_path) as line, Unit(tmp_path, configuration(tmp_path), stderr=writer) as unit:
        os.close(writer)
        os.close(reader)
        line.unplug()
        unit.event("source_lost", "rig")
        line.plug()
        unit.event("source_back", "rig")
        unit.reads()
        assert unit.stop() == 0


def test_readings_of_no_configured_signal_cost_nothing(tmp_path: Path) -> None:
    """A machine tells more than anyone asked for; what nobody named is no fault."""
    with Line(tmp_path, ("a", "b", "c")), Unit(tmp_path, configuration(tmp_path)) as unit:
        unit.reads(100)
        status = unit.status()
        assert set(status["signals"]) == {"a", "b"} and status["inputs"]["dropped"] == 0
        assert not status["faults"]
    until("the end", lambda: unit.process is not None and unit.process.poll() is not None)


RELAY = """
[sources.pins]
driver = "gpio"
inputs = { level = { pin = 27, pull = "up" } }
[signals.level]
from = "pins.level"
[outputs.valve]
driver = "gpio"
pin = 17
read_back = 22
fail_state = "on"
[parts.tank]
signals = ["level"]
isolate = "active"
output = "valve"
"""


def test_pins_that_are_not_there_are_told_and_no_order_is_said_to_have_moved_one(tmp_path: Path) -> None:
    """Somebody reaches into a machine because a screen said "de-energised": it must not say so of a relay that never moved."""
    no_factory = {"GPIOZERO_PIN_FACTORY": "pigpio", "PIGPIO_ADDR": "127.0.0.1", "PIGPIO_PORT": "1"}
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path, RELAY), env=no_factory) as unit:
        unit.event("source_lost", "pins")
        unit.until_status("the output's fault", lambda s: [f for f in s["faults"] if f["class"] == "no_effect"])
        said = unit.cli("quarantine", "tank", "--reason", "a leak")
        assert said.returncode == 1 and "BUT outputs.valve: not driven off" in said.stdout, said.stdout
        table = unit.cli("status").stdout
        assert "valve" in table and "not driven off" in table
        unit.reads()
        assert unit.stop() == 0


def test_an_order_is_answered_when_its_relay_was_read_back(tmp_path: Path) -> None:
    """The answer is what the person acts on next."""
    with LiveRig(tmp_path, period_s=0.02) as rig:
        text = f'[paths]\nstate = "{tmp_path}/state"\nsocket = "{tmp_path}/s.sock"\n' + rig.do(for_rig)
        with Unit(tmp_path, text, rig.env) as unit:
            unit.event("output", "fan_relay", on=True)
            said = unit.ask("quarantine", name="fan", reason="test")
            assert said["ok"] and "pin 17 driven off; pin 22 confirms" in said["says"]
            assert not rig.do(lambda r: r.patient.contacts("fan_relay")), "no sooner than that"
            unit.kill()
            unit.start()
            assert unit.status()["parts"]["fan"]["state"] == "isolated", "and no sooner than it is on the disk"
            rig.do(lambda r: r.ail("welded", "fan_relay"))
            said = unit.ask("release", name="fan", reason="test")
            assert not said["ok"] and "contacts may be welded" in said["says"]

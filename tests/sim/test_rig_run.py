"""Stories told to the real daemon: a car through its adapter, a device that is killed, a broker that goes, a disk that fills."""

import asyncio
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sickbay.config import parse
from sickbay_fleet.embedded_broker import listens
from sickbay_sim import rig_run, rig_story
from sickbay_sim.record import Change, Run
from sickbay_sim.scenario import Fault, Load, Order, Scenario

LOOP = "cooling-loop"
FAULTY = Fault("bias", "outlet_temp", 20)


def loop(name: str, seconds: float, *faults: Fault, orders: tuple[Order, ...] = ()) -> Scenario:
    return Scenario(name, name, LOOP, seconds, warm_s=140, profile="clean", faults=faults, orders=orders)


STORIES = {
    "parked": Scenario(
        "parked", "-", "car", 70, warm_s=45, port="obd", loads=(Load("engine", 0, 5), Load("engine", 1, 45))
    ),
    "killed": loop("killed", 250, FAULTY, Fault("kill", "daemon", 110)),
    "alone": loop("alone", 150, FAULTY, Fault("broker_outage", "broker", 0)),
    "full": loop("full", 250, FAULTY, Fault("disk_full", "disk", 5)),
    "ordered": loop("ordered", 80, orders=(Order("quarantine", "fan", 20, "the guard is off"),)),
}


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    """Every story, side by side: most of their time is waiting."""
    with ThreadPoolExecutor(len(STORIES)) as threads:
        rigs = {name: threads.submit(rig_run.run, story, None, 100.0) for name, story in STORIES.items()}
        return {name: rig.result() for name, rig in rigs.items()}


def test_a_car_is_read_through_its_adapter_and_sleeps_when_it_is_parked(runs: dict[str, Run]) -> None:
    """Nine values asked in turn and one counted on a pin all arrive; switched off there is no ticket for any of them."""
    run = runs["parked"]
    assert not run.trouble and set(run.states) >= {"coolant_temp", "wheel_speed_fl", "cooling"}
    notes = [c for c in run.changes if c.kind == "note" and c.name == "rig"]
    assert len(notes) == 1 and "switched off" in str(notes[0].detail["says"]) and 10 <= notes[0].at_s < 60
    assert not [c for c in run.changes if c.kind == "source_lost" or c.detail.get("class") == "silent"]
    assert not [t for t in run.told if t.layer == "line"]
    assert run.bytes_in > 2000


def test_a_kill_loses_no_isolation(runs: dict[str, Run]) -> None:
    """What was masked before is masked after, by the same fault."""
    run = runs["killed"]
    assert not run.trouble and run.states["outlet_temp"] != "in_service" and run.lost == 0
    assert len([c for c in run.changes if c.kind == "output" and c.name == "fan_relay"]) >= 2, "two starts"
    assert {t.target for t in run.told} == {"outlet_temp"} and len({t.fault_id for t in run.told}) == 1


def test_without_a_broker_the_outbox_keeps_what_was_told(runs: dict[str, Run]) -> None:
    """Undelivered is not lost, and nobody needs a network to isolate a sensor."""
    run = runs["alone"]
    assert not run.trouble and run.states["outlet_temp"] == "isolated" and run.lost == 0
    assert [(t.target, t.delivered_s) for t in run.told] in ([], [("outlet_temp", None)])


def test_a_disk_that_takes_nothing_more_is_told_and_judging_goes_on(runs: dict[str, Run]) -> None:
    """The unit says that it cannot keep its records, as soon as there is one to keep."""
    run = runs["full"]
    assert not run.trouble and run.states["outlet_temp"] == "isolated"
    assert "journal" in {t.target for t in run.told}


def test_a_persons_order_is_given_when_its_time_has_come(runs: dict[str, Run]) -> None:
    """Through the control socket, as the command line does it; the relay on its pin follows."""
    run = runs["ordered"]
    order = next(c for c in run.changes if c.kind == "command")
    assert 20 <= order.at_s <= 80 and order.detail["verb"] == "quarantine"
    assert run.relays["fan_relay"][-1][1] is False and run.states["fan"] == "isolated"


def test_a_daemon_that_ends_by_itself_ends_the_story_and_leaves_nothing_running() -> None:
    """The record says so with the last lines of its log; broker and fleet are gone too."""
    play: list[rig_run.Play] = []

    class Ending(rig_run.Play):
        def _beat(self) -> None:
            if not play:
                play.append(self)
                assert self.unit._process is not None
                self.unit._process.terminate()
                self.unit._process.wait()
            super()._beat()

    with tempfile.TemporaryDirectory() as folder:
        run = asyncio.run(Ending(loop("ends", 50), 1, 100.0, False, Path(folder)).go())
    assert "the daemon ended with 0" in run.trouble and not run.states
    assert play[0].stage._fleet is not None and play[0].stage._fleet.poll() is not None
    assert not listens(play[0].stage._broker.port)


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        (
            Scenario("s", "-", LOOP, 10, faults=(Fault("clock_step", "clock", 1),)),
            "would move this whole machine's clock",
        ),
        (Scenario("s", "-", LOOP, 10, orders=(Order("ack", "fan", 1, remote=True),)), "no key to sign it"),
        (Scenario("s", "-", LOOP, 10, model="learnt"), "has learnt nothing yet"),
    ],
)
def test_what_cannot_be_done_here_says_so_and_where_it_can(scenario: Scenario, says: str) -> None:
    """Half a story would be a wrong answer."""
    with pytest.raises(rig_run.RigError, match="sickbay-sim bench") as refused:
        rig_run.run(scenario)
    assert says in str(refused.value)


def test_waits_of_the_configuration_are_divided_by_the_speed() -> None:
    """An hour of probation is a minute and a bit at fifty times the speed; rows stay rows."""
    scenario = Scenario("s", "-", LOOP, 10, policy={"probation_s": 600.0, "corroborate_rows": 12})
    config = parse(rig_story.configuration(scenario, 50.0, "/dev/null", ""))
    policy = config.policy
    assert (policy.probation_s, policy.cooldown_s, policy.corroborate_rows) == (12.0, 0.2, 12)
    assert config.signals["flow"].every_s == 0.02 and policy.trial_s == 12.0


def test_story_time_follows_the_machine_and_not_the_clock() -> None:
    """A machine that stood still for a second was not a second further in its story."""
    time = rig_story.StoryTime(100.0)
    for wall, story_s in ((10.0, 0.0), (10.1, 10.0), (11.1, 20.0), (11.2, 30.0)):
        time.beat(wall, story_s)
    assert [time.of(w) for w in (9.99, 10.05, 10.6, 11.15, 11.21)] == [-1.0, 5.0, 20.0, 25.0, 31.0]


def test_spans_of_masks_follow_what_the_daemon_says() -> None:
    """Probation is still out of service; would_isolate is not, and ends where it becomes real."""
    said = [("would_isolate", "would_isolate", 1), ("isolate", "isolated", 5), ("probation", "probation", 9)]
    found = [Change(at_s, kind, "a", {"state": state}) for kind, state, at_s in said]
    spans = rig_story.masked([*found, Change(12, "release", "a", {"state": "in_service"})])
    assert [(s.from_s, s.to_s, s.active) for s in spans] == [(1, 5, False), (5, 12, True)]


def test_the_command_tells_a_scenario_and_judges_it(tmp_path: Path) -> None:
    """What a person types; the exit code is the verdict."""
    file = tmp_path / "dead-fan.toml"
    file.write_text(
        'title = "The fan stands still"\nplant = "cooling-loop"\nseconds = 60\nwarm_s = 80\n[[fault]]\n'
        'kind = "fan_fail"\ntarget = "fan"\nat_s = 10\n[[expect]]\ntarget = "fan"\nlayer = "part"\nquarantine = true\n'
    )
    command = [sys.executable, "-m", "sickbay_sim.main", "rig", str(file), "--speed", "100", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (said,) = json.loads(done.stdout)
    assert said["held"] and said["states"]["fan"] == "isolated" and [t["target"] for t in said["told"]] == ["fan"]
    clocks = tmp_path / "clocks.toml"
    clocks.write_text(
        'title = "-"\nplant = "cooling-loop"\nseconds = 10\n[[fault]]\nkind = "clock_step"\ntarget = "clock"\nat_s = 1\n'
    )
    refused = subprocess.run([*command[:4], str(clocks)], capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2 and "sickbay-sim bench" in refused.stderr

"""These tests run scenarios through the real node in virtual time, and hold what the record says of them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sickbay_sim import bench
from sickbay_sim.main import main
from sickbay_sim.record import Run
from sickbay_sim.scenario_file import ScenarioError, parse
from sickbay_sim.verdict import judge

QUIET = """
title = "Nothing happens"
plant = "cooling-loop"
seconds = 600
warm_s = 900
profile = "clean"
[bounds]
escalations_max = 0
"""
FAN = """
title = "The fan stands still"
plant = "cooling-loop"
seconds = 400
warm_s = 900
profile = "clean"
[[fault]]
kind = "fan_fail"
target = "fan"
at_s = 60
[[expect]]
target = "fan"
within_s = 30
layer = "part"
quarantine = true
[bounds]
escalations_max = 1
never_isolate = ["pump"]
[bounds.relays]
fan_relay = false
pump_relay = true
"""


def broken(run: Run) -> list[str]:
    return [check.name for check in judge(run) if not check.held]


def test_the_same_scenario_and_seed_make_the_same_run() -> None:
    """A failure that cannot be had again cannot be mended. Only what the agent's work cost differs."""
    scenario = parse(FAN)
    first, second = (replace(bench.run(scenario, seed=5, keep_rows=True), cpu_s=0.0) for _ in range(2))
    assert first == second
    assert first.told and first.rows and first.cpu_s == 0.0
    assert replace(bench.run(scenario, seed=6, keep_rows=True), cpu_s=0.0) != first


def test_a_dead_fan_is_told_and_taken_out_and_its_relay_is_moved() -> None:
    """The whole way: physics, node, order to the output, read-back, message, receipt."""
    run = bench.run(parse(FAN))
    assert broken(run) == []
    told = run.told[0]
    assert told.target == "fan" and told.kind == "opened" and told.bytes > 500
    assert told.delivered_s == pytest.approx(told.at_s + bench.COMMIT_MS / 1000)
    assert run.relays["fan_relay"][0] == (pytest.approx(-899.0), True) and run.relays["fan_relay"][-1][1] is False
    assert [(m.name, m.active, m.to_s) for m in run.masked] == [("fan", True, None)]
    assert run.states["fan"] == "isolated" and run.states["pump"] == "in_service"
    assert [(i.kind, i.layer, i.onset_s, i.end_s) for i in run.truth] == [("fan_fail", "part", 60.0, None)]
    assert "acknowledged" in {change.kind for change in run.changes}
    assert run.cpu_s > 0 and run.bytes_in > 0 and run.bytes_out == sum(t.bytes for t in run.told)


def test_a_quiet_day_leaves_nothing_but_its_record() -> None:
    """What a healthy unit costs its owner: no message, no mask."""
    run = bench.run(parse(QUIET))
    assert broken(run) == [] and run.told == [] and run.masked == [] and run.bytes_out == 0
    assert set(run.states.values()) == {"in_service"}


def test_a_person_orders_what_a_scenario_says() -> None:
    """Orders go by the same door as at the device, and what is refused is noted, not lost."""
    order = '[[order]]\nverb = "quarantine"\ntarget = "flow"\nat_s = 100\nreason = "new sensor"\n'
    run = bench.run(parse(QUIET + order + order.replace('"flow"', '"nobody"').replace("nobody", "rig")))
    assert run.states["flow"] == "isolated"
    said = [change.detail for change in run.changes if change.kind == "command"]
    assert [("answer" in d, "refused" in d) for d in said] == [(True, False), (False, True)]


def test_a_killed_daemon_goes_on_where_it_was() -> None:
    """What it had isolated stays isolated through kill -9, told once, and what it learnt is not learnt anew."""
    kill = '[[fault]]\nkind = "kill"\ntarget = "daemon"\nat_s = 200\n'
    text = FAN.replace("[[expect]]", kill + "[[expect]]\nfault = 0")
    run = bench.run(parse(text))
    assert broken(run) == [] and len(run.told) == 1
    assert run.states["fan"] == "isolated" and run.relays["fan_relay"][-1][1] is False


def test_without_a_broker_the_receipt_waits_and_nothing_is_lost() -> None:
    """Told is when it left the node; delivered when the fleet had committed it."""
    outage = '[[fault]]\nkind = "broker_outage"\ntarget = "broker"\nat_s = 50\nuntil_s = 300\n'
    run = bench.run(parse(FAN.replace("[[expect]]", outage + "[[expect]]\nfault = 0")))
    assert run.told[0].at_s < 80 and run.told[0].delivered_s is not None and 300 <= run.told[0].delivered_s <= 302
    gone = bench.run(parse(FAN.replace("[[expect]]", outage.replace("until_s = 300", "") + "[[expect]]\nfault = 0")))
    assert gone.told[0].delivered_s is None and gone.lost == 0


def test_a_full_disk_is_told_as_the_surroundings_fault() -> None:
    """The node hears of it from the shell, as on a device."""
    full = '[[fault]]\nkind = "disk_full"\ntarget = "disk"\nat_s = 100\nuntil_s = 200\n'
    run = bench.run(parse(QUIET + full))
    assert next((t.kind, t.class_, t.layer) for t in run.told) == ("opened", "store", "surroundings")


def test_an_override_that_the_daemon_refuses_is_the_scenarios_fault() -> None:
    """The configuration is the daemon's own, and so are its complaints."""
    with pytest.raises(ScenarioError, match=r"isolated_maxx.*isolated_max"):
        bench.run(parse(QUIET + "[policy]\nisolated_maxx = 2\n"))


def test_a_model_learnt_in_the_warm_up_judges_the_story() -> None:
    """As after `sickbay learn`: the node begins with the unit's own baseline and asks its model at every row."""
    run = bench.run(parse(FAN.replace("seconds = 400", 'seconds = 200\nmodel = "learnt"')))
    assert "expect[0].within_s" not in broken(run) and run.trouble == ""


def test_bench_says_what_happened_and_fails_where_something_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person reads the timeline; a program the exit code; and the line that runs it again stands there."""
    (tmp_path / "good.toml").write_text(FAN, encoding="utf-8")
    bad = tmp_path / "bad.toml"
    bad.write_text(FAN.replace("escalations_max = 1", "escalations_max = 0"), encoding="utf-8")
    assert main(["bench", str(tmp_path / "good.toml")]) == 0
    said = capsys.readouterr().out
    assert "fan_fail of fan" in said and "told" in said and "BROKEN" not in said
    assert main(["bench", str(tmp_path), "--seed", "2"]) == 1
    said = capsys.readouterr().out
    assert f"again: sickbay-sim bench {bad} --seed 2" in said and "1 of 2 scenarios held" in said
    assert main(["bench", str(bad), "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert found["held"] is False and found["told"][0]["class"] == "anomaly"
    bad.write_text("titel = 1", encoding="utf-8")
    assert main(["bench", str(bad)]) == 2
    assert "titel" in capsys.readouterr().err


def test_a_line_fault_acts_on_bytes_that_the_agents_own_reader_reads() -> None:
    """So bench and rig agree: the plug is pulled, opened again by the driver's own rhythm, and told as the line's."""
    unplug = '[[fault]]\nkind = "unplug"\ntarget = "rig"\nat_s = 100\nuntil_s = 200\n'
    run = bench.run(parse(QUIET + unplug))
    assert {(t.class_, t.layer, t.target) for t in run.told} == {("unplugged", "line", "rig")}
    lost = [c.at_s for c in run.changes if c.kind == "source_lost"]
    back = [c.at_s for c in run.changes if c.kind == "source_back"]
    assert lost == [100.0] and 200.0 <= back[0] <= 206.0
    whole = bench.run(parse(QUIET))
    assert run.bytes_in < whole.bytes_in


@pytest.mark.parametrize("port", ["json", "csv"])
def test_bytes_and_readings_make_the_same_of_a_healthy_line(port: str) -> None:
    """Good lines are fed as readings, for speed: what the node makes of them must not depend on that."""
    fan = FAN.replace('profile = "clean"', f'profile = "clean"\nport = "{port}"')
    harmless = '[[fault]]\nkind = "unplug"\ntarget = "rig"\nat_s = 399\n'
    told = [
        [(t.at_s, t.target, t.class_) for t in bench.run(parse(text)).told]
        for text in (FAN, fan.replace("[[expect]]", harmless + "[[expect]]\nfault = 0"))
    ]
    assert told[0] == told[1]

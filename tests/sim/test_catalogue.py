"""These tests hold that nothing in the simulator is a name alone: every kind of fault acts, and a scenario exercises it."""

import json
from pathlib import Path

import pytest

from sickbay_sim import bench, catalogue, scenario_file
from sickbay_sim.main import main
from sickbay_sim.plant import PLANTS
from sickbay_sim.scenario import Scenario
from sickbay_sim.verdict import judge

FOLDER = Path(__file__).resolve().parent.parent / "scenarios"
ENTRIES = catalogue.entries()

# Stories that must hold on any unit: the few that `make test` has time for. The score card runs them all, on many.
CHOSEN = (
    "car-intake-error-code",
    "line-unplug",
    "loop-fan-dead",
    "loop-flow-silent",
    "loop-killed-twice",
    "loop-relay-welded",
)


@pytest.fixture(scope="module")
def scenarios() -> list[Scenario]:
    return [scenario_file.read(path) for path in scenario_file.gather([FOLDER])]


def test_every_scenario_can_be_read_and_tells_its_own_story(scenarios: list[Scenario]) -> None:
    """A file that nobody can read holds nothing; one without an expectation or a bound cannot fail."""
    assert len(scenarios) >= 60
    assert len({(s.plant, s.title) for s in scenarios}) == len(scenarios)
    assert {s.plant for s in scenarios} == set(PLANTS)
    assert [
        s.name for s in scenarios if not s.expects and s.bounds.escalations_max is None and not s.bounds.never_blame
    ] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: f"{e.plant or 'any'}-{e.kind}")
def test_every_kind_of_fault_is_implemented_and_exercised(entry: catalogue.Entry, scenarios: list[Scenario]) -> None:
    """A kind that nobody runs is a kind that nobody knows to work."""
    assert entry.implemented and entry.meaning
    assert catalogue.exercised_by(entry, scenarios), f"no scenario in {FOLDER.name} has a {entry.kind}"


@pytest.mark.parametrize("name", CHOSEN)
def test_the_chosen_scenarios_hold(name: str) -> None:
    """Each is one promise of the README, held end to end in virtual time."""
    run = bench.run(scenario_file.read(FOLDER / f"{name}.toml"))
    assert [f"{c.name}: {c.says}" for c in judge(run) if not c.held] == []


def test_list_tells_a_person_and_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    """What a kind is, what severity 1 means, and where it is exercised."""
    assert main(["list", str(FOLDER)]) == 0
    said = capsys.readouterr().out
    assert "stuck" in said and "loop-outlet-stuck" in said and " 0 in no scenario" in said
    assert main(["list", str(FOLDER), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"kind", "layer", "plant", "targets", "meaning", "implemented", "scenarios"} == set(rows[0])
    assert {row["layer"] for row in rows} == {"sensor", "part", "line", "surroundings"}

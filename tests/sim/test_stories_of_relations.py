"""Whole stories, end to end in virtual time, of sensors whose error only the unit's other signals can tell."""

from pathlib import Path

import pytest

from sickbay_sim import bench, scenario_file
from sickbay_sim.verdict import judge

FOLDER = Path(__file__).resolve().parent.parent / "scenarios"


@pytest.mark.parametrize(("name", "least"), [("room-evaporator-temp-drifts", 3), ("car-air-meter-exaggerates", 2)])
def test_a_sensor_that_its_own_chart_cannot_judge_is_told_in_time_as_the_sensor(name: str, least: int) -> None:
    """On so many of three units. Without relations between the signals neither story is told on any of them."""
    scenario = scenario_file.read(FOLDER / f"{name}.toml")
    told = [
        [c.says for c in judge(bench.run(scenario, seed)) if c.name.startswith("expect") and not c.held]
        for seed in (1, 2, 3)
    ]
    assert sum(not missed for missed in told) >= least, told

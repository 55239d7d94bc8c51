"""Whole stories, on the very units that were once told falsely, or not at all: what was mended by its cause stays mended."""

import dataclasses
from pathlib import Path

import pytest

from sickbay_sim import bench, scenario_file
from sickbay_sim.record import Run
from sickbay_sim.score import blame
from sickbay_sim.score.blame import Meaning

FOLDER = Path(__file__).resolve().parent.parent / "scenarios"


def play(name: str, seed: int, until_s: float | None = None) -> Run:
    """This plays a story, or its beginning."""
    story = scenario_file.read(FOLDER / f"{name}.toml")
    if until_s is not None:
        story = dataclasses.replace(
            story, seconds=until_s, loads=tuple(load for load in story.loads if load.at_s < until_s)
        )
    return bench.run(story, seed)


@pytest.mark.parametrize(
    ("name", "seed", "until_s"),
    [
        (
            "loop-load-step",
            12,
            None,
        ),  # the inlet was warm before the outlet was, and all three thermometers were masked
        (
            "loop-outlet-stuck-mended",
            9,
            None,
        ),  # a bearing a tenth of a kelvin colder than ever, while a witness was masked
        ("loop-part-load", 18, 700.0),  # the current had moved with the drive, the means of all else not yet
        ("line-duplicated", 12, None),  # twenty seconds of whole numbers, each said twice, were forty equal rows
        ("car-hot-day", 13, None),  # in hotter air than ever a throttle was 1.1 times its relation's limit off
        (
            "room-hot-afternoon",
            18,
            None,
        ),  # a condenser under more pressure than ever, as its cycles make of the weather
    ],
)
def test_nothing_false_is_told_nor_taken_out_of_service(name: str, seed: int, until_s: float | None) -> None:
    run = play(name, seed, until_s)
    assert [w.told.target for w in blame.openings(blame.words(run)) if w.meaning is Meaning.FALSE] == []
    assert [s.name for s in blame.stays(run) if s.meaning is Meaning.FALSE] == []


def test_a_tank_that_leaks_for_ten_minutes_is_told_before_somebody_fills_it_up() -> None:
    """It wanders by itself, so that a slight shift of it waits; not once it has stayed far beyond for a minute."""
    told = [t.at_s for t in play("loop-refill", 8).told]
    assert told and 600 < told[0] < 1200

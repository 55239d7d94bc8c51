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
        # The inlet was warm before the outlet was, and all three thermometers were masked.
        ("loop-load-step", 12, None),
        # A bearing a tenth of a kelvin colder than ever, while a witness was masked.
        ("loop-outlet-stuck-mended", 9, None),
        # The current had moved with the drive, the means of all else not yet.
        ("loop-part-load", 18, 700.0),
        # Two parts broke at once; the first of them was told before the third spoke up.
        ("loop-off-hours", 1, 900.0),
        # Steps of one digit were larger than steps of one digit, by their last binary places: noise.
        ("loop-cavitation", 9, 290.0),
        # Twenty seconds of whole numbers, each said twice, were forty equal rows.
        ("line-duplicated", 12, None),
        # In hotter air than ever a throttle was 1.1 times its relation's limit off.
        ("car-hot-day", 13, None),
        # A condenser under more pressure than ever, as its cycles make of the weather.
        ("room-hot-afternoon", 18, None),
        # The same, by more than its habit knew: but the compressor rests under as much more as it runs.
        ("room-hot-afternoon", 17, None),
        # A fan behind a coil that was full of frost was held against itself from before the thaw.
        ("room-loading", 16, 36000.0),
        # Warm goods made each start of the compressor turn two signals for longer, as a door does: it hung, it seemed.
        ("room-loading", 9, 20000.0),
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

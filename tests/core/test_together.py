"""What all of one kind does together is the weather's or the load's doing, and no part's."""

import random
from collections.abc import Iterator

from plants import Ailment, Journey, Values, drifts, shifts
from sickbay.core import slight
from sickbay.core.equipment import Equipment, Mode, Part, Policy, Signal
from sickbay.core.together import may_move_alike, moved_alike

LEARN = 400
ILL = LEARN + 50
WARM = ("bearing", "outlet", "block")
NORMAL = {
    "flow": (16.0, 0.2),
    "bearing": (37.0, 0.05),
    "tach": (2000.0, 15.0),
    "outlet": (40.0, 0.1),
    "block": (50.0, 0.1),
}


def loop(unit: str = "degC") -> Equipment:
    """This is a pump, a cooler and what they cool, each with a thermometer."""
    parts = (
        Part("pump", ("flow", "bearing"), essential=True, isolate=Mode.ACTIVE),
        Part("fan", ("tach", "outlet"), isolate=Mode.PASSIVE),
        Part("heater", ("block",), isolate=Mode.PASSIVE),
    )
    signals = tuple(Signal(name, "rig", unit if name in WARM else "") for name in NORMAL)
    return Equipment("loop-1", signals, parts, (), Policy(learn_rows=LEARN, corroborate_rows=10))


def hours(rows: int, *ailments: Ailment) -> Iterator[tuple[int, Values]]:
    chance = random.Random(3)
    for second in range(rows):
        values: Values = {name: mean + chance.gauss(0.0, sd) for name, (mean, sd) in NORMAL.items()}
        for ailment in ailments:
            ailment(second, values)
        yield second, values


def warm_day(start: int = ILL, *but: str) -> list[Ailment]:
    return [drifts(name, 6.0, start) for name in WARM if name not in but]


def test_a_warm_day_is_nobodys_fault_and_not_told() -> None:
    """It was a pump's, for a bearing is the quietest of the thermometers: someone was woken 7 minutes into a heat wave."""
    j = Journey(loop()).run(hours(ILL + 1800, *warm_day()))
    row = j.node.ward.rows["pump"]
    assert j.told() == [] and row.alarm_rows > 0
    finding = moved_alike(j.node.ward, row)
    assert finding is not None and finding.layer == "surroundings"
    assert "all that is measured in degC is above where it was while it was learnt" in finding.evidence[0]


def test_a_warm_day_that_lasts_is_told_as_the_surroundings() -> None:
    late = slight.ELSEWHERE_MS // 1000
    day = [shifts(name, 3.0, ILL + 1800) for name in WARM]
    ends = [drifts(name, -6.0, ILL + 1800) for name in WARM]
    j = Journey(loop()).run(hours(ILL + late + 600, *warm_day(), *day, *ends))
    assert [(m.kind, m.body["layer"]) for m in j.told()][:1] == [("opened", "surroundings")]
    assert list(j.tickets()) == [j.told()[0].fault_id]


def test_what_one_part_alone_does_not_follow_is_no_warm_day() -> None:
    """Dirt in a radiator warms the water and what it cools, and not the pump's bearing."""
    j = Journey(loop()).run(hours(ILL + 1800, *warm_day(ILL, "bearing")))
    assert j.told("fan") or j.told("heater")


def test_a_bearing_that_runs_hot_is_told_though_the_day_is_warm() -> None:
    """It is farther off than the weather can have made it."""
    j = Journey(loop()).run(hours(ILL + 1800, *warm_day(), drifts("bearing", 12.0, ILL)))
    assert [m.body["target"] for m in j.told()] == ["pump"]


def test_who_feels_a_warm_day_first_waits_for_the_slower_thermometers() -> None:
    """Water warms before a pump's bearing does: it was told as its fan's, and the fan counted as taken out of service."""
    first = [drifts("outlet", 6.0, ILL), drifts("bearing", 2.6, ILL), drifts("block", 2.6, ILL)]
    j = Journey(loop()).run(hours(ILL + 900, *first))
    row = j.node.ward.rows["fan"]
    assert moved_alike(j.node.ward, row) is None and may_move_alike(j.node.ward, row)
    assert row.alarm_rows > 0 and not j.told("fan")


def test_what_else_the_part_measures_must_be_as_usual() -> None:
    j = Journey(loop()).run(hours(ILL + 900, *warm_day(), drifts("flow", -8.0, ILL)))
    assert [m.body["layer"] for m in j.told("pump")] == ["part"]


def test_what_has_no_unit_is_alike_with_nothing() -> None:
    j = Journey(loop(unit="")).run(hours(ILL + 1800, *warm_day()))
    assert j.told()

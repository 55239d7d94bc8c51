"""A drive that is set back moves all of its pump together: that is a working point, and no fault."""

import random
from collections.abc import Callable, Iterator

import pytest

from plants import Ailment, Journey, Values
from sickbay.core import working_point
from sickbay.core.diagnosis import Finding
from sickbay.core.equipment import Equipment, Mode, Part, Policy, Signal
from sickbay.core.memory import restore, snapshot
from sickbay.core.node import Node

LEARN = 400
SET = LEARN + 50
HOUR = working_point.PATIENT_MS // 1000
UNITS = {"speed": "rev/min", "flow": "L/min", "head": "kPa", "current": "A", "warmth": "degC", "other": "degC"}
Drive = Callable[[int], float]


def pump(*strangers: str) -> Equipment:
    """This is a pump whose speed makes its flow, head and current, what it warms slowly, and signals of no part."""
    parts = (
        Part("pump", ("speed", "flow", "head", "current", "warmth"), essential=True, isolate=Mode.ACTIVE),
        Part("tank", ("other",), isolate=Mode.PASSIVE),
    )
    signals = [Signal(name, "rig", unit) for name, unit in UNITS.items()]
    signals += [Signal(name, "rig", "V") for name in strangers]
    return Equipment("pump-1", tuple(signals), parts, (), Policy(learn_rows=LEARN, corroborate_rows=10))


def hours(rows: int, drive: Drive, *ailments: Ailment, supply: Drive | None = None) -> Iterator[tuple[int, Values]]:
    """This yields rows of a pump whose drive wanders by half a percent, and is set as `drive` says."""
    chance = random.Random(5)
    wander, warmth = 0.0, 36.0
    for second in range(rows):
        wander += (chance.gauss(0.0, 0.0016) - 0.05 * wander) if second else 0.0
        volts = supply(second) if supply is not None else 1.0
        n = (1.0 + wander) * drive(second) * volts
        warmth += (20.0 + 16.0 * n * n - warmth) / 300.0
        values: Values = {
            "speed": 3000.0 * n + chance.gauss(0.0, 4.0),
            "flow": 16.0 * n + chance.gauss(0.0, 0.02),
            "head": 62.0 * n * n + chance.gauss(0.0, 0.1),
            "current": 2.1 * n * n + chance.gauss(0.0, 0.004),
            "warmth": warmth + chance.gauss(0.0, 0.02),
            "other": 40.0 + chance.gauss(0.0, 0.1),
        }
        if supply is not None:
            values["supply"] = 24.0 * (1.0 + wander) * volts + chance.gauss(0.0, 0.02)
        for ailment in ailments:
            ailment(second, values)
        yield second, values


def back(to: float, start: int = SET, end: int = 10**9) -> Drive:
    return lambda second: to if start <= second < end else 1.0


@pytest.mark.parametrize("to", [0.95, 0.8, 0.7])
def test_a_drive_that_is_set_back_for_an_hour_is_nobodys_fault(to: float) -> None:
    """It was told as the pump's, critical, and the pump counted as taken out of service."""
    j = Journey(pump()).run(hours(SET + HOUR + 900, back(to, SET, SET + HOUR)))
    assert j.told() == []
    assert j.node.ward.quarantine.records["pump"].state == "in_service"


def test_a_drive_that_stays_set_back_is_asked_about_once() -> None:
    j = Journey(pump()).run(hours(SET + HOUR + 900, back(0.8)))
    assert [(m.kind, m.body["layer"]) for m in j.told()] == [("opened", "unknown")]
    assert any("moved together" in words for words in j.told()[0].body["counter_evidence"])


def test_a_pump_that_loses_head_at_the_same_speed_is_told_as_it_was() -> None:
    def worn(second: int, values: Values) -> None:
        if second >= SET:
            values["flow"], values["head"] = 0.8 * (values["flow"] or 0.0), 0.7 * (values["head"] or 0.0)

    j = Journey(pump()).run(hours(SET + 120, back(1.0), worn))
    assert [(m.kind, m.body["layer"]) for m in j.told("pump")][:1] == [("opened", "part")]


def test_a_blocked_pump_is_a_part_though_all_parts_are_shaken_at_once() -> None:
    """Most parts at once is the surroundings' as a rule; but those do not lower a pump's flow while its head rises."""

    def blocked(second: int, values: Values) -> None:
        if second >= SET:
            values["flow"], values["head"] = 0.8 * (values["flow"] or 0.0), 1.3 * (values["head"] or 0.0)

    j = Journey(pump()).run(hours(SET + 6, back(1.0), blocked))
    outside = Finding("surroundings", "pump", "anomaly", ("all parts broke",))
    found, early = working_point.explained(j.node.ward, j.node.ward.rows["pump"], outside)
    assert (found.layer, found.evidence, early) == ("part", outside.evidence, False)


def test_a_pump_that_stops_is_told_at_once() -> None:
    """Everything falls together then too, to nothing: no drive is set to that."""
    j = Journey(pump()).run(hours(SET + 60, back(0.0)))
    assert [(m.kind, m.body["layer"]) for m in j.told("pump")][:1] == [("opened", "part")]


def test_a_pump_that_warms_while_it_slows_is_told() -> None:
    """A winding that gains resistance slows all of it, as a drive does, and heats where a drive would cool."""

    def hot(second: int, values: Values) -> None:
        if second >= SET:
            values["warmth"] = (values["warmth"] or 0.0) + 4.0

    j = Journey(pump()).run(hours(SET + 300, back(0.9), hot))
    assert [m.body["layer"] for m in j.told("pump")] == ["part"]


def test_what_goes_on_moving_does_not_stand_at_a_working_point() -> None:
    j = Journey(pump()).run(hours(SET + 1200, lambda second: 1.0 - 0.3 * max(0, second - SET) / 1200))
    assert [m.body["layer"] for m in j.told("pump")] == ["part"]


def test_a_supply_that_sags_is_the_surroundings_doing() -> None:
    """It belongs to no part, and left all that it was while the pump moved as one."""
    rows = hours(SET + 120, back(1.0), supply=back(0.9))
    j = Journey(pump("supply")).run(rows)
    first = j.told()[0].body
    assert first["layer"] == "surroundings" and "supply is 21." in first["evidence"][0]
    assert j.node.ward.quarantine.records["pump"].state == "in_service"


def test_what_was_learnt_of_the_surroundings_survives_a_restart() -> None:
    j = Journey(pump("supply")).run(hours(SET, back(1.0), supply=back(1.0)))
    node = Node(pump("supply"), "again", {})
    assert restore(node.ward, snapshot(j.node.ward)) == []
    old, new = j.node.ward.union, node.ward.union
    assert old is not None and new is not None
    assert new.outside.lows == old.outside.lows and new.outside.rows == LEARN

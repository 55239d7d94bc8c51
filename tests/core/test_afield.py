"""What goes beyond all that it ever was, so slowly that its level follows, while the rest of the unit is where it always was."""

import math
import random
from collections.abc import Callable, Iterator

import pytest

from plants import Journey, Values
from sickbay.core import lasting
from sickbay.core.afield import EVERY, GROWS_MOST, RISE, ROWS, Afield
from sickbay.core.equipment import Equipment, Mode, Part, Policy, Signal

LEARN = 1200
ILL = LEARN + 100
JAM = range(ILL, ILL + 1200)
NAMES = ("coolant", "bonnet", "speed", "load", "volts")
Change = Callable[[int, Values], None]


def car() -> Equipment:
    """This is an engine's cooling, essential, beside the drive that warms it."""
    parts = (
        Part("cooling", ("coolant", "bonnet"), essential=True, isolate=Mode.ACTIVE, min_signals=1),
        Part("drive", ("speed", "load", "volts"), isolate=Mode.ACTIVE),
    )
    signals = tuple(Signal(name, "plug", "degC" if name in ("coolant", "bonnet") else "") for name in NAMES)
    return Equipment("car-1", signals, parts, (), Policy(learn_rows=LEARN, corroborate_rows=10))


def driving(rows: int, seed: int, *changes: Change, jam: range = range(0)) -> Iterator[tuple[int, Values]]:
    """A coolant that is regulated to a degree, in city and on the road by turns; in a jam it warms by 6 degrees."""
    chance = random.Random(seed)
    speed, coolant, warm = 40.0, 0.0, 0.0
    for second in range(rows):
        goal = 90.0 if (second // 200) % 2 else 30.0 * (1.0 + math.sin(second / 9.0))
        standing = second in jam
        speed = max(
            0.0, speed + 0.1 * ((0.0 if standing else goal) - speed) + chance.gauss(0.0, 0.2 if standing else 1.0)
        )
        coolant = 0.98 * coolant + chance.gauss(0.0, 0.1)
        warm += ((6.0 if standing else 0.0) - warm) / (100.0 if standing else 400.0)
        values: Values = {
            "coolant": 87.0 + coolant + warm + chance.gauss(0.0, 0.1),
            "bonnet": 40.0 - speed / 6.0 + chance.gauss(0.0, 0.3),
            "speed": speed,
            "load": 20.0 + 0.5 * speed + chance.gauss(0.0, 4.0),
            "volts": 13.7 + chance.gauss(0.0, 0.02),
        }
        for change in changes:
            change(second, values)
        yield second, values


def wears(name: str, per_row: float, start: int = ILL, end: int = 10**9) -> Change:
    """This moves a signal so much more each row."""

    def change(second: int, values: Values) -> None:
        values[name] = (values[name] or 0.0) + per_row * max(0, min(second, end) - start)

    return change


def told(seed: int, *changes: Change, rows: int = ILL + 2400, jam: range = range(0)) -> list[dict[str, object]]:
    journey = Journey(car()).run(driving(rows, seed, *changes, jam=jam))
    return [m.body for m in journey.told() if m.kind == "opened"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_creeps_out_of_all_that_it_was_is_told_though_its_level_follows(seed: int) -> None:
    """A worn pump warmed a car's coolant by six degrees within the hour, and an hour later that was normal."""
    first = told(seed, wears("coolant", 0.004))[0]
    assert (first["target"], first["layer"]) == ("cooling", "unknown")
    assert "it was never above 8" in str(first["evidence"]) and "the other parts are as they were" in str(
        first["evidence"]
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_told_of_a_healthy_drive(seed: int) -> None:
    assert told(seed, rows=ILL + 6000) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_a_jam_warms_and_what_cools_after_it_is_no_news(seed: int) -> None:
    """The coolant is as far out as that of a worn pump; but the car stands as it never stood, and later it is on its way home."""
    assert told(seed, jam=JAM) == []


def unit(changes: list[Change], rows: int, jam: range = range(0)) -> tuple[Afield, list[int]]:
    """This returns what was found at the end, and the rows in which anything was: past is reckoned from plain learnt bounds."""
    afield = Afield([[2, 3, 4], [2, 3, 4], [0, 1], [0, 1], [0, 1]], LEARN)
    found: list[int] = []
    for second, values in driving(rows, 1, *changes, jam=jam):
        past = (values["coolant"] or 0.0) - 89.0
        if afield.step([values[name] for name in NAMES], second < ILL):
            afield.judge([past, 0.0, 0.0, 0.0, 0.0], [False] * len(NAMES))
        if afield.found:
            found.append(second)
    return afield, found


def test_it_counts_once_it_has_lasted_and_rises_no_faster_than_what_comes_slowly() -> None:
    """It began slowly, whenever it is first asked: no alarm of it may look abrupt."""
    afield, found = unit([wears("coolant", 0.01)], ILL + 1000)
    assert found and found[0] >= ILL + 150 + ROWS and 0 in afield.found
    leap = [wears("coolant", 10.0, ILL, ILL + 1)]
    first = unit(leap, ILL + 1000)[1][0]
    assert [unit(leap, first + rows)[0].found[0] for rows in (1, 1 + EVERY)] == pytest.approx([1.0, 1.0 + EVERY * RISE])


def test_what_was_taken_along_and_comes_nearer_is_let_come_home() -> None:
    afield, found = unit([], ILL + 2600, JAM)
    assert not found and not afield.found


def test_what_was_taken_along_and_stays_is_found() -> None:
    """The jam is over, and the coolant is as hot as in it: nobody takes that for normal."""

    def hot(second: int, values: Values) -> None:
        if second >= ILL + 1200:
            values["coolant"] = 93.0

    _, found = unit([hot], ILL + 2600, JAM)
    assert found and found[0] > ILL + 1200


def test_who_is_out_of_service_is_no_witness_and_is_not_judged() -> None:
    afield = Afield([[1, 2], [0], [0]], 200)

    def goes_on(masked: list[bool]) -> list[int]:
        for second in range(3 * ROWS):
            row = [90.0 if afield.below else 87.0 + second % 3, float(second % 7), float(second % 5)]
            if afield.step(row, True):
                afield.judge([2.0, 0.0, 0.0], masked)
        return list(afield.found)

    goes_on([False] * 3)
    assert goes_on([False, True, False]) == [], "one other signal says little of where the unit is"
    assert goes_on([False] * 3) == [0]
    assert goes_on([True, False, False]) == []


def test_what_wanders_may_wander_farther_the_longer_it_runs_but_not_for_ever() -> None:
    afield = Afield([[1], [0]], LEARN)
    widths = []
    for afield.rows in (0, LEARN, 4 * LEARN, 10**9):
        widths.append(afield.grown())
    assert widths == [1.0, 1.0, 2.0, GROWS_MOST]


def test_a_silent_signal_does_not_keep_the_rest_from_being_learnt_and_all_of_it_lasts() -> None:
    afield = Afield([[1], [0]], 200)
    afield.step([None, 1.0], True)
    assert afield.rows == 0
    for second in range(400):
        afield.step([float(second % 7), None if second % 3 else 5.0], True)
    assert afield.rows == 400 and afield.below
    assert lasting.down(lasting.up(lasting.down(afield))) == lasting.down(afield)


def hangs(second: int, values: Values) -> None:
    """The coolant's sensor says the same for ever; it reads whole degrees."""
    values["coolant"] = 87.0 if second >= ILL else float(round(values["coolant"] or 0.0))


def whole(second: int, values: Values) -> None:
    values["coolant"] = float(round(values["coolant"] or 0.0))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_stands_far_longer_than_ever_while_the_rest_goes_on_is_stuck(seed: int) -> None:
    """A signal of whole degrees has no flicker to miss: it is the rest of the unit that says it should have moved."""
    first = told(seed, hangs)[0]
    assert (first["target"], first["class"]) == ("coolant", "stuck")
    assert "longer than ever while the rest goes on as it always did" in str(first["evidence"])
    assert told(seed, whole) == []


def test_nothing_is_stuck_where_the_others_stand_too_or_are_elsewhere() -> None:
    """A line that repeats itself, a machine that is switched off: whoever stands then is in good company."""

    def stops(second: int, values: Values) -> None:
        hangs(second, values)
        if second >= ILL:
            values.update(bonnet=30.0, speed=40.0, load=40.0, volts=13.7)

    def drives_off(second: int, values: Values) -> None:
        hangs(second, values)
        if second >= ILL:
            values["speed"] = (values["speed"] or 0.0) + 300.0

    assert not unit([stops], ILL + 2400)[0].standing
    assert not unit([drives_off], ILL + 2400)[0].standing
    assert list(unit([hangs], ILL + 2400)[0].standing) == [0]


def test_it_is_the_way_of_the_others_that_counts_and_not_the_time_alone() -> None:
    """On an even road the air under a bonnet stood four times as long as ever, and was told as a stuck sensor."""

    def cruises(second: int, values: Values) -> None:
        hangs(second, values)
        if second >= ILL:
            chance = random.Random(second)
            values.update(speed=88.0 + chance.gauss(0.0, 2.0), load=64.0 + chance.gauss(0.0, 4.0))

    assert not unit([cruises], ILL + 2400)[0].standing
    assert list(unit([hangs], ILL + 1200)[0].standing) == [0], "where they go all their way, it is found"


def test_what_never_moved_in_learning_has_no_bounds_that_anybody_knows() -> None:
    """A barometer stood still for the hour in which it was learnt, and then the road climbed."""

    def climbs(second: int, values: Values) -> None:
        values["coolant"] = 100.0 - 0.01 * max(0, second - ILL)

    _, found = unit([climbs], ILL + 2400)
    assert not found
    assert told(1, climbs) == []


def test_what_was_not_heard_for_long_did_not_stand() -> None:
    """A line said one row for 20 minutes; who said the same as before when it was well again, by chance, was masked."""

    def is_not_heard(second: int, values: Values) -> None:
        hangs(second, values)
        if second >= ILL + 20:
            values["coolant"] = None

    def is_heard_again(second: int, values: Values) -> None:
        hangs(second, values)
        if ILL + 20 <= second < ILL + 2390:
            values["coolant"] = None

    assert not unit([is_not_heard], ILL + 2400)[0].standing
    assert not unit([is_heard_again], ILL + 2400)[0].standing


def test_what_leaves_in_the_same_moment_as_the_rest_and_comes_home_later_is_no_news() -> None:
    """A pump that had stopped and ran again: half an hour later its bearing, warming still, was told as critical."""
    afield = Afield([[1, 2], [0], [0]], 200)
    for second in range(2000):
        stopped = 400 <= second < 700
        row = [87.0 + second % 3, -500.0 if stopped else float(second % 7), -500.0 if stopped else float(second % 5)]
        past = 0.0 if second < 400 else min(40.0, 4.0 * (second - 399)) if stopped else 40.0 * 0.997 ** (second - 700)
        if afield.step(row, second < 400):
            afield.judge([past, 9.0 if stopped else 0.0, 9.0 if stopped else 0.0], [False] * 3)
        assert not afield.found, second

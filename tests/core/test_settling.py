"""After a fault: an alarm ends when the machine is well, though it does not come to rest exactly where it stood."""

import random
from collections.abc import Callable

from sickbay.core.anomaly import PartView
from sickbay.core.chart import SETTLE_ROWS
from sickbay.core.equipment import Signal
from sickbay.core.settling import HOME_ROWS, LASTED_ROWS

LEARN, BEGIN, LASTS = 400, 500, 200
END = BEGIN + LASTS


def play(
    change: Callable[[int, int, float], float], rows: int = 1500, masked: int | None = None
) -> tuple[PartView, list[int]]:
    """This plays three white signals, each value changed by `change(row, signal, value)`; it returns the rows in alarm."""
    view = PartView([Signal(name, "rig") for name in ("flow", "pressure", "temp")], LEARN)
    chance, found = random.Random(3), []
    for i in range(rows):
        view.step([change(i, j, 30.0 + chance.gauss(0.0, 0.5)) for j in range(3)], i * 1000)
        if i == LEARN and masked is not None:
            view.mask(masked, True)
        view.keep(view.alarm)  # somebody is told
        if view.alarm:
            found.append(i)
    return view, found


def test_a_shift_that_remains_after_a_great_fault_is_where_the_machine_has_come_to_rest() -> None:
    """A shaken pump's vibration stays a little elsewhere; an alarm for hours would tell nobody anything new."""
    _, found = play(lambda i, j, v: v - 15.0 if j == 0 and BEGIN <= i < END else v - 0.8 if j == 0 and i >= END else v)
    assert set(range(BEGIN + 10, END)) <= set(found)
    assert END + HOME_ROWS <= max(found) < END + 60


def test_the_same_shift_without_a_great_fault_alarms_as_long_as_it_is_there() -> None:
    """What settles is only what a fault has left behind: slight lasting shifts are found, and not forgotten."""
    _, found = play(lambda i, j, v: v - 0.8 if j == 0 and i >= BEGIN else v, rows=1000)
    assert set(range(BEGIN + 100, 1000)) <= set(found)


def test_a_fault_that_goes_back_by_half_is_not_over() -> None:
    """A valve that is half open again is not open."""
    _, found = play(lambda i, j, v: v - 15.0 if j == 0 and BEGIN <= i < END else v - 7.0 if j == 0 and i >= END else v)
    assert set(range(BEGIN + 10, 1500)) <= set(found)


def test_another_signal_that_the_fault_swayed_goes_home_in_silence() -> None:
    """A bearing warmed by a fault cools for long: on its way home it is neither odd nor a new normal that home is odd to."""

    def warmed(i: int, j: int, v: float) -> float:
        if j == 2 and i >= BEGIN + 50:
            v += min(1.2, 0.02 * (i - BEGIN - 50)) if i < END else max(0.0, 1.2 - 0.003 * (i - END))
        return v - 15.0 if j == 0 and BEGIN <= i < END else v

    view, found = play(warmed)
    assert max(found) < END + 60
    assert view.away(2) < 0.5


def test_a_second_fault_is_found_while_the_part_settles_and_after_it() -> None:
    """Settling is no blindness: what goes off again is told again."""
    for again in (END + LASTED_ROWS, END + LASTED_ROWS + SETTLE_ROWS + 100):

        def twice(i: int, j: int, v: float, again: int = again) -> float:
            return v - 15.0 if j == 0 and (BEGIN <= i < END or i >= again) else v

        _, found = play(twice, rows=again + 100)
        assert again - 1 not in found
        assert set(range(again + 10, again + 100)) <= set(found)


def test_a_sensor_out_of_service_does_not_settle_where_it_fails() -> None:
    """Or a biased transmitter would be let back into service after the first stop of its pump."""

    def both(i: int, j: int, v: float) -> float:
        if j == 1 and i >= BEGIN + 50:
            v += 1.5
        return v - 15.0 if j == 0 and BEGIN <= i < END else v

    view, found = play(both, masked=1)
    assert max(found) < END + 60
    assert view.blame()[1] >= 1.0

"""What people move, such as a door, moves a room too: an hour is theirs, and the way home. What nobody moves is heard at once."""

import random
from collections.abc import Iterator

import pytest

from plants import Journey, Values
from sickbay.core import cycle, slight
from sickbay.core.equipment import Equipment, Mode, Part, Policy, Signal

LEARN = 600
OPENED = LEARN + 50
HOUR = slight.PATIENT_MS // 1000


def store() -> Equipment:
    parts = (
        Part("room", ("air", "damp", "door"), essential=True, isolate=Mode.PASSIVE),
        Part("unit", ("suction", "current"), isolate=Mode.PASSIVE),
    )
    signals = tuple(Signal(name, "rig") for name in ("air", "damp", "door", "suction", "current"))
    return Equipment("store-1", signals, parts, (), Policy(learn_rows=LEARN, corroborate_rows=10))


def day(rows: int, opened: int, shut: int, habit: bool = True) -> Iterator[tuple[int, Values]]:
    """This is a store whose door stands open from `opened` to `shut`; by `habit` it is open for two seconds each minute."""
    chance = random.Random(5)
    warm = 0.0
    for second in range(rows):
        stands = opened <= second < shut
        warm += (4.0 - warm) / 60.0 if stands else -warm / 60.0
        door = 1.0 if stands or (habit and second % 60 < 2) else 0.0
        yield (
            second,
            {
                "air": -1.0 + warm + chance.gauss(0, 0.1),
                "damp": 80.0 + warm + chance.gauss(0, 0.5),
                "door": door,
                "suction": 200.0 + chance.gauss(0, 1.0),
                "current": 3.0 + chance.gauss(0, 0.02),
            },
        )


def test_a_door_that_is_open_for_half_an_hour_is_nobodys_fault() -> None:
    """A delivery: it was told as the room's critical fault, in each story, six minutes after the lorry came."""
    j = Journey(store()).run(day(OPENED + 4000, OPENED, OPENED + 1800))
    assert j.told() == [] and j.node.ward.rows["room"].alarm_rows == 0


def test_a_door_that_stays_open_is_told_once_after_an_hour() -> None:
    """Somebody has left it ajar, and the goods warm."""
    j = Journey(store()).run(day(OPENED + HOUR + 900, OPENED, 10**9))
    assert [m.kind for m in j.told()] == ["opened"]
    assert j.told()[0].body["target"] == "room" and j.told()[0].at_ms >= 1000 * (OPENED + HOUR)
    assert (
        j.told()[0].body["layer"] == "surroundings" and "people move door" in j.told()[0].body["counter_evidence"][-1]
    )


def test_what_a_door_has_moved_may_alarm_again_on_its_way_home() -> None:
    """The room had looked well for a moment, and was told as a part's fault nine minutes after the door was shut."""
    j = Journey(store()).run(day(OPENED + 1900, OPENED, OPENED + 1800))
    row = j.node.ward.rows["room"]
    assert row.handled_ms is None or row.handled_ms >= 1000 * (OPENED + 1800)
    j.run((s, v) for s, v in day(OPENED + 4000, OPENED, OPENED + 1800) if s >= OPENED + 1900)
    assert row.handled_ms is not None and not row.handled and j.told() == []


def test_a_float_that_never_moved_is_heard_at_once() -> None:
    """It says the tank is empty: that is no door."""
    j = Journey(store()).run(day(OPENED + 300, OPENED, 10**9, habit=False))
    assert {m.body["target"] for m in j.told()} == {"room"} and j.told()[0].at_ms < 1000 * (OPENED + 60)


@pytest.mark.parametrize(
    ("said", "handled"),
    [
        ([0.0] * 100, False),
        (([0.0] * 30 + [1.0]) * 6, True),
        (([0.0] * 30 + [1.0]) * 3, False),
        (([0.0] * 5 + [1.0] * 5) * 20, False),
        ([0.1 * k for k in range(100)], False),
    ],
)
def test_handled_is_what_hardly_moves_but_comes_and_goes(said: list[float], handled: bool) -> None:
    assert cycle.is_handled([[v] for v in said], 0) is handled

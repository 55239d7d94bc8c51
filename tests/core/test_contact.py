"""A contact that people move hangs when what always follows happens again and again without it. Time says nothing of it."""

import pytest

from sickbay.core import contact, lasting
from sickbay.core.cycles import Cycles
from thermostat import AIR, DAMP, DOOR, EVERY_MS, NAMES, PARTS, TWINS, Row, Store

LEARN = 2000
NOBODY = [False] * len(NAMES)
KEY = f"unmoved {DOOR}"


class Watch:
    """A store whose door lets warm and damp air in, and its cycles, learnt."""

    def __init__(self, seed: int = 0, draught: float = 1.5) -> None:
        self.store, self.cycles = Store(seed), Cycles(PARTS, TWINS, LEARN)
        self.store.draught = draught
        self.go(LEARN)

    def go(self, rows: int, until: bool = False, thrown: tuple[int, ...] = ()) -> int | None:
        """This goes on, at most until the contact is told; returns after how many rows it was. Some signals are thrown at times."""
        told = None
        for k in range(1, rows + 1):
            row = self.store.row()
            if k % 37 == 0:
                row = [v + 5.0 if i in thrown and v is not None else v for i, v in enumerate(row)]
            self.hear(row)
            if KEY in self.cycles.signs() and told is None:
                told = k
                if until:
                    break
        return told

    def hear(self, row: Row) -> None:
        self.cycles.step(row, self.store.number * EVERY_MS, NOBODY, NOBODY)


@pytest.mark.parametrize("seed", range(4))
def test_a_door_that_hangs_is_told_by_what_its_openings_do(seed: int) -> None:
    """One opening in a hundred rows: after four answers, or a few more, and again in words that name who answered."""
    watch = Watch(seed)
    watch.store.hangs = True
    told = watch.go(4000, until=True)
    assert told is not None and 100 < told < 2000
    sign = watch.cycles.signs()[KEY]
    assert (sign.kind, sign.signal, sign.usual) == ("unmoved", DOOR, 4.0) and {AIR, DAMP} == {sign.switch, sign.other}


@pytest.mark.parametrize("seed", range(4))
def test_a_door_that_works_is_never_told_though_it_is_shut_for_days(seed: int) -> None:
    watch = Watch(seed)
    assert watch.go(3000) is None
    watch.store.shut = True
    assert watch.go(6000) is None


@pytest.mark.parametrize("warm", [0.03, 0.1])
def test_a_store_that_warms_faster_or_slower_answers_to_nothing(warm: float) -> None:
    """Warm goods make its ways steeper, and leap nowhere."""
    watch = Watch()
    watch.store.shut, watch.store.warm = True, warm
    assert watch.go(4000) is None


def test_one_signal_that_leaps_alone_is_no_witness() -> None:
    watch = Watch()
    watch.store.shut = True
    assert watch.go(3000, thrown=(AIR,)) is None
    assert watch.go(3000, thrown=(AIR, DAMP)) is not None


def test_it_is_over_as_soon_as_the_contact_moves() -> None:
    watch = Watch()
    watch.store.hangs = True
    assert watch.go(4000, until=True) is not None
    watch.store.hangs = False
    watch.go(1500)
    assert KEY not in watch.cycles.signs()


def test_who_says_that_it_is_well_is_heard_until_it_shows_anew() -> None:
    watch = Watch()
    watch.store.hangs = True
    assert watch.go(4000, until=True) is not None
    watch.cycles.forget(KEY)
    again = watch.go(4000, until=True)
    assert again is not None and again > 100


def test_what_was_not_heard_for_long_is_no_leap() -> None:
    """After a silence the room is elsewhere: that is nobody's answer."""
    watch = Watch()
    watch.store.shut = True
    for _ in range(8):
        watch.go(60)
        watch.store.number += 40  # rows that nobody heard
        watch.store.air += 1.5
        watch.store.damp += 12.0
    assert KEY not in watch.cycles.signs()


def test_a_signal_missing_from_a_row_loses_nothing() -> None:
    watch = Watch()
    watch.store.hangs = True
    for k in range(3000):
        row = watch.store.row()
        watch.hear([None if (k + i) % 50 == 0 else v for i, v in enumerate(row)])
    assert KEY in watch.cycles.signs()


def test_where_nothing_follows_nothing_is_known() -> None:
    assert Watch(draught=0.0).cycles.contacts == []
    few = [[0.0, float(k % 7), float(k % 5)] for k in range(300)]
    assert contact.learn(few, 0, [9] * len(few)) is None
    assert contact.learn([[None, None, None]] * 300, 0, [9] * 300) is None


def test_it_lasts_over_a_restart() -> None:
    watch = Watch()
    watch.store.hangs = True
    assert watch.go(4000, until=True) is not None
    watch.cycles = lasting.up(lasting.down(watch.cycles))
    watch.go(1)
    assert KEY in watch.cycles.signs()


@pytest.mark.parametrize(("late", "hangs"), [(0, False), (3, True)])
def test_what_a_switch_still_turns_when_it_has_just_gone_quiet_is_no_answer(late: int, hangs: bool) -> None:
    """Both turn six rows after the switch, every time, as goods that were brought in warm have them do; or some rows later."""
    span, period = 3, 40
    door = contact.Contact(0, 0.0, span, 100, [1, 2], [1.0, 1.0])
    for i in range(8 * period):
        since = i % period  # rows for which the switch has been quiet
        bent = 4.0 if since > 2 * span + late else 0.0
        door.step([0.0, bent, bent], since)
    assert door.hangs == hangs

"""Wear: a part whose cycles no longer hang together as weather, load and frost have them is told, early, and no other."""

from collections.abc import Callable

import pytest

from habitual import EVERY, LEAST, SIGNALS, TWINS, WELL, Unit
from sickbay.core import lasting
from sickbay.core.cycle import Sign
from sickbay.core.wear import Wear

PARTS = [[0, 1], [2, 3], [4, 5]]
SWITCH, WORK = 5, -1
LEARN = 60
WIDTHS = [500.0 * least for least in LEAST[:SIGNALS]]

Spoil = Callable[[int, list[float]], None]


class Watch:
    """A machine and its wear, learnt."""

    def __init__(self, seed: int) -> None:
        self.unit, self.wear = Unit(seed, noise=0.3), Wear(PARTS, TWINS)
        self.held: dict[str, Sign] = {}
        self.first: dict[str, int] = {}  # when a sign was first held
        for k in range(LEARN):
            if k % EVERY == EVERY - 1:
                self.wear.thawed(learns=True)
            self.wear.learn(self.cycle())
        self.wear.learnt(SWITCH, WIDTHS, WELL)

    def cycle(self) -> list[float]:
        """This returns the levels of a cycle and the work, which goes with weather and load."""
        row, unit = self.unit.cycle(), self.unit
        return [*row, 0.3 * unit.weather + 0.2 * unit.load + unit.chance.gauss(0, 0.02)]

    def go(
        self, cycles: int, spoil: Spoil = lambda k, row: None, quiet: bool = True, blind: list[bool] = WELL
    ) -> "Watch":
        for k in range(cycles):
            row = self.cycle()
            spoil(k, row)
            if self.unit.number % EVERY == 0:
                self.wear.thawed(learns=False)
            self.wear.judge(row, blind, quiet, self.held)
            for key in self.held:
                self.first.setdefault(key, k)
        return self


def valves(k: int, row: list[float]) -> None:
    """The modes of signals 2 and 3 draw apart, and 4 ends a little elsewhere: by a twentieth of their spread each cycle."""
    for signal, by in ((2, 1.0), (3, -1.0)):
        row[SIGNALS + signal] += 0.05 * k * by
    row[4] += 0.02 * k


@pytest.mark.parametrize("seed", range(6))
def test_a_machine_that_is_well_shows_no_wear_through_many_cycles(seed: int) -> None:
    assert not Watch(seed).go(400).first


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5])  # the third's valves do what its frost does
def test_wear_is_told_of_its_part_while_it_is_less_than_weather_alone_does(seed: int) -> None:
    """Each level is still where it was on some day, or a little beyond; how they hang together is not."""
    watch = Watch(seed).go(60, valves)
    assert watch.held["aside"].signal in PARTS[1]


@pytest.mark.parametrize("seed", range(6))
def test_a_sensor_that_drifts_is_no_wear(seed: int) -> None:
    """Left out, nothing else is off: that is for its own views to find."""

    def drifts(k: int, row: list[float]) -> None:
        row[2] += 0.2 * k
        row[SIGNALS + 2] += 0.1 * k

    assert not Watch(seed).go(60, drifts).first


def leaks(k: int, row: list[float]) -> None:
    """What the machine takes upwards ends lower, each cycle by a little, though it works more."""
    row[0] -= 0.08 * k
    row[WORK] += 0.03 * k


@pytest.mark.parametrize("seed", range(3))
def test_what_ends_short_though_the_machine_works_more_is_asked_about_and_told_where_it_lasts(seed: int) -> None:
    """A seal that leaks changes nothing in the machine; an hour in which the door is often open looks like it, and passes."""
    watch = Watch(seed).go(60, leaks)
    assert list(watch.first) == ["asked", "asked still"]
    assert watch.held["asked"].signal == 0
    assert LEARN // 3 - 3 <= watch.first["asked still"] - watch.first["asked"] <= LEARN // 3 + 3  # thaws teach nothing
    assert not watch.go(10).held


def test_more_work_alone_and_a_sensor_alone_are_not_asked_about() -> None:
    """A cold day and a hygrometer that drifts are none of a seal's business."""

    def works(k: int, row: list[float]) -> None:
        row[WORK] += 0.03 * k

    def drifts(k: int, row: list[float]) -> None:
        row[0] -= 0.08 * k

    assert not Watch(0).go(60, works).first
    assert not Watch(0).go(60, drifts).first


def test_what_ends_farther_on_than_ever_is_not_asked_about() -> None:
    """A machine that serves more than it must has nothing to do with a leak."""
    assert not Watch(1).go(60, lambda k, row: leaks(-k, row)).first


def test_a_twin_that_says_otherwise_is_believed() -> None:
    watch = Watch(2)
    watch.wear.twins[0], watch.wear.twins[1] = [1], [0]
    assert "asked" not in watch.go(60, leaks).first


def test_after_a_stay_longer_than_any_nothing_is_told_for_half_as_long_as_was_learnt() -> None:
    """What a delivery has warmed, and the ice that it left, shows for hours."""
    watch = Watch(1)
    watch.wear.strain()
    watch.go(LEARN // 2 - 1, lambda k, row: valves(60, row))
    assert not watch.first
    assert "aside" in watch.go(10, lambda k, row: valves(60, row)).held


def test_what_else_goes_otherwise_in_the_cycles_is_heard_first() -> None:
    """A thaw that leaves the coil cold makes ice, and no worn compressor."""
    assert not Watch(1).go(60, valves, quiet=False).first


def test_what_points_where_frost_does_waits_for_a_thaw() -> None:
    """Ice would be taken for a worn compressor, which it chokes."""
    watch = Watch(2)
    known = watch.wear.habit
    assert known is not None and known.frost

    def ices(k: int, row: list[float]) -> None:
        for level, f, spread in zip(known.asked, known.frost, known.spread, strict=True):
            row[level] += 0.1 * k * f * spread

    assert not watch.go(60, ices).first


def test_wear_is_over_once_cycles_go_as_they_did() -> None:
    """Somebody has changed the valves; a thaw alone, after which little is known, ends nothing."""
    watch = Watch(4).go(60, valves)
    assert "aside" in watch.held
    watch.wear.thawed(learns=False)
    watch.go(2, lambda k, row: valves(60, row))
    assert "aside" in watch.held
    assert "aside" not in watch.go(10).held


def test_a_silent_signal_is_waited_for_unless_it_is_known_to_be_ill() -> None:
    """Its part may be worn all the same."""
    watch = Watch(4)
    row: list[float | None] = list(watch.cycle())
    row[0] = None
    watch.wear.judge(row, WELL, True, watch.held)
    assert not watch.wear.latest
    watch.wear.judge(row, [j == 0 for j in range(SIGNALS)], True, watch.held)
    assert len(watch.wear.latest) == 1


def test_it_survives_a_restart() -> None:
    """A habit takes a day to learn."""
    watch = Watch(5)
    again = lasting.up(lasting.down(watch.wear))
    assert isinstance(again, Wear) and again.habit == watch.wear.habit

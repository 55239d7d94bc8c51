"""A sensor that drifts by less a row than its signal wanders is followed by its chart: what it has left behind tells."""

import random

import pytest

from sickbay.core import memory
from sickbay.core.anomaly import PartView
from sickbay.core.creep import AGAIN, LEVELS, RANGES, ROWS, Creep
from sickbay.core.equipment import Equipment, Part, Policy, Signal
from sickbay.core.lasting import down, up
from sickbay.core.node import Node

LEARN, BEGIN = 400, 600


def wanders(rows: int, seed: int, slope: float = 0.0) -> list[float]:
    """A slow signal about 50 with little noise, which a sensor's drift is added to from BEGIN on."""
    chance, at, out = random.Random(seed), 0.0, []
    for i in range(rows):
        at += chance.gauss(0.0, 0.03) - 0.01 * at
        out.append(50.0 + at + chance.gauss(0.0, 0.02) + slope * max(0, i - BEGIN))
    return out


def alarms(values: list[float], seed: int, alone: bool = True) -> list[int]:
    """This returns the rows in alarm; a second signal is noise alone."""
    chance = random.Random(seed + 1000)
    view = PartView([Signal("temp", "x"), Signal("other", "x")], LEARN, alone=alone)
    found = []
    for i, value in enumerate(values):
        view.step([value, chance.gauss(20.0, 0.1)], 1000 * i)
        if view.alarm:
            found.append(i)
            assert view.blame()[0] >= 1.0 > view.blame()[1]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_drift_that_the_level_follows_is_told_for_a_while(seed: int) -> None:
    found = alarms(wanders(1400, seed, 0.005), seed)
    assert found and found[0] >= BEGIN + LEVELS * 70 and len(found) <= 3 * ROWS


@pytest.mark.parametrize("seed", range(4))
def test_what_goes_on_as_learnt_does_not_creep(seed: int) -> None:
    assert not alarms(wanders(5000, seed), seed)


def test_where_other_parts_say_where_the_unit_is_nobody_creeps() -> None:
    """There it is theirs to say who is beyond, and sooner."""
    assert not alarms(wanders(1400, 1, 0.005), 1, alone=False)


def test_only_a_part_without_two_signals_beside_it_is_alone() -> None:
    def creeping(parts: dict[str, tuple[str, ...]]) -> bool:
        """Whether anything is told of a drift in the first part."""
        names = {name: None for members in parts.values() for name in members}
        signals = tuple(Signal(name, "x") for name in names)
        unit = Equipment("u", signals, tuple(Part(n, m) for n, m in parts.items()), (), Policy(learn_rows=LEARN))
        view = Node(unit, "t").ward.rows["a"].view
        chance, found = random.Random(7), False
        for i, value in enumerate(wanders(1400, 1, 0.005)):
            view.step([value, chance.gauss(20.0, 0.1)], 1000 * i)
            found = found or view.alarm
        return found

    assert creeping({"a": ("s", "t")})
    assert creeping({"a": ("s", "t"), "b": ("t", "u")})
    assert not creeping({"a": ("s", "t"), "b": ("u", "v")})


def test_a_restart_forgets_nothing_of_it() -> None:
    chance, view, found = (
        random.Random(1001),
        PartView([Signal("temp", "x"), Signal("other", "x")], LEARN, alone=True),
        [],
    )
    for i, value in enumerate(wanders(1400, 1, 0.005)):
        view.step([value, chance.gauss(20.0, 0.1)], 1000 * i)
        if i % 100 == 0:
            view = up(down(view))
        if view.alarm:
            found.append(i)
    assert found == alarms(wanders(1400, 1, 0.005), 1)


def test_a_part_that_is_added_ends_it() -> None:
    """Who was learnt alone has witnesses from the restart on."""
    alone, other = Part("a", ("s", "t")), Part("b", ("u", "v"))
    signals = tuple(Signal(name, "x") for name in "stuv")
    before = Node(Equipment("u", signals, (alone,), (), Policy(learn_rows=LEARN)), "t")
    after = Node(Equipment("u", signals, (alone, other), (), Policy(learn_rows=LEARN)), "t")
    chance, values = random.Random(7), wanders(1400, 1, 0.005)
    for i, value in enumerate(values[:BEGIN]):
        before.ward.rows["a"].view.step([value, chance.gauss(20.0, 0.1)], 1000 * i)
    memory.restore(after.ward, memory.snapshot(before.ward))
    view = after.ward.rows["a"].view
    assert not view.learning
    for i, value in enumerate(values[BEGIN:], BEGIN):
        view.step([value, chance.gauss(20.0, 0.1)], 1000 * i)
        assert not view.alarm


def test_what_goes_far_fast_is_no_creep_until_it_goes_farther() -> None:
    creep = Creep()
    assert not any(creep.step(2 * RANGES, 70.0, 10) for _ in range(100))
    assert creep.step(2 * AGAIN * RANGES, 70.0, 10) == pytest.approx(2 * AGAIN)


def test_it_is_told_once_and_again_when_half_as_far_again() -> None:
    creep = Creep()
    told = [creep.step(RANGES * (0.5 + i / 100.0), 70.0, 10) > 0.0 for i in range(200)]
    begins = [i for i, now in enumerate(told) if now and not told[i - 1]]
    assert begins[0] == 50 and len(begins) == 3
    assert sum(told) == len(begins) * ROWS // 10


def test_what_comes_home_is_forgotten() -> None:
    creep = Creep()
    for _ in range(30):
        creep.step(1.2 * RANGES, 70.0, 10)
    assert creep.step(0.0, 70.0, 10) == 0.0 and creep.away == 0

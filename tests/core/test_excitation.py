"""Flat is judged by excitation: a coarse signal is stuck when what it always follows has moved, never by time alone."""

import math
import random

from sickbay.core import excitation
from sickbay.core.anomaly import PartView
from sickbay.core.equipment import Signal
from sickbay.core.excitation import Follower

LEARN = 400
SIGNALS = [Signal(n, "rig") for n in ("load", "coolant", "oil", "baro")]


def row(t: int, rng: random.Random, swing: float = 6.0) -> list[float | None]:
    """This is a machine whose load swells slowly: coolant follows in whole degrees, oil finely, the barometer not at all."""
    load = 50.0 + swing * math.sin(t / 40.0)
    return [load + rng.gauss(0, 0.2), float(round(80 + 0.5 * (load - 50))), 90 + 0.6 * load + rng.gauss(0, 0.3), 1013.0]


def learnt(seed: int = 1) -> tuple[PartView, random.Random]:
    view, rng = PartView(SIGNALS, LEARN), random.Random(seed)
    for t in range(LEARN):
        view.step(row(t, rng), t * 1000)
    assert not view.learning
    return view, rng


def run(view: PartView, rng: random.Random, rows: range, **held: float) -> list[tuple[int, str]]:
    """This goes on, with some signals held at a value; returns every sensor fault that was seen."""
    seen: dict[tuple[int, str], None] = {}
    for t in rows:
        values = row(t, rng)
        for name, value in held.items():
            values[[s.name for s in SIGNALS].index(name)] = value
        view.step(values, t * 1000)
        seen.update(dict.fromkeys(view.sensor_faults))
    return list(seen)


def test_a_coarse_signal_that_stands_still_while_its_peer_moves_is_stuck() -> None:
    """Its own flicker is none: in whole degrees it rests for tens of rows on a healthy machine too."""
    view, rng = learnt()
    assert run(view, rng, range(LEARN, LEARN + 250), coolant=80.0) == [(1, "stuck")]


def test_it_is_let_go_when_it_moves_again() -> None:
    view, rng = learnt()
    run(view, rng, range(LEARN, LEARN + 250), coolant=80.0)
    run(view, rng, range(LEARN + 250, LEARN + 500))
    assert view.sensor_faults == []


def test_honest_running_and_honest_constancy_are_never_stuck() -> None:
    """The barometer stood still for 5007 s on healthy cars, and everything else moved."""
    view, rng = learnt()
    assert run(view, rng, range(LEARN, LEARN + 6000)) == []


def test_a_machine_at_rest_excites_nothing() -> None:
    """For hours nothing moves: that the coolant does not either is no wonder."""
    view, _ = learnt()
    rng = random.Random(7)
    seen: list[tuple[int, str]] = []
    for t in range(LEARN, LEARN + 3000):
        view.step([50 + rng.gauss(0, 0.2), 80.0, 120 + rng.gauss(0, 0.3), 1013.0], t * 1000)
        seen += view.sensor_faults
    assert seen == []


def test_a_peer_that_is_odd_alone_is_no_witness() -> None:
    """The load's sensor fails and leaps; the coolant rightly stands where the machine is."""
    view, rng = learnt()
    for t in range(LEARN, LEARN + 120):
        values = row(LEARN, rng)
        values[0] = 50.0 + 200.0
        view.step(values, t * 1000)
        assert (1, "stuck") not in view.sensor_faults


def test_what_says_the_same_after_a_long_silence_did_not_stand_still() -> None:
    """A logger repeated one row for 20 minutes; the next that it said was, of one signal, the same by chance: it was masked."""
    pair = [Follower(0, 1, least=2.0)]
    for t in range(30):
        assert excitation.step(pair, (80.0, 50.0 + 0.01 * t)) == []
    for peer in (50.0, 60.0):
        assert excitation.step(pair, (80.0, peer)) == []
    for _ in range(excitation.ROWS):
        excitation.step(pair, (80.0, 60.0))
    assert excitation.step(pair, (80.0, 60.0)) == [0]
    for _ in range(excitation.GAP_ROWS):
        assert excitation.step(pair, (None, 60.0)) == []
    assert excitation.step(pair, (80.0, 60.0)) == [0], "a short gap clears nobody"
    for _ in range(excitation.GAP_ROWS + 1):
        excitation.step(pair, (None, 60.0))
    for _ in range(3 * excitation.ROWS):
        assert excitation.step(pair, (80.0, 60.0)) == []


def test_rows_that_never_came_are_no_way_under_a_standing_signal() -> None:
    """On a board that drops seconds a car braked from 90 to 32 unheard, and held 32: its speed was told as stuck."""
    pair = [Follower(0, 1, 5.0)]
    for _ in range(20):
        excitation.step(pair, [90.0, 90.2])
    assert all(not excitation.step(pair, [32.0, 32.4]) for _ in range(60))


def test_it_is_known_for_a_few_rows_that_a_signal_may_be_stuck() -> None:
    """Who judges the pair may wait so long, and no longer, for whose fault it is."""
    pair = [Follower(0, 1, 5.0)]
    excitation.step(pair, [90.0, 90.2])
    seen = []
    for _ in range(3 * excitation.ROWS):
        excitation.step(pair, [90.0, 40.0])
        seen.append(excitation.awaited(pair, 0))
    assert seen[0] and sum(seen) == excitation.ROWS and not excitation.awaited(pair, 1)

"""An offset that comes in one row stands out from the rows just before, in signals whose slow means say little."""

import math
import random

import pytest

from sickbay.core import baseline, story
from sickbay.core.anomaly import PartView
from sickbay.core.baseline import Learnt
from sickbay.core.equipment import Signal

LEARN = 400


def roams(rows: int, seed: int, off: float = 0.0, since: int = 0, until: int = 1 << 30) -> list[float]:
    """Readings with noise on a level that goes up and down slowly, never at the same beat."""
    chance = random.Random(seed)
    at, way, out = 0.0, 0.0, []
    for i in range(rows):
        way += chance.gauss(0.0, 0.004) - 0.02 * way - 0.0004 * at
        at += way
        out.append(50.0 + at + chance.gauss(0.0, 0.2) + (off if since and since <= i < until else 0.0))
    return out


def alarms(values: list[float], seed: int) -> list[bool]:
    """This returns for each row whether the part is in alarm; a second signal is noise alone."""
    chance = random.Random(seed + 1000)
    view = PartView([Signal("flow", "x"), Signal("other", "x")], LEARN)
    found = []
    for i, value in enumerate(values):
        view.step([value, chance.gauss(20.0, 0.1)], 1000 * i)
        found.append(view.alarm)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_an_offset_of_what_wanders_is_seen_as_it_comes(seed: int) -> None:
    found = alarms(roams(1000, seed, 3.0, 700), seed)
    assert sum(found[700:720]) >= 5 and not any(found[:700])


@pytest.mark.parametrize("seed", range(5))
def test_what_goes_on_as_learnt_does_not_step(seed: int) -> None:
    assert not any(alarms(roams(5000, seed), seed))


def test_a_signal_without_noise_is_known_by_what_it_did() -> None:
    """Its limits need not be those of a few independent values: each row shows where it is, and it never went farther."""
    steady = [math.sin(i / 40.0) + 0.001 * i for i in range(LEARN)]
    chance = random.Random(1)
    noisy = [v + chance.gauss(0.0, 0.6) for v in steady]
    rows = list(zip(steady, noisy, strict=True))
    known: Learnt = baseline.learn(["steady", "noisy"], rows, 4e-8)
    bare, hidden = known.signals
    assert bare.wander > 0.9
    assert bare.limits[3] / bare.usual[3] < 0.7 * hidden.limits[3] / hidden.usual[3]


def test_the_step_home_is_no_news() -> None:
    """An error that ends leaves the signal where it was before: that raises no second alarm."""
    found = alarms(roams(1000, 1, 3.0, 600, 800), 1)
    assert any(found[600:640]) and not any(found[820:])


def test_a_step_is_told_as_the_step_that_it_is() -> None:
    """Its slow means had hardly moved: "2.3 times its usual wander" would not be why."""
    view, chance = PartView([Signal("flow", "x", "L/min"), Signal("other", "x")], LEARN), random.Random(1003)
    for i, value in enumerate(roams(708, 3, 3.0, 700)):
        view.step([value, chance.gauss(20.0, 0.1)], 1000 * i)
    words = story.deviation(view.explain(0), "L/min")
    assert view.alarm and words.startswith("flow went up by 2."), words
    assert words.endswith("L/min, from the mean of 8 rows to that of the next 8")

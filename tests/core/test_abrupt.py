"""Single wild readings of a slowly sampled signal: told from what moves by itself, and from what the signal does all the time."""

import math
import random

from sickbay.core.abrupt import Abrupt

CHANCE = 3.5e-5  # 0.1 a month at 15 minutes
DAY = 96


def river(days: int, seed: int = 1) -> list[float]:
    """Water temperature every 15 minutes: a day's cycle, wander and a sensor's noise."""
    chance, level, out = random.Random(seed), 0.0, []
    for i in range(days * DAY):
        level += chance.gauss(0.0, 0.02)
        out.append(12.0 + level + 2.0 * math.sin(2.0 * math.pi * i / DAY) + chance.gauss(0.0, 0.03))
    return out


def told(view: Abrupt, values: list[float | None]) -> list[int]:
    """The rows of the readings that were wild: each is told with the next."""
    return [i - 1 for i, value in enumerate(values) if view.step(value) > 1.0]


def test_a_lone_wild_reading_is_told_with_the_next() -> None:
    """It may be all that there ever is of a fault; and once told, its way back is no second one."""
    values = river(40)
    values[2000] += 1.5
    found = told(Abrupt(values[:1344], CHANCE), list(values[1344:]))
    assert found and set(found) <= {656, 657}


def test_a_step_that_stays_is_told() -> None:
    """A sensor that was moved, or fell dry."""
    values = [v - (3.0 if i >= 2000 else 0.0) for i, v in enumerate(river(40))]
    assert told(Abrupt(values[:1344], CHANCE), list(values[1344:])) == [656]


def test_a_flood_is_no_leap() -> None:
    """It rises faster than ever before, but it grows: its steps have neighbours."""
    values = [v + 8.0 / (1.0 + math.exp(-(i - 2000) / 3.0)) for i, v in enumerate(river(40))]
    assert told(Abrupt(values[:1344], CHANCE), list(values[1344:])) == []


def test_quiet_years_are_quiet() -> None:
    """0.1 a month are accepted: a year must not bring more than a few."""
    assert len(told(Abrupt(river(14, 2), CHANCE), list(river(365, 3)))) <= 1


def test_what_recurs_becomes_normal() -> None:
    """A pump that starts twice a day is not twice a day news."""
    values = river(200, 4)
    for i in range(1500, len(values), DAY // 2):
        values[i] += 3.0
    found = told(Abrupt(values[:1344], CHANCE), list(values[1344:]))
    assert 0 < len(found) < 40 and max(found) < len(values) / 2


def test_a_gap_is_no_leap() -> None:
    """While nothing was heard it went on moving."""
    values: list[float | None] = list(river(40))
    for first in range(1400, 3600, 60):
        values[first : first + first % 30] = [None] * (first % 30)
    assert told(Abrupt(values[:1344], CHANCE), values[1344:]) == []


def test_what_never_moved_says_nothing() -> None:
    assert told(Abrupt([5.0] * 1344, CHANCE), [5.0] * 100 + [9.0] + [5.0] * 100) == []
    assert told(Abrupt([], CHANCE), [5.0] * 100) == []

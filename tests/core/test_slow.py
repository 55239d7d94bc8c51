"""The further view of a part whose rows are minutes apart."""

import math
import random

from sickbay.core.anomaly import PartView
from sickbay.core.equipment import Signal
from sickbay.core.lasting import down, up
from sickbay.core.slow import reach

DAY = 96
WARM = 14 * DAY


def weather(rows: int, seed: int = 1) -> list[list[float | None]]:
    """Two signals every 15 minutes; what days bring differs ever more from what two weeks showed."""
    chance, level, out = random.Random(seed), 0.0, []
    for i in range(rows):
        level += chance.gauss(0.0, 0.05)
        cycle = math.sin(2.0 * math.pi * i / DAY)
        out.append([level + 2.0 * cycle + chance.gauss(0.0, 0.05), 8.0 - 0.2 * level - cycle + chance.gauss(0.0, 0.05)])
    return out


def sonde() -> PartView:
    return PartView([Signal(name, "sonde", every_ms=900_000) for name in ("temp", "oxygen")], WARM)


def test_a_limit_reaches_as_far_as_time_may_carry_a_level() -> None:
    """Two weeks show little of the ten months for which a limit is to hold; at 1 Hz, or in an hour, no weather was seen."""
    assert reach(1.0, 400, 1e-7) == 1.0
    assert reach(60.0, 400, 1e-6) == 1.0
    assert 4.0 < reach(900.0, WARM, 3.5e-5) < 5.0
    assert reach(900.0, 100_000, 3.5e-5) == 1.0, "what was watched for years is known"


def test_half_a_year_of_weather_brings_no_alarm() -> None:
    view = sonde()
    alarms = 0
    for i, row in enumerate(weather(180 * DAY)):
        view.step(row, i * 900_000)
        alarms += view.alarm
    assert alarms == 0


def test_the_wild_one_is_named() -> None:
    view, rows = sonde(), weather(20 * DAY)
    rows[1800][1] = 30.0
    found = []
    for i, row in enumerate(rows):
        view.step(row, i * 900_000)
        if view.slow is not None and view.slow.wild:
            found.append((i, view.slow.wild))
    assert found[0] == (1801, [1])


def test_a_part_at_one_hertz_has_no_such_view() -> None:
    """There it would cost more than it says: three rows in a row decide."""
    view = PartView([Signal("flow", "rig")], 60)
    for i in range(80):
        view.step([math.sin(i)], i * 1000)
    assert not view.learning and view.slow is None


def test_it_survives_a_restart() -> None:
    """Months of experience must not be lost with the power."""
    view, rows = sonde(), weather(20 * DAY)
    for i, row in enumerate(rows[:1700]):
        view.step(row, i * 900_000)
    other = up(down(view))
    for i, row in enumerate(rows[1700:]):
        view.step(row, i)
        other.step(row, i)
    assert down(view) == down(other)


def test_a_rest_is_no_leap() -> None:
    """What was off for an hour may be anywhere when it is on again."""
    view, rows = sonde(), weather(20 * DAY)
    for i, row in enumerate(rows[:1700]):
        view.step(row, i * 900_000)
    view.rest()
    for i, row in enumerate(rows[1700:1710]):
        view.step([None if v is None else v + 5.0 for v in row], i)
        assert view.slow is not None and view.slow.wild == []


def test_absurd_numbers_poison_nothing() -> None:
    """1e308 in a mean would stay there for ever."""
    view, rows = sonde(), weather(20 * DAY)
    rows[1700] = [1e308, -1e308]
    for i, row in enumerate(rows):
        view.step(row, i)
        if view.slow is not None:
            assert view.slow.news < 1e6
    assert not view.alarm

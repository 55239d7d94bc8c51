"""What repeats itself is found out, and what does not is left alone."""

import math
import random

import pytest

from sickbay.core.season import Season, find


def cycle(rows: int, period: float, noise: float, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [math.sin(2.0 * math.pi * i / period) + chance.gauss(0.0, noise) for i in range(rows)]


@pytest.mark.parametrize("period", [24, 48, 96, 288, 336])
def test_a_day_or_a_week_is_found(period: int) -> None:
    """Without being told the cadence's meaning: a duty cycle is a season too."""
    found = find(cycle(int(period * 2.3) + 100, period, 0.3))
    assert abs(found - period) <= max(2, period // 50)


def test_a_long_stretch_is_searched_in_steps_and_found_exactly() -> None:
    """Two weeks at a minute are 20,160 rows: searching each lag would hold up the daemon."""
    assert abs(find(cycle(20_160, 1440, 0.2)) - 1440) <= 15


@pytest.mark.parametrize("values", [[], [1.0], [5.0] * 500, [float(i) for i in range(500)], [1e17, -1e17] * 200])
def test_what_has_no_season_gets_none(values: list[float]) -> None:
    assert find(values) == 0


def test_noise_and_wander_have_no_season() -> None:
    for seed in range(10):
        chance, level, walk = random.Random(seed), 0.0, []
        for _ in range(600):
            level = 0.9 * level + chance.gauss(0.0, 1.0)
            walk.append(level)
        assert find(walk) == 0


def test_the_same_hour_is_compared_with_the_same_hour() -> None:
    season = Season(24)
    for i in range(240):
        away = season.away(math.sin(2.0 * math.pi * i / 24), 0.0)
        assert i < 24 or abs(away) < 1e-9
    assert season.away(1.0, 0.0) == pytest.approx(1.0), "hour 0 is usually at 0"
    assert season.away(None, 0.0) == 0.0, "a missing reading takes up its hour"
    assert abs(season.away(math.sin(2.0 * math.pi * 2 / 24), 0.0)) < 1e-9

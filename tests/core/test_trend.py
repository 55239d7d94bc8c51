"""These tests hold the time left: right where wear is steady or hastens, silent where nothing honest can be said."""

import math
import random
from collections.abc import Callable

import pytest

from sickbay.core.trend import BINS, LEVELS, TimeLeft, Trend

HOUR_S = 3600


def watched(
    value: Callable[[int], float], hours: float, limit: float, upward: bool = True, seed: int = 0
) -> list[TimeLeft]:
    """This returns each sight of a trend in a signal with a noise of 0.5, one reading each 5 s."""
    chance, trend, out = random.Random(seed), Trend(), []
    for s in range(0, int(hours * HOUR_S), 5):
        if trend.add(s * 1000, value(s) + chance.gauss(0, 0.5)) is not None:
            left = trend.watch(limit, upward, s * 1000)
            if left is not None:
                out.append(left)
    return out


def wear(s: int) -> float:
    """This is 40 until the first hour and reaches 80 four hours later."""
    return 40 + max(0, s - HOUR_S) / (4 * HOUR_S) * 40


def hastening(s: int) -> float:
    return 40 if s < HOUR_S else 40 + 40 * (math.exp(3 * (s - HOUR_S) / (4 * HOUR_S)) - 1) / (math.exp(3) - 1)


@pytest.mark.parametrize("seed", range(4))
def test_steady_wear_is_told_in_time_and_to_the_right_hour(seed: int) -> None:
    """A warning with the wrong hour sends somebody out at night, or too late."""
    sights = watched(wear, 5, 80, seed=seed)
    first = sights[0]
    assert (first.at_ms + first.likely_ms) / 3.6e6 == pytest.approx(5.0, abs=0.1)
    assert first.likely_ms > 0.2 * 4 * 3.6e6  # at least a fifth of its life is left


@pytest.mark.parametrize("seed", range(4))
def test_wear_that_hastens_is_not_told_too_late(seed: int) -> None:
    """A straight line through an exponential promises time that nobody has."""
    first = watched(hastening, 5, 80, seed=seed)[0]
    truly = 5 * 3.6e6 - first.at_ms
    assert truly > 0.15 * 4 * 3.6e6
    assert first.earliest_ms <= 1.3 * truly
    assert first.likely_ms <= 2.0 * truly


def test_a_falling_signal_has_a_lower_limit() -> None:
    sights = watched(lambda s: 100 - wear(s), 5, 20, upward=False)
    assert (sights[0].at_ms + sights[0].likely_ms) / 3.6e6 == pytest.approx(5.0, abs=0.15)
    assert not watched(lambda s: 100 - wear(s), 5, 120, upward=True)


def _wander(seed: int) -> Callable[[int], float]:
    """This returns a slow random walk that keeps coming back: 4 deviations of 1 K in a day of hours."""
    chance, at = random.Random(seed), [0.0]

    def value(s: int) -> float:
        at[0] = 0.9995 * at[0] + chance.gauss(0, 0.13)
        return 40 + at[0]

    return value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("constant", lambda s: 40.0),
        ("a day's swing", lambda s: 40 + 8 * math.sin(2 * math.pi * s / 86400)),
        ("a settled step", lambda s: 40 + 15 * (1 - math.exp(-max(0, s - 20_000) / 1000))),
        ("a long approach", lambda s: 40 + 15 * (1 - math.exp(-max(0, s - 20_000) / 20_000))),
        *[(f"wander {seed}", _wander(seed)) for seed in range(3)],
    ],
)
def test_what_is_no_wear_gives_no_time_left(name: str, value: Callable[[int], float]) -> None:
    """A load that rises, a warm day and a signal that wanders must wake nobody."""
    assert watched(value, 48, 60) == []


def test_what_comes_and_goes_meets_its_limit_with_its_peaks() -> None:
    """A compressor rests half of the time: its mean stays far below the limit that its peaks are about to reach."""

    def running(s: int) -> float:
        peak = 40.0 if s < 30 * HOUR_S else 40 + 3.0 * (s / HOUR_S - 30)
        return peak if s % 900 < 300 else 10.0

    first = watched(running, 44, 80)[0]
    assert first.peaks
    assert first.level == pytest.approx(running(first.at_ms // 900_000 * 900), abs=4.0)
    assert first.earliest_ms <= (30 + 40 / 3.0) * 3.6e6 - first.at_ms <= 1.1 * first.latest_ms


def test_peers_that_go_their_way_as_well_are_seen_to() -> None:
    """Whether the machine wears or its sensor drifts hangs on what else moves."""
    for slope, moves in ((0.0, False), (5.0, True), (-5.0, True)):
        chance, trend = random.Random(1), Trend()
        for s in range(0, 3 * HOUR_S, 5):
            trend.add(s * 1000, 40 + slope * max(0, s - 2 * HOUR_S) / HOUR_S + chance.gauss(0, 0.5))
        assert trend.moves(HOUR_S * 1000) is moves


def test_the_past_is_bounded() -> None:
    """Months of readings must fit a small device."""
    trend = Trend(finest_ms=1)
    for at in range(200_000):
        trend.add(2 * at, float(at % 7))
    assert len(trend.levels) == LEVELS
    assert all(len(level) <= BINS for level in trend.levels)
    assert all(len(part) < 4 for part in trend.parts)


def test_a_trend_that_was_told_is_back_only_where_it_set_out_from() -> None:
    """Wear that stands still is still wear: only a repair ends it."""
    trend = Trend()
    trend.tell(TimeLeft(0, 1, 2, 3, limit=80.0, level=60.0, per_hour=15.0, over_ms=3_600_000))
    for s, value in [*((s, 60.0) for s in range(0, 3600, 5)), *((s, 44.0) for s in range(3600, 7200, 5))]:
        trend.add(s * 1000, value)
        if s == 3595:
            assert not trend.is_back(True)
    assert trend.is_back(True)

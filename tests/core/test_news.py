"""How new something is: high where it begins, silent while it lasts, less each time it comes again."""

import math
import random

from sickbay.core.news import Newness, News

WARM, N = 600, 4000


def day(rows: int, seed: int = 1) -> list[float | None]:
    chance = random.Random(seed)
    return [20.0 + 5.0 * math.sin(2.0 * math.pi * i / 96) + chance.gauss(0.0, 0.5) for i in range(rows)]


def scores(values: list[float | None]) -> list[float]:
    news = News([Newness(values[:WARM])], WARM)
    return [news.step([v], [False]) for v in values[WARM:]]


def shifted(values: list[float | None], first: int, last: int, by: float) -> list[float | None]:
    return [v + by if v is not None and first <= i < last else v for i, v in enumerate(values)]


def test_it_peaks_at_the_onset_and_is_silent_while_the_fault_lasts() -> None:
    """One fault is one story: a score that stays high says the same thing a thousand times."""
    found = scores(shifted(day(N), 2000, 3000, 15.0))
    peak = max(range(len(found)), key=found.__getitem__)
    assert 1400 <= peak < 1415
    assert max(found[:1400]) < found[peak] / 2
    assert sum(f > 0.0 for f in found[1420:1700]) == 0


def test_what_comes_again_and_again_is_less_and_less_new() -> None:
    values = day(9000)
    starts = list(range(1500, 9000, 700))
    for first in starts:
        values = shifted(values, first, first + 3, 20.0)
    found = scores(values)
    peaks = [max(found[s - WARM : s - WARM + 10]) for s in starts]
    assert peaks[0] > 2.0 * peaks[-1]


def test_a_missing_hour_is_no_news() -> None:
    """The worst of it is a little less learnt; the hours stay where they are."""
    values = day(N)
    for i in range(1000, N, 37):
        values[i] = None
    assert max(scores(values)) < 30.0


def test_many_signals_are_no_odder_than_one() -> None:
    """The oddest of fifty is odd by chance."""
    columns = [day(2000, seed) for seed in range(50)]
    news = News([Newness(c[:WARM]) for c in columns], WARM)
    found = [news.step([c[i] for c in columns], [False] * 50) for i in range(WARM, 2000)]
    assert sum(f > 0.0 for f in found) < 0.02 * len(found)


def test_a_masked_signal_makes_no_news() -> None:
    values = shifted(day(N), 2000, 2100, 40.0)
    news = News([Newness(values[:WARM])], WARM)
    assert max(news.step([v], [True]) for v in values[WARM:]) == 0.0

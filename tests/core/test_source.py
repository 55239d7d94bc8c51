"""What is followed of one source: garbage over many reports, losses over minutes, and rows that say the same."""

import random

from sickbay.core.source import FRAMES, LOSSES, Source, repeats

Points = list[tuple[int, float | None]]


def ring(values: list[float]) -> Points:
    return [(1000 * i, v) for i, v in enumerate(values)]


def flicker(seed: int, count: int, mean: float = 10.0) -> list[float]:
    chance = random.Random(seed)
    return [round(mean + chance.gauss(0.0, 1.0), 2) for _ in range(count)]


def test_garbage_is_counted_over_reports() -> None:
    source = Source(3, 1000)
    for second in range(10):
        source.told(second % 3 > 0, second % 3 == 0, 1000 * second)
        assert (source.garbled(1000 * second) is not None) == (second >= 6)


def test_what_is_older_than_the_window_or_behind_many_frames_counts_no_more() -> None:
    source = Source(3, 1000)
    source.told(0, 10, 0)
    assert source.garbled(59_999) is not None and source.garbled(60_000) is None
    source.told(FRAMES, 0, 1000)
    assert source.garbled(1000) is None, "so many good frames since: the line is well again"


def test_the_window_of_a_slow_line_holds_as_many_frames() -> None:
    source = Source(3, 60_000)
    for minute in range(4):
        source.told(0, 1, 60_000 * minute)
    assert source.garbled(180_000) == (4, 4)


def test_losses_near_each_other_are_one_and_old_ones_none() -> None:
    source = Source(3, 1000)
    for k in range(20):
        source.lost(400 * k)
    assert len(source.losses) == 1
    for k in range(1, LOSSES):
        assert not source.comes_and_goes(20_000 * k)
        source.lost(20_000 * k)
    assert source.comes_and_goes(20_000 * LOSSES) and not source.comes_and_goes(3_600_000)


def test_all_that_flickered_and_stands_now_where_it_flickered_repeats() -> None:
    values = [flicker(n, 40) for n in range(3)]
    assert repeats([ring([*v, *[v[-1]] * 8]) for v in values], 8)


def test_a_single_flickering_signal_is_its_sensors_business() -> None:
    one, flat = flicker(1, 40), [5.0] * 48
    assert not repeats([ring([*one, *[one[-1]] * 8]), ring(flat), ring(flat)], 8)


def test_signals_that_came_to_rest_elsewhere_do_not_repeat() -> None:
    assert not repeats([ring([*flicker(n, 39), 0.0, *[0.0] * 8]) for n in range(3)], 8)


def test_a_ramp_that_ends_is_no_flicker() -> None:
    assert not repeats([ring([float(k) for k in range(40)] + [39.0] * 8)] * 3, 8)


def test_an_empty_or_broken_window_says_nothing() -> None:
    assert not repeats([], 8) and not repeats([[]], 8)
    assert not repeats([[(0, None)] * 40] * 3, 8)

"""These tests hold the statistics of the score card against published tables."""

import pytest

from sickbay_sim.score.intervals import MONTH_S, binomial_interval, poisson_interval, rate, share, times


@pytest.mark.parametrize(
    ("events", "low", "high"),
    [
        (0, 0.0, 3.6889),
        (1, 0.0253, 5.5716),
        (2, 0.2422, 7.2247),
        (5, 1.6235, 11.6683),
        (10, 4.7954, 18.3904),
        (20, 12.2165, 30.8884),
        (100, 81.3640, 121.6268),
    ],
)
def test_a_poisson_interval_is_the_published_one(events: int, low: float, high: float) -> None:
    """Garwood's table; a rate without its interval would pass off luck as quality."""
    assert poisson_interval(events) == (pytest.approx(low, abs=2e-4), pytest.approx(high, abs=2e-4))


@pytest.mark.parametrize(
    ("n", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),
        (10, 10, 0.6915, 1.0),
        (8, 10, 0.4439, 0.9748),
        (1, 20, 0.0013, 0.2487),
        (50, 100, 0.3983, 0.6017),
    ],
)
def test_a_share_has_the_published_interval(n: int, of: int, low: float, high: float) -> None:
    """Clopper and Pearson; ten of ten is not "always"."""
    assert binomial_interval(n, of) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_many_events_still_have_an_interval() -> None:
    """A baseline alarms thousands of times; the sum must not overflow."""
    low, high = poisson_interval(5000)
    assert low == pytest.approx(4862.36, abs=0.01)
    assert high == pytest.approx(5140.55, abs=0.01)


def test_a_rate_is_a_month_of_thirty_days() -> None:
    """Three in half a month are six a month."""
    found = rate(3, MONTH_S / 2)
    assert (found.events, found.months, found.per_month) == (3, 0.5, 6.0)
    assert found.low == pytest.approx(2 * 0.6187, abs=1e-3)
    assert found.high == pytest.approx(2 * 8.7673, abs=1e-3)


def test_where_nothing_was_watched_there_is_no_rate() -> None:
    """No events in no time is not a rate of 0."""
    assert rate(0, 0.0).per_month is None
    assert share(0, 0).share is None
    assert times([]).p50 is None


def test_a_percentile_is_a_time_that_really_occurred() -> None:
    """Nearest rank: of 20 values the 95th percentile is the 19th, of one it is that one."""
    found = times([float(n) for n in range(20, 0, -1)])
    assert (found.n, found.p50, found.p95, found.longest) == (20, 10.0, 19.0, 20.0)
    assert times([7.0]).p95 == 7.0

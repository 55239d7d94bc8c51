"""These are the few statistics of the score card: exact intervals for counts and shares, and percentiles that really occurred."""

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

CONFIDENCE = 0.95
MONTH_S = 30 * 86_400.0
DAY_S = 86_400.0


@dataclass(frozen=True)
class Rate:
    """How often something happened a device-month, with its exact 95 % interval; None where no time was watched."""

    events: int
    months: float
    per_month: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Share:
    """`n` of `of`, with its exact 95 % interval; None where there was nothing to count."""

    n: int
    of: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Times:
    """How long something took, in seconds, over the `n` times that it came at all."""

    n: int
    p50: float | None
    p95: float | None
    longest: float | None


def rate(events: int, seconds: float) -> Rate:
    """This returns the rate a month of 30 days."""
    months = seconds / MONTH_S
    if months <= 0:
        return Rate(events, 0.0, None, None, None)
    low, high = poisson_interval(events)
    return Rate(events, months, events / months, low / months, high / months)


def share(n: int, of: int) -> Share:
    """This returns a share, 0..1."""
    if of == 0:
        return Share(0, 0, None, None, None)
    low, high = binomial_interval(n, of)
    return Share(n, of, n / of, low, high)


def times(seconds: Iterable[float]) -> Times:
    """This returns median, 95th percentile and longest, by nearest rank: each is a time that really occurred."""
    ordered = sorted(seconds)
    if not ordered:
        return Times(0, None, None, None)
    return Times(len(ordered), percentile(ordered, 0.5), percentile(ordered, 0.95), ordered[-1])


def percentile(ordered: list[float], part: float) -> float:
    """This returns the nearest-rank percentile of sorted values: the smallest that `part` of them do not exceed."""
    return ordered[max(0, math.ceil(part * len(ordered) - 1e-9) - 1)]


def poisson_interval(events: int) -> tuple[float, float]:
    """This returns the exact interval of a Poisson mean (Garwood, Biometrika 28, 1936) at CONFIDENCE."""
    tail = (1 - CONFIDENCE) / 2
    top = 10.0 + events + 10 * math.sqrt(events + 1)
    low = 0.0 if events == 0 else _root(lambda mean: 1 - _poisson_cdf(events - 1, mean) - tail, 0.0, top)
    return low, _root(lambda mean: tail - _poisson_cdf(events, mean), 0.0, top)


def binomial_interval(n: int, of: int) -> tuple[float, float]:
    """This returns the exact interval of a share (Clopper and Pearson, Biometrika 26, 1934) at CONFIDENCE."""
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if n == 0 else _root(lambda p: 1 - _binomial_cdf(n - 1, of, p) - tail, 0.0, 1.0)
    high = 1.0 if n == of else _root(lambda p: tail - _binomial_cdf(n, of, p), 0.0, 1.0)
    return low, high


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """This returns where a rising function is 0, by halving."""
    for _ in range(100):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _poisson_cdf(n: int, mean: float) -> float:
    if mean <= 0:
        return 1.0
    if n >= mean:  # the other tail is the shorter sum, and falls from its first term on
        first = math.exp((n + 1) * math.log(mean) - mean - math.lgamma(n + 2))
        return 1.0 - _falling(first, (mean / k for k in itertools.count(n + 2)))
    first = math.exp(n * math.log(mean) - mean - math.lgamma(n + 1))
    return _falling(first, (k / mean for k in range(n, 0, -1)))


def _binomial_cdf(n: int, of: int, p: float) -> float:
    if p <= 0 or n >= of:
        return 1.0
    if p >= 1:
        return 0.0

    def term(k: int) -> float:
        ways = math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)
        return math.exp(ways + k * math.log(p) + (of - k) * math.log1p(-p))

    odds = p / (1 - p)
    if n >= of * p:
        return 1.0 - _falling(term(n + 1), (odds * (of - k) / (k + 1) for k in range(n + 1, of)))
    return _falling(term(n), (k / (of - k + 1) / odds for k in range(n, 0, -1)))


def _falling(first: float, ratios: Iterable[float]) -> float:
    """This returns the sum of a series that falls ever faster, given the ratio of each term to the one before."""
    total = term = first
    for ratio in ratios:
        term *= ratio
        total += term
        if term < 1e-17 * total:
            break
    return total

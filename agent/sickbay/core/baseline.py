"""This is what normal means for one very unit: learnt from its own fault-free rows, kept, and judged for fit."""

import itertools
import math
import statistics
from collections.abc import Sequence

import msgspec

from sickbay.core.chart import TIMESCALES, Chart, SignalLearnt
from sickbay.core.tails import limit

Row = Sequence[float | None]
START_ROWS = 20  # the first rows of a learning stretch set the levels and are not judged


class Learnt(msgspec.Struct):
    """What is known of one part in normal running."""

    signals: list[SignalLearnt]
    rows: int
    joint: float  # what the combined score reached at the accepted rate, 1.0 or more


def learn(names: Sequence[str], rows: Sequence[Row], chance: float) -> Learnt:
    """This returns what normal is, from fault-free rows: levels and scales first, then what the charts do on them."""
    signals = [_first_pass(name, [row[j] for row in rows]) for j, name in enumerate(names)]
    for j, signal in enumerate(signals):
        _second_pass(signal, [row[j] for row in rows], chance)
    return Learnt(signals, len(rows), 1.0)


def replayed(learnt: Learnt, rows: Sequence[Row]) -> list[Chart]:
    """This returns charts that have seen `rows`, ready to go on."""
    charts = [Chart(signal) for signal in learnt.signals]
    for j, chart in enumerate(charts):
        column = [row[j] for row in rows]
        chart.start([v for v in column[:START_ROWS] if v is not None])
        for value in column:
            chart.step(value, True)
    return charts


def _first_pass(name: str, column: list[float | None]) -> SignalLearnt:
    values = [v for v in column if v is not None]
    open_limits = [math.inf] * len(TIMESCALES)
    if len(values) < START_ROWS:
        return SignalLearnt(name, values[0] if values else 0.0, 0.0, open_limits, [0.0] * 5, 0.0, 0.0, 1.0, len(values))
    centre = statistics.median(values)
    scale = 1.4826 * statistics.median([abs(v - centre) for v in values])
    if scale <= 1e-9 * abs(centre):
        scale = statistics.pstdev(values)
    if scale <= 1e-9 * abs(centre):
        scale = 0.0
    repeats = longest = run = 0
    for a, b in itertools.pairwise(values):
        run = run + 1 if a == b else 0
        repeats += a == b
        longest = max(longest, run)
    return SignalLearnt(name, centre, scale, open_limits, [0.0] * 5, 0.0, 0.0, repeats / (len(values) - 1), longest)


def _second_pass(signal: SignalLearnt, column: list[float | None], chance: float) -> None:
    if signal.scale <= 0.0:
        signal.limits = [1.0] * len(TIMESCALES)
        return
    chart = Chart(signal)
    chart.start([v for v in column[:START_ROWS] if v is not None])
    seen: list[list[float]] = [[] for _ in TIMESCALES]
    for i, value in enumerate(column):
        chart.step(value, True)
        if value is not None and i >= START_ROWS:
            for kept, statistic in zip(seen, chart.statistics(), strict=True):
                kept.append(abs(statistic))
    signal.usual = [math.sqrt(math.fsum(v * v for v in kept) / max(1, len(kept))) for kept in seen]
    signal.limits = [max(limit(kept, chance), 1e-9) for kept in seen]
    signal.step_ms = math.fsum(seen[-1]) / max(1, len(seen[-1]))

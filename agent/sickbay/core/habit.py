"""This is how a unit's cycles vary by habit: weather, load and frost move all their levels together, wear moves them otherwise.

The levels of the cycles that were learnt, each in its own spread, have a few principal ways: along those a unit goes with the
weather and the load, farther on a hot day than ever, and is well. What a cycle is off beside them is held against the most
that learning left there (Jackson and Mudholkar, "Control procedures for residuals associated with principal component analysis",
Technometrics 21, 1979). A sensor's error is off beside them too, but alone: each signal in turn is left out, and what the
others still show is what counts (Dunia and Qin, "Subspace approach to multidimensional fault identification", AIChE Journal 44,
1998).
"""

import math
from collections.abc import Iterable, Sequence

import msgspec

from sickbay.core.cycle import LATEST
from sickbay.core.elimination import solve
from sickbay.core.tails import median

WAYS = 3  # weather, load, frost
CYCLES_LEAST = 30  # that must be known: fewer show too little of what is usual
SIGNALS_MOST = 32  # the work grows with their square, as for relations
TURNS = 60  # of the power iteration: ways that are not told apart by then are of the same strength
QUIET = 0.25  # of a level's spread: no limit is smaller
FROST_CYCLES = 3  # before and after a thaw, whose means show what it took away
RIDGE = 1e-6

Levels = Sequence[float]


class Habit(msgspec.Struct):
    """What was learnt. Levels are numbered; each is of one signal, and some are never asked."""

    asked: list[int]  # the levels that vary enough to say something
    of: list[int]  # whose each of them is
    middle: list[float]
    spread: list[float]
    ways: list[list[float]]  # of length one, at right angles
    limits: list[float]  # the most that learning left of each
    without: dict[int, float]  # a signal left out: the most that learning left of all the others together
    frost: list[float] = []  # what a thaw takes away, beside the ways, of length one; empty where nothing thaws


class Aside(msgspec.Struct, frozen=True):
    """How far one cycle is off its unit's habit."""

    ratio: float  # whichever signal is left out; 1 is the most that learning showed
    frosty: float  # -1 to 1: how much of it points where frost does
    shown: dict[int, float]  # by level, in its own limit
    beside: dict[int, float]  # the same in its own unit


def learnt(
    cycles: Sequence[Levels],
    of: Sequence[int],
    least: Sequence[float],
    twins: Sequence[Sequence[int]],
    thaws: Sequence[int],
) -> Habit | None:
    """This returns a unit's habit from the levels of its cycles; None where too few are known.

    `of` says whose signal each level is, or -1 where it is not asked; `least` the smallest spread that counts; `thaws` are the
    cycles that were the first after one.
    """
    asked = [k for k, signal in enumerate(of) if signal >= 0]
    if len(cycles) < CYCLES_LEAST or not 1 < len({of[k] for k in asked}) <= SIGNALS_MOST:
        return None
    columns = [[cycle[k] for cycle in cycles] for k in asked]
    middle = [math.fsum(column) / len(column) for column in columns]
    deviations = [
        math.sqrt(math.fsum((v - m) ** 2 for v in column) / len(column))
        for column, m in zip(columns, middle, strict=True)
    ]
    spread = [max(d, least[k], 1e-12) for d, k in zip(deviations, asked, strict=True)]
    habit = Habit(asked, [of[k] for k in asked], middle, spread, [], [], {})
    scaled = [_scaled(habit, cycle) for cycle in cycles]
    habit.ways = _ways(scaled)
    every = list(range(len(asked)))
    habit.limits = [max(QUIET, *(abs(row[k]) for row in _runs(habit, scaled, every))) for k in every]
    for signal in set(habit.of):
        kept = _kept(habit, {signal, *twins[signal]})
        if kept:
            habit.without[signal] = max(QUIET, *(_size(row) for row in _runs(habit, scaled, kept)))
    jumps = [_jump(scaled, i) for i in thaws if FROST_CYCLES <= i <= len(scaled) - FROST_CYCLES]
    if jumps:
        frost = _beside(habit.ways, [math.fsum(each) / len(jumps) for each in zip(*jumps, strict=True)])
        size = _size(frost)
        habit.frost = [f / size for f in frost] if size > 0.0 else []
    return habit


def aside(habit: Habit, latest: Sequence[Levels], twins: Sequence[Sequence[int]], ill: Sequence[bool]) -> Aside:
    """This returns how far the latest cycles are off, in their median. Those known to be `ill` say nothing."""
    rows = [_scaled(habit, levels) for levels in latest]
    out = {signal for signal in set(habit.of) if ill[signal]}
    ratio = math.inf
    for signal, most in habit.without.items():
        kept = _kept(habit, {signal, *twins[signal], *out})
        ratio = min(ratio, _size(_middle(habit, rows, kept)) / most if kept else 0.0)
    every = _kept(habit, out)
    left = dict(zip(every, _middle(habit, rows, every), strict=True))
    size = _size(list(left.values()))
    frost = math.fsum(habit.frost[k] * r for k, r in left.items()) if habit.frost else 0.0
    return Aside(
        ratio if ratio < math.inf else 0.0,
        frost / size if size > 0.0 else 0.0,
        {habit.asked[k]: r / habit.limits[k] for k, r in left.items()},
        {habit.asked[k]: r * habit.spread[k] for k, r in left.items()},
    )


def without(
    habit: Habit, latest: Sequence[Levels], signal: int, twins: Sequence[Sequence[int]], ill: Sequence[bool]
) -> dict[int, float]:
    """This returns what the latest cycles show by level, each in its own limit, where one signal says nothing."""
    kept = _kept(habit, {signal, *twins[signal], *(other for other in habit.of if ill[other])})
    left = _middle(habit, [_scaled(habit, levels) for levels in latest], kept)
    return {habit.asked[k]: r / habit.limits[k] for k, r in zip(kept, left, strict=True)}


def _scaled(habit: Habit, levels: Levels) -> list[float]:
    return [(levels[k] - m) / s for k, m, s in zip(habit.asked, habit.middle, habit.spread, strict=True)]


def _ways(rows: Sequence[Levels]) -> list[list[float]]:
    """This returns the principal directions of rows, strongest first, by power iteration."""
    width = len(rows[0])
    table = [[math.fsum(row[a] * row[b] for row in rows) for b in range(width)] for a in range(width)]
    ways: list[list[float]] = []
    for _ in range(min(WAYS, width - 1)):
        # It begins at the strongest column, so that it is not at right angles to what it looks for.
        way = list(max(table, key=_size))
        for _ in range(TURNS):
            size = _size(way)
            if size <= 0.0:
                return ways
            way = [math.fsum(t * w / size for t, w in zip(line, way, strict=True)) for line in table]
        size = _size(way)
        if size <= 0.0:
            return ways
        way = [w / size for w in way]
        power = math.fsum(
            a * math.fsum(t * b for t, b in zip(line, way, strict=True)) for a, line in zip(way, table, strict=True)
        )
        table = [
            [t - power * a * b for t, b in zip(line, way, strict=True)] for a, line in zip(way, table, strict=True)
        ]
        ways.append(way)
    return ways


def _beside(ways: Sequence[Levels], row: Levels) -> list[float]:
    """This returns what is left of a row beside the ways."""
    along = [math.fsum(w * r for w, r in zip(way, row, strict=True)) for way in ways]
    return [r - math.fsum(a * way[k] for a, way in zip(along, ways, strict=True)) for k, r in enumerate(row)]


def _kept(habit: Habit, out: set[int]) -> list[int]:
    return [k for k, signal in enumerate(habit.of) if signal not in out]


def _rest(habit: Habit, row: Levels, kept: Sequence[int]) -> list[float]:
    """This returns what is left of some levels beside the ways, which these alone must tell."""
    ways = [[way[k] for k in kept] for way in habit.ways]
    table = [
        [_dot(a, b) + (RIDGE if a is b else 0.0) for b in ways]
        + [math.fsum(w * row[k] for w, k in zip(a, kept, strict=True))]
        for a in ways
    ]
    along = solve(table)
    return [row[k] - math.fsum(x * way[i] for x, way in zip(along, ways, strict=True)) for i, k in enumerate(kept)]


def _middle(habit: Habit, rows: Sequence[Levels], kept: Sequence[int]) -> list[float]:
    """This returns the median of what is left of each: of what is left, since medians of what moves together do not."""
    return [median(each) for each in zip(*(_rest(habit, row, kept) for row in rows), strict=True)]


def _runs(habit: Habit, rows: Sequence[Levels], kept: Sequence[int]) -> list[list[float]]:
    """This returns the same of each run of LATEST rows."""
    left = [_rest(habit, row, kept) for row in rows]
    return [
        [median(each) for each in zip(*left[i - LATEST + 1 : i + 1], strict=True)] for i in range(LATEST - 1, len(left))
    ]


def _jump(rows: Sequence[Levels], first: int) -> list[float]:
    """This returns what the cycles before a thaw had more than those after it."""
    before, after = rows[first - FROST_CYCLES : first], rows[first : first + FROST_CYCLES]
    return [
        (math.fsum(row[k] for row in before) - math.fsum(row[k] for row in after)) / FROST_CYCLES
        for k in range(len(rows[0]))
    ]


def _dot(a: Levels, b: Levels) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def _size(row: Iterable[float]) -> float:
    return math.sqrt(math.fsum(r * r for r in row))

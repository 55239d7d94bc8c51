"""This says which part of a unit wears: whose cycles are off all that weather, load and frost do to them (habit.py).

A worn valve, a leak, a dirty condenser change how the levels of a cycle hang together, long before any of them has left
what it was on some day. Where a machine's modes are apart unlike its habit, there the wear is; where its cycles only end
elsewhere, it follows.
"""

import math
from collections.abc import Sequence

from sickbay.core import habit
from sickbay.core.cycle import LATEST, LATEST_LEAST, Sign
from sickbay.core.habit import Aside, Habit
from sickbay.core.tails import median

ASIDE = 2.0  # times the most that learning left beside the habit: that is wear ...
CYCLES = 3  # ... in so many cycles in a row ...
HOME = 1.0  # ... until a cycle is back within that
FROSTY = 0.3  # how much of it may point where frost does: what a thaw may take away is no wear yet
STRAINED = 0.5  # of the cycles of learning: after a stay longer than any, for so long a load explains what is odd
CLEARER = 1.15  # times what any other part shows
TINY = 0.002  # of all that a signal did in learning: no spread is smaller


class Wear:
    """The levels of a unit's cycles beside its habit. Each cycle is a row: where each signal ends an on-time, then its depths."""

    __slots__ = ("cycles", "firsts", "habit", "known", "latest", "parts", "rows", "strained", "twins")

    def __init__(self, parts: Sequence[Sequence[int]], twins: Sequence[Sequence[int]]) -> None:
        self.parts = [list(each) for each in parts]
        self.twins = [list(each) for each in twins]
        self.rows: list[list[float]] = []  # while it learns
        self.firsts: list[int] = []  # of these the first after each interlude
        self.habit: Habit | None = None
        self.latest: list[list[float]] = []  # cycles since the last interlude
        self.known = 0  # cycles that were learnt from
        self.strained = 0.0  # cycles to go
        self.cycles = 0  # in a row that were beside the habit

    def learn(self, row: Sequence[float | None]) -> None:
        """This takes a cycle of normal running."""
        heard = [value for value in row if value is not None]
        if len(heard) == len(row):
            self.rows.append(heard)

    def thawed(self, learns: bool) -> None:
        """This takes note that an interlude ended before the next cycle: its frost is gone."""
        if learns:
            self.firsts.append(len(self.rows))
        self.latest.clear()

    def learnt(self, widths: Sequence[float], hardly: Sequence[bool]) -> None:
        """This makes the habit. Signals that `hardly` move, such as a door's, are not asked."""
        of = [-1 if each else j for j, each in enumerate(hardly)] * 2
        self.habit = habit.learnt(self.rows, of, [TINY * width for width in widths] * 2, self.twins, self.firsts)
        self.known = len(self.rows)
        self.rows, self.firsts = [], []

    def strain(self) -> None:
        """This takes note of a stay longer than any: what a load has warmed or frosted shows for long, and is no wear."""
        self.strained = STRAINED * self.known

    def judge(self, row: Sequence[float | None], blind: Sequence[bool], quiet: bool, held: dict[str, Sign]) -> None:
        """This judges by the latest cycles; `quiet`: nothing else in the unit's cycles goes otherwise."""
        self.strained = max(0.0, self.strained - 1.0)
        width = len(self.twins)
        if self.habit is None or any(row[k] is None and not blind[k % width] for k in self.habit.asked):
            return
        self.latest.append([value if value is not None else 0.0 for value in row])
        del self.latest[:-LATEST]
        if len(self.latest) < LATEST_LEAST:
            return
        off = habit.aside(self.habit, self.latest, self.twins, blind)
        if off.ratio < HOME:
            held.pop("aside", None)
        tells = off.ratio >= ASIDE and off.frosty < FROSTY and not self.strained and quiet
        self.cycles = self.cycles + 1 if tells else 0
        if self.cycles < CYCLES or "worn" in held or "aside" in held:
            return
        part = self._whose(off)
        depths = [k for k in off.shown if k >= width and k - width in self.parts[part]] if part >= 0 else []
        if depths:
            most = max(depths, key=lambda k: abs(off.shown[k]))
            value = median([each[most] for each in self.latest])
            held["aside"] = Sign("aside", most - width, 0, True, -1, value, value - off.beside[most])

    def _whose(self, off: Aside) -> int:
        """This returns the part whose modes are apart most unlike its habit; -1 where that is not clear."""
        width = len(self.twins)
        shown = sorted(
            (math.fsum(off.shown.get(width + j, 0.0) ** 2 for j in part), p) for p, part in enumerate(self.parts)
        )
        clear = len(shown) == 1 or shown[-1][0] >= CLEARER * shown[-2][0]
        return shown[-1][1] if clear and shown[-1][0] > 0.0 else -1

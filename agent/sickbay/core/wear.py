"""This says which part of a unit wears: whose cycles are off all that weather, load and frost do to them (habit.py).

A worn valve, a leak, a dirty condenser change how the levels of a cycle hang together, long before any of them has left
what it was on some day. Where a machine's modes are apart unlike its habit, there the wear is; where its cycles only end
elsewhere, it follows. Where the machine itself goes by its habit, works more than the weather explains, and leaves what it
serves farther from where it always took it, more is asked of it: a seal leaks, or a load stays.
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
MOST = 0.5  # of the farthest level: a part whose modes show less only follows
SERVED = 2.0 * ASIDE  # what is left unserved and the work that it costs, together; each beyond all that learning left
FOLLOWS = 0.7  # of the first: where the machine's own modes are so far off, it is the machine
AGREES = 0.5  # of a signal: its twin must show so much of the same
LASTS = 1.0 / 3.0  # of the cycles of learning: for so long loads come and go
TINY = 0.002  # of all that a signal did in learning: no spread is smaller


class Wear:
    """The levels of a unit's cycles beside its habit.

    Each cycle is a row: where each signal ends an on-time, how far it is apart between on and off, and at last the work, which
    is the logarithm of on-time over off-time.
    """

    __slots__ = (
        "asked_more", "cycles", "firsts", "habit", "known", "latest", "parts", "ratio", "rows", "strained", "switch", "twins",
        "width",
    )  # fmt: skip

    def __init__(self, parts: Sequence[Sequence[int]], twins: Sequence[Sequence[int]]) -> None:
        self.parts = [list(each) for each in parts]
        self.width = len(twins)
        self.twins = [*(list(each) for each in twins), []]  # work is nobody's twin
        self.switch = -1  # the signal whose modes they are
        self.rows: list[list[float]] = []  # while it learns
        self.firsts: list[int] = []  # of these the first after each interlude
        self.habit: Habit | None = None
        self.latest: list[list[float]] = []  # cycles since the last interlude
        self.known = 0  # cycles that were learnt from
        self.strained = 0.0  # cycles to go
        self.cycles = 0  # in a row that were beside the habit
        self.ratio = math.inf  # how far the latest are beside it, in what learning left; not known before there are any
        self.asked_more = 0  # in a row in which more was asked of the machine

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

    def learnt(self, switch: int, widths: Sequence[float], hardly: Sequence[bool]) -> None:
        """This makes the habit. Signals that `hardly` move, such as a door's, are not asked."""
        self.switch = switch
        of = [-1 if each else j for j, each in enumerate(hardly)] * 2
        least = [TINY * width for width in widths] * 2
        self.habit = habit.learnt(self.rows, [*of, self.width], [*least, TINY], self.twins, self.firsts)
        self.known = len(self.rows)
        self.rows, self.firsts = [], []

    def strain(self) -> None:
        """This takes note of a stay longer than any: what a load has warmed or frosted shows for long, and is no wear."""
        self.strained = STRAINED * self.known

    def judge(self, row: Sequence[float | None], blind: Sequence[bool], quiet: bool, held: dict[str, Sign]) -> None:
        """This judges by the latest cycles; `quiet`: nothing else in the unit's cycles goes otherwise."""
        self.strained = max(0.0, self.strained - 1.0)
        ill = [*blind, False]
        if self.habit is None or any(
            row[k] is None and not ill[j] for k, j in zip(self.habit.asked, self.habit.of, strict=True)
        ):
            return
        self.latest.append([value if value is not None else 0.0 for value in row])
        del self.latest[:-LATEST]
        if len(self.latest) < LATEST_LEAST:
            return
        off = habit.aside(self.habit, self.latest, self.twins, ill)
        self.ratio = off.ratio
        if off.ratio < HOME:
            held.pop("aside", None)
        calm = quiet and not self.strained
        self.cycles = self.cycles + 1 if calm and off.ratio >= ASIDE and off.frosty < FROSTY else 0
        short = self._short(off)
        if "asked" in held and short.get(held["asked"].signal, 0.0) < HOME:
            held.pop("asked")
            held.pop("asked still", None)
        signal = held["asked"].signal if "asked" in held else self._unserved(off, short, ill) if calm else -1
        self.asked_more = self.asked_more + 1 if signal >= 0 else 0
        if "worn" in held or "aside" in held:
            return
        part = self._whose(off) if self.cycles >= CYCLES else -1
        if part >= 0:
            depths = [k for k in off.shown if self.width <= k < 2 * self.width and k - self.width in self.parts[part]]
            for kind in ("asked", "asked still"):
                held.pop(kind, None)
            held["aside"] = self._sign("aside", max(depths, key=lambda k: abs(off.shown[k])), off)
        elif self.asked_more >= CYCLES and "asked" not in held:
            held["asked"] = self._sign("asked", signal, off)
        elif self.asked_more >= LASTS * self.known and "asked still" not in held:
            held["asked still"] = self._sign("asked still", signal, off)

    def explains(self, signal: int) -> bool:
        """This returns whether the latest cycles are as weather, load and frost made them, this signal's among them."""
        return self.habit is not None and self.ratio < ASIDE and signal in self.habit.of

    def _sign(self, kind: str, level: int, off: Aside) -> Sign:
        value = median([each[level] for each in self.latest])
        return Sign(kind, level % self.width, 0, True, -1, value, value - off.beside[level])

    def _whose(self, off: Aside) -> int:
        """This returns the part whose modes are apart most unlike its habit; -1 where that is not clear."""
        far = [[abs(off.shown.get(self.width + j, 0.0)) for j in part] for part in self.parts]
        power = sorted((math.fsum(f * f for f in each), p) for p, each in enumerate(far))
        most, part = power[-1]
        clear = len(power) == 1 or most >= CLEARER * power[-2][0]
        farthest = max(map(abs, off.shown.values()))
        return part if clear and max(far[part]) >= MOST * farthest > 0.0 else -1

    def _short(self, off: Aside) -> dict[int, float]:
        """This returns how far each signal that others' modes move ends from where these always took it; below 0: farther on."""
        assert self.habit is not None
        depth = dict(zip(self.habit.asked, self.habit.middle, strict=True))
        served = [j for part in self.parts if self.switch not in part for j in part if j in off.shown]
        return {j: off.shown[j] if depth[self.width + j] < 0.0 else -off.shown[j] for j in served}

    def _unserved(self, off: Aside, short: dict[int, float], ill: Sequence[bool]) -> int:
        """This returns a signal that ends short while the machine works more, and is as ever itself; -1 for none."""
        signal = max(short, key=lambda j: short[j], default=-1)
        if self.habit is None or signal < 0 or short[signal] < HOME:
            return -1
        own = next(part for part in self.parts if signal in part)
        others = [
            abs(f) for k, f in off.shown.items() if self.width <= k < 2 * self.width and k - self.width not in own
        ]
        if max(others, default=0.0) > FOLLOWS * short[signal]:
            return -1
        if any(short.get(twin, short[signal]) < AGREES * short[signal] for twin in self.twins[signal]):
            return -1
        work = habit.without(self.habit, self.latest, signal, self.twins, ill).get(2 * self.width, 0.0)
        return signal if work >= HOME and work + short[signal] >= SERVED else -1

"""This judges what a unit's cycles are like: who no longer moves in them, who steps from one to the next, and what wears.

It is asked at the end of each stay in a mode of the switch that has most of them, where no interlude (a thaw) fell into it.
"""

import math
from collections.abc import Sequence

from sickbay.core import cycle
from sickbay.core.cycle import BEFORE, BOUNDLESS, LATEST_LEAST, OWN, Dwell, Known, Mode, Sign, Switch
from sickbay.core.wear import Wear

STILL = 0.25  # of the smallest swing that any dwell ever had
MOVES = 0.5  # of theirs that most other signals must keep meanwhile
STEPS = 3.0  # times the largest change from cycle to cycle that learning showed: it stepped ...
CALM = 1.4  # ... while no other did, and nothing had in the dwells before: wear comes step by step
HOME = 0.5  # of the range of its means: so far beyond it a signal is still where it was in learning
BACK = 0.5  # of its step: so much in the other direction is its way back
TWICE = 2  # dwells in a row
WORN = 3.0  # of the range in learning of where an on-time ends, or of how far both modes are apart: so far beyond is wear ...
WORN_TOO = 1.5  # ... where a second signal is so far beyond as well
ASTRAY = 1.0  # of the same: where another signal is so far out, one that errs is not alone
APART = 1.0  # of the same: both modes are still as far apart as they were
CYCLES_WORN = 3  # after a thaw, or so many in all
CLEARER = 1.15  # times what the second part shows of it: the first one's wear
TINY = 0.002  # of all that a signal did in learning: steps smaller than this are no steps, however still a signal was


class Levels:
    """The means, swings and ends of a unit's cycles. What it finds stands in `held`."""

    __slots__ = (
        "calm", "depths", "ends", "held", "parts", "ratios", "signals", "since", "stepped", "stepping", "still", "thaws", "twins",
        "wear", "widths", "worn_before", "worn_cycles",
    )  # fmt: skip

    def __init__(self, parts: Sequence[Sequence[int]], twins: Sequence[Sequence[int]]) -> None:
        self.parts = [list(each) for each in parts]
        self.twins = [list(each) for each in twins]
        self.signals = n = len(twins)
        self.widths = [0.0] * n  # of all that each signal did in learning
        self.thaws = False  # the unit has interludes
        self.held: dict[str, Sign] = {}
        self.still = [0] * n  # dwells in a row
        self.stepping: list[dict[int, float]] = [{}, {}]  # off and on: a step that waits for the next dwell
        self.stepped: dict[str, float] = {}  # how far
        self.calm = [[BEFORE] * n, [BEFORE] * n]  # off and on: dwells in a row in which each signal did not step
        self.ends = [Known() for _ in range(n)]  # where each signal is when an on-time ends
        self.depths = [Known() for _ in range(n)]  # its mean of an on-time less that of the off-time before
        self.ratios = [0.0] * n  # how far out of what they were in learning, in widths of that
        self.worn_cycles = 0  # cycles in a row that show wear
        self.worn_before = False  # some did before the last interlude
        self.since = CYCLES_WORN  # cycles since the last interlude
        self.wear = Wear(parts, twins)  # what no weather explains

    def over(self, switch: Switch, state: bool, dwell: Dwell, blind: Sequence[bool]) -> None:
        """This judges a stay in a mode that is over."""
        self._stands_still(switch, state, dwell, blind)
        self._steps(switch, state, dwell, blind)

    def astray(self, j: int) -> bool:
        """This returns whether cycles end otherwise for a signal that is neither `j` nor its twin: that is no sensor's doing."""
        return any(ratio >= ASTRAY for i, ratio in enumerate(self.ratios) if i != j and i not in self.twins[j])

    def raised(self, j: int) -> bool:
        """This returns whether the weather may have raised or lowered a signal: its modes are as far apart as ever, others moved.

        A hot day lifts what a compressor runs against and what it stands at alike; a condenser that fouls only the first of them.
        """
        known = self.depths[j]
        apart = len(known.latest) >= LATEST_LEAST and abs(known.off(TINY * self.widths[j])) < APART
        return apart and self.astray(j)

    def interlude(self, learns: bool) -> None:
        """This takes note that a thaw, or the like, is over: what is worn is so after it as well."""
        self.worn_before = self.worn_cycles > 0
        self.since = 0
        self.wear.thawed(learns)
        for known in () if learns else (*self.ends, *self.depths):
            known.latest.clear()

    def _stands_still(self, switch: Switch, state: bool, dwell: Dwell, blind: Sequence[bool]) -> None:
        """This looks for a signal that no longer moves while the others go to and fro as ever."""
        mode = switch.mode(state)
        own = [j for j in range(self.signals) if 0.0 < mode.least_swing[j] < BOUNDLESS and j != switch.signal]
        resting = [j for j in own if not blind[j] and dwell.swing(j) < MOVES * mode.least_swing[j]]
        for j in own:
            key = f"still {j}"
            if dwell.swing(j) >= MOVES * mode.least_swing[j]:
                self.still[j] = 0
                self.held.pop(key, None)
            elif dwell.swing(j) < STILL * mode.least_swing[j] and resting == [j] and self._coarse(j, mode):
                self.still[j] += 1
                if self.still[j] >= 2 * TWICE and dwell.last[j] is not None:
                    self.held[key] = Sign("still", j, 0, state, -1, dwell.last[j] or 0.0, mode.least_swing[j])

    def _coarse(self, j: int, mode: Mode) -> bool:
        """This returns whether a signal's least swing is a swing indeed, and not its noise."""
        return mode.least_swing[j] >= OWN * self.widths[j]

    def _steps(self, switch: Switch, state: bool, dwell: Dwell, blind: Sequence[bool]) -> None:
        """This looks for one signal whose mean steps from cycle to cycle, while all others go on as ever."""
        mode = switch.mode(state)
        ratios = [0.0] * self.signals
        changes = [cycle.change(mode, j, dwell.mean(j)) for j in range(self.signals)]
        for j, each in enumerate(changes):
            most = max(mode.step[j], TINY * self.widths[j])
            ratios[j] = abs(each) / most if most > 0.0 else 0.0
        odd = [j for j, ratio in enumerate(ratios) if ratio > CALM and not blind[j]]
        for j, each in enumerate(changes):
            size = self.stepped.get(f"{j} {state:d}", 0.0)
            if f"stepped {j}" in self.held and each * size < 0.0 and abs(each) >= BACK * abs(size):
                del self.held[f"stepped {j}"]
        waits, self.stepping[state] = self.stepping[state], {}
        if len(odd) == 1 and ratios[odd[0]] >= STEPS and f"stepped {odd[0]}" not in self.held:
            j, size = odd[0], changes[odd[0]]
            if waits.get(j, 0.0) * size > 0.0:
                mean = dwell.mean(j) or 0.0
                self.held[f"stepped {j}"] = Sign("stepped", j, 0, state, -1, mean, mean - size)
                self.stepped[f"{j} {state:d}"] = size
            elif self._is_calm(state, j) and self._was_home(mode, j, (dwell.mean(j) or 0.0) - size):
                # What was elsewhere before, as a fan before a frosted coil, only comes home when it steps.
                self.stepping[state] = {j: size}
        self.calm[state] = [0 if ratio > CALM else n + 1 for ratio, n in zip(ratios, self.calm[state], strict=True)]

    def _is_calm(self, state: bool, j: int) -> bool:
        """This returns whether nothing stepped in the cycles before, and this signal did not in this mode."""
        rest = (n for calm in self.calm for i, n in enumerate(calm) if i != j)
        return self.calm[state][j] >= BEFORE and min(rest, default=BEFORE) >= BEFORE

    def _was_home(self, mode: Mode, j: int, mean: float) -> bool:
        """This returns whether a mean is about where it was in learning."""
        edge = HOME * (mode.highest[j] - mode.lowest[j])
        return mode.lowest[j] - edge <= mean <= mode.highest[j] + edge

    def wears(
        self, switch: Switch, dwell: Dwell, blind: Sequence[bool], learns: bool, quiet: bool, work: float | None
    ) -> None:
        """This looks at where an on-time ends and how far both modes are apart, each the median of five cycles.

        A thermostat ends it at the same temperature whatever the weather, so that what else is off then is the machine's own. What
        a thaw takes away again was frost, and no wear. `quiet`: nothing else goes otherwise; `work`: as in Wear, None where the
        off-time before was none that shows anything: how far this on-time is from an older one says what happened since.
        """
        far, deep = [0.0] * self.signals, [0.0] * self.signals
        row: list[float | None] = [*([None] * (2 * self.signals)), work]
        for j in range(self.signals):
            on, off, end = switch.on.means[j], switch.off.means[j], dwell.last[j]
            if not on or not off or end is None:
                continue
            row[j] = end
            self.ends[j].hear(end, learns)
            if work is not None:
                row[self.signals + j] = depth = on[-1] - off[-1]
                self.depths[j].hear(depth, learns)
            for known, out in ((self.ends[j], far), (self.depths[j], deep)):
                out[j] = 0.0 if blind[j] else known.off(TINY * self.widths[j])
        if learns:
            self.wear.learn(row)
            return
        self.wear.judge(row, blind, quiet, self.held)
        self.since += 1
        if self.since < LATEST_LEAST:
            return  # what went astray before a thaw does until more is known
        self.ratios = ratios = [max(abs(a), abs(b)) for a, b in zip(far, deep, strict=True)]
        first = max(range(self.signals), key=lambda j: ratios[j])
        others = [ratios[j] for j in range(self.signals) if j != first and j not in self.twins[first]]
        if len(self.ends[first].latest) < LATEST_LEAST:
            return
        if ratios[first] < WORN / 2.0:
            self.worn_cycles, self.worn_before = 0, False
            self.held.pop("worn", None)
            return
        self.worn_cycles += 1
        if ratios[first] < WORN or max(others, default=0.0) < WORN_TOO or self.since < CYCLES_WORN:
            return
        thawed = self.worn_before or not self.thaws
        # What a leaking seal lets in freezes to the coil: that is no other wear.
        if thawed and not {"worn", "aside", "asked"} & self.held.keys():
            order = self._who_wears(ratios, deep)
            if order:
                most = max(self.parts[order[0]], key=lambda j: abs(deep[j]))
                known = self.depths[most]
                self.held["worn"] = Sign(
                    "worn", most, 0, True, -1, known.middle, known.high if deep[most] > 0 else known.low
                )

    def _who_wears(self, ratios: Sequence[float], deep: Sequence[float]) -> list[int]:
        """This returns the part that wears, first: where most signals moved, else moved farthest; none at a tie."""
        shown = [
            (sum(ratios[j] >= WORN_TOO for j in part), math.fsum(deep[j] * deep[j] for j in part), p)
            for p, part in enumerate(self.parts)
        ]
        shown.sort(reverse=True)
        (moved, power, first), rest = shown[0], shown[1:]
        clear = all(moved > n or power >= CLEARER * other for n, other, _ in rest)
        return [first] if power >= 1.0 and clear else []

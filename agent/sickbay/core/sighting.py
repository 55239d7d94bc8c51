"""This is what a part's charts say of its signals, one by one: how far from home each is, and whether it comes back."""

import math
from collections.abc import Sequence

from sickbay.core.baseline import WANDERS, Learnt
from sickbay.core.chart import FAST_ROWS, TIMESCALES, Chart
from sickbay.core.flatline import coarse

LEAPT = 0.4  # of a leap's score, which fades: about 70 rows
HOME = 0.25  # of its limit: so near to the levels of learning a signal is at home


class Sighting:
    """The signals of one part, by index. While normal is still being learnt nothing is known of any."""

    names: list[str]
    rows_left: int
    since_ms: int | None
    _learnt: Learnt | None
    _charts: list[Chart]
    _blame: list[float]

    def blame(self) -> list[float]:
        """This returns each signal's own evidence, in units of its own limit. Never from a model: that smears."""
        return list(self._blame)

    def own(self, index: int) -> float:
        """This returns one signal's evidence by its own chart alone: what relations hint at is left out."""
        return self._charts[index].score if self._charts else 0.0

    def bare(self, index: int) -> float:
        """This returns how far a signal is from normal in limits, whatever it may have wandered while its level was held."""
        return self._charts[index].ratio() if self._charts else 0.0

    def shift(self, index: int) -> float:
        """This returns how far a signal's means have gone, in deviations of a single reading."""
        return max((abs(v) for v in self._charts[index].statistics()[1:4]), default=0.0) if self._charts else 0.0

    def deviation(self, index: int, timescale: str) -> float:
        """This returns how far a signal is from its level at one timescale, in its own unit; 0.0 where that is no distance."""
        if not self._charts or timescale not in TIMESCALES[1:4]:
            return 0.0
        chart = self._charts[index]
        return chart.statistics()[TIMESCALES.index(timescale)] / chart.inverse

    def away(self, index: int) -> float:
        """This returns how far a signal's slow mean is from home, in units of its limit."""
        chart = self._charts[index] if self._charts else None
        return 0.0 if chart is None else abs(chart.slow - chart.level) * chart.g_slow

    def moved(self, index: int) -> bool:
        """This returns whether a signal has gone elsewhere, as its middle or slow mean says, and not only twitched."""
        if self._learnt is None:
            return False
        found, learnt = self._charts[index].statistics(), self._learnt.signals[index]
        # What shakes so many times harder than it did moves its own means by as much: that is not elsewhere.
        shakes = math.sqrt(max(1.0, found[-1] / learnt.usual[-1])) if learnt.usual[-1] > 0.0 else 1.0
        return any(abs(found[k]) >= shakes * learnt.limits[k] for k in (2, 3))

    def wanders(self, index: int) -> bool:
        """This returns whether a signal's slow mean moves by itself more than its noise explains."""
        return self._learnt is not None and self._learnt.signals[index].wander > WANDERS

    def gone(self, index: int) -> bool:
        """This returns whether a signal's slow mean is a whole limit beyond all that it ever was in learning."""
        if self._learnt is None:
            return False
        slow, learnt = self._charts[index].slow, self._learnt.signals[index]
        return not learnt.low - learnt.limits[3] <= slow <= learnt.high + learnt.limits[3]

    def past(self, index: int, grown: float) -> float:
        """This returns by how many limits a signal's slow mean is past all that it was in learning; 0.0 and less: it is within.

        `grown`: so many times as wide as it was in learning.
        """
        if self._learnt is None:
            return 0.0
        slow, learnt = self._charts[index].slow, self._learnt.signals[index]
        middle, half = (learnt.high + learnt.low) / 2.0, (learnt.high - learnt.low) / 2.0
        return (abs(slow - middle) - grown * half) / learnt.limits[3]

    def edges(self, index: int) -> tuple[float, float, float]:
        """This returns where a signal's slow mean is now, and the lowest and highest that it was in learning, in its own unit."""
        assert self._learnt is not None
        learnt = self._learnt.signals[index]
        slow, low, high = (
            v / self._charts[index].inverse + learnt.centre for v in (self._charts[index].slow, learnt.low, learnt.high)
        )
        return slow, low, high

    def homeward(self, index: int) -> bool:
        """This returns whether a signal comes back to where it was learnt, from where its level has followed it: no news."""
        if self._learnt is None:
            return False
        chart, learnt = self._charts[index], self._learnt.signals[index]
        now, level, reach = chart.middle, chart.level, learnt.limits[3]
        low, high = (learnt.low, learnt.high) if level > learnt.high else (-learnt.high, -learnt.low)
        if level < learnt.low:
            now, level = -now, -level
        beyond = level - high  # 0 and less: its level never left
        return beyond > 0.0 and (
            low - HOME * reach <= now <= high + HOME * reach or (beyond > reach and high < now < level)
        )

    def come_home(self, index: int) -> None:
        """This takes up the level anew of a signal that has come home: from where it had followed it, home itself looks odd."""
        if self._learnt is not None:
            chart, learnt = self._charts[index], self._learnt.signals[index]
            if learnt.low <= chart.slow <= learnt.high and not learnt.low <= chart.level <= learnt.high:
                chart.level, chart.held = chart.slow, 0

    def reach(self, index: int) -> float:
        """This returns how far a signal's mean over 3 rows may go within its normal, in its own unit; 0.0: nothing is known."""
        return 0.0 if self._learnt is None else self._learnt.signals[index].limits[1] / self._charts[index].inverse

    def coarse(self, index: int, values: Sequence[float]) -> bool:
        """This returns whether a signal's latest readings, in its own unit, have lost the flicker that it learnt with."""
        if self._learnt is None:
            return False
        learnt = self._learnt.signals[index]
        return coarse(values, learnt.scale * math.sqrt(learnt.usual[-1]), learnt.repeat)

    def leapt(self, index: int) -> bool:
        """This returns whether a signal leapt lately, from one row to the next, and stayed there."""
        return bool(self._charts) and self._charts[index].leap > LEAPT

    def wild(self, index: int) -> bool:
        """This returns whether a signal's last reading was a wild one: whether it comes back from there is not known yet."""
        return bool(self._charts) and self._charts[index].spiked > 1

    def explain(self, index: int) -> dict[str, float | int | str | bool | None]:
        """This returns numbers for words about one signal."""
        if self._learnt is None:
            return {"name": self.names[index], "learning": True, "rows_left": self.rows_left}
        chart, learnt = self._charts[index], self._learnt.signals[index]
        found = chart.statistics()
        ratios = [abs(v) / most for v, most in zip(found, learnt.limits, strict=True)]
        k = ratios.index(max(ratios))
        usual = learnt.usual[k]
        gone, gone_rows = self._gone(index, ratios[k])
        over = (1, FAST_ROWS, *map(round, learnt.spans[:2]), 0)
        return {
            "name": self.names[index],
            "learning": False,
            "value": chart.z / chart.inverse + chart.centre,
            "centre": chart.level / chart.inverse + chart.centre,
            "scale": learnt.scale,
            "timescale": TIMESCALES[k],
            "rows": over[k],
            "deviations": found[k] / usual if usual > 0.0 else 0.0,
            "direction": "up" if found[k] > 0.0 else "down",
            "score": self._blame[index],
            "gone": gone,
            "gone_rows": gone_rows,
            "ratio": ratios[k],  # the score without the allowance for what may have wandered while its level was held
            "equal_rows": chart.run,
            "stuck_rows": learnt.stuck_rows,
            "since_ms": self.since_ms,
        }

    def _gone(self, index: int, most: float) -> tuple[float, int]:
        """This returns how far a signal went, in its own unit, and in how many rows, where no slower mean shows that as well.

        From the rows just before to the last, or from one whole beat to the next; 0.0 where a mean shows more.
        """
        chart = self._charts[index]
        gone = chart.steps.gone
        seen = [(abs(gone) * chart.g_step, gone, chart.steps.rows)]
        if chart.rhythm is not None:
            gone = chart.rhythm.halves.gone
            seen.append((abs(gone) / chart.rhythm.most, gone, chart.rhythm.halves.rows))
        ratio, gone, rows = max(seen)
        return (gone / chart.inverse, rows) if ratio > max(1.0, most) else (0.0, 0)

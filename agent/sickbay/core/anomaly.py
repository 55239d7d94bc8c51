"""This is the view of one part: its rows in, one calibrated score, an alarm that holds, and who is to blame out."""

from collections.abc import Sequence

import msgspec

from sickbay.core import baseline
from sickbay.core.baseline import Learnt
from sickbay.core.chart import TIMESCALES, Chart
from sickbay.core.equipment import Signal

MONTH_S = 30.0 * 86400.0
ON_ROWS = 3  # rows at or above 1.0 (leaking) that make an alarm
OFF = 0.6  # an alarm ends below this


class PartView:
    """One part's judgement. `step` once per row; the attributes then say what was found."""

    def __init__(
        self,
        signals: Sequence[Signal],
        learn_rows: int = 400,
        false_alarms_per_month: float = 0.1,
        prior: Learnt | None = None,
    ) -> None:
        self.names = [s.name for s in signals]
        self.learn_rows = max(40, learn_rows)
        every_s = max(0.001, min((s.every_ms for s in signals), default=1000) / 1000.0)
        self.chance = min(1e-3, false_alarms_per_month / (MONTH_S / every_s))
        self.prior = prior
        self.learning = True
        self.rows_left = self.learn_rows
        self.score = 0.0
        self.alarm = False
        self.since_ms: int | None = None
        self.sensor_faults: list[tuple[int, str]] = []
        self._rows: list[list[float | None]] = []
        self._learnt: Learnt | None = None
        self._charts: list[Chart] = []
        self._blame = [0.0] * len(self.names)
        self._over = 0

    def step(self, row: Sequence[float | None], at_ms: int) -> None:
        """This judges one row of the part."""
        if self.learning:
            self._rows.append(list(row))
            self.rows_left -= 1
            if self.rows_left <= 0:
                self._settle()
            return
        learn = not self.alarm and self._over == 0
        first = second = third = 0.0
        blame = self._blame
        for j, chart in enumerate(self._charts):
            s = chart.step(row[j], learn)
            blame[j] = s
            if s > third:
                if s > first:
                    first, second, third = s, first, second
                elif s > second:
                    second, third = s, second
                else:
                    third = s
        score = (first + 0.5 * second + 0.25 * third) / 1.2
        if first > score:
            score = first
        self.score = score
        if score >= 1.0:
            self._over = min(self._over + 1, ON_ROWS)
            if self._over >= ON_ROWS and not self.alarm:
                self.alarm = True
                self.since_ms = at_ms
        elif score < OFF:
            self._over = max(self._over - 1, 0)
            if self._over == 0 and self.alarm:
                self.alarm = False
                self.since_ms = None

    def blame(self) -> list[float]:
        """This returns each signal's own share of the evidence, in units of its own limit."""
        return list(self._blame)

    def question(self) -> tuple[float, ...]:
        """This returns the last row standardised, for the part's model; 0.0 where a reading is missing."""
        return tuple(chart.z for chart in self._charts) if self._charts else tuple(0.0 for _ in self.names)

    def residuals(self, estimates: Sequence[float] | None) -> None:
        """This folds in what the model expected of an earlier row."""

    def explain(self, index: int) -> dict[str, object]:
        """This returns numbers for words about one signal."""
        if not self._charts or self._learnt is None:
            return {"name": self.names[index], "learning": True, "rows_left": self.rows_left}
        chart, learnt = self._charts[index], self._learnt.signals[index]
        found = chart.statistics()
        ratios = [abs(v) / limit for v, limit in zip(found, learnt.limits, strict=True)]
        k = ratios.index(max(ratios))
        usual = learnt.usual[k]
        return {
            "name": self.names[index],
            "value": chart.z / chart.inverse + chart.centre,
            "centre": chart.level / chart.inverse + chart.centre,
            "scale": learnt.scale,
            "timescale": TIMESCALES[k],
            "deviations": found[k] / usual if usual > 0.0 else 0.0,
            "direction": "up" if found[k] > 0.0 else "down",
            "score": self._blame[index],
            "since_ms": self.since_ms,
        }

    def snapshot(self) -> dict[str, object]:
        """This returns what must outlive a restart: what was learnt, not where the charts stood."""
        return {"learnt": None if self._learnt is None else msgspec.to_builtins(self._learnt)}

    def restore(self, kept: dict[str, object]) -> None:
        """This takes up what `snapshot` kept."""
        if kept.get("learnt") is not None:
            self._learnt = msgspec.convert(kept["learnt"], Learnt)
            self._charts = [Chart(signal) for signal in self._learnt.signals]
            self.learning, self.rows_left = False, 0

    def learnt(self) -> Learnt | None:
        """This returns what normal is for this unit, or None while it is still being learnt."""
        return self._learnt

    def _settle(self) -> None:
        self._learnt = baseline.learn(self.names, self._rows, self.chance)
        self._charts = baseline.replayed(self._learnt, self._rows)
        self._rows = []
        self.learning = False

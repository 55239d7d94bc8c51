"""This is what people said of alarms: "false alarm" raises that fault's bar on this unit, within limits, visibly and reversibly.

A bar never blinds: at its highest a threshold is about twice what was called false, of which six limits count at most; a
sensor's own signature must hold for three times the rows that peers are given, a count must reach four times as far, a silence
last four times as long.
"""

from math import ceil

import msgspec

from sickbay.core.fault import Debounce

LEVEL_MAX = 3
STEP = 1.25  # of the threshold, for each false alarm
REACHED_MOST = 6.0  # limits: however far a false alarm went, no more of it counts
BARS_MAX = 256  # far more than anyone has the patience for; beyond it the oldest is dropped
BY_SCORE = ("anomaly", "shift")
BY_ROWS = ("stuck", "noise", "spikes")
BY_COUNT = ("bad_value", "sentinel", "range", "rate", "disagreement", "garbage")
BY_TIME = ("silent", "wear")
# What is left (a pulled plug, a relay that did not follow) is no matter of degree.
RAISABLE = BY_SCORE + BY_ROWS + BY_COUNT + BY_TIME

Key = tuple[str, str]


class Bar(msgspec.Struct):
    """How much more one class of fault of one target must show on this unit before it counts."""

    target: str
    class_: str
    level: int
    who: str
    reason: str
    at_ms: int
    reached: float = 1.0  # how many limits the alarm went to that was called false
    held: int = 0  # alarms that it kept back since
    held_ms: int | None = None  # the latest of them

    @property
    def score(self) -> float:
        """This is how far beyond its ordinary limit an alarm must reach."""
        return float(self.reached * STEP**self.level)


class Bars:
    """This owns all bars of a device."""

    def __init__(self) -> None:
        self.bars: dict[Key, Bar] = {}

    def false_alarm(
        self, target: str, class_: str, who: str, reason: str, at_ms: int, reached: float = 1.0
    ) -> tuple[Bar, bool]:
        """This raises a bar by one, and returns it with whether it could still be raised."""
        bar = self.bars.pop((target, class_), None)
        raised = bar is None or bar.level < LEVEL_MAX
        level = min(LEVEL_MAX, 1 if bar is None else bar.level + 1)
        far = min(max(1.0, reached, bar.reached if bar else 1.0), REACHED_MOST)
        held = (bar.held, bar.held_ms) if bar else (0, None)
        new = Bar(target, class_, level, who, reason, at_ms, far, *held)
        self.bars[(target, class_)] = new
        for key in list(self.bars)[:-BARS_MAX]:
            del self.bars[key]
        return new, raised

    def right(self, target: str, class_: str) -> Bar | None:
        """This lowers a bar by one: the alarm was right. Returns what is left of it, if anything."""
        bar = self.bars.get((target, class_))
        if bar is None:
            return None
        bar.level -= 1
        if bar.level == 0:
            del self.bars[(target, class_)]
            return None
        return bar

    def undo(self, target: str) -> list[Bar]:
        """This takes away all bars of a target, and returns them."""
        gone = [bar for bar in self.bars.values() if bar.target == target]
        for bar in gone:
            del self.bars[(bar.target, bar.class_)]
        return gone

    def holds(self, target: str, class_: str, score: float, at_ms: int) -> bool:
        """This returns whether a bar keeps back an alarm that reaches `score` times its ordinary limit, and notes it."""
        bar = self.bars.get((target, class_))
        return bar is not None and score < bar.score and self._held(bar, at_ms)

    def waits(self, target: str, class_: str, rows: int, unit_rows: int, at_ms: int) -> bool:
        """This returns whether a sensor's own signature, seen for `rows` rows in a row, has yet to last. `unit_rows` a level."""
        bar = self.bars.get((target, class_))
        return bar is not None and rows <= bar.level * unit_rows and self._held(bar, at_ms, begun=rows == 1)

    def level(self, target: str, class_: str) -> int:
        """This returns how often an alarm was called false and not taken back; 0 to LEVEL_MAX."""
        bar = self.bars.get((target, class_))
        return 0 if bar is None else bar.level

    def debounce(self, target: str, class_: str, ordinary: Debounce) -> Debounce:
        """This returns how fast a class qualifies here: what lasts always does, only later."""
        level = self.level(target, class_)
        if level == 0 or class_ not in BY_COUNT:
            return ordinary
        return msgspec.structs.replace(ordinary, inc=ceil(ordinary.inc / (1 + level)))

    def _held(self, bar: Bar, at_ms: int, begun: bool = True) -> bool:
        # One alarm is one, however many rows it lasts: what was held less than a minute ago is still the same.
        if begun and (bar.held_ms is None or at_ms - bar.held_ms > 60_000):
            bar.held += 1
        bar.held_ms = at_ms
        return True

"""These are the running state of one signal, one part and one redundancy group: what the node touches at every reading."""

from collections import deque

from sickbay.core.anomaly import PartView
from sickbay.core.checks import SignalChecks
from sickbay.core.disagreement import Disagreement
from sickbay.core.equipment import Part, Signal
from sickbay.core.estimate import Relations
from sickbay.core.fault import Entry
from sickbay.core.reading import Quality
from sickbay.core.source import Source
from sickbay.core.trend import FINEST_MS, Trend

RING = 64  # readings kept of each signal for the freeze frame


class Channel:
    """One signal while it runs."""

    __slots__ = (
        "active",
        "at_ms",
        "checks",
        "estimate",
        "failing",
        "masked",
        "missed",
        "quality",
        "ring",
        "rows",
        "silent",
        "source",
        "spec",
        "substitute",
        "trend",
        "twins",
        "value",
    )

    def __init__(self, spec: Signal, learn_rows: int, source: Source) -> None:
        self.spec = spec
        self.source = source
        self.checks = SignalChecks(spec, learn_rows)
        self.value: float | None = None
        self.at_ms: int | None = None
        self.quality = Quality.SILENT
        self.failing = 0  # bits of SENSOR_CHECKS that failed at the last reading
        self.active: list[tuple[int, Entry]] = []  # (bit, entry) still on the move: the others need no step
        self.silent = False
        self.masked = False
        self.missed = False  # a row was closed without it since it last spoke
        self.substitute: str | None = None
        self.estimate: tuple[float, float] | None = None  # value and standard error, where no other signal can stand in
        self.trend: Trend | None = None
        self.rows: list[tuple[PartRow, int]] = []  # where its readings go
        self.twins: Twins | None = None  # those that measure the same thing
        self.ring: deque[tuple[int, float | None]] = deque(maxlen=RING)
        if spec.limit_low is not None or spec.limit_high is not None:
            self.follow()

    def follow(self) -> None:
        """This has its slow change followed."""
        if self.trend is None:
            self.trend = Trend(max(FINEST_MS, 4 * self.spec.every_ms))


class PartRow:
    """One part while it runs: the row that is filling up, and the view that judges it."""

    __slots__ = (
        "abrupt",
        "alarm_ms",
        "alarm_rows",
        "astray_ms",
        "at_ms",
        "aways",
        "beside",
        "common",
        "ebbs",
        "elsewhere_ms",
        "far_rows",
        "full",
        "handled",
        "handled_ms",
        "latest",
        "members",
        "moved_ms",
        "opened_ms",
        "part",
        "paused",
        "period_ms",
        "point",
        "relations",
        "row",
        "seen",
        "sensor_failing",
        "sensor_waits",
        "settled",
        "shifted",
        "swayed",
        "trial_ms",
        "view",
        "well_rows",
    )

    def __init__(self, part: Part, members: list[Channel], view: PartView) -> None:
        self.part = part
        self.relations = Relations(len(members), view.learn_rows)
        self.members = members
        self.view = view
        self.row: list[float | None] = [None] * len(members)
        self.latest: list[float | None] = []  # the row before
        self.seen = 0
        self.full = (1 << len(members)) - 1
        self.opened_ms = 0
        self.at_ms = 0
        self.period_ms = min((c.spec.every_ms for c in members), default=1000)
        self.paused = False  # de-energised: what its signals say now means nothing
        self.alarm_rows = 0  # rows since the alarm rose; 0: none
        self.alarm_ms = 0
        self.trial_ms: int | None = None  # until when a part that was switched on again need not look well
        self.well_rows = 0  # rows without an alarm since then
        self.far_rows = 0  # in the present alarm, lately, for which it was far beyond its limit
        self.common = False  # it rose slowly, together with other parts
        self.abrupt = False  # the present alarm rose within a few rows
        self.settled = False  # the present alarm has its diagnosis
        # Of each member since the alarm rose: farthest, nearest since, rows since that.
        self.aways: list[list[float]] = []
        self.ebbs = False  # the present alarm is only what is left of a fault that is over
        # When the unit was last found elsewhere by its other parts, during an alarm of this one.
        self.elsewhere_ms: int | None = None
        # In the present alarm: when it stood at another working point first, how far out that is, and when it came back.
        self.point: list[float] = []
        self.beside = 0  # rows in a row that one more is odd beside those that left their normal alone
        self.handled = False  # in the present alarm people have moved something, such as a door
        self.handled_ms: int | None = None  # when the last such alarm ended
        self.moved_ms: int | None = None  # since when what people move is odd
        # When, since they moved it, signals of other parts were last where they never were.
        self.astray_ms: int | None = None
        self.swayed = False  # the present alarm rose while a person had another part out of service
        self.shifted: dict[int, None] = {}  # members that left their normal alone
        self.sensor_failing: dict[tuple[int, str], None] = {}
        self.sensor_waits: dict[tuple[int, str], int] = {}  # rows in a row for which the view has found it


class Twins:
    """One redundancy group while it runs. It is stepped whenever each member that still speaks has spoken anew."""

    __slots__ = ("fresh", "judge", "members", "undecided")

    def __init__(self, members: list[Channel], learn_rows: int) -> None:
        self.members = members
        self.judge = Disagreement(len(members), learn_rows, max(c.spec.lsb for c in members))
        self.fresh = 0
        self.undecided = 0

"""This is the view of one part: its rows in; one calibrated score, an alarm that holds, and who is to blame out."""

from collections.abc import Sequence

from sickbay.core import baseline, excitation, lone
from sickbay.core.baseline import Learnt
from sickbay.core.chart import FADE, LEAP, NOISY, SPIKED, SPIKY, STUCK, Chart
from sickbay.core.creep import Creeping
from sickbay.core.equipment import Signal
from sickbay.core.excitation import Follower
from sickbay.core.gait import EVERY, Gait
from sickbay.core.lone import Lone
from sickbay.core.persistence import OFF, Persistence
from sickbay.core.residual import ResidualView
from sickbay.core.settling import Settling
from sickbay.core.sighting import Sighting
from sickbay.core.slow import SLOW_S, SlowView, reach

MONTH_S = 30.0 * 86400.0
CHANCE_MOST = 1e-3  # of a false alarm a row, however slow the cadence
LEARN_ROWS_LEAST, LEARN_ROWS_MOST = 40, 100_000
FIT_ROWS = 30  # first rows that are held against a prior
FIT_SHARE = 0.25  # of the signals that may lie off the prior: a sensor can be dead at the start, an operating point is new in most
SHOCK = 1.6  # score when two signals or more spike in one row: it hit the part, not a cable
SHOCK_FADE = 0.98
LEAPT_LATELY = LEAP * FADE**EVERY  # of a leap's score: within the last look of the gaits
THROWN = 4.0  # times the usual mean squared step: a wild step or two among the last ten
SHAKEN = 0.3  # of a shock: until it has faded so far, spikes are nobody's own
NOISY_ROWS = 10  # rows of excess noise, in one signal alone, that make it the sensor's
QUESTION_MOST = 50.0  # deviations: a model need not see wilder rows


class PartView(Sighting):
    """One part's judgement. `step` once per row; the attributes then say what was found.

    `learning`, `rows_left`: whether normal is still being learnt. `score`: 1.0 is the alarm's threshold. `alarm`: the verdict,
    with persistence and hysteresis; `confirmed`: it has lasted for some rows. `sensor_faults`: (index, "stuck" | "spikes" |
    "noise"), marks that only a sensor makes.
    """

    def __init__(
        self,
        signals: Sequence[Signal],
        learn_rows: int = 400,
        false_alarms_per_month: float = 0.1,
        prior: Learnt | None = None,
        alone: bool = False,
    ) -> None:
        self.names = [s.name for s in signals]
        self.learn_rows = min(max(LEARN_ROWS_LEAST, learn_rows), LEARN_ROWS_MOST)
        every_s = max(0.001, min((s.every_ms for s in signals), default=1000) / 1000.0)
        self.every_s = every_s
        self.chance = min(CHANCE_MOST, max(false_alarms_per_month, 1e-6) * every_s / MONTH_S)
        self.prior = prior if prior is not None and [s.name for s in prior.signals] == self.names else None
        self.learning = True
        self.rows_left = self.learn_rows if self.prior is None else FIT_ROWS
        self.settled_anew = False  # a prior was there and did not fit
        self.score = 0.0
        self.alarm = False
        self.since_ms: int | None = None
        self.strictness: list[float] | None = None  # by signal, where an order has it judged stricter
        self.sensor_faults: list[tuple[int, str]] = []
        self._fitting = self.prior is not None
        self._rows: list[list[float | None]] = []
        self._learnt: Learnt | None = None
        self._charts: list[Chart] = []
        self._blame = [0.0] * len(self.names)
        self._masked = [False] * len(self.names)
        self._told = False  # who is to blame for what is odd now
        self._share = 1.0
        self._persistence = Persistence()
        self._shock = 0.0
        self._hints: list[float] | None = None  # by signal: how far its relation to other signals is broken
        self._afield: list[float] | None = None  # by signal: how far beyond all that it was, where the unit is not
        self._floors: list[float] | None = None  # the greater of both
        self._still: list[int] = []  # signals that stand longer than ever, where the rest of the unit goes on
        self._noisy_rows = 0
        self._rough: list[int] = []  # signals whose latest steps are large more often than ever
        self._settling: Settling | None = None  # of the present alarm
        self._followers: list[Follower] = []
        self._gaits: list[Gait] = []
        self.alone = alone  # no other parts say where the unit is
        self._creeping: Creeping | None = None
        self._lones: list[Lone] = []
        self._lonely: list[int] = []  # signals that throw lone spikes
        self._paces = 0  # rows since the gaits were last looked at
        self.slow: SlowView | None = None  # of a part whose rows are a minute or more apart
        self._residual = ResidualView(len(self.names), self.learn_rows, self.chance)

    def step(self, row: Sequence[float | None], at_ms: int) -> None:
        """This judges one row of the part."""
        if self.learning:
            self._learn(row)
            return
        if self.slow is not None:
            self.slow.step(row, self._masked)
        first = second = third = 0.0
        blame, masked, floors = self._blame, self._masked, self._floors
        marked = 0
        for j, chart in enumerate(self._charts):
            s = chart.step(row[j])
            if floors is not None and floors[j] > s:
                s = floors[j]
            blame[j] = s
            if chart.mark:
                marked += 1
            if s > third and not masked[j]:
                if s > first:
                    first, second, third = s, first, second
                elif s > second:
                    second, third = s, second
                else:
                    third = s
        residual = self._residual.score
        if self.strictness is not None:
            first, second, third = self._stricter(self.strictness)
            residual *= min(self.strictness)
        score = (first + 0.5 * second + 0.25 * third) * self._share
        if first > score:
            score = first
        still = self._standing(row) if self._followers else []
        if self._still:
            still = [*still, *(j for j in self._still if j not in still)]
        lonely = self._lonely = lone.step(self._lones, row) if self._lones else []
        if marked or still or lonely or self._rough or self.sensor_faults:
            self._marks(still)
        shock = self._shock
        if shock:
            if shock > score:
                score = shock
            self._shock = shock * SHOCK_FADE if shock > 0.1 else 0.0
        if residual > score:
            score = residual
        self.score = score
        self._paces += 1
        if self._paces >= EVERY:
            self._paces = 0
            self._walk()
        alarm = self._persistence.step(score)
        creeping = self._creeping
        if creeping is not None and creeping.told is not None:
            alarm = True
            self._blame = [max(a, b) for a, b in zip(blame, creeping.told, strict=True)]
            self.score = max(score, *creeping.told)
        if alarm is not self.alarm:
            self.alarm, self.since_ms = alarm, at_ms if alarm else None
        if alarm and self.slow is None:  # where rows are minutes apart, so many of them are hours
            self._follow()
        elif self._settling is not None:
            self._settling = None

    def _follow(self) -> None:
        """This ends an alarm whose fault is over, and lets the part settle where it has come to rest."""
        if self._settling is None:
            self._settling = Settling()
        back = self._settling.step(self._charts, self._blame, self._masked)
        # A relation that is broken, a signal that is where it never was, or what a model cannot explain, says that it is not over.
        if not back or self._floors is not None or self._residual.score >= OFF:
            return
        for chart, masked in zip(self._charts, self._masked, strict=True):
            if not masked:
                chart.settle_aside()
        self._shock = 0.0
        self._persistence.clear()
        self.alarm, self.since_ms, self._settling = False, None, None

    def hint(self, index: int, ratio: float) -> None:
        """This says how far a signal's relation to others is beyond its limit (1.0; 0.0: it holds): that is evidence too."""
        hints = self._hints or [0.0] * len(self.names)
        hints[index] = ratio
        self._hints = hints if any(hints) else None
        self._raise_floors()

    def goes_afield(self, index: int, ratio: float) -> None:
        """This says how far a signal is beyond all that it was in learning, in limits; 0.0: it is not, or nobody can know."""
        afield = self._afield or [0.0] * len(self.names)
        afield[index] = ratio
        self._afield = afield if any(afield) else None
        self._raise_floors()

    def stands(self, index: int, stands: bool) -> None:
        """This says whether a signal stands longer than ever, while the rest of the unit goes on as it always did."""
        self._still = [*(j for j in self._still if j != index), *([index] if stands else [])]

    def afield(self, index: int) -> bool:
        """This returns whether a signal is beyond all that it was in learning, in a unit that is where it was."""
        return self._afield is not None and self._afield[index] > 0.0

    def _raise_floors(self) -> None:
        hints, afield = self._hints, self._afield
        self._floors = [max(a, b) for a, b in zip(hints, afield, strict=True)] if hints and afield else hints or afield

    def hinted(self, index: int) -> bool:
        """This returns whether a signal's relation to others is broken."""
        return self._hints is not None and self._hints[index] > 0.0

    def any_hinted(self) -> bool:
        """This returns whether any signal's relation to others is broken."""
        return self._hints is not None

    def tighten(self, factors: Sequence[float]) -> None:
        """This has each signal judged so many times stricter; 1.0 is as ever, and nothing makes it less strict than that."""
        self.strictness = [max(1.0, f) for f in factors] if any(f > 1.0 for f in factors) else None

    def _stricter(self, strictness: list[float]) -> tuple[float, float, float]:
        """This raises each signal's own evidence by its factor, and returns the three greatest that count."""
        self._blame = [b * f for b, f in zip(self._blame, strictness, strict=True)]
        counted = sorted((b for b, masked in zip(self._blame, self._masked, strict=True) if not masked), reverse=True)
        first, second, third = (*counted, 0.0, 0.0, 0.0)[:3]
        return first, second, third

    @property
    def confirmed(self) -> bool:
        """Whether the alarm has lasted for long enough that it may be asked whose fault it is."""
        return self._persistence.confirmed or (self._creeping is not None and self._creeping.told is not None)

    def may_be_stuck(self, index: int) -> bool:
        """This returns whether a signal has begun to stand still while what it follows moves: a few rows tell."""
        return excitation.awaited(self._followers, index)

    def has_company(self) -> None:
        """This says that there are other parts now: who creeps is theirs to see."""
        self.alone, self._creeping = False, None

    def lonely(self, index: int) -> bool:
        """This returns whether a signal throws spikes beside which it goes on as it was: its machine does not do that."""
        return index in self._lonely

    def roams(self, index: int) -> bool:
        """This returns whether a signal goes up and down as it never did, since it left its normal: the machine does, no sensor."""
        return bool(self._gaits) and self._gaits[index].roams

    def loses_gait(self) -> None:
        """This forgets how the signals went on since they left their normal: the unit is elsewhere, where nothing is known."""
        for gait in self._gaits:
            gait.forget()

    def _walk(self) -> None:
        """This lets the gaits of all signals have their look, every tenth row."""
        learnt = self._learnt
        if learnt is None or self.slow is not None:
            return
        self._rough = [j for j, chart in enumerate(self._charts) if chart.is_rough()]
        for gait, chart, signal in zip(self._gaits, self._charts, learnt.signals, strict=True):
            if signal.swings:
                wild = chart.spiked > 0 or chart.noise > THROWN * signal.usual[-1]
                leapt = chart.leap > LEAPT_LATELY
                gait.step(
                    chart.middle, None if leapt else chart.z, chart.noise, wild or leapt, self.alarm, signal.swings
                )
        if self._creeping is not None:
            self._creeping.step(self._charts, learnt.signals, self._masked, EVERY, learnt.rows)

    def question(self) -> tuple[float, ...]:
        """This returns the last row standardised, for the part's model; 0.0 where a reading is missing."""
        if not self._charts:
            return (0.0,) * len(self.names)
        row = tuple(
            0.0 if masked else max(-QUESTION_MOST, min(QUESTION_MOST, chart.z))
            for chart, masked in zip(self._charts, self._masked, strict=True)
        )
        self._residual.asked = row
        return row

    def residuals(self, estimates: Sequence[float] | None) -> None:
        """This folds in what the model expected of the row last asked about. None: it has no view this time."""
        if not self.learning:
            self._residual.answer(estimates, quiet=not self._persistence.over)

    def learnt(self) -> Learnt | None:
        """This returns what normal is for this unit, or None while it is still being learnt."""
        return self._learnt

    @property
    def rows_heard(self) -> int:
        """How many rows of the present learning were heard."""
        return len(self._rows)

    def mask(self, index: int, masked: bool) -> None:
        """This takes a signal out of the part's score, or back in. Its own blame and marks go on being judged, in the shadow."""
        self._masked[index] = masked
        self._keep()

    def keep(self, told: bool) -> None:
        """This says whether somebody was told who is to blame for what is odd: it must not wear off then."""
        if told is not self._told:
            self._told = told
            self._keep()

    def _keep(self) -> None:
        for chart, masked in zip(self._charts, self._masked, strict=False):
            chart.told = self._told or masked

    def any_masked(self) -> bool:
        """This returns whether any signal is out of the score now."""
        return True in self._masked

    def settle(self) -> None:
        """This takes up the levels anew that were held while another part's fault swayed this one."""
        for chart in self._charts:
            chart.settle()

    def rest(self) -> None:
        """This ends an alarm and starts the charts from their levels: the part was off, and is on again."""
        self.keep(False)
        self._persistence.clear()
        self.score, self.alarm, self.since_ms, self._shock = 0.0, False, None, 0.0
        self.sensor_faults = []
        self._followers = [f.afresh() for f in self._followers]
        self._gaits = [Gait() for _ in self._charts]
        if self._creeping is not None:
            self._creeping.rest()
        self._lones = [Lone(each.signal, each.least) for each in self._lones]
        self._lonely, self._rough = [], []
        self._blame = [0.0] * len(self.names)
        self._residual.rest()
        if self.slow is not None:
            self.slow.rest()
        for chart in self._charts:
            chart.rest()

    def learn_now(self) -> tuple[Learnt | None, list[tuple[float, ...]]]:
        """This returns what the rows heard so far teach, and those rows standardised; None where they are too few."""
        if not self.learning or len(self._rows) < LEARN_ROWS_LEAST:
            return None, []
        learnt = baseline.learn(self.names, self._rows, self.chance, None, self._reach())
        return learnt, baseline.standardised(learnt, self._rows)

    def forget(self) -> None:
        """This starts learning anew: a person says that this is a new normal. A change alone never does."""
        self.learning, self._fitting, self.rows_left = True, False, self.learn_rows
        self._persistence.clear()
        self.score, self.alarm, self.since_ms, self._shock = 0.0, False, None, 0.0
        self.sensor_faults = []
        self._told = False
        self._rows, self._learnt, self._charts, self._followers, self._gaits = [], None, [], [], []
        self._creeping = None
        self._lones, self._lonely, self._rough = [], [], []
        self.slow = None
        self._blame = [0.0] * len(self.names)
        self._residual = ResidualView(len(self.names), self.learn_rows, self.chance)

    def _learn(self, row: Sequence[float | None]) -> None:
        self._rows.append([v if v is not None and -1e18 < v < 1e18 else None for v in row])
        self.rows_left -= 1
        if self.rows_left > 0:
            return
        if self._fitting and self.prior is not None:
            self._fitting = False
            off = baseline.misfits(self.prior, self._rows)
            if len(off) <= FIT_SHARE * len(self.names):
                self._go(self.prior, baseline.started(self.prior, self._rows, off))
                return
            self.settled_anew = True
            self.rows_left = max(1, self.learn_rows - len(self._rows))
            return
        self._go(*baseline.settled(self.names, self._rows, self.chance, self.prior, self._reach()))

    def _reach(self) -> float:
        return reach(self.every_s, len(self._rows), self.chance)

    def _go(self, learnt: Learnt, charts: list[Chart]) -> None:
        self.slow = SlowView(self._rows, self.chance) if self.every_s >= SLOW_S else None
        self._learnt, self._charts, self._rows = learnt, charts, []
        self._share = 1.0 / (1.2 * learnt.joint)
        self._followers = [f.afresh() for f in learnt.followers]
        self._gaits = [Gait() for _ in charts]
        self._creeping = Creeping(len(charts)) if self.alone and self.slow is None else None
        self._lones = [Lone(j, s.lone) for j, s in enumerate(learnt.signals) if s.lone is not None]
        self.learning, self.rows_left = False, 0
        self._keep()

    def _standing(self, row: Sequence[float | None]) -> list[int]:
        """Which signals stand still though what they follow has moved: a peer that is odd alone is no witness."""
        found = excitation.step(self._followers, row)
        if not found:
            return found
        blame = self._blame
        peers = {f.signal: f.peer for f in self._followers}
        odd = [j for j, b in enumerate(blame) if b >= 1.0]
        return [j for j in found if peers[j] not in odd or any(k not in (j, peers[j]) for k in odd)]

    def _marks(self, still: list[int]) -> None:
        """Which signals carry a sensor's own mark: a flicker that stopped, spikes, noise that no other shares."""
        charts = self._charts
        marks = [chart.mark for chart in charts]
        shaken = self._shock > SHAKEN  # what the whole part was hit by throws each of its signals for a while
        faults = [] if shaken else [(j, "spikes") for j, mark in enumerate(marks) if mark & SPIKY or j in self._lonely]
        stuck = [j for j, mark in enumerate(marks) if mark & STUCK or j in still]
        # Half of the part standing still at once is a machine switched off, or a line that repeats itself: not a sensor.
        if stuck and (len(stuck) == 1 or 2 * len(stuck) < len(charts)):
            faults += [(j, "stuck") for j in stuck]
        noisy = [j for j, mark in enumerate(marks) if mark & NOISY or j in self._rough]
        self._noisy_rows = self._noisy_rows + 1 if len(noisy) == 1 else 0
        if self._noisy_rows >= NOISY_ROWS and all(b < 0.5 for j, b in enumerate(self._blame) if j != noisy[0]):
            faults.append((noisy[0], "noise"))
        self.sensor_faults = faults
        if self.slow is None and sum(1 for mark in marks if mark & SPIKED) >= 2:
            self._shock = SHOCK

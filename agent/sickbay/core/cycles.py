"""This follows a unit's cycles (cycle.py) and says what no longer goes as it did: what stands, does not follow, or has stepped."""

import math
from collections.abc import Sequence

import msgspec

from sickbay.core import contact, cycle
from sickbay.core.contact import Contact
from sickbay.core.cycle import BOUNDLESS, OWN, RARE, Dwell, Mode, Row, Sign, Switch
from sickbay.core.levels import Levels

LONGER = 1.5  # times the longest dwell that was ever seen ...
FEW = 3.0  # ... and as many more as this over how many dwells were seen
DRIVEN = 0.9  # of the dwells in which a signal must have gone one way: the switch drives it
DRIVEN_LEAST = 5  # dwells that must be known for that
BEYOND = 0.1  # of all that a signal did in learning: so far beyond it the machine is not served
JOINT = 2.0  # times the longest that two modes went together ...
SELDOM = 0.5  # of a stay: two modes that go together for less are seldom together
JOINT_SHARE = 0.25  # ... and so much of the other's usual dwell
CYCLES_LEAST = 10  # dwells before levels and swings are judged
TWICE = 2  # dwells in a row
MISSED = 0.5  # of the way to the least that a dwell ever reached: not half is not reached
OVERDUE = 2.0  # times the longest that a stay may last: by then it has been told, or never will be
PAST = 2.0 / 3.0  # of what a mode drives elsewhere
MEMORY_ROWS = 40  # of the slowest mean of a chart: a thaw shows in it as long as it took, and so many rows more
GAP_ROWS = 10  # of silence after which a dwell's length is no longer known


class Cycles:
    """All switches of one unit. `step` once a row of the whole unit; `signs` then returns those that stand."""

    __slots__ = (
        "calm", "contacts", "every_ms", "handled", "heard_ms", "held", "high", "interlude", "kin", "known", "last_ms",
        "learn_rows", "levels", "low", "master", "missed", "off_ms", "parts", "rows", "signals", "switches", "times", "twins",
    )  # fmt: skip

    def __init__(self, parts: Sequence[Sequence[int]], twins: Sequence[Sequence[int]], learn_rows: int) -> None:
        """`parts` are their signals by number, `twins`, of each signal, those that measure the same thing."""
        self.parts = [list(each) for each in parts]
        self.twins = [list(each) for each in twins]
        self.signals = n = len(twins)
        self.kin = [sorted({i for part in parts if j in part for i in part}) for j in range(n)]
        self.learn_rows = max(cycle.ROWS_LEAST, learn_rows)
        self.known = False
        self.rows: list[list[float | None]] = []  # while it learns
        self.times: list[int] = []
        self.every_ms = 1000
        self.switches: list[Switch] = []
        self.master = -1  # the switch whose cycles are judged
        self.low: list[float] = []  # of each signal in learning
        self.high: list[float] = []
        self.handled = [False] * n  # signals that people move: what goes with them is their doing
        self.contacts: list[Contact] = []  # of those, what others answer
        self.calm = 0  # rows since any switch changed
        self.held: dict[str, Sign] = {}
        self.last_ms = self.heard_ms = 0
        self.missed: dict[str, int] = {}  # dwells in a row
        self.interlude = (0, 0)  # the last: from when until when
        self.off_ms = 0  # of the first switch: the off-time before this on-time; 0 where that was no whole one
        self.levels = Levels(parts, twins)

    def step(self, row: Row, at_ms: int, masked: Sequence[bool], blind: Sequence[bool]) -> None:
        """This takes one row. `masked` are out of service, and no switches; from the `blind` nothing is concluded."""
        if not self.known:
            self._hear(row, at_ms)
            return
        gap_ms, self.heard_ms = at_ms - self.heard_ms, at_ms
        if self.switches:
            self._follow(row, at_ms, masked, blind, learns=False)
        if self.contacts:
            self._watch(row if gap_ms <= GAP_ROWS * self.every_ms else [None] * self.signals, masked, blind)

    def _watch(self, row: Row, masked: Sequence[bool], blind: Sequence[bool]) -> None:
        """This looks at the contacts that people move. A witness that is ill is none, and a switch that is not seen may change."""
        changed = any(s.dwell is None or s.dwell.since_ms == self.last_ms or masked[s.signal] for s in self.switches)
        self.calm = 0 if changed else self.calm + 1
        for each in self.contacts:
            key = f"unmoved {each.signal}"
            each.step([None] * self.signals if any(blind[w] for w in each.witnesses) else row, self.calm)
            if not each.hangs:
                self.held.pop(key, None)
            elif key not in self.held:
                one, other = each.witnesses
                self.held[key] = Sign("unmoved", each.signal, one, other=other, value=each.at_rest, usual=each.answers)

    def signs(self) -> dict[str, Sign]:
        """This returns what does not go as it did, by a name of its own for each."""
        return {**self.held, **self.levels.held} if self.held or self.levels.held else {}

    def forget(self, key: str) -> None:
        """This lets go of a sign that a person has spoken about."""
        self.held.pop(key, None)
        self.levels.held.pop(key, None)
        for each in self.contacts:
            if key == f"unmoved {each.signal}":
                each.answers = 0

    def _hear(self, row: Row, at_ms: int) -> None:
        self.rows.append(list(row))
        self.times.append(at_ms)
        if len(self.rows) < self.learn_rows:
            return
        self.known = True
        rows, times = self.rows, self.times
        self.rows, self.times = [], []
        self.every_ms = max(1, (times[-1] - times[0]) // (len(times) - 1))
        n = self.signals
        self.low = [min((v for r in rows if (v := r[j]) is not None), default=BOUNDLESS) for j in range(n)]
        self.high = [max((v for r in rows if (v := r[j]) is not None), default=-BOUNDLESS) for j in range(n)]
        self.switches = cycle.find(rows, times)
        self.handled = [cycle.is_handled(rows, j) for j in range(n)]
        calm = cycle.calm(self.switches, rows)
        learnt = (contact.learn(rows, j, calm) for j in range(n) if self.handled[j])
        self.contacts = [each for each in learnt if each is not None]
        self.levels.widths = [high - low for low, high in zip(self.low, self.high, strict=True)]
        self.levels.thaws = any(switch.rare for switch in self.switches)
        self.last_ms, self.heard_ms = times[0], times[-1]
        well = [False] * n
        for each, at in zip(rows, times, strict=True) if self.switches else ():
            self._follow(each, at, well, well, learns=True)
        first = self.switches[0].signal if self.switches else -1
        self.levels.wear.learnt(first, self.levels.widths, [cycle.hardly_moves(rows, j) for j in range(n)])
        if self.switches and min(self.switches[0].off.dwells, self.switches[0].on.dwells) >= CYCLES_LEAST:
            self.master = 0

    def _follow(self, row: Row, at_ms: int, masked: Sequence[bool], blind: Sequence[bool], learns: bool) -> None:
        passed_ms, self.last_ms = at_ms - self.last_ms, at_ms
        gap_ms = GAP_ROWS * self.every_ms
        for k, switch in enumerate(self.switches):
            value = row[switch.signal]
            if value is None or masked[switch.signal]:
                continue
            if at_ms - switch.heard_ms > gap_ms:
                switch.state, switch.dwell = None, None
                self._drop(k)
            switch.heard_ms = at_ms
            state = switch.reads(value, switch.state)
            if state is not switch.state:
                whole = switch.state is not None
                if switch.dwell is not None and switch.state is not None and whole:
                    self._over(k, switch, switch.state, switch.dwell, at_ms, blind, learns)
                self._drop(k)
                switch.state = state
                switch.dwell = cycle.begun(self.signals, len(self.switches), at_ms, whole)
        for k, switch in enumerate(self.switches):
            dwell = switch.dwell
            if dwell is None or switch.state is None:
                continue
            if k == 0 or switch.mode(switch.state).share < RARE:
                dwell.hear(row)
            for n, other in enumerate(self.switches):
                if other.state is not None:
                    dwell.joint_ms[2 * n + other.state] += passed_ms
        if not learns:
            for k, switch in enumerate(self.switches):
                if switch.dwell is not None and switch.state is not None and switch.heard_ms == at_ms:
                    self._lasts(k, switch, switch.state, switch.dwell, row, at_ms, blind)

    def _drop(self, k: int) -> None:
        """This ends what was held against a switch for the mode that it stood in."""
        for key in (f"stands {k}", f"together {k}"):
            self.held.pop(key, None)

    def _lasts(
        self, k: int, switch: Switch, state: bool, dwell: Dwell, row: Row, at_ms: int, blind: Sequence[bool]
    ) -> None:
        """This looks at a dwell that goes on for longer than ever."""
        mode, lasted_ms = switch.mode(state), at_ms - dwell.since_ms
        if lasted_ms <= LONGER * mode.longest_ms or f"stands {k}" in self.held or f"together {k}" in self.held:
            return
        sign = Sign("", switch.signal, k, state, dwell_ms=lasted_ms, longest_ms=mode.longest_ms)
        if lasted_ms > self._most_ms(mode) and not self._interlude(k):
            served = self._unserved(switch, state, row, blind)
            if served >= 0:
                self._hold(
                    f"stands {k}", sign, "stands", served, row[served], state == (self._drives(switch, served) > 0)
                )
                return
        if mode.share >= RARE or not dwell.whole:
            return
        for n, other in enumerate(self.switches):
            for on in (False, True):
                joint_ms, usual_ms = mode.joint_ms[2 * n + on], other.mode(on).median_ms
                seldom = n != k and joint_ms < SELDOM * mode.longest_ms and other.mode(on).share >= RARE
                if seldom and dwell.joint_ms[2 * n + on] > JOINT * joint_ms + JOINT_SHARE * usual_ms:
                    for j, value in enumerate(row):
                        far = value is not None and not blind[j] and not self.low_edge(j) <= value <= self.high_edge(j)
                        if far and value is not None:
                            self._hold(f"together {k}", sign, "together", j, value, value > self.high[j])
                            return

    def _most_ms(self, mode: Mode) -> float:
        """This returns how long a dwell may last: the fewer were seen, the less is known of the longest."""
        return (LONGER + FEW / max(1, mode.dwells)) * mode.longest_ms

    def _hold(self, key: str, sign: Sign, kind: str, other: int, value: float | None, above: bool) -> None:
        usual = self.high[other] if above else self.low[other]
        self.held[key] = msgspec.structs.replace(sign, kind=kind, other=other, value=value or 0.0, usual=usual)

    def high_edge(self, j: int) -> float:
        """This returns how high a signal may be before it counts as beyond all that was learnt."""
        return self.high[j] + BEYOND * (self.high[j] - self.low[j])

    def low_edge(self, j: int) -> float:
        """This returns the same downwards."""
        return self.low[j] - BEYOND * (self.high[j] - self.low[j])

    def _interlude(self, k: int) -> bool:
        """This returns whether another switch is in a mode that is rare: a thaw has rules of its own."""
        rest = (s for n, s in enumerate(self.switches) if n != k and s.state is not None)
        return any(s.mode(s.state is True).share < RARE for s in rest)

    def _drives(self, switch: Switch, j: int) -> int:
        """This returns +1 where a signal goes up while a switch is on and down while it is off, -1 for the reverse, else 0."""
        on, off = switch.on, switch.off
        if min(on.dwells, off.dwells) < DRIVEN_LEAST or j == switch.signal:
            return 0
        rises, falls = on.up[j] / on.dwells, off.up[j] / off.dwells
        if rises >= DRIVEN and falls <= 1.0 - DRIVEN:
            return 1
        return -1 if falls >= DRIVEN and rises <= 1.0 - DRIVEN else 0

    def _unserved(self, switch: Switch, state: bool, row: Row, blind: Sequence[bool]) -> int:
        """This returns a signal that a mode has driven beyond all that was, where most that it drives has gone past all its ends.

        A compressor that runs for hours since its room is warm does its work, and dries the air meanwhile; one that runs on though
        its room is colder than it ever left it does not.
        """
        mode, past, driven, far = switch.mode(state), 0, 0, -1
        for j, value in enumerate(row):
            way = self._drives(switch, j) * (1 if state else -1)
            if not way or value is None or blind[j] or j in self.kin[switch.signal]:
                continue
            driven += 1
            past += mode.is_past(j, way, value)
            if far < 0 and not self.low_edge(j) <= value <= self.high_edge(j) and way * value > way * mode.end[j]:
                far = j
        return far if driven and past >= PAST * driven else -1

    def outlasts(self, j: int, value: float, at_ms: int) -> bool:
        """This returns whether a stay that still goes on has driven a signal past all its ends: how long it lasts will say why."""
        for switch in self.switches:
            dwell = switch.dwell
            if dwell is None or switch.state is None or j in self.kin[switch.signal]:
                continue
            mode, way = switch.mode(switch.state), self._drives(switch, j) * (1 if switch.state else -1)
            lasted_ms = at_ms - dwell.since_ms
            past = mode.is_past(j, way, value) or (lasted_ms > mode.longest_ms and way * value > way * mode.end[j])
            if way and past and lasted_ms <= OVERDUE * self._most_ms(mode):
                return True
        return False

    def undecided(self, at_ms: int) -> bool:
        """This returns whether an interlude goes on: how it ends says more than any sensor that seems odd in it.

        A fan that stands as for a thaw is no tachometer's error, nor what a thaw that goes on does to the air a hygrometer's.
        """
        for switch in self.switches:
            if switch.dwell is None or switch.state is None:
                continue
            mode, lasted_ms = switch.mode(switch.state), at_ms - switch.dwell.since_ms
            if mode.share < RARE and lasted_ms <= OVERDUE * self._most_ms(mode):
                return True
        return False

    def _over(
        self, k: int, switch: Switch, state: bool, dwell: Dwell, at_ms: int, blind: Sequence[bool], learns: bool
    ) -> None:
        """This takes in a dwell that is over."""
        mode, lasted_ms = switch.mode(state), at_ms - dwell.since_ms
        off_ms = self.off_ms
        if k == 0:
            self.off_ms = 0
        if not dwell.whole or not mode.is_full(lasted_ms):
            return
        if learns:
            cycle.take_in(mode, dwell, not self._disturbed(dwell))
        else:
            if mode.share < RARE:
                self._misses(k, switch, state, dwell, lasted_ms, blind)
            if k == 0 and lasted_ms > LONGER * mode.longest_ms:
                self.levels.wear.strain()
            if k == self.master and not self._disturbed(dwell):
                self.levels.over(switch, state, dwell, blind)
        if mode.share < RARE:
            self.interlude = (dwell.since_ms, at_ms)
            self.levels.interlude(learns)
        if k == 0 and not self._disturbed(dwell):
            cycle.remember(mode, dwell)
            if not state:
                self.off_ms = lasted_ms
            elif learns or self.master == 0:
                work = math.log(lasted_ms / off_ms) if off_ms else None
                self.levels.wears(switch, dwell, blind, learns, quiet=not self.held, work=work)

    def _disturbed(self, dwell: Dwell) -> bool:
        """This returns whether an interlude of another switch fell into a dwell."""
        return any(
            s.mode(on).share < RARE and dwell.joint_ms[2 * n + on]
            for n, s in enumerate(self.switches)
            for on in (False, True)
        )

    def awaits_step(self, j: int, waited_ms: int) -> bool:
        """This returns whether a signal has stepped in one stay, and the next must say whether that lasts: a cycle at most."""
        if self.master < 0 or not any(j in each for each in self.levels.stepping):
            return False
        master = self.switches[self.master]
        return waited_ms <= master.off.longest_ms + master.on.longest_ms

    def in_interlude(self, at_ms: int) -> bool:
        """This returns whether a time lies in a thaw or the like, one that goes on or the last, or in what follows it."""
        for switch in self.switches:
            dwell = switch.dwell
            if dwell is not None and switch.state is not None and dwell.since_ms <= at_ms:
                mode = switch.mode(switch.state)
                if mode.share < RARE and at_ms - dwell.since_ms <= self._most_ms(mode):
                    return True
        began_ms, ended_ms = self.interlude
        return began_ms <= at_ms <= 2 * ended_ms - began_ms + MEMORY_ROWS * self.every_ms and ended_ms > 0

    def _misses(self, k: int, switch: Switch, state: bool, dwell: Dwell, lasted_ms: int, blind: Sequence[bool]) -> None:
        """This looks for what each dwell brought about, and this one did not: a thaw that leaves the coil cold."""
        mode, other = switch.mode(state), switch.mode(not state)
        odd = lasted_ms > LONGER * mode.longest_ms
        modal = [s.signal for s in self.switches]
        for j in self.kin[switch.signal]:
            if j in modal:
                continue
            for way in (1, -1):
                key = f"missed {k} {j} {way}"
                least = mode.least_high[j] if way > 0 else mode.most_low[j]
                usual = other.end[j]
                # What the other mode reaches as well is nothing that this one brings about.
                if not abs(least) < BOUNDLESS or way * (least - usual) <= OWN * (self.high[j] - self.low[j]):
                    continue
                reached = dwell.high[j] if way > 0 else dwell.low[j]
                if blind[j] or abs(reached) >= BOUNDLESS:
                    continue
                if way * (reached - usual) >= MISSED * way * (least - usual):
                    self.missed.pop(key, None)
                    self.held.pop(key, None)
                    continue
                self.missed[key] = self.missed.get(key, 0) + 1
                if (odd or self.missed[key] >= TWICE) and dwell.swing(j) > 0.0:
                    self.held[key] = Sign(
                        "missed", j, k, state, switch.signal, reached, least, lasted_ms, mode.longest_ms
                    )

"""This is a machine with its sensors and its ailments, on a clock of its own: what a rig, a bench or a swarm runs."""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sickbay_sim.ailments import (
    Ailment,
    AilmentError,
    Distortion,
    as_fault,
    check,
    check_load,
    in_force,
    kinds_of,
    noises,
    severity_at,
)
from sickbay_sim.ailments.kinds import WORLD_DEMANDS, demand_for
from sickbay_sim.plant import PLANTS
from sickbay_sim.plant.cooling_loop import NOMINAL, CoolingLoop, Parameters
from sickbay_sim.plant.plant import Plant
from sickbay_sim.plant.sensors import COOLING_LOOP, Sensors
from sickbay_sim.record import Illness
from sickbay_sim.scenario import Fault, Load

TRUTH_MAX = 10_000  # changes kept in memory; the file holds them all
RELAYS = tuple(CoolingLoop.relays)


@dataclass
class _Course:
    """One fault under way. `severity` is the last that took hold."""

    fault: Fault
    layer: str
    acts: str
    severity: float = 0.0
    begun: bool = False
    over: bool = False


class Patient:
    """A machine that can fall ill and be healed while it runs. Times are its own seconds, from `start_s` on."""

    def __init__(
        self,
        seed: int = 0,
        faults: Iterable[Fault | Ailment] = (),
        parameters: Parameters | None = None,
        noisy: bool = True,
        truth: Path | None = None,
        *,
        plant: str = "cooling-loop",
        loads: Iterable[Load] = (),
        profile: str = "clean",
        signals: Iterable[str] | None = None,
        start_s: float = 0.0,
    ) -> None:
        """`plant` is one of PLANTS, `profile` one of sensors.PROFILES; `signals` are those that have a sensor, None: all.

        A story's clock begins at its warm-up: `start_s=-scenario.warm_s`. `parameters` are for a cooling loop alone.
        `truth` is a file for what really happened, JSON lines, which no agent may see. Raises AilmentError for a fault
        or load that cannot be.
        """
        if plant not in PLANTS:
            raise AilmentError(f"plant {plant!r}: there is none of that name. Known: {', '.join(PLANTS)}")
        self.at_s = start_s
        self.plant: Plant = PLANTS[plant](seed) if parameters is None else CoolingLoop(seed, parameters)
        chosen = self.plant.signals if signals is None else {name: self.plant.signals[name] for name in signals}
        self._true = self.plant.true_values()
        self.sensors = Sensors(seed, chosen, self._true, noisy, profile)
        self.truth: deque[dict[str, object]] = deque(maxlen=TRUTH_MAX)
        self.coils = dict.fromkeys(self.plant.relays, True)
        self._distortion = Distortion(seed, self.plant, self.sensors.chains, noises(self.plant, profile, self._true))
        self._kinds = kinds_of(self.plant)
        self._courses: list[_Course] = []
        self._past: list[_Course] = []
        self._loads: list[tuple[Load, float | None]] = []  # with the value from which it moves, once it has begun
        self._asked = {name: demand.usual for name, demand in self.plant.demands.items()}
        self._told = dict(self._asked)  # what the plant was last told, the surroundings' faults included
        self._truth_file = truth
        for fault in faults:
            self.fall_ill(fault)
        for load in sorted(loads, key=lambda load: load.at_s):
            self._loads.append((check_load(load, self.plant), None))
        self._settle()

    def fall_ill(self, fault: Fault | Ailment) -> None:
        """This adds a fault that begins at its onset; raises AilmentError for one that cannot be."""
        known = as_fault(fault, self.plant) if isinstance(fault, Ailment) else check(fault, self.plant)
        kind = self._kinds[known.kind]
        self._courses.append(_Course(known, kind.layer, kind.acts))

    def ail(self, kind: str, target: str, severity: float | None = None) -> None:
        """This begins an ailment now; `severity` is in the kind's own terms, as an Ailment's."""
        self.fall_ill(Ailment(kind, target, self.at_s, None, severity))
        self._settle()

    def heal(self, kind: str | None = None, target: str | None = None) -> None:
        """This ends what is in force now, and takes back what was to come: of a kind, of a target, or all of it."""
        kept = []
        for course in self._courses:
            if kind not in (None, course.fault.kind) or target not in (None, course.fault.target):
                kept.append(course)
            elif course.begun:
                self._end(course)
        self._courses = kept
        self._settle()

    def switch(self, relay: str, on: bool) -> bool:
        """This puts a relay's coil on or off and returns what its contacts do: welded ones stay as they are."""
        if relay not in self.coils:
            known = ", ".join(self.coils) or "none"
            raise AilmentError(f"relay {relay!r}: there is none of that name. Known: {known}")
        if self.coils[relay] != on:
            self.coils[relay] = on
            self.note("coil", relay, on=on)
            self.plant.switch(relay, on)
        return self.contacts(relay)

    def contacts(self, relay: str) -> bool:
        return self.plant.contacts(relay)

    def advance(self, dt_s: float) -> dict[str, float | None]:
        """This moves on by `dt_s` and returns what the sensors say then; None for a reading that is missing."""
        self.plant.step(dt_s)
        self.at_s = round(self.at_s + dt_s, 9)
        if self._courses or self._loads:
            self._settle()
        self._true = self.plant.true_values()
        said = self.sensors.read(self._true, dt_s)
        acting = [(c.fault, c.severity) for c in self._courses if c.severity > 0 and c.acts == "reading"]
        row = self._distortion.apply(said, acting, dt_s)
        return dict.fromkeys(row, None) if self.sensors.missing() else row

    def true_values(self) -> dict[str, float]:
        """This returns what perfect sensors would have said when the others were last read."""
        return self._true

    def ailing(self) -> list[Fault]:
        """This returns the faults in force now, be their severity 0 at the moment."""
        return [c.fault for c in self._courses if c.begun]

    def in_force(self, *acts: str) -> list[tuple[Fault, float]]:
        """This returns the faults of severity above 0 and how bad they are now; `acts` ("bytes", "device") chooses some.

        What acts on bytes and on the device is told here and in the truth, but done by whoever runs the machine.
        """
        return [(c.fault, c.severity) for c in self._courses if c.severity > 0 and (not acts or c.acts in acts)]

    def illnesses(self) -> list[Illness]:
        """This returns what was and is truly wrong, by onset; what is still to come is not in it."""
        begun = [c for c in (*self._past, *self._courses) if c.begun]
        found = [
            Illness(
                c.fault.kind,
                c.layer,
                c.fault.target,
                c.fault.at_s,
                c.fault.until_s if c.over else None,
                self._blamed(c),
                min(1.0, c.fault.severity),
            )
            for c in begun
        ]
        return sorted(found, key=lambda illness: illness.onset_s)

    def note(self, what: str, name: str, **detail: object) -> None:
        """This writes one change into the truth."""
        line: dict[str, object] = {"at_s": self.at_s, "what": what, "name": name, **detail}
        self.truth.append(line)
        if self._truth_file is not None:
            with self._truth_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def _blamed(self, course: _Course) -> tuple[str, ...]:
        """This returns the names that may rightly be blamed, in the words of the plant's parts and signals."""
        kind, target = course.fault.kind, course.fault.target
        if kind == "swap":
            return tuple(target.split("<>"))
        if course.layer != "part":
            return (target,)
        blamed = self.plant.part_ailments[kind].blamed or (target,)
        if target in self.plant.relays:
            # A relay's fault is its own, or that of the part which it switches.
            blamed = (target, *(name for name, part in self.plant.parts.items() if part.output == target))
        return blamed

    def _settle(self) -> None:
        """This lets what begins, changes or ends now take hold."""
        at_s, over, moved = self.at_s, False, False
        for course in self._courses:
            now = in_force(course.fault, at_s)
            if now and not course.begun:
                course.begun = True
                self.note("onset", course.fault.target, kind=course.fault.kind, severity=course.fault.severity)
            elif course.begun and not now:
                self._end(course)
                over = True
                continue
            if course.begun:
                severity = severity_at(course.fault, at_s)
                if severity != course.severity:
                    course.severity = severity
                    if course.acts == "physics":
                        moved = True
                        self._weigh(course)
        if over:
            self._courses = [c for c in self._courses if not c.over]
        if moved or over or self._loads:
            self._ask()

    def _end(self, course: _Course) -> None:
        """This ends a course that had begun, at its own time or now."""
        fault = course.fault
        if fault.until_s is None or fault.until_s > self.at_s:
            course.fault = Fault(
                fault.kind,
                fault.target,
                fault.at_s,
                self.at_s,
                fault.severity,
                fault.shape,
                fault.over_s,
                fault.duty,
            )
        course.severity, course.over = 0.0, True
        self._past.append(course)
        self.note("end", fault.target, kind=fault.kind)
        self._weigh(course)

    def _weigh(self, course: _Course) -> None:
        """This tells the plant how bad a part's ailment is; of two of a kind the worse one counts."""
        if course.layer == "part":
            kind, target = course.fault.kind, course.fault.target
            same = [c.severity for c in self._courses if (c.fault.kind, c.fault.target) == (kind, target)]
            self.plant.suffer(kind, target, max(0.0, course.severity, *same))

    def _ask(self) -> None:
        """This tells the plant what is asked of it: the loads of the story, and what the surroundings do on top."""
        self._loads = [self._moved(load, start) for load, start in self._loads]
        self._loads = [
            (load, start) for load, start in self._loads if self.at_s < load.at_s + load.over_s or start is None
        ]
        asked = dict(self._asked)
        for course in self._courses:
            if course.severity > 0 and course.fault.kind in WORLD_DEMANDS:
                name = demand_for(course.fault.kind, self.plant)
                assert name is not None, "check() refuses what the plant has no demand for"
                demand = self.plant.demands[name]
                worst = demand.high if WORLD_DEMANDS[course.fault.kind][1] == "high" else demand.low
                share = course.severity if self._kinds[course.fault.kind].graded else 1.0
                asked[name] += share * (worst - asked[name])
        for name, value in asked.items():
            if value != self._told[name]:
                self.plant.demand(name, value)
        self._told = asked

    def _moved(self, load: Load, start: float | None) -> tuple[Load, float | None]:
        """This moves one demand on its way from what it was to what the load asks for."""
        if self.at_s < load.at_s:
            return load, None
        start = self._asked[load.what] if start is None else start
        share = 1.0 if load.over_s <= 0 else min(1.0, (self.at_s - load.at_s) / load.over_s)
        self._asked[load.what] = start + share * (load.to - start)
        return load, start


def rows(
    seed: int,
    seconds: float,
    period_s: float,
    ailments: Iterable[Fault | Ailment] = (),
    parameters: Parameters | None = None,
) -> Iterator[dict[str, float | None]]:
    """This yields a cooling loop's readings every `period_s` of plant time, as fast as they can be reckoned.

    The first row is one period after the start; `seconds / period_s` rows in all. Keys are those of COOLING_LOOP.
    """
    if not (0 < period_s < 3600 and 0 <= seconds < 1e9):
        raise ValueError(f"rows: period_s {period_s:g} and seconds {seconds:g} make no sense. Try 1.0 and 600")
    patient = Patient(seed, ailments, parameters, signals=COOLING_LOOP)
    for _ in range(round(seconds / period_s)):
        yield patient.advance(period_s)


__all__ = ["COOLING_LOOP", "NOMINAL", "RELAYS", "Patient", "rows"]

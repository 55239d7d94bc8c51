"""This is a machine with its sensors and its ailments, on a clock of its own: what a rig or a bench runs."""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from sickbay_sim import ailments as ills
from sickbay_sim.ailments import Ailment
from sickbay_sim.plant.cooling_loop import NOMINAL, CoolingLoop, Parameters, drawn
from sickbay_sim.plant.sensors import COOLING_LOOP, Sensors, true_values

TRUTH_MAX = 10_000  # changes kept in memory; the file holds them all
RELAYS = ("fan_relay", "pump_relay")


class Patient:
    """A cooling loop that can fall ill and be healed while it runs. All times are plant seconds since it began."""

    def __init__(
        self,
        seed: int = 0,
        ailments: Iterable[Ailment] = (),
        parameters: Parameters | None = None,
        noisy: bool = True,
        truth: Path | None = None,
    ) -> None:
        """`truth` is a file for what really happened, JSON lines, which no agent may see."""
        self.at_s = 0.0
        self.loop = CoolingLoop(seed, drawn(seed) if parameters is None else parameters)
        self.sensors = Sensors(seed, COOLING_LOOP, true_values(self.loop), noisy)
        self.truth: deque[dict[str, object]] = deque(maxlen=TRUTH_MAX)
        self.coils = dict.fromkeys(RELAYS, True)
        self._distortion = ills.Distortion(seed, {name: chain.noise for name, chain in COOLING_LOOP.items()})
        self._ailments: list[Ailment] = []
        self._in_force: list[Ailment] = []
        self._truth_file = truth
        for ailment in ailments:
            self.fall_ill(ailment)

    def fall_ill(self, ailment: Ailment) -> None:
        """This adds an ailment that begins at its onset; raises AilmentError for an unknown one."""
        self._ailments.append(ills.check(ailment, tuple(COOLING_LOOP)))

    def ail(self, kind: str, target: str, severity: float | None = None) -> None:
        """This begins an ailment now."""
        self.fall_ill(Ailment(kind, target, self.at_s, None, severity))
        self._settle()

    def heal(self, kind: str | None = None, target: str | None = None) -> None:
        """This ends ailments now: those of a kind, of a target, or all of them."""
        self._ailments = [a for a in self._ailments if kind not in (None, a.kind) or target not in (None, a.target)]
        self._settle()

    def switch(self, relay: str, on: bool) -> bool:
        """This puts a relay's coil on or off and returns what its contacts do: welded ones stay as they are."""
        if relay not in self.coils:
            raise ills.AilmentError(f"relay {relay!r}: there is none of that name. Known: {', '.join(RELAYS)}")
        if self.coils[relay] != on:
            self.coils[relay] = on
            self.note("coil", relay, on=on)
        self._settle()
        return self.contacts(relay)

    def contacts(self, relay: str) -> bool:
        condition = self.loop.condition
        return condition.fan_on if relay == "fan_relay" else condition.pump_on

    def advance(self, dt_s: float) -> dict[str, float | None]:
        """This moves on by `dt_s` and returns what the sensors say then; None for a reading that is missing."""
        self._settle()
        self.loop.step(dt_s)
        self.at_s = round(self.at_s + dt_s, 9)
        self._settle()
        said = self.sensors.read(true_values(self.loop), dt_s)
        return self._distortion.apply(said, self._in_force, self.at_s)

    def ailing(self) -> list[Ailment]:
        """This returns the ailments in force now."""
        return list(self._in_force)

    def note(self, what: str, name: str, **detail: object) -> None:
        """This writes one change into the truth."""
        line: dict[str, object] = {"at_s": self.at_s, "what": what, "name": name, **detail}
        self.truth.append(line)
        if self._truth_file is not None:
            with self._truth_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def _settle(self) -> None:
        """This lets what begins or ends now take hold."""
        now = ills.active(self._ailments, self.at_s)
        for ailment in now:
            if ailment not in self._in_force:
                self.note("onset", ailment.target, kind=ailment.kind, severity=ailment.severity)
        for ailment in self._in_force:
            if ailment not in now:
                self.note("end", ailment.target, kind=ailment.kind)
        self._in_force = now
        condition = self.loop.condition
        ills.weigh_on(condition, now)
        welded = {a.target for a in now if a.kind == "welded"}
        if "fan_relay" not in welded:
            condition.fan_on = self.coils["fan_relay"]
        if "pump_relay" not in welded:
            condition.pump_on = self.coils["pump_relay"]


def rows(
    seed: int,
    seconds: float,
    period_s: float,
    ailments: Iterable[Ailment] = (),
    parameters: Parameters | None = None,
) -> Iterator[dict[str, float | None]]:
    """This yields the sensors' readings every `period_s` of plant time, as fast as they can be reckoned.

    The first row is one period after the start; `seconds / period_s` rows in all. Keys are those of COOLING_LOOP.
    """
    if not (0 < period_s < 3600 and 0 <= seconds < 1e9):
        raise ValueError(f"rows: period_s {period_s:g} and seconds {seconds:g} make no sense. Try 1.0 and 600")
    patient = Patient(seed, ailments, parameters)
    for _ in range(round(seconds / period_s)):
        yield patient.advance(period_s)


__all__ = ["COOLING_LOOP", "NOMINAL", "RELAYS", "Patient", "rows"]

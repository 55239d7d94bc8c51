"""This is what the signals want of a car, and when each is to be asked for next."""

from collections.abc import Mapping
from dataclasses import dataclass

from sickbay import pids
from sickbay.edge.sources.obd.answers import Answer, Kind, volts

BEHIND = 20  # values in a row that came a whole period late: more is asked than the adapter can answer


@dataclass
class Wanted:
    """One signal of the car."""

    field: str
    signal: str
    pid: pids.Pid | None  # None: the adapter's own measurement of the voltage
    every_s: float
    due_s: float | None = None
    ecu: str = ""  # the computer that answers it: of several the engine's, which has the lowest address
    absent: bool = False

    @property
    def command(self) -> str:
        return self.pid.command if self.pid else "ATRV"

    def value(self, answer: Answer) -> float | None:
        """This returns the value that an answer holds; None where it holds none, or only another computer's."""
        if self.pid is None:
            return volts(answer.text) if answer.kind is Kind.TEXT else None
        ecus = answer.ecus
        payload = ecus.get(self.ecu) if self.ecu else ecus[min(ecus)] if ecus else None
        return self.pid.value(payload) if payload is not None else None


class Plan:
    """The turns of all signals. One that is late keeps its cadence; turns that were missed are not made up for."""

    def __init__(self, wanted: list[Wanted]) -> None:
        self.wanted = wanted
        self._late = 0

    def meet(self, computers: Mapping[str, set[int]]) -> list[Wanted]:
        """This shares the signals out among the computers that were found, and returns those that none says it has."""
        for each in self.wanted:
            able = sorted(ecu for ecu, has in computers.items() if each.pid and each.pid.number in has)
            each.ecu, each.absent = able[0] if able else "", bool(each.pid) and not able
        return [each for each in self.wanted if each.absent]

    def present(self) -> list[Wanted]:
        return [each for each in self.wanted if not each.absent]

    def next(self, now_s: float) -> Wanted:
        """This returns whose turn it is, of those that are there; `due_s` may still be in the future."""
        for each in self.wanted:
            each.due_s = now_s if each.due_s is None else each.due_s
        return min(self.present(), key=lambda each: each.due_s or 0.0)

    def took_turn(self, wanted: Wanted, now_s: float) -> bool:
        """This plans a signal's next turn; True once when for a while now all come later than they should."""
        assert wanted.due_s is not None
        wanted.due_s += wanted.every_s
        if wanted.due_s > now_s:
            self._late = 0
            return False
        wanted.due_s = now_s
        self._late += 1
        return self._late == BEHIND

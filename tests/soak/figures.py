"""This is what a soak run measured, how sure it is, and how to see it again."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec


class Figure(msgspec.Struct):
    """One line of docs/reliability.md. `trials` and `failures` where something can fail, else `measured` in words."""

    what: str
    command: str  # what measures it again, seed and all
    aim: str = ""
    trials: int = 0
    failures: int = 0
    measured: str = ""
    replay: str = ""  # of the first failure
    detail: dict[str, Any] = {}

    @property
    def good(self) -> bool:
        return not self.failures

    def says(self) -> str:
        """This returns what was measured in words."""
        return self.measured or f"{self.failures} in {self.trials:,}"

    def bound(self) -> str:
        """This returns the 95 % upper bound of the rate of failures; with none, the rule of three."""
        if not self.trials:
            return ""
        return f"< {upper(self.failures, self.trials):.2g}" + (" (3/n)" if not self.failures else "")


def report(figures: Sequence[Figure]) -> int:
    """This prints what a module measured, each failure with the line that replays it; returns the exit code."""
    for figure in figures:
        bound = f"; 95 % bound {figure.bound()}" if figure.trials else ""
        print(f"{figure.what}: {figure.says()}{bound} (aim {figure.aim or 'none'}){'' if figure.good else '  NO'}")
        if not figure.good:
            print(figure.replay)
    return 0 if all(figure.good for figure in figures) else 1


def upper(failures: int, trials: int) -> float:
    """This returns the rate below which the true one lies with 95 %: exact for Poisson, 3/n where nothing failed."""
    if not failures:
        return min(1.0, 3 / trials)
    low, high = float(failures), failures + 10 + 5 * math.sqrt(failures)
    for _ in range(60):
        mean = (low + high) / 2
        below = sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(failures + 1))
        low, high = (mean, high) if below > 0.05 else (low, mean)
    return min(1.0, high / trials)

"""This brings a sweep's outcomes together: the cards beside each other, and each scenario's expectations."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sickbay_sim.score import baselines
from sickbay_sim.score.card import Card, card
from sickbay_sim.score.figures import FIGURES, NONE, Figure
from sickbay_sim.score.sweep import Outcome


@dataclass(frozen=True)
class Standing:
    """How one scenario fared over its seeds."""

    name: str
    runs: int
    held: int  # runs in which all was as asked
    checks: int
    checks_held: int
    broken: dict[str, int]  # check: in how many runs
    example: str  # what the first broken one says
    replays: list[str]  # the line that shows it, for each broken run


@dataclass(frozen=True)
class Summary:
    """The cards of a sweep, and what was asked of it."""

    own: Card
    beside: dict[str, Card]
    standings: list[Standing]

    @property
    def held(self) -> bool:
        return all(s.held == s.runs for s in self.standings)

    def as_json(self) -> dict[str, Any]:
        """This returns everything as plain tables, for programs."""
        return {
            "held": self.held,
            "card": self.own.as_json(),
            "baselines": {name: of.as_json() for name, of in self.beside.items()},
            "scenarios": [asdict(standing) for standing in self.standings],
        }


def summary(outcomes: Sequence[Outcome]) -> Summary:
    """This returns what many runs say together."""
    compared = [o for o in outcomes if o.beside]
    return Summary(
        own=card([o.played for o in outcomes]),
        beside={name: card([o.beside[name] for o in compared]) for name in baselines.NAMES},
        standings=standings(outcomes),
    )


def standings(outcomes: Sequence[Outcome]) -> list[Standing]:
    """This returns how each scenario fared, in the order in which they were run."""
    out = []
    for name in dict.fromkeys(o.task.scenario.name for o in outcomes):
        mine = [o for o in outcomes if o.task.scenario.name == name]
        failed = [o for o in mine if o.broken]
        out.append(
            Standing(
                name=name,
                runs=len(mine),
                held=len(mine) - len(failed),
                checks=sum(len(o.checks) for o in mine),
                checks_held=sum(len(o.checks) - len(o.broken) for o in mine),
                broken=dict(Counter(check.name for o in failed for check in o.broken)),
                example=failed[0].broken[0].says if failed else "",
                replays=[o.task.replay for o in failed],
            )
        )
    return out


def rows(own: Card, beside: Mapping[str, Card]) -> Iterator[tuple[Figure, list[str]]]:
    """This yields each figure with what it is for sickbay and for each baseline."""
    for figure in FIGURES:
        yield figure, [figure.of(own), *(figure.of(c) if figure.beside else NONE for c in beside.values())]

"""This is the score card: pure figures over many runs. What each means is said beside it, and in docs/scorecard.md."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sickbay_sim.score import blame
from sickbay_sim.score.confusion import Matrix, by_layer, by_name
from sickbay_sim.score.detection import Detection, detection
from sickbay_sim.score.intervals import MONTH_S
from sickbay_sim.score.isolation import Isolation, isolation
from sickbay_sim.score.machine import LATENT, Played
from sickbay_sim.score.messages import Messages, messages


@dataclass(frozen=True)
class Extent:
    """What was watched. Months are of 30 days; the warm-up is not part of them."""

    runs: int
    scenarios: int
    illnesses: int
    latent: int  # of them
    everyday: int  # what befell a healthy machine, see machine.EVERYDAY
    months: float
    healthy_months: float  # of them: nothing was wrong, so that a word could be false
    cut_short: int  # runs that ended in trouble


@dataclass(frozen=True)
class Card:
    """All figures of one way to judge, over the same runs."""

    extent: Extent
    detection: Detection
    isolation: Isolation
    messages: Messages
    layers: Matrix
    plants: tuple[Matrix, ...]

    def as_json(self) -> dict[str, Any]:
        """This returns the card as plain tables, for programs."""
        return asdict(self)


def card(runs_played: Sequence[Played]) -> Card:
    """This returns the card of some runs, of one plant or of several."""
    courses = [blame.courses(t) for t in runs_played]
    words = [blame.words(t.run) for t in runs_played]
    stays = [blame.stays(t.run) for t in runs_played]
    all_courses = [c for each in courses for c in each]
    plants = []
    for name in sorted({t.machine.plant for t in runs_played}):
        of = [i for i, t in enumerate(runs_played) if t.machine.plant == name]
        plants.append(by_name(runs_played[of[0]].machine, [c for i in of for c in courses[i]], [words[i] for i in of]))
    return Card(
        extent=Extent(
            runs=len(runs_played),
            scenarios=len({t.run.scenario.name for t in runs_played}),
            illnesses=len(all_courses),
            latent=sum(c.class_ == LATENT for c in all_courses),
            everyday=sum(len(t.run.truth) for t in runs_played) - len(all_courses),
            months=sum(t.run.end_s for t in runs_played) / MONTH_S,
            healthy_months=sum(blame.healthy_s(t.run) for t in runs_played) / MONTH_S,
            cut_short=sum(bool(t.run.trouble) for t in runs_played),
        ),
        detection=detection(runs_played, all_courses, words),
        isolation=isolation(runs_played, all_courses, stays),
        messages=messages(runs_played, all_courses),
        layers=by_layer(all_courses, words),
        plants=tuple(plants),
    )

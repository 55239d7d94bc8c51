"""This counts what was found: recall and delay, whom was blamed, and what was told out of nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from sickbay_sim.record import Run
from sickbay_sim.score.blame import Course, Meaning, Word, healthy_s, names, openings
from sickbay_sim.score.confusion import LAYERS
from sickbay_sim.score.intervals import Rate, Share, Times, rate, share, times
from sickbay_sim.score.machine import CLASSES, LATENT, Played, fault_of

LIFE_LEFT = 0.2  # of the life from onset to limit: the least that leaves somebody the time to act


@dataclass(frozen=True)
class Recall:
    """Of the illnesses of one group: how many were told of at all, how many rightly, and after how long."""

    noticed: Share
    named: Share
    to_noticed: Times
    to_named: Times


@dataclass(frozen=True)
class Blame:
    """Of the illnesses that something definite was told of: whom the first word blamed."""

    right: Share
    wrong_layer: Share  # of sensor and part illnesses: a sensor blamed for a part, or the reverse
    corrected: Share  # of those first blamed wrongly: rightly named later
    dont_know: int  # illnesses of which nothing definite was ever told, but something


@dataclass(frozen=True)
class FalseAlarms:
    """What was told while nothing was wrong. The warm-up is counted apart: neither its words nor its time are in the rate."""

    opened: Rate
    distinct: int  # of one plant, profile and seed, at one moment: stories with the same seed begin with the same healthy hours
    warm_up: int
    wrong_blame: int  # opened while something else was wrong: an alarm with a cause
    dont_know: int  # opened without a layer while something was wrong


@dataclass(frozen=True)
class Wear:
    """Warnings before a limit: the first declared one that is truly crossed, else full severity, where that comes slowly.

    A lead is in shares of the life from onset to limit; below 0: too late.
    """

    reached: Share  # how many cross a limit that is declared for a signal, of all that are asked for a warning
    told: Share  # anything told before the limit
    warned: Share  # named with LIFE_LEFT or more left, be it with doubt whether it is the part or its sensor
    foretold: Share  # told of with a time left, and as early; of those that cross a declared limit
    named: Share  # rightly named before it
    lead_p50: float | None  # at the first right word
    lead_least: float | None


@dataclass(frozen=True)
class Detection:
    """What was found, by class and by layer. What is latent stands under its class alone."""

    recall: Recall
    by_class: dict[str, Recall]
    by_layer: dict[str, Recall]
    by_kind: dict[str, Recall]
    hard_to_quarantine: Times  # sensors and parts, passive quarantine included
    blame: Blame
    false_alarms: FalseAlarms
    wear: Wear


def detection(runs_played: Sequence[Played], courses: Sequence[Course], words: Sequence[Sequence[Word]]) -> Detection:
    """This returns what was found in many runs; `words` are those of each played in turn."""
    hard = [c for c in courses if c.class_ == "hard" and c.illness.layer in ("sensor", "part")]
    evident = [c for c in courses if c.class_ != LATENT]
    kinds = sorted({c.illness.kind for c in evident})
    return Detection(
        recall=_recall(evident),
        by_class={name: _recall([c for c in courses if c.class_ == name]) for name in (*CLASSES, LATENT)},
        by_layer={name: _recall([c for c in evident if c.illness.layer == name]) for name in LAYERS},
        by_kind={name: _recall([c for c in evident if c.illness.kind == name]) for name in kinds},
        hard_to_quarantine=times(c.isolated_s for c in hard if c.isolated_s is not None),
        blame=_blame(courses),
        false_alarms=_false_alarms(runs_played, words),
        wear=_wear([c for c in courses if c.class_ == "wear"]),
    )


def _recall(courses: Sequence[Course]) -> Recall:
    noticed = [c.noticed_s for c in courses if c.noticed_s is not None]
    named = [c.named_s for c in courses if c.named_s is not None]
    return Recall(share(len(noticed), len(courses)), share(len(named), len(courses)), times(noticed), times(named))


def _blame(courses: Sequence[Course]) -> Blame:
    firsts = [(c, c.first) for c in courses]
    definite = [(c, w) for c, w in firsts if w is not None and w.meaning is not Meaning.UNKNOWN]
    wrong = [c for c, w in definite if w.meaning is Meaning.WRONG]
    either = [(c, w) for c, w in definite if c.illness.layer in ("sensor", "part")]
    swapped = [
        c for c, w in either if w.meaning is Meaning.WRONG and {c.illness.layer, w.told.layer} == {"sensor", "part"}
    ]
    return Blame(
        right=share(len(definite) - len(wrong), len(definite)),
        wrong_layer=share(len(swapped), len(either)),
        corrected=share(sum(c.named_s is not None for c in wrong), len(wrong)),
        dont_know=sum(w is not None and w.meaning is Meaning.UNKNOWN for _, w in firsts),
    )


def _false_alarms(runs_played: Sequence[Played], words: Sequence[Sequence[Word]]) -> FalseAlarms:
    opened = [(t.run, w) for t, said in zip(runs_played, words, strict=True) for w in openings(said)]
    false = [(run, w.told) for run, w in opened if w.meaning is Meaning.FALSE]
    later = [(run, told) for run, told in false if told.at_s >= 0]
    return FalseAlarms(
        opened=rate(len(later), sum(healthy_s(t.run) for t in runs_played)),
        distinct=len({(_unit(run), round(told.at_s, 1), told.target) for run, told in later}),
        warm_up=len(false) - len(later),
        wrong_blame=sum(w.meaning is Meaning.WRONG for _, w in opened),
        dont_know=sum(w.meaning is Meaning.UNKNOWN for _, w in opened),
    )


def _unit(run: Run) -> tuple[object, ...]:
    scenario = run.scenario
    return scenario.plant, scenario.profile, scenario.period_s, scenario.warm_s, run.seed


def _wear(courses: Sequence[Course]) -> Wear:
    lives = [(c, life_s(c)) for c in courses]
    asked = [(c, life) for c, life in lives if life is not None and life > 0]
    reached = [(c, life) for c, life in asked if c.played.run.limits_s]
    leads = sorted((life - c.named_s) / life for c, life in asked if c.named_s is not None)
    return Wear(
        reached=share(len(reached), len(asked)),
        warned=share(sum(_is_early(_warned_s(c), life) for c, life in asked), len(asked)),
        foretold=share(sum(_is_early(_foretold_s(c), life) for c, life in reached), len(reached)),
        told=share(sum(c.noticed_s is not None and c.noticed_s < life for c, life in asked), len(asked)),
        named=share(sum(lead > 0 for lead in leads), len(asked)),
        lead_p50=leads[(len(leads) - 1) // 2] if leads else None,
        lead_least=leads[0] if leads else None,
    )


def life_s(course: Course) -> float | None:
    """This returns the time from onset to the limit: the first declared one that is truly crossed, else full severity.

    None where it does not come slowly, or was beyond a limit from the first.
    """
    run, onset_s = course.played.run, course.illness.onset_s
    fault = fault_of(run.scenario, course.illness)
    if fault is None or fault.over_s <= 0 or fault.shape not in ("linear", "exponential", "staircase"):
        return None
    return min(list(run.limits_s.values()) or [fault.at_s + fault.over_s]) - onset_s


def _is_early(after_s: float | None, life: float) -> bool:
    return after_s is not None and after_s <= (1 - LIFE_LEFT) * life


def _warned_s(course: Course) -> float | None:
    """This returns when what is to blame was first named, though it may have been with doubt. Seconds since onset."""
    illness = course.illness
    right = (
        w.told.at_s
        for w in course.words
        if w.meaning is Meaning.RIGHT or (w.meaning is Meaning.UNKNOWN and names(illness, w.told.target, ""))
    )
    first = next(right, None)
    return None if first is None else first - illness.onset_s


def _foretold_s(course: Course) -> float | None:
    """This returns when a time left was first told of what is to blame. Seconds since onset."""
    illness = course.illness
    told = (t.at_s for t in course.played.run.told if t.outlook and names(illness, t.target, t.layer))
    first = next((at_s for at_s in told if at_s >= illness.onset_s), None)
    return None if first is None else first - illness.onset_s

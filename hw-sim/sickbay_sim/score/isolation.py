"""This counts what was taken out of service: rightly or not, for how long, how often, and what stood in for it."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sickbay_sim.record import Run, StandIn
from sickbay_sim.score.blame import Course, Meaning, Stay, healthy_s
from sickbay_sim.score.intervals import DAY_S, Rate, Share, Times, rate, share, times
from sickbay_sim.score.machine import CLASSES, LATENT, Machine, Played


@dataclass(frozen=True)
class StandIns:
    """How far substitutes were from the truth, in the signal's own normal spreads."""

    n: int
    bias: float | None
    rms: float | None
    worst: float | None


@dataclass(frozen=True)
class Isolation:
    """What quarantine did. A stay counts whether it was active or passive ("would have been"), unless a figure says active."""

    stays: int
    active: int
    precision: Share  # stays of what was truly ill
    recall: Share  # sensor and part illnesses that were isolated, or would have been
    recall_by_class: dict[str, Share]
    false: Rate  # stays begun while nothing was wrong, after the warm-up
    warm_up: int  # stays begun in the warm-up, where nothing is wrong either
    wrong: int  # stays begun while something else was wrong
    essential_isolated: int  # active stays of essential parts: must be 0
    essential_driven: int  # orders off, or contacts opened without a fault of their own, of essential parts: must be 0
    collateral_signal_s_day: float | None  # healthy signals actively masked, seconds a device-day
    collateral_part_s_day: float | None  # healthy parts actively taken out of service
    to_release: Times  # from an illness's end to the release, active stays
    not_released: int  # active stays of healed things that lasted to the end of the run
    by_hand: int  # the same of parts with an output: they wait for a person, and no run has one
    cycles_most: int  # stays of one target during one illness, beyond the first
    flapped: Share  # isolated illnesses with more than one stay
    stand_ins: StandIns
    stand_ins_by_signal: dict[str, StandIns]


def isolation(runs_played: Sequence[Played], courses: Sequence[Course], stays: Sequence[Sequence[Stay]]) -> Isolation:
    """This returns what quarantine did in many runs; `stays` are those of each played in turn."""
    held = [s for each in stays for s in each]
    asked = [c for c in courses if c.illness.layer in ("sensor", "part") and c.class_ != LATENT]
    days = sum(t.run.end_s for t in runs_played) / DAY_S
    signal_s = sum(_collateral_s(t, each, t.machine.signals) for t, each in zip(runs_played, stays, strict=True))
    part_s = sum(_collateral_s(t, each, tuple(t.machine.parts)) for t, each in zip(runs_played, stays, strict=True))
    released, kept, by_hand = _releases(courses)
    cycles = [_cycles(c) for c in courses if c.stays]
    false = [s for s in held if s.meaning is Meaning.FALSE]
    stand_ins = [s for t in runs_played for s in t.run.stand_ins]
    return Isolation(
        stays=len(held),
        active=sum(s.active for s in held),
        precision=share(sum(s.meaning is Meaning.RIGHT for s in held), len(held)),
        recall=_recall(asked),
        recall_by_class={name: _recall([c for c in asked if c.class_ == name]) for name in CLASSES},
        false=rate(sum(s.from_s >= 0 for s in false), sum(healthy_s(t.run) for t in runs_played)),
        warm_up=sum(s.from_s < 0 for s in false),
        wrong=sum(s.meaning is Meaning.WRONG for s in held),
        essential_isolated=sum(
            s.active and s.name in t.machine.essential for t, each in zip(runs_played, stays, strict=True) for s in each
        ),
        essential_driven=sum(essential_driven(t.run, t.machine) for t in runs_played),
        collateral_signal_s_day=signal_s / days if days else None,
        collateral_part_s_day=part_s / days if days else None,
        to_release=times(released),
        not_released=kept,
        by_hand=by_hand,
        cycles_most=max(cycles, default=0),
        flapped=share(sum(n > 0 for n in cycles), len(cycles)),
        stand_ins=_error(stand_ins),
        stand_ins_by_signal=_by_signal(stand_ins),
    )


def _recall(courses: Sequence[Course]) -> Share:
    return share(sum(c.isolated_s is not None for c in courses), len(courses))


def _collateral_s(played: Played, stays: Sequence[Stay], of: tuple[str, ...]) -> float:
    """This returns the seconds of active isolation in stays that were not of what was ill.

    A rightly isolated thing that is healed and still out of service is not collateral: that is the time to release.
    """
    return sum(
        _until(stay, played.run) - stay.active_from_s
        for stay in stays
        if stay.active_from_s is not None and stay.meaning is not Meaning.RIGHT and stay.name in of
    )


def _until(stay: Stay, run: Run) -> float:
    return run.end_s if stay.to_s is None else stay.to_s


def essential_driven(run: Run, machine: Machine) -> int:
    """This returns how often the output of an essential part was ordered off, or its contacts opened by themselves.

    Contacts count beside orders only where they opened more often: each order opens them once. An output that is itself ill
    may do as it likes, and one of a part that a person gave orders about is left out.
    """
    count = 0
    ordered = {machine.parts[o.target].output for o in run.scenario.orders if o.target in machine.parts}
    for relay in sorted(machine.essential_outputs - ordered):
        ill = any(relay in (i.target, *i.blamed) and i.layer == "part" for i in run.truth)
        orders = sum(c.kind == "output" and c.name == relay and c.detail.get("on") is False for c in run.changes)
        moves = run.relays.get(relay, [])
        opened = sum(before[1] and not after[1] for before, after in pairwise(moves))
        count += orders if ill else max(orders, opened)
    return count


def _releases(courses: Sequence[Course]) -> tuple[list[float], int, int]:
    """This returns the times to release, how many were never released, and how many of those only a person can release."""
    took: list[float] = []
    kept = by_hand = 0
    for course in courses:
        end_s, run = course.illness.end_s, course.played.run
        if end_s is None or end_s >= run.end_s:
            continue
        parts = course.played.machine.parts
        for stay in course.stays:
            if not stay.active or (stay.to_s is not None and stay.to_s <= end_s):
                continue
            if stay.to_s is not None:
                took.append(stay.to_s - end_s)
            elif stay.name in parts and parts[stay.name].output is not None:
                by_hand += 1
            else:
                kept += 1
    return took, kept, by_hand


def _cycles(course: Course) -> int:
    counted: dict[str, int] = defaultdict(int)
    for stay in course.stays:
        counted[stay.name] += 1
    return max(counted.values()) - 1


def _by_signal(stand_ins: Sequence[StandIn]) -> dict[str, StandIns]:
    found: dict[str, list[StandIn]] = defaultdict(list)
    for one in stand_ins:
        found[one.signal].append(one)
    return {name: _error(found[name]) for name in sorted(found)}


def _error(stand_ins: Sequence[StandIn]) -> StandIns:
    errors = [(s.said - s.true) / s.scale for s in stand_ins if s.scale > 0]
    if not errors:
        return StandIns(0, None, None, None)
    n = len(errors)
    return StandIns(n, math.fsum(errors) / n, math.sqrt(math.fsum(e * e for e in errors) / n), max(map(abs, errors)))

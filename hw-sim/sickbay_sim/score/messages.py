"""This counts what left the device, whether it arrived, and what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass

from sickbay_sim.score.blame import Course, stories
from sickbay_sim.score.intervals import DAY_S, Times, times
from sickbay_sim.score.machine import Played


@dataclass(frozen=True)
class Messages:
    """Messages that left. Per-illness figures count the faults told that are held to be about an illness, right or wrong."""

    opened: int
    updated: int
    closed: int
    opened_per_illness: float | None
    messages_per_illness: float | None
    messages_per_illness_most: int
    duplicates: int
    lost: int
    undelivered: int  # left the node and not yet committed by the other end when the run ended
    to_delivery: Times
    bytes_out: int
    bytes_in: int
    out_per_in: float | None
    bytes_out_day: float | None
    cpu_s_day: float | None  # of the agent, warm-up included on both sides


def messages(runs_played: Sequence[Played], courses: Sequence[Course]) -> Messages:
    """This returns what left in many runs."""
    runs = [t.run for t in runs_played]
    told = [m for run in runs for m in run.told]
    told_of = [c for c in courses if c.opened]
    lasted_days = sum(run.end_s + run.scenario.warm_s for run in runs) / DAY_S
    out, into = sum(run.bytes_out for run in runs), sum(run.bytes_in for run in runs)
    return Messages(
        opened=sum(len(stories(run)) for run in runs),
        updated=sum(m.kind == "updated" for m in told),
        closed=sum(m.kind == "closed" for m in told),
        opened_per_illness=_mean([c.opened for c in told_of]),
        messages_per_illness=_mean([c.messages for c in told_of]),
        messages_per_illness_most=max((c.messages for c in courses), default=0),
        duplicates=sum(max(0, m.arrivals - 1) for m in told),
        lost=sum(run.lost for run in runs),
        undelivered=sum(m.delivered_s is None for m in told),
        to_delivery=times(m.delivered_s - m.at_s for m in told if m.delivered_s is not None),
        bytes_out=out,
        bytes_in=into,
        out_per_in=out / into if into else None,
        bytes_out_day=out / lasted_days if lasted_days else None,
        cpu_s_day=sum(run.cpu_s for run in runs) / lasted_days if lasted_days else None,
    )


def _mean(counts: Sequence[int]) -> float | None:
    return sum(counts) / len(counts) if counts else None

"""This is what an engineer with an afternoon would have set up instead, on the very same rows: limits per signal.

Both watch each signal alone, alarm after HOLD_S outside of its limits without a break, and end the alarm after HOLD_S inside. A
reading that is missing says nothing; a signal, or the whole line, that is missing for longer than any gap of the warm-up would
explain is an alarm of its own, as any alarm system has it. They blame the signal or the line, since they know nothing else.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from sickbay_sim.record import Run, Told
from sickbay_sim.score.machine import Machine, Played

HOLD_S = 3.0
MARGIN = 0.5  # of the span seen in warm-up, on either side: what fixed limits are widened by
SIGMAS = 3.0
NO_SIGNAL_S = 10.0  # missing for this long, and GAPS times the longest gap of the warm-up, is an alarm
GAPS = 1.5
WARM_ROWS_MIN = 30  # of fewer nobody would set limits: then the configured range alone counts
LINE = "line"
Limits = tuple[float, float]
Column = Sequence[tuple[float, float | None]]
NAMES = {"fixed": "fixed limits", "sigma": "3 sigma"}
TITLES = {
    "fixed": f"warm-up min and max widened by {MARGIN:.0%} of their span, within the configured range; {HOLD_S:g} s hold",
    "sigma": f"warm-up mean and {SIGMAS:g} standard deviations; {HOLD_S:g} s hold",
}


def as_played(played: Played, name: str) -> Played:
    """This returns the run as it would have been told by one baseline: its alarms, and nothing isolated.

    It needs the run's rows, those of the warm-up (times below 0) included.
    """
    run, told = played.run, list[Told]()
    heard = [(at_s, row) for at_s, row in run.rows if any(v is not None for v in row.values())]
    columns: dict[str, Column] = {
        signal: [(at_s, row[signal]) for at_s, row in heard if signal in row] for signal in played.machine.signals
    }
    columns[LINE] = [(at_s, None if all(v is None for v in row.values()) else 0.0) for at_s, row in run.rows]
    for signal, column in columns.items():
        warm = [c for c in column if c[0] < 0]
        limits = (-1.0, 1.0)
        if signal != LINE:
            limits = limits_of(name, [v for _, v in warm if v is not None], played.machine, signal)
        patience_s = max(NO_SIGNAL_S, GAPS * longest_gap_s(warm))
        for n, (began_s, over_s) in enumerate(episodes([c for c in column if c[0] >= 0], limits, patience_s)):
            told += _alarm(f"{name}-{signal}-{n}", signal, began_s, over_s)
    told.sort(key=lambda t: (t.at_s, t.fault_id, t.revision))
    bare = Run(
        run.scenario,
        run.seed,
        run.how,
        f"{run.device} ({name})",
        truth=run.truth,
        told=told,
        end_s=run.end_s,
        limits_s=run.limits_s,
    )
    return Played(replace(bare, bytes_in=run.bytes_in, trouble=run.trouble), played.machine)


def limits_of(name: str, warm: Sequence[float], machine: Machine, signal: str) -> Limits:
    """This returns the limits that a baseline sets from the readings of the warm-up."""
    low, high = machine.ranges.get(signal, (-math.inf, math.inf))
    if len(warm) < WARM_ROWS_MIN:
        return low, high
    if name == "fixed":
        least, most = min(warm), max(warm)
        room = MARGIN * (most - least)
        return max(low, least - room), min(high, most + room)
    mean = math.fsum(warm) / len(warm)
    sd = math.sqrt(math.fsum((v - mean) ** 2 for v in warm) / (len(warm) - 1))
    return mean - SIGMAS * sd, mean + SIGMAS * sd


def longest_gap_s(column: Column) -> float:
    """This returns the longest time between two readings."""
    times = [at_s for at_s, value in column if value is not None]
    return max((b - a for a, b in pairwise(times)), default=0.0)


def episodes(column: Column, limits: Limits, patience_s: float = NO_SIGNAL_S) -> Iterator[tuple[float, float | None]]:
    """This yields when each alarm of a signal began and ended, None for one that is still on."""
    began_s: float | None = None
    since_s: float | None = None  # since when the signal says the opposite of what the alarm says
    for at_s, outside, at_once in _outside(column, limits, patience_s):
        if outside == (began_s is not None):
            since_s = None
            continue
        since_s = at_s if since_s is None else since_s
        if not at_once and at_s - since_s < HOLD_S:
            continue
        since_s = None
        if began_s is None:
            began_s = at_s
        else:
            yield began_s, at_s
            began_s = None
    if began_s is not None:
        yield began_s, None


def _outside(column: Column, limits: Limits, patience_s: float) -> Iterator[tuple[float, bool, bool]]:
    """This yields (at_s, outside, at once) wherever a signal says something: a reading, or a silence beyond patience."""
    low, high = limits
    heard_s = column[0][0] if column else 0.0
    for at_s, value in column:
        if value is not None:
            heard_s = at_s
            yield at_s, not low <= value <= high, False
        elif at_s - heard_s >= patience_s:
            yield at_s, True, True


def _alarm(fault_id: str, target: str, began_s: float, over_s: float | None) -> list[Told]:
    layer, says = ("line", "is silent") if target == LINE else ("sensor", "is outside of its limits")
    ends: list[tuple[float, str]] = [(began_s, "opened")] + ([] if over_s is None else [(over_s, "closed")])
    return [
        Told(at_s, f"{fault_id}.r{n}", fault_id, n, kind, "limit", layer, target, "major", f"{target} {says}")
        for n, (at_s, kind) in enumerate(ends, 1)
    ]

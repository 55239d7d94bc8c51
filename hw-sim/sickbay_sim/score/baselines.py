"""This is what an engineer with an afternoon would have set up instead, on the very same rows: limits per signal.

Both watch each signal alone, alarm after HOLD_S outside of its limits without a break, and end the alarm after HOLD_S inside.
A missing reading counts as outside: any alarm system has a "no signal". They blame the signal, since they know nothing else.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sickbay_sim.record import Run, Told
from sickbay_sim.score.machine import Machine, Trial

HOLD_S = 3.0
MARGIN = 0.5  # of the span seen in warm-up, on either side: what fixed limits are widened by
SIGMAS = 3.0
WARM_ROWS_MIN = 30  # of fewer nobody would set limits: then the configured range alone counts
Limits = tuple[float, float]
NAMES = ("fixed", "sigma")
TITLES = {
    "fixed": f"warm-up min and max widened by {MARGIN:.0%} of their span, within the configured range; {HOLD_S:g} s hold",
    "sigma": f"warm-up mean and {SIGMAS:g} standard deviations; {HOLD_S:g} s hold",
}


def as_trial(trial: Trial, name: str) -> Trial:
    """This returns the run as it would have been told by one baseline: its alarms, and nothing isolated.

    It needs the run's rows, those of the warm-up (times below 0) included.
    """
    run, told = trial.run, list[Told]()
    for signal in trial.machine.signals:
        column = [(at_s, row[signal]) for at_s, row in run.rows if signal in row]
        limits = limits_of(name, [v for at_s, v in column if at_s < 0 and v is not None], trial.machine, signal)
        for n, (began_s, over_s) in enumerate(episodes([c for c in column if c[0] >= 0], limits)):
            told += _alarm(name, f"{name}-{signal}-{n}", signal, began_s, over_s)
    told.sort(key=lambda t: (t.at_s, t.fault_id, t.revision))
    bare = Run(run.scenario, run.seed, run.how, f"{run.device} ({name})", truth=run.truth, told=told, end_s=run.end_s)
    return Trial(replace(bare, bytes_in=run.bytes_in, trouble=run.trouble), trial.machine)


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


def episodes(column: Sequence[tuple[float, float | None]], limits: Limits) -> Iterator[tuple[float, float | None]]:
    """This yields when each alarm of a signal began and ended, None for one that is still on."""
    low, high = limits
    began_s: float | None = None
    since_s: float | None = None  # since when the signal says the opposite of what the alarm says
    for at_s, value in column:
        outside = value is None or not low <= value <= high
        if outside == (began_s is not None):
            since_s = None
            continue
        since_s = at_s if since_s is None else since_s
        if at_s - since_s < HOLD_S:
            continue
        since_s = None
        if began_s is None:
            began_s = at_s
        else:
            yield began_s, at_s
            began_s = None
    if began_s is not None:
        yield began_s, None


def _alarm(name: str, fault_id: str, signal: str, began_s: float, over_s: float | None) -> list[Told]:
    said = f"{signal} is outside of its limits"
    out = [Told(began_s, f"{fault_id}.r1", fault_id, 1, "opened", name, "sensor", signal, "major", said)]
    if over_s is not None:
        out.append(Told(over_s, f"{fault_id}.r2", fault_id, 2, "closed", name, "sensor", signal, "major", said))
    return out

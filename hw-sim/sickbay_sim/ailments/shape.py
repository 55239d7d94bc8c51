"""This is how the severity of a fault goes over time: suddenly, slowly, ever faster, in steps, or on and off."""

import math

from sickbay_sim.scenario import Fault

SHAPES = ("step", "linear", "exponential", "staircase", "intermittent")
STEEP = 4.0  # exponential: after half of the time a fault has 12 % of its severity, as wear that feeds on itself
STAIRS = 5


def in_force(fault: Fault, at_s: float) -> bool:
    """This returns whether a fault has begun and is not over, be its severity 0 at the moment."""
    return fault.at_s <= at_s and (fault.until_s is None or at_s < fault.until_s)


def severity_at(fault: Fault, at_s: float) -> float:
    """This returns a fault's severity at a time: 0 before its onset and from its end on, in between as its shape says."""
    if not in_force(fault, at_s):
        return 0.0
    since_s, over_s, full = at_s - fault.at_s, fault.over_s, fault.severity
    if fault.shape == "intermittent":
        return full if since_s % over_s < fault.duty * over_s - 1e-9 else 0.0
    if fault.shape == "step" or since_s >= over_s:
        return full
    share = since_s / over_s
    if fault.shape == "exponential":
        share = math.expm1(STEEP * share) / math.expm1(STEEP)
    elif fault.shape == "staircase":
        share = min(STAIRS, math.floor(share * STAIRS) + 1) / STAIRS
    return full * share

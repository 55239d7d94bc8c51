"""These are the ailments: what can go wrong between physics and port, when it begins, how bad it is and when it ends.

A part's ailment changes the physics, a sensor's the reading, a line's the bytes, the surroundings' the world or the device.
Here are the kinds, what befalls whom, how severity goes over time, and what becomes of readings. Bytes and devices are made
ill where they are at home: by who runs the machine.
"""

from sickbay_sim.ailments.kinds import (
    KINDS,
    Ailment,
    AilmentError,
    Kind,
    as_fault,
    check,
    check_load,
    kinds_of,
)
from sickbay_sim.ailments.sensor import Distortion, noises
from sickbay_sim.ailments.shape import SHAPES, in_force, severity_at

__all__ = [
    "KINDS",
    "SHAPES",
    "Ailment",
    "AilmentError",
    "Distortion",
    "Kind",
    "as_fault",
    "check",
    "check_load",
    "in_force",
    "kinds_of",
    "noises",
    "severity_at",
]

"""These are the classes of fault: how fast each qualifies, whose fault it is on the face of it, and what a person should do."""

import msgspec

from sickbay.core.checks import CHECKS
from sickbay.core.fault import Debounce


class FaultClass(msgspec.Struct, frozen=True):
    """What is known of a class before it ever happens."""

    layer: str  # sensor | part | line | surroundings; what it is unless the evidence says otherwise
    debounce: Debounce
    says: str  # completes "<target> ..."
    next_step: str
    isolates: bool = True  # False: told in time for a person to act, while the target still does its work


# A count of three at 43 each reaches 127: at 1 Hz a hard fault is in quarantine after 3 s. Twenty good samples take it back.
# Counting down does not jump: with a jump, a value that is bad every other time, or two times out of three, never qualified.
# So does now what is bad more than one time in four (in five, where two suffice).
_THREE = Debounce(inc=43, dec=13, jump_down=False)
_TWO = Debounce(inc=64, dec=13, jump_down=False)
_FIVE = Debounce(inc=26, dec=13, jump_down=False)
_AT_ONCE = Debounce(inc=127, dec=128)  # for monitors that hold their own persistence

_KEEP = "Free some disk space, or replace the card. After a loss look at what was isolated: it is in service again."

CLASSES: dict[str, FaultClass] = {
    "bad_value": FaultClass(
        "sensor", _THREE, "gives no usable number", "Check its wiring and supply, then the sensor."
    ),
    "sentinel": FaultClass(
        "sensor", _TWO, "repeats its error code", "Check its wiring: it answers with its error code."
    ),
    "range": FaultClass(
        "sensor", _THREE, "is outside what it can measure", "Compare it with a hand instrument; check wiring."
    ),
    "rate": FaultClass("sensor", _TWO, "jumps faster than is possible", "Look for a loose contact or interference."),
    "stuck": FaultClass("sensor", _AT_ONCE, "is stuck", "Tap or warm it and watch the value; replace it if it stays."),
    "noise": FaultClass("sensor", _AT_ONCE, "is far noisier than its normal", "Check shielding, ground and contacts."),
    "spikes": FaultClass("sensor", _AT_ONCE, "throws spikes", "Look for a loose contact or interference."),
    "silent": FaultClass("sensor", _AT_ONCE, "is silent", "Check that it is connected and has power."),
    "disagreement": FaultClass("sensor", _FIVE, "disagrees with its twin", "Compare both with a hand instrument."),
    "shift": FaultClass(
        "sensor",
        _AT_ONCE,
        "has left its normal, alone",
        "Compare it with a hand instrument before you touch the machine.",
    ),
    "anomaly": FaultClass(
        "part", _AT_ONCE, "runs unlike its normal", "Look at the part named, beginning with the signal that moved most."
    ),
    "step": FaultClass(
        "sensor",
        _AT_ONCE,
        "has stepped from one cycle of the machine to the next, alone",
        "Compare it with a hand instrument before you touch the machine.",
    ),
    "cycle": FaultClass(
        "part",
        _AT_ONCE,
        "no longer goes through its cycles as it did",
        "Look at what turns it on and off, and at what it should bring about: contactor, thermostat, timer, heater, filters.",
        isolates=False,
    ),
    "wear": FaultClass(
        "part",
        _AT_ONCE,
        "wears",
        "Plan its overhaul or replacement before the time given; order the spare part now.",
        isolates=False,
    ),
    "no_effect": FaultClass(
        "part", _AT_ONCE, "did not follow its order", "Check the relay, its coil supply and its contacts."
    ),
    "unplugged": FaultClass("line", _AT_ONCE, "is gone", "Check plug, cable and power of the device."),
    "garbage": FaultClass("line", _TWO, "carries garbage", "Check baud rate, ground and cable."),
    "repeats": FaultClass(
        "line",
        _AT_ONCE,
        "says the same row again and again",
        "Restart what sends it: a logger or gateway that hangs. Until then nothing is known of the machine behind it.",
    ),
    "nonsense": FaultClass(
        "line",
        _AT_ONCE,
        "carries numbers that cannot be true",
        "Look at the gateway, logger or converter: its checksums are right, and its numbers are not. Restart or replace it.",
    ),
    "store": FaultClass("surroundings", _AT_ONCE, "lost records, or cannot keep them", _KEEP),
}

# What a line's fault does to signals that come by it, beside their silence. Lasting change of a value is none of it.
LINE_SYMPTOMS: dict[str, frozenset[str]] = {
    "garbage": frozenset(("bad_value", "sentinel", "range", "rate", "spikes", "noise")),
    "repeats": frozenset(("stuck", "noise")),
    "nonsense": frozenset(
        ("bad_value", "sentinel", "range", "rate", "stuck", "noise", "spikes", "shift", "disagreement")
    ),
}
SENSOR_CHECKS = CHECKS[:-1]  # judged at each reading, in the order of checks.py's bits

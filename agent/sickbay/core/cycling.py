"""This brings a unit's rows to its cycles, and what they find to people: which part no longer goes as it did, or which sensor."""

from sickbay.core import anticipating, casework
from sickbay.core.channel import Channel, PartRow
from sickbay.core.cycle import Sign
from sickbay.core.diagnosis import ACCUSED, Finding
from sickbay.core.fault import Result
from sickbay.core.ward import Union, Ward

CLASS_OF = {"stepped": "step", "still": "stuck", "unmoved": "stuck"}  # of a sensor's own signs; all others are a part's
CYCLE = "cycle"
STAYS = (
    "stepped",
    "worn",
    "aside",
    "asked",
    "asked still",
    "unmoved",
)  # signs that only their opposite ends: a person's word does too


def follow(ward: Ward) -> None:
    """This takes up what is new among the signs that stand, and what is over."""
    union = ward.union
    if union is None:
        return
    held, told = union.cycles.signs(), union.told
    if not held and not told:
        return
    for key, (target, class_) in list(told.items()):
        if key not in held:
            del told[key]
            if (target, class_) not in told.values():
                casework.judge(ward, target, class_, Result.PASSED)
        elif not ward.faults.is_failing(target, class_):  # a person released it
            del told[key]
            if held[key].kind in STAYS:
                union.cycles.forget(key)
                del held[key]
    for key, sign in held.items():
        if key not in told:
            _tell(ward, union, key, sign)


def _tell(ward: Ward, union: Union, key: str, sign: Sign) -> None:
    channel = union.channels[sign.signal]
    name = channel.spec.name
    if sign.kind in CLASS_OF:
        if any(c.layer == "part" and c.is_failing for c in ward.triage.open_cases()):
            return  # what a part's fault does to the cycles looks like a sensor's
        finding = Finding("sensor", name, CLASS_OF[sign.kind], (_words(union, sign),))
    else:
        part = channel.rows[0][0].part.name
        # It may be the sensor: what it costs to serve it grows with an hour's doors too.
        layer, doubt = ("unknown", (f"it may be {name} itself that drifts",)) if sign.kind == "asked" else ("part", ())
        finding = Finding(layer, part, CYCLE, (_words(union, sign),), doubt)
        unknown = ward.triage.open_case((part, "anomaly"))
        if unknown is not None and unknown.layer == "unknown" and ward.triage.open_case((part, CYCLE)) is None:
            casework.rename(ward, unknown, finding)
    union.told[key] = (finding.target, finding.class_)
    casework.judge(ward, finding.target, finding.class_, Result.FAILED, finding)
    case = ward.triage.open_case((finding.target, finding.class_))
    if case is not None and case.opened_ms == ward.now_ms:
        case.onset_ms = ward.now_ms - sign.dwell_ms


def serves(ward: Ward, row: PartRow) -> bool:
    """This returns whether all that is odd is what a machine that has not switched off, or on, does: that is about to be told."""
    odd = [c for c, b in zip(row.members, row.view.blame(), strict=True) if b >= ACCUSED]
    return ward.union is not None and bool(odd) and all(_is_driven(ward, ward.union, c) for c in odd)


def _is_driven(ward: Ward, union: Union, channel: Channel) -> bool:
    number, value = union.numbers.get(channel.spec.name), channel.value
    return number is not None and value is not None and union.cycles.outlasts(number, value, ward.now_ms)


def undecided(ward: Ward) -> bool:
    """This returns whether the unit's cycles will soon say more than a sensor that is to be accused."""
    return ward.union is not None and ward.union.cycles.undecided(ward.now_ms)


def _words(union: Union, sign: Sign) -> str:
    """This returns a sign as a technician would say it."""
    name = union.channels[sign.signal].spec.name
    if sign.kind == "unmoved":
        witnesses = f"{union.channels[sign.switch].spec.name} and {union.channels[sign.other].spec.name}"
        value, times = _value(union, sign.signal, sign.value), f"{sign.usual:.0f} times"
        return (
            f"{name} has stayed at {value}, while {witnesses} leapt together {times} as they do only when it is moved"
        )
    switch = union.channels[union.cycles.switches[sign.switch].signal].spec.name
    lasts, longest = anticipating.span(sign.dwell_ms), anticipating.span(sign.longest_ms)
    if sign.kind in ("stands", "together"):
        seen = union.channels[sign.other].spec.name
        most = "most" if sign.value > sign.usual else "least"
        value, usual = _value(union, sign.other, sign.value), _value(union, sign.other, sign.usual)
        return (
            f"{name} has not {'fallen' if sign.state else 'risen'} for {lasts}, and it never took longer than {longest}; "
            f"meanwhile {seen} has gone to {value}, where {usual} was the {most}"
        )
    if sign.kind == "missed":
        return (
            f"{name} went no farther than {_value(union, sign.signal, sign.value)} while {switch} was "
            f"{'high' if sign.state else 'low'} for {lasts}; each time before it reached {_value(union, sign.signal, sign.usual)}"
        )
    if sign.kind == "still":
        return (
            f"{name} has stood at {_value(union, sign.signal, sign.value)} while {switch} and all others went on in their "
            f"cycles; in each of them it moved by {_value(union, sign.signal, sign.usual)} and more"
        )
    if sign.kind == "stepped":
        return (
            f"{name} went from {_value(union, sign.signal, sign.usual)} to {_value(union, sign.signal, sign.value)}, on average, "
            f"from one cycle of {switch} to the next, and nothing else changed"
        )
    if sign.kind.startswith("asked"):
        return (
            f"{name} ends at {_value(union, sign.signal, sign.value)} each time {switch} was high, where weather and load would "
            f"make it {_value(union, sign.signal, sign.usual)}, and {switch} is high for more of the time than they explain"
        )
    if sign.kind == "aside":
        return (
            f"{name} differs by {_value(union, sign.signal, sign.value)} between high and low of {switch}, cycle after cycle; "
            f"weather and load as they are would make it {_value(union, sign.signal, sign.usual)}, and others are off as well"
        )
    return (
        f"{name} differs by {_value(union, sign.signal, sign.value)} between high and low of {switch}, cycle after cycle, where "
        f"{_value(union, sign.signal, sign.usual)} was the farthest; others have moved as well"
    )


def _value(union: Union, signal: int, value: float) -> str:
    return f"{value:.4g} {union.channels[signal].spec.unit}".strip()

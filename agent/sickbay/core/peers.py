"""This brings a unit's rows to its relations, and what they find to the parts: what one part's signals say of another's."""

from sickbay.core.channel import Channel, PartRow
from sickbay.core.classes import CLASSES
from sickbay.core.diagnosis import ACCUSED
from sickbay.core.parity import Parity
from sickbay.core.ward import Union, Ward

ELSEWHERE = 3  # one signal in so many, far from where it ever was: the unit is off, or does what it never did


def heard(ward: Ward, row: PartRow, values: list[float | None]) -> bool:
    """This takes a part's row. Once each part has brought its own, or one brings the next, the unit's row is whole.

    Returns whether it was, and its relations and cycles have judged it.
    """
    union = ward.union
    if union is None:
        return False
    late = row.part.name in union.brought
    if late:
        _step(ward)
    for place, value in zip(union.places[row.part.name], values, strict=True):
        if value is not None:  # parts may share a signal: one of them may have waited for it in vain
            union.row[place] = value
    union.brought[row.part.name] = None
    if len(union.brought) < len(ward.rows):
        return late
    _step(ward)
    return True


def _step(ward: Ward) -> None:
    union = ward.union
    assert union is not None
    parity, channels = union.parity, union.channels
    # Whom the cycles found ill is no witness either, in service or not: it is not from here that it would be heard again.
    ill, out = out_of_step(ward), [c.masked for c in channels]
    masked = [o or c.spec.name in ill for o, c in zip(out, channels, strict=True)] if ill else out
    suspect = True in masked or any(r.alarm_rows or r.view.alarm or r.view.sensor_faults for r in ward.rows.values())
    accused = parity.accused
    parity.step(union.row, masked, not suspect)
    _afield(union, masked, not suspect)
    if union.strangers:
        union.outside.step(union.strangers, not suspect)
    blind = out
    if union.cycles.switches:
        known = {c.target for c in ward.triage.open_cases() if c.layer == "sensor" and c.is_failing}
        blind = [o or c.spec.name in known for o, c in zip(out, channels, strict=True)]
    union.cycles.step(union.row, ward.now_ms, out, blind)
    union.row = [None] * len(channels)
    union.brought = {}
    if accused or parity.accused:
        told = _told(ward, parity, channels)
        for i in {**accused, **parity.accused}:
            for row, place in channels[i].rows:
                row.view.hint(place, parity.accused[i] if i in told else 0.0)


def _afield(union: Union, masked: list[bool], well: bool) -> None:
    """This has those judged that are beyond all that they were in learning, and tells their parts."""
    afield = union.afield
    if not afield.step(union.row, well):
        return
    grown, before, stood = afield.grown(), list(afield.found), list(afield.standing)
    afield.judge([max(row.view.past(i, grown) for row, i in c.rows) for c in union.channels], masked)
    for i in {*before, *afield.found}:
        for row, place in union.channels[i].rows:
            row.view.goes_afield(place, afield.found.get(i, 0.0))
    for i in {*stood, *afield.standing}:
        for row, place in union.channels[i].rows:
            row.view.stands(place, i in afield.standing)


def out_of_step(ward: Ward) -> set[str]:
    """This returns the signals whose own fault the unit's cycles have shown."""
    union = ward.union
    if union is None or not union.told:
        return set()
    return {target for target, class_ in union.told.values() if CLASSES[class_].layer == "sensor"}


def goes_astray(ward: Ward, name: str) -> bool:
    """This returns whether the unit's cycles are not what they were, for more than this one signal: no sensor's doing."""
    union = ward.union
    if union is None or name not in union.numbers:
        return False
    part_ill = any(c.class_ == "cycle" and c.layer == "part" and c.is_failing for c in ward.triage.open_cases())
    return part_ill or union.cycles.levels.astray(union.numbers[name])


def _told(ward: Ward, parity: Parity, channels: list[Channel]) -> set[int]:
    """This returns which of the accused count: one sensor, else those of the part where most is broken. One cause, one message."""
    if parity.sensor >= 0 or len(parity.accused) < 2:
        return set(parity.accused)
    if parity.doubt:
        return {max(parity.accused, key=lambda i: parity.accused[i])}
    power: dict[str, float] = {}
    for i, ratio in parity.accused.items():
        for row, _ in channels[i].rows:
            power[row.part.name] = power.get(row.part.name, 0.0) + ratio * ratio
    most = max(power, key=lambda name: power[name])
    return {i for i in parity.accused if any(row.part.name == most for row, _ in channels[i].rows)}


def elsewhere(ward: Ward, channel: Channel) -> bool:
    """This returns whether signals of other parts are far from where they ever were in learning: the unit is elsewhere."""
    union = ward.union
    if union is None:
        return False
    mine = {c.spec.name for row, _ in channel.rows for c in row.members}
    away = [union.channels[i] for i in union.parity.far()]
    return any(c.spec.name not in mine and not c.masked for c in away)


def astray(ward: Ward, row: PartRow, index: int) -> bool:
    """This returns whether another signal of a part is where it never was: what always moved together need not do so there."""
    union = ward.union
    if union is None or not union.parity.strays:
        return False
    places = union.places[row.part.name]
    return any(
        place in union.parity.strays for i, place in enumerate(places) if i != index and not row.members[i].masked
    )


def odd(row: PartRow) -> list[str]:
    """This returns the signals of a part that are at or beyond their own limit."""
    return [c.spec.name for c, b in zip(row.members, row.view.blame(), strict=True) if b >= ACCUSED]


def others_astray(ward: Ward, row: PartRow) -> bool:
    """This returns whether a signal of another part is where it never was."""
    union = ward.union
    return union is not None and any(i not in union.places[row.part.name] for i in union.parity.strays)


def unit_elsewhere(ward: Ward) -> bool:
    """This returns whether much of the unit is far from all that was learnt: what is odd then, nobody can know."""
    union = ward.union
    return union is not None and ELSEWHERE * len(union.parity.strays) >= len(union.channels) >= ELSEWHERE


def elsewhere_but_for(ward: Ward, row: PartRow) -> bool:
    """This returns whether the unit is elsewhere by what its other parts say: where one part is out alone, that part is odd.

    What the part's own charts find as usual speaks with the others: a car's engine that stands still is no alternator's fault.
    """
    union = ward.union
    if union is None or not unit_elsewhere(ward):
        return False
    mine = {i for i, b in zip(union.places[row.part.name], row.view.blame(), strict=True) if b >= ACCUSED}
    rest = [i for i in union.parity.strays if i not in mine]
    return ELSEWHERE * len(rest) >= len(union.channels) - len(mine)


def rests(ward: Ward, channel: Channel) -> bool:
    """This returns whether a signal may stand still because the machine rests: where neither ever was, or in a unit elsewhere."""
    union = ward.union
    if union is None or channel.spec.name not in union.numbers:
        return False
    far = union.numbers[channel.spec.name] in union.parity.far()
    return unit_elsewhere(ward) or (far and elsewhere(ward, channel))


def verdict(ward: Ward, channel: Channel) -> str | None:
    """This returns whose fault a signal's broken relation is: "sensor", "part" or "doubt"; None where none is broken."""
    union = ward.union
    if union is None or channel.spec.name not in union.numbers:
        return None
    i, parity = union.numbers[channel.spec.name], union.parity
    if i not in parity.accused:
        return None
    return "sensor" if i == parity.sensor else "doubt" if parity.doubt or parity.sensor >= 0 else "part"


def words(ward: Ward, channel: Channel) -> str | None:
    """This returns a broken relation as a technician would say it; None where the signal has none."""
    union = ward.union
    if union is None or channel.spec.name not in union.numbers:
        return None
    each = union.parity.about(union.numbers[channel.spec.name])
    if each is None:
        return None
    unit = f" {channel.spec.unit}" if channel.spec.unit else ""
    peers = " and ".join(union.channels[i].spec.name for i in each.peers)
    value = union.parity.bank[each.relation.signal]
    return (
        f"{channel.spec.name} is {value:.4g}{unit}, where {peers} make it {each.said:.4g}{unit}: "
        f"{each.ratio():.1f} times the limit of what this unit ever showed"
    )

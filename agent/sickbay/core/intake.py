"""This takes in readings and turns them into results."""

from sickbay.core import anticipating, casework, lines, parts, twins
from sickbay.core.channel import Channel
from sickbay.core.checks import RANGE, RATE
from sickbay.core.classes import CLASSES, SENSOR_CHECKS
from sickbay.core.fault import Entry, Result
from sickbay.core.reading import Quality, Reading
from sickbay.core.ward import Ward

IMPOSSIBLE = RANGE | RATE  # checks that find a number that cannot be true
TOGETHER = 0.75  # of a row's period: what comes within it is one row


def reading(ward: Ward, reading: Reading) -> None:
    channel = ward.channels.get(reading.signal)
    if channel is None:
        ward.unknown_signals += 1
        return
    at = reading.at_ms
    if at > ward.now_ms:
        ward.now_ms = at
    else:
        at = ward.now_ms  # time never goes back: what comes late counts from when it came
    value = reading.value
    if channel.missed:
        channel.checks.learn_missed(at)
        channel.missed = False
    failed = channel.checks.step(value, at)
    source = channel.source
    channel.ring.append((at, value))
    if value != channel.value:
        if source.same:
            lines.moves(ward, channel)
    else:
        source.same += 1
        if source.same >= source.next_look:
            lines.stands_still(ward, channel)
    channel.value = value
    channel.at_ms = at
    if channel.silent:
        lines.spoke(ward, channel)
    if failed & IMPOSSIBLE and not channel.failing & IMPOSSIBLE:
        lines.impossible(ward, channel)
    elif source.nonsense:
        lines.sane(ward, channel)
    if failed or channel.active or channel.failing:
        _qualify(ward, channel, failed)
    elif channel.quality is not Quality.GOOD:
        channel.quality = Quality.GOOD
    untrue = source.repeating or source.nonsense  # old news, or none: nothing is judged by it
    if untrue:
        channel.quality = Quality.SUSPECT
    usable = None if failed or untrue else value
    for row, i in channel.rows:
        bit = 1 << i
        if row.seen & bit or (row.seen and at - row.opened_ms > TOGETHER * row.period_ms):
            parts.close_row(
                ward, row, at
            )  # what is that old belongs to the row before: a gap must not shift signals for good
        if not row.seen:
            row.opened_ms = at
        row.row[i] = usable
        row.seen |= bit
        if row.seen == row.full:
            parts.close_row(ward, row, at)
    if channel.trend is not None and value is not None and channel.quality is Quality.GOOD:
        anticipating.heard(ward, channel, value)
    if channel.twins is not None and not untrue:
        twins.heard(ward, channel.twins, channel)


def _qualify(ward: Ward, channel: Channel, failed: int) -> None:
    """This steps the entries of one signal's plausibility checks that failed or are still on the move."""
    name, at = channel.spec.name, ward.now_ms
    channel.failing = failed
    known = {bit for bit, _ in channel.active}
    for bit, class_ in enumerate(SENSOR_CHECKS):
        if failed >> bit & 1 and bit not in known:
            channel.active.append((bit, ward.faults.entry(name, class_)))
    still: list[tuple[int, Entry]] = []
    for bit, entry in channel.active:
        if failed >> bit & 1:
            result = Result.PREFAILED
        elif channel.checks.tested >> bit & 1:
            result = Result.PREPASSED
        else:
            result = Result.NOT_TESTED
        casework.judge(ward, name, entry.class_, result)
        at_rest = entry.fdc <= CLASSES[entry.class_].debounce.passed_at and entry.tested_this_cycle
        if failed >> bit & 1 or not at_rest:
            still.append((bit, entry))
    channel.active = still
    channel.at_ms = at
    channel.quality = Quality.BAD if failed else Quality.SUSPECT if still else Quality.GOOD

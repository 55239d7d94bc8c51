"""This takes in readings and what sources say of their lines, and turns them into results."""

from sickbay.core import anticipating, casework, parts, twins
from sickbay.core.channel import Channel
from sickbay.core.classes import CLASSES, SENSOR_CHECKS
from sickbay.core.diagnosis import Finding, silence
from sickbay.core.fault import Entry, Result
from sickbay.core.reading import LineState, Quality, Reading
from sickbay.core.ward import Ward

GARBAGE_SHARE, GARBAGE_LEAST = 0.2, 3  # of the frames since the last report: a line that carries garbage


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
    failed = channel.checks.step(value, at)
    channel.value = value
    channel.at_ms = at
    channel.ring.append((at, value))
    if channel.silent:
        _spoke(ward, channel)
    if failed or channel.active or channel.failing:
        _qualify(ward, channel, failed)
    elif channel.quality is not Quality.GOOD:
        channel.quality = Quality.GOOD
    usable = None if failed else value
    for row, i in channel.rows:
        bit = 1 << i
        if row.seen & bit:
            parts.close_row(ward, row, at)
        if not row.seen:
            row.opened_ms = at
        row.row[i] = usable
        row.seen |= bit
        if row.seen == row.full:
            parts.close_row(ward, row, at)
    if channel.trend is not None and value is not None and channel.quality is Quality.GOOD:
        anticipating.heard(ward, channel, value)
    if channel.twins is not None:
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


def _spoke(ward: Ward, channel: Channel) -> None:
    channel.silent = False
    casework.judge(ward, channel.spec.name, "silent", Result.PASSED)
    _line_back(ward, channel.spec.source)


def fell_silent(ward: Ward, channel: Channel, now: int) -> None:
    spec = channel.spec
    peers = [c for c in ward.by_source[spec.source] if c is not channel]
    quiet = sum(c.silent or c.checks.quiet(now) for c in peers)
    channel.silent = True
    channel.quality = Quality.SILENT
    overdue_s = channel.checks.quiet_ms(now) / 1000.0
    finding = silence(spec.name, spec.source, len(peers), quiet, overdue_s)
    if finding.layer == "line":
        if spec.source not in ward.lost_sources:
            _line_lost(ward, spec.source, finding, casework.NO_FRAMES)
        finding = Finding("sensor", spec.name, "silent", finding.evidence[:1])
    casework.judge(ward, spec.name, "silent", Result.FAILED, finding)


def line(ward: Ward, state: LineState) -> None:
    ward.advance(state.at_ms)
    source = state.source
    if not state.alive and ward.lost_sources.get(source) != state.detail:
        says = state.detail or "it does not answer"
        finding = Finding("line", source, "unplugged", (f"{source}: {says}",))
        _line_lost(ward, source, finding, says)
    elif state.alive and state.asleep:
        _fell_asleep(ward, source, state.detail)
    elif state.alive and not _is_mute(ward, source):
        _line_back(ward, source)
    frames = state.good + state.garbage
    if frames:
        dirty = state.garbage >= GARBAGE_LEAST and state.garbage >= GARBAGE_SHARE * frames
        words = f"{state.garbage} of the last {frames} frames of {source} were garbage"
        finding = Finding("line", source, "garbage", (words,))
        casework.judge(ward, source, "garbage", Result.PREFAILED if dirty else Result.PREPASSED, finding)


def _line_lost(ward: Ward, source: str, finding: Finding, says: str) -> None:
    if source not in ward.lost_sources:
        ward.emit("source_lost", source, detail=says)
    ward.lost_sources[source] = says
    casework.judge(ward, source, "unplugged", Result.FAILED, finding)
    case = ward.triage.open_case((source, "unplugged"))
    for other in ward.triage.open_cases():
        channel = ward.channels.get(other.target)
        if case and other.class_ == "silent" and channel is not None and channel.spec.source == source:
            other.overlay.suppressed_by = case.id


def _fell_asleep(ward: Ward, source: str, says: str) -> None:
    """This takes a source's signals for silent, and nothing for a fault: the first reading wakes each of them."""
    _line_back(ward, source)
    if not _is_mute(ward, source):
        ward.emit("note", source, says=says)
    for channel in ward.by_source.get(source, []):
        channel.silent, channel.quality = True, Quality.SILENT


def _is_mute(ward: Ward, source: str) -> bool:
    """This returns whether all signals of a source are silent: an open port without a reading is no line that is back."""
    channels = ward.by_source.get(source, [])
    return bool(channels) and all(c.silent for c in channels)


def _line_back(ward: Ward, source: str) -> None:
    if ward.lost_sources.pop(source, None) is not None:
        ward.emit("source_back", source)
        casework.judge(ward, source, "unplugged", Result.PASSED)

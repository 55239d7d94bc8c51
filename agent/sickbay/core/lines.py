"""This follows the lines: a signal that falls silent, a source that is lost, garbage, and what comes back."""

from sickbay.core import aftermath, casework, roots
from sickbay.core.channel import Channel, PartRow
from sickbay.core.diagnosis import Finding, silence
from sickbay.core.fault import Result
from sickbay.core.reading import LineState, Quality
from sickbay.core.source import FRAMES
from sickbay.core.ward import Ward

BYTES_MS = 60_000  # that a mute line's ticket waits where bytes came since: what they are shows by then


def missed(ward: Ward, row: PartRow, at: int) -> None:
    """This notes whose readings a row was closed without: its peers spoke, so the line is no excuse for long."""
    for i, channel in enumerate(row.members):
        if not row.seen >> i & 1:
            channel.missed = True
            if not channel.silent and channel.checks.left_out(at):
                fell_silent(ward, channel, at)


def spoke(ward: Ward, channel: Channel) -> None:
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
            _garbled(ward, channel, now)
            _line_lost(ward, spec.source, finding, roots.NO_FRAMES)
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
    watch = ward.sources.get(source)
    if watch is not None and state.good + state.garbage:
        watch.told(state.good, state.garbage, ward.now_ms)
        garbled = watch.garbled(ward.now_ms) if state.garbage else None
        if garbled is None:
            casework.judge(ward, source, "garbage", Result.PREPASSED)
        else:
            casework.judge(ward, source, "garbage", Result.PREFAILED, _garbage(source, *garbled))
        if state.garbage and ward.lost_sources.get(source) == roots.NO_FRAMES:
            _put_off(ward, source)


def stands_still(ward: Ward, channel: Channel) -> None:
    """This looks at a source all of whose readings say what they said before: has the machine come to rest, or the line?"""
    source, watch = channel.spec.source, channel.source
    rings = [] if channel.checks.learns_gaps else [c.ring for c in ward.by_source[source]]
    if not watch.look(rings):
        return
    watch.repeating = True
    rows = watch.same // watch.width
    words = (
        f"all {watch.width} signals of {source} have said the same for {rows} rows, to the last digit",
        "those that flickered until then stand still with the others",
    )
    casework.judge(ward, source, "repeats", Result.FAILED, Finding("line", source, "repeats", words))


def moves(ward: Ward, channel: Channel) -> None:
    """This takes in that a source says something new."""
    source, watch = channel.spec.source, channel.source
    watch.moved(channel.checks.learns_gaps)
    if watch.repeating:
        watch.repeating = False
        casework.judge(ward, source, "repeats", Result.PASSED)


def impossible(ward: Ward, channel: Channel) -> None:
    """This takes in that a signal has begun to say what cannot be true. Where several do by turns, it is their line."""
    source, watch = channel.spec.source, channel.source
    garbled = watch.impossible(channel.spec.name, ward.now_ms)
    if garbled and not watch.nonsense:
        watch.nonsense = True
        names = ", ".join(dict.fromkeys(name for _, name in watch.strange))
        words = (
            f"{names} came and went with numbers that cannot be true, within {FRAMES} frames of {source}",
            "sensors that fail do not take turns: it is what carries them",
        )
        casework.judge(ward, source, "nonsense", Result.FAILED, Finding("line", source, "nonsense", words))


def sane(ward: Ward, channel: Channel) -> None:
    """This takes in a reading of a line that said what cannot be true: once that is over, it counts again.

    What was made of its numbers before they were known for nonsense is forgotten.
    """
    if not channel.source.is_sane(ward.now_ms):
        return
    channel.source.nonsense = False
    for row in {row.part.name: row for c in ward.by_source[channel.spec.source] for row, _ in c.rows}.values():
        row.view.rest()
        row.alarm_rows, row.settled = 0, False
        aftermath.forget(row)
        casework.judge(ward, row.part.name, "anomaly", Result.PASSED)
    casework.judge(ward, channel.spec.source, "nonsense", Result.PASSED)


def _garbled(ward: Ward, channel: Channel, now: int) -> None:
    """This counts a silence against the garbage that comes instead of frames: nobody should look for a pulled plug then."""
    source, watch = channel.spec.source, channel.source
    garbled = watch.garbled(now)
    if garbled is not None and all(watch.garbage_ms > (c.at_ms or 0) for c in ward.by_source[source]):
        casework.judge(ward, source, "garbage", Result.PREFAILED, _garbage(source, *garbled))


def _put_off(ward: Ward, source: str) -> None:
    """This lets the ticket about a mute line wait, since bytes came: it may be garbage of which little looks like a frame."""
    case = ward.triage.open_case((source, "unplugged"))
    if case is not None and case.revision == 0 and case.due_ms is not None:
        case.due_ms = max(case.due_ms, case.opened_ms + BYTES_MS)


def _garbage(source: str, garbage: int, frames: int) -> Finding:
    return Finding("line", source, "garbage", (f"{garbage} of the last {frames} frames of {source} were garbage",))


def _line_lost(ward: Ward, source: str, finding: Finding, says: str) -> None:
    watch = ward.sources.get(source)
    if source not in ward.lost_sources:
        ward.emit("source_lost", source, detail=says)
        if watch is not None and (says != roots.NO_FRAMES or not _learns_gaps(ward, source)):
            watch.lost(ward.now_ms)
    ward.lost_sources[source] = says
    casework.judge(ward, source, "unplugged", Result.FAILED, finding)
    case = ward.triage.open_case((source, "unplugged"))
    if case is not None and watch is not None and watch.comes_and_goes(ward.now_ms) and ward.triage.latch(case):
        ward.changed(case)
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


def _learns_gaps(ward: Ward, source: str) -> bool:
    """This returns whether it is not known yet how long this unit's line pauses in normal running."""
    return any(c.checks.learns_gaps for c in ward.by_source.get(source, []))


def _is_mute(ward: Ward, source: str) -> bool:
    """This returns whether all signals of a source are silent: an open port without a reading is no line that is back."""
    channels = ward.by_source.get(source, [])
    return bool(channels) and all(c.silent for c in channels)


def _line_back(ward: Ward, source: str) -> None:
    if ward.lost_sources.pop(source, None) is not None:
        ward.emit("source_back", source)
        casework.judge(ward, source, "unplugged", Result.PASSED)

"""This tells slow wear before it breaks: the time left until a declared limit, once, at a useful horizon, or not at all."""

from sickbay.core import casework
from sickbay.core.case import Case
from sickbay.core.channel import Channel
from sickbay.core.diagnosis import ACCUSED, Finding
from sickbay.core.fault import Result
from sickbay.core.trend import TimeLeft
from sickbay.core.ward import Ward

MOVES_TOO = 0.5 * ACCUSED  # of its own limit: a peer that far out speaks for the part and against the sensor
AGAIN = 0.25  # of the time that was left when it was told: when it is told again
NEAR_MS = 120_000  # nobody is told again of what is minutes away


def heard(ward: Ward, channel: Channel, value: float) -> None:
    """This takes one good reading of a signal that has a limit. Most only add to a mean."""
    assert channel.trend is not None
    spec, at = channel.spec, ward.now_ms
    if channel.masked or channel.trend.add(at, value) is None or any(r.view.learning for r, _ in channel.rows):
        return
    for limit, upward in ((spec.limit_high, True), (spec.limit_low, False)):
        if limit is not None:
            _look(ward, channel, limit, upward)


def _look(ward: Ward, channel: Channel, limit: float, upward: bool) -> None:
    trend, name = channel.trend, channel.spec.name
    assert trend is not None
    left = trend.watch(limit, upward, ward.now_ms)
    case = ward.triage.open_case((name, "wear"))
    if (case is not None and case.is_failing and trend.is_back(upward)) or _is_ill(ward, name):
        trend.started.pop(upward, None)
        casework.judge(ward, name, "wear", Result.PASSED)
    elif left is not None and left.likely_ms <= ward.equipment.policy.warn_ahead_ms >> ward.bars.level(name, "wear"):
        told = case or _case_of_part(ward, channel) or _cause(ward, left)
        if told is None:
            trend.tell(left)
            casework.judge(ward, name, "wear", Result.FAILED, _finding(ward, channel, left))
            told = ward.triage.open_case((name, "wear"))
        elif told.layer == "unknown":
            finding = _finding(ward, channel, left)
            if finding.layer == "part" and finding.target == told.target:  # what else moves has made its cause clear
                casework.judge(ward, *told.origin, Result.FAILED, finding)
        if told is not None:
            _add(ward, told, left, words(channel, left))


def words(channel: Channel, left: TimeLeft) -> str:
    """This returns a trend as a technician would say it."""
    spec = channel.spec
    unit = f" {spec.unit}" if spec.unit else ""
    moves = f"{'rises' if left.per_hour > 0 else 'falls'} by {abs(left.per_hour):.2g}{unit} an hour"
    stands = "is at" if not left.peaks else "peaks at" if left.per_hour > 0 else "falls as low as"
    when = f"in about {span(left.likely_ms)} ({span(left.earliest_ms)} to {span(left.latest_ms)})"
    return (
        f"{spec.name} {stands} {left.level:.4g}{unit} and {moves}: it reaches its limit of {left.limit:g}{unit} {when}"
    )


def span(ms: int) -> str:
    """This returns a time that is left, no finer than anyone can know it."""
    minutes = ms / 60_000
    if minutes < 90:
        return f"{max(1, round(minutes))} min"
    hours = minutes / 60
    return f"{hours:.2g} h" if hours < 48 else f"{hours / 24:.2g} days"


def _finding(ward: Ward, channel: Channel, left: TimeLeft) -> Finding:
    """This returns whose wear it is: the part's where a peer moves too, unknown where the sensor moves alone."""
    name, says = channel.spec.name, words(channel, left)
    row = next((row for row, _ in channel.rows), None)
    if row is None:
        return Finding("unknown", name, "wear", (says,), ("it belongs to no part: nothing else can say why",))
    blame = row.view.blame()
    moved: list[str] = []
    calm: list[str] = []
    for i, peer in enumerate(row.members):
        if peer is channel or peer.masked:
            continue
        too = blame[i] >= MOVES_TOO or (peer.trend is not None and peer.trend.moves(left.over_ms))
        (moved if too else calm).append(f"{peer.spec.name} {'has moved too' if too else 'is as usual'}")
    if moved:
        return Finding("part", row.part.name, "wear", (says, *moved), tuple(calm))
    return Finding("unknown", row.part.name, "wear", (says,), (*calm, f"it may be {name} itself that drifts"))


def _is_ill(ward: Ward, name: str) -> bool:
    """This returns whether the signal itself is at fault: then its trend says nothing about the machine."""
    return any(c.layer == "sensor" and c.is_failing for c in ward.triage.open_cases() if c.target == name)


def _case_of_part(ward: Ward, channel: Channel) -> Case | None:
    """This returns the open case that this trend belongs into: one fault, one ticket."""
    parts = {row.part.name for row, _ in channel.rows}
    open_ = (c for c in ward.triage.open_cases() if c.is_failing and c.overlay.suppressed_by is None)
    return next((c for c in open_ if c.target in parts and c.layer in ("part", "unknown")), None)


def _cause(ward: Ward, left: TimeLeft) -> Case | None:
    """This returns the open case of another part that was ill before this trend began: what follows from it is its story."""
    since = ward.now_ms - left.over_ms
    open_ = (c for c in ward.triage.open_cases() if c.is_failing and c.overlay.suppressed_by is None)
    return next((c for c in open_ if c.layer == "part" and c.target in ward.rows and c.onset_ms <= since), None)


def _add(ward: Ward, case: Case, left: TimeLeft, says: str) -> None:
    """This puts the time left into a case. It is worth another message once a quarter of it is left, or a limit comes sooner."""
    limit_ms = ward.now_ms + left.likely_ms
    if case.limit_ms is not None and case.limit_ms > ward.now_ms and limit_ms > case.limit_ms + left.likely_ms:
        return  # another limit is nearer
    case.outlook, case.limit_ms = says, limit_ms
    if case.class_ == "wear":
        case.evidence = [says, *case.evidence[1:]]
    if case.outlook_step is None or NEAR_MS <= left.likely_ms <= AGAIN * case.outlook_step:
        case.outlook_step = left.likely_ms
        ward.changed(case)

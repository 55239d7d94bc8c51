"""This follows the parts: rows that fill up, sensor faults that the view finds, and an alarm from its rise to its diagnosis."""

from sickbay.core import casework, isolating, lines, story, telling
from sickbay.core.channel import PartRow
from sickbay.core.diagnosis import ACCUSED, Finding, part_anomaly
from sickbay.core.effects import Question
from sickbay.core.equipment import Part
from sickbay.core.fault import Result
from sickbay.core.ward import Ward

ROW_WAITS = 1.5  # periods that an incomplete row waits for its missing signals
BACK = 0.6  # of its own limit: below this a shifted sensor counts as back
GATHER_ROWS = 5  # rows for which a part's diagnosis waits where most other parts are over their limit too
HASTE_ROWS = 2  # rows of alarm before a nonessential part is blamed: an essential one may speak up
WELL_ROWS = 20  # without an alarm: a part on trial looks well
RECHECK_ROWS = 10  # how often an unknown cause is looked at again while the alarm lasts


def close_row(ward: Ward, row: PartRow, at: int) -> None:
    """This hands a part's row to its view, and takes up what the view says."""
    values = row.row
    if row.seen != row.full:
        lines.missed(ward, row, at)
    row.row = [None] * len(values)
    row.seen = 0
    row.at_ms = at
    if row.paused:
        return
    view = row.view
    known = view.settled_anew
    view.step(values, at)
    if view.settled_anew and not known:
        says = f"another operating point than the one that was learnt: settling anew, {view.rows_left} rows to go"
        ward.emit("note", row.part.name, says=says)
    if view.sensor_faults or row.sensor_failing or row.sensor_waits:
        _sensor_faults(ward, row)
    if row.trial_ms is not None:
        _trial(ward, row)
    elif view.alarm or row.alarm_rows:
        _alarm(ward, row)
    if row.shifted:
        _shifted(ward, row)
    if row.relations.wanted() and _is_well(row):
        row.relations.well(values)
    if row.masks:
        _estimate(row, values)
    if row.part.has_model and not view.learning:
        ward.effects.append(Question(row.part.name, at, view.question()))


def _is_well(row: PartRow) -> bool:
    """This returns whether nothing is held against a part or its signals now: what is learnt then is normal running."""
    suspect = row.alarm_rows or row.view.alarm or row.view.sensor_faults
    return not suspect and not any(c.masked or c.failing for c in row.members)


def _estimate(row: PartRow, values: list[float | None]) -> None:
    """This lets the others of the part stand in for its masked signals, where nothing redundant does."""
    seen = [None if c.masked else v for c, v in zip(row.members, values, strict=True)]
    for i, channel in enumerate(row.members):
        if channel.masked and channel.substitute is None:
            channel.estimate = row.relations.estimate(i, seen)


def _sensor_faults(ward: Ward, row: PartRow) -> None:
    """This takes up faults with a sensor's own signature, unless the part's own fault may be what shows."""
    found = dict.fromkeys(row.view.sensor_faults)
    blame = row.view.blame()
    case = ward.triage.open_case((row.part.name, "anomaly"))
    row.sensor_waits = {key: row.sensor_waits.get(key, 0) + 1 for key in found}
    for index, class_ in found:
        if (index, class_) in row.sensor_failing:
            continue
        rows = row.sensor_waits[(index, class_)]
        name = row.members[index].spec.name
        if ward.bars.waits(name, class_, rows, ward.equipment.policy.corroborate_rows, ward.now_ms):
            continue
        away = blame[index] >= 1.0 and not row.members[index].masked
        if away and (not row.settled or (case is not None and case.layer == "part")):
            continue
        if class_ == "spikes" and blame[index] >= 1.0 and case is not None and case.is_failing:
            continue  # out of service it shows what its part's own fault does to it, as any other sensor would
        row.sensor_failing[(index, class_)] = None
        spec = row.members[index].spec
        says = story.mark(row.view.explain(index), class_, spec.unit)
        casework.judge(ward, name, class_, Result.FAILED, Finding("sensor", name, class_, (says,)))
    for index, class_ in list(row.sensor_failing):
        if (index, class_) not in found:
            del row.sensor_failing[(index, class_)]
            casework.judge(ward, row.members[index].spec.name, class_, Result.PASSED)


def _trial(ward: Ward, row: PartRow) -> None:
    """This watches a part that was switched on again. What was hot cools slowly: its probation begins when it first looks well."""
    assert row.trial_ms is not None
    if row.view.alarm:
        row.well_rows = 0
        if ward.now_ms >= row.trial_ms:
            row.trial_ms = None  # it had its time: from now on its alarm counts again
        return
    row.well_rows += 1
    if row.well_rows >= WELL_ROWS:
        row.trial_ms = None
        isolating.moved(ward, ward.quarantine.looks_well(row.part.name, ward.now_ms))
        ward.soon(ward.quarantine.due_ms(ward.now_ms))


def _alarm(ward: Ward, row: PartRow) -> None:
    """This follows a part's alarm from its rise to its diagnosis to its end."""
    name = row.part.name
    if not row.view.alarm:
        row.alarm_rows = 0
        row.settled = False
        casework.judge(ward, name, "anomaly", Result.PASSED)
        return
    if row.alarm_rows == 0:
        if ward.bars.holds(name, "anomaly", row.view.score, ward.now_ms):
            return
        row.alarm_ms = ward.now_ms
        ward.emit("verdict", name, **{"class": "anomaly", "score": round(row.view.score, 3)})
    row.alarm_rows += 1
    case = ward.triage.open_case((name, "anomaly"))
    again = case is not None and case.layer == "unknown" and row.alarm_rows % RECHECK_ROWS == 0
    # While an alarm only lingers, its witnesses have gone quiet: that would be a worse diagnosis, not a newer one.
    # And who cannot say who is odd knows no better than before.
    if not row.settled or (again and row.view.score >= 1.0 and max(row.view.blame(), default=0.0) >= ACCUSED):
        _diagnose(ward, row)


def _diagnose(ward: Ward, row: PartRow) -> None:
    waited = row.alarm_rows >= ward.equipment.policy.corroborate_rows
    near = row.period_ms * ward.equipment.policy.corroborate_rows
    others = [
        r.part.name
        for r in ward.rows.values()
        if r is not row and r.alarm_rows and abs(r.alarm_ms - row.alarm_ms) <= near and not _share(r.part, row.part)
    ]
    finding = part_anomaly(row.part.name, telling.witnesses(ward, row), waited, others, len(ward.rows))
    early = finding.layer == "part" and (_others_follow(ward, row, len(others)) or _may_follow(ward, row))
    row.settled = finding.settled and not early and not _held_back(ward, row)
    if not row.settled:
        return
    if finding.class_ == "shift":
        # The sensor is judged by itself from here on: masked, it no longer shows in the part's score.
        casework.hand_over(ward, row.part.name, finding)
        row.shifted[next(i for i, c in enumerate(row.members) if c.spec.name == finding.target)] = None
    else:
        casework.judge(ward, row.part.name, "anomaly", Result.FAILED, finding)


def _held_back(ward: Ward, row: PartRow) -> bool:
    """This returns whether all that is odd is one signal whose shift a person called a false alarm, and no more than then."""
    odd = sorted(
        ((b, c) for b, c in zip(row.view.blame(), row.members, strict=True) if not c.masked), key=lambda o: -o[0]
    )
    peers = max((b for b, _ in odd[1:]), default=0.0)
    return peers < ACCUSED and bool(odd) and ward.bars.holds(odd[0][1].spec.name, "shift", odd[0][0], ward.now_ms)


def _may_follow(ward: Ward, row: PartRow) -> bool:
    """This returns whether it is too early to act on a nonessential part: what it shows may be an essential part's fault."""
    if row.part.essential:
        return False
    others = [r for r in ward.rows.values() if r.part.essential and not r.alarm_rows]
    return row.alarm_rows < (GATHER_ROWS if any(r.view.score >= 1.0 for r in others) else HASTE_ROWS)


def _others_follow(ward: Ward, row: PartRow, alarms: int) -> bool:
    """This returns whether other parts are about to alarm too: then it is early to blame this one alone."""
    rest = [r for r in ward.rows.values() if r is not row and not r.alarm_rows and not _share(r.part, row.part)]
    restless = sum(r.view.score >= 1.0 and not r.paused for r in rest)
    most = len(ward.rows) >= 3 and 2 * (alarms + restless + 1) > len(ward.rows)
    return restless > 0 and most and row.alarm_rows < GATHER_ROWS


def _shifted(ward: Ward, row: PartRow) -> None:
    """This follows sensors that left their normal alone, in the shadow, until they are back."""
    blame = row.view.blame()
    for index in list(row.shifted):
        name = row.members[index].spec.name
        result = Result.NOT_TESTED
        if blame[index] >= 1.0:
            result = Result.FAILED
        elif blame[index] < BACK and float(row.view.explain(index).get("ratio") or 0.0) < 1.0:
            # Its allowance for wander ends with the fault: what only that brings below its limit would fail at once again.
            result = Result.PREPASSED
        casework.judge(ward, name, "shift", result)
        if not ward.faults.is_failing(name, "shift") and not row.members[index].masked:
            del row.shifted[index]  # out of service it is followed on, in the shadow: a relapse must show


def _share(one: Part, other: Part) -> bool:
    return any(name in other.signals for name in one.signals)

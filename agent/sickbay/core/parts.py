"""This follows the parts: rows that fill up, what their view says, stand-ins, trials, and shifted sensors on their way back."""

from sickbay.core import aftermath, alarms, casework, cycling, isolating, lines, marks, peers
from sickbay.core.channel import PartRow
from sickbay.core.effects import Question
from sickbay.core.fault import Result
from sickbay.core.ward import Ward

ROW_WAITS = 1.5  # periods that an incomplete row waits for its missing signals
BACK = 0.6  # of its own limit: below this a shifted sensor counts as back
AT_ONCE = 0.25  # of a period: the same row again so soon is a line said twice, and no row
WELL_ROWS = 20  # without an alarm: a part on trial looks well


def close_row(ward: Ward, row: PartRow, at: int) -> None:
    """This hands a part's row to its view, and takes up what the view says."""
    values = row.row
    if row.seen != row.full:
        lines.missed(ward, row, at)
    row.row = [None] * len(values)
    row.seen = 0
    if at - row.at_ms < AT_ONCE * row.period_ms and values == row.latest:
        return
    row.latest = values
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
        marks.sensor_faults(ward, row)
    if row.trial_ms is not None:
        _trial(ward, row)
    elif view.alarm or row.alarm_rows:
        alarms.follow(ward, row)
    if peers.heard(ward, row, values):
        cycling.follow(ward)
        if peers.unit_elsewhere(ward):
            for each in ward.rows.values():
                each.view.loses_gait()
    masked = view.any_masked()
    if masked and not row.alarm_rows and view.score < BACK:
        _still_off(row)
    if row.shifted:
        _shifted(ward, row)
    row.relations.hear(values)
    if row.relations.wanted() and _is_well(row):
        row.relations.well()
    if masked:
        _estimate(row)
    if row.part.has_model and not view.learning:
        ward.effects.append(Question(row.part.name, at, view.question()))


def _is_well(row: PartRow) -> bool:
    """This returns whether nothing is held against a part or its signals now: what is learnt then is normal running."""
    suspect = row.alarm_rows or row.view.alarm or row.view.sensor_faults
    return not suspect and not any(c.masked or c.failing for c in row.members)


def _estimate(row: PartRow) -> None:
    """This lets the others of the part stand in for its masked signals, where nothing redundant does."""
    masked = [c.masked for c in row.members]
    for i, channel in enumerate(row.members):
        if channel.masked and channel.substitute is None:
            channel.estimate = row.relations.estimate(i, masked)


def _trial(ward: Ward, row: PartRow) -> None:
    """This watches a part that was switched on again. What was hot cools slowly: its probation begins when it first looks well."""
    assert row.trial_ms is not None
    if row.view.alarm:
        row.well_rows = 0
        aftermath.follow(row)
        if ward.now_ms >= row.trial_ms and not aftermath.heads_home(row):
            row.trial_ms = None  # it had its time: from now on its alarm counts again
        return
    aftermath.forget(row)
    row.well_rows += 1
    if row.well_rows >= WELL_ROWS:
        row.trial_ms = None
        isolating.moved(ward, ward.quarantine.looks_well(row.part.name, ward.now_ms))
        ward.soon(ward.quarantine.due_ms(ward.now_ms))


def _still_off(row: PartRow) -> None:
    """This follows a masked sensor in the shadow: while its part is as usual and it is not, it is no better, whatever its mark."""
    blame = row.view.blame()
    for i, channel in enumerate(row.members):
        if channel.masked and blame[i] >= 1.0:
            row.shifted[i] = None


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
        case = ward.triage.open_case((name, "shift"))
        if case is not None:
            case.reached = max(case.reached, blame[index])
        if not ward.faults.is_failing(name, "shift") and not row.members[index].masked:
            del row.shifted[index]  # out of service it is followed on, in the shadow: a relapse must show

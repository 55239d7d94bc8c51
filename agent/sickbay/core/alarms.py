"""This follows a part's alarm from its rise to its diagnosis to its end: whose fault is it, and is it time to say so?"""

import msgspec

from sickbay.core import aftermath, casework, cycling, handled, marks, peers, slight, telling, together, working_point
from sickbay.core.case import Case
from sickbay.core.channel import PartRow
from sickbay.core.diagnosis import ACCUSED, part_anomaly
from sickbay.core.equipment import Part
from sickbay.core.fault import Result
from sickbay.core.slight import ELSEWHERE_MS, NOBODYS, PATIENT_MS
from sickbay.core.ward import Ward

GATHER_ROWS = 5  # rows for which a part's diagnosis waits where most other parts are over their limit too
HASTE_ROWS = 2  # rows of alarm before a nonessential part is blamed: an essential one may speak up
RECHECK_ROWS = 10  # how often an unknown cause is looked at again while the alarm lasts
ABRUPT, ABRUPT_ROWS = 4.0, 3  # limits that an alarm must reach within its first rows to count as abrupt
LEADS = 4.0  # times the score of all others: that part broke, and they only feel it


def follow(ward: Ward, row: PartRow) -> None:
    """This follows a part's alarm from its rise to its diagnosis to its end."""
    name = row.part.name
    if not row.view.alarm:
        row.alarm_rows = row.far_rows = 0
        if row.handled:
            row.handled_ms = ward.now_ms
        row.settled = row.abrupt = row.common = row.handled = False
        row.astray_ms = row.moved_ms = None
        aftermath.forget(row)
        row.view.keep(False)
        casework.judge(ward, name, "anomaly", Result.PASSED)
        return
    if row.alarm_rows == 0:
        if not row.view.confirmed:
            return
        if ward.bars.holds(name, "anomaly", row.view.score, ward.now_ms):
            return
        row.alarm_ms = ward.now_ms
        ward.emit("verdict", name, **{"class": "anomaly", "score": round(row.view.score, 3)})
    row.alarm_rows += 1
    if not row.settled:
        handled.follow(ward, row)
    slight.follow(row)
    aftermath.follow(row)
    case = ward.triage.open_case((name, "anomaly"))
    row.view.keep(case is not None and case.is_failing and case.layer not in NOBODYS)
    if case is not None:
        case.reached = max(case.reached, row.view.score)
    if _ebbs(ward, row, case):
        return
    blame = row.view.blame()
    if row.alarm_rows <= ABRUPT_ROWS and max(blame, default=0.0) >= ABRUPT:
        row.abrupt = True
    odd = [i for i, b in enumerate(blame) if b >= ACCUSED]
    known = bool(odd) and all(i in row.shifted for i in odd)  # its own sensor's shift is told, and all there is
    # One more signal that is odd beside it may be so by chance, as in any hour: it waits as it would alone.
    row.beside = row.beside + 1 if row.shifted and sum(i not in row.shifted for i in odd) == 1 else 0
    known = known or 0 < row.beside < ward.equipment.policy.corroborate_rows
    again = not known and (case is None or case.layer == "unknown") and row.alarm_rows % RECHECK_ROWS == 0
    # While an alarm only lingers, its witnesses have gone quiet: that would be no diagnosis, or a worse one.
    # And who cannot say who is odd knows no better than before.
    if row.view.score >= 1.0 and (not row.settled or (again and odd)):
        _diagnose(ward, row)


def _ebbs(ward: Ward, row: PartRow, case: Case | None) -> bool:
    """This returns whether the alarm is only what is left of a fault that is over: it ends by itself, or counts again."""
    if row.ebbs:
        row.ebbs = aftermath.heads_home(row)
        if not row.ebbs:
            row.settled = False
        return row.ebbs
    if case is None or case.layer != "part" or not case.is_failing or not case.accused:
        return False
    if aftermath.is_odd(row, case.accused) or not aftermath.heads_home(row):
        return False
    # What broke is well again, and what it warmed or cooled, or what else followed it, is on its way.
    row.ebbs = True
    casework.judge(ward, row.part.name, "anomaly", Result.PASSED)
    return True


def _swayed(ward: Ward, row: PartRow) -> bool:
    """This returns whether the alarm is what a person's order does to the rest of the machine: nobody need be told of it.

    An essential part is never muted so. What began under the order is given its way home after it.
    """
    if row.part.essential:
        return False
    rest = [(r, ward.quarantine.records[r.part.name]) for r in ward.rows.values() if r is not row]
    if any(r.paused and record.held and row.alarm_ms >= record.since_ms for r, record in rest):
        row.swayed = True
        return True
    row.swayed = row.swayed and (
        any(r.trial_ms is not None or record.output_fails for r, record in rest) or aftermath.heads_home(row)
    )
    return row.swayed


def _thaws(ward: Ward, row: PartRow) -> bool:
    """This returns whether a thaw, or another interlude, may be what moves a part slowly: it is waited for."""
    return not row.abrupt and slight.in_interlude(ward, ward.now_ms)


def _may_have_stepped(ward: Ward, row: PartRow) -> bool:
    """This returns whether all that is odd is one signal that may have stepped alone: the unit's next cycle says so."""
    odd = peers.odd(row)
    union = ward.union
    if union is None or len(odd) != 1 or odd[0] not in union.numbers:
        return False
    return union.cycles.awaits_step(union.numbers[odd[0]], ward.now_ms - row.alarm_ms)


def _diagnose(ward: Ward, row: PartRow) -> None:
    # It may be what carries them, or is known to be.
    doubted = any(c.source.nonsense or c.source.in_doubt(ward.now_ms) for c in row.members)
    if doubted or _swayed(ward, row) or _thaws(ward, row) or slight.held_back(ward, row):
        row.settled = False
        return
    waited = row.alarm_rows >= ward.equipment.policy.corroborate_rows
    others = _others(ward, row)
    leads = bool(others) and all(_leads(row, other) for other in others)
    slow = not row.abrupt and not row.part.essential
    row.common = row.common or (slow and bool(others) and not leads)
    finding = part_anomaly(
        row.part.name,
        telling.witnesses(ward, row),
        waited,
        [] if leads else [other.part.name for other in others],
        len(ward.rows),
        row.common,
    )
    if finding.layer == "unknown" and slow:
        finding = msgspec.structs.replace(finding, symptom_of=_told_already(ward, row))
        row.common = row.common or finding.symptom_of is not None
    alike = together.moved_alike(ward, row)
    finding, waits = working_point.explained(ward, row, alike or handled.left_so(ward, row, finding))
    early = waits or (alike is not None and ward.now_ms - row.alarm_ms < ELSEWHERE_MS)
    early = early or (ward.now_ms - row.alarm_ms < PATIENT_MS and together.may_move_alike(ward, row))
    early = early or (finding.layer == "part" and _too_early(ward, row, len(others), leads, waited))
    early = early or slight.faint(row) or slight.too_slight(ward, row, finding)
    early = early or (finding.class_ == "shift" and peers.goes_astray(ward, finding.target))
    early = early or (finding.layer == "surroundings" and _one_leads(row, others)) or _may_have_stepped(ward, row)
    early = early or (finding.layer != "part" and slight.goes_home(row)) or handled.is_theirs(ward, row, finding)
    early = early or (finding.layer != "sensor" and cycling.serves(ward, row))
    early = early or ((finding.layer == "sensor" or not row.abrupt) and cycling.undecided(ward))
    row.settled = finding.settled and not early
    if not row.settled:
        return
    if finding.class_ == "shift":
        # The sensor is judged by itself from here on: masked, it no longer shows in the part's score.
        casework.hand_over(ward, row.part.name, finding)
        row.shifted[next(i for i, c in enumerate(row.members) if c.spec.name == finding.target)] = None
        return
    if finding.symptom_of is not None and finding.layer == "sensor":
        marks.sensor_faults(ward, row)  # its own mark is the ticket; what it does to its part's score is none
        case = ward.triage.open_case((row.part.name, "anomaly"))
        if case is None or case.layer != "unknown":
            return
    casework.judge(ward, row.part.name, "anomaly", Result.FAILED, finding)


def _others(ward: Ward, row: PartRow) -> list[PartRow]:
    """This returns the other parts whose alarm rose at about the same time."""
    near = row.period_ms * ward.equipment.policy.corroborate_rows
    rest = (r for r in ward.rows.values() if r is not row and r.alarm_rows and not _share(r.part, row.part))
    return [r for r in rest if abs(r.alarm_ms - row.alarm_ms) <= near]


def _told_already(ward: Ward, row: PartRow) -> str | None:
    """This returns what is open already: what moves slowly after it, and without a culprit of its own, belongs to it."""
    for case in ward.triage.open_cases():
        common = case.class_ == "anomaly" and case.layer in NOBODYS
        root = ward.rows.get(case.origin[0])
        broke = case.layer == "part" and case.is_failing and root is not None and root.abrupt
        began = broke and case.onset_ms <= row.alarm_ms  # what came slowly itself may be blamed for what it only felt
        if (common or began) and case.overlay.suppressed_by is None and case.origin[0] != row.part.name:
            return case.target
    return None


def _one_leads(row: PartRow, others: list[PartRow]) -> bool:
    """This returns whether an essential part is farther off and about to have its diagnosis: it may have broken, and shaken all."""
    first = any(o.part.essential and not o.settled and o.view.score > row.view.score for o in others)
    return first and row.alarm_rows < GATHER_ROWS


def _leads(row: PartRow, other: PartRow) -> bool:
    """This returns whether a part is so much farther off than another, and no later, that the other only feels it."""
    return row.view.score >= LEADS * other.view.score and row.alarm_ms <= other.alarm_ms


def _too_early(ward: Ward, row: PartRow, others: int, leads: bool, waited: bool) -> bool:
    """This returns whether others should be heard before a part is blamed. What broke abruptly waits least."""
    if not row.abrupt and not row.part.essential and not waited:
        return True
    return (not leads and _others_follow(ward, row, others)) or _may_follow(ward, row)


def _may_follow(ward: Ward, row: PartRow) -> bool:
    """This returns whether it is too early to act on a nonessential part: what it shows may be an essential part's fault."""
    if row.part.essential:
        return False
    others = [r for r in ward.rows.values() if r.part.essential and not r.alarm_rows]
    return row.alarm_rows < (GATHER_ROWS if any(r.view.score >= 1.0 for r in others) else HASTE_ROWS)


def _others_follow(ward: Ward, row: PartRow, alarms: int) -> bool:
    """This returns whether other parts are about to alarm too: then it is early to blame this one alone."""
    rest = [r for r in ward.rows.values() if r is not row and not r.alarm_rows and not _share(r.part, row.part)]
    restless = sum(r.view.score >= 1.0 and not r.paused and not _leads(row, r) for r in rest)
    most = len(ward.rows) >= 3 and 2 * (alarms + restless + 1) > len(ward.rows)
    return restless > 0 and most and row.alarm_rows < GATHER_ROWS


def _share(one: Part, other: Part) -> bool:
    return any(name in other.signals for name in one.signals)

"""This closes cases whose fault is over: gone for a probation, its target back in service, what it shook on its way home."""

from sickbay.core import aftermath, casework, isolating
from sickbay.core.case import Case
from sickbay.core.channel import PartRow
from sickbay.core.fault import Result
from sickbay.core.quarantine import OUT_OF_SERVICE
from sickbay.core.ward import Ward

LEAVES = 5  # probations for which surroundings that are well again may still show in a part before it speaks for itself
# Times the longest that a fault was away so far: intervals of what comes and goes scatter as chance does ...
RETURNS = 3
RETURNS_MOST = 10  # ... and so many probations at most


def close_cases(ward: Ward, now: int) -> None:
    """This closes what is over: its fault gone for a probation, its target back in service."""
    for case in ward.triage.open_cases():
        if case.clear_ms is None:
            continue
        record = ward.record_of(case)
        held = record is not None and record.state in OUT_OF_SERVICE
        released = record is not None and record.by == "released"
        waits = now - case.clear_ms < _patience_ms(ward, case) or _comes_home(ward, case) or _still_ill(ward, case)
        if held or (not released and waits) or now - case.clear_ms < _returns_ms(ward, case):
            continue
        if record is not None and not casework.is_ill(ward, case.target):
            # Whether or not its case may close: an ack that is missing keeps nothing from service.
            isolating.moved(ward, ward.quarantine.healthy(case.target, now))
        _ebb(ward, case)
        if ward.triage.close(case, now):
            ward.emit("fault", case.id, state="closed", target=case.target)
            for other in ward.triage.orphans(case):
                if not _judged_anew(ward, other, now):
                    casework.speaks(ward, other)
                    ward.changed(other)


def _judged_anew(ward: Ward, orphan: Case, now: int) -> bool:
    """This looks anew at a part's anomaly that a root muted and that outlasts it. What was thought of it then is not told now."""
    row = ward.rows.get(orphan.origin[0])
    if row is None or orphan.origin[1] != "anomaly" or orphan.revision > 0:
        return False
    row.settled = False
    casework.judge(ward, *orphan.origin, Result.PASSED)
    return ward.triage.close(orphan, now)


def _still_ill(ward: Ward, case: Case) -> bool:
    """This returns whether the same sensor shows another fault, which its ticket muted: one sensor, one ticket."""
    rest = (c for c in ward.triage.open_cases() if c.overlay.suppressed_by == case.id and c.is_failing)
    return case.layer == "sensor" and any(c.layer == "sensor" and c.target == case.target for c in rest)


def _ebb(ward: Ward, root: Case) -> None:
    """This lets go of what a case muted and what is only on its way home by now: it is the last of a fault that is over."""
    for case in ward.triage.open_cases():
        row = ward.rows.get(case.origin[0])
        mine = case.overlay.suppressed_by == root.id and case.origin[1] == "anomaly" and case.is_failing
        if not mine or row is None:
            continue
        row.ebbs = aftermath.heads_home(row)
        if row.ebbs or not aftermath.is_odd(row, case.accused):
            if not row.ebbs:
                # What made it sick is home. What else is odd by now is looked at anew: levels held for so long say little.
                row.view.settle()
                row.settled = False
            casework.judge(ward, *case.origin, Result.PASSED)


def _patience_ms(ward: Ward, case: Case) -> int:
    """This returns how long a fault must be gone before its case closes."""
    return ward.equipment.policy.probation_ms * (LEAVES if _lingers(ward, case) else 1)


def _returns_ms(ward: Ward, case: Case) -> int:
    """This returns for how long a fault that came back before may stay away and come back again: 0 where it never did."""
    return min(RETURNS * case.away_ms, RETURNS_MOST * ward.equipment.policy.probation_ms)


def _lingers(ward: Ward, case: Case) -> bool:
    """This returns whether what shook other parts too still shows in one of them: it leaves them one after the other."""
    return bool(_felt_in(ward, case))


def _comes_home(ward: Ward, case: Case) -> bool:
    """This returns whether all that a case shook, and that still shows, comes nearer to its normal: it is waited for."""
    rows = _felt_in(ward, case)
    home = [aftermath.heads_home(row) for row in rows]
    return not all(home) and all(h or aftermath.comes_nearer(row) for h, row in zip(home, rows, strict=True))


def _felt_in(ward: Ward, root: Case) -> list[PartRow]:
    """This returns the parts whose anomaly a part's or the surroundings' case muted, and in which it still shows."""
    mine = (c for c in ward.triage.open_cases() if c.overlay.suppressed_by == root.id and c.is_failing)
    felt = [c.origin[0] for c in mine if c.origin[1] == "anomaly"] if root.origin[1] == "anomaly" else []
    return [ward.rows[name] for name in felt if name in ward.rows]

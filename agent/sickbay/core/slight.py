"""This says what is too slight or too early to tell anybody: what hardly leaves its normal, comes slowly, or may go by itself."""

from sickbay.core import aftermath, peers
from sickbay.core.channel import PartRow
from sickbay.core.diagnosis import ACCUSED, Finding
from sickbay.core.ward import Ward

SLIGHT = 4.0  # limits that a slow shift of one signal alone must reach to be told, where it is less than ...
SLIGHT_MOST = 3.0  # ... so many of the deviations that single readings have: who learnt minutes knows little of hours
SLOW = ("middle", "slow")  # its timescales
PATIENT_MS = 3_600_000  # for which such a shift of what wanders is not told, nor what inessential parts do together ...
# ... but where it is so many limits out for so many rows, its wander's allowance left out. That is asked every FAR_EVERY rows.
GOES_ON, GOES_ON_ROWS, FAR_EVERY = 3.0, 60, 5
FAINT = 1.5  # limits that signals reach only together: below, there is nothing to tell anybody
NOBODYS = ("unknown", "surroundings")  # layers without a culprit ...
CLEARLY = 1.25  # ... and the limits that what comes slowly must reach to be told under them
# The same where no chart sees it, and one of those who say where the unit is, is out of service.
FAR_AFIELD = 1.75
ELSEWHERE_MS = 14_400_000  # for which nothing unknown is told while much of the unit is where it never was


def follow(row: PartRow) -> None:
    """This follows for how long an alarm has been far beyond its limit."""
    if row.alarm_rows % FAR_EVERY == 0:
        far = max((row.view.bare(i) for i, c in enumerate(row.members) if not c.masked), default=0.0)
        row.far_rows = row.far_rows + FAR_EVERY if far >= GOES_ON else 0


def too_slight(ward: Ward, row: PartRow, finding: Finding) -> bool:
    """This returns whether what nobody knows the cause of is too little to be told yet, or much of the unit is elsewhere.

    What several parts do together, and slowly, is a new load or the weather more often than not: an hour tells.
    """
    if finding.layer not in NOBODYS:
        return False
    lasts_ms = ward.now_ms - row.alarm_ms
    lately = lasts_ms < ELSEWHERE_MS
    if lately and _is_habit(ward, row):
        return True
    if lately and in_interlude(ward, row.alarm_ms):
        return True
    if row.common and finding.symptom_of is None and lasts_ms < PATIENT_MS:
        return True
    hinted, itself = row.view.any_hinted(), is_odd_by_itself(row)
    witnesses = lasts_ms >= PATIENT_MS or not any(c.masked for c in ward.channels.values())
    clearly = CLEARLY if hinted or itself or witnesses else FAR_AFIELD
    slight = not row.abrupt and row.view.score < clearly and not (hinted and itself) and not _goes_on(row)
    return slight or (finding.layer == "unknown" and lately and _was_elsewhere(ward, row))


def _is_habit(ward: Ward, row: PartRow) -> bool:
    """This returns whether what is beyond all that it was is what the unit's cycles make of the weather."""
    if ward.union is None or row.view.any_hinted() or is_odd_by_itself(row):
        return False
    odd = peers.odd(row)
    numbers, levels = ward.union.numbers, ward.union.cycles.levels
    known = [numbers[name] for name in odd if name in numbers]
    return 0 < len(odd) == len(known) and all(levels.wear.explains(j) or levels.raised(j) for j in known)


def is_odd_by_itself(row: PartRow) -> bool:
    """This returns whether a signal's own chart finds it odd, and not only what other signals say of it."""
    return any(row.view.own(i) >= ACCUSED for i in range(len(row.members)))


def _was_elsewhere(ward: Ward, row: PartRow) -> bool:
    """This returns whether the unit is elsewhere but for this part, or has just come back: means need some rows to come home."""
    if peers.elsewhere_but_for(ward, row):
        row.elsewhere_ms = ward.now_ms
    since_ms = ward.now_ms - row.elsewhere_ms if row.elsewhere_ms is not None else None
    return since_ms is not None and since_ms < ward.equipment.policy.corroborate_rows * row.period_ms


def in_interlude(ward: Ward, at_ms: int) -> bool:
    """This returns whether the unit was in a rare mode, such as a thaw, or had just been."""
    return ward.union is not None and ward.union.cycles.in_interlude(at_ms)


def goes_home(row: PartRow) -> bool:
    """This returns whether what came slowly, and whose cause nobody has found, is over and on its way home."""
    return not row.abrupt and not row.view.any_hinted() and aftermath.heads_home(row)


def faint(row: PartRow) -> bool:
    """This returns whether no signal stands out and all of them together hardly do: status says so, and no message does."""
    return row.view.score < FAINT and not any(b >= ACCUSED for b in row.view.blame())


def held_back(ward: Ward, row: PartRow) -> bool:
    """This returns whether all that is odd is one signal's shift that is not worth telling: slight, or called a false alarm."""
    blame = row.view.blame()
    odd = sorted((i for i, c in enumerate(row.members) if not c.masked), key=lambda i: -blame[i])
    accused = [i for i in odd if blame[i] >= ACCUSED]
    if accused and all(row.view.homeward(i) and not row.view.hinted(i) for i in accused):
        for i in accused:
            row.view.come_home(i)
        return True
    if not odd or len(accused) > 1:
        return False
    channel, found = row.members[odd[0]], row.view.explain(odd[0])
    hinted = row.view.hinted(odd[0])
    if ward.bars.holds(channel.spec.name, "shift", blame[odd[0]], ward.now_ms):
        return True
    if hinted or found.get("learning") or blame[odd[0]] >= SLIGHT or len(odd) < 2:
        return False
    if channel.twins is None and row.view.wanders(odd[0]) and _can_wait(ward, row) and not _goes_on(row):
        return True
    return found["timescale"] in SLOW and row.view.shift(odd[0]) < SLIGHT_MOST


def _goes_on(row: PartRow) -> bool:
    """This returns whether what came slowly has stayed far beyond what its wander might excuse for a while."""
    return row.far_rows >= GOES_ON_ROWS and not aftermath.comes_nearer(row)


def _can_wait(ward: Ward, row: PartRow) -> bool:
    """This returns whether a part that is not essential came to its alarm slowly, alone, and not long ago."""
    alone = not any(r.alarm_rows for r in ward.rows.values() if r is not row)
    return alone and not row.part.essential and not row.abrupt and ward.now_ms - row.alarm_ms < PATIENT_MS

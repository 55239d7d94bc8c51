"""This says whether a part has gone to another working point: all of it moved together, as it always does, and stands there.

What drives a machine moves all that it does by one common factor: half a percent of a supply's wander shows how much each signal
follows, and a drive that is set back by a fifth is the same on a greater scale. A fault breaks that: a worn pump loses head at the
same speed, a blocked one gains it. The common factor is the first principal component of the part's smoothed signals in learning
(Jolliffe, Principal Component Analysis, ch. 2).
"""

import math

import msgspec

from sickbay.core import aftermath
from sickbay.core.channel import PartRow
from sickbay.core.diagnosis import ACCUSED, Finding
from sickbay.core.estimate import ROWS_LEAST, SIGNALS_MAX
from sickbay.core.tails import median
from sickbay.core.ward import Ward

LEADS = 0.8  # correlation with the common factor of those that must all have moved by it ...
KINDS_LEAST = 3  # ... and in how many units of measure: three temperatures may share one cause
MOVED = 3.0  # deviations in learning that the factor must have moved
# Of the factor's move: so far may each be from it, since what goes with the cube of a speed goes in no line.
ALIKE = 0.5
CHANCE = 2.0  # deviations that each has by chance beside that
SETS_OUT, SETS_OUT_LEAST = 0.5, 2  # deviations of each, and how many beyond their limits: it may be on its way there
FIRST_ROWS = 5  # of an alarm, in which slow means have not begun to move: those that have must have gone one way
UNUSUAL = 6.0  # deviations at which what hardly follows the factor counts: it must have gone the same way
STANDSTILL = 0.1  # of its mean: a machine's signal that falls below has stopped, and stopping is no working point
FARTHER = 1.5  # times as far as it was when it had arrived: it does not stand there, it goes on
BACK = 0.5  # of the way out: nearer than this it is on its way home ...
FOLLOWS = 10  # ... and what it has cooled or warmed is given so many times the rows that peers are given
ARRIVES_ROWS = 60  # from the alarm's rise on: by then it has arrived, and stands
# Numbers of a point that has been left again: when it stood there first, how far out that is, when it came back.
RETURNED = 3
STEPS = 30  # of the power iteration
PATIENT_MS = 3_600_000  # for which it is nobody's affair: people set a drive back, and forward again


class Moves(msgspec.Struct, frozen=True):
    """How far each signal of a part is from its mean in learning, in deviations, and how it leans on their common factor."""

    leaders: list[int]
    loads: dict[int, float]
    away: dict[int, float]
    stopped: bool


def explained(ward: Ward, row: PartRow, finding: Finding) -> tuple[Finding, bool]:
    """This returns what an alarm means where its part has only gone to another working point, and whether it is early to say so.

    What wears moves on, and what fails does not keep all of its relations: that is the part's, as it was found.
    """
    if finding.layer == "sensor":
        return finding, False
    moves = _moves(row)
    if row.point and _returns(ward, row, moves):
        return finding, True
    gone = _as_one(moves)
    if finding.layer == "surroundings" and _part_company(moves):
        # What comes from outside moves a part along its factor: this broke it, and shook the rest.
        return Finding("part", row.part.name, "anomaly", finding.evidence, finding.counter), False
    if gone is None:
        sets_out = row.alarm_rows < ward.equipment.policy.corroborate_rows and _sets_out(row, moves)
        return finding, sets_out or _follows(ward, row)
    union = ward.union
    moved = union.outside.moved(union.strangers) if union is not None else []
    if moved:
        return Finding("surroundings", row.part.name, "anomaly", (*moved, *finding.evidence), finding.counter), False
    if row.alarm_rows >= ARRIVES_ROWS and not row.point:
        row.point = [ward.now_ms, gone]
    if row.point and gone / row.point[1] > FARTHER:
        return finding, False
    counter = (*finding.counter, "all of it moved together, as it always does: so a new setpoint or load moves it")
    return Finding("unknown", row.part.name, "anomaly", finding.evidence, counter), _is_patient(ward, row)


def _returns(ward: Ward, row: PartRow, moves: Moves | None) -> bool:
    """This returns whether a part is back from another working point, and what followed it slowly is on its way home."""
    if len(row.point) == RETURNED and row.alarm_ms > row.point[2] and not _follows_on(ward, row, row.point[2]):
        row.point = []  # of an alarm long ago
    if moves is None or not row.point:
        return False
    share = median([moves.away[i] / moves.loads[i] for i in moves.leaders]) / row.point[1]
    if not abs(share) <= BACK:
        del row.point[2:]
        return False
    if len(row.point) < RETURNED:
        row.point.append(ward.now_ms)
    return _follows_on(ward, row, row.point[2])


def _follows_on(ward: Ward, row: PartRow, left_ms: float) -> bool:
    """This returns whether a part may still be on its way after another working point was left."""
    window_ms = FOLLOWS * ward.equipment.policy.corroborate_rows * row.period_ms
    home = aftermath.heads_home(row) or aftermath.comes_nearer(row)
    return ward.now_ms <= left_ms + window_ms or (row.alarm_ms <= left_ms + window_ms and home)


def _is_patient(ward: Ward, row: PartRow) -> bool:
    """This returns whether a part that moved as one has not arrived, or has not stood there for long."""
    return not row.point or ward.now_ms - row.point[0] < PATIENT_MS


def _follows(ward: Ward, row: PartRow) -> bool:
    """This returns whether a part came slowly to its alarm after another that went to another working point: it is fed by that."""
    if row.part.essential or row.abrupt:
        return False
    return any(_feeds(ward, r, row) for r in ward.rows.values() if r is not row)


def _feeds(ward: Ward, first: PartRow, row: PartRow) -> bool:
    if len(first.point) == RETURNED:
        return _follows_on(ward, row, first.point[2])
    if not first.alarm_rows or first.alarm_ms > row.alarm_ms:
        return False
    return _is_patient(ward, first) and (bool(first.point) or _as_one(_moves(first)) is not None)


def _moves(row: PartRow) -> Moves | None:
    """This returns how a part's signals have moved; None where nothing moves them in common, or too little is known."""
    relations = row.relations
    if relations.count < ROWS_LEAST or len(row.members) > SIGNALS_MAX or any(c.masked for c in row.members):
        return None
    moving = [i for i in range(len(row.members)) if relations.moments[i][i] > 0.0]
    loads = relations.loads = relations.loads or _factor(relations.moments, moving)
    leaders = [i for i in moving if abs(loads[i]) >= LEADS]
    smooth = [relations.smooth[i] for i in moving]
    if len({row.members[i].spec.unit for i in leaders}) < KINDS_LEAST or None in smooth:
        return None
    spread = [math.sqrt(relations.moments[i][i] / relations.count) for i in moving]
    away = {
        i: (value - relations.means[i]) / sd
        for i, value, sd in zip(moving, smooth, spread, strict=True)
        if value is not None
    }
    now = [(row.members[i].value, STANDSTILL * abs(relations.means[i])) for i in leaders]
    return Moves(leaders, loads, away, any(value is None or abs(value) < least for value, least in now))


def _as_one(moves: Moves | None) -> float | None:
    """This returns how far a part's common factor has gone, in deviations of learning; None where not all went with it."""
    if moves is None or moves.stopped:
        return None
    shares = [moves.away[i] / moves.loads[i] for i in moves.leaders]
    gone = median(shares)
    if abs(gone) < MOVED or any(abs(share - gone) > ALIKE * abs(gone) + CHANCE for share in shares):
        return None
    return gone if _is_alone(moves, gone) else None


def _part_company(moves: Moves | None) -> bool:
    """This returns whether of what always goes together some went far one way, some the other: a blocked pump's flow and head."""
    if moves is None or moves.stopped:
        return False
    shares = [moves.away[i] / moves.loads[i] for i in moves.leaders]
    return min(shares) <= -UNUSUAL and max(shares) >= UNUSUAL


def _sets_out(row: PartRow, moves: Moves | None) -> bool:
    """This returns whether all that leads has begun to move one way: a machine's mass and its means hold some of it back."""
    if moves is None or moves.stopped:
        return False
    blame = row.view.blame()
    odd = [i for i in moves.leaders if blame[i] >= ACCUSED]
    if len(odd) < SETS_OUT_LEAST:
        return False
    if row.alarm_rows <= FIRST_ROWS and len({row.view.deviation(i, "fast") * moves.loads[i] > 0.0 for i in odd}) == 1:
        return True
    shares = [moves.away[i] / moves.loads[i] for i in moves.leaders]
    one_way = min(shares) >= SETS_OUT or max(shares) <= -SETS_OUT
    return one_way and _is_alone(moves, shares[0])


def _is_alone(moves: Moves, gone: float) -> bool:
    """This returns whether nothing that hardly follows the factor says otherwise: it is where it was, or went the same way."""
    opposed = any(moves.loads[i] < 0.0 for i in moves.leaders)  # some rise where others fall: no way is the rest's
    rest = [far for i, far in moves.away.items() if i not in moves.leaders and abs(far) >= UNUSUAL]
    return not any(opposed or far * gone < 0.0 for far in rest)


def _factor(moments: list[list[float]], moving: list[int]) -> dict[int, float]:
    """This returns each signal's correlation with the first principal component, the largest taken as positive."""
    spread = {i: math.sqrt(moments[i][i]) for i in moving}
    table = [[moments[a][b] / (spread[a] * spread[b]) for b in moving] for a in moving]
    vector = [1.0 + 0.01 * k for k in range(len(moving))]
    size = 0.0
    for _ in range(STEPS):
        turned = [math.fsum(t * v for t, v in zip(line, vector, strict=True)) for line in table]
        size = math.sqrt(math.fsum(t * t for t in turned))
        if size <= 0.0:
            return dict.fromkeys(moving, 0.0)
        vector = [t / size for t in turned]
    most = max(vector, key=abs)
    scale = math.copysign(math.sqrt(size), most)
    return {i: scale * v for i, v in zip(moving, vector, strict=True)}

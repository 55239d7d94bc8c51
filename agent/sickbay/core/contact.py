"""This finds a contact that hangs: what always followed when people moved it happens again and again, and it has not moved.

Time says nothing of a contact that people move: a door is shut all night. What its openings do to other signals does: each throws
a cold room's thermometers out of their way, from one minute to the next, as nothing else does. How sharply a signal turns shows
that, whatever its way is: warm goods make all the room's ways steeper, and turn none. Two signals must say so together, as one
alone can be ill itself; and while the unit's own switches stand as they stood, as those turn signals too.
"""

import itertools
import math
from collections.abc import Sequence

import msgspec

from sickbay.core.tails import median

TIMES = 8  # that it must have been moved in learning, before anything is known of what follows
SPANS = (1, 2, 3, 4, 6, 9, 13, 19, 28)  # rows on either side of a turn; those that show most are taken
CANDIDATES = 5  # signals that answer most often by themselves: each pair of them is looked at
MARGIN = 1.5  # times the sharpest turn of both with the contact at rest in learning
ANSWERED = 0.2  # share of its movements that both must have answered
HANGS = 4  # answers in a row to nothing ...
OFTEN = 8.0  # ... each within so many times the rows in which one was to be expected
QUIET = 100  # least rows of learning in which nothing but rest was to be seen
SIGNALS_MOST = 24  # of one unit

Column = Sequence[float | None]


class Contact(msgspec.Struct):
    """One contact, at rest most of the time, and two signals that answer when it is moved."""

    signal: int
    at_rest: float
    span: int  # rows
    often: int  # rows within which the next answer is to come, where people move it
    witnesses: list[int]
    scales: list[float]  # by witness: of an answer's sharpness, with its sign, in its own unit
    latest: list[list[float]] = []  # by witness: readings over two spans
    still: int = 0  # rows for which it has been at rest, and everything heard
    since: int = 0  # rows since the last answer
    answers: int = 0  # to nothing, since it last moved
    ready: bool = (
        False  # nothing turned in the row before: what turns still when a switch has just gone quiet is that switch's
    )

    @property
    def hangs(self) -> bool:
        """Whether it did not move when it should have, again and again."""
        return self.answers >= HANGS

    def step(self, row: Column, calm: int) -> None:
        """This takes a row of the unit; for `calm` rows none of the unit's switches has changed."""
        value, span = row[self.signal], self.span
        if value is not None and value != self.at_rest:
            self.answers = 0
        known = [v for w in self.witnesses if (v := row[w]) is not None]
        if value is None or len(known) < len(self.witnesses):
            self.latest, self.still, self.ready = [], 0, False
            return
        self.latest = [[*each[-2 * span :], v] for each, v in zip(self.latest or [[], []], known, strict=True)]
        self.still = self.still + 1 if value == self.at_rest else 0
        self.since += 1
        if min(self.still, calm + span, self.since) <= 3 * span:
            self.ready = False
            return
        turns = (each[0] - 2.0 * each[span] + each[-1] for each in self.latest)
        turned = all(turn / scale > 1.0 for turn, scale in zip(turns, self.scales, strict=True))
        if turned and self.ready:
            self.answers = self.answers + 1 if self.hangs or self.since <= self.often else 1
            self.since = 0
        self.ready = not turned


def learn(rows: Sequence[Column], signal: int, calm: Sequence[int]) -> Contact | None:
    """This returns what two signals do when a contact is moved, from fault-free rows; None where that is not known.

    `calm` says of each row for how many none of the unit's switches had changed.
    """
    width = len(rows[0])
    columns = [[row[j] for row in rows] for j in range(width)]
    values = [{v for v in column if v is not None} for column in columns]
    contact = columns[signal]
    if len(values[signal]) != 2 or width > SIGNALS_MOST:
        return None
    at_rest = max(values[signal], key=contact.count)
    moved = [i for i, (a, b) in enumerate(itertools.pairwise(contact), 1) if a == at_rest and b not in (at_rest, None)]
    if len(moved) < TIMES:
        return None
    gap = median([float(b - a) for a, b in itertools.pairwise(moved)])
    others = [j for j in range(width) if j != signal and len(values[j]) > 2]
    still = _still(contact, at_rest)
    best, found = ANSWERED, None
    for span in (each for each in SPANS if 2 * each <= gap):
        quiet = [k for k in range(2 * span, len(rows)) if min(still[k], calm[k] + span) > 3 * span]
        after = [[k for k in range(i, min(i + span + 2, len(rows))) if calm[k] > 2 * span] for i in moved]
        if len(quiet) < QUIET:
            break
        turns = {j: _turns(columns[j], span, quiet, after) for j in others}
        alone = sorted((-_answered(turn, quiet, after)[1], j) for j, (_, turn) in turns.items())
        for one, other in itertools.combinations([j for share, j in alone[:CANDIDATES] if share], 2):
            both = [min(a, b) for a, b in zip(turns[one][1], turns[other][1], strict=True)]
            least, share = _answered(both, quiet, after)
            if share > best:
                scales = [least * turns[j][0] for j in (one, other)]
                best, found = share, Contact(signal, at_rest, span, round(OFTEN * gap / share), [one, other], scales)
    return found


def _still(contact: Column, at_rest: float) -> list[int]:
    """This returns for how many rows a contact was at rest, row by row."""
    out, still = [], 0
    for value in contact:
        still = still + 1 if value == at_rest else 0
        out.append(still)
    return out


def _turns(
    column: Column, span: int, quiet: Sequence[int], after: Sequence[Sequence[int]]
) -> tuple[float, list[float]]:
    """This returns how sharply a signal turns, in the way in which it turns when the contact is moved, and in what unit."""
    turns = [0.0] * len(column)
    for k, (a, b, c) in enumerate(zip(column, column[span:], column[2 * span :], strict=False), 2 * span):
        if a is not None and b is not None and c is not None:
            turns[k] = a - 2.0 * b + c
    unit = math.sqrt(math.fsum(turns[k] ** 2 for k in quiet) / len(quiet))
    if unit <= 0.0:
        return 1.0, [0.0] * len(column)
    if math.fsum(max((turns[k] for k in each), key=abs, default=0.0) for each in after) < 0.0:
        unit = -unit
    return unit, [turn / unit for turn in turns]


def _answered(turns: Sequence[float], quiet: Sequence[int], after: Sequence[Sequence[int]]) -> tuple[float, float]:
    """This returns how sharp a turn must be to be an answer, and the share of movements that have one."""
    least = MARGIN * max(1.0, max(turns[k] for k in quiet))
    return least, sum(any(turns[k] > least for k in each) for each in after) / len(after)

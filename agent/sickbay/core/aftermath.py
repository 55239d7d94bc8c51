"""This says whether what is still odd about a part is only on its way home: its cause is over, and what is warm cools slowly.

Judged by each signal's slow mean, in units of its limit. A signal is on its way when it has come back by half of the
farthest that it went, and goes on coming nearer. One that stops short of home, or turns round, is not: that is a fault that lasts.
"""

from sickbay.core.channel import PartRow

ODD = 0.6  # of its own limit: nearer than this a signal is home, as for the part's alarm
HOME = 0.5  # of its limit: its mean is home, and what it does from here on begins anew
HALF = 0.5  # of the farthest
TURNED = 0.9  # of the farthest: it has turned round ...
FRESH_ROWS = 60  # ... and rows within which it must have come nearer again
NEARER = 0.98  # times the nearest so far: less is a step nearer, and no chance
STALE_ROWS = 300  # without a step nearer: it has stopped
STOOD = 2  # numbers of a working point (core/working_point.py) that has not been left yet
BACK_OUT, BACK_OUT_LEAST = 1.25, 0.5  # times the nearest, and limits beyond it: it has turned round


def follow(row: PartRow) -> None:
    """This takes in one row of a part in alarm."""
    view = row.view
    if not row.aways:
        row.aways = [[0.0, 0.0, 0.0] for _ in row.members]
    for i, way in enumerate(row.aways):
        away, (farthest, nearest, _) = view.away(i), way
        if away < HOME or away > farthest or away > BACK_OUT * nearest + BACK_OUT_LEAST:
            way[:] = (away, away, 0.0)
        elif away < NEARER * nearest:
            way[1:] = (away, 0.0)
        else:
            way[2] += 1.0


def forget(row: PartRow) -> None:
    """This ends what was followed: the part is well, or off."""
    row.aways, row.ebbs, row.swayed = [], False, False
    if len(row.point) == STOOD:
        row.point.append(row.at_ms)  # it is back from there, and what followed it slowly is on its way


def heads_home(row: PartRow) -> bool:
    """This returns whether all that is odd about a part is on its way home, half of it covered."""
    return _on_the_way(row, HALF, STALE_ROWS)


def comes_nearer(row: PartRow) -> bool:
    """This returns whether all that is odd about a part has turned round, and comes nearer by the minute."""
    return _on_the_way(row, TURNED, FRESH_ROWS)


def _on_the_way(row: PartRow, share: float, stale_rows: int) -> bool:
    blame = row.view.blame()
    if not row.aways:
        return row.view.score < 1.0
    # What never left its normal may come near to its limit by chance.
    odd = [
        way
        for way, b, c in zip(row.aways, blame, row.members, strict=True)
        if not c.masked and b >= (ODD if way[0] >= 1.0 else 1.0)
    ]
    if not odd:
        return row.view.score < 1.0
    return all(nearest <= share * farthest and stale < stale_rows for farthest, nearest, stale in odd)


def is_odd(row: PartRow, names: tuple[str, ...]) -> bool:
    """This returns whether any of these signals of a part is not home."""
    blame = row.view.blame()
    return any(blame[i] >= ODD for i, c in enumerate(row.members) if c.spec.name in names)

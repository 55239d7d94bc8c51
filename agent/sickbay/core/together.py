"""This says when all that a unit has of one kind moves alike: then the surroundings moved, and no part.

A part that fails moves what it makes, or what follows it, and not what it does not touch: dirt in a radiator warms the water, and
not the pump's bearing; a warm day warms both.
"""

from sickbay.core.anomaly import PartView
from sickbay.core.channel import PartRow
from sickbay.core.diagnosis import ACCUSED, Finding
from sickbay.core.story import alike
from sickbay.core.ward import Ward

ALIKE = 0.5  # of what the farthest accused has moved: so much all the others must have
SETS_OUT = 0.2  # the same for a part that is not essential, whose surroundings may only have begun to move
PARTS_LEAST = 2  # other parts that must have signals of that kind


def may_move_alike(ward: Ward, row: PartRow) -> bool:
    """This returns whether a part may only feel first what the slower thermometers have begun to follow: an hour tells."""
    return not row.part.essential and moved_alike(ward, row, SETS_OUT) is not None


def moved_alike(ward: Ward, row: PartRow, share: float = ALIKE) -> Finding | None:
    """This returns the surroundings where all signals of one unit of measure have left their normal the same way, in all parts.

    Nobody is asked who measures something else: it must be as usual, or the part may well be what moves.
    """
    blame = row.view.blame()
    accused = [i for i, c in enumerate(row.members) if not c.masked and blame[i] >= ACCUSED]
    units = {row.members[i].spec.unit for i in accused}
    if len(units) != 1 or "" in units or row.abrupt or row.view.any_hinted():
        return None
    unit = units.pop()
    most = max((_gone(row.view, i) for i in accused), key=abs)
    moved: dict[str, float] = {}
    parts = set()
    for other in ward.rows.values():
        for i, channel in enumerate(other.members):
            if channel.masked or channel.spec.unit != unit:
                continue
            far = _gone(other.view, i)
            if far * most <= 0.0 or (abs(far) < share * abs(most) and not (other is row and i in accused)):
                return None
            moved[channel.spec.name] = far
            if other is not row:
                parts.add(other.part.name)
    if len(parts) < PARTS_LEAST:
        return None
    calm = tuple(f"{c.spec.name} is as usual" for c, b in zip(row.members, blame, strict=True) if b < ACCUSED)
    return Finding("surroundings", row.part.name, "anomaly", (alike(moved, unit),), calm)


def _gone(view: PartView, index: int) -> float:
    """This returns how far a signal's slow mean is from the middle of where it was in learning, in its own unit."""
    if view.learning:
        return 0.0
    now, low, high = view.edges(index)
    return now - (low + high) / 2.0

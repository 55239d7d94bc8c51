"""This says what people have moved, such as a door: an hour is theirs, and the way home; then they have left it so."""

from sickbay.core import aftermath, peers
from sickbay.core.channel import PartRow
from sickbay.core.diagnosis import Finding
from sickbay.core.slight import PATIENT_MS, is_odd_by_itself
from sickbay.core.ward import Ward


def follow(ward: Ward, row: PartRow) -> None:
    """This follows, row by row of an alarm that is not settled, what people have moved and how far others went astray."""
    after = row.handled_ms is not None and row.alarm_ms - row.handled_ms < PATIENT_MS  # its way home may alarm again
    moved = bool(_moved_by_people(ward, row))
    row.handled = row.handled or after or moved
    row.moved_ms = (row.moved_ms if row.moved_ms is not None else ward.now_ms) if moved else None
    if row.handled and peers.others_astray(ward, row):
        row.astray_ms = ward.now_ms


def is_theirs(ward: Ward, row: PartRow, finding: Finding) -> bool:
    """This returns whether people have moved something, such as a door, in this alarm: an hour is theirs, and the way home.

    No sensor is accused in it at all: a draught reaches two thermometers as it likes.
    """
    lately = ward.now_ms - max(row.alarm_ms, row.moved_ms or 0) < PATIENT_MS
    return row.handled and (
        lately or finding.layer == "sensor" or aftermath.comes_nearer(row) or _recovers(ward, row, finding)
    )


def _recovers(ward: Ward, row: PartRow, finding: Finding) -> bool:
    """This returns whether only what others make of a signal is odd, and the unit was lately where it never was.

    What signals always made of each other they do not while 500 kg of warm goods are cooled.
    """
    astray = row.astray_ms is not None and ward.now_ms - row.astray_ms < PATIENT_MS
    return astray and finding.layer == "part" and not row.abrupt and not is_odd_by_itself(row)


def _moved_by_people(ward: Ward, row: PartRow) -> list[str]:
    """This returns what is odd now and moved by people: as long as a door stands open, that is the matter."""
    union = ward.union
    if union is None:
        return []
    odd = peers.odd(row)
    return [name for name in odd if name in union.numbers and union.cycles.handled[union.numbers[name]]]


def left_so(ward: Ward, row: PartRow, finding: Finding) -> Finding:
    """This returns the surroundings where people have left something as it seldom is, and all else may follow from that."""
    moved = _moved_by_people(ward, row)
    if not moved or finding.layer == "sensor":
        return finding
    doubt = (*finding.counter, f"people move {' and '.join(moved)}: somebody may have left it so, or it hangs")
    return Finding("surroundings", row.part.name, "anomaly", finding.evidence, doubt)

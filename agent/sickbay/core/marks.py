"""This takes up what only a sensor does: it stands still, throws spikes, or is noisier than all that it measures."""

from sickbay.core import casework, leaping, peers, story
from sickbay.core.channel import PartRow
from sickbay.core.diagnosis import Finding
from sickbay.core.fault import Result
from sickbay.core.ward import Ward


def sensor_faults(ward: Ward, row: PartRow) -> None:
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
        if class_ == "spikes" and row.view.wild(index):
            continue  # a spike comes back: what stays out there from now on is none
        if class_ == "stuck" and peers.rests(ward, row.members[index]):
            continue  # where the machine never was, what is still may be off
        if class_ == "spikes" and len(row.members) == 1 and row.view.moved(index):
            continue  # it has gone elsewhere, and nothing else can say whether the machine has
        thrown = row.view.roams(index) or leaping.comes_and_goes(row, index)
        if class_ == "spikes" and thrown and not row.view.lonely(index):
            continue  # it goes, stays, and comes back: the machine throws it about
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

"""This finds the open case that explains a finding: a root cause mutes its symptoms."""

from sickbay.core import telling
from sickbay.core.case import Case
from sickbay.core.channel import PartRow
from sickbay.core.classes import LINE_SYMPTOMS
from sickbay.core.diagnosis import Finding
from sickbay.core.quarantine import ENERGISED
from sickbay.core.ward import Ward

CONSEQUENCE = 10  # times the rows that peers are given: how long one part's fault may take to show in another
SWAYED = ("disagreement", "shift", "noise")  # sensor faults that a sagging supply gives to many sensors at once
UNHURRIED = ("stuck", "noise", "spikes")  # sensor faults that a part's fault can imitate
OWN = ("anomaly", "cycle")  # what a part shows that its relay does not switch
NO_FRAMES = "no frames come"  # what is said of a line whose port answers and whose signals are all silent


def root_of(ward: Ward, finding: Finding, own: Case | None = None) -> Case | None:
    """This returns the open case that explains a finding, if any: never the finding's own, nor one that it explains itself."""
    for case in ward.triage.open_cases():
        if case is not own and _is_root(ward, case, finding):
            top: Case | None = case
            while top is not None and top is not own and top.overlay.suppressed_by is not None:
                top = ward.triage.cases.get(top.overlay.suppressed_by)
            if top is not None and top is not own and top.is_open:
                return top
    return None


def _is_root(ward: Ward, case: Case, finding: Finding) -> bool:
    if finding.symptom_of is not None and case.target == finding.symptom_of:
        return True
    if case.layer == finding.layer == "sensor" and case.target == finding.target:
        return case.is_failing  # a sensor known to be ill explains all else that it does
    if case.class_ == "garbage" and finding.class_ == "unplugged":
        return case.is_failing and only_mute(ward, case, finding.target)
    if case.class_ == "cycle" and case.layer == "part" and case.is_failing and _strays(ward, case, finding):
        return True
    if case.layer == "line" and (
        finding.class_ == "silent" or (case.is_failing and finding.class_ in LINE_SYMPTOMS.get(case.class_, ()))
    ):
        channel = ward.channels.get(finding.target)
        return channel is not None and channel.spec.source == case.target
    if case.layer == "part" and case.is_failing and finding.class_ in UNHURRIED and _is_essential(ward, case.target):
        return True  # what the machine does as it fails looks stuck, or noisy, in every part
    if case.layer == "part" and case.is_failing and finding.class_ in UNHURRIED and _sways_part_of(ward, case, finding):
        return True
    if case.class_ == "no_effect" and case.is_failing and finding.class_ in OWN and finding.target in ward.rows:
        # Its relay did not follow: switched on, it is not as it should be. Ordered off it runs, and what it does counts.
        ordered_on = ward.quarantine.state(finding.target) in ENERGISED
        return ordered_on and ward.rows[finding.target].part.output == case.target
    if (
        case.layer == "surroundings"
        and case.is_failing
        and finding.class_ == "stuck"
        and _is_handled(ward, case, finding)
    ):
        return True  # a door that is left open does stand still
    if case.layer == "surroundings" and case.is_failing and _came_slowly(ward, finding):
        return case.class_ == "anomaly"  # what most of the device felt at once reaches the rest of it slowly
    if case.layer == "surroundings" and (finding.layer == "surroundings" or finding.class_ in SWAYED):
        return case.is_failing and (case.class_ == finding.class_ or case.class_ == "anomaly")
    return case.layer == "part" and case.is_failing and (_explains(ward, case, finding) or follows(ward, case, finding))


def _strays(ward: Ward, case: Case, finding: Finding) -> bool:
    """This returns whether a part that no longer goes through its cycles explains a finding: all that it served goes astray.

    An essential part too: a room does not warm by itself beside a compressor that stands. What came before is another story.
    """
    row = ward.rows.get(finding.target)
    if finding.class_ == "anomaly" and row is not None:
        return case.target == finding.target or row.alarm_ms >= case.onset_ms
    return finding.class_ == "shift" or (finding.class_ == "cycle" and case.target != finding.target)


def _is_essential(ward: Ward, part: str) -> bool:
    return part in ward.rows and ward.rows[part].part.essential


def _came_slowly(ward: Ward, finding: Finding) -> bool:
    row = ward.rows.get(finding.target)
    return row is not None and finding.class_ == "anomaly" and not row.abrupt


def only_mute(ward: Ward, garbage: Case, source: str) -> bool:
    """This returns whether a line that counts as lost still carries bytes: nobody should look for a pulled plug then."""
    return garbage.target == source and ward.lost_sources.get(source) == NO_FRAMES


def _explains(ward: Ward, case: Case, finding: Finding) -> bool:
    """This returns whether a faulty part explains what another part shows: all that is odd there is odd here too."""
    row, own = ward.rows.get(finding.target), ward.rows.get(case.target)
    if row is None or own is None or row is own or finding.class_ != "anomaly":
        return False
    odd = [w.signal for w in telling.witnesses(ward, row) if w.blame >= 1.0]
    return bool(odd) and all(name in own.part.signals for name in odd)


def follows(ward: Ward, case: Case, finding: Finding) -> bool:
    """This returns whether a part's anomaly began so soon after another part's fault, or its isolation, that it is its consequence.

    A dead pump cools the radiator, and nobody should switch off the fan for it. An essential part is never muted so: it may
    have failed by itself, and nothing would be switched on that guess.
    """
    row = ward.rows.get(finding.target)
    if row is None or case.target not in ward.rows or finding.class_ != "anomaly" or row.part.essential:
        return False
    disturbed_ms = max(case.onset_ms, ward.quarantine.records[case.target].since_ms)
    window_ms = CONSEQUENCE * ward.equipment.policy.corroborate_rows * row.period_ms
    if case.target == finding.target or row.alarm_ms < case.onset_ms:
        return False
    if not row.abrupt and _is_essential(ward, case.target):
        return True  # what an essential part does comes slowly too
    if _is_back(ward.rows[case.target], case):
        return True  # as a hose that is free again: what it shook is shaken once more
    return row.alarm_ms <= disturbed_ms + window_ms


def _is_handled(ward: Ward, case: Case, finding: Finding) -> bool:
    """This returns whether what stands still is what people have moved, and was told of with the part that measures it."""
    union, row = ward.union, ward.rows.get(case.origin[0])
    number = union.numbers.get(finding.target) if union is not None else None
    if union is None or row is None or number is None or not union.cycles.handled[number]:
        return False
    return finding.target in case.accused and finding.target in row.part.signals


def _is_back(row: PartRow, case: Case) -> bool:
    """This returns whether all that spoke against a part reads as usual again, though its means have not come home yet."""
    if row.view.learning or not case.accused:
        return False
    for i, channel in enumerate(row.members):
        if channel.spec.name in case.accused:
            centre, value = row.view.explain(i).get("centre"), channel.value
            if value is None or centre is None or abs(value - float(centre)) > row.view.reach(i):
                return False
    return True


def _sways_part_of(ward: Ward, case: Case, finding: Finding) -> bool:
    """This returns whether a part's fault has just set in motion what a sensor measures: that may look like noise or spikes."""
    channel = ward.channels.get(finding.target)
    rows = [row for row, _ in channel.rows if row.alarm_rows] if channel is not None else []
    return any(follows(ward, case, Finding("unknown", row.part.name, "anomaly", ())) for row in rows)

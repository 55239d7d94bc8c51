"""This turns results into cases: it qualifies, finds the root, opens, keeps, and closes."""

from sickbay.core import isolating, story, telling
from sickbay.core.case import Case
from sickbay.core.classes import CLASSES, SENSOR_CHECKS
from sickbay.core.diagnosis import Finding
from sickbay.core.fault import Change, Entry, Memory, Result
from sickbay.core.quarantine import OUT_OF_SERVICE
from sickbay.core.reading import Receipt
from sickbay.core.ward import Ward

UNHURRIED = ("stuck", "noise", "spikes")  # sensor faults that a part's fault can imitate


def judge(ward: Ward, target: str, class_: str, result: Result, finding: Finding | None = None) -> None:
    """This qualifies one result, and opens, keeps or lets go of the case that it means."""
    change = ward.faults.judge(target, class_, result, ward.now_ms)
    if change is Change.PASSED:
        ward.emit("verdict", target, **{"class": class_, "result": "passed"})
        _passed(ward, target, class_)
    elif change is Change.FAILED:
        ward.emit("verdict", target, **{"class": class_, "result": "failed"})
        _failed(ward, target, class_, finding or _plain_finding(ward, target, class_))
    elif finding is not None and result is Result.FAILED and ward.faults.is_failing(target, class_):
        _failed(ward, target, class_, finding)


def _plain_finding(ward: Ward, target: str, class_: str) -> Finding:
    """This returns what a plausibility check means by itself: the sensor, with the value as evidence."""
    channel = ward.channels.get(target)
    value = (
        "no number" if channel is None or channel.value is None else f"{channel.value:g} {channel.spec.unit}".strip()
    )
    words = [f"{target} {CLASSES[class_].says}: {value}"]
    if channel is not None and class_ == "range":
        words.append(f"possible is {channel.spec.low:g} to {channel.spec.high:g}")
    return Finding(CLASSES[class_].layer, target, class_, tuple(words))


def _failed(ward: Ward, target: str, class_: str, finding: Finding) -> None:
    entry = ward.faults.entry(target, class_)
    case = ward.triage.open_case((target, class_))
    if case is not None:
        _still(ward, case, finding)
        return
    if entry.memory is not Memory.CONFIRMED:
        return  # pending: a class that must fail in more than one cycle
    root = _root(ward, finding)
    if root is not None:
        ward.emit("verdict", target, **{"class": class_, "symptom_of": root.id})
        return
    case = ward.triage.opened(lambda fault_id: _case(ward, fault_id, entry, finding), ward.now_ms)
    _take_over(ward, case)
    ward.emit("fault", case.id, **telling.gist_of(ward, case))
    isolating.isolate(ward, case)
    ward.soon(case.due_ms)


def hand_over(ward: Ward, part: str, finding: Finding) -> None:
    """This moves a part's case to the sensor that turned out to be its cause, or opens one for the sensor."""
    origin = (finding.target, finding.class_)
    case = ward.triage.open_case((part, "anomaly"))
    if case is not None and ward.triage.open_case(origin) is None:
        ward.triage.rekey(case, origin)
        case.class_, case.next_step = finding.class_, CLASSES[finding.class_].next_step
    judge(ward, finding.target, finding.class_, Result.FAILED, finding)


def _still(ward: Ward, case: Case, finding: Finding) -> None:
    """This takes in that an open case fails again, or that its cause has become clear."""
    case.clear_ms = None
    if case.layer == "unknown" and finding.layer != "unknown":
        case.layer, case.target = finding.layer, finding.target
        case.evidence, case.counter_evidence = list(finding.evidence), list(finding.counter)
        case.severity = telling.severity(ward, finding)
        _take_over(ward, case)
        ward.emit("fault", case.id, **telling.gist_of(ward, case))
        ward.changed(case)
    isolating.isolate(ward, case)


def _case(ward: Ward, fault_id: str, entry: Entry, finding: Finding) -> Case:
    signals = _concerned(ward, finding)
    row = ward.rows.get(entry.target)
    onset = row.view.since_ms if row is not None and row.view.since_ms is not None else entry.last_ms
    return Case(
        id=fault_id,
        origin=(entry.target, entry.class_),
        target=finding.target,
        class_=finding.class_,
        layer=finding.layer,
        severity=telling.severity(ward, finding),
        opened_ms=ward.now_ms,
        onset_ms=onset if onset is not None else ward.now_ms,
        evidence=list(finding.evidence),
        counter_evidence=list(finding.counter),
        next_step=CLASSES[finding.class_].next_step,
        part=next((p.name for p in ward.equipment.parts if finding.target in (p.name, *p.signals)), None),
        signals=tuple(signals),
        frame={name: list(ward.channels[name].ring) for name in signals},
    )


def _concerned(ward: Ward, finding: Finding) -> list[str]:
    """This returns the signals whose window tells the story: the target first, then those of its part or line."""
    names = [finding.target] if finding.target in ward.channels else []
    for part in ward.equipment.parts:
        if finding.target in (part.name, part.output) or finding.target in part.signals:
            names += [n for n in part.signals if n not in names]
    names += [n for n, c in ward.channels.items() if c.spec.source == finding.target and n not in names]
    return names[: story.FRAME_SIGNALS]


def _root(ward: Ward, finding: Finding) -> Case | None:
    """This returns the open case that explains a new finding, if any."""
    channel = ward.channels.get(finding.target)
    for case in ward.triage.open_cases():
        if finding.symptom_of is not None and case.target == finding.symptom_of:
            return case
        if (
            case.layer == "line"
            and channel is not None
            and channel.spec.source == case.target
            and finding.class_ == "silent"
        ):
            return case
        if case.layer == "part" and case.is_failing and _explains(ward, case, finding):
            return case
    return None


def _explains(ward: Ward, case: Case, finding: Finding) -> bool:
    """This returns whether a faulty part explains what another part shows: all that is odd there is odd here too."""
    row, own = ward.rows.get(finding.target), ward.rows.get(case.target)
    if row is None or own is None or row is own or finding.class_ != "anomaly":
        return False
    odd = [w.signal for w in telling.witnesses(ward, row) if w.blame >= 1.0]
    return bool(odd) and all(name in own.part.signals for name in odd)


def _take_over(ward: Ward, case: Case) -> None:
    """This mutes open cases that a part's fault explains: its own sensors that only imitated a fault."""
    row = ward.rows.get(case.target)
    if case.layer != "part" or row is None:
        return
    for other in ward.triage.open_cases():
        if other.class_ in UNHURRIED and other.target in row.part.signals and other.revision == 0:
            other.overlay.suppressed_by = case.id


def _passed(ward: Ward, target: str, class_: str) -> None:
    case = ward.triage.open_case((target, class_))
    if case is None:
        return
    case.clear_ms = ward.now_ms
    ward.soon(ward.now_ms + ward.equipment.policy.probation_ms)
    if case.target in ward.quarantine.records and not _ill(ward, case.target):
        if ward.quarantine.state(case.target) in OUT_OF_SERVICE:
            isolating.moved(ward, ward.quarantine.healthy(case.target, ward.now_ms))
        else:
            ward.quarantine.records[case.target].ill = False
    ward.soon(ward.quarantine.due_ms(ward.now_ms))


def _ill(ward: Ward, target: str) -> bool:
    return any(c.target == target and c.is_failing for c in ward.triage.open_cases())


def close_cases(ward: Ward, now: int) -> None:
    """This closes what is over: its fault gone for a probation, its target back in service."""
    for case in ward.triage.open_cases():
        if case.clear_ms is None:
            continue
        held = case.target in ward.quarantine.records and ward.quarantine.state(case.target) in OUT_OF_SERVICE
        released = (
            ward.quarantine.records[case.target].by == "released" if case.target in ward.quarantine.records else False
        )
        if held or (not released and now - case.clear_ms < ward.equipment.policy.probation_ms):
            continue
        if ward.triage.close(case, now):
            ward.emit("fault", case.id, state="closed", target=case.target)
            if case.target in ward.quarantine.records and not _ill(ward, case.target):
                isolating.moved(ward, ward.quarantine.healthy(case.target, now))


def driven(ward: Ward, receipt: Receipt) -> None:
    part, on = ward.pending_drives.pop(receipt.effect_id)
    output = receipt.effect_id.rpartition(":")[0]
    ward.emit("output", output, on=on, ok=receipt.ok, detail=receipt.detail)
    result = Result.PASSED if receipt.ok else Result.FAILED
    finding = Finding("part", output, "no_effect", (f"{output} ordered {'on' if on else 'off'}: {receipt.detail}",))
    isolating.moved(ward, ward.quarantine.proven(part, receipt.ok, ward.now_ms))
    judge(ward, output, "no_effect", result, finding)


def end_cycle(ward: Ward) -> None:
    """This closes an operation cycle and opens the next."""
    ward.faults.end_cycle()
    ward.cycle_ms = ward.now_ms
    for channel in ward.channels.values():
        keys = [(bit, (channel.spec.name, class_)) for bit, class_ in enumerate(SENSOR_CHECKS)]
        channel.active = [(bit, ward.faults.entries[key]) for bit, key in keys if key in ward.faults.entries]

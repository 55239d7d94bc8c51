"""This turns results into cases: it qualifies, finds the root, opens, and keeps. What is over is closed by closing.py."""

from sickbay.core import aftermath, fault, isolating, story, telling
from sickbay.core.case import Case, Overlay
from sickbay.core.classes import CLASSES, LINE_SYMPTOMS, SENSOR_CHECKS
from sickbay.core.diagnosis import ACCUSED, Finding
from sickbay.core.fault import Change, Entry, Memory, Result
from sickbay.core.quarantine import OUT_OF_SERVICE
from sickbay.core.reading import Receipt
from sickbay.core.source import DOUBT_FRAMES
from sickbay.core.ward import Ward

CONSEQUENCE = 10  # times the rows that peers are given: how long one part's fault may take to show in another
SWAYED = ("disagreement", "shift", "noise")  # sensor faults that a sagging supply gives to many sensors at once
NO_FRAMES = "no frames come"  # what is said of a line whose port answers and whose signals are all silent
UNHURRIED = ("stuck", "noise", "spikes")  # sensor faults that a part's fault can imitate


def judge(ward: Ward, target: str, class_: str, result: Result, finding: Finding | None = None) -> None:
    """This qualifies one result, and opens, keeps or lets go of the case that it means."""
    own = ward.bars.debounce(target, class_, CLASSES[class_].debounce) if ward.bars.bars else None
    change = ward.faults.judge(target, class_, result, ward.now_ms, own)
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
    case = ward.triage.opened(lambda fault_id: _case(ward, fault_id, entry, finding, root), ward.now_ms)
    if root is not None:
        ward.emit("verdict", target, **{"class": class_, "symptom_of": root.id})
    else:
        speaks(ward, case)
    channel = ward.channels.get(finding.target)
    if case.due_ms is not None and channel is not None and channel.source.in_doubt(ward.now_ms):
        case.due_ms += DOUBT_FRAMES * channel.source.cadence_ms  # it shows by then whether it is the line that says so
    ward.soon(case.due_ms)


def speaks(ward: Ward, case: Case) -> None:
    """This lets a case that nothing else explains act: mute what it explains, be noted, isolate."""
    _take_over(ward, case)
    ward.emit("fault", case.id, **telling.gist_of(ward, case))
    isolating.isolate(ward, case)


def hand_over(ward: Ward, part: str, finding: Finding) -> None:
    """This moves a part's case to the sensor that turned out to be its cause, or opens one for the sensor."""
    origin = (finding.target, finding.class_)
    case = ward.triage.open_case((part, "anomaly"))
    if case is not None and case.layer == "unknown" and ward.triage.open_case(origin) is None:
        rename(ward, case, finding)
    judge(ward, finding.target, finding.class_, Result.FAILED, finding)


def rename(ward: Ward, case: Case, finding: Finding) -> None:
    """This gives a case whose cause was not known the target and class of the finding that explains it."""
    ward.triage.rekey(case, (finding.target, finding.class_))
    case.class_, case.next_step = finding.class_, CLASSES[finding.class_].next_step


def _still(ward: Ward, case: Case, finding: Finding) -> None:
    """This takes in that an open case fails again, or that its cause has become clear."""
    if case.clear_ms is not None:
        case.away_ms = max(case.away_ms, ward.now_ms - case.clear_ms)
        case.clear_ms = None
        root = _root(ward, finding, case)
        case.overlay.suppressed_by = root.id if root is not None else None
        ward.changed(case)
    if case.layer == "unknown" and finding.layer != "unknown":
        case.layer, case.target = finding.layer, finding.target
        case.evidence, case.counter_evidence = list(finding.evidence), list(finding.counter)
        case.severity = telling.severity(ward, finding)
        root = _root(ward, finding, case) if case.revision == 0 else None
        if root is not None:
            case.overlay.suppressed_by = root.id
        _take_over(ward, case)
        ward.emit("fault", case.id, **telling.gist_of(ward, case))
        ward.changed(case)
    isolating.isolate(ward, case)


def _case(ward: Ward, fault_id: str, entry: Entry, finding: Finding, root: Case | None) -> Case:
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
        overlay=Overlay(suppressed_by=root.id if root is not None else None),
        accused=_accused(ward, entry),
        part=next((p.name for p in ward.equipment.parts if finding.target in (p.name, *p.signals)), None),
        signals=tuple(signals),
        frame={name: list(ward.channels[name].ring) for name in signals},
    )


def _accused(ward: Ward, entry: Entry) -> tuple[str, ...]:
    """This returns the signals that speak against a part now."""
    row = ward.rows.get(entry.target)
    return () if row is None else tuple(w.signal for w in telling.witnesses(ward, row) if w.blame >= ACCUSED)


def _concerned(ward: Ward, finding: Finding) -> list[str]:
    """This returns the signals whose window tells the story: the target first, then those of its part or line."""
    names = [finding.target] if finding.target in ward.channels else []
    for part in ward.equipment.parts:
        if finding.target in (part.name, part.output) or finding.target in part.signals:
            names += [n for n in part.signals if n not in names]
    names += [n for n, c in ward.channels.items() if c.spec.source == finding.target and n not in names]
    return names[: story.FRAME_SIGNALS]


def _root(ward: Ward, finding: Finding, own: Case | None = None) -> Case | None:
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
        return case.is_failing and _only_mute(ward, case, finding.target)
    if case.class_ == "cycle" and case.is_failing and _strays(ward, case, finding):
        return True
    if case.layer == "line" and (
        finding.class_ == "silent" or (case.is_failing and finding.class_ in LINE_SYMPTOMS.get(case.class_, ()))
    ):
        channel = ward.channels.get(finding.target)
        return channel is not None and channel.spec.source == case.target
    if case.layer == "part" and case.is_failing and finding.class_ in UNHURRIED and _is_essential(ward, case.target):
        return True  # what the machine does as it fails looks stuck, or noisy, in every part
    if case.layer == "surroundings" and case.is_failing and _came_slowly(ward, finding):
        return case.class_ == "anomaly"  # what most of the device felt at once reaches the rest of it slowly
    if case.layer == "surroundings" and (finding.layer == "surroundings" or finding.class_ in SWAYED):
        return case.is_failing and (case.class_ == finding.class_ or case.class_ == "anomaly")
    return (
        case.layer == "part" and case.is_failing and (_explains(ward, case, finding) or _follows(ward, case, finding))
    )


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


def _only_mute(ward: Ward, garbage: Case, source: str) -> bool:
    """This returns whether a line that counts as lost still carries bytes: nobody should look for a pulled plug then."""
    return garbage.target == source and ward.lost_sources.get(source) == NO_FRAMES


def _explains(ward: Ward, case: Case, finding: Finding) -> bool:
    """This returns whether a faulty part explains what another part shows: all that is odd there is odd here too."""
    row, own = ward.rows.get(finding.target), ward.rows.get(case.target)
    if row is None or own is None or row is own or finding.class_ != "anomaly":
        return False
    odd = [w.signal for w in telling.witnesses(ward, row) if w.blame >= 1.0]
    return bool(odd) and all(name in own.part.signals for name in odd)


def _follows(ward: Ward, case: Case, finding: Finding) -> bool:
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
    return row.alarm_ms <= disturbed_ms + window_ms


def _take_over(ward: Ward, case: Case) -> None:
    """This mutes open cases that a part's fault explains: its own sensors that only imitated a fault."""
    if case.class_ == "garbage":
        gone = ward.triage.open_case((case.target, "unplugged"))
        if gone is not None and gone.revision == 0 and _only_mute(ward, case, gone.target):
            gone.overlay.suppressed_by = case.id
    for other in ward.triage.open_cases() if case.class_ in LINE_SYMPTOMS else ():
        channel = ward.channels.get(other.target)
        mine = channel is not None and channel.spec.source == case.target and other.revision == 0
        if mine and (other.class_ == "silent" or other.class_ in LINE_SYMPTOMS[case.class_]):
            other.overlay.suppressed_by = case.id
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
    cleared(ward, case)


def cleared(ward: Ward, case: Case) -> None:
    """This takes in that a case's fault is gone: what it kept out of service may begin to prove itself."""
    case.clear_ms = ward.now_ms
    ward.soon(ward.now_ms + ward.equipment.policy.probation_ms)
    record = ward.record_of(case)
    if record is not None and not is_ill(ward, case.target):
        if record.state in OUT_OF_SERVICE:
            isolating.moved(ward, ward.quarantine.healthy(case.target, ward.now_ms))
        else:
            record.ill = False
    ward.soon(ward.quarantine.due_ms(ward.now_ms))


def release(ward: Ward, name: str, who: str, reason: str) -> None:
    """This brings back what is out of service, through probation; what still fails is found, and told, once more."""
    cases = ward.cases_of(name)
    origins = [case.origin for case in cases]
    for key, entry in ward.faults.entries.items():
        mine = key in origins or (entry.target == name and CLASSES[entry.class_].layer != "line")
        if mine and entry.test_failed:
            fault.retest(entry)
    for case in cases:
        if case.clear_ms is None:
            case.clear_ms = ward.now_ms
    show_anew(ward, name)
    ward.quarantine.records[name].ill = False
    isolating.moved(ward, ward.quarantine.release(name, who, reason, ward.now_ms))
    ward.soon(ward.quarantine.due_ms(ward.now_ms))


def show_anew(ward: Ward, name: str) -> None:
    """This forgets that a fault of `name` was seen already, so that one which lasts is found, and told, once more."""
    ward.lost_sources.pop(name, None)
    if name in ward.sources:
        ward.sources[name].show_anew()
    channel = ward.channels.get(name)
    if channel is not None:
        channel.silent = False
        for row, i in channel.rows:
            row.sensor_failing = {key: None for key in row.sensor_failing if key[0] != i}
    row_of = ward.rows.get(name)
    if row_of is not None:
        row_of.alarm_rows, row_of.settled = 0, False
        aftermath.forget(row_of)
    ward.soon(ward.now_ms + 1)


def is_ill(ward: Ward, target: str) -> bool:
    return any(c.is_failing for c in ward.cases_of(target))


def driven(ward: Ward, receipt: Receipt) -> None:
    part, on = ward.pending_drives.pop(receipt.effect_id)
    output = receipt.effect_id.rpartition(":")[0]
    ward.emit("output", output, on=on, ok=receipt.ok, detail=receipt.detail)
    result = Result.PASSED if receipt.ok else Result.FAILED
    finding = Finding("part", output, "no_effect", (f"{output} ordered {'on' if on else 'off'}: {receipt.detail}",))
    isolating.proven(ward, part, receipt.ok)
    judge(ward, output, "no_effect", result, finding)


def _watched(ward: Ward, entry: Entry) -> bool:
    """This returns whether a monitor that speaks only when something changes has watched in this cycle.

    Without its word at the end of a cycle, a fault that is gone would never heal: nothing says "passed" twice.
    """
    channel, row = ward.channels.get(entry.target), ward.rows.get(entry.target)
    debounce = CLASSES[entry.class_].debounce
    if entry.class_ == "no_effect" or debounce.inc < debounce.failed_at:
        return False  # an output is tested by an order only; what counts samples speaks at each of them
    if channel is not None:
        learns = any(r.view.learning for r, _ in channel.rows)
        return channel.at_ms is not None and channel.at_ms > ward.cycle_ms and (entry.class_ == "silent" or not learns)
    if row is not None:
        return row.at_ms > ward.cycle_ms and not row.view.learning and not row.paused
    heard = any((c.at_ms or 0) > ward.cycle_ms for c in ward.by_source.get(entry.target, ()))
    return heard or entry.class_ == "store"


def end_cycle(ward: Ward) -> None:
    """This closes an operation cycle and opens the next."""
    for entry in list(ward.faults.entries.values()):
        if not entry.test_failed and entry.class_ not in SENSOR_CHECKS and _watched(ward, entry):
            judge(ward, entry.target, entry.class_, Result.PASSED)
    ward.faults.end_cycle()
    ward.cycle_ms = ward.now_ms
    for channel in ward.channels.values():
        keys = [(bit, (channel.spec.name, class_)) for bit, class_ in enumerate(SENSOR_CHECKS)]
        channel.active = [(bit, ward.faults.entries[key]) for bit, key in keys if key in ward.faults.entries]

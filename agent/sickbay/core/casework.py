"""This turns results into cases: it qualifies, finds the root, opens, and keeps. What is over is closed by closing.py."""

from sickbay.core import aftermath, fault, isolating, roots, story, telling
from sickbay.core.case import Case, Overlay
from sickbay.core.classes import CLASSES, LINE_SYMPTOMS, SENSOR_CHECKS
from sickbay.core.diagnosis import ACCUSED, Finding
from sickbay.core.fault import Change, Entry, Memory, Result
from sickbay.core.quarantine import OUT_OF_SERVICE
from sickbay.core.reading import ReadBack, Receipt
from sickbay.core.source import DOUBT_FRAMES
from sickbay.core.ward import Ward

RETURNS_WITHIN = 10  # probations: what comes back by then was away, and its ticket is kept open the longer


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
    root = roots.root_of(ward, finding)
    ticket = _ticket(ward, finding) if root is None else None
    if ticket is not None:
        _goes_over(ward, ticket, (target, class_), finding)
        return
    case = ward.triage.opened(lambda fault_id: _case(ward, fault_id, entry, finding, root), ward.now_ms)
    case.away_ms = _was_away(ward, case)
    if root is not None:
        ward.emit("verdict", target, **{"class": class_, "symptom_of": root.id})
    else:
        speaks(ward, case)
    channel = ward.channels.get(finding.target)
    if case.due_ms is not None and channel is not None and channel.source.in_doubt(ward.now_ms):
        case.due_ms += DOUBT_FRAMES * channel.source.cadence_ms  # it shows by then whether it is the line that says so
    ward.soon(case.due_ms)


def _ticket(ward: Ward, finding: Finding) -> Case | None:
    """This returns the open ticket that a finding goes on with: the same sensor shows another fault, or what is unknown spreads.

    What came slowly, nobody knows why, and reaches an essential part is that part's from then on: there it must be looked at.
    """
    row = ward.rows.get(finding.target)
    known = finding.class_ == "anomaly" and finding.layer in ("part", "unknown")
    slow = known and row is not None and row.part.essential and not row.abrupt
    for case in ward.triage.open_cases():
        if case.overlay.suppressed_by is not None:
            continue
        if case.layer == finding.layer == "sensor" and case.target == finding.target and case.clear_ms is not None:
            return case
        began = ward.rows.get(case.origin[0])
        spreads = slow and began is not None and not began.part.essential and case.is_failing
        if spreads and (case.layer, case.class_) == ("unknown", "anomaly"):
            return case
    return None


def _goes_over(ward: Ward, case: Case, origin: tuple[str, str], finding: Finding) -> None:
    """This lets an open ticket go on with another fault, of which it is the story."""
    ward.triage.rekey(case, origin)
    before = [f"before: {words}" for words in case.evidence[:1]] if case.target != finding.target else []
    case.target, case.class_, case.next_step = finding.target, finding.class_, CLASSES[finding.class_].next_step
    case.accused, case.severity = _accused(ward, ward.faults.entry(*origin)), telling.severity(ward, finding)
    known = case.layer == finding.layer
    case.evidence, case.counter_evidence = list(finding.evidence), list(finding.counter)
    _still(ward, case, finding)
    case.evidence += before
    if known:
        ward.emit("fault", case.id, **telling.gist_of(ward, case))
    ward.changed(case)


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
        gone_ms = ward.now_ms - case.clear_ms
        case.away_ms = max(case.away_ms, gone_ms)
        case.clear_ms = None
        if gone_ms >= ward.equipment.policy.probation_ms and case.layer != "line":
            case.returns += 1
            if ward.triage.chatters(case, ward.now_ms):
                ward.triage.latch(case)
        root = roots.root_of(ward, finding, case)
        case.overlay.suppressed_by = root.id if root is not None else None
        ward.changed(case)
    if case.layer == "unknown" and finding.layer != "unknown":
        case.layer, case.target = finding.layer, finding.target
        case.evidence, case.counter_evidence = list(finding.evidence), list(finding.counter)
        case.severity = telling.severity(ward, finding)
        root = roots.root_of(ward, finding, case) if case.revision == 0 else None
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


def _was_away(ward: Ward, case: Case) -> int:
    """This returns for how long a fault was gone that came back after its ticket had closed; 0 where there was none."""
    if case.layer == "line":
        return 0  # lines are counted by themselves: core/source.py
    since = ward.now_ms - RETURNS_WITHIN * ward.equipment.policy.probation_ms
    before = [
        c for c in ward.triage.cases.values() if (c.target, c.layer) == (case.target, case.layer) and c.revision > 0
    ]
    gone = [c.clear_ms for c in before if c.closed_ms is not None and c.closed_ms >= since and c.clear_ms is not None]
    return ward.now_ms - max(gone) if gone else 0


def _take_over(ward: Ward, case: Case) -> None:
    """This mutes open cases that a part's fault explains: its own sensors that only imitated a fault."""
    if case.class_ == "garbage":
        gone = ward.triage.open_case((case.target, "unplugged"))
        if gone is not None and gone.revision == 0 and roots.only_mute(ward, case, gone.target):
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
        untold = other.revision == 0 and other is not case and other.overlay.suppressed_by is None
        imitates = other.class_ in roots.UNHURRIED and other.target in row.part.signals
        follows = other.layer != "part" and other.origin[1] == "anomaly" and case.origin[1] == "anomaly"
        if untold and (
            imitates or (follows and roots.follows(ward, case, Finding(other.layer, other.origin[0], "anomaly", ())))
        ):
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


def read_back(ward: Ward, fact: ReadBack) -> None:
    """This takes in that an output's contacts have moved by themselves, or are again as they were ordered."""
    if any(effect_id.rpartition(":")[0] == fact.output for effect_id in ward.pending_drives):
        return  # an order is under way, and its receipt will say what they did
    ward.emit("output", fact.output, ok=fact.follows, detail=fact.detail)
    result = Result.PASSED if fact.follows else Result.FAILED
    says = f"{fact.output} moved by itself: {fact.detail}"
    for part in ward.equipment.parts:
        if part.output == fact.output:
            isolating.proven(ward, part.name, fact.follows)
    judge(ward, fact.output, "no_effect", result, Finding("part", fact.output, "no_effect", (says,)))


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

"""This gathers what is told: witnesses for the diagnosis, severity, and the record that leaves."""

from typing import Any

from sickbay.core import leaping, peers, story
from sickbay.core.case import Case
from sickbay.core.channel import Channel, PartRow
from sickbay.core.diagnosis import Finding, Witness
from sickbay.core.fault import Entry
from sickbay.core.ward import Ward

FOLLOWS = 0.5  # of what a signal does: a twin that does so much says the same
RESTLESS = ("noise", "spikes")  # classes of a sensor that says too much: that moves its ...
QUICK = ("jump", "fast", "noise")  # ... quick means, and no slower ones
FRESH_ROWS = 60  # of an alarm: a leap that comes later is no sensor's beginning


def witnesses(ward: Ward, row: PartRow) -> list[Witness]:
    """This returns what each signal of a part has to say, those out of service left out."""
    # An alarm holds a while below its limit: who reaches as far as the score itself is accused all the same.
    lingers = 1.0 / max(0.5, row.view.score) if row.view.alarm and row.view.score < 1.0 else 1.0
    blame = [b * lingers for b in row.view.blame()]
    # A signal that has moved away slowly throws spikes only as long as its chart has not followed, and one that comes and goes
    # throws them each time: they explain nothing.
    view = row.view
    ill_now = {
        i
        for i, mark in view.sensor_faults
        if mark != "spikes" or not (view.moved(i) or view.afield(i) or leaping.comes_and_goes(row, i))
    }
    masked = [c.masked for c in row.members]
    apart = peers.out_of_step(ward)
    # Noise comes in bursts: what its ticket is open for explains the next one too.
    restless = {c.target for c in ward.triage.open_cases() if c.layer == "sensor" and c.class_ in RESTLESS}
    out: list[Witness] = []
    for i, channel in enumerate(row.members):
        if channel.masked:
            continue
        found = row.view.explain(i)
        words = story.deviation(found, channel.spec.unit)
        ill = i in ill_now or channel.spec.name in apart or bool(channel.failing) or channel.silent
        ill = ill or (found.get("timescale") in QUICK and channel.spec.name in restless)
        denied, coarse = None, False
        relation = peers.verdict(ward, channel) if row.view.hinted(i) else None
        if blame[i] >= 1.0:
            # Relations of the whole unit know better than those of its part who errs, or that nobody can know.
            if relation is None and not peers.astray(ward, row, i):
                denied = row.relations.contradicts(i, masked)
            latest = [v for _, v in list(channel.ring)[-max(2, row.alarm_rows) :] if v is not None]
            coarse = row.view.coarse(i, latest)
        if view.afield(i) and blame[i] >= 1.0:
            words = story.afield(channel.spec.name, view.edges(i), channel.spec.unit)
        if relation is not None:
            words = peers.words(ward, channel) or words
        twin = _twin_agrees(ward, channel, blame[i], found) if relation is None else None
        # Who was odd long before does more than leap; and who came step by step did not leap, however fast.
        fresh = row.abrupt or row.alarm_rows < FRESH_ROWS
        leapt = fresh and row.view.leapt(i) and leaping.at_once(ward, row, i, found)
        company = leapt and peers.elsewhere(ward, channel)
        out.append(
            Witness(
                channel.spec.name,
                blame[i],
                words,
                ill,
                twin,
                leapt,
                denied,
                coarse,
                company,
                relation,
                gone=row.view.gone(i),
                roams=row.view.roams(i),
            )
        )
    return out


def _twin_agrees(ward: Ward, channel: Channel, blame: float, found: dict[str, Any]) -> bool | None:
    """This returns whether a signal's redundant twins are out of their normal too; None without a twin in service.

    Either in units of their own limits, or by as much in the quantity's unit: of two equal ones the limits need not be equal.
    """

    name = channel.spec.name
    twins = [ward.channels[t] for t in ward.equipment.redundancy_group(name) if t != name]
    seen = [(r.view, i) for t in twins if not t.masked and not t.silent for r, i in t.rows if not r.view.learning]
    if not seen:
        return None
    timescale = str(found.get("timescale", ""))
    own = max((r.view.deviation(i, timescale) for r, i in channel.rows), key=abs, default=0.0)
    as_far = any(view.deviation(i, timescale) * own >= FOLLOWS * own * own > 0.0 for view, i in seen)
    return as_far or max(view.blame()[i] for view, i in seen) >= FOLLOWS * min(blame, 2.0)


def severity(ward: Ward, finding: Finding) -> str:
    """This returns what is at stake: an essential part is critical, a sensor with a stand-in is minor."""
    parts = [p for p in ward.equipment.parts if finding.target in (p.name, p.output) or finding.target in p.signals]
    essential = any(p.essential for p in parts)
    if finding.layer == "sensor":
        channel = ward.channels.get(finding.target)
        covered = channel is not None and (channel.spec.substitute or channel.spec.redundant_with)
        return "major" if essential and not covered else "minor"
    if finding.layer == "part":
        return "critical" if essential else "major"
    return "major"


def gist(ward: Ward, case: Case) -> str:
    """This returns what a message about a case would say, in short."""
    return story.gist(case, ward.record_of(case))


def body(ward: Ward, case: Case, at_ms: int) -> dict[str, Any]:
    """This returns the escalation's record as it leaves, and notes that it does."""
    record = ward.record_of(case)
    channel = ward.channels.get(case.target)
    substitute = story.stand_in(channel) if channel is not None else None
    entry = ward.faults.entries.get(case.origin) or Entry(*case.origin)  # telling leaves no trace in the table
    ward.emit("escalate", case.id, revision=case.revision, severity=case.severity, target=case.target)
    part = next((p for p in ward.equipment.parts if p.name == case.target), None)
    return {
        "fault_id": case.id,
        "revision": case.revision,
        "device": ward.equipment.device,
        "target": case.target,
        "class": case.class_,
        "layer": case.layer,
        "severity": case.severity,
        "summary": story.summary(case, record, substitute),
        "evidence": case.evidence,
        "counter_evidence": case.counter_evidence,
        "outlook": case.outlook,
        "rule": record.rule if record is not None else "",
        "done": story.done(case, record, substitute),
        "stands_in": substitute,
        "releases": story.releases(case, record, part is None or part.output is None),
        "next_step": case.next_step if case.is_open else "Nothing: it is over.",
        "freeze_frame": _frame(ward, case, at_ms),
        "history": {**story.history(case, entry, list(ward.triage.cases.values())), "withheld": ward.triage.withheld},
    }


def _frame(ward: Ward, case: Case, at_ms: int) -> dict[str, Any]:
    """This returns the window before and after the opening, thinned, times relative to the opening."""
    signals: dict[str, list[tuple[int, float | None]]] = {}
    for name, before in case.frame.items():
        last = before[-1][0] if before else -1
        channel = ward.channels.get(name)  # None: it left the configuration while the case was open
        after = [point for point in channel.ring if point[0] > last] if channel is not None else []
        window = story.thinned(before) + story.thinned(after)
        signals[name] = [(t - case.opened_ms, v if v is None else float(f"{v:.6g}")) for t, v in window]
    first = min((w[0][0] for w in signals.values() if w), default=0)
    onset = case.onset_ms - case.opened_ms
    return {
        "opened_ms": case.opened_ms,
        "from_ms": first,
        "to_ms": at_ms - case.opened_ms,
        "onset_ms": onset,
        "signals": signals,
    }


def gist_of(ward: Ward, case: Case) -> dict[str, Any]:
    return {
        "target": case.target,
        "class": case.class_,
        "layer": case.layer,
        "severity": case.severity,
        "evidence": list(case.evidence),
    }

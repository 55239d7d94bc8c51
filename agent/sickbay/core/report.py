"""This is what a person may ask of a device at any time: its status, and why a thing is as it is."""

from collections.abc import Callable
from typing import Any

from sickbay.core import feedback, story, window
from sickbay.core.bars import Bar
from sickbay.core.case import Case
from sickbay.core.channel import Channel
from sickbay.core.classes import CLASSES
from sickbay.core.fault import status_byte
from sickbay.core.quarantine import OUT_OF_SERVICE, Record
from sickbay.core.reading import Quality
from sickbay.core.standing import Standing
from sickbay.core.ward import Ward
from sickbay.errors import OrderRefused

Wall = Callable[[int], str]  # the shell's translation of at_ms into RFC 3339


def status(ward: Ward, wall: Wall) -> dict[str, Any]:
    """This returns signals, parts and faults as the contract names them; the shell adds outbox, model and time quality."""
    return {
        "device": ward.equipment.device,
        "uptime_s": round(ward.now_ms / 1000, 3),
        "signals": {name: _signal(ward, channel, wall) for name, channel in ward.channels.items()},
        "parts": {name: _part(ward, name, wall) for name in ward.rows},
        "faults": [_fault(ward, case, wall) for case in ward.triage.cases.values() if _remembered(ward, case)],
        "sources": {
            s: {"alive": s not in ward.lost_sources, "says": ward.lost_sources.get(s, "")} for s in ward.by_source
        },
        "withheld": ward.triage.withheld,
        "standing": [_standing(each, wall) for each in ward.orders.standing],
        "bars": [_bar(bar, wall) for bar in ward.bars.bars.values()],
    }


def _remembered(ward: Ward, case: Case) -> bool:
    """This returns whether a case is open, or closed and not yet aged out of the fault memory."""
    return case.is_open or case.origin in ward.faults.entries


def _signal(ward: Ward, channel: Channel, wall: Wall) -> dict[str, Any]:
    record = ward.quarantine.records[channel.spec.name]
    value, quality = channel.value, channel.quality
    if channel.silent:
        quality = Quality.SILENT
    elif record.state in OUT_OF_SERVICE:
        quality = Quality.BAD if record.ill else Quality.SUSPECT
    stand_in, error = ward.channels[channel.substitute].value if channel.substitute else None, None
    if channel.substitute is None and channel.estimate is not None:
        stand_in, error = (float(f"{number:.6g}") for number in channel.estimate)
    return {
        "state": str(record.state),
        "since": wall(record.since_ms),
        "value": value,
        "unit": channel.spec.unit,
        "quality": str(quality),
        "substitute": channel.substitute or ("estimate" if error is not None else None),
        "substitute_value": stand_in,
        "substitute_error": error,  # standard error of an estimate; None for a signal that was measured
        "reason": record.reason or None if str(record.state) != "in_service" else None,
    }


def _part(ward: Ward, name: str, wall: Wall) -> dict[str, Any]:
    record, row = ward.quarantine.records[name], ward.rows[name]
    view = row.view
    return {
        "state": str(record.state),
        "since": wall(record.since_ms),
        "reason": record.reason or None if str(record.state) != "in_service" else None,
        "essential": row.part.essential,
        "score": round(view.score, 4),
        "alarm": view.alarm,
        "blind": row.paused or all(c.silent or c.masked for c in row.members),  # nothing is known of it now: no health
        "settling": view.learning and view.settled_anew,  # another operating point than the one once learnt
        "learning": view.rows_left if view.learning else 0,  # rows that are still to be learnt from
    }


def _fault(ward: Ward, case: Case, wall: Wall) -> dict[str, Any]:
    entry = ward.faults.entries.get(case.origin)
    overlay = case.overlay
    return {
        "id": case.id,
        "revision": case.revision,
        "open": case.is_open,
        "class": case.class_,
        "layer": case.layer,
        "target": case.target,
        "severity": case.severity,
        "status_byte": status_byte(entry) if entry is not None else 0,
        "fdc": entry.fdc if entry is not None else 0,
        "occurrences": entry.occurrences if entry is not None else 0,
        "first": wall(case.opened_ms),
        "last": wall(
            case.closed_ms if case.closed_ms is not None else (entry.last_ms if entry else None) or case.opened_ms
        ),
        "acked": _acked(case, wall),
        "shelved_until": wall(overlay.shelved_until_ms) if overlay.shelved_until_ms is not None else None,
        "shelved_by": overlay.shelved_by,
        "suppressed_by": overlay.suppressed_by,
        "well_since": wall(case.clear_ms) if case.is_open and case.clear_ms is not None else None,
        "delivered": case.revision > 0 and overlay.delivered >= case.revision,
    }


def _acked(case: Case, wall: Wall) -> dict[str, Any] | None:
    overlay = case.overlay
    if overlay.acked_by is None or overlay.acked_ms is None:
        return None
    return {"who": overlay.acked_by, "reason": overlay.ack_reason, "when": wall(overlay.acked_ms)}


def why(ward: Ward, name: str, wall: Wall) -> dict[str, Any]:
    """This returns the evidence, the rule that decided, and what would release it, for a signal, part, source or fault id."""
    cases = ward.triage.find(name)
    part = next((p for p in ward.equipment.parts if p.name == name), None)
    if part is not None and part.output is not None:
        cases += ward.triage.find(part.output)  # a relay that does not follow is held against its part
    if name not in ward.quarantine.records and not cases and name not in ward.by_source:
        known = ", ".join([*ward.channels, *ward.rows, *ward.by_source])
        raise OrderRefused(f"{name}: not a signal, a part, a source or an open fault. Known here: {known}")
    target = name if name in ward.quarantine.records or not cases else cases[0].target
    record = ward.quarantine.records.get(target)
    return {
        "name": target,
        "state": str(record.state) if record is not None else ("lost" if target in ward.lost_sources else "alive"),
        "since": wall(record.since_ms) if record is not None else None,
        "says": _says(ward, target, record, cases),
        "reason": record.reason if record is not None else "",
        "rule": record.rule if record is not None else "",
        "by": record.by if record is not None else "",
        "faults": [_told(ward, case, wall) for case in cases],
        "now": _now(ward, target),
        "past": _past(ward, target),
        "standing": [_standing(each, wall) for each in ward.orders.of(target)],
        "bars": [_bar(bar, wall) for bar in ward.bars.bars.values() if bar.target == target],
        "windows": window.windows(ward, target, cases),
    }


def _bar(bar: Bar, wall: Wall) -> dict[str, Any]:
    """This returns what a person's "false alarm" has changed: whose bar, by whom, why, and what it has kept back."""
    return {
        "target": bar.target,
        "class": bar.class_,
        "level": bar.level,
        "who": bar.who,
        "reason": bar.reason,
        "since": wall(bar.at_ms),
        "held": bar.held,
        "held_last": wall(bar.held_ms) if bar.held_ms is not None else None,
        "says": feedback.describe(bar),
    }


def _standing(order: Standing, wall: Wall) -> dict[str, Any]:
    """This returns an order that stands: judged stricter, by whom, why, and until when."""
    what = f"the fleet suspects {order.target} {order.class_}".strip() if order.verb == "advisory" else order.target
    return {
        "verb": order.verb,
        "target": order.target,
        "class": order.class_,
        "factor": order.factor,
        "who": order.who,
        "reason": order.reason,
        "order": order.order_id,
        "until": wall(order.until_ms),
        "says": f"{what}: judged {order.factor:g} times stricter until {wall(order.until_ms)}, by {order.who}: {order.reason}",
    }


def _says(ward: Ward, target: str, record: Record | None, cases: list[Case]) -> str:
    if cases:
        case = cases[0]
        channel = ward.channels.get(case.target)
        return story.summary(case, ward.record_of(case), story.stand_in(channel) if channel else None)
    if record is None or str(record.state) == "in_service":
        return f"Nothing is held against {target}."
    return f"{target} is {record.state}: {record.reason}."


def _told(ward: Ward, case: Case, wall: Wall) -> dict[str, Any]:
    record = ward.record_of(case)
    part = next((p for p in ward.equipment.parts if p.name == case.target), None)
    return {
        **_fault(ward, case, wall),
        "evidence": case.evidence,
        "counter_evidence": case.counter_evidence,
        "outlook": case.outlook,
        "releases": story.releases(case, record, part is None or part.output is None),
        "next_step": case.next_step,
    }


def _now(ward: Ward, target: str) -> list[str]:
    """This returns how each signal concerned stands against its normal at this moment."""
    lines: list[str] = []
    for row in ward.rows.values():
        if target == row.part.name or (target in row.part.signals and not lines):
            for i, channel in enumerate(row.members):
                if target not in (row.part.name, channel.spec.name):
                    continue
                if row.paused:
                    lines.append(f"{channel.spec.name} says nothing while part {row.part.name} is switched off")
                elif channel.silent:
                    lines.append(f"{channel.spec.name} is silent")
                else:
                    lines.append(story.standing(row.view.explain(i), row.view.blame()[i], channel.spec.unit))
    return lines


def _past(ward: Ward, target: str) -> list[dict[str, Any]]:
    """This returns this unit's own history with the target: every class of fault that it remembers."""
    return [
        {
            "class": e.class_,
            "says": f"{target} {CLASSES[e.class_].says}",
            "status_byte": status_byte(e),
            "occurrences": e.occurrences,
            "near_misses": e.near_misses,
            "memory": str(e.memory),
            "archived": e.archived,
        }
        for e in ward.faults.entries.values()
        if e.target == target
    ]


def digest(ward: Ward) -> list[tuple[str, int, int]]:
    """This returns the open faults that were told, each with its latest revision and the latest that the fleet receipted."""
    return [(c.id, c.revision, c.overlay.delivered) for c in ward.triage.open_cases() if c.revision > 0]


def lately_closed(ward: Ward, most: int = 20) -> list[tuple[str, int, int]]:
    """This returns the same of the latest faults that were told and are over."""
    over = [c for c in ward.triage.cases.values() if not c.is_open and c.told == "closed"]
    return [(c.id, c.revision, c.overlay.delivered) for c in over[-most:]]

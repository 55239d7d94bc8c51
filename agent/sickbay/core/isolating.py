"""This carries out what the quarantine decides: masks, stand-ins, and orders to outputs."""

from sickbay.core import aftermath
from sickbay.core.case import Case
from sickbay.core.channel import Channel, PartRow
from sickbay.core.classes import CLASSES
from sickbay.core.effects import Drive
from sickbay.core.equipment import Part
from sickbay.core.quarantine import ENERGISED, OUT_OF_SERVICE, Move, State
from sickbay.core.reading import Quality
from sickbay.core.ward import Ward

SLOWLY = "it came slowly: nothing is switched off where a person has the time to decide"
AGAIN_MS = 300_000  # how often an output that did not follow is ordered again

_EVENT_OF = {
    State.IN_SERVICE: "release",
    State.WOULD_ISOLATE: "would_isolate",
    State.ISOLATED: "isolate",
    State.PROBATION: "probation",
    State.LOCKED_OUT: "isolate",
}


def isolate(ward: Ward, case: Case) -> None:
    """This asks for isolation where the diagnosis names a sensor or a part, and nothing else explains it."""
    sensor = case.layer == "sensor" and case.target in ward.channels
    part = case.layer == "part" and case.target in ward.rows
    if (sensor or part) and CLASSES[case.class_].isolates and case.overlay.suppressed_by is None:
        reason = f"{CLASSES[case.class_].says} ({case.id})"
        row = ward.rows.get(case.target) if part else None
        slow = row is not None and row.part.output is not None and case.class_ == "anomaly" and not row.abrupt
        moved(ward, ward.quarantine.fault(case.target, reason, ward.now_ms, SLOWLY if slow else ""))
        ward.soon(ward.quarantine.due_ms(ward.now_ms))


def moved(ward: Ward, moves: list[Move]) -> None:
    """This turns moves into masks, orders to outputs, and events."""
    for move in moves:
        kind = _EVENT_OF[move.after]
        ward.emit(kind, move.target, state=str(move.after), reason=move.reason, rule=move.rule, by=move.by)
        if move.target in ward.channels:
            _mask(ward, ward.channels[move.target], move.after)
        else:
            _part_moved(ward, ward.rows[move.target], move)
        for case in ward.cases_of(move.target):
            case.overlay.out_of_service = move.after in OUT_OF_SERVICE
            ward.changed(case)


def _mask(ward: Ward, channel: Channel, state: State) -> None:
    channel.masked = state in OUT_OF_SERVICE
    channel.substitute = _stand_in(ward, channel) if channel.masked else None
    channel.estimate = None
    for row, i in channel.rows:
        row.view.mask(i, channel.masked)


def _stand_in(ward: Ward, channel: Channel) -> str | None:
    """This returns who can stand in for a masked signal now: what is declared, else a redundant one that is well."""
    spec = channel.spec
    wanted = [spec.substitute] if spec.substitute else list(ward.equipment.redundancy_group(spec.name))
    for name in wanted:
        if ward.channels[name] is not channel and _is_well(ward, ward.channels[name]):
            return name
    return None


def _is_well(ward: Ward, channel: Channel) -> bool:
    """This returns whether nothing at all is held against a signal now: who is ill, or may be, stands in for nobody."""
    if channel.masked or channel.silent or channel.failing or channel.quality is not Quality.GOOD:
        return False
    return not any(case.is_failing for case in ward.cases_of(channel.spec.name))


def tend(ward: Ward, now: int) -> None:
    """This looks after what is isolated: a stand-in that fell ill is replaced, an output that did not follow is ordered again."""
    for channel in ward.channels.values():
        if channel.masked:
            channel.substitute = _stand_in(ward, channel)
    for part in ward.equipment.parts:
        record = ward.quarantine.records[part.name]
        if part.output is None or not record.output_fails or (record.state is State.WOULD_ISOLATE and not record.ill):
            continue
        on, ordered_ms = ward.ordered[part.output]
        if now - ordered_ms >= AGAIN_MS:
            _order(ward, part.name, part.output, on, "it did not follow; ordered again")


def _part_moved(ward: Ward, row: PartRow, move: Move) -> None:
    off = move.after in (State.ISOLATED, State.LOCKED_OUT)
    was_off = move.before in (State.ISOLATED, State.LOCKED_OUT)
    if row.part.output is None:
        return
    if off and not was_off:
        row.paused = True
        drive(ward, row.part, move.reason)
    elif move.after is State.WOULD_ISOLATE and was_off:
        row.paused = False  # the output did not follow and is left as it was ordered: the part is judged as it runs
    elif move.after is State.IN_SERVICE and ward.quarantine.records[row.part.name].output_fails:
        drive(ward, row.part, move.reason)  # an order to isolate still stands, and may yet be followed
    elif (was_off or (move.before is State.WOULD_ISOLATE and move.after is State.PROBATION)) and not off:
        row.paused = False
        row.view.rest()
        row.alarm_rows, row.settled = 0, False
        aftermath.forget(row)
        row.trial_ms = ward.now_ms + ward.equipment.policy.trial_ms
        row.well_rows = 0
        ward.quarantine.records[row.part.name].ill = True  # until it has shown that it is well
        drive(ward, row.part, move.reason)


def proven(ward: Ward, part: str, follows: bool) -> None:
    """This takes in what the read-back of a part's output said."""
    record = ward.quarantine.records[part]
    news = record.output_fails is follows
    moved(ward, ward.quarantine.proven(part, follows, ward.now_ms))
    ward.rows[part].paused = follows and record.state not in ENERGISED
    for case in ward.cases_of(part) if news else ():
        ward.changed(case)


def drive(ward: Ward, part: Part, reason: str) -> None:
    assert part.output is not None
    output = next(o for o in ward.equipment.outputs if o.name == part.output)
    in_service = ward.quarantine.state(part.name) in ENERGISED
    _order(ward, part.name, output.name, output.isolated_on != in_service, reason)


def _order(ward: Ward, part: str, output: str, on: bool, reason: str) -> None:
    ward.drives += 1
    effect_id = f"{output}:{ward.drives}"
    ward.pending_drives = {k: v for k, v in ward.pending_drives.items() if v[0] != part}
    ward.pending_drives[effect_id] = (part, on)
    ward.ordered[output] = (on, ward.now_ms)
    ward.effects.append(Drive(effect_id, output, on, ward.now_ms, reason))

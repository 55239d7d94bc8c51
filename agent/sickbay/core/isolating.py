"""This carries out what the quarantine decides: masks, stand-ins, and orders to outputs."""

from sickbay.core.case import Case
from sickbay.core.channel import Channel, PartRow
from sickbay.core.classes import CLASSES
from sickbay.core.effects import Drive
from sickbay.core.equipment import Part
from sickbay.core.quarantine import ENERGISED, OUT_OF_SERVICE, Move, State
from sickbay.core.ward import Ward

_EVENT_OF = {
    State.IN_SERVICE: "release",
    State.WOULD_ISOLATE: "would_isolate",
    State.ISOLATED: "isolate",
    State.PROBATION: "probation",
    State.LOCKED_OUT: "isolate",
}


def isolate(ward: Ward, case: Case) -> None:
    """This asks for isolation where the diagnosis names a sensor or a part."""
    if (
        case.target in ward.quarantine.records
        and case.layer in ("sensor", "part")
        and case.overlay.suppressed_by is None
    ):
        reason = f"{CLASSES[case.class_].says} ({case.id})"
        moved(ward, ward.quarantine.fault(case.target, reason, ward.now_ms))
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
        for case in ward.triage.open_cases():
            if case.target == move.target:
                case.overlay.out_of_service = move.after in OUT_OF_SERVICE
                ward.changed(case)


def _mask(ward: Ward, channel: Channel, state: State) -> None:
    channel.masked = state in OUT_OF_SERVICE
    channel.substitute = None
    if channel.masked:
        spec = channel.spec
        wanted = [spec.substitute] if spec.substitute else list(ward.equipment.redundancy_group(spec.name))
        for name in wanted:
            other = ward.channels[name]
            if other is not channel and not other.masked and not other.silent and not other.failing:
                channel.substitute = name
                break
    for row, i in channel.rows:
        row.view.mask(i, channel.masked)


def _part_moved(ward: Ward, row: PartRow, move: Move) -> None:
    off = move.after in (State.ISOLATED, State.LOCKED_OUT)
    was_off = move.before in (State.ISOLATED, State.LOCKED_OUT)
    if row.part.output is None:
        return
    if off and not was_off:
        row.paused = True
        drive(ward, row.part, move.reason)
    elif was_off and not off:
        row.paused = False
        row.view.rest()
        row.alarm_rows, row.settled = 0, False
        probation_ms = ward.quarantine.records[row.part.name].probation_ms
        row.trial_ms = ward.now_ms + probation_ms // 2
        if move.after is not State.WOULD_ISOLATE:  # an output that did not follow is left as it was ordered
            drive(ward, row.part, move.reason)


def drive(ward: Ward, part: Part, reason: str) -> None:
    assert part.output is not None
    output = next(o for o in ward.equipment.outputs if o.name == part.output)
    in_service = ward.quarantine.state(part.name) in ENERGISED
    on = output.isolated_on != in_service
    ward.drives += 1
    effect_id = f"{output.name}:{ward.drives}"
    ward.pending_drives = {k: v for k, v in ward.pending_drives.items() if v[0] != part.name}
    ward.pending_drives[effect_id] = (part.name, on)
    ward.effects.append(Drive(effect_id, output.name, on, ward.now_ms, reason))

"""These are a person's orders, and the few that may come from afar. Authority to tighten may be remote, to loosen is local."""

from sickbay.core import afar, casework, fault, feedback, home, isolating
from sickbay.core.case import Case
from sickbay.core.effects import Answer
from sickbay.core.quarantine import State
from sickbay.core.reading import Command
from sickbay.core.ward import Ward
from sickbay.errors import OrderRefused


def obey(ward: Ward, order: Command) -> str:
    """This returns what was done; raises OrderRefused where it cannot or must not be done. Both are noted, and answered."""
    try:
        answer = _obey(ward, order)
    except OrderRefused as refusal:
        refuse(ward, order, str(refusal))
        raise
    _note(ward, order, True, answer)
    return answer


def refuse(ward: Ward, order: Command, why: str) -> None:
    """This notes, and answers, an order that is not obeyed."""
    _note(ward, order, False, why)


def _note(ward: Ward, order: Command, obeyed: bool, says: str) -> None:
    origin = "fleet" if order.remote else home.WHO if order.home else "local"
    detail = {"answer" if obeyed else "refused": says} | ({"order": order.id} if order.id else {})
    ward.emit("command", order.target, verb=order.verb, who=order.who, reason=order.reason, origin=origin, **detail)
    if order.remote and order.id:
        context = afar.context(ward, order.target) if obeyed and order.verb == "context" else {}
        answer = (
            f"answer-{order.id}",
            order.id,
            order.verb,
            order.target,
            obeyed,
            says,
            order.who,
            ward.now_ms,
            context,
        )
        ward.effects.append(Answer(*answer))


def _obey(ward: Ward, order: Command) -> str:
    if order.remote:
        afar.allow(ward, order)
    if order.home:
        home.allow(ward, order)
    match order.verb:
        case "ack":
            return _ack(ward, order)
        case "shelve":
            return _shelve(ward, order)
        case "unshelve":
            return _unshelve(ward, order)
        case "release":
            return _release(ward, order)
        case "quarantine":
            return _quarantine(ward, order)
        case "feedback":
            return feedback.said(ward, order)
        case "clear":
            return _clear(ward, order)
        case "tighten":
            return afar.tighten(ward, order, _one_target(ward, order.target))
        case "advisory":
            return afar.advise(ward, order, _one_target(ward, order.target))
        case "loosen":
            return afar.loosen(ward, _one_target(ward, order.target))
        case "context":
            return afar.ask_context(ward, order.target)
        case "cycle":
            casework.end_cycle(ward)
            return "a new operation cycle has begun"
        case _:
            raise OrderRefused(f"{order.verb!r} is not an order I know")


def _ack(ward: Ward, order: Command) -> str:
    cases = _cases(ward, order.target)
    for case in cases:
        case.overlay.acked_by, case.overlay.acked_ms, case.overlay.ack_reason = order.who, ward.now_ms, order.reason
    return f"acknowledged: {', '.join(c.id for c in cases)}"


def _shelve(ward: Ward, order: Command) -> str:
    if order.for_ms <= 0:
        raise OrderRefused("shelve: say for how long, at most 24 h; it comes back by itself")
    cases = _cases(ward, order.target)
    until = max(ward.triage.shelve(case, order.who, order.for_ms, ward.now_ms) for case in cases)
    ward.soon(until)
    most = ", the most there is" if order.for_ms > until - ward.now_ms else ""
    return f"shelved for {(until - ward.now_ms) / 1000:g} s{most}: {', '.join(c.id for c in cases)}"


def _unshelve(ward: Ward, order: Command) -> str:
    cases = _cases(ward, order.target)
    if order.remote:
        afar.may_unshelve(ward, order.target)
    for case in cases:
        ward.triage.unshelve(case, ward.now_ms)
        ward.soon(case.due_ms)
    return f"back from the shelf: {', '.join(c.id for c in cases)}"


def _release(ward: Ward, order: Command) -> str:
    name = _one_target(ward, order.target)
    if order.remote:
        afar.may_release(ward, name)
    state = ward.quarantine.state(name)
    # Its output is ordered off and did not follow yet: that order is what a person takes back.
    standing_order = state is State.WOULD_ISOLATE and ward.quarantine.records[name].output_fails
    if state not in (State.ISOLATED, State.LOCKED_OUT) and not standing_order:
        standing = "on probation already" if state is State.PROBATION else "not out of service"
        raise OrderRefused(f"{name} is {standing}: there is nothing to release")
    casework.release(ward, name, order.who, order.reason)
    how = ", its output ordered back on," if standing_order else ""
    return f"{name} is{how} on probation for {ward.quarantine.records[name].probation_ms / 1000:g} s, then in service"


def _quarantine(ward: Ward, order: Command) -> str:
    name = _one_target(ward, order.target)
    part = next((p for p in ward.equipment.parts if p.name == name), None)
    if order.remote and (already := afar.may_quarantine(ward, name)):
        return already
    moves = ward.quarantine.quarantine(name, order.who, order.reason, ward.now_ms)
    isolating.moved(ward, moves)
    how = "" if part is None else " and ordered de-energised" if part.output else ""
    return f"{name} is out of service{how}, until a person releases it"


def _clear(ward: Ward, order: Command) -> str:
    symptoms = [c.spec.name for c in ward.by_source.get(order.target, ()) if c.silent]
    entries = [e for e in ward.faults.entries.values() if e.target == order.target]
    if not entries:
        raise OrderRefused(f"{order.target}: no fault is remembered")
    entries += [e for e in ward.faults.entries.values() if e.class_ == "silent" and e.target in symptoms]
    for entry in entries:
        fault.clear(entry)
    for name in (order.target, *symptoms):
        casework.show_anew(ward, name)
    gone = [(e.target, e.class_) for e in entries]
    for case in _open(ward):
        if case.origin in gone and case.clear_ms is None:
            casework.cleared(ward, case)
    return f"cleared: {', '.join(f'{e.target} {e.class_}' for e in entries)}. What fails again will be told again"


def _open(ward: Ward) -> list[Case]:
    return ward.triage.open_cases()


def _cases(ward: Ward, name: str) -> list[Case]:
    cases = ward.triage.find(name)
    if not cases:
        raise OrderRefused(f"{name}: no open fault has this id or target. `sickbay status` lists them")
    return cases


def _one_target(ward: Ward, name: str) -> str:
    if name in ward.quarantine.records:
        return name
    targets = {c.target: None for c in ward.triage.find(name) if c.target in ward.quarantine.records}
    if len(targets) != 1:
        raise OrderRefused(f"{name}: not a signal, a part or an open fault of one. `sickbay status` lists them")
    return next(iter(targets))

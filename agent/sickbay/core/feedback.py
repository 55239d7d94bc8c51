"""This hears what a person says of an alarm: "false alarm" raises its bar and ends it, "right" lowers it, "undo" forgets."""

from sickbay.core import casework, fault
from sickbay.core.bars import BY_SCORE, LEVEL_MAX, RAISABLE, Bar
from sickbay.core.case import Case
from sickbay.core.quarantine import State
from sickbay.core.reading import Command
from sickbay.core.ward import Ward
from sickbay.errors import OrderRefused

SAID = ("false_alarm", "right", "undo")


def said(ward: Ward, order: Command) -> str:
    """This returns what came of it; raises OrderRefused where nothing can."""
    if order.says not in SAID:
        raise OrderRefused(f"feedback: {order.says!r} is not one of {', '.join(SAID)}")
    if order.says == "undo":
        return _undo(ward, order.target)
    case = _meant(ward, order.target)
    target, class_ = case.origin
    if order.says == "right":
        left = ward.bars.right(target, class_)
        case.feedback = f"{order.who}: right{_because(order)}"
        _apply(ward, target, class_)
        return f"noted that {case.id} was right. {_bar(left, target, class_)}"
    if class_ not in RAISABLE:
        raise OrderRefused(f"{target} {class_}: it is there or it is not, there is no bar to raise. Shelve it instead")
    bar, raised = ward.bars.false_alarm(target, class_, order.who, order.reason, ward.now_ms, case.reached)
    case.feedback = f"{order.who}: false alarm{_because(order)}"
    _apply(ward, target, class_)
    _end(ward, case, order)
    most = "" if raised else f" It is as high as it may be, called false more than {LEVEL_MAX} times."
    return f"noted that {case.id} was a false alarm. {_bar(bar, target, class_)}{most}"


def describe(bar: Bar) -> str:
    """This returns what a bar does, for people."""
    if bar.class_ in BY_SCORE:
        does = f"must reach {bar.score:.2g} times its ordinary limit"
    elif bar.class_ == "wear":
        does = f"is told when no more than 1/{2**bar.level} of the ordinary horizon is left"
    elif bar.class_ == "silent":
        does = f"must last {1 + bar.level} times as long"
    else:
        does = f"must last about {1 + bar.level} times as long before it counts"
    held = f"; it has held back {bar.held} since" if bar.held else ""
    return f"{bar.target} {bar.class_} {does}, as {bar.who} called it a false alarm ({bar.level} of {LEVEL_MAX}){held}"


def _bar(bar: Bar | None, target: str, class_: str) -> str:
    if bar is None:
        return f"{target} {class_} is judged as ever."
    return f'From now on {describe(bar)}. Taken back by: sickbay feedback {target} undo --reason "..."'


def _because(order: Command) -> str:
    return f', because "{order.reason}"' if order.reason else ""


def _meant(ward: Ward, name: str) -> Case:
    """This returns the case that a person means: an open one, else the latest that is still remembered."""
    found = ward.triage.find(name) or [c for c in ward.triage.cases.values() if name in (c.target, c.origin[0])]
    told = [c for c in found if c.overlay.suppressed_by is None]
    if not told:
        raise OrderRefused(f"{name}: no fault has this id or target, now or lately. `sickbay status` lists them")
    if len({c.origin for c in told if c.is_open}) > 1:
        open_ = ", ".join(f"{c.id} ({c.class_})" for c in told if c.is_open)
        raise OrderRefused(f"{name} has more than one open fault: {open_}. Say which by its id")
    return told[-1]


def _end(ward: Ward, case: Case, order: Command) -> None:
    """This ends a fault that was none: what it took out of service comes back, through probation as ever."""
    record = ward.record_of(case)
    if record is not None and record.state in (State.ISOLATED, State.LOCKED_OUT):
        casework.release(ward, case.target, order.who, f"a false alarm: {order.reason}")
    if not case.is_open or case.clear_ms is not None:
        return
    entry = ward.faults.entries.get(case.origin)
    if entry is not None and entry.test_failed:
        fault.retest(entry)
    case.overlay.latched = False
    casework.cleared(ward, case)
    casework.show_anew(ward, case.origin[0])


def _undo(ward: Ward, name: str) -> str:
    gone = ward.bars.undo(name)
    if not gone:
        raise OrderRefused(f"{name}: no alarm of it was called false here")
    for bar in gone:
        _apply(ward, bar.target, bar.class_)
    return f"judged as ever again: {', '.join(f'{bar.target} {bar.class_}' for bar in gone)}"


def _apply(ward: Ward, target: str, class_: str) -> None:
    """This hands a silence's patience to the signal's own check; all other bars are asked where they count."""
    channel = ward.channels.get(target)
    if class_ == "silent" and channel is not None:
        channel.checks.patient(1 + ward.bars.level(target, class_))

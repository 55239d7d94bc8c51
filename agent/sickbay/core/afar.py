"""This is what an order from afar may do: it tightens. What loosens is a person's at the device, and one thing takes two keys.

Every rule stands here, whatever the daemon checked before: that its signature was good is no reason to obey.
"""

from typing import Any

from sickbay.core import report
from sickbay.core.quarantine import OUT_OF_SERVICE, State
from sickbay.core.reading import Command
from sickbay.core.standing import ADVISED, FOR_MS, FOR_MS_MAX, Standing
from sickbay.core.ward import Ward
from sickbay.errors import OrderRefused

FLEET = "fleet:"  # before the name of a key, wherever it is written down: nobody at the device has such a name
TIGHTENING = ("quarantine", "tighten", "advisory", "context")  # what is obeyed even where nobody knows the time
VERBS = (*TIGHTENING, "ack", "shelve", "unshelve")  # what one key may order
TWO_KEY_VERBS = ("release",)


def allow(ward: Ward, order: Command) -> None:
    """This raises OrderRefused where an order that came from afar may not be carried out."""
    if order.verb not in (*VERBS, *TWO_KEY_VERBS):
        raise OrderRefused(f"{order.verb}: only a person at the device may do this")
    if not order.time_trusted and order.verb not in TIGHTENING:
        raise OrderRefused(
            f"{order.verb}: this device's clock is not synchronised, so nobody can say whether the order has expired; "
            f"until then only {', '.join(TIGHTENING)} are obeyed from afar"
        )
    if order.verb in TWO_KEY_VERBS:
        if not ward.equipment.policy.two_key:
            raise OrderRefused(
                f"{order.verb}: only a person at the device may do this ([orders] two_key is not set here)"
            )
        if order.keys < 2:
            raise OrderRefused(
                f"{order.verb}: only a person at the device may do this, or two keys of two people together"
            )


def may_release(ward: Ward, name: str) -> None:
    """This raises OrderRefused where no number of keys brings a target back."""
    record = ward.quarantine.records[name]
    if _essential(ward, name):
        raise OrderRefused(f"{name} is essential, or measures what is: only a person at the device may release it")
    if record.state is State.LOCKED_OUT:
        raise OrderRefused(f"{name} is locked out: only a person at the device may release it")
    if record.held and not record.by.startswith(FLEET):
        raise OrderRefused(
            f"{name} was taken out of service by {record.by}, who may be reaching into it: only there it is released"
        )


def may_quarantine(ward: Ward, name: str) -> str:
    """This raises OrderRefused where the owner's own rules keep a target in service; returns words where it is out already.

    The machine's guards hold for whoever is far away too: passive means that nothing moves, and enough must be left.
    """
    record, policy = ward.quarantine.records[name], ward.equipment.policy
    if _essential(ward, name):
        raise OrderRefused(
            f"{name} is essential, or measures what is: only a person at the device may take it out of service"
        )
    if record.held:
        return f"{name} is out of service already, ordered by {record.by}"
    if record.state in (State.ISOLATED, State.LOCKED_OUT):
        return ""  # nothing moves: from now on it waits for a person
    permit = ward.quarantine.guard(name, ward.now_ms)
    out = sum(r.state in OUT_OF_SERVICE for r in ward.quarantine.records.values() if r.target != name)
    if not permit.allowed or out >= policy.isolated_max:
        rule = permit.rule if not permit.allowed else f"{out} parts or sensors are out of service, the most allowed"
        raise OrderRefused(f"{name} stays in service: {rule}")
    return ""


def may_unshelve(ward: Ward, name: str) -> None:
    """This raises OrderRefused where it was not the fleet that put a fault aside."""
    for case in ward.triage.find(name):
        if not (case.is_shelved(ward.now_ms) and (case.overlay.shelved_by or "").startswith(FLEET)):
            whose = case.overlay.shelved_by if case.is_shelved(ward.now_ms) else "nobody"
            raise OrderRefused(
                f"{case.id} was put aside by {whose}: only a person at the device may undo what the fleet did not do"
            )


def tighten(ward: Ward, order: Command, name: str) -> str:
    """This judges a target stricter for a while."""
    most = ward.equipment.policy.tighten_max
    if not order.factor > 1.0:
        raise OrderRefused(f"tighten: a factor above 1 makes judging stricter, {order.factor:g} does not")
    if most <= 1.0:
        raise OrderRefused("tighten: the owner of this device allows none ([orders] tighten_max)")
    cut = f", the most this device allows ({order.factor:g} was asked for)" if order.factor > most else ""
    stands = _stands(ward, order, name, min(order.factor, most))
    return f"{name} is judged {stands.factor:g} times stricter{cut} for {(stands.until_ms - ward.now_ms) / 1000:g} s"


def advise(ward: Ward, order: Command, name: str) -> str:
    """This notes that the fleet suspects a target, and judges it a little stricter meanwhile."""
    stands = _stands(ward, order, name, max(1.0, min(ADVISED, ward.equipment.policy.tighten_max)))
    what = f"{name} {order.class_}".strip()
    return f"noted: {what} is suspect; judged {stands.factor:g} times stricter for {(stands.until_ms - ward.now_ms) / 1000:g} s"


def _stands(ward: Ward, order: Command, name: str, factor: float) -> Standing:
    for_ms = min(order.for_ms if order.for_ms > 0 else FOR_MS, FOR_MS_MAX)
    now = ward.now_ms
    new = Standing(order.verb, name, factor, order.class_, order.who, order.reason, order.id, now, now + for_ms)
    stands = ward.orders.add(new)
    apply(ward)
    ward.soon(stands.until_ms)
    return stands


def loosen(ward: Ward, name: str) -> str:
    """This takes back what stands about a target: judged as ever from now on. A person at the device alone comes here."""
    gone = ward.orders.drop(name)
    if not gone:
        raise OrderRefused(f"{name}: nothing is judged stricter here by order. `sickbay why {name}` tells what stands")
    apply(ward)
    return f"{name} is judged as ever: {', '.join(f'{s.verb} of {s.who}' for s in gone)} ended"


def ask_context(ward: Ward, name: str) -> str:
    """This lets every open fault of a target be told once more, with a fresh window."""
    cases = [c for c in ward.triage.find(name) if c.is_open]
    again = [c for c in cases if c.revision > 0 and c.overlay.suppressed_by is None and not c.is_shelved(ward.now_ms)]
    for case in again:
        case.told = ""
        case.due_ms = ward.now_ms
    ward.soon(ward.now_ms)
    context(ward, name)  # refuses a name that means nothing here
    told = f", and told once more: {', '.join(c.id for c in again)}" if again else ""
    return f"{name}: its state is in this answer{told}"


def context(ward: Ward, name: str) -> dict[str, Any]:
    """This returns how a target stands now, and why; times are relative, since the core knows no wall."""
    return report.why(ward, name, lambda at_ms: f"{(at_ms - ward.now_ms) / 1000:+.0f} s")


def apply(ward: Ward) -> None:
    """This hands every part's view how strictly each of its signals is judged now."""
    for row in ward.rows.values():
        whole = ward.orders.factor(row.part.name)
        row.view.tighten([max(whole, ward.orders.factor(name)) for name in row.part.signals])


def tick(ward: Ward, now_ms: int) -> None:
    """This ends what has had its time."""
    gone = ward.orders.expire(now_ms)
    for each in gone:
        ward.emit("note", each.target, says=f"{each.verb} of {each.who} is over", order=each.order_id)
    if gone:
        apply(ward)


def _essential(ward: Ward, name: str) -> bool:
    """This returns whether a target is an essential part, or a signal that one is judged by."""
    return any(p.essential and name in (p.name, *p.signals) for p in ward.equipment.parts)

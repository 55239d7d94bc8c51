"""This holds a whole site against its invariants: what devices know, what is in their outboxes, and what is in the store's file."""

from typing import TYPE_CHECKING

from sickbay.daemon.shell import RETOLD_MS
from sickbay.edge.uplink.waits import HOLD_MAX_S
from sickbay_sim.swarm.device import Device
from sickbay_sim.swarm.watch import BOUNDED, DOUBLED, GRACE_MS, LOST, OPEN, STALE, WAITING_MAX_EACH

if TYPE_CHECKING:
    from sickbay_sim.swarm.site import Site


def reckon(site: "Site", at_ms: int, final: bool = False) -> None:
    """This looks at every device. What costs (every ticket's messages counted anew) is looked at once an hour and at the end."""
    for device in site.devices.values():
        account = site.books.accounts[device.name]
        if (account.changed or final) and not device.down:
            _nothing_lost(site, device, at_ms)
    _tickets(site, at_ms)
    if final or at_ms % 3_600_000 == 0:
        _once_each(site, at_ms)
    waiting = len(site.under_way) + sum(len(device.agenda) for device in site.devices.values())
    site.waiting_peak, most = max(site.waiting_peak, waiting), WAITING_MAX_EACH * len(site.devices) + 10_000
    site.watch.look(BOUNDED, waiting <= most, "the swarm", at_ms, f"{waiting} entries of the agendas, at most {most}")


def _nothing_lost(site: "Site", device: Device, at_ms: int) -> None:
    """This settles a device's account: what is neither in its outbox nor in the store must be counted as shed, exactly."""
    account = site.books.accounts[device.name]
    outbox = device.in_outbox()
    out = [id_ for id_ in account.open if id_ not in outbox]
    held = site.receiving.holds(device.name, out)
    for id_ in held:
        del account.open[id_]
    account.settled += len(held)
    missing = [id_ for id_ in out if id_ not in held]
    strange = [id_ for id_ in outbox if id_ not in account.open]
    shed = device.shed()
    right = len(missing) == shed and not strange and account.offered == account.settled + len(outbox) + len(missing)
    saw = (
        f"offered {account.offered}, delivered {account.settled}, in the outbox {len(outbox)}, counted as shed {shed}; "
        f"{len(missing)} are nowhere ({', '.join(missing[:3])}), {len(strange)} are in the outbox and were never offered"
    )
    site.watch.look(LOST, right, device.name, at_ms, "" if right else saw)
    account.lost = max(0, len(missing) - shed)
    account.changed = False
    stories = {id_.rpartition(".r")[0] for id_ in account.open} | set(device.open_faults())
    for told in (account.told_ms, account.opened_ms):
        for fault in [f for f, then_ms in told.items() if f not in stories and at_ms - then_ms > 6 * GRACE_MS]:
            del told[fault]


def _tickets(site: "Site", at_ms: int) -> None:
    """This holds the open tickets against the open faults of each device whose way has been clear for ten minutes."""
    open_tickets: dict[str, set[str]] = {}
    for name, id_ in site.receiving.ask("SELECT device, id FROM tickets WHERE state = 'open'"):
        open_tickets.setdefault(str(name), set()).add(str(id_))
    site.open_tickets = sum(map(len, open_tickets.values()))
    for device in site.devices.values():
        if clear_way(site, device, at_ms):
            _of_device(site, device, open_tickets.get(device.name, set()), at_ms)


def clear_way(site: "Site", device: Device, at_ms: int) -> bool:
    """This returns whether everything between a device and the store has stood for ten minutes.

    What refuses a message without breaking the connection is felt for longer: until the topic is tried again.
    """
    way, receiving, broker = device.way, site.receiving, site.broker
    again_ms = GRACE_MS + round(HOLD_MAX_S * 1000)
    return (
        not device.down
        and way.connected
        and way.spell is None
        and at_ms - way.up_ms >= GRACE_MS
        and at_ms - way.blemish_ms >= again_ms
        and broker.up
        and receiving.there
        and at_ms - receiving.since_ms >= GRACE_MS
    )


def _of_device(site: "Site", device: Device, tickets: set[str], at_ms: int) -> None:
    account, receiving = site.books.accounts[device.name], site.receiving
    faults = device.open_faults()
    # A store that came back from a backup asks for what it lacks; a fault is told once more at most once an hour.
    young = receiving.restored_ms >= 0 and at_ms - receiving.restored_ms < RETOLD_MS + GRACE_MS
    erased = {fault for name, fault in receiving.erased if name == device.name} if young else set()
    untold = [
        fault
        for fault in faults
        if fault not in tickets
        and at_ms - account.opened_ms.get(fault, 0) >= GRACE_MS
        and at_ms - account.told_ms.get(fault, 0) >= GRACE_MS
        and fault not in erased
    ]
    site.watch.look(
        OPEN, not untold, device.name, at_ms, f"no open ticket for {', '.join(untold[:3])}" if untold else ""
    )
    stale = [
        fault
        for fault in tickets
        if fault not in faults and at_ms - account.told_ms.get(fault, 0) >= GRACE_MS and fault not in erased
    ]
    site.watch.look(STALE, not stale, device.name, at_ms, f"open tickets of {', '.join(stale[:3])}" if stale else "")


def _once_each(site: "Site", at_ms: int) -> None:
    """This counts each ticket's messages in the store's file: a message that came twice counts once, and no id has two tickets."""
    rows = site.receiving.ask(
        "SELECT t.device, t.id, json_extract(t.story, '$.ticket.messages'), count(m.id) FROM tickets t"
        " LEFT JOIN messages m ON m.device = t.device AND m.ticket = t.id GROUP BY t.device, t.id"
    )
    for name, id_, counted, there in rows:
        right = counted == there
        saw = f"ticket {id_} counts {counted} messages, {there} are in the store"
        site.watch.look(DOUBLED, right, str(name), at_ms, "" if right else saw)
    twice = site.receiving.ask(
        "SELECT ticket, count(DISTINCT device) FROM messages GROUP BY ticket HAVING count(DISTINCT device) > 1"
    )
    site.watch.look(DOUBLED, not twice, "the fleet", at_ms, f"{twice[:3]} belong to two devices" if twice else "")

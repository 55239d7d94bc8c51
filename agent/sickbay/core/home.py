"""This is what a press in Home Assistant may do. Nobody signed it: the owner's own list of buttons lets it.

Every rule stands here, whatever the daemon checked before.
"""

from sickbay.core.equipment import Equipment
from sickbay.core.quarantine import State
from sickbay.core.reading import Command
from sickbay.core.ward import Ward
from sickbay.errors import OrderRefused

WHO = "home-assistant"
BUTTONS = ("ack", "release")


def allow(ward: Ward, order: Command) -> None:
    """This raises OrderRefused where a press may not be carried out."""
    if order.verb not in BUTTONS or order.verb not in ward.equipment.policy.buttons:
        raise OrderRefused(f"{order.verb}: no such button here ([home_assistant] buttons)")
    if order.verb == "release":
        _may_release(ward, order.target)


def never_released(equipment: Equipment, name: str) -> str:
    """This returns why no button can ever release a signal or part, "" where one can."""
    if any(p.essential and name in (p.name, *p.signals) for p in equipment.parts):
        return f"{name} is essential, or measures what is: only a person at the device may release it"
    if any(p.name == name and p.output is not None for p in equipment.parts):
        return f"{name} would be switched on by it: only a person at the device may do this"
    return ""


def _may_release(ward: Ward, name: str) -> None:
    record = ward.quarantine.records.get(name)
    if record is None:
        raise OrderRefused(f"{name}: not a signal or a part")
    why = never_released(ward.equipment, name)
    if why:
        raise OrderRefused(why)
    if record.state is State.LOCKED_OUT:
        raise OrderRefused(f"{name} is locked out: only a person at the device may release it")
    if record.state is not State.ISOLATED:
        raise OrderRefused(f"{name} is {record.state}: there is nothing to release")
    if record.held:
        raise OrderRefused(
            f"{name} was taken out of service by {record.by}, who may be reaching into it: it is not released by a button"
        )

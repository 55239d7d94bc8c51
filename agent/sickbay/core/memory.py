"""This keeps a device's whole state as bytes and brings it back. It knows every class that lasts, and no other.

MessagePack, because limits may be infinite and JSON has no word for that. Nothing here can run code from a damaged file, as pickle
could: a tag that is not in the table is refused.
"""

import hashlib
from collections import deque
from enum import Enum
from typing import Any

import msgspec

from sickbay.core.anomaly import PartView
from sickbay.core.baseline import Learnt
from sickbay.core.case import Case, Overlay
from sickbay.core.channel import Channel, PartRow
from sickbay.core.chart import Chart, SignalLearnt
from sickbay.core.checks import SignalChecks
from sickbay.core.fault import Entry, Memory
from sickbay.core.quarantine import Record, State
from sickbay.core.reading import Quality
from sickbay.core.residual import ResidualView
from sickbay.core.triage import TriageState
from sickbay.core.ward import Ward
from sickbay.errors import SickbayError

FORMAT = 1
_CLASSES: dict[str, type] = {c.__name__: c for c in (PartView, Chart, ResidualView, SignalChecks)}
_STRUCTS: dict[str, type[msgspec.Struct]] = {
    c.__name__: c for c in (Learnt, SignalLearnt, Case, Overlay, Entry, Record, TriageState)
}
_ENUMS: dict[str, type[Enum]] = {c.__name__: c for c in (Memory, State, Quality)}
_CHANNEL = ("value", "at_ms", "quality", "failing", "silent", "masked", "substitute", "ring", "checks")
_ROW = (
    "row",
    "seen",
    "opened_ms",
    "at_ms",
    "paused",
    "alarm_rows",
    "alarm_ms",
    "settled",
    "trial_ms",
    "sensor_failing",
    "shifted",
    "view",
    "well_rows",
)
_WARD = ("now_ms", "lost_sources", "pending_drives", "drives", "cycle_ms", "unknown_signals", "due_ms")


class MemoryUnreadable(SickbayError, ValueError):
    """This is a snapshot that is damaged, or of a later format."""


def snapshot(ward: Ward) -> bytes:
    """This returns all that must last. Effects are not in it: the shell takes them before it keeps a snapshot."""
    kept = {
        "format": FORMAT,
        "ward": {name: _down(getattr(ward, name)) for name in _WARD},
        "faults": _down(list(ward.faults.entries.values())),
        "quarantine": _down(list(ward.quarantine.records.values())),
        "triage": _down(ward.triage.snapshot()),
        "channels": {n: {a: _down(getattr(c, a)) for a in _CHANNEL} for n, c in ward.channels.items()},
        "active": {n: [[bit, e.class_] for bit, e in c.active] for n, c in ward.channels.items()},
        "rows": {n: {a: _down(getattr(r, a)) for a in _ROW} for n, r in ward.rows.items()},
        "shapes": {n: _shape(ward, n) for n in (*ward.channels, *ward.rows)},
    }
    return msgspec.msgpack.encode(kept)


def restore(ward: Ward, kept: bytes) -> list[str]:
    """This takes up where a snapshot left off.

    Returns what of it no longer fits the configuration, in words; that much starts anew and the rest goes on. Raises
    MemoryUnreadable when nothing can be made of it.
    """
    try:
        state = msgspec.msgpack.decode(kept)
        if state["format"] != FORMAT:
            raise MemoryUnreadable(
                f"the snapshot is of format {state['format']}, this is {FORMAT}: learning begins anew"
            )
        return _take_up(ward, state)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise MemoryUnreadable(f"the snapshot cannot be read ({type(error).__name__}: {error})") from None


def _take_up(ward: Ward, state: dict[str, Any]) -> list[str]:
    notes: list[str] = []
    for name in _WARD:
        setattr(ward, name, _up(state["ward"][name]))
    known = {*ward.channels, *ward.rows, *(o.name for o in ward.equipment.outputs), *ward.by_source}
    for entry in _up(state["faults"]):
        if entry.target in known:
            ward.faults.entries[(entry.target, entry.class_)] = entry
    for record in _up(state["quarantine"]):
        if record.target in ward.quarantine.records:
            ward.quarantine.records[record.target] = record
        elif record.state is not State.IN_SERVICE:
            notes.append(f"{record.target} was {record.state} and is no longer configured")
    ward.triage.restore(_up(state["triage"]))
    for name, kept in state["channels"].items():
        channel = ward.channels.get(name)
        if channel is not None and state["shapes"][name] == _shape(ward, name):
            _channel(ward, channel, kept, state["active"][name])
        elif channel is not None:
            notes.append(f"signal {name} is configured anew: it is judged afresh")
            channel.masked = bool(_up(kept["masked"]))
    for name, kept in state["rows"].items():
        row = ward.rows.get(name)
        if row is not None and state["shapes"][name] == _shape(ward, name):
            _row(row, kept)
        elif row is not None:
            notes.append(f"part {name} is configured anew: it learns afresh")
            row.paused = bool(_up(kept["paused"]))
            for i, channel in enumerate(row.members):
                row.view.mask(i, channel.masked)
    return notes


def _channel(ward: Ward, channel: Channel, kept: dict[str, Any], active: list[list[Any]]) -> None:
    for name in _CHANNEL:
        setattr(channel, name, _up(kept[name]))
    entries = ward.faults.entries
    channel.active = [(bit, entries[(channel.spec.name, c)]) for bit, c in active if (channel.spec.name, c) in entries]


def _row(row: PartRow, kept: dict[str, Any]) -> None:
    for name in _ROW:
        setattr(row, name, _up(kept[name]))


def _shape(ward: Ward, name: str) -> str:
    """This returns a digest of what a signal or part was configured as: another shape means another memory."""
    channel = ward.channels.get(name)
    specs = [channel.spec] if channel is not None else [c.spec for c in ward.rows[name].members]
    return hashlib.blake2s(msgspec.json.encode(specs), digest_size=8).hexdigest()


def _down(value: Any) -> Any:
    """This turns what lasts into plain values; a tagged list marks what MessagePack has no word for."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    kind = type(value)
    if kind is list:
        return ["l", *map(_down, value)]
    if kind is tuple:
        return ["t", *map(_down, value)]
    if kind is dict:
        return ["d", *([_down(k), _down(v)] for k, v in value.items())]
    if kind is frozenset:
        return ["f", *map(_down, sorted(value))]
    if kind is deque:
        return ["q", value.maxlen, *map(_down, value)]
    if isinstance(value, Enum):
        return ["e", kind.__name__, value.value]
    if isinstance(value, msgspec.Struct):
        assert kind.__name__ in _STRUCTS, kind
        return ["s", kind.__name__, *([f, _down(getattr(value, f))] for f in kind.__struct_fields__)]
    assert kind.__name__ in _CLASSES, f"{kind.__name__} would not survive a restart"
    return ["o", kind.__name__, *([name, _down(getattr(value, name))] for name in _attributes(value))]


def _up(value: Any) -> Any:
    if type(value) is not list:
        return value
    match value:
        case ["l", *items]:
            return [_up(v) for v in items]
        case ["t", *items]:
            return tuple(_up(v) for v in items)
        case ["d", *items]:
            return {_up(k): _up(v) for k, v in items}
        case ["f", *items]:
            return frozenset(map(_up, items))
        case ["q", int(bound), *items]:
            return deque((_up(v) for v in items), maxlen=bound)
        case ["e", str(name), word]:
            return _ENUMS[name](word)
        case ["s", str(name), *items]:
            return _STRUCTS[name](**{f: _up(v) for f, v in items})
        case ["o", str(name), *items]:
            made: Any = object.__new__(_CLASSES[name])
            for attribute, kept in items:
                setattr(made, attribute, _up(kept))
            return made
    raise ValueError(f"an unknown tag {value[:1]!r}")


def _attributes(value: Any) -> list[str]:
    slots = getattr(type(value), "__slots__", None)
    return list(slots) if slots is not None else list(vars(value))

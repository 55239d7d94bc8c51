"""This keeps a device's whole state as bytes and brings it back, as far as the configuration is still the same."""

import hashlib
from typing import Any

import msgspec

from sickbay.core import afar, fault
from sickbay.core.bars import Bar
from sickbay.core.case import Case
from sickbay.core.channel import Channel, PartRow, Twins
from sickbay.core.classes import CLASSES, SENSOR_CHECKS
from sickbay.core.disagreement import Disagreement
from sickbay.core.fault import Entry
from sickbay.core.lasting import UNREADABLE, alike, attributes, down, up
from sickbay.core.quarantine import OUT_OF_SERVICE, Record, State
from sickbay.core.standing import Standing
from sickbay.core.triage import TriageState
from sickbay.core.ward import Ward
from sickbay.errors import SickbayError

FORMAT = 1
MAGIC = b"sickbay memory\n"
SEAL_BYTES = 16
_CHANNEL = (
    "value", "at_ms", "quality", "failing", "silent", "masked", "missed", "substitute",
    "estimate", "ring", "trend", "checks",
)  # fmt: skip
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
    "sensor_waits",
    "abrupt",
    "aways",
    "beside",
    "common",
    "ebbs",
    "far_rows",
    "point",
    "relations",
    "shifted",
    "handled",
    "handled_ms",
    "latest",
    "moved_ms",
    "astray_ms",
    "swayed",
    "view",
    "well_rows",
)
_WARD = ("now_ms", "lost_sources", "pending_drives", "drives", "ordered", "cycle_ms", "unknown_signals", "due_ms")


class MemoryUnreadable(SickbayError, ValueError):
    """This is a snapshot that is damaged, or of a later format."""


def snapshot(ward: Ward) -> bytes:
    """This returns all that must last. Effects are not in it: the shell takes them before it keeps a snapshot."""
    for row in ward.rows.values():
        row.relations.loads, row.relations.weights = {}, {}  # reckoned anew when they are needed
    kept = {
        "format": FORMAT,
        "ward": {name: down(getattr(ward, name)) for name in _WARD},
        "faults": down(list(ward.faults.entries.values())),
        "quarantine": down(list(ward.quarantine.records.values())),
        "triage": down(ward.triage.snapshot()),
        "channels": {n: {a: down(getattr(c, a)) for a in _CHANNEL} for n, c in ward.channels.items()},
        "active": {n: [[bit, e.class_] for bit, e in c.active] for n, c in ward.channels.items()},
        "rows": {n: {a: down(getattr(r, a)) for a in _ROW} for n, r in ward.rows.items()},
        "twins": [[[c.spec.name for c in t.members], t.fresh, t.undecided, down(t.judge)] for t in ward.twins],
        "union": _union(ward),
        "bars": down(list(ward.bars.bars.values())),
        "sources": {name: [source.width, down(source)] for name, source in ward.sources.items()},
        "orders": {"counters": ward.orders.counters, "standing": down(ward.orders.standing)},
        "shapes": {n: _shape(ward, n) for n in (*ward.channels, *ward.rows)},
    }
    return _sealed(msgspec.msgpack.encode(kept))


def restore(ward: Ward, kept: bytes) -> list[str]:
    """This takes up where a snapshot left off.

    Returns what of it no longer fits the configuration, in words; that much starts anew and the rest goes on. Raises
    MemoryUnreadable when nothing can be made of it, and then leaves the ward as it was.
    """
    payload = kept[len(MAGIC) + SEAL_BYTES :]
    if kept != _sealed(payload):
        raise MemoryUnreadable("the snapshot is damaged: its seal does not fit. Learning begins anew")
    try:
        state = msgspec.msgpack.decode(payload)
        if state["format"] == FORMAT:
            return _take_up(ward, state)
    except UNREADABLE as error:
        raise MemoryUnreadable(f"the snapshot cannot be read ({type(error).__name__}: {error})") from None
    raise MemoryUnreadable(f"the snapshot is of format {state['format']}, this is {FORMAT}: learning begins anew")


def _sealed(payload: bytes) -> bytes:
    """This returns a payload behind its digest: a bit that flipped on a worn card must not become a state of mind."""
    return MAGIC + hashlib.blake2b(payload, digest_size=SEAL_BYTES).digest() + payload


def _take_up(ward: Ward, state: dict[str, Any]) -> list[str]:
    general = {name: up(state["ward"][name]) for name in _WARD}
    entries, records, triage = up(state["faults"]), up(state["quarantine"]), up(state["triage"])
    sections = (state[name] for name in ("channels", "active", "rows", "shapes"))
    if not (
        all(isinstance(entry, Entry) and entry.class_ in CLASSES for entry in entries)
        and all(isinstance(record, Record) for record in records)
        and isinstance(triage, TriageState)
        and all(isinstance(case, Case) for case in triage.cases)
        and all(isinstance(section, dict) for section in sections)
    ):
        raise ValueError("another version wrote it")
    # From here on nothing is refused as a whole any more.
    notes: list[str] = []
    for name, value in general.items():
        setattr(ward, name, value)
    known = {*ward.channels, *ward.rows, *(o.name for o in ward.equipment.outputs), *ward.by_source}
    for entry in entries:
        if entry.target in known or CLASSES[entry.class_].layer == "surroundings":
            ward.faults.entries[(entry.target, entry.class_)] = entry
    for record in records:
        if record.target in ward.quarantine.records:
            ward.quarantine.records[record.target] = record
        elif record.state is not State.IN_SERVICE:
            notes.append(f"{record.target} was {record.state} and is no longer configured")
    ward.triage.restore(triage)
    for case in ward.triage.open_cases():
        if case.origin not in ward.faults.entries:
            notes.append(f"{case.id} is closed: {case.origin[0]} is no longer configured")
            case.overlay.latched = False
            ward.triage.close(case, ward.now_ms)
            ward.soon(ward.now_ms)
    for name, channel in ward.channels.items():
        if name in state["channels"]:
            notes += _channel(ward, channel, state)
    for name, row in ward.rows.items():
        if name in state["rows"]:
            notes += _row(ward, row, state)
    for twins in ward.twins:
        _twins(ward, twins, state)
    _unite(ward, state)
    _sources(ward, state.get("sources", {}))
    bars = [each for each in up(state.get("bars", ["l"])) if isinstance(each, Bar) and each.target in known]
    ward.bars.bars = {(each.target, each.class_): each for each in bars}
    _orders(ward, state.get("orders", {}))  # a snapshot of before there were any has none
    ward.lost_sources = {name: says for name, says in ward.lost_sources.items() if name in ward.by_source}
    ward.pending_drives = {k: v for k, v in ward.pending_drives.items() if v[0] in ward.rows}
    return notes


def _orders(ward: Ward, kept: dict[str, Any]) -> None:
    """This takes up the counters that are used up, and what still stands about targets that are still there."""
    ward.orders.counters = {str(key): int(used) for key, used in kept.get("counters", {}).items()}
    standing = [each for each in up(kept.get("standing", ["l"])) if isinstance(each, Standing)]
    ward.orders.standing = [each for each in standing if each.target in ward.quarantine.records]
    afar.apply(ward)


def _sources(ward: Ward, kept: dict[str, Any]) -> None:
    """This takes up what was followed of each source, where it still carries as many signals."""
    for name, source in ward.sources.items():
        try:
            width, state = kept[name]
            made = up(state)
        except UNREADABLE:
            width = made = None
        if width == source.width and alike(made, source):
            for attribute in attributes(source):
                setattr(source, attribute, getattr(made, attribute))
        else:
            _afresh(ward, [(name, "repeats"), (name, "nonsense")])


def _union(ward: Ward) -> dict[str, Any] | None:
    """This returns what must last of the unit's relations."""
    union = ward.union
    if union is None:
        return None
    return {
        "names": list(union.numbers),
        "row": union.row,
        "brought": list(union.brought),
        "parity": down(union.parity),
        "afield": down(union.afield),
        "outside": down(union.outside),
        "cycles": down(union.cycles),
        "told": down(union.told),
    }


def _unite(ward: Ward, state: dict[str, Any]) -> None:
    """This takes up the relations between the unit's signals, where those are still the same."""
    union = ward.union
    if union is None:
        return
    try:
        kept = state["union"]
        made, row = up(kept["parity"]), list(kept["row"])
        if (
            kept["names"] == list(union.numbers)
            and all(state["shapes"][name] == _shape(ward, name) for name in union.numbers)
            and alike(made, union.parity)
            and (made.signals, made.learn_rows, len(row)) == (len(row), union.parity.learn_rows, len(union.channels))
        ):
            union.parity, union.row = made, row
            union.brought = dict.fromkeys(name for name in kept["brought"] if name in ward.rows)
            _cycles(ward, kept)
            _afield(ward, kept)
            _outside(ward, kept)
            return
    except UNREADABLE:
        pass
    _cycles(ward, {})
    _afield(ward, {})
    for each in ward.rows.values():  # what was held against signals by relations that are no more
        for i in range(len(each.members)):
            each.view.hint(i, 0.0)


def _afield(ward: Ward, kept: dict[str, Any]) -> None:
    """This takes up where the unit always was; a snapshot of before that was followed has nothing of it."""
    union = ward.union
    assert union is not None
    try:
        made, own = up(kept["afield"]), union.afield
        if alike(made, own) and (made.apart, made.learn_rows) == (own.apart, own.learn_rows):
            union.afield = made
            return
    except UNREADABLE:
        pass
    for each in ward.rows.values():
        for i in range(len(each.members)):
            each.view.goes_afield(i, 0.0)
            each.view.stands(i, False)


def _outside(ward: Ward, kept: dict[str, Any]) -> None:
    """This takes up what was learnt of the surroundings; a snapshot of before that was followed has nothing of it."""
    union = ward.union
    assert union is not None
    try:
        made, own = up(kept["outside"]), union.outside
        if alike(made, own) and (made.names, made.learn_rows) == (own.names, own.learn_rows):
            union.outside = made
    except UNREADABLE:
        pass


def _cycles(ward: Ward, kept: dict[str, Any]) -> None:
    """This takes up the unit's cycles; a snapshot of before there were any has none."""
    union = ward.union
    assert union is not None
    try:
        made, told = up(kept["cycles"]), up(kept["told"])
        own = union.cycles
        fits = (own.parts, own.twins, own.learn_rows)
        if alike(made, own) and (made.parts, made.twins, made.learn_rows) == fits and isinstance(told, dict):
            union.cycles, union.told = made, told
            return
    except UNREADABLE:
        pass
    _afresh(ward, [key for key in ward.faults.entries if key[1] in ("cycle", "step")])


def _twins(ward: Ward, twins: Twins, state: dict[str, Any]) -> None:
    """This takes up what a redundancy group has learnt, where its members are still the same."""
    names = [c.spec.name for c in twins.members]
    if any(state["shapes"].get(name) != _shape(ward, name) for name in names):
        return
    for members, fresh, undecided, judge in state.get("twins", []):
        made = up(judge)
        if members == names and isinstance(made, Disagreement) and made.count == len(names):
            twins.fresh, twins.undecided, twins.judge = int(fresh), int(undecided), made


def _channel(ward: Ward, channel: Channel, state: dict[str, Any]) -> list[str]:
    """This takes up one signal, or says that it starts afresh."""
    name, entries = channel.spec.name, ward.faults.entries
    try:
        kept = {a: up(v) for a, v in state["channels"][name].items() if a in _CHANNEL}
        if (
            state["shapes"][name] == _shape(ward, name)
            and len(kept) == len(_CHANNEL)
            and alike(kept["checks"], channel.checks)
        ):
            if channel.trend is None or not alike(kept["trend"], channel.trend):
                kept["trend"] = channel.trend
            for attribute, value in kept.items():
                setattr(channel, attribute, value)
            active = [(bit, (name, class_)) for bit, class_ in state["active"][name]]
            channel.active = [(bit, entries[key]) for bit, key in active if key in entries]
            if channel.substitute not in ward.channels:
                channel.substitute = None
            return []
    except UNREADABLE:
        pass
    channel.masked = ward.quarantine.state(name) in OUT_OF_SERVICE
    channel.active = [(b, entries[(name, c)]) for b, c in enumerate(SENSOR_CHECKS) if (name, c) in entries]
    _afresh(ward, [(name, "silent")])
    return [f"signal {name} is configured anew: it is judged afresh"]


def _row(ward: Ward, row: PartRow, state: dict[str, Any]) -> list[str]:
    """This takes up one part, or says that it learns afresh."""
    name = row.part.name
    try:
        kept = {a: up(v) for a, v in state["rows"][name].items() if a in _ROW}
        if state["shapes"][name] == _shape(ward, name) and len(kept) == len(_ROW) and alike(kept["view"], row.view):
            if not row.view.alone:  # a part may have been added beside it
                kept["view"].has_company()
            for attribute, value in kept.items():
                setattr(row, attribute, value)
            return []
    except UNREADABLE:
        pass
    row.paused = row.part.output is not None and ward.quarantine.state(name) in (State.ISOLATED, State.LOCKED_OUT)
    for i, channel in enumerate(row.members):
        row.view.mask(i, channel.masked)
    members = [c.spec.name for c in row.members]
    found = [key for key in ward.faults.entries if key[0] in members and key[1] not in (*SENSOR_CHECKS, "silent")]
    _afresh(ward, [(name, "anomaly"), *found])
    return [f"part {name} is configured anew: it learns afresh"]


def _afresh(ward: Ward, keys: list[tuple[str, str]]) -> None:
    """This lets faults show themselves anew whose monitor begins anew: it does not know that they were failing."""
    for key in keys:
        entry, case = ward.faults.entries.get(key), ward.triage.open_case(key)
        if entry is not None and entry.test_failed:
            fault.retest(entry)
        if case is not None and case.clear_ms is None:
            case.clear_ms = ward.now_ms
            record = ward.record_of(case)
            if record is not None and not any(c.is_failing for c in ward.cases_of(case.target)):
                record.ill = False
            ward.soon(ward.now_ms)


def _shape(ward: Ward, name: str) -> str:
    """This returns a digest of what a signal or part was configured as: another shape means another memory."""
    channel = ward.channels.get(name)
    specs = [channel.spec] if channel is not None else [c.spec for c in ward.rows[name].members]
    return hashlib.blake2s(msgspec.json.encode(specs), digest_size=8).hexdigest()

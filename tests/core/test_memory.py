"""The snapshot: what it keeps, what a damaged one does, and how it meets a configuration that has changed."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from plants import BORN, Journey, becomes, equipment, falls_silent, fan_dies, long_journey, rows
from sickbay.core import lasting, memory
from sickbay.core.equipment import Equipment
from sickbay.core.memory import FORMAT, MemoryUnreadable
from sickbay.core.node import Node
from sickbay.core.report import status, why

ILL = BORN + 5


def kept() -> bytes:
    """This is the snapshot of a plant with a sensor isolated, a fan switched off and a line lost."""
    j = Journey()
    lost = falls_silent(["flow", "pressure", "current"], ILL + 5)
    j.run(rows(range(ILL + 15), becomes("level", 70.1, ILL), lost, *fan_dies(ILL)))
    assert (j.state("level"), j.state("fan"), list(j.node.ward.lost_sources)) == ("isolated", "isolated", ["rig"])
    return j.node.snapshot()


def opened(data: bytes) -> Any:
    return msgspec.msgpack.decode(data[len(memory.MAGIC) + memory.SEAL_BYTES :])


def sealed(state: Any) -> bytes:
    return memory._sealed(msgspec.msgpack.encode(state))


def live_on(node: Node, from_s: int, seconds: int = 20) -> None:
    """This goes on with good readings, ticks and a look at everything a person may ask."""
    node.start(1000 * from_s)
    j = Journey.__new__(Journey)
    j.node, j.relay_follows, j.inputs, j.effects, j.now_ms = node, True, [], [], 1000 * from_s
    j._gather()
    j.run(rows(range(from_s, from_s + seconds)))
    for name in (*node.ward.channels, *node.ward.rows):
        why(node.ward, name, str)
        j.order("clear", name)
        j.order("release", name)
    status(node.ward, str)
    j.run(rows(range(from_s + seconds, from_s + 2 * seconds)))
    node.snapshot()


def restored(data: bytes, plant: Equipment | None = None) -> tuple[Node, list[str]]:
    node = Node(plant or equipment(), "boot2")
    return node, node.restore(data)


def test_a_snapshot_is_whole() -> None:
    """What is restored keeps the very same snapshot: nothing is lost on the way."""
    data = kept()
    node, notes = restored(data)
    assert notes == [] and node.snapshot() == data
    live_on(node, ILL + 15)


def test_a_later_format_is_refused_in_words() -> None:
    state = opened(kept())
    state["format"] = FORMAT + 1
    with pytest.raises(MemoryUnreadable, match=f"of format {FORMAT + 1}, this is {FORMAT}"):
        restored(sealed(state))


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"{}", b"\x80", b"\xc1", b"\x90", b"SQLite format 3\x00", b"\x81\xa6format\x01"]
)
def test_what_is_no_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(MemoryUnreadable):
        restored(data)


def survives(data: bytes) -> str:
    """This says what a damaged snapshot did: refused with the node left new, or taken up and lived on with."""
    node = Node(equipment(), "boot2")
    new = node.snapshot()
    try:
        node.restore(data)
    except MemoryUnreadable:
        assert node.snapshot() == new, "what cannot be read leaves nothing half done"
        return "refused"
    live_on(node, max(node.ward.now_ms, 0) // 1000 + 1, 5)
    return "usable"


def test_every_truncation_is_refused() -> None:
    data = kept()
    cuts = [*range(200), *range(200, len(data), 97), len(data) - 1]
    assert {survives(data[:cut]) for cut in cuts} == {"refused"}


def flipped(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 3])):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def overwritten(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) - 16)
    return data[:at] + chance.randbytes(16) + data[at + 16 :]


@pytest.mark.parametrize("damage", [flipped, overwritten])
def test_damage_is_refused(damage: Callable[[bytes, random.Random], bytes]) -> None:
    """A worn card must never keep a device from starting, nor give it a state that it never was in."""
    data, chance = kept(), random.Random(11)
    for _ in range(500):
        other = damage(data, chance)
        assert other == data or survives(other) == "refused"


@pytest.mark.parametrize("section", ["ward", "faults", "quarantine", "triage", "channels", "rows", "shapes", "active"])
def test_a_sound_snapshot_of_an_unknown_shape_is_refused_or_begun_afresh(section: str) -> None:
    """Another version wrote it, and forgot to say so."""
    for value in (None, [], {}, "x", ["l", 1], ["o", "Chart"], ["s", "Entry"], ["e", "State", "gone"], ["s", "Nobody"]):
        state = opened(kept())
        state[section] = value
        survives(sealed(state))


@pytest.mark.parametrize(("kind", "attribute"), [("PartView", "alarm"), ("Chart", "level"), ("SignalChecks", "tested")])
def test_an_object_that_lacks_what_this_version_needs_begins_afresh(kind: str, attribute: str) -> None:
    """After an update the daemon must not fall over its own memory an hour later."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items()}
        if not isinstance(value, list):
            return value
        if value[:2] == ["o", kind]:
            value = [x for x in value if not (isinstance(x, list) and x[0] == attribute)]
        return [strip(v) for v in value]

    node, notes = restored(sealed(strip(opened(kept()))))
    assert notes and all("afresh" in note for note in notes)
    assert str(node.ward.quarantine.state("level")) == "isolated" and len(node.ward.triage.open_cases()) >= 3
    live_on(node, ILL + 15)


def without(plant: Equipment, name: str) -> Equipment:
    """This is the plant after its owner took a signal out."""
    signals = tuple(
        msgspec.structs.replace(s, redundant_with=None if s.redundant_with == name else s.redundant_with)
        for s in plant.signals
        if s.name != name
    )
    parts = tuple(msgspec.structs.replace(p, signals=tuple(s for s in p.signals if s != name)) for p in plant.parts)
    return msgspec.structs.replace(plant, signals=signals, parts=parts)


@pytest.mark.parametrize("name", ["level", "level_b", "flow", "tach", "room"])
def test_a_signal_that_is_gone_from_the_configuration_is_let_go(name: str) -> None:
    node, notes = restored(kept(), without(equipment(), name))
    assert any(name in note or "learns afresh" in note for note in notes)
    live_on(node, ILL + 15)
    assert all(case.target != name for case in node.ward.triage.open_cases())


def test_an_isolated_signal_that_is_gone_is_said_to_be() -> None:
    _, notes = restored(kept(), without(equipment(), "level"))
    assert "level was isolated and is no longer configured" in notes


def test_a_signal_with_another_range_is_judged_afresh_and_stays_isolated() -> None:
    plant = equipment()
    signals = tuple(msgspec.structs.replace(s, high=120.0) if s.name == "level" else s for s in plant.signals)
    node, notes = restored(kept(), msgspec.structs.replace(plant, signals=signals))
    assert "signal level is configured anew: it is judged afresh" in notes
    assert "part tank is configured anew: it learns afresh" in notes
    assert str(node.ward.quarantine.state("level")) == "isolated" and node.ward.channels["level"].masked
    live_on(node, ILL + 15)


def test_a_part_that_is_gone_takes_its_relays_orders_with_it() -> None:
    plant = equipment()
    node, notes = restored(kept(), msgspec.structs.replace(plant, parts=plant.parts[:1] + plant.parts[2:], outputs=()))
    assert "fan was isolated and is no longer configured" in notes
    live_on(node, ILL + 15)
    assert all(case.target != "fan" for case in node.ward.triage.open_cases())


def test_a_full_disk_that_ends_while_the_device_is_off_is_over() -> None:
    """The fault of the store belongs to no signal; it must survive a restart to be closed by one."""
    j = Journey().run(rows(range(BORN)))
    j.node.store(False, "full", 1000 * BORN)
    j.run(rows(range(BORN, BORN + 5)))
    node, _ = restored(j.node.snapshot())
    node.store(True, "", 1000 * (BORN + 6))
    node.tick(1000 * (BORN + 60))
    assert "store" not in [case.class_ for case in node.ward.triage.open_cases()]


def test_a_part_in_probation_goes_on_with_it() -> None:
    j = long_journey()
    node, _ = restored(j.node.snapshot())
    assert {n: r.state for n, r in node.ward.quarantine.records.items()} == {
        n: r.state for n, r in j.node.ward.quarantine.records.items()
    }


def test_a_class_that_would_not_survive_is_named() -> None:
    with pytest.raises(AssertionError, match="would not survive a restart"):
        lasting.down(object())

"""What relations between a unit's signals come to in the node: rows put together, parts told, and whose fault it is in words."""

import math
from collections.abc import Iterable

import msgspec
import pytest

from plants import Journey, Values, give, trace
from related_signals import NAMES, A, Ailing, C, Y, off, unit
from sickbay.core import memory, peers
from sickbay.core.effects import Effect
from sickbay.core.equipment import Equipment, Mode, Part, Policy, Signal
from sickbay.core.node import Node
from sickbay.core.parity import SIGNALS_MOST
from sickbay.core.reading import Input, Reading

LEARN = 600
ILL = LEARN + 60


def plant(*parts: Part, names: Iterable[str] = NAMES) -> Equipment:
    """This is a pump with a and y, and a tank with b, c and z, unless other parts are given."""
    own = (
        Part("pump", ("a", "y"), essential=True, isolate=Mode.ACTIVE, min_signals=1),
        Part("tank", ("b", "c", "z"), isolate=Mode.ACTIVE),
    )
    signals = tuple(Signal(name, "rig", "degC") for name in names)
    return Equipment("plant-1", signals, parts or own, (), Policy(learn_rows=LEARN, corroborate_rows=10))


def seconds(rows: int, seed: int, *ailing: Ailing) -> list[tuple[int, Values]]:
    return [(n, dict(zip(NAMES, row, strict=True))) for n, row in enumerate(unit(rows, seed, *ailing))]


def journey(seed: int, *ailing: Ailing, rows: int = ILL + 300, of: Equipment | None = None) -> Journey:
    return Journey(of or plant()).run(seconds(rows, seed, *ailing))


def test_a_sensor_whose_error_breaks_the_relations_is_told_as_that_sensors_fault() -> None:
    """c errs by less than it moves by itself all day: no chart of its own could know. Where two could be it, nobody is named.

    Measured over twelve units: ten name c at once, one after a word of doubt, one says that it does not know.
    """
    firsts = [journey(seed, off(C, ILL, bias=1.5)).told()[0].body for seed in range(1, 7)]
    assert all(body["layer"] == "unknown" or (body["target"], body["layer"]) == ("c", "sensor") for body in firsts)
    named = [body for body in firsts if body["target"] == "c"]
    assert len(named) >= 4
    for body in named:
        said = " ".join(body["evidence"])
        assert "its error alone explains every relation that is broken" in said
        assert "where a " in said and "make it" in said and "times the limit of what this unit ever showed" in said


@pytest.mark.parametrize("seed", range(1, 4))
def test_without_relations_the_same_error_is_not_found(seed: int) -> None:
    """Else the test above would show nothing."""
    j = Journey(plant())
    j.node.ward.union = None
    assert j.run(seconds(ILL + 300, seed, off(C, ILL, bias=1.5))).told() == []


@pytest.mark.parametrize("seed", range(4, 8))
def test_a_healthy_unit_is_told_nothing_of(seed: int) -> None:
    assert journey(seed, rows=ILL + 600).told() == []


def test_a_part_that_is_silent_does_not_hold_up_the_units_row() -> None:
    """Its next row comes all the same with the next of another part; after ten, the relations rest."""
    j = Journey(plant()).run(seconds(ILL, 1))
    union = j.node.ward.union
    assert union is not None and union.parity.watched
    before = union.parity.missing[:]
    j.run((n, {k: v for k, v in values.items() if k in ("a", "y")}) for n, values in seconds(ILL + 30, 1) if n >= ILL)
    assert before == [0] * 5 and [gap > 20 for gap in union.parity.missing] == [False, False, True, True, True]


def test_a_signal_of_two_parts_is_one_signal() -> None:
    """And the part that waited for it in vain does not wipe out what the other has."""
    shared = plant(Part("pump", ("a", "y")), Part("tank", ("a", "b", "c")), Part("hall", ("z",)))
    union = Node(shared, "boot1").ward.union
    assert union is not None and [c.spec.name for c in union.channels] == ["a", "y", "b", "c", "z"]
    ward = Node(shared, "boot1").ward
    peers.heard(ward, ward.rows["pump"], [1.0, 2.0])
    peers.heard(ward, ward.rows["tank"], [None, 3.0, 4.0])
    assert ward.union is not None and ward.union.row == [1.0, 2.0, 3.0, 4.0, None]
    peers.heard(ward, ward.rows["hall"], [5.0])
    assert ward.union.row == [None] * 5 and ward.union.parity.rows == 1


@pytest.mark.parametrize(
    ("signals", "followed"), [(1, False), (2, True), (SIGNALS_MOST, True), (SIGNALS_MOST + 1, False)]
)
def test_relations_are_sought_among_two_to_thirty_two_signals(signals: int, followed: bool) -> None:
    """Beyond, learning would cost more than a small machine has: the unit goes without, and is judged as ever."""
    names = [f"s{i}" for i in range(signals)]
    big = plant(Part("all", tuple(names)), names=names)
    assert (Node(big, "boot1").ward.union is not None) is followed
    j = Journey(big).run((n, dict.fromkeys(names, math.sin(n))) for n in range(20))
    assert j.told() == []


def test_a_signal_without_relations_has_nothing_to_say() -> None:
    ward = journey(1, rows=ILL).node.ward
    assert peers.words(ward, ward.channels["z"]) is None and peers.verdict(ward, ward.channels["z"]) is None
    ward.union = None
    assert peers.words(ward, ward.channels["a"]) is None and peers.verdict(ward, ward.channels["a"]) is None


def accused() -> Journey:
    """This is a unit in the middle of an accusation."""
    j = journey(1, off(A, ILL, bias=4.0), rows=ILL + 60)
    assert j.node.ward.union is not None and j.node.ward.union.parity.accused
    return j


def go_on(node: Node, inputs: list[Input | int]) -> bytes:
    effects: list[Effect] = []
    for what in inputs:
        give(node, what)
        effects += node.take_effects()
    return trace(effects)


@pytest.mark.parametrize("ailing", [off(A, ILL, bias=4.0), off(C, ILL, drift=0.02), off(Y, ILL, bias=12.0)])
def test_restarts_anywhere_change_nothing(ailing: Ailing) -> None:
    """While learning, between the parts of one row, while relations break, in the middle of an accusation."""
    inputs = journey(2, ailing).inputs
    node = Node(plant(), "boot1")
    node.start(0)
    straight = go_on(node, inputs)
    node = Node(plant(), "boot1")
    node.start(0)
    out: list[Effect] = []
    for index, what in enumerate(inputs):
        give(node, what)
        out += node.take_effects()
        if index % 97 == 0 or (1000 * (ILL + 25) < node.ward.now_ms < 1000 * (ILL + 45) and index % 7 == 0):
            kept = node.snapshot()
            node = Node(plant(), "boot1")
            assert node.restore(kept) == [] and node.snapshot() == kept
    assert trace(out) == straight and b"opened" in straight


def test_relations_of_signals_that_were_configured_anew_are_learnt_afresh_and_accuse_nobody_meanwhile() -> None:
    """What they held against signals of other parts must not stand for ever with nobody left to take it back."""
    j = accused()
    old = j.node.ward
    assert old.rows["pump"].view.hinted(0)
    other = plant()
    signals = tuple(msgspec.structs.replace(s, unit="K") if s.name == "z" else s for s in other.signals)
    node = Node(msgspec.structs.replace(other, signals=signals), "boot2")
    node.restore(j.node.snapshot())
    union = node.ward.union
    assert union is not None and union.parity.rows == 0 and not union.parity.accused
    assert not any(row.view.hinted(i) for row in node.ward.rows.values() for i in range(len(row.members)))


@pytest.mark.parametrize("spoilt", ["Parity", "Watched", "Relation", "none", "gone", "rows"])
def test_relations_that_cannot_be_read_are_learnt_afresh_and_nothing_else_is_lost(spoilt: str) -> None:
    """Another version kept them: the unit's faults and its charts are worth more than its relations."""
    kept = accused().node.snapshot()
    state = msgspec.msgpack.decode(kept[len(memory.MAGIC) + memory.SEAL_BYTES :])

    def strip(value: object) -> object:
        if not isinstance(value, list):
            return value
        if value[:1] == ["o"] and value[1] == spoilt:
            value = value[:-1]
        if value[:1] == ["s"] and value[1] == spoilt:
            value = [*value[:2], ["unheard_of", 1], *value[3:]]
        return [strip(v) for v in value]

    if spoilt == "gone":
        del state["union"]
    elif spoilt == "none":
        state["union"] = None
    elif spoilt == "rows":
        state["union"]["row"] = [1.0]
    else:
        state["union"]["parity"] = strip(state["union"]["parity"])
    node = Node(plant(), "boot2")
    assert node.restore(memory._sealed(msgspec.msgpack.encode(state))) == []
    ward = node.ward
    assert ward.union is not None and ward.union.parity.rows == 0 and not ward.rows["pump"].view.learning
    assert not any(row.view.hinted(i) for row in ward.rows.values() for i in range(len(row.members)))
    node.feed(Reading("a", 20.0, ward.now_ms + 1))
    node.snapshot()

"""These say that a model file is either understood or refused, and nothing else can come of it."""

import contextlib
import os
import random
import struct
import sys
from pathlib import Path

import pytest

from sickbay.edge.scorer.card import Card, CardPart
from sickbay.edge.scorer.emit import emit
from sickbay.edge.scorer.model_file import BYTES_MAX, load, read_card, read_network
from sickbay.edge.scorer.network import LAYERS_MAX, Network
from sickbay.errors import ModelFileError
from tiny_models import CARD, FILE, PUMP_NETWORK, UNIT, mutant, network


@pytest.mark.parametrize("widths", [(1, 1), (3, 3), (8, 3, 8), (16, 32, 4, 16), (64, 5, 64)])
@pytest.mark.parametrize("relu", [False, True])
def test_what_was_emitted_is_read_back_number_for_number(widths: tuple[int, ...], relu: bool) -> None:
    """The python runtime and the interpreters must compute the very same weights."""
    wanted = network(widths, relu=relu)
    assert read_network(emit(wanted)) == wanted


def test_the_card_travels_in_the_file() -> None:
    """A card in a file beside it would be lost, and the unit's baseline with it."""
    assert read_card(FILE) == CARD
    assert read_card(emit(UNIT)) is None


def test_the_same_network_gives_the_same_bytes() -> None:
    """The digest on a model's card means something only then."""
    assert emit(UNIT, CARD) == FILE


def test_the_file_is_what_tflite_s_own_schema_says() -> None:
    """Our reader and our writer could share a misunderstanding; the schema's generated bindings would not."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAsModel(FILE, 0)
    graph = model.Subgraphs(0)
    assert (model.Version(), model.SubgraphsLength(), graph.OperatorsLength()) == (3, 1, 2)
    assert model.Metadata(0).Name() == b"sickbay.card"
    assert model.OperatorCodes(0).BuiltinCode() == schema.BuiltinOperator.FULLY_CONNECTED
    source = graph.Tensors(graph.Inputs(0))
    assert [source.Shape(i) for i in range(source.ShapeLength())] == [1, 5]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "it is empty"),
        (b"\0", "begins with 00"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "begins with 89 50 4e 47"),
        (Path(sys.executable).resolve().read_bytes()[:4096], "begins with 7f 45 4c 46"),
        (FILE[:12], "cut or damaged"),
        (struct.pack("<I4s", 0xFFFFFFFF, b"TFL3") + bytes(8), "cut or damaged"),
    ],
    ids=["empty", "one byte", "png", "elf", "head only", "wild root"],
)
def test_another_file_is_refused_with_what_it_is(body: bytes, says: str) -> None:
    """A person who named the wrong file must be able to tell from the text alone."""
    for read in (read_network, read_card):
        with pytest.raises(ModelFileError, match=says):
            read(body)


def test_every_cut_is_refused_or_complete() -> None:
    """A device that lost power while a model was copied has exactly such a file."""
    for size in range(len(FILE)):
        with contextlib.suppress(ModelFileError):
            assert read_network(FILE[:size]) == UNIT, "only what is behind the network may be missing"


def test_ten_thousand_mutants_are_refused_or_are_networks() -> None:
    """A parser that dies on a damaged file takes the worker with it, and one that hangs the deadline of every part."""
    chance = random.Random(20_061)
    read = refused = 0
    for _ in range(10_000):
        body = mutant(chance, FILE)
        try:
            found = read_network(body)
            assert isinstance(found, Network) and all(len(layer.bias) == layer.outputs for layer in found.layers)
            read += 1
        except ModelFileError as error:
            refused += 1
            assert len(str(error)) < 1000
        with contextlib.suppress(ModelFileError):
            assert isinstance(read_card(body), Card | None)
    assert refused > 2_000 and read > 1_000, "the mutants must reach both sides of the reader"


def test_numbers_that_are_not_finite_are_refused() -> None:
    """One NaN among the weights makes every estimate NaN."""
    weight = struct.pack("<f", PUMP_NETWORK.layers[0].weights[0][0])
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ModelFileError, match="not a finite number"):
            read_network(FILE.replace(weight, struct.pack("<f", bad), 1))


def test_deep_and_wide_networks_are_refused() -> None:
    """Work is bounded by what a file may hold, not by what a stranger wrote into it."""
    with pytest.raises(ModelFileError, match="at most"):
        read_network(emit(network((2,) * (LAYERS_MAX + 2))))
    with pytest.raises(ModelFileError, match=r"float32 \[1, n\] is read"):
        read_network(emit(network((1025, 1, 1025))))


def test_a_card_that_makes_no_sense_is_refused() -> None:
    """The daemon itself reads cards: nothing on them may surprise it."""
    for card, says in (
        (Card(2, "x", {}), "format 2"),
        (Card(1, "x", {"p": CardPart(())}), "0 signals"),
        (Card(1, "x", {"p": CardPart(("a",), offset=-1)}), "from input -1"),
        (Card(1, "x", {"p": CardPart(("a",), ("V", "A"))}), "2 units"),
    ):
        with pytest.raises(ModelFileError, match=says):
            read_card(emit(UNIT, card))
    deep = FILE.replace(b'{"rows":400}', b"[" * 6 + b"]" * 6)
    with pytest.raises(ModelFileError, match="not understood"):
        read_card(deep)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder, a pipe and a file that is gone are all things a configuration can name."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", BYTES_MAX + 1)
    for name, says in (("", "is a folder"), ("pipe", "is not a file"), ("gone", "No such file"), ("huge", "at most")):
        with pytest.raises(ModelFileError, match=says):
            load(tmp_path / name)
    with pytest.raises(ModelFileError, match="null"):
        load("a\0b")

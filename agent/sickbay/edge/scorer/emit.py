"""This turns a network and its card into the bytes of a .tflite file, with the standard library alone.

The layout is FlatBuffers' (https://flatbuffers.dev/internals/), the tables TFLite's schema version 3. The generated
bindings and the flatbuffers package would do the same; 100 lines of struct do it where neither is installed, and give
the same bytes whatever version is.
"""

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from sickbay.edge.scorer.card import CARD_NAME, Card, encode
from sickbay.edge.scorer.network import Layer, Network

FULLY_CONNECTED, FULLY_CONNECTED_OPTIONS = 9, 8  # BuiltinOperator, BuiltinOptions
FLOAT32 = 0  # TensorType
RELU = 1  # ActivationFunctionType


@dataclass(frozen=True)
class Scalar:
    """A number kept inside its table."""

    code: str  # of struct: "b", "B", "i", "I"
    value: int


@dataclass(frozen=True)
class Blob:
    """A vector of numbers, or a string, as its bytes."""

    count: int
    body: bytes
    align: int = 4


@dataclass(frozen=True)
class Table:
    """Fields by their number in the schema."""

    fields: "dict[int, Scalar | Blob | Table | list[Table]]"


def emit(network: Network, card: Card | None = None) -> bytes:
    """This returns the file's bytes: the same for the same network and card, on every machine."""
    buffers = [Table({})]  # buffer 0 is empty by convention: what is computed has none
    tensors = [_tensor([1, network.inputs], 0, "row")]
    operators = []
    for k, layer in enumerate(network.layers):
        last = k == len(network.layers) - 1
        source, first = len(tensors) - 1, len(tensors)
        for name, shape, numbers in (
            (f"weights{k}", [layer.outputs, layer.inputs], [x for row in layer.weights for x in row]),
            (f"bias{k}", [layer.outputs], layer.bias),
        ):
            tensors.append(_tensor(shape, len(buffers), name))
            buffers.append(Table({0: Blob(4 * len(numbers), _float32(numbers), align=16)}))
        tensors.append(_tensor([1, layer.outputs], 0, "estimate" if last else f"hidden{k}"))
        operators.append(_operator(layer, source, first))
    metadata = []
    if card is not None:
        text = encode(card)
        metadata.append(Table({0: _string(CARD_NAME), 1: Scalar("I", len(buffers))}))
        buffers.append(Table({0: Blob(len(text), text, align=16)}))
    # Version 1 is the one of float32 without options; every runtime since 2018 has it. The code stands twice, since
    # runtimes before 2.4 read field 0 and later ones the larger of the two.
    code = Table({0: Scalar("b", FULLY_CONNECTED), 2: Scalar("i", 1), 3: Scalar("i", FULLY_CONNECTED)})
    graph = Table({0: tensors, 1: _ints([0]), 2: _ints([len(tensors) - 1]), 3: operators, 4: _string("main")})
    model = Table(
        {
            0: Scalar("I", 3),
            1: [code],
            2: [graph],
            3: _string("sickbay"),
            4: buffers,
            **({6: metadata} if metadata else {}),
        }
    )
    return _file(model)


def _tensor(shape: Sequence[int], buffer: int, name: str) -> Table:
    return Table({0: _ints(shape), 1: Scalar("b", FLOAT32), 2: Scalar("I", buffer), 3: _string(name)})


def _operator(layer: Layer, source: int, first: int) -> Table:
    options = Table({0: Scalar("b", RELU if layer.relu else 0)})
    return Table(
        {
            0: Scalar("I", 0),
            1: _ints([source, first, first + 1]),
            2: _ints([first + 2]),
            3: Scalar("B", FULLY_CONNECTED_OPTIONS),
            4: options,
        }
    )


def _ints(numbers: Sequence[int]) -> Blob:
    return Blob(len(numbers), struct.pack(f"<{len(numbers)}i", *numbers))


def _string(text: str) -> Blob:
    body = text.encode()
    return Blob(len(body), body + b"\0")


def _float32(numbers: Sequence[float]) -> bytes:
    packed = array("f", numbers)
    if struct.pack("=H", 1) != struct.pack("<H", 1):
        packed.byteswap()
    return packed.tobytes()


def _file(root: Table) -> bytes:
    out = bytearray(struct.pack("<I4s", 0, b"TFL3"))
    struct.pack_into("<I", out, 0, _write_table(out, root))
    return bytes(out)


def _write(out: bytearray, slot: int, node: "Blob | Table | list[Table]") -> None:
    """This appends `node` and points the offset at `slot` to it; what is pointed to always stands behind."""
    if isinstance(node, Table):
        at = _write_table(out, node)
    elif isinstance(node, Blob):
        _pad(out, node.align, ahead=4)
        at = len(out)
        out += struct.pack("<I", node.count) + node.body
    else:
        _pad(out, 4)
        at = len(out)
        out += struct.pack(f"<I{4 * len(node)}x", len(node))
        for i, item in enumerate(node):
            _write(out, at + 4 + 4 * i, item)
    struct.pack_into("<I", out, slot, at - slot)


def _write_table(out: bytearray, table: Table) -> int:
    """This appends a vtable, its table and all that hangs on it, and returns where the table stands."""
    codes = {k: field.code if isinstance(field, Scalar) else "I" for k, field in table.fields.items()}
    order = sorted(codes, key=lambda k: -struct.calcsize("<" + codes[k]))  # wide fields first: no padding in between
    places, size = {}, 4
    for k in order:
        places[k] = size
        size += struct.calcsize("<" + codes[k])
    slots = max(codes, default=-1) + 1
    _pad(out, 4, ahead=4 + 2 * slots)
    vtable = len(out)
    out += struct.pack(f"<HH{slots}H", 4 + 2 * slots, size, *(places.get(k, 0) for k in range(slots)))
    at = len(out)
    out += struct.pack(f"<i{size - 4}x", at - vtable)
    for k, field in table.fields.items():
        if isinstance(field, Scalar):
            struct.pack_into("<" + field.code, out, at + places[k], field.value)
    for k, field in table.fields.items():
        if not isinstance(field, Scalar):
            _write(out, at + places[k], field)
    return at


def _pad(out: bytearray, align: int, ahead: int = 0) -> None:
    """This pads so that what stands `ahead` bytes further on is aligned."""
    out += bytes(-(len(out) + ahead) % align)

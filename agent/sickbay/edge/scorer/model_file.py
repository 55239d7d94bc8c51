"""This reads a .tflite file with every step bounds-checked: a malformed file is a ModelFileError, never anything else.

Only FULLY_CONNECTED layers in float32, one after the other, are read: that is what all four runtimes compute alike. The
runtimes are never given a file as it came; they get a network that was read here.
"""

import math
import os
import stat
import struct
from typing import TypeVar

from sickbay.edge.scorer import card as cards
from sickbay.edge.scorer.card import Card
from sickbay.edge.scorer.network import LAYERS_MAX, WEIGHTS_MAX, WIDTH_MAX, Layer, Network, Row
from sickbay.errors import ModelFileError

BYTES_MAX = 8 * 1024 * 1024
TENSORS_MAX = 4 * LAYERS_MAX + 8
BUFFERS_MAX = 256
METADATA_MAX = 32

T = TypeVar("T")
_U16, _I32, _U32 = struct.Struct("<H"), struct.Struct("<i"), struct.Struct("<I")


def load(path: str | os.PathLike[str]) -> bytes:
    """This returns the bytes of the file at `path`; raises ModelFileError where it is no file of a fit size.

    Opened without waiting: a pipe in the place of a file must not stop the worker. (pathlib would cost the worker 1.5 MiB.)
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise ModelFileError(f"{path}: is {'a folder' if stat.S_ISDIR(found.st_mode) else 'not a file'}")
        if found.st_size > BYTES_MAX:
            raise ModelFileError(f"{path}: {found.st_size} bytes; at most {BYTES_MAX} are read")
        raw = b""
        while len(raw) <= BYTES_MAX and (more := os.read(fd, BYTES_MAX + 1 - len(raw))):
            raw += more
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None
    finally:
        os.close(fd)
    return raw


def read_card(raw: bytes) -> Card | None:
    """This returns the file's own card, or None when it carries none; raises ModelFileError."""
    file = _File(raw)
    model = file.root()
    for entry in file.tables(model, 6, METADATA_MAX, "metadata"):
        if file.text(entry, 0) == cards.CARD_NAME:
            buffers = file.tables(model, 4, BUFFERS_MAX, "buffers")
            return cards.decode(file.blob(_pick(buffers, file.u32(entry, 1), "buffer"), 0))
    return None


def read_network(raw: bytes) -> Network:
    """This returns the network that the file holds; raises ModelFileError."""
    file = _File(raw)
    model = file.root()
    if file.u32(model, 0) != 3:
        raise ModelFileError(f"schema version {file.u32(model, 0)}; version 3 is read")
    buffers = file.tables(model, 4, BUFFERS_MAX, "buffers")
    codes = [max(file.i8(c, 0), file.i32(c, 3)) for c in file.tables(model, 1, 64, "operator codes")]
    graphs = file.tables(model, 2, 1, "subgraphs")
    graph = _pick(graphs, 0, "subgraph")
    tensors = [_Tensor(file, t, buffers) for t in file.tables(graph, 0, TENSORS_MAX, "tensors")]
    ends = file.ints(graph, 1, 1), file.ints(graph, 2, 1)
    if len(ends[0]) != 1 or len(ends[1]) != 1:
        raise ModelFileError(f"{len(ends[0])} inputs and {len(ends[1])} outputs; one of each is read")
    flow = ends[0][0]
    width = _pick(tensors, flow, "tensor").row_width("input")
    layers: list[Layer] = []
    room = WEIGHTS_MAX
    for operator in file.tables(graph, 3, LAYERS_MAX, "operators"):
        layer, source, flow_next = _layer(file, operator, codes, tensors, width, room)
        if source != flow:
            raise ModelFileError(f"layer {len(layers)} reads tensor {source}, not tensor {flow} of the layer before it")
        layers.append(layer)
        room -= layer.inputs * layer.outputs
        flow, width = flow_next, layer.outputs
    if not layers:
        raise ModelFileError("the file has no layers")
    if flow != ends[1][0]:
        raise ModelFileError(f"the last layer gives tensor {flow}, but the output is tensor {ends[1][0]}")
    return Network(tuple(layers))


def _layer(
    file: "_File", at: int, codes: list[int], tensors: list["_Tensor"], width: int, room: int
) -> tuple[Layer, int, int]:
    """This returns one operator as a layer, and the tensors it reads and gives."""
    code = _pick(codes, file.u32(at, 0), "operator code")
    if code != 9:
        raise ModelFileError(
            f"builtin operator {code}; only FULLY_CONNECTED (9) in float32 is computed by every runtime"
        )
    sources, results = file.ints(at, 1, 3), file.ints(at, 2, 1)
    if len(sources) not in (2, 3) or len(results) != 1:
        raise ModelFileError(f"a FULLY_CONNECTED layer with {len(sources)} inputs and {len(results)} outputs")
    activation = weights_format = 0
    if (options := file.table(at, 4)) is not None:
        activation, weights_format = file.i8(options, 0), file.i8(options, 1)
    if activation not in (0, 1) or weights_format != 0:
        raise ModelFileError(f"activation {activation}, weights format {weights_format}; none or RELU, and 0, are read")
    kernel = _pick(tensors, sources[1], "tensor")
    if len(kernel.shape) != 2 or kernel.shape[1] != width:
        raise ModelFileError(f"weights of shape {kernel.shape} do not fit a row of {width}")
    outputs = kernel.shape[0]
    if outputs * width > room:
        raise ModelFileError(f"more than {WEIGHTS_MAX} weights; that is no model for this")
    flat = kernel.floats(outputs * width)
    bias: Row = (0.0,) * outputs
    if len(sources) == 3 and sources[2] != -1:
        bias = _pick(tensors, sources[2], "tensor").floats(outputs)
    if (got := _pick(tensors, results[0], "tensor").row_width("output")) != outputs:
        raise ModelFileError(f"a layer of {outputs} outputs gives a tensor of {got}")
    weights = tuple(flat[i : i + width] for i in range(0, len(flat), width))
    return Layer(weights, bias, relu=activation == 1), sources[0], results[0]


def _pick(items: list[T], index: int, what: str) -> T:
    if not 0 <= index < len(items):
        raise ModelFileError(f"{what} {index} of {len(items)}")
    return items[index]


class _Tensor:
    """One tensor's shape and where its numbers stand."""

    def __init__(self, file: "_File", at: int, buffers: list[int]) -> None:
        self.shape = tuple(file.ints(at, 0, 4))
        self._file, self._kind, self._buffer, self._buffers = file, file.i8(at, 1), file.u32(at, 2), buffers

    def row_width(self, what: str) -> int:
        """This returns n of a float32 tensor of shape [1, n]."""
        if self._kind != 0 or len(self.shape) != 2 or self.shape[0] != 1 or not 1 <= self.shape[1] <= WIDTH_MAX:
            raise ModelFileError(f"an {what} of type {self._kind} and shape {self.shape}; float32 [1, n] is read")
        return self.shape[1]

    def floats(self, count: int) -> Row:
        """This returns the tensor's `count` numbers."""
        size = math.prod(self.shape)
        if self._kind != 0 or size != count or any(n < 1 for n in self.shape) or not self.shape:
            raise ModelFileError(
                f"a tensor of type {self._kind} and shape {self.shape}; {count} numbers of float32 fit"
            )
        raw = self._file.blob(_pick(self._buffers, self._buffer, "buffer"), 0)
        if len(raw) != 4 * count:
            raise ModelFileError(f"{len(raw)} bytes for {count} numbers of float32")
        numbers = struct.unpack(f"<{count}f", raw)
        if not all(map(math.isfinite, numbers)):
            raise ModelFileError("a weight is not a finite number")
        return numbers


class _File:
    """The FlatBuffers layout of a file. Every access is checked against its end; offsets only point forward."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) > BYTES_MAX:
            raise ModelFileError(f"{len(raw)} bytes; at most {BYTES_MAX} are read")
        if len(raw) < 12 or raw[4:8] != b"TFL3":
            begins = f"begins with {raw[:8].hex(' ')}" if raw else "is empty"
            raise ModelFileError(
                f"not a TFLite file: it {begins}, where a TFLite file has 54 46 4c 33 (TFL3) at byte 4"
            )
        self._raw = raw

    def root(self) -> int:
        return self._table_at(self._take(_U32, 0))

    def u32(self, table: int, field: int) -> int:
        return self._scalar(table, field, _U32)

    def i32(self, table: int, field: int) -> int:
        return self._scalar(table, field, _I32)

    def i8(self, table: int, field: int) -> int:
        at = self._field(table, field)
        if at is None:
            return 0
        self._within(at, 1)
        return (self._raw[at] ^ 0x80) - 0x80

    def table(self, table: int, field: int) -> int | None:
        at = self._field(table, field)
        return None if at is None else self._table_at(self._follow(at))

    def tables(self, table: int, field: int, most: int, what: str) -> list[int]:
        at = self._field(table, field)
        if at is None:
            return []
        first, count = self._vector(self._follow(at), 4)
        if count > most:
            raise ModelFileError(f"{count} {what}; at most {most} are read")
        return [self._table_at(self._follow(first + 4 * i)) for i in range(count)]

    def ints(self, table: int, field: int, most: int) -> list[int]:
        at = self._field(table, field)
        if at is None:
            return []
        first, count = self._vector(self._follow(at), 4)
        if count > most:
            raise ModelFileError(f"a list of {count} numbers where at most {most} fit")
        return list(struct.unpack_from(f"<{count}i", self._raw, first))

    def blob(self, table: int, field: int) -> bytes:
        at = self._field(table, field)
        if at is None:
            return b""
        first, count = self._vector(self._follow(at), 1)
        return self._raw[first : first + count]

    def text(self, table: int, field: int) -> str:
        return self.blob(table, field).decode("utf-8", "replace")

    def _scalar(self, table: int, field: int, form: struct.Struct) -> int:
        at = self._field(table, field)
        return 0 if at is None else self._take(form, at)

    def _field(self, table: int, field: int) -> int | None:
        """This returns where a field stands, None when the table leaves it out."""
        vtable = table - self._take(_I32, table)
        size = self._take(_U16, vtable)
        slot = 4 + 2 * field
        if slot + 2 > size:
            return None
        place = self._take(_U16, vtable + slot)
        if place == 0:
            return None
        if place >= self._take(_U16, vtable + 2):
            raise ModelFileError(f"a field lies outside its table, at byte {table + place}")
        return table + place

    def _follow(self, at: int) -> int:
        target = at + self._take(_U32, at)
        self._within(target, 4)
        return target

    def _table_at(self, at: int) -> int:
        self._within(at, 4)
        return at

    def _vector(self, at: int, width: int) -> tuple[int, int]:
        count = self._take(_U32, at)
        self._within(at + 4, count * width)
        return at + 4, count

    def _take(self, form: struct.Struct, at: int) -> int:
        self._within(at, form.size)
        return int(form.unpack_from(self._raw, at)[0])

    def _within(self, at: int, size: int) -> None:
        if at < 0 or at + size > len(self._raw):
            raise ModelFileError(
                f"the file ends at byte {len(self._raw)}, but points to byte {at + size}; it is cut or damaged"
            )

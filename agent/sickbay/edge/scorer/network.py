"""This is a network as plain numbers: what a model file holds, and what every runtime computes."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass

from sickbay.errors import ModelFileError

Row = tuple[float, ...]

WIDTH_MAX = 1024  # of any layer
LAYERS_MAX = 8
WEIGHTS_MAX = 262_144  # of the whole network: 1 MiB of float32
ROW_MAX = 256  # signals of one part: a question then fits one atomic write to a pipe


@dataclass(frozen=True, slots=True)
class Layer:
    """One FULLY_CONNECTED layer: out = weights x in + bias, then max(0, out) where `relu`."""

    weights: tuple[Row, ...]  # one row an output, one column an input
    bias: Row
    relu: bool = False

    @property
    def inputs(self) -> int:
        return len(self.weights[0])

    @property
    def outputs(self) -> int:
        return len(self.weights)


@dataclass(frozen=True, slots=True)
class Network:
    """Layers in order. For a model of parts the input and the output are equally wide."""

    layers: tuple[Layer, ...]

    @property
    def inputs(self) -> int:
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        return self.layers[-1].outputs


def run(network: Network, row: Sequence[float]) -> list[float]:
    """This returns the network's output for one row, in pure Python: the last runtime, the yardstick of the others."""
    values = list(row)
    for layer in network.layers:
        values = [b + sum(map(operator.mul, w, values)) for w, b in zip(layer.weights, layer.bias, strict=True)]
        if layer.relu:
            values = [v if v > 0.0 else 0.0 for v in values]
    return values


def block(network: Network, offset: int, width: int) -> Network:
    """This returns the part of a block-diagonal network that serves `width` inputs from `offset` on.

    Hidden units that do not reach these outputs are left out. Raises ModelFileError where the block does not fit or
    reads another part's inputs, since parts do not interact.
    """
    end = offset + width
    if network.inputs != network.outputs:
        raise ModelFileError(
            f"the network has {network.inputs} inputs and {network.outputs} outputs; a model of parts has as many"
        )
    if offset < 0 or width < 1 or end > network.inputs:
        raise ModelFileError(f"inputs {offset} to {end} do not fit a network of {network.inputs} inputs")
    keep = list(range(offset, end))
    layers: list[Layer] = []
    for depth in range(len(network.layers) - 1, -1, -1):
        layer = network.layers[depth]
        rows = [layer.weights[i] for i in keep]
        reads = [j for j in range(layer.inputs) if any(w[j] != 0.0 for w in rows)]
        if depth == 0:
            strays = [j for j in reads if not offset <= j < end]
            if strays:
                raise ModelFileError(f"outputs {offset} to {end} also read input {strays[0]}, which is another part's")
            reads = list(range(offset, end))
        elif not reads:  # its outputs are constants; what stands before it is one unit that is always zero
            layers.append(Layer(((0.0,),) * len(keep), tuple(layer.bias[i] for i in keep), layer.relu))
            layers.append(Layer(((0.0,) * width,), (0.0,)))
            break
        layers.append(
            Layer(tuple(tuple(w[j] for j in reads) for w in rows), tuple(layer.bias[i] for i in keep), layer.relu)
        )
        keep = reads
    return Network(tuple(reversed(layers)))


def beside(networks: Sequence[Network]) -> Network:
    """This returns one block-diagonal network of several with the same number of layers and the same activations."""
    depth = len(networks[0].layers)
    assert all(len(n.layers) == depth for n in networks)
    layers = []
    for k in range(depth):
        blocks = [n.layers[k] for n in networks]
        assert len({b.relu for b in blocks}) == 1
        total, before = sum(b.inputs for b in blocks), 0
        weights: list[Row] = []
        for b in blocks:
            after = total - before - b.inputs
            weights.extend((0.0,) * before + w + (0.0,) * after for w in b.weights)
            before += b.inputs
        layers.append(Layer(tuple(weights), tuple(x for b in blocks for x in b.bias), blocks[0].relu))
    return Network(tuple(layers))


def narrowed(network: Network, width: int) -> Network:
    """This returns the network for the first `width` inputs and outputs, where the other inputs are always 0.0."""
    first = network.layers[0]
    if first.inputs == width:
        return network
    layers = [Layer(tuple(w[:width] for w in first.weights), first.bias, first.relu), *network.layers[1:]]
    last = layers[-1]
    layers[-1] = Layer(last.weights[:width], last.bias[:width], last.relu)
    return Network(tuple(layers))

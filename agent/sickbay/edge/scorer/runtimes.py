"""These are the four runtimes that compute a network, and the choice between them by what imports and works.

All four are given the same network, already read and checked; the interpreters get it re-emitted as a .tflite, so that
no parser but our own ever sees a file from outside. Equal means: each output within `tolerance(network, row)`.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from sickbay.edge.scorer import network as networks
from sickbay.edge.scorer.emit import emit
from sickbay.edge.scorer.network import Layer, Network

Run = Callable[[Sequence[float]], list[float]]

CHAIN = ("litert", "tflite", "numpy", "python")

# What importing or building a native runtime has been seen to raise: no wheel, a wheel for another numpy (ImportError,
# AttributeError, SystemError), a missing system library (OSError), a refused model (ValueError, RuntimeError).
FAILURES = (ImportError, OSError, AttributeError, SystemError, ValueError, RuntimeError, TypeError, MemoryError)

EPSILON32 = 2.0**-23


class Unfit(ValueError):
    """This is a runtime that imports but computes something else than the network."""


def open_runtime(name: str, network: Network) -> Run:
    """This returns `network` as the named runtime computes it; raises one of FAILURES where it is not to be had."""
    run = _OPENERS[name](network)
    for row in _trial_rows(network.inputs):
        bound = tolerance(network, row)
        wanted, got = networks.run(network, row), run(row)
        off = max((abs(a - b) for a, b in zip(wanted, got, strict=True)), default=0.0)
        if bound < 1e30 and not off <= bound:
            raise Unfit(f"the {name} runtime is off by {off:g} on a trial row, where {bound:g} is allowed")
    return run


def tolerance(network: Network, row: Sequence[float]) -> float:
    """This returns how far two runtimes may differ on a row: eight float32 roundings of the largest sum they can meet.

    The sum is the network run on magnitudes alone, so that cancellation within a row is allowed for: the error of a dot
    product grows with the sum of its magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, 3.1).
    """
    magnitudes = [abs(x) for x in row]
    for layer in network.layers:
        positive = Layer(
            tuple(tuple(abs(w) for w in weights) for weights in layer.weights), tuple(abs(b) for b in layer.bias)
        )
        magnitudes = networks.run(Network((positive,)), magnitudes)
    return 8 * EPSILON32 * (1.0 + max(magnitudes))


def _trial_rows(width: int) -> list[list[float]]:
    return [[0.0] * width, [(-1.0) ** k * (0.5 + k % 7) for k in range(width)]]


def _python(network: Network) -> Run:
    return lambda row: networks.run(network, row)


def _numpy(network: Network) -> Run:
    np: Any = importlib.import_module("numpy")
    layers = [
        (np.array(layer.weights, np.float32), np.array(layer.bias, np.float32), layer.relu) for layer in network.layers
    ]

    def run(row: Sequence[float]) -> list[float]:
        values = np.array(row, np.float32)
        for weights, bias, relu in layers:
            values = weights @ values + bias
            if relu:
                values = np.maximum(values, 0.0)
        return values.tolist()  # type: ignore[no-any-return]  # numpy is looked up by name and so untyped here

    return run


def _litert(network: Network) -> Run:
    return _interpreter(importlib.import_module("ai_edge_litert.interpreter"), network)


def _tflite(network: Network) -> Run:
    return _interpreter(importlib.import_module("tflite_runtime.interpreter"), network)


def _interpreter(module: Any, network: Network) -> Run:
    np: Any = importlib.import_module("numpy")
    # Without the XNNPACK delegate: at this size it gains nothing, costs memory and writes a line to stderr.
    resolver = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = module.Interpreter(model_content=emit(network), num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]
    cells = np.zeros((1, network.inputs), np.float32)
    put, invoke, get = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor

    def run(row: Sequence[float]) -> list[float]:
        cells[0] = row
        put(source, cells)
        invoke()
        return get(result)[0].tolist()  # type: ignore[no-any-return]  # the interpreter's module is untyped

    return run


_OPENERS: dict[str, Callable[[Network], Run]] = {
    "litert": _litert,
    "tflite": _tflite,
    "numpy": _numpy,
    "python": _python,
}

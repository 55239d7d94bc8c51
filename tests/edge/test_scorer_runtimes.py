"""These hold the runtimes to one another: a score must not depend on what could be installed on a device."""

import importlib.util
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sickbay.edge.scorer import runtimes
from sickbay.edge.scorer.network import Layer, Network, run
from tiny_models import network

HERE = [
    name
    for name, module in (
        ("litert", "ai_edge_litert"),
        ("tflite", "tflite_runtime"),
        ("numpy", "numpy"),
        ("python", "math"),
    )
    if importlib.util.find_spec(module)
]


def test_the_development_extra_brings_all_but_the_32_bit_runtime() -> None:
    """The tests below compare what is installed; this one says that it is enough to mean something."""
    assert {"litert", "numpy", "python"} <= set(HERE)


@pytest.mark.parametrize("widths", [(1, 1, 1), (8, 3, 8), (8, 16, 3, 8), (63, 63, 63, 63)])
def test_all_runtimes_agree_within_the_stated_tolerance(widths: tuple[int, ...]) -> None:
    """A threshold calibrated on one runtime must hold on the next."""
    net = network(widths, seed=len(widths), relu=True)
    chance = random.Random(1)
    opened = {name: runtimes.open_runtime(name, net) for name in HERE}
    for scale in (0.01, 1.0, 30.0, 1e6):
        for _ in range(50):
            row = [chance.gauss(0, scale) for _ in range(net.inputs)]
            bound, wanted = runtimes.tolerance(net, row), run(net, row)
            for name, open_run in opened.items():
                assert open_run(row) == pytest.approx(wanted, rel=0, abs=bound), name


def test_the_tolerance_is_small_beside_a_score() -> None:
    """A tolerance that allows everything would make the test above worthless."""
    net = network((8, 3, 8))
    assert runtimes.tolerance(net, [3.0] * 8) < 1e-4


def test_a_runtime_that_computes_something_else_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """On an emulated processor an interpreter was seen to give garbage without an error."""

    def garbage(net: Network) -> runtimes.Run:
        return lambda row: [x + 1.0 for x in run(net, row)]

    monkeypatch.setitem(runtimes._OPENERS, "litert", garbage)
    with pytest.raises(runtimes.Unfit, match="off by 1"):
        runtimes.open_runtime("litert", network((4, 2, 4)))


def test_a_runtime_that_is_not_installed_raises_one_of_the_failures_that_the_chain_steps_over() -> None:
    """The chain goes by what imports, and an import fails in more than one way."""
    missing = [name for name in runtimes.CHAIN if name not in HERE]
    for name in missing:
        with pytest.raises(runtimes.FAILURES):
            runtimes.open_runtime(name, network((2, 2)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=4), st.integers(0, 1000))
def test_numpy_and_python_agree_on_any_row(row: list[float], seed: int) -> None:
    """The two runtimes that every device can have."""
    net = network((4, 6, 4), seed, relu=True)
    assert runtimes.open_runtime("numpy", net)(row) == pytest.approx(
        run(net, row), rel=0, abs=runtimes.tolerance(net, row)
    )


def test_weights_too_large_for_float32_sums_do_not_stop_the_runtime() -> None:
    """What overflows is answered with no view, row by row; it is no reason to refuse a runtime to all parts."""
    huge = Network((Layer(((3e38, 3e38), (1.0, 0.0)), (0.0, 0.0)),))
    for name in HERE:
        if name != "numpy":  # numpy says so with a warning, which the tests make an error
            assert runtimes.open_runtime(name, huge)([1.0, 1.0])[1] == 1.0

"""These hold the arithmetic of blocks: a unit's network taken apart is the networks of its parts."""

import pytest

from sickbay.edge.scorer.network import Layer, Network, beside, block, narrowed, run
from sickbay.errors import ModelFileError
from tiny_models import FAN_NETWORK, PUMP_NETWORK, network

UNIT = beside([PUMP_NETWORK, FAN_NETWORK])
ROW = [1.5, -2.0, 0.25]


def test_a_block_computes_what_its_part_s_own_network_does() -> None:
    """The worker computes blocks alone: a unit of ten parts then costs each question a tenth."""
    assert block(UNIT, 0, 3) == PUMP_NETWORK and block(UNIT, 3, 2) == FAN_NETWORK


def test_other_parts_rows_do_not_matter() -> None:
    """Parts do not interact; a fault of the fan must not be seen in the pump's estimate."""
    assert run(UNIT, [*ROW, 9.0, 9.0])[:3] == run(UNIT, [*ROW, 0.0, 0.0])[:3] == run(PUMP_NETWORK, ROW)


def test_a_block_that_reads_another_part_is_refused() -> None:
    """A file whose parts interact would be judged on rows that it never gets."""
    with pytest.raises(ModelFileError, match="also read input"):
        block(network((4, 2, 4)), 0, 2)


@pytest.mark.parametrize(("offset", "width"), [(-1, 2), (4, 2), (0, 0), (0, 6)])
def test_a_block_beyond_the_network_is_refused(offset: int, width: int) -> None:
    """The card is written by others too."""
    with pytest.raises(ModelFileError, match="do not fit"):
        block(UNIT, offset, width)


def test_a_network_that_does_not_give_as_many_as_it_takes_is_refused() -> None:
    """An estimate for each signal is what a residual needs."""
    with pytest.raises(ModelFileError, match="3 inputs and 2 outputs"):
        block(network((3, 2)), 0, 2)


def test_a_block_without_any_hidden_unit_still_runs() -> None:
    """A part whose signals foretell nothing has an all-zero block, and must not be given a unit of its neighbour."""
    zero = Network((Layer(((0.0, 0.0),), (0.0,)), Layer(((0.0,), (0.0,)), (0.0, 0.0))))
    both = beside([network((2, 1, 2)), zero])
    assert run(block(both, 2, 2), [3.0, 4.0]) == [0.0, 0.0]


def test_a_narrowed_network_takes_the_missing_cells_as_zero() -> None:
    """A part of two signals in a place for three."""
    assert run(narrowed(PUMP_NETWORK, 2), ROW[:2]) == pytest.approx(run(PUMP_NETWORK, [*ROW[:2], 0.0])[:2], abs=1e-12)

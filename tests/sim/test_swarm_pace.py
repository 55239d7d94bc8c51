"""These tests hold that a device may run ahead only where nobody can reach it, and that a patient can be copied in the past."""

import pytest

from sickbay_sim.plant import PLANTS
from sickbay_sim.swarm.machine import Ring
from sickbay_sim.swarm.under_way import UnderWay


@pytest.mark.parametrize("profile", ["clean", "cheap"])
@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_rows_are_the_same_whatever_the_slice(plant: str, profile: str) -> None:
    """Devices hear a shared patient one after another, so its rows are reckoned ahead of them."""
    by_ones, by_tens = Ring(plant, 1, profile), Ring(plant, 1, profile)
    heard = []
    for number in range(1, 31):
        by_ones.ahead(number)
        heard.append(by_ones.row(number))
    told = []
    for end in (10, 20, 30):
        by_tens.ahead(end)
        told += [by_tens.row(number) for number in range(end - 9, end + 1)]
    assert heard == told


@pytest.mark.parametrize("profile", ["clean", "cheap"])
@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_a_copy_goes_on_as_the_patient_did_and_takes_nothing_from_it(plant: str, profile: str) -> None:
    """A copy that shared its sensors' chance with the others would move what all of them hear."""
    ring, other = Ring(plant, 2, profile), Ring(plant, 2, profile)
    ring.ahead(20)
    other.ahead(20)
    copied = ring.patient_at(12)
    assert [copied.advance(1.0) for _ in range(8)] == [ring.row(number)[1] for number in range(13, 21)]
    for each in (ring, other):
        each.ahead(30)
    assert ring.row(30) == other.row(30)


def test_a_device_can_be_reached_while_anything_is_about_it() -> None:
    """One message that was overlooked, and a device would be in its future when it comes."""
    under_way = UnderWay()
    happened: list[str] = []
    under_way.at(5, lambda at_ms: happened.append("second"), ("b",), origin=1)
    under_way.at(5, lambda at_ms: happened.append("first"), ("a", "b"))
    assert under_way.first() == (5, -1) and under_way.is_about("a") and under_way.is_about("b")
    assert under_way.one() == ("a", "b")
    assert not under_way.is_about("a") and under_way.is_about("b")
    under_way.one()
    assert happened == ["first", "second"] and not under_way.is_about("b") and not len(under_way)
    with pytest.raises(AssertionError, match="is over"):
        under_way.at(4, lambda at_ms: None, ())

"""Contacts that move by themselves: nobody ordered anything, and the relay is no longer as it was ordered."""

from plants import BORN, Journey, fan_dies, rows
from sickbay.core.reading import ReadBack

ILL = BORN + 20
OFF = "fan_relay is driven on and reads off"


def opened(relay_follows: bool) -> Journey:
    """The fan's relay lets go; ordered again it closes, or the fan dies of it."""
    j = Journey().run(rows(range(ILL)))
    j.relay_follows = relay_follows
    j.fact(ReadBack("fan_relay", 1000 * ILL, False, OFF))
    return j.run(rows(range(ILL, ILL + 120), *(() if relay_follows else fan_dies(ILL))))


def test_a_relay_that_lets_go_by_itself_is_told_and_not_the_part_that_stands_because_of_it() -> None:
    """A technician with a new fan would come in vain."""
    j = opened(relay_follows=False)
    assert j.story()[0] == ("opened", "fan_relay", "no_effect")
    assert "moved by itself" in str(j.told()[0].body["evidence"]) and OFF in str(j.told()[0].body["evidence"])
    assert not j.told("fan") and j.state("fan") == "in_service"


def test_it_is_ordered_again_and_over_when_it_follows() -> None:
    j = opened(relay_follows=True)
    assert j.drives()[-1] == ("fan_relay", True) and len(j.drives()) > 1
    assert not j.node.ward.faults.is_failing("fan_relay", "no_effect")


def test_contacts_that_come_back_by_themselves_are_no_fault_any_more() -> None:
    j = Journey().run(rows(range(ILL)))
    j.fact(ReadBack("fan_relay", 1000 * ILL, False, OFF))
    j.fact(ReadBack("fan_relay", 1000 * ILL + 500, True, "fan_relay is driven on and reads on"))
    assert not j.node.ward.faults.is_failing("fan_relay", "no_effect")


def test_what_is_read_back_while_an_order_is_under_way_is_the_orders_affair() -> None:
    j = Journey().run(rows(range(ILL)))
    j.node.ward.pending_drives["fan_relay:99"] = ("fan", True)
    j.fact(ReadBack("fan_relay", 1000 * ILL, False, OFF))
    assert not j.told() and not j.node.ward.faults.is_failing("fan_relay", "no_effect")

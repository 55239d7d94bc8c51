"""A person's orders, and the few that may come from afar: what each does, what is refused, and what none of them may touch."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plants import (
    BORN,
    NORMAL,
    Ailment,
    Journey,
    Values,
    becomes,
    equipment,
    falls_silent,
    fan_dies,
    rows,
    shifts,
)
from sickbay.core.equipment import Mode
from sickbay.core.node import Node
from sickbay.core.reading import LineState
from sickbay.core.report import why

ILL = BORN + 10


def ill(*ailments: Ailment, until: int = ILL + 20, **plant: Any) -> Journey:
    return Journey(equipment(**plant)).run(rows(range(until), *ailments))


def test_an_ack_is_kept_with_who_and_why_and_stops_nothing() -> None:
    j = ill(becomes("flow", 75.0, ILL))
    assert "acknowledged: plant-1-boot1-0001" in j.order("ack", "flow")
    (case,) = j.node.ward.triage.open_cases()
    assert (case.overlay.acked_by, case.overlay.ack_reason, case.overlay.acked_ms) == (
        "anna",
        "test",
        j.node.ward.now_ms,
    )
    assert j.state("flow") == "isolated"


def test_a_shelved_fault_is_silent_and_comes_back_by_itself() -> None:
    sick = becomes("room", None, ILL)
    j = ill(sick, until=ILL + 3)
    assert j.events("fault") and not j.told()
    assert "shelved for 60 s" in j.order("shelve", "room", for_ms=60_000)
    j.run(rows(range(ILL + 3, ILL + 60), sick))
    assert not j.told()
    j.run(rows(range(ILL + 60, ILL + 70), sick))
    assert j.story() == [("opened", "room", "bad_value")]


def test_a_shelf_has_an_end() -> None:
    j = ill(becomes("flow", 75.0, ILL))
    assert "say for how long" in j.order("shelve", "flow")
    assert f"shelved for {24 * 3600} s" in j.order("shelve", "flow", for_ms=10**12)


def test_a_person_takes_an_essential_part_out_of_service_and_brings_it_back() -> None:
    j = ill(until=ILL)
    assert "until a person releases it" in j.order("quarantine", "pump")
    j.run(rows(range(ILL, ILL + 100)))
    assert j.state("pump") == "isolated" and j.node.ward.quarantine.records["pump"].by == "anna"
    j.order("release", "pump")
    assert j.state("pump") == "probation"
    j.run(rows(range(ILL + 100, ILL + 160)))
    assert j.state("pump") == "in_service"


def test_a_person_switches_a_part_off_and_on() -> None:
    j = ill(until=ILL)
    assert "de-energised" in j.order("quarantine", "fan")
    assert j.drives()[-1] == ("fan_relay", False)
    j.run(rows(range(ILL, ILL + 60), *fan_dies(ILL)))
    assert not j.told(), "what a part that is switched off shows is no fault"
    j.order("release", "fan")
    assert j.drives()[-1] == ("fan_relay", True)


def test_a_relay_that_ignores_a_persons_order_is_told_and_the_part_is_watched_on() -> None:
    """The order stands; but the fan runs, and what it does still counts."""
    j = ill(until=ILL)
    j.relay_follows = False
    j.order("quarantine", "fan")
    j.run(rows(range(ILL, ILL + 20), *fan_dies(ILL + 5)))
    assert j.state("fan") == "isolated" and not j.node.ward.rows["fan"].paused
    assert ("opened", "fan_relay", "no_effect") in j.story() and ("opened", "fan", "anomaly") in j.story()


def test_a_release_of_what_is_still_ill_is_a_relapse_at_once() -> None:
    """A person may try; a fault that lasts shows itself anew and is isolated again, with a longer probation to come."""
    for ailment, name in (
        (becomes("level", 70.1, ILL), "level"),
        (falls_silent(["tach"], ILL), "tach"),
        (becomes("room", None, ILL), "room"),
        (shifts("level", -8.0, ILL), "level"),
    ):
        j = ill(ailment, until=ILL + 40)
        assert j.state(name) == "isolated"
        assert "on probation" in j.order("release", name)
        j.run(rows(range(ILL + 40, ILL + 60), ailment))
        assert j.state(name) == "isolated" and j.node.ward.quarantine.records[name].relapses == 1
        assert len(j.tickets()) == 1


def test_a_clear_lets_what_is_gone_go_and_what_lasts_be_told_again() -> None:
    for ailment, name in (
        (becomes("level", 70.1, ILL, ILL + 30), "level"),
        (falls_silent(["tach"], ILL, ILL + 30), "tach"),
    ):
        j = ill(ailment)
        assert "cleared" in j.order("clear", name)
        assert not j.node.ward.faults.is_failing(name, "stuck")
        j.run(rows(range(ILL + 20, ILL + 30), ailment))
        assert j.state(name) == "isolated"
        j.run(rows(range(ILL + 30, ILL + 120), ailment))
        assert j.state(name) == "in_service" and not j.node.ward.triage.open_cases()


def test_a_cleared_line_that_is_still_lost_is_lost_once_more_and_one_ticket() -> None:
    lost = falls_silent(["level", "level_b", "room"], ILL)
    j = ill(lost)
    assert "cleared: bus unplugged" in j.order("clear", "bus")
    j.run(rows(range(ILL + 20, ILL + 100), lost))
    assert j.node.ward.faults.is_failing("bus", "unplugged")
    assert j.story() == [("opened", "bus", "unplugged")]


def test_clearing_what_was_never_there_is_refused() -> None:
    assert "no fault is remembered" in ill().order("clear", "flow")


@pytest.mark.parametrize("verb", ["release", "clear", "unshelve", "cycle", "feedback", "bogus"])
def test_what_loosens_is_refused_from_afar(verb: str) -> None:
    """Authority to tighten may be remote; authority to loosen is local."""
    j = ill(becomes("flow", 75.0, ILL))
    before = msgspec.json.encode(
        [list(j.node.ward.quarantine.records.values()), list(j.node.ward.faults.entries.values())]
    )
    assert "only a person at the device" in j.order(verb, "flow", remote=True)
    after = msgspec.json.encode(
        [list(j.node.ward.quarantine.records.values()), list(j.node.ward.faults.entries.values())]
    )
    assert before == after
    noted = j.events("command")[-1].detail
    assert noted["origin"] == "fleet" and "only a person" in str(noted["refused"])


def test_the_fleet_may_tighten_but_not_touch_what_is_essential() -> None:
    j = ill()
    assert "out of service" in j.order("quarantine", "room", remote=True)
    assert j.state("room") == "isolated"
    assert "essential" in j.order("quarantine", "pump", remote=True)
    assert j.state("pump") == "in_service"


@pytest.mark.parametrize(
    ("verb", "target", "says"),
    [
        ("release", "flow", "not out of service"),
        ("release", "nobody", "not a signal, a part"),
        ("ack", "flow", "no open fault"),
        ("dance", "flow", "not an order I know"),
        ("quarantine", "rig", "not a signal, a part"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason_and_noted(verb: str, target: str, says: str) -> None:
    j = ill(until=ILL)
    assert says in j.order(verb, target)
    assert says in str(j.events("command")[-1].detail["refused"])


def test_an_order_by_fault_id_means_its_target() -> None:
    j = ill(becomes("flow", 75.0, ILL, ILL + 10))
    (case,) = j.node.ward.triage.open_cases()
    assert "flow is on probation" in j.order("release", case.id)


OVERLAY = st.tuples(
    st.integers(ILL - 5, ILL + 110),
    st.sampled_from(["ack", "shelve", "unshelve"]),
    st.sampled_from([*NORMAL, "pump", "fan", "tank", "rig", "bus", "plant-1-boot1-0001", "plant-1-boot1-0002"]),
    st.sampled_from([0, 1000, 30_000, 10**9]),
    st.booleans(),
)


@st.composite
def ailments(draw: st.DrawFn) -> list[Ailment]:
    """This draws up to four faults of any kind, with beginning and end."""
    found: list[Ailment] = []
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(list(NORMAL)))
        start = draw(st.integers(ILL, ILL + 60))
        end = start + draw(st.sampled_from([2, 4, 15, 40]))
        kind = draw(st.sampled_from(["stuck", "none", "shift", "silent", "line", "fan"]))
        if kind == "stuck":
            found.append(becomes(name, NORMAL[name][0], start, end))
        elif kind == "none":
            found.append(becomes(name, None, start, end))
        elif kind == "shift":
            found.append(shifts(name, 12.0 * NORMAL[name][1], start, end))
        elif kind == "silent":
            found.append(falls_silent([name], start, end))
        elif kind == "line":
            found.append(falls_silent(["level", "level_b", "room"], start, end))
        else:
            found += fan_dies(start, end)
    return found


def learnt() -> bytes:
    """This is the plant when it has learnt, to begin many lives from."""
    if not _LEARNT:
        _LEARNT.append(Journey().run(rows(range(BORN))).node.snapshot())
    return _LEARNT[0]


_LEARNT: list[bytes] = []


PLANT = equipment(fan=Mode.PASSIVE, probation_ms=8000)


def lived(
    sick: list[Ailment], orders: list[tuple[int, str, str, int, bool]], until: int = ILL + 120
) -> tuple[bytes, list[Any]]:
    """This returns qualification and isolation at the end of a life, and every move and verdict on the way."""
    j = Journey()
    j.node = Node(PLANT, "boot1")
    j.node.restore(learnt())
    j.effects, j.now_ms = [], 1000 * BORN
    todo = sorted(orders)

    def seconds() -> Any:
        second: int
        values: Values
        for second, values in rows(range(BORN, until), *sick):
            while todo and todo[0][0] <= second:
                _, verb, target, for_ms, remote = todo.pop(0)
                j.order(verb, target, for_ms=for_ms, remote=remote)
            yield second, values
        j.fact(LineState("aux", True, 1000 * until, good=1))

    j.run(seconds())
    ward = j.node.ward
    kept = msgspec.json.encode([list(ward.faults.entries.values()), list(ward.quarantine.records.values())])
    ways = ("verdict", "isolate", "would_isolate", "probation", "release", "output", "source_lost", "source_back")
    return kept, [e for kind in ways for e in j.events(kind)]


@settings(max_examples=40)
@given(ailments(), st.lists(OVERLAY, min_size=1, max_size=12))
def test_ack_and_shelve_never_change_qualification_or_isolation(
    sick: list[Ailment], orders: list[tuple[int, str, str, int, bool]]
) -> None:
    """What people say about a fault is one thing, whether it is there another. Latched cases wait for an ack, faults do not."""
    kept, moves = lived(sick, [])
    kept_too, moves_too = lived(sick, orders)
    assert kept_too == kept
    assert moves_too == moves


def test_an_ack_of_chatter_closes_its_case_and_moves_nothing() -> None:
    """A case that is latched waits for a person; where its sensor stands does not."""
    chatter: list[Ailment] = [falls_silent(["tach"], ILL + 110 * k, ILL + 110 * k + 7) for k in range(4)]
    kept, moves = lived(chatter, [], ILL + 420)
    kept_too, moves_too = lived(chatter, [(ILL + 360, "ack", "tach", 0, False)], ILL + 420)
    assert len([e for e in moves if e.kind == "would_isolate"]) == 4
    assert kept_too == kept and moves_too == moves


def test_a_person_withdraws_an_order_that_its_relay_did_not_follow() -> None:
    """The coil is still off: contacts that let go a moment too late stop a part that is said to run. A person can end it."""
    j = ill(until=ILL)
    j.relay_follows = False
    j.run(rows(range(ILL, ILL + 10), *fan_dies(ILL)))
    assert j.state("fan") == "would_isolate" and j.drives()[-1] == ("fan_relay", False)
    says = str(why(j.node.ward, "fan", str)["says"])
    assert "ordered off" in says and "left in service" not in says
    j.relay_follows = True
    assert "its output ordered back on" in j.order("release", "fan")
    j.run(rows(range(ILL + 10, ILL + 200)))
    assert j.drives()[-1] == ("fan_relay", True)
    assert j.state("fan") == "in_service" and not j.node.ward.triage.open_cases()


def test_a_part_that_is_still_ill_behind_a_relay_that_follows_again_is_isolated_anew() -> None:
    """To withdraw the order is no promise: what still ails it counts as before."""
    j = ill(until=ILL, trial_ms=20_000)
    j.relay_follows = False
    j.run(rows(range(ILL, ILL + 10), *fan_dies(ILL)))
    j.relay_follows = True
    j.order("release", "fan")
    j.run(rows(range(ILL + 10, ILL + 120), *fan_dies(ILL)))
    assert j.state("fan") == "isolated" and j.drives()[-1] == ("fan_relay", False)

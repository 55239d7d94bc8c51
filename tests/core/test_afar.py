"""What an order from afar may do, over all of what there is: it tightens within the owner's rules, and one thing takes two keys."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plants import BORN, Journey, becomes, equipment, fan_dies, rows
from sickbay.core import memory
from sickbay.core.afar import FLEET, TIGHTENING, TWO_KEY_VERBS, VERBS
from sickbay.core.effects import Answer, Drive
from sickbay.core.equipment import Mode
from sickbay.core.node import Node
from sickbay.core.quarantine import OUT_OF_SERVICE, State
from sickbay.core.reading import Command
from sickbay.core.report import why
from sickbay.errors import OrderRefused
from sickbay.order_wire import Args

LOCAL_VERBS = ("clear", "cycle", "loosen", "feedback", "forget", "")  # the last two nobody knows
TARGETS = (
    "pump",
    "flow",
    "fan",
    "tach",
    "tank",
    "room",
)  # essential part and its signal, part with an output, plain ones
HOLDERS = ("machine", "anna", f"{FLEET}bert")
ILL = BORN + 10


def node(mode: Mode, two_key: bool) -> Node:
    """This returns the plant before it has learnt, its nonessential parts in one mode."""
    return Node(equipment(fan=mode, tank=mode, two_key=two_key), "boot1")


def standing(made: Node) -> dict[str, Any]:
    """This returns all of a node that an order could change, but for its cases' overlay."""
    ward = made.ward
    return {
        "records": msgspec.to_builtins(ward.quarantine.records),
        "faults": [msgspec.to_builtins(entry) for entry in ward.faults.entries.values()],
        "policy": ward.equipment,
        "strictness": {name: row.view.strictness or [1.0] * len(row.members) for name, row in ward.rows.items()},
    }


def given_to(made: Node, verb: str, target: str, **more: Any) -> tuple[bool, str]:
    """This gives an order from afar and returns whether it was obeyed, and the words."""
    command = Command(
        verb, target, 1000, f"{FLEET}bert", "test", 60_000, True, "order-0001", factor=1.3, class_="shift", **more
    )
    try:
        return True, made.command(command)
    except OrderRefused as refusal:
        return False, str(refusal)


@pytest.mark.parametrize("mode", [Mode.ACTIVE, Mode.PASSIVE])
@pytest.mark.parametrize("two_key", [True, False])
def test_over_all_there_is_nothing_from_afar_loosens_what_its_owner_keeps(mode: Mode, two_key: bool) -> None:
    """Every verb, of one key or two, with a clock or without, on every kind of target, in every state, whoever put it there."""
    verbs = (*VERBS, *TWO_KEY_VERBS, *LOCAL_VERBS)
    made = node(mode, two_key)
    fresh, moves = made.snapshot(), []
    for target, state, holder in itertools.product(TARGETS, State, HOLDERS):
        before: dict[str, Any] = {}
        for verb, keys, synced in itertools.product(verbs, (1, 2), (True, False)):
            if not before:  # what was refused has changed nothing: `holds` has seen to that
                assert made.restore(fresh) == []
                record = made.ward.quarantine.records[target]
                record.state, record.by, record.held = state, holder, holder != "machine" and state in OUT_OF_SERVICE
                made.ward.effects.clear()
                before, permit = standing(made), made.ward.quarantine.guard(target, 1000)
            obeyed, says = given_to(made, verb, target, keys=keys, time_trusted=synced)
            after = standing(made)
            holds(
                made,
                before,
                after,
                permit.allowed,
                (verb, target, mode, two_key, state, holder, keys, synced),
                obeyed,
                says,
            )
            if after["records"] != before["records"]:
                moves.append(verb)
            if obeyed or after != before:
                before = {}
    assert ("release" in moves) is two_key and "quarantine" in moves, "the rules were put to the test"


def holds(
    made: Node,
    before: dict[str, Any],
    after: dict[str, Any],
    allowed: bool,
    case: tuple[Any, ...],
    obeyed: bool,
    says: str,
) -> None:
    """What must be true after any order from afar."""
    verb, target, mode, two_key, state, holder, keys, synced = case
    effects = made.take_effects()
    was, now = before["records"], after["records"]
    (answer,) = [e for e in effects if isinstance(e, Answer)]
    assert (answer.obeyed, answer.says) == (obeyed, says), case
    may_release = verb == "release" and keys == 2 and two_key and synced
    held_here = holder == "anna" and state in OUT_OF_SERVICE
    for name in now:
        essential = name in ("pump", "flow", "pressure", "current")
        if essential or name != target or not obeyed:
            assert now[name] == was[name], case  # what is essential, and what was not meant, stands as it stood
    moved = now[target]["state"] != was[target]["state"]
    if moved:
        released = now[target]["state"] == State.PROBATION
        assert (
            may_release and state is not State.LOCKED_OUT and not held_here
            if released
            else allowed and verb == "quarantine"
        ), case
        assert released or now[target]["state"] == State.ISOLATED, case
    if was[target]["held"]:
        assert now[target]["held"] or (moved and not held_here), case  # a hold is ended by a release alone
    if held_here:
        assert now[target]["by"] == "anna", case  # and nobody far away takes it over
    drives = [e for e in effects if isinstance(e, Drive)]
    assert not drives or (moved and target == "fan" and (mode is Mode.ACTIVE or may_release)), case
    assert after["policy"] is before["policy"], case
    assert after["faults"] == before["faults"], case
    for name, factors in after["strictness"].items():
        assert all(new >= old for new, old in zip(factors, before["strictness"][name], strict=True)), case
    assert not obeyed or verb in TIGHTENING or (synced and verb in VERBS) or may_release, case


@settings(max_examples=60, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(["tighten", "advisory"]), st.floats(0.1, 9.0), st.integers(0, 10**8)),
        min_size=1,
        max_size=12,
    )
)
def test_no_order_makes_judging_less_strict_or_shorter(given_orders: list[tuple[str, float, int]]) -> None:
    """A second order that says less would be a way to loosen: what stands is the stricter and the longer of both."""
    made = node(Mode.ACTIVE, False)
    strictest = ends = 0.0
    for verb, factor, for_ms in given_orders:
        command = Command(verb, "room", 1000, f"{FLEET}bert", "test", for_ms, True, "order-0001", factor=factor)
        try:
            made.command(command)
        except OrderRefused:
            assert verb == "tighten" and factor <= 1.0
        found = max((made.ward.orders.factor("room"), 1.0))
        until = max((s.until_ms for s in made.ward.orders.of("room")), default=0)
        assert found >= strictest and until >= ends and found <= 1.5
        strictest, ends = found, until


def test_tightening_is_seen_lasts_a_restart_ends_by_itself_and_is_taken_back_at_the_device() -> None:
    j = Journey(equipment()).run(rows(range(BORN)))
    assert "1.5 times stricter, the most this device allows (4 was asked for)" in j.order(
        "tighten", "room", remote=True, factor=4.0, for_ms=60_000, id="order-0001"
    )
    assert why(j.node.ward, "room", str)["standing"][0]["factor"] == 1.5
    assert j.node.ward.rows["tank"].view.strictness == [1.0, 1.0, 1.5]
    kept = j.node.snapshot()
    j.node = Node(equipment(), "boot2")
    assert j.node.restore(kept) == []
    assert j.node.ward.rows["tank"].view.strictness == [1.0, 1.0, 1.5]
    assert "only a person at the device" in j.order("loosen", "room", remote=True)
    assert "judged as ever" in j.order("loosen", "room")
    assert j.node.ward.rows["tank"].view.strictness is None
    j.order("tighten", "tank", remote=True, factor=1.2, for_ms=60_000)
    j.run(rows(range(BORN, BORN + 70)))
    assert j.node.ward.rows["tank"].view.strictness is None and "is over" in str(j.events("note", "tank")[-1].detail)


def test_what_is_judged_stricter_is_found_earlier() -> None:
    """Stricter must mean something: the same small shift weighs more on a suspect."""

    def found(tighten: bool) -> float:
        j = Journey(equipment()).run(rows(range(BORN)))
        if tighten:
            j.order("tighten", "tank", remote=True, factor=1.5, for_ms=10**9)
        score = 0.0
        for second, values in rows(range(BORN, BORN + 60)):
            values["room"] = (values["room"] or 0.0) + 0.2
            j.run([(second, values)])
            score = max(score, j.node.ward.rows["tank"].view.score)
        return score

    assert found(True) > 1.3 * found(False) > 0.0


def test_an_advisory_is_weighed_and_shown() -> None:
    j = Journey(equipment()).run(rows(range(BORN)))
    assert "suspect" in j.order("advisory", "fan", remote=True, class_="anomaly", for_ms=60_000, who="fleet:anna")
    (stands,) = why(j.node.ward, "fan", str)["standing"]
    assert (
        stands["verb"] == "advisory" and stands["factor"] == 1.1 and "the fleet suspects fan anomaly" in stands["says"]
    )
    assert j.events("command", "fan")


def test_context_has_the_fault_told_once_more_with_a_fresh_window() -> None:
    """Who is far away and must decide gets what the person on site would look at, under the consent that is there already."""
    j = Journey(equipment()).run(rows(range(ILL + 20), becomes("flow", 75.0, ILL)))
    told = len(j.told("flow"))
    says = j.order("context", "flow", remote=True, id="order-0001")
    assert "told once more" in says
    j.run(rows(range(ILL + 20, ILL + 25), becomes("flow", 75.0, ILL)))
    assert [m.kind for m in j.told("flow")[told:]] == ["updated"]
    window = j.told("flow")[-1].body["freeze_frame"]["signals"]["flow"]  # type: ignore[index]
    assert window[-1][0] > j.told("flow")[0].body["freeze_frame"]["signals"]["flow"][-1][0]  # type: ignore[index]
    (answer,) = [e for e in j.effects if isinstance(e, Answer)]
    assert answer.context["state"] == "isolated" and answer.context["faults"]
    assert "not a signal" in j.order("context", "nobody", remote=True)


def test_a_shelf_is_taken_back_from_afar_only_by_who_put_it_up() -> None:
    j = Journey(equipment()).run(rows(range(ILL + 20), becomes("flow", 75.0, ILL)))
    j.order("shelve", "flow", for_ms=60_000)
    assert "only a person at the device" in j.order("unshelve", "flow", remote=True)
    j.fact(Command("shelve", "flow", j.now_ms, f"{FLEET}bert", "test", 60_000, True))
    assert "back from the shelf" in j.order("unshelve", "flow", remote=True)


def test_there_is_no_verb_for_what_is_never_ordered() -> None:
    """Consent, versions and configuration have no door here: who adds a verb, or a field that could carry one, must come by."""
    assert {*VERBS, *TWO_KEY_VERBS} == {
        "ack", "shelve", "unshelve", "quarantine", "context", "tighten", "advisory", "release"
    }  # fmt: skip
    assert Args.__struct_fields__ == ("for_s", "factor", "class_")
    made = node(Mode.ACTIVE, True)
    for verb in ("consent", "update", "configure", "set", "enable", "feedback", "loosen", "clear", "cycle"):
        assert given_to(made, verb, "room", keys=2)[0] is False


def test_the_machine_never_speaks_for_a_person() -> None:
    """An ack says that somebody has seen it. A life full of faults, and nobody there: nothing may look as if there had been."""
    j = Journey(equipment(probation_ms=2000, cooldown_ms=1000))
    chatter = [becomes("room", -127.0, ILL + 30 * k, ILL + 30 * k + 8) for k in range(4)]
    j.run(rows(range(ILL + 150), *chatter, becomes("flow", 75.0, ILL + 20, ILL + 40), *fan_dies(ILL + 60)))
    cases = list(j.node.ward.triage.cases.values())
    assert len(cases) >= 4 and not j.events("command")
    for case in cases:
        assert case.overlay.acked_by is None and case.overlay.shelved_by is None
        assert case.is_open or not case.overlay.latched, "what keeps coming back waits for somebody who has seen it"
    assert any(case.overlay.latched and case.is_open for case in cases)
    assert {r.by for r in j.node.ward.quarantine.records.values()} <= {"machine", "released"}
    assert not any(r.held for r in j.node.ward.quarantine.records.values())


def test_a_counter_is_used_once_per_key() -> None:
    made = node(Mode.ACTIVE, True)
    made.use_up(["a", "b"], 7)
    for keys, counter in ((["a"], 7), (["b"], 6), (["c", "a"], 7)):
        with pytest.raises(OrderRefused, match="a replay is not obeyed"):
            made.use_up(keys, counter)
    assert made.ward.orders.counters == {"a": 7, "b": 7}, "a refused order uses up nothing"
    made.use_up(["c"], 1)
    again = node(Mode.ACTIVE, True)
    again.restore(made.snapshot())
    assert again.ward.orders.counters == {"a": 7, "b": 7, "c": 1}


def test_a_snapshot_of_before_there_were_orders_is_taken_up() -> None:
    """An update must not cost a unit all that it has learnt."""
    made = node(Mode.ACTIVE, True)
    payload = made.snapshot()[len(memory.MAGIC) + memory.SEAL_BYTES :]
    state = msgspec.msgpack.decode(payload)
    del state["orders"]
    assert node(Mode.ACTIVE, True).restore(memory._sealed(msgspec.msgpack.encode(state))) == []


def test_standing_orders_have_a_bound() -> None:
    made = node(Mode.ACTIVE, False)
    for n in range(32):
        made.command(Command("advisory", "room", 1000, "fleet:bert", "test", 1000, True, class_=f"c{n}"))
    with pytest.raises(OrderRefused, match="32 orders stand already"):
        made.command(Command("advisory", "room", 1000, "fleet:bert", "test", 1000, True, class_="one more"))

"""Drawn lives of a whole device, with orders and restarts: what must hold at every moment, and where it must all end."""

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from plants import BORN, NORMAL, Ailment, Journey, becomes, equipment, falls_silent, fan_dies, rows, shifts
from sickbay.core.effects import Drive, Escalate, Event
from sickbay.core.fault import Memory
from sickbay.core.node import Node
from sickbay.core.quarantine import ENERGISED, OUT_OF_SERVICE, State
from sickbay.core.triage import BUDGET, BUDGET_MS

ILL, WELL = BORN + 5, BORN + 150
PLANT = equipment(probation_ms=8000, cooldown_ms=3000, trial_ms=30_000)
LINES = (("flow", "pressure", "current"), ("tach", "outlet"), ("level", "level_b", "room"))


@st.composite
def ailments(draw: st.DrawFn) -> list[Ailment]:
    """This draws up to six faults of any kind, some of them chattering, all of them over in the end."""
    found: list[Ailment] = []
    for _ in range(draw(st.integers(0, 6))):
        name = draw(st.sampled_from(list(NORMAL)))
        mean, sd = NORMAL[name]
        start, length = draw(st.integers(ILL, WELL - 60)), draw(st.sampled_from([1, 3, 5, 12, 40]))
        kind = draw(st.integers(0, 6))
        for k in range(draw(st.sampled_from([1, 1, 1, 4]))):
            a = start + 2 * k * length
            b = min(a + length, WELL)
            match kind:
                case 0:
                    found.append(becomes(name, mean, a, b))
                case 1:
                    found.append(becomes(name, draw(st.sampled_from([None, float("nan"), 1e300, -127.0])), a, b))
                case 2:
                    found.append(shifts(name, draw(st.sampled_from([-12.0, 6.0, 30.0])) * sd, a, b))
                case 3:
                    found.append(falls_silent([name], a, b))
                case 4:
                    found.append(falls_silent(draw(st.sampled_from(LINES)), a, b))
                case 5:
                    found += fan_dies(a, b)
                case 6:
                    found += [shifts(n, 15.0 * NORMAL[n][1], a, b) for n in NORMAL]
    return found


ORDERS = st.tuples(
    st.integers(ILL, WELL),
    st.sampled_from(
        ["ack", "shelve", "unshelve", "quarantine", "release", "clear", "cycle", "stick", "follow", "restart"]
    ),
    st.sampled_from([*NORMAL, "pump", "fan", "tank", "rig", "aux", "bus", "plant-1-boot1-0001"]),
    st.booleans(),
)
_LEARNT: list[bytes] = []


def learnt() -> bytes:
    if not _LEARNT:
        _LEARNT.append(Journey(PLANT).run(rows(range(BORN))).node.snapshot())
    return _LEARNT[0]


class Life:
    """A journey that begins when all is learnt, and is looked at every second."""

    def __init__(self) -> None:
        self.j = Journey(PLANT)
        self.j.now_ms = 1000 * BORN
        self.restart(learnt())
        self.j.effects = []
        self.ordered_out: set[str] = set()

    def restart(self, kept: bytes) -> None:
        self.j.node = Node(PLANT, "boot1")
        assert self.j.node.restore(kept) == []

    def order(self, verb: str, target: str, remote: bool) -> None:
        j = self.j
        if verb in ("stick", "follow"):
            j.relay_follows = verb == "follow"
        elif verb == "restart":
            self.restart(j.node.snapshot())
            j.node.start(j.now_ms)
            j._gather()
        elif verb == "quarantine":
            answer = j.order(verb, target, remote=remote)
            if "is out of service" in answer:
                self.ordered_out.add(answer.split()[0])
        else:
            answer = j.order(verb, target, for_ms=20_000, remote=remote)
            if verb == "release" and "is on probation for" in answer:
                self.ordered_out.discard(answer.split()[0])

    def run(self, sick: list[Ailment], orders: list[Any], until: int) -> None:
        todo = sorted(orders)
        for second, values in rows(range(BORN, until), *sick):
            while todo and todo[0][0] <= second:
                self.order(*todo.pop(0)[1:])
            self.j.run([(second, values)])
            self.holds()

    def holds(self) -> None:
        """What must be true at every moment."""
        ward = self.j.node.ward
        records, now = ward.quarantine.records, ward.now_ms
        assert records["pump"].state not in OUT_OF_SERVICE or "pump" in self.ordered_out or records["pump"].by == "anna"
        for name, record in records.items():
            assert name not in self.ordered_out or record.state in (State.ISOLATED, State.LOCKED_OUT)
            if name in ward.channels:
                assert ward.channels[name].masked is (record.state in OUT_OF_SERVICE)
        open_cases = ward.triage.open_cases()
        failing = {case.origin for case in open_cases if case.is_failing}
        for key, entry in ward.faults.entries.items():
            if entry.test_failed and entry.memory is Memory.CONFIRMED:
                assert key in failing or key[1] == "anomaly", f"{key} fails and nobody speaks of it"
        for case in open_cases:
            root = case.overlay.suppressed_by
            assert root is None or (root in ward.triage.cases and root != case.id)
        due = self.j.node.deadline_ms()
        assert due is not None and due > now - 1000


def tells_whole_stories(messages: list[Escalate]) -> None:
    for _, story in itertools.groupby(sorted(messages, key=lambda m: (m.fault_id, m.at_ms)), key=lambda m: m.fault_id):
        told = list(story)
        assert [m.revision for m in told] == list(range(1, len(told) + 1))
        assert [m.kind for m in told].count("opened") == 1 and told[0].kind == "opened"
        assert "closed" not in [m.kind for m in told[:-1]]


@settings(max_examples=60)
@given(ailments(), st.lists(ORDERS, max_size=10))
def test_whatever_happens_the_promises_hold(sick: list[Ailment], orders: list[Any]) -> None:
    life = Life()
    life.run(sick, orders, WELL)
    messages = [e for e in life.j.effects if isinstance(e, Escalate)]
    tells_whole_stories(messages)
    times = [m.at_ms for m in messages]
    assert all(b - a >= BUDGET_MS for a, b in zip(times, times[BUDGET:], strict=False))
    isolated = [e for e in life.j.effects if isinstance(e, Event) and e.kind == "isolate" and e.name == "pump"]
    assert all(e.detail["by"] == "anna" for e in isolated)


@settings(max_examples=40)
@given(ailments(), st.lists(ORDERS, max_size=6))
def test_what_is_well_again_comes_back_and_every_ticket_closes(sick: list[Ailment], orders: list[Any]) -> None:
    """Once all faults are over and people have released and acked what was theirs to, nothing is left behind."""
    life = Life()
    life.run(sick, orders, WELL)
    j = life.j
    j.relay_follows = True
    j.run(rows(range(WELL, WELL + 60)))
    if j.node.ward.faults.is_failing("fan_relay", "no_effect"):
        j.order("quarantine", "fan")  # an output is tested by the next order only
    for round_ in range(3):
        for name, record in j.node.ward.quarantine.records.items():
            if record.state in (State.ISOLATED, State.LOCKED_OUT):
                j.order("release", name)
        for case in j.node.ward.triage.open_cases():
            j.order("ack", case.id)
        j.run(rows(range(WELL + 60 + 200 * round_, WELL + 260 + 200 * round_)))
    j.at(j.now_ms + 1)
    ward = j.node.ward
    assert {n: str(r.state) for n, r in ward.quarantine.records.items() if r.state is not State.IN_SERVICE} == {}
    assert [(c.target, c.class_) for c in ward.triage.open_cases()] == []
    assert [key for key, e in ward.faults.entries.items() if e.test_failed] == []
    assert [c.substitute for c in ward.channels.values() if c.substitute] == []
    drives = [e for e in j.effects if isinstance(e, Drive)]
    assert not drives or drives[-1].on is (ward.quarantine.state("fan") in ENERGISED)

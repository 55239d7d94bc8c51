"""Isolation: what the guards promise, held over drawn equipment, drawn policies and drawn histories."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sickbay.core import quarantine
from sickbay.core.equipment import Equipment, Mode, Output, Part, Policy, Signal
from sickbay.core.quarantine import OUT_OF_SERVICE, TRANSITIONS, Move, Quarantine, Record, State, Trigger

OFF_WORK = (State.ISOLATED, State.LOCKED_OUT)
DAY_MS = 86_400_000


@st.composite
def equipments(draw: st.DrawFn) -> Equipment:
    """This draws a device of two to seven signals in one to three parts, some redundant, some essential, some with outputs."""
    names = [f"s{i}" for i in range(draw(st.integers(2, 7)))]
    signals = tuple(
        Signal(
            name,
            "rig",
            redundant_with=draw(st.sampled_from([None, *names[:i]])),
            isolate=draw(st.sampled_from([None, Mode.ACTIVE, Mode.ACTIVE, *Mode])),
        )
        for i, name in enumerate(names)
    )
    parts, outputs = [], []
    for k in range(draw(st.integers(1, 3))):
        members = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
        output = f"relay{k}" if draw(st.booleans()) else None
        if output:
            outputs.append(Output(output))
        mode = draw(st.sampled_from([Mode.ACTIVE, Mode.ACTIVE, *Mode]))
        least = draw(st.integers(0, 2))
        parts.append(Part(f"p{k}", tuple(members), draw(st.integers(0, 3)) == 0, mode, output, min_signals=least))
    policy = Policy(
        isolated_max=draw(st.integers(0, 4)),
        cooldown_ms=draw(st.sampled_from([0, 1000, 10_000])),
        probation_ms=draw(st.sampled_from([0, 1000, 5000, 60_000])),
        relapses_max=draw(st.integers(0, 3)),
    )
    return Equipment("d", signals, tuple(parts), tuple(outputs), policy)


VERBS = ("fault", "fault", "fault", "healthy", "healthy", "tick", "tick", "quarantine", "release", "proven", "unproven")
orders = st.tuples(
    st.sampled_from(VERBS), st.integers(0, 9), st.sampled_from([0, 1, 900, 1000, 5000, 10_000, 60_000, 700_000])
)


class Watch:
    """A quarantine, what it did, and an account of what people ordered that is kept apart from its own."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment
        self.q = Quarantine(equipment)
        self.now_ms = 0
        self.ordered_out: set[str] = set()
        self.parts = {p.name: p for p in equipment.parts}
        self.out_ms: dict[str, int] = {}  # when an output was last moved
        self.trial_ms: dict[str, int] = {}

    def do(self, verb: str, number: int, wait_ms: int) -> list[Move]:
        """This takes one step and holds each of its moves against the promises."""
        self.now_ms += wait_ms
        targets = list(self.q.records)
        target = targets[number % len(targets)]
        before = {name: msgspec.structs.replace(record) for name, record in self.q.records.items()}
        moves = self._step(verb, target)
        states = {name: record.state for name, record in before.items()}
        for move in moves:
            assert move.before is states[move.target]
            assert move.after in [after for (state, _), after in TRANSITIONS.items() if state is move.before]
            if verb not in ("quarantine", "release"):
                self._machine_may(move, before, states)
            states[move.target] = move.after
            self._note(move)
        assert states == {name: record.state for name, record in self.q.records.items()}
        return moves

    def _step(self, verb: str, target: str) -> list[Move]:
        q, now = self.q, self.now_ms
        match verb:
            case "fault":
                return q.fault(target, "ill", now)
            case "healthy":
                return q.healthy(target, now)
            case "tick":
                return q.tick(now)
            case "quarantine":
                self.ordered_out.add(target)
                return q.quarantine(target, "anna", "looks odd", now)
            case "release":
                self.ordered_out.discard(target)
                return q.release(target, "anna", "mended", now)
        part = self.parts.get(target)
        return [] if part is None or part.output is None else q.proven(target, verb == "proven", now)

    def _machine_may(self, move: Move, before: dict[str, Record], states: dict[str, State]) -> None:
        name = move.target
        assert name not in self.ordered_out, "what a person put out of service only a person brings back"
        assert move.before is not State.LOCKED_OUT, "a lock-out is left by a person only"
        if move.after is State.IN_SERVICE and move.before is State.PROBATION:
            assert not self.q.records[name].ill
            assert self.now_ms - self.trial_ms[name] >= before[name].probation_ms
        if move.after not in OFF_WORK:
            return
        part = self.parts.get(name)
        mode = part.isolate if part else self.equipment.mode_of_signal(name)
        assert mode is Mode.ACTIVE
        assert part is None or not part.essential
        others = [n for n, s in states.items() if n != name and s in OUT_OF_SERVICE and n not in self.ordered_out]
        assert len(others) < self.equipment.policy.isolated_max
        if part is None:
            self._redundancy_left(name, states)
        elif part.output is not None:
            assert self.now_ms - self.out_ms.get(name, -DAY_MS) >= self.equipment.policy.cooldown_ms
        if move.before is State.PROBATION:
            longer = self.q.records[name].probation_ms
            assert longer >= min(2 * before[name].probation_ms, DAY_MS)
            assert self.q.records[name].relapses == before[name].relapses + 1
        if move.after is State.LOCKED_OUT:
            assert self.q.records[name].relapses >= self.equipment.policy.relapses_max

    def _redundancy_left(self, name: str, states: dict[str, State]) -> None:
        serving = {n for n, s in states.items() if s not in OUT_OF_SERVICE and n != name}
        for part in self.equipment.parts:
            if name in part.signals:
                assert len(serving & set(part.signals)) >= part.min_signals
        group = set(self.equipment.redundancy_group(name)) - {name}
        assert not group or group & serving

    def _note(self, move: Move) -> None:
        part = self.parts.get(move.target)
        if part and part.output and (move.before in OFF_WORK) != (move.after in OFF_WORK):
            self.out_ms[move.target] = self.now_ms
        if move.after is State.PROBATION:
            self.trial_ms[move.target] = self.now_ms


@settings(max_examples=500)
@given(equipments(), st.lists(orders, max_size=60))
def test_no_history_breaks_a_guard(equipment: Equipment, steps: list[tuple[str, int, int]]) -> None:
    """Essential parts, redundancy, the most at once, cooldown, modes, lock-out and people's orders, all at each move."""
    watch = Watch(equipment)
    for verb, number, wait_ms in steps:
        watch.do(verb, number, wait_ms)


@settings(max_examples=300)
@given(equipments(), st.lists(orders, max_size=60))
def test_without_people_passive_off_and_essential_stay_in_service(
    equipment: Equipment, steps: list[tuple[str, int, int]]
) -> None:
    """The default is passive: a device that nobody switched to active never switches anything."""
    watch = Watch(equipment)
    for verb, number, wait_ms in steps:
        if verb in ("quarantine", "release"):
            continue
        watch.do(verb, number, wait_ms)
        for name, record in watch.q.records.items():
            part = watch.parts.get(name)
            mode = part.isolate if part else equipment.mode_of_signal(name)
            if mode is not Mode.ACTIVE or (part and part.essential):
                assert record.state in (State.IN_SERVICE, State.WOULD_ISOLATE)
            if mode is Mode.OFF:
                assert record.state is State.IN_SERVICE
        machines = [r for r in watch.q.records.values() if r.state in OUT_OF_SERVICE]
        assert len(machines) <= equipment.policy.isolated_max


@settings(max_examples=300)
@given(equipments(), st.lists(orders, max_size=40), st.integers(1, 100_000))
def test_nothing_happens_before_the_time_it_says(
    equipment: Equipment, steps: list[tuple[str, int, int]], early: int
) -> None:
    """The daemon sleeps until then: what would move earlier would move late."""
    watch = Watch(equipment)
    for verb, number, wait_ms in steps:
        watch.do(verb, number, wait_ms)
        due = watch.q.due_ms(watch.now_ms)
        if any(r.state is State.WOULD_ISOLATE and r.ill for r in watch.q.records.values()):
            assert due is not None and due <= watch.now_ms + 1000
            continue
        until = watch.now_ms + early if due is None else min(watch.now_ms + early, due - 1)
        assert until < watch.now_ms or watch.q.tick(until) == []


def device(**policy: Any) -> Quarantine:
    """This is a pump that must run, a fan on a relay, and a tank whose level has a twin."""
    signals = (
        Signal("flow", "rig", isolate=Mode.ACTIVE),
        Signal("tach", "rig"),
        Signal("level", "rig"),
        Signal("level_b", "rig", redundant_with="level"),
    )
    parts = (
        Part("pump", ("flow",), essential=True, isolate=Mode.ACTIVE, min_signals=1),
        Part("fan", ("tach",), isolate=Mode.ACTIVE, output="relay"),
        Part("tank", ("level", "level_b"), isolate=Mode.ACTIVE),
        Part("lamp", (), isolate=Mode.PASSIVE),
    )
    return Quarantine(Equipment("d", signals, parts, (Output("relay"),), Policy(**policy)))


def test_an_essential_part_is_never_isolated_again_after_a_persons_release() -> None:
    q = device()
    assert [m.after for m in q.fault("pump", "ill", 0)] == [State.WOULD_ISOLATE]
    assert [m.after for m in q.quarantine("pump", "anna", "smoke", 1)] == [State.ISOLATED]
    assert q.healthy("pump", 2) == [] and q.tick(10**8) == []
    assert [m.after for m in q.release("pump", "anna", "mended", 10**8)] == [State.PROBATION]
    assert [m.after for m in q.fault("pump", "ill", 10**8 + 5)] == [State.WOULD_ISOLATE]
    assert q.tick(2 * 10**8) == []


def test_the_last_signals_of_a_part_and_of_a_group_stay() -> None:
    q = device()
    assert q.fault("flow", "ill", 0)[0].after is State.WOULD_ISOLATE
    assert "must keep 1 signal" in q.records["flow"].rule
    assert q.fault("level", "ill", 0)[0].after is State.ISOLATED
    assert q.fault("level_b", "ill", 0)[0].after is State.WOULD_ISOLATE
    assert "no signal redundant with level_b" in q.records["level_b"].rule


def test_each_relapse_doubles_probation_until_a_person_must_come() -> None:
    q = device(cooldown_ms=1000, probation_ms=10_000, relapses_max=3)
    now, lengths = 0, []
    for _ in range(3):
        q.fault("level", "ill", now)
        assert q.state("level") is State.ISOLATED
        now += 1000
        q.healthy("level", now)
        assert q.state("level") is State.PROBATION
        lengths.append(q.records["level"].probation_ms)
        now += 500
    q.fault("level", "ill", now)
    assert lengths == [10_000, 20_000, 40_000] and q.state("level") is State.LOCKED_OUT
    q.healthy("level", now)
    assert q.tick(now + DAY_MS) == []
    q.release("level", "anna", "replaced", now + DAY_MS)
    assert q.state("level") is State.PROBATION
    q.fault("level", "ill", now + DAY_MS + 1)
    assert q.state("level") is State.LOCKED_OUT, "after a lock-out one relapse is enough"


def test_a_fault_soon_after_release_is_a_relapse_and_a_late_one_is_not() -> None:
    for wait_ms, relapses in ((99_000, 1), (101_000, 0)):
        q = device(cooldown_ms=0, probation_ms=10_000)
        q.fault("level", "ill", 0)
        q.healthy("level", 0)
        assert [m.after for m in q.tick(10_000)] == [State.IN_SERVICE]
        q.fault("level", "ill", 10_000 + wait_ms)
        assert q.records["level"].relapses == relapses


def test_a_relapse_that_a_guard_puts_off_still_counts() -> None:
    """A fan that fails at once each time it is switched on must end in a lock-out, though its relay rests in between."""
    q = device(cooldown_ms=10_000, relapses_max=2)
    q.fault("fan", "ill", 0)
    q.release("fan", "anna", "try again", 20_000)
    assert [m.after for m in q.fault("fan", "ill", 25_000)] == [State.WOULD_ISOLATE]
    assert [m.after for m in q.tick(30_000)] == [State.ISOLATED]
    assert q.records["fan"].relapses == 1 and q.records["fan"].probation_ms == 120_000
    q.release("fan", "anna", "try again", 50_000)
    q.fault("fan", "ill", 55_000)
    assert [m.after for m in q.tick(60_000)] == [State.LOCKED_OUT]


def test_probation_never_shortens() -> None:
    """Where the owner asked for two days, a relapse does not make it one."""
    q = device(cooldown_ms=0, probation_ms=2 * DAY_MS)
    q.fault("level", "ill", 0)
    q.healthy("level", 0)
    q.fault("level", "ill", 1)
    assert q.records["level"].probation_ms == 2 * DAY_MS


def test_an_output_that_does_not_follow_is_not_called_isolated() -> None:
    q = device()
    q.fault("fan", "ill", 0)
    assert [m.after for m in q.proven("fan", False, 100)] == [State.WOULD_ISOLATE]
    assert "did not follow" in q.records["fan"].rule
    assert q.tick(60_000) == [] and "did not follow" in q.guard("fan", 60_000).rule
    assert q.proven("fan", True, 70_000) == []
    assert [m.after for m in q.tick(80_000)] == [State.ISOLATED]


def test_an_output_that_does_not_follow_takes_nothing_from_a_persons_order() -> None:
    """The order stands and only a person lifts it; that the part may still run is told beside it."""
    q = device()
    q.quarantine("fan", "anna", "noise", 0)
    assert q.proven("fan", False, 100) == []
    assert q.state("fan") is State.ISOLATED and q.records["fan"].held and q.records["fan"].output_fails
    assert "did not follow" in q.records["fan"].rule
    assert q.healthy("fan", 200) == [] and q.tick(DAY_MS) == []


def test_a_lock_out_outlives_an_output_that_does_not_follow() -> None:
    q = device(relapses_max=1, cooldown_ms=0)
    q.fault("fan", "ill", 0)
    q.release("fan", "anna", "try", 1000)
    q.fault("fan", "ill", 2000)
    assert q.state("fan") is State.LOCKED_OUT
    assert q.proven("fan", False, 2100) == [] and q.healthy("fan", 2200) == []
    assert q.state("fan") is State.LOCKED_OUT


def test_every_line_of_the_table_is_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that no history can walk is a rule that was never meant, or a bug."""
    seen: set[tuple[State, Trigger]] = set()

    class Walked(dict[tuple[State, Trigger], State]):
        def get(self, key: tuple[State, Trigger], default: Any = None) -> Any:
            seen.add(key)
            return super().get(key, default)

    monkeypatch.setattr(quarantine, "TRANSITIONS", Walked(TRANSITIONS))
    chance = random.Random(7)
    for _ in range(40):
        watch = Watch(device(cooldown_ms=2000, probation_ms=3000, relapses_max=2)._equipment)
        for _ in range(300):
            watch.do(chance.choice(VERBS), chance.randrange(10), chance.choice([0, 500, 2000, 5000]))
    assert set(TRANSITIONS) - seen == set()

"""This is isolation: which part or sensor is out of service, what allowed it, and how it comes back.

One table moves every target. Guards are asked each time the machine wants to isolate; a person's order needs none.
"""

from enum import StrEnum

import msgspec

from sickbay.core.equipment import Equipment, Mode, Part


class State(StrEnum):
    """This is where a part or sensor stands."""

    IN_SERVICE = "in_service"
    WOULD_ISOLATE = "would_isolate"  # a fault, and a rule that keeps the machine's hands off
    ISOLATED = "isolated"  # masked, substituted or de-energised
    PROBATION = "probation"  # still masked, judged in the shadow
    LOCKED_OUT = "locked_out"  # came back ill too often: a person only


class Trigger(StrEnum):
    """This is what moves a target."""

    FAULT = "fault"  # a confirmed fault, all guards agree
    BARRED = "barred"  # a confirmed fault, a guard says no
    RELAPSE = "relapse"  # a fault in or soon after probation, all guards agree
    TOO_OFTEN = "too_often"  # the same, once more than the policy allows
    HEALTHY = "healthy"  # no fault left, cooldown over, nobody holds it
    PROBATION_OVER = "probation_over"
    UNPROVEN = "unproven"  # the output did not follow
    QUARANTINE = "quarantine"  # a person's order
    RELEASE = "release"  # a person's order


_S, _T = State, Trigger
TRANSITIONS: dict[tuple[State, Trigger], State] = {
    (_S.IN_SERVICE, _T.FAULT): _S.ISOLATED,
    (_S.IN_SERVICE, _T.BARRED): _S.WOULD_ISOLATE,
    (_S.IN_SERVICE, _T.RELAPSE): _S.ISOLATED,
    (_S.IN_SERVICE, _T.TOO_OFTEN): _S.LOCKED_OUT,
    (_S.IN_SERVICE, _T.QUARANTINE): _S.ISOLATED,
    (_S.WOULD_ISOLATE, _T.FAULT): _S.ISOLATED,
    (_S.WOULD_ISOLATE, _T.RELAPSE): _S.ISOLATED,
    (_S.WOULD_ISOLATE, _T.TOO_OFTEN): _S.LOCKED_OUT,
    (_S.WOULD_ISOLATE, _T.HEALTHY): _S.IN_SERVICE,
    (_S.WOULD_ISOLATE, _T.QUARANTINE): _S.ISOLATED,
    (_S.WOULD_ISOLATE, _T.RELEASE): _S.PROBATION,  # of a part whose output is ordered off and did not follow
    (_S.ISOLATED, _T.HEALTHY): _S.PROBATION,
    (_S.ISOLATED, _T.RELEASE): _S.PROBATION,
    (_S.ISOLATED, _T.UNPROVEN): _S.WOULD_ISOLATE,
    (_S.PROBATION, _T.PROBATION_OVER): _S.IN_SERVICE,
    (_S.PROBATION, _T.RELAPSE): _S.ISOLATED,
    (_S.PROBATION, _T.TOO_OFTEN): _S.LOCKED_OUT,
    (_S.PROBATION, _T.BARRED): _S.WOULD_ISOLATE,
    (_S.PROBATION, _T.QUARANTINE): _S.ISOLATED,
    (_S.LOCKED_OUT, _T.RELEASE): _S.PROBATION,
}
OUT_OF_SERVICE = (State.ISOLATED, State.PROBATION, State.LOCKED_OUT)
ENERGISED = (State.IN_SERVICE, State.WOULD_ISOLATE, State.PROBATION)  # probation of a part is a trial run


PROBATION_MAX_MS = 86_400_000  # to which relapses lengthen it


class Record(msgspec.Struct):
    """One target's standing, whole."""

    target: str
    state: State = State.IN_SERVICE
    since_ms: int = 0
    reason: str = ""
    rule: str = ""  # the rule that allowed or forbade the last move
    by: str = "machine"
    held: bool = False  # a person put it there: only a person takes it back
    ill: bool = False  # a confirmed fault is failing now
    relapses: int = 0
    probation_ms: int = 0  # the length of the present or next probation
    driven_ms: int | None = None  # when its output was last moved
    output_fails: bool = False  # its output did not follow when last moved
    barred: str = ""  # why its diagnosis is not to be acted on


class Permit(msgspec.Struct, frozen=True):
    """What the guards say, and the rule that decided."""

    allowed: bool
    rule: str


class Move(msgspec.Struct, frozen=True):
    """One target went from one state to another."""

    target: str
    before: State
    after: State
    reason: str
    rule: str
    by: str


class Quarantine:
    """This owns where every part and sensor stands."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._parts: dict[str, Part] = {p.name: p for p in equipment.parts}
        names = [s.name for s in equipment.signals] + list(self._parts)
        self.records = {name: Record(name, probation_ms=equipment.policy.probation_ms) for name in names}

    def state(self, target: str) -> State:
        """This returns where a signal or part stands."""
        return self.records[target].state

    def guard(self, target: str, at_ms: int) -> Permit:
        """This returns whether the machine may isolate `target` now. Every rule is asked, every time."""
        part = self._parts.get(target)
        if part is not None and part.essential:
            return Permit(False, "an essential part is never isolated by the machine")
        mode = part.isolate if part is not None else self._equipment.mode_of_signal(target)
        if mode is not Mode.ACTIVE:
            return Permit(False, f'isolation is "{mode}" here: judged and told, nothing moved')
        policy = self._equipment.policy
        isolated = [r for r in self.records.values() if r.state in OUT_OF_SERVICE and r.target != target]
        if sum(not r.held for r in isolated) >= policy.isolated_max:
            return Permit(False, f"{policy.isolated_max} parts or sensors are isolated already, the most allowed")
        record = self.records[target]
        if part is None:
            return self._redundancy(target)
        if record.barred:
            return Permit(False, record.barred)
        if record.output_fails:
            return Permit(False, f"output {part.output} did not follow its last order")
        if record.driven_ms is not None and at_ms - record.driven_ms < policy.cooldown_ms:
            return Permit(False, f"output {part.output} moved less than {policy.cooldown_ms / 1000:g} s ago")
        return Permit(True, f'part {target} is not essential and declared isolate = "active"')

    def _redundancy(self, signal: str) -> Permit:
        def serves(name: str) -> bool:
            return name != signal and self.records[name].state not in OUT_OF_SERVICE

        for part in self._equipment.parts:
            if signal in part.signals and sum(map(serves, part.signals)) < part.min_signals:
                return Permit(False, f"part {part.name} must keep {part.min_signals} signal(s) in service")
        group = self._equipment.redundancy_group(signal)
        if len(group) > 1 and not any(map(serves, group)):
            return Permit(False, f"no signal redundant with {signal} is left in service")
        return Permit(
            True, f'sensor {signal} belongs to a part declared isolate = "active", and enough signals are left'
        )

    def fault(self, target: str, reason: str, at_ms: int, barred: str = "") -> list[Move]:
        """This takes note that a confirmed fault is failing on `target`, and isolates where all guards agree.

        `barred` is a reason of the diagnosis not to act on it, "" for none.
        """
        record = self.records[target]
        record.ill = True
        if record.state in (State.ISOLATED, State.LOCKED_OUT):
            return []
        part = self._parts.get(target)
        mode = part.isolate if part is not None else self._equipment.mode_of_signal(target)
        record.barred = barred
        permit = self.guard(target, at_ms)
        if mode is Mode.OFF and record.state is State.IN_SERVICE:
            return []
        trigger = self._relapse(record, at_ms)
        if not permit.allowed:
            if record.state is State.WOULD_ISOLATE:
                record.rule = permit.rule
                return []
            return self._move(record, Trigger.BARRED, reason, permit.rule, "machine", at_ms)
        return self._move(record, trigger, reason, permit.rule, "machine", at_ms)

    def _relapse(self, record: Record, at_ms: int) -> Trigger:
        """This returns FAULT, or RELAPSE where the last release lies less than ten probations back.

        A relapse counts when it shows, even where a guard puts the move off: the records of WOULD_ISOLATE keep the count.
        """
        policy = self._equipment.policy
        released = record.state is State.IN_SERVICE and record.by == "released"
        if record.state is State.PROBATION or (released and at_ms - record.since_ms < 10 * record.probation_ms):
            record.relapses += 1
            record.probation_ms = max(record.probation_ms, min(2 * record.probation_ms, PROBATION_MAX_MS))
        elif record.state is State.IN_SERVICE:
            record.relapses, record.probation_ms = 0, policy.probation_ms
        if record.relapses == 0:
            return Trigger.FAULT
        return Trigger.TOO_OFTEN if record.relapses >= policy.relapses_max else Trigger.RELAPSE

    def healthy(self, target: str, at_ms: int) -> list[Move]:
        """This takes note that no fault is failing on `target` any more."""
        record = self.records[target]
        record.ill, record.barred = False, ""
        if record.state is State.WOULD_ISOLATE:
            return self._move(record, Trigger.HEALTHY, "the fault is gone", record.rule, "machine", at_ms)
        return self.tick_one(record, at_ms)

    def looks_well(self, target: str, at_ms: int) -> list[Move]:
        """This takes note that a part on trial looks well at last: its probation counts from now."""
        record = self.records[target]
        if record.state is State.PROBATION:
            record.since_ms = at_ms
        return self.healthy(target, at_ms)

    def tick(self, at_ms: int) -> list[Move]:
        """This lets time pass: cooldowns, probations, and guards that may agree by now."""
        moves: list[Move] = []
        for record in self.records.values():
            if record.state is not State.IN_SERVICE:
                moves += self.tick_one(record, at_ms)
        return moves

    def tick_one(self, record: Record, at_ms: int) -> list[Move]:
        """This lets time pass for one target."""
        age_ms = at_ms - record.since_ms
        if record.state is State.PROBATION and not record.ill and age_ms >= record.probation_ms:
            rule = f"no fault for a probation of {record.probation_ms / 1000:g} s"
            return self._move(record, Trigger.PROBATION_OVER, "recovered", rule, "released", at_ms)
        if record.state is State.WOULD_ISOLATE and record.ill:
            return self.fault(record.target, record.reason, at_ms, record.barred)
        waits = record.state is State.ISOLATED and not record.ill and not record.held
        if waits and self._can_prove_itself(record.target) and age_ms >= self._equipment.policy.cooldown_ms:
            rule = "healthy in the shadow, cooldown over"
            return self._move(record, Trigger.HEALTHY, "the fault is gone", rule, "machine", at_ms)
        return []

    def _can_prove_itself(self, target: str) -> bool:
        """This returns whether an isolated target can show that it is well. What has no power cannot."""
        part = self._parts.get(target)
        return part is None or part.output is None

    def quarantine(self, target: str, who: str, reason: str, at_ms: int) -> list[Move]:
        """This obeys a person: out of service, whatever the guards would say to the machine."""
        record = self.records[target]
        record.held = True
        if record.state in (State.ISOLATED, State.LOCKED_OUT):
            record.by = who
            return []
        return self._move(record, Trigger.QUARANTINE, reason, f"ordered by {who}", who, at_ms)

    def release(self, target: str, who: str, reason: str, at_ms: int) -> list[Move]:
        """This obeys a person: back through probation. After a lock-out one relapse is enough to lock out again."""
        record = self.records[target]
        record.held = False
        if record.state is State.LOCKED_OUT:
            record.relapses = self._equipment.policy.relapses_max - 1
        return self._move(record, Trigger.RELEASE, reason, f"ordered by {who}", who, at_ms)

    def proven(self, target: str, follows: bool, at_ms: int) -> list[Move]:
        """This takes in what the read-back of a part's output said."""
        record = self.records[target]
        record.output_fails = not follows
        if follows:
            return []
        output = self._parts[target].output
        rule = f"output {output} did not follow: the part may still be running"
        if record.held or record.state is State.LOCKED_OUT:
            record.rule = rule  # an order and a lock-out stand until a person lifts them
            return []
        return self._move(record, Trigger.UNPROVEN, record.reason, rule, "machine", at_ms)

    def due_ms(self, at_ms: int) -> int | None:
        """This returns when `tick` has something to do next, None if never."""
        due: int | None = None
        for record in self.records.values():
            if record.state is State.IN_SERVICE:
                continue
            wait = None
            if record.state is State.PROBATION and not record.ill:
                wait = record.since_ms + record.probation_ms
            elif record.state is State.ISOLATED and not record.ill and not record.held:
                wait = (
                    record.since_ms + self._equipment.policy.cooldown_ms
                    if self._can_prove_itself(record.target)
                    else None
                )
            elif record.state is State.WOULD_ISOLATE and record.ill:
                wait = at_ms + 1000
            if wait is not None and (due is None or wait < due):
                due = wait
        return due

    def _move(self, record: Record, trigger: Trigger, reason: str, rule: str, by: str, at_ms: int) -> list[Move]:
        after = TRANSITIONS.get((record.state, trigger))
        if after is None or after is record.state:
            return []
        part = self._parts.get(record.target)
        before, record.state = record.state, after
        if part is not None and part.output is not None and (before in ENERGISED) != (after in ENERGISED):
            record.driven_ms = at_ms
        record.since_ms, record.reason, record.rule, record.by = at_ms, reason, rule, by
        if after in (State.IN_SERVICE, State.WOULD_ISOLATE):
            record.held = False
        return [Move(record.target, before, after, reason, rule, by)]

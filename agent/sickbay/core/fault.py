"""This is the qualification of one fault: from single results to failed, pending, confirmed, healed and aged.

After AUTOSAR Diagnostic Event Manager (counter-based debouncing, SWS_Dem R22-11 section 7.7.3) and ISO 14229-1 annex D.2 (the
status byte). One table moves the memory; one counter moves `test_failed`. Nothing that people do reaches in here, save `clear`.
"""

from enum import StrEnum

import msgspec


class Result(StrEnum):
    """This is what one monitor says of one sample."""

    PREFAILED = "prefailed"
    PREPASSED = "prepassed"
    FAILED = "failed"
    PASSED = "passed"
    NOT_TESTED = "not_tested"


class Memory(StrEnum):
    """This is how far a fault has come in the device's memory."""

    CLEAN = "clean"
    PENDING = "pending"
    CONFIRMED = "confirmed"  # the indicator is on
    HEALED = "healed"  # the indicator is off, the entry is kept


class Trigger(StrEnum):
    """This is what moves the memory. Counters decide which trigger a cycle's end gives."""

    FAILED = "failed"  # test_failed rose, too few cycles to confirm
    CONFIRM = "confirm"  # test_failed rose, and the class's number of failed cycles is reached
    CYCLE_CLEAN = "cycle_clean"  # a cycle ended that was tested and never failed
    HEAL = "heal"  # the class's number of clean cycles in a row is reached
    AGE = "age"  # the same, after healing: the entry is archived
    CLEAR = "clear"


TRANSITIONS: dict[tuple[Memory, Trigger], Memory] = {
    (Memory.CLEAN, Trigger.FAILED): Memory.PENDING,
    (Memory.CLEAN, Trigger.CONFIRM): Memory.CONFIRMED,
    (Memory.PENDING, Trigger.FAILED): Memory.PENDING,
    (Memory.PENDING, Trigger.CONFIRM): Memory.CONFIRMED,
    (Memory.PENDING, Trigger.CYCLE_CLEAN): Memory.CLEAN,
    (Memory.PENDING, Trigger.CLEAR): Memory.CLEAN,
    (Memory.CONFIRMED, Trigger.FAILED): Memory.CONFIRMED,
    (Memory.CONFIRMED, Trigger.CONFIRM): Memory.CONFIRMED,
    (Memory.CONFIRMED, Trigger.CYCLE_CLEAN): Memory.CONFIRMED,
    (Memory.CONFIRMED, Trigger.HEAL): Memory.HEALED,
    (Memory.CONFIRMED, Trigger.CLEAR): Memory.CLEAN,
    (Memory.HEALED, Trigger.FAILED): Memory.CONFIRMED,
    (Memory.HEALED, Trigger.CONFIRM): Memory.CONFIRMED,
    (Memory.HEALED, Trigger.CYCLE_CLEAN): Memory.HEALED,
    (Memory.HEALED, Trigger.AGE): Memory.CLEAN,
    (Memory.HEALED, Trigger.CLEAR): Memory.CLEAN,
}


class Debounce(msgspec.Struct, frozen=True):
    """How fast a class of fault qualifies. `passed_at < 0 < failed_at`, steps positive."""

    inc: int = 43
    dec: int = 13
    failed_at: int = 127
    passed_at: int = -128
    jump_up: bool = True  # a first PREFAILED starts from 0, however long it passed before
    jump_down: bool = True  # a first PREPASSED starts from 0, however long it failed before
    confirm_cycles: int = 1  # failed in this many cycles; 1: confirmed at once
    heal_cycles: int = 3
    age_cycles: int = 40
    latch: bool = False  # once failed, only `clear` takes it back

    def __post_init__(self) -> None:
        assert self.passed_at < 0 < self.failed_at and self.inc > 0 and self.dec > 0
        assert self.confirm_cycles >= 1 and self.heal_cycles >= 1 and self.age_cycles >= 1


class Entry(msgspec.Struct):
    """One fault's qualification, whole: what a snapshot keeps and a technician reads."""

    target: str
    class_: str
    fdc: int = 0  # fault detection counter
    memory: Memory = Memory.CLEAN
    test_failed: bool = False
    failed_this_cycle: bool = False
    pending: bool = False  # failed in this cycle or the last tested one
    tested_this_cycle: bool = False
    tested_since_clear: bool = False
    failed_since_clear: bool = False
    failed_cycles: int = 0  # cycles with a failure since the last tested clean one, towards confirmation
    clean_cycles: int = 0  # tested and clean cycles in a row, towards healing and aging
    occurrences: int = 0
    near_misses: int = 0  # rose past half way and went back without failing
    rising: bool = False  # past half way on the way up
    archived: int = 0  # how often this entry was aged out
    first_ms: int | None = None
    last_ms: int | None = None


class Change(StrEnum):
    """This is what a step did that somebody must know of."""

    NONE = "none"
    FAILED = "failed"
    PASSED = "passed"


def step(entry: Entry, debounce: Debounce, result: Result, at_ms: int) -> Change:
    """This returns whether `test_failed` rose, fell or stayed. NOT_TESTED changes nothing at all."""
    if result is Result.NOT_TESTED:
        return Change.NONE
    entry.fdc = _counted(entry.fdc, debounce, result)
    entry.near_misses += _near_miss(entry, debounce)
    if entry.fdc >= debounce.failed_at:
        return _failed(entry, debounce, at_ms)
    if entry.fdc <= debounce.passed_at:
        entry.tested_this_cycle = entry.tested_since_clear = True
        if entry.test_failed and not debounce.latch:
            entry.test_failed = False
            return Change.PASSED
    return Change.NONE


def end_cycle(entry: Entry, debounce: Debounce) -> None:
    """This closes an operation cycle. Only a cycle that was tested and clean heals and ages."""
    if entry.failed_this_cycle:
        entry.clean_cycles = 0
    elif entry.tested_this_cycle:
        entry.pending = False
        entry.failed_cycles = 0
        entry.clean_cycles += 1
        _move(entry, Trigger.CYCLE_CLEAN)
        if entry.memory is Memory.CONFIRMED and entry.clean_cycles >= debounce.heal_cycles:
            _move(entry, Trigger.HEAL)
            entry.clean_cycles = 0
        elif entry.memory is Memory.HEALED and entry.clean_cycles >= debounce.age_cycles:
            _move(entry, Trigger.AGE)
            entry.clean_cycles = 0
            entry.archived += 1
    entry.tested_this_cycle = False
    # A fault that is failing when the cycle turns has failed in the new one too.
    entry.failed_this_cycle = entry.test_failed
    if entry.test_failed:
        entry.tested_this_cycle = True
        entry.failed_cycles += 1
        _move(entry, _trigger(entry, debounce))


def clear(entry: Entry) -> None:
    """This forgets what the entry remembers, as a person ordered. What it counted over its life stays."""
    _move(entry, Trigger.CLEAR)
    entry.fdc = 0
    entry.test_failed = entry.failed_this_cycle = entry.pending = entry.rising = False
    entry.tested_this_cycle = entry.tested_since_clear = entry.failed_since_clear = False
    entry.failed_cycles = entry.clean_cycles = 0


def retest(entry: Entry) -> None:
    """This makes a fault show itself anew, after a person's release. Memory and counts stay as they are."""
    entry.fdc = 0
    entry.test_failed = entry.rising = False


def status_byte(entry: Entry) -> int:
    """This returns the UDS status of the fault, ISO 14229-1 annex D.2, bit 0 first."""
    confirmed = entry.memory in (Memory.CONFIRMED, Memory.HEALED)
    bits = (
        entry.test_failed,
        entry.failed_this_cycle,
        entry.pending,
        confirmed,
        not entry.tested_since_clear,
        entry.failed_since_clear,
        not entry.tested_this_cycle,
        entry.memory is Memory.CONFIRMED,
    )
    return sum(1 << i for i, bit in enumerate(bits) if bit)


def _counted(fdc: int, debounce: Debounce, result: Result) -> int:
    if result is Result.FAILED:
        return debounce.failed_at
    if result is Result.PASSED:
        return debounce.passed_at
    if result is Result.PREFAILED:
        start = 0 if debounce.jump_up and fdc < 0 else fdc
        return min(debounce.failed_at, start + debounce.inc)
    start = 0 if debounce.jump_down and fdc > 0 else fdc
    return max(debounce.passed_at, start - debounce.dec)


def _near_miss(entry: Entry, debounce: Debounce) -> int:
    """This returns 1 when the counter falls back below zero after half way, without having failed."""
    if entry.test_failed or entry.fdc >= debounce.failed_at:
        entry.rising = False
    elif 2 * entry.fdc >= debounce.failed_at:
        entry.rising = True
    elif entry.fdc <= 0 and entry.rising:
        entry.rising = False
        return 1
    return 0


def _failed(entry: Entry, debounce: Debounce, at_ms: int) -> Change:
    entry.tested_this_cycle = entry.tested_since_clear = entry.failed_since_clear = True
    entry.last_ms = at_ms
    if entry.test_failed:
        return Change.NONE
    entry.test_failed = entry.pending = True
    if not entry.failed_this_cycle:
        entry.failed_this_cycle = True
        entry.failed_cycles += 1
    entry.clean_cycles = 0
    entry.occurrences += 1
    entry.first_ms = at_ms if entry.first_ms is None else entry.first_ms
    _move(entry, _trigger(entry, debounce))
    return Change.FAILED


def _trigger(entry: Entry, debounce: Debounce) -> Trigger:
    return Trigger.CONFIRM if entry.failed_cycles >= debounce.confirm_cycles else Trigger.FAILED


def _move(entry: Entry, trigger: Trigger) -> None:
    entry.memory = TRANSITIONS.get((entry.memory, trigger), entry.memory)

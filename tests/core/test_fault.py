"""Qualification: what the diagnostic standards say of one fault, held against thousands of drawn histories."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sickbay.core import fault
from sickbay.core.classes import CLASSES
from sickbay.core.fault import TRANSITIONS, Change, Debounce, Entry, Memory, Result, Trigger, status_byte
from sickbay.core.table import FaultTable

END, CLEAR, RETEST = "end_cycle", "clear", "retest"
Step = Result | str

debounces = st.builds(
    Debounce,
    inc=st.integers(1, 127),
    dec=st.integers(1, 128),
    failed_at=st.sampled_from([1, 5, 50, 127]),
    passed_at=st.sampled_from([-128, -20, -1]),
    jump_up=st.booleans(),
    jump_down=st.booleans(),
    confirm_cycles=st.integers(1, 3),
    heal_cycles=st.integers(1, 3),
    age_cycles=st.integers(1, 4),
    latch=st.booleans(),
)
results = st.sampled_from(list(Result))
histories = st.lists(st.one_of(results, results, results, st.sampled_from([END, END, CLEAR, RETEST])), max_size=80)


def live(entry: Entry, debounce: Debounce, steps: list[Step]) -> list[Change]:
    """This takes an entry through a history, one step a millisecond."""
    changes = []
    for at_ms, what in enumerate(steps):
        if isinstance(what, Result):
            changes.append(fault.step(entry, debounce, what, at_ms))
        elif what == END:
            fault.end_cycle(entry, debounce)
        elif what == CLEAR:
            fault.clear(entry)
        else:
            fault.retest(entry)
    return changes


def cycle(entry: Entry, debounce: Debounce, *steps: Result) -> None:
    """This is one operation cycle with these results."""
    live(entry, debounce, [*steps, END])


@given(debounces, histories)
def test_the_counter_stays_between_its_thresholds(debounce: Debounce, steps: list[Step]) -> None:
    """A counter that runs away would need as long to come back as it ran."""
    entry = Entry("flow", "range")
    for what in steps:
        live(entry, debounce, [what])
        assert debounce.passed_at <= entry.fdc <= debounce.failed_at


@given(debounces, histories, results)
def test_failed_holds_between_the_thresholds(debounce: Debounce, steps: list[Step], last: Result) -> None:
    """Only a threshold that is reached may change the verdict: no chatter in between."""
    entry = Entry("flow", "range")
    live(entry, debounce, steps)
    before = entry.test_failed
    change = fault.step(entry, debounce, last, 999)
    if debounce.passed_at < entry.fdc < debounce.failed_at:
        assert entry.test_failed is before
    assert (change is Change.FAILED) == (entry.test_failed and not before)
    assert (change is Change.PASSED) == (before and not entry.test_failed)


@given(debounces, histories)
def test_a_plain_result_goes_to_its_threshold_at_once(debounce: Debounce, steps: list[Step]) -> None:
    entry = Entry("flow", "range")
    live(entry, debounce, steps)
    fault.step(entry, debounce, Result.FAILED, 1000)
    assert entry.test_failed and entry.fdc == debounce.failed_at
    fault.step(entry, debounce, Result.PASSED, 1001)
    assert entry.fdc == debounce.passed_at and entry.test_failed is debounce.latch


@given(debounces, histories)
def test_jumps_start_from_zero(debounce: Debounce, steps: list[Step]) -> None:
    """Where a class jumps, a fault is qualified as fast after a year of passes as on the first day."""
    entry = Entry("flow", "range")
    live(entry, debounce, steps)
    for result, jumps, wrong, sign, size, end in (
        (Result.PREFAILED, debounce.jump_up, lambda fdc: fdc < 0, 1, debounce.inc, debounce.failed_at),
        (Result.PREPASSED, debounce.jump_down, lambda fdc: fdc > 0, -1, debounce.dec, debounce.passed_at),
    ):
        start = 0 if jumps and wrong(entry.fdc) else entry.fdc
        fault.step(entry, debounce, result, 1000)
        assert entry.fdc == sign * min(sign * end, sign * start + size)


@given(debounces, histories)
def test_a_latch_is_opened_by_nothing_but_an_order(debounce: Debounce, steps: list[Step]) -> None:
    latched = msgspec.structs.replace(debounce, latch=True)
    entry = Entry("flow", "range")
    fault.step(entry, latched, Result.FAILED, 0)
    live(entry, latched, [what for what in steps if what not in (CLEAR, RETEST)])
    assert entry.test_failed
    fault.clear(entry)
    assert not entry.test_failed


@given(debounces, histories, st.data())
def test_not_tested_changes_nothing_wherever_it_comes(
    debounce: Debounce, steps: list[Step], data: st.DataObject
) -> None:
    """Blindness is neither health nor illness."""
    plain, blinded = Entry("flow", "range"), Entry("flow", "range")
    more: list[Step] = []
    for what in steps:
        more += [Result.NOT_TESTED] * data.draw(st.integers(0, 2)) + [what]
    live(plain, debounce, steps)
    live(blinded, debounce, more)
    plain.first_ms = plain.last_ms = blinded.first_ms = blinded.last_ms = None  # the clock ran on, nothing else
    assert plain == blinded


@given(debounces, histories)
def test_the_status_byte_keeps_the_standards_order(debounce: Debounce, steps: list[Step]) -> None:
    """ISO 14229-1 annex D.2: a bit that contradicts another would mislead every tester that reads it."""
    entry = Entry("flow", "range")
    confirmed_before = False
    for what in steps:
        archived = entry.archived
        live(entry, debounce, [what])
        byte = status_byte(entry)
        failed, this_cycle, pending, confirmed, untested, since_clear, untested_now, indicator = (
            bool(byte >> bit & 1) for bit in range(8)
        )
        assert not failed or this_cycle
        assert not this_cycle or pending
        assert not pending or since_clear
        assert not this_cycle or not untested_now
        assert not since_clear or not untested
        assert not untested or untested_now
        assert not indicator or confirmed
        assert not confirmed or since_clear
        if confirmed_before and not confirmed:
            assert what == CLEAR or (what == END and entry.archived == archived + 1)
        confirmed_before = confirmed
        assert (entry.memory is Memory.PENDING) <= pending


@given(debounces, histories)
def test_what_is_counted_over_a_life_never_goes_back(debounce: Debounce, steps: list[Step]) -> None:
    entry = Entry("flow", "range")
    before = (0, 0, 0, -1)
    for at_ms, what in enumerate(steps):
        live(entry, debounce, [what]) if not isinstance(what, Result) else fault.step(entry, debounce, what, at_ms)
        last = -1 if entry.last_ms is None else entry.last_ms
        now = (entry.occurrences, entry.near_misses, entry.archived, last)
        assert all(a <= b for a, b in zip(before, now, strict=True))
        assert (entry.first_ms is None) == (entry.occurrences == 0)
        assert entry.first_ms is None or entry.first_ms <= last
        before = now


@given(debounces, histories)
def test_an_untested_cycle_changes_nothing(debounce: Debounce, steps: list[Step]) -> None:
    """A machine that stood still for a month has not proved its sensor well."""
    entry = Entry("flow", "range")
    live(entry, debounce, [*steps, END])
    if entry.test_failed:
        return
    before = msgspec.structs.replace(entry)
    live(entry, debounce, [END, END, END])
    assert entry == before


@given(debounces, st.lists(st.sampled_from([Result.PREFAILED, Result.PREPASSED]), min_size=1, max_size=60))
def test_a_near_miss_rose_past_half_way_and_never_failed(debounce: Debounce, steps: list[Step]) -> None:
    entry = Entry("flow", "range")
    peak = 0
    for what in steps:
        before = entry.near_misses
        live(entry, debounce, [what])
        peak = 0 if entry.test_failed else max(peak, entry.fdc)
        if entry.near_misses > before:
            assert 2 * peak >= debounce.failed_at and entry.fdc <= 0
            peak = 0


def test_back_from_zero_is_no_near_miss() -> None:
    """Half way to a threshold of 1 is not 0."""
    entry, debounce = Entry("flow", "range"), Debounce(inc=1, dec=1, failed_at=1, passed_at=-2, jump_up=False)
    live(entry, debounce, [Result.PREPASSED, Result.PREFAILED, Result.PREPASSED])
    assert entry.near_misses == 0


def test_three_bad_samples_qualify_and_twenty_good_ones_take_it_back() -> None:
    """At 1 Hz a hard fault is known after 3 s."""
    entry, debounce = Entry("flow", "range"), CLASSES["range"].debounce
    assert live(entry, debounce, [Result.PREFAILED] * 3) == [Change.NONE, Change.NONE, Change.FAILED]
    changes = live(entry, debounce, [Result.PREPASSED] * 20)
    assert changes == [Change.NONE] * 19 + [Change.PASSED]


@pytest.mark.parametrize(
    ("class_", "good", "qualifies"), [("range", 3, True), ("range", 4, False), ("rate", 4, True), ("rate", 5, False)]
)
def test_what_is_bad_often_enough_qualifies_though_it_is_good_in_between(
    class_: str, good: int, qualifies: bool
) -> None:
    """A loose contact is rarely bad three times in a row; one bad sample in a while is no fault."""
    entry = Entry("flow", class_)
    live(entry, CLASSES[class_].debounce, [Result.PREFAILED, *[Result.PREPASSED] * good] * 100)
    assert (entry.occurrences > 0) is qualifies
    assert entry.test_failed is qualifies, "and it holds while that goes on"


def test_pending_lasts_until_a_tested_and_clean_cycle_ends() -> None:
    entry, debounce = Entry("flow", "range"), Debounce(confirm_cycles=2)
    cycle(entry, debounce, Result.FAILED, Result.PASSED)
    assert entry.pending and entry.memory is Memory.PENDING
    cycle(entry, debounce)
    assert entry.pending, "an untested cycle says nothing"
    fault.step(entry, debounce, Result.PASSED, 0)
    assert entry.pending, "the cycle is not over"
    fault.end_cycle(entry, debounce)
    assert not entry.pending and entry.memory is Memory.CLEAN


def test_confirmation_takes_as_many_failed_cycles_in_a_row_as_the_class_says() -> None:
    """Untested cycles in between neither help nor harm, a clean one starts the count anew."""
    debounce = Debounce(confirm_cycles=2)
    entry = Entry("flow", "range")
    cycle(entry, debounce, Result.FAILED, Result.PASSED)
    cycle(entry, debounce)
    fault.step(entry, debounce, Result.FAILED, 0)
    assert entry.memory is Memory.CONFIRMED
    entry = Entry("flow", "range")
    for steps in ([Result.FAILED, Result.PASSED], [Result.PASSED], [Result.FAILED]):
        cycle(entry, debounce, *steps[:2])
        if steps == [Result.FAILED]:
            break
    assert entry.failed_cycles == 2, "it was failing when the cycle turned: that is a second failed cycle"
    entry = Entry("flow", "range")
    cycle(entry, debounce, Result.FAILED, Result.PASSED)
    cycle(entry, debounce, Result.PASSED)
    fault.step(entry, debounce, Result.FAILED, 0)
    assert entry.memory is Memory.PENDING


def test_healing_and_aging_count_tested_clean_cycles_only() -> None:
    entry, debounce = Entry("flow", "range"), Debounce(heal_cycles=2, age_cycles=2)
    cycle(entry, debounce, Result.FAILED, Result.PASSED)
    cycle(entry, debounce, Result.PASSED)
    cycle(entry, debounce)
    assert entry.memory is Memory.CONFIRMED
    cycle(entry, debounce, Result.PASSED)
    assert entry.memory is Memory.HEALED and not status_byte(entry) & 0x80 and status_byte(entry) & 0x08
    cycle(entry, debounce)
    cycle(entry, debounce, Result.PASSED)
    assert entry.memory is Memory.HEALED
    cycle(entry, debounce, Result.PASSED)
    assert entry.memory is Memory.CLEAN and entry.archived == 1 and not status_byte(entry) & 0x08


def test_a_release_shows_a_fault_anew_and_keeps_what_was_counted() -> None:
    entry, debounce = Entry("flow", "range"), Debounce()
    fault.step(entry, debounce, Result.FAILED, 5)
    fault.retest(entry)
    assert not entry.test_failed and entry.memory is Memory.CONFIRMED and entry.occurrences == 1
    assert fault.step(entry, debounce, Result.FAILED, 9) is Change.FAILED
    assert (entry.occurrences, entry.first_ms, entry.last_ms) == (2, 5, 9)


class Walked(dict[tuple[Memory, Trigger], Memory]):
    """The table itself, and which of its lines were looked up."""

    def __init__(self) -> None:
        super().__init__(TRANSITIONS)
        self.seen: set[tuple[Memory, Trigger]] = set()

    def get(self, key: tuple[Memory, Trigger], default: Memory) -> Memory:  # type: ignore[override]
        self.seen.add(key)
        return super().get(key, default)


def test_every_line_of_the_table_is_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that no history can walk is a rule that was never meant, or a bug."""
    walked = Walked()
    monkeypatch.setattr(fault, "TRANSITIONS", walked)
    three = Debounce(confirm_cycles=3, heal_cycles=2, age_cycles=2)
    bad, good, forget = [Result.FAILED, Result.PASSED, END], [Result.PASSED, END], [CLEAR]
    lives: list[tuple[Debounce, list[list[Step]]]] = [
        (three, [bad, bad, bad, good, bad, good, good, bad]),
        (three, [bad, good]),
        (three, [bad, forget]),
        (three, [bad, bad, bad, forget]),
        (three, [bad, bad, bad, good, good, forget]),
        (three, [bad, bad, bad, good, good, good, good]),
        (Debounce(heal_cycles=1, age_cycles=9), [bad, good, bad, bad]),
    ]
    for debounce, cycles in lives:
        live(Entry("flow", "range"), debounce, [what for one in cycles for what in one])
    assert set(TRANSITIONS) - walked.seen == set()


def test_a_pass_of_what_never_failed_leaves_no_entry() -> None:
    """A thousand healthy signals cost nothing."""
    table = FaultTable()
    for result in (Result.PASSED, Result.PREPASSED, Result.NOT_TESTED):
        table.judge("flow", "range", result, 0)
    assert not table.entries and not table.is_failing("flow", "range")


def test_archived_entries_leave_the_table_and_failing_ones_stay() -> None:
    table = FaultTable()
    table.judge("flow", "silent", Result.FAILED, 0)
    table.judge("flow", "range", Result.PREFAILED, 0)
    table.judge("level", "range", Result.PREFAILED, 0)
    table.judge("level", "range", Result.PASSED, 1)
    table.end_cycle()
    assert list(table.entries) == [("flow", "silent"), ("flow", "range")]


class StandardText(RuleBasedStateMachine):
    """One fault beside a model written from the standards' own words, bit by bit, without a table.

    ISO 14229-1 annex D.2 for the eight bits; AUTOSAR SWS_Dem sections 7.7.3 (debouncing), 7.7.4 (confirmation), 7.7.5 (healing)
    and 7.7.6 (aging) for the counters. Chosen where the standard leaves a choice: testFailed lasts over the end of a cycle
    and then counts as failed in the new one; the confirmed bit lasts until aged.
    """

    def __init__(self) -> None:
        super().__init__()
        self.entry = Entry("flow", "range")
        self.debounce = Debounce()
        self.bits = {0: False, 1: False, 2: False, 3: False, 4: True, 5: False, 6: True, 7: False}
        self.counter = self.trips = self.good_cycles = 0
        self.failures = 0

    @initialize(debounce=debounces)
    def configured(self, debounce: Debounce) -> None:
        self.debounce = debounce

    @rule(result=results)
    def one_result(self, result: Result) -> None:
        fault.step(self.entry, self.debounce, result, 0)
        limits = self.debounce
        if result is Result.FAILED:
            self.counter = limits.failed_at
        elif result is Result.PASSED:
            self.counter = limits.passed_at
        elif result is Result.PREFAILED:
            base = max(self.counter, 0) if limits.jump_up else self.counter
            self.counter = min(base + limits.inc, limits.failed_at)
        elif result is Result.PREPASSED:
            base = min(self.counter, 0) if limits.jump_down else self.counter
            self.counter = max(base - limits.dec, limits.passed_at)
        else:
            return
        if self.counter == limits.failed_at:
            self.failed_result()
        elif self.counter == limits.passed_at:
            self.bits[4] = self.bits[6] = False
            if not limits.latch:
                self.bits[0] = False

    def failed_result(self) -> None:
        bits = self.bits
        bits[4] = bits[6] = False
        if not bits[0]:
            self.failures += 1
            self.good_cycles = 0
        if not bits[1]:
            self.trips += 1
        bits[0] = bits[1] = bits[2] = bits[5] = True
        self.confirm_on_failure()

    def confirm_on_failure(self) -> None:
        """Confirmed by enough trips; what is confirmed already lights its indicator again at once."""
        if self.bits[3] or self.trips >= self.debounce.confirm_cycles:
            self.bits[3] = self.bits[7] = True

    @rule()
    def cycle_ends_and_the_next_begins(self) -> None:
        fault.end_cycle(self.entry, self.debounce)
        bits = self.bits
        tested_and_clean = not bits[1] and not bits[6]
        if tested_and_clean:
            bits[2] = False
            self.trips = 0
            self.good_cycles += 1
            if bits[7] and self.good_cycles >= self.debounce.heal_cycles:
                bits[7], self.good_cycles = False, 0
            elif bits[3] and not bits[7] and self.good_cycles >= self.debounce.age_cycles:
                bits[3], self.good_cycles = False, 0
        elif bits[1]:
            self.good_cycles = 0
        bits[1], bits[6] = bits[0], not bits[0]
        if bits[0]:
            self.trips += 1
            self.confirm_on_failure()

    @rule()
    def cleared(self) -> None:
        fault.clear(self.entry)
        self.bits = {0: False, 1: False, 2: False, 3: False, 4: True, 5: False, 6: True, 7: False}
        self.counter = self.trips = self.good_cycles = 0

    @rule()
    def released(self) -> None:
        fault.retest(self.entry)
        self.counter, self.bits[0] = 0, False

    @invariant()
    def agrees(self) -> None:
        assert self.entry.fdc == self.counter
        assert status_byte(self.entry) == sum(1 << bit for bit, on in self.bits.items() if on)
        assert self.entry.occurrences == self.failures


StandardText.TestCase.settings = settings(settings.default, max_examples=150, stateful_step_count=60)
TestStandardText = StandardText.TestCase

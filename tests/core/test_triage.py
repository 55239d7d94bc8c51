"""What deserves to leave: one fault one ticket, a budget that holds whatever happens, and nothing lost in the end."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sickbay.core.case import Case, Overlay
from sickbay.core.effects import Escalate
from sickbay.core.triage import BUDGET, BUDGET_MS, CASES_MAX, CHATTER_OPENS, GATHER_MS, Triage

SEVERITIES = ("critical", "major", "minor")
ORIGINS = [(f"s{i}", "range") for i in range(14)]


def gist(case: Case) -> str:
    return f"{case.layer}|{case.severity}|{case.overlay.latched}"


def body(case: Case, at_ms: int) -> dict[str, Any]:
    return {"target": case.target}


class Desk:
    """A triage and its outbox, with time between them."""

    def __init__(self) -> None:
        self.triage = Triage("d", "m")
        self.now_ms = 0
        self.sent: list[Escalate] = []

    def open(self, origin: tuple[str, str], severity: str = "major", root: Case | None = None) -> Case:
        overlay = Overlay(suppressed_by=root.id if root else None)

        def case_of(fault_id: str) -> Case:
            return Case(
                fault_id, origin, origin[0], origin[1], "sensor", severity, self.now_ms, self.now_ms, overlay=overlay
            )

        return self.triage.opened(case_of, self.now_ms)

    def close(self, case: Case) -> bool:
        """This closes as the node does: the fault is gone, and what it muted speaks for itself."""
        case.clear_ms = self.now_ms if case.clear_ms is None else case.clear_ms
        closed = self.triage.close(case, self.now_ms)
        for other in self.triage.orphans(case) if closed else ():
            self.triage.changed(other, self.now_ms)
        return closed

    def wait(self, ms: int) -> None:
        """This lets time pass, asking for messages whenever some may be due."""
        until = self.now_ms + ms
        while (due := self.triage.due_ms()) is not None and due <= until:
            self.now_ms = max(self.now_ms, due)
            self.sent += self.triage.due(self.now_ms, body, gist)
        self.now_ms = until

    def story(self, case: Case) -> list[str]:
        return [m.kind for m in self.sent if m.fault_id == case.id]


def within_budget(sent: list[Escalate], severities: tuple[str, ...], most: int) -> bool:
    times = [m.at_ms for m in sent if m.severity in severities]
    return all(b - a >= BUDGET_MS for a, b in zip(times, times[most:], strict=False))


class Office(RuleBasedStateMachine):
    """Faults that come, go, change, chatter, hide behind each other and are put aside, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.cases: list[Case] = []

    def some(self, number: int) -> Case | None:
        open_ = self.desk.triage.open_cases()
        return open_[number % len(open_)] if open_ else None

    @rule(origin=st.sampled_from(ORIGINS), severity=st.sampled_from(SEVERITIES), under=st.none() | st.integers(0, 9))
    def opens(self, origin: tuple[str, str], severity: str, under: int | None) -> None:
        if self.desk.triage.open_case(origin) is not None:
            return
        root = self.some(under) if under is not None else None
        if root is not None and root.overlay.suppressed_by is not None:
            root = None  # a root stands for itself; casework looks for the topmost
        case = self.desk.open(origin, severity, root)
        self.cases.append(case)

    @rule(number=st.integers(0, 13))
    def goes(self, number: int) -> None:
        case = self.some(number)
        if case is not None and case.clear_ms is None:
            case.clear_ms = self.desk.now_ms

    @rule(number=st.integers(0, 13))
    def comes_again(self, number: int) -> None:
        case = self.some(number)
        if case is not None and case.clear_ms is not None:
            case.clear_ms = case.overlay.suppressed_by = None
            self.desk.triage.changed(case, self.desk.now_ms)

    @rule(number=st.integers(0, 13))
    def closes(self, number: int) -> None:
        case = self.some(number)
        if case is not None and not self.desk.close(case):
            assert case.overlay.latched and case.overlay.acked_by is None

    @rule(number=st.integers(0, 13), severity=st.sampled_from(SEVERITIES))
    def turns_out_worse_or_better(self, number: int, severity: str) -> None:
        case = self.some(number)
        if case is not None:
            case.severity = severity
            self.desk.triage.changed(case, self.desk.now_ms)

    @rule(number=st.integers(0, 13), for_ms=st.sampled_from([1, 1000, 60_000, 3_600_000, 10**9]))
    def is_shelved(self, number: int, for_ms: int) -> None:
        case = self.some(number)
        if case is not None:
            until = self.desk.triage.shelve(case, "anna", for_ms, self.desk.now_ms)
            assert self.desk.now_ms < until <= self.desk.now_ms + 86_400_000

    @rule(number=st.integers(0, 13))
    def is_unshelved(self, number: int) -> None:
        case = self.some(number)
        if case is not None:
            self.desk.triage.unshelve(case, self.desk.now_ms)

    @rule(number=st.integers(0, 13))
    def is_acked(self, number: int) -> None:
        case = self.some(number)
        if case is not None:
            case.overlay.acked_by = "anna"

    @rule(ms=st.sampled_from([1, 500, 1500, 10_000, 100_000, 600_000, 4_000_000]))
    def time_passes(self, ms: int) -> None:
        before = len(self.desk.sent)
        muted = {c.id for c in self.desk.triage.open_cases() if c.overlay.suppressed_by is not None}
        shelved = {
            c.id: c.overlay.shelved_until_ms for c in self.desk.triage.open_cases() if c.overlay.shelved_until_ms
        }
        self.desk.wait(ms)
        for message in self.desk.sent[before:]:
            assert message.fault_id not in muted, "a symptom is not told while its root is open"
            assert message.kind == "closed" or message.at_ms >= (shelved.get(message.fault_id) or 0)

    @invariant()
    def the_budget_holds(self) -> None:
        assert within_budget(self.desk.sent, SEVERITIES, BUDGET)

    @invariant()
    def one_fault_is_one_ticket(self) -> None:
        stories: dict[str, list[Escalate]] = {}
        for message in self.desk.sent:
            stories.setdefault(message.fault_id, []).append(message)
        for fault_id, story in stories.items():
            assert [m.revision for m in story] == list(range(1, len(story) + 1))
            assert [m.effect_id for m in story] == [f"{fault_id}.r{m.revision}" for m in story]
            kinds = [m.kind for m in story]
            assert kinds[0] == "opened" and "opened" not in kinds[1:]
            assert "closed" not in kinds[:-1]

    def teardown(self) -> None:
        """Left alone for long enough, all that deserved to be told was told."""
        self.desk.wait(200 * BUDGET_MS)
        assert self.desk.triage.due_ms() is None
        for case in self.cases:
            last = self.desk.story(case)[-1:]
            if not case.is_open:
                assert last in ([], ["closed"])
            elif case.overlay.suppressed_by is None and (case.is_failing or case.revision):
                assert case.revision > 0 and case.told == gist(case)


Office.TestCase.settings = settings(settings.default, max_examples=150, stateful_step_count=60)
TestOffice = Office.TestCase


def test_a_flood_is_told_in_the_end_worst_first() -> None:
    """Fifty faults at once make ten messages, two of them kept for what is critical, and then the rest."""
    desk = Desk()
    for i in range(50):
        desk.open((f"s{i}", "range"), "minor" if i < 40 else "critical")
    desk.wait(GATHER_MS)
    assert [m.severity for m in desk.sent] == ["critical"] * 10
    assert desk.triage.withheld == 40, "each that waits is counted once"
    desk.wait(7 * BUDGET_MS)
    assert sorted(m.fault_id for m in desk.sent) == sorted(desk.triage.cases)
    assert desk.triage.withheld == 40 and within_budget(desk.sent, SEVERITIES, BUDGET)


def test_two_of_ten_messages_are_kept_for_what_is_critical() -> None:
    desk = Desk()
    for i in range(12):
        desk.open((f"s{i}", "range"), "minor")
    desk.wait(GATHER_MS)
    assert len(desk.sent) == 8
    desk.open(("pump", "anomaly"), "critical")
    desk.wait(GATHER_MS)
    assert [m.severity for m in desk.sent[8:]] == ["critical"]


def test_a_root_that_closes_gives_its_failing_symptoms_their_voice() -> None:
    """A sensor that stays silent when its line is back would otherwise never be told."""
    desk = Desk()
    line = desk.open(("bus", "unplugged"))
    dead, well = desk.open(("s1", "silent"), root=line), desk.open(("s2", "silent"), root=line)
    desk.wait(60_000)
    well.clear_ms = desk.now_ms
    desk.close(line)
    desk.wait(60_000)
    assert [m.fault_id for m in desk.sent] == [line.id, line.id, dead.id]


def test_shelved_is_silent_until_it_ends_and_then_tells_what_is() -> None:
    desk = Desk()
    case = desk.open(("s1", "range"))
    desk.triage.shelve(case, "anna", 3_600_000, 0)
    desk.triage.changed(case, 0)
    desk.wait(3_599_999)
    assert not desk.sent
    desk.wait(1)
    assert desk.story(case) == ["opened"]


def test_back_from_the_shelf_it_is_told_at_once() -> None:
    """Before its time, by a person's word: not when the shelf would have ended."""
    desk = Desk()
    case = desk.open(("s1", "range"))
    desk.triage.shelve(case, "anna", 3_600_000, 0)
    desk.wait(10_000)
    desk.triage.unshelve(case, desk.now_ms)
    desk.wait(GATHER_MS)
    assert desk.story(case) == ["opened"]


def chattered(desk: Desk, ms: int, root: Case | None = None) -> Case:
    """This is a fault that opens as often as latches it, failing for `ms` each time."""
    case = desk.open(("s1", "silent"), root=root)
    for _ in range(CHATTER_OPENS - 1):
        desk.wait(ms)
        case.clear_ms = desk.now_ms
        desk.wait(60_000)
        desk.close(case)
        case = desk.open(("s1", "silent"), root=root)
    return case


def test_chatter_is_latched_until_a_person_acks() -> None:
    desk = Desk()
    case = chattered(desk, 10_000)
    assert case.overlay.latched
    desk.wait(10_000)
    assert not desk.close(case) and case.is_open
    case.overlay.acked_by = "anna"
    assert desk.close(case)
    desk.wait(BUDGET_MS)
    assert desk.story(case) == ["opened", "closed"]


def test_chatter_too_short_to_be_told_is_told_when_it_latches() -> None:
    """A loose plug that is back within a second, again and again, must not stay a secret."""
    desk = Desk()
    case = chattered(desk, 1000)
    assert not desk.sent
    desk.wait(1000)
    case.clear_ms = desk.now_ms
    desk.wait(GATHER_MS)
    assert desk.story(case) == ["opened"]


def test_symptoms_of_a_chattering_line_are_not_latched() -> None:
    """Else each of its sensors would wait for a person to ack what nobody was told."""
    desk = Desk()
    line = desk.open(("bus", "unplugged"))
    case = chattered(desk, 10_000, root=line)
    assert not case.overlay.latched and desk.close(case)
    assert not desk.story(case)


def test_closed_cases_are_forgotten_beyond_a_bound_and_open_ones_never() -> None:
    desk = Desk()
    kept = desk.open(("root", "range"))
    desk.wait(GATHER_MS)
    for i in range(3 * CASES_MAX):
        case = desk.open((f"s{i}", "range"))
        desk.close(case)
        desk.wait(GATHER_MS)
    assert len(desk.triage.cases) <= CASES_MAX + 1 and kept.id in desk.triage.cases


def test_what_was_never_told_and_is_gone_is_not_told() -> None:
    desk = Desk()
    case = desk.open(("s1", "silent"))
    desk.wait(GATHER_MS - 1)
    case.clear_ms = desk.now_ms
    desk.wait(60_000)
    desk.close(case)
    desk.wait(60_000)
    assert not desk.sent


def test_a_receipt_counts_for_its_revision_only() -> None:
    desk = Desk()
    case = desk.open(("s1", "range"))
    desk.wait(GATHER_MS)
    assert desk.triage.committed("nobody", 1) is None
    assert desk.triage.committed(case.id, 99) is case and case.overlay.delivered == 1

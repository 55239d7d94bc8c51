"""This decides what deserves to leave: one fault one ticket, a root cause mutes its symptoms, ten messages in ten minutes."""

from collections.abc import Callable
from typing import Any

import msgspec

from sickbay.core.case import Case
from sickbay.core.effects import Escalate

BUDGET = 10  # messages ...
BUDGET_MS = 600_000  # ... in ten minutes; the rest waits, is merged, and is counted
GATHER_MS = 1_500  # an escalation waits this long, so that it can say what was done about it
LINE_MS = 10_000  # a line that is back by then (a cable pushed in, a device that restarts) is counted, not told
CASES_MAX = 200  # closed ones beyond this are forgotten, oldest first; open ones never
SHELVE_MAX_MS = 86_400_000
CHATTER_OPENS, CHATTER_MS = 3, 86_400_000  # opened this often in a day: latched until a person acks


class TriageState(msgspec.Struct):
    """What a snapshot keeps of triage."""

    cases: list[Case] = []
    minted: int = 0
    sent_ms: list[int] = []
    withheld: int = 0


class Triage:
    """This owns the cases and the budget of messages."""

    def __init__(self, device: str, mint: str) -> None:
        self._device, self._mint = device, mint
        self.cases: dict[str, Case] = {}
        self._by_origin: dict[tuple[str, str], Case] = {}
        self._minted = 0
        self._sent_ms: list[int] = []
        self.withheld = 0

    def open_case(self, origin: tuple[str, str]) -> Case | None:
        """This returns the open case that this entry has, if any."""
        return self._by_origin.get(origin)

    def open_cases(self) -> list[Case]:
        """This returns the open cases, oldest first."""
        return list(self._by_origin.values())

    def find(self, name: str) -> list[Case]:
        """This returns the open cases that a person may mean by a fault id or the name of a target."""
        case = self.cases.get(name)
        if case is not None:
            return [case]
        return [c for c in self._by_origin.values() if name in (c.target, c.origin[0])]

    def opened(self, case_of: Callable[[str], Case], at_ms: int) -> Case:
        """This takes up a new case, gives it its id, and lets it wait to be told."""
        self._minted += 1
        case = case_of(f"{self._device}-{self._mint}-{self._minted:04d}")
        # A symptom comes and goes with its root: the root's chatter is the one to latch.
        case.overlay.latched = self.chatters(case, at_ms) and case.overlay.suppressed_by is None
        case.due_ms = at_ms + _wait_ms(case)
        self.cases[case.id] = case
        self._by_origin[case.origin] = case
        self._forget()
        return case

    def chatters(self, case: Case, at_ms: int) -> bool:
        """This returns whether a fault has come back so often in a day that somebody should see it, in this ticket or others."""
        recent = [
            c
            for c in self.cases.values()
            if c is not case
            and c.origin == case.origin
            and at_ms - c.opened_ms < CHATTER_MS
            and not c.is_open
            and c.overlay.suppressed_by is None
            and (c.revision > 0 or c.layer != "line")  # short losses have a count of their own: core/source.py
        ]
        return 1 + case.returns + sum(1 + c.returns for c in recent) >= CHATTER_OPENS

    def rekey(self, case: Case, origin: tuple[str, str]) -> None:
        """This gives an open case another origin: its cause has become clear."""
        del self._by_origin[case.origin]
        case.origin = origin
        self._by_origin[origin] = case

    def changed(self, case: Case, at_ms: int) -> None:
        """This takes note that a case may have something new to tell."""
        if case.due_ms is None:
            case.due_ms = at_ms + _wait_ms(case)

    def latch(self, case: Case) -> bool:
        """This keeps a case open until a person acks it, since its fault comes and goes; returns whether that is new."""
        if case.overlay.latched or case.overlay.suppressed_by is not None:
            return False
        case.overlay.latched = True
        return True

    def close(self, case: Case, at_ms: int) -> bool:
        """This closes a case, unless it is latched; returns whether it did."""
        if case.revision == 0 and case.overlay.suppressed_by is not None:
            case.overlay.latched = False  # it turned out to be a symptom, and nobody was told of it: who should ack it?
        if case.overlay.latched and case.overlay.acked_by is None:
            return False
        case.closed_ms = at_ms
        case.due_ms = at_ms
        self._by_origin.pop(case.origin, None)
        return True

    def orphans(self, root: Case) -> list[Case]:
        """This returns the open cases that `root` muted and that fail without it, now with a voice of their own."""
        mine = [c for c in self._by_origin.values() if c.overlay.suppressed_by == root.id]
        for case in mine:
            case.overlay.suppressed_by = None
            if case.revision == 0 and not case.is_failing:
                case.overlay.latched = False
        return [c for c in mine if c.is_failing]

    def due(
        self, at_ms: int, body: Callable[[Case, int], dict[str, Any]], gist: Callable[[Case], str]
    ) -> list[Escalate]:
        """This returns the messages that leave now, critical ones first, and keeps the budget."""
        waiting = [c for c in self.cases.values() if c.due_ms is not None and c.due_ms <= at_ms]
        waiting.sort(key=lambda c: (_RANK[c.severity], c.opened_ms, c.id))
        out: list[Escalate] = []
        for case in waiting:
            kind = self._kind(case, at_ms, gist)
            if kind is None:
                case.due_ms = case.overlay.shelved_until_ms if case.is_open and case.is_shelved(at_ms) else None
                continue
            self._sent_ms = [t for t in self._sent_ms if at_ms - t < BUDGET_MS]
            # Two of the ten are kept for what is critical.
            if len(self._sent_ms) >= (BUDGET if case.severity == "critical" else BUDGET - 2):
                self.withheld += not case.waits
                case.waits = True
                case.due_ms = self._sent_ms[0] + BUDGET_MS
                continue
            out.append(self._tell(case, kind, at_ms, body, gist))
        return out

    def due_ms(self) -> int | None:
        """This returns when `due` has something to do next, None if never."""
        return min((c.due_ms for c in self.cases.values() if c.due_ms is not None), default=None)

    def shelve(self, case: Case, who: str, for_ms: int, at_ms: int) -> int:
        """This puts a case aside for at most a day and returns until when. It comes back by itself."""
        until = at_ms + min(max(for_ms, 0), SHELVE_MAX_MS)
        case.overlay.shelved_until_ms, case.overlay.shelved_by = until, who
        if case.is_open:
            case.due_ms = until
        return until

    def unshelve(self, case: Case, at_ms: int) -> None:
        """This takes a case back from the shelf before its time."""
        case.overlay.shelved_until_ms = None
        if case.is_open:
            case.due_ms = at_ms

    def committed(self, fault_id: str, revision: int) -> Case | None:
        """This takes in the fleet's receipt for one message."""
        case = self.cases.get(fault_id)
        if case is not None and revision > case.overlay.delivered:
            case.overlay.delivered = min(revision, case.revision)
        return case

    def retell(self, fault_id: str, at_ms: int) -> None:
        """This lets a fault that was told be told once more, open or closed, within the budget of messages."""
        case = self.cases.get(fault_id)
        if case is not None and case.revision > 0:
            case.told = ""
            case.due_ms = at_ms

    def snapshot(self) -> TriageState:
        """This returns all that must last."""
        return TriageState(list(self.cases.values()), self._minted, self._sent_ms, self.withheld)

    def restore(self, state: TriageState) -> None:
        """This takes up where a snapshot left off."""
        self.cases = {case.id: case for case in state.cases}
        self._by_origin = {case.origin: case for case in state.cases if case.is_open}
        self._minted, self._sent_ms, self.withheld = state.minted, list(state.sent_ms), state.withheld

    def _kind(self, case: Case, at_ms: int, gist: Callable[[Case], str]) -> str | None:
        """This returns opened, updated or closed, or None where there is nothing to tell."""
        if case.revision == 0:
            # What was never told and is gone again, or is another fault's symptom, or is shelved, is not told now.
            gone = not case.is_failing and not (case.is_open and case.overlay.latched)
            return None if gone or self._is_muted(case, at_ms) else "opened"
        if not case.is_open:
            return None if case.told == "closed" else "closed"
        if self._is_muted(case, at_ms):
            return None
        return "updated" if gist(case) != case.told else None

    def _is_muted(self, case: Case, at_ms: int) -> bool:
        return case.overlay.suppressed_by is not None or case.is_shelved(at_ms)

    def _tell(
        self,
        case: Case,
        kind: str,
        at_ms: int,
        body: Callable[[Case, int], dict[str, Any]],
        gist: Callable[[Case], str],
    ) -> Escalate:
        case.revision += 1
        case.due_ms, case.waits = None, False
        case.told = "closed" if kind == "closed" else gist(case)
        self._sent_ms.append(at_ms)
        effect_id = f"{case.id}.r{case.revision}"
        return Escalate(effect_id, case.id, case.revision, kind, case.severity, at_ms, body(case, at_ms))

    def _forget(self) -> None:
        closed = [c.id for c in self.cases.values() if not c.is_open and c.due_ms is None]
        for fault_id in closed[: max(0, len(self.cases) - CASES_MAX)]:
            del self.cases[fault_id]


def _wait_ms(case: Case) -> int:
    """This returns how long the next message about a case waits, so that it can say what became of it."""
    if case.revision == 0 and case.layer == "line":
        return LINE_MS
    # Nothing is switched for an essential part, so there is nothing to wait for.
    return 0 if case.severity == "critical" else GATHER_MS


_RANK = {"critical": 0, "major": 1, "minor": 2}

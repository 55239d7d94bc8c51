"""This is the fault table: one qualification entry for each target and class that ever failed a check."""

from sickbay.core import fault
from sickbay.core.classes import CLASSES
from sickbay.core.fault import Change, Debounce, Entry, Memory, Result

ENTRIES_MAX = 2000  # far more than signals times classes of any Pi; beyond it new kinds of fault are not told apart

Key = tuple[str, str]


class FaultTable:
    """This owns every qualification entry."""

    def __init__(self) -> None:
        self.entries: dict[Key, Entry] = {}

    def entry(self, target: str, class_: str) -> Entry:
        """This returns the entry of a target and class, made if need be."""
        found = self.entries.get((target, class_))
        if found is None:
            assert len(self.entries) < ENTRIES_MAX, "the fault table is bounded by signals times classes"
            found = self.entries[(target, class_)] = Entry(target, class_)
        return found

    def judge(self, target: str, class_: str, result: Result, at_ms: int, debounce: Debounce | None = None) -> Change:
        """This returns what one result did. A pass of what never failed leaves no entry behind.

        `debounce` is this unit's own, where feedback has changed it.
        """
        if (target, class_) not in self.entries and result in (Result.PASSED, Result.PREPASSED, Result.NOT_TESTED):
            return Change.NONE
        return fault.step(self.entry(target, class_), debounce or CLASSES[class_].debounce, result, at_ms)

    def is_failing(self, target: str, class_: str) -> bool:
        """This returns whether the fault is failing now."""
        entry = self.entries.get((target, class_))
        return entry is not None and entry.test_failed

    def end_cycle(self) -> None:
        """This closes an operation cycle for every entry, and drops those that were archived long since."""
        for key, entry in list(self.entries.items()):
            fault.end_cycle(entry, CLASSES[entry.class_].debounce)
            if entry.memory is Memory.CLEAN and not entry.pending and not entry.test_failed and entry.fdc <= 0:
                self.entries.pop(key)

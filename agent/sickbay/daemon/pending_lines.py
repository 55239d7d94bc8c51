"""These are the lines for events.jsonl that wait for the disk, within a bound: verdicts go first, and what goes is counted."""

import logging
from collections import deque

from sickbay.core.effects import Event
from sickbay.daemon.messages import level, words

log = logging.getLogger("sickbay")

EVENTS_MAX = 2000  # lines that wait for a disk that hangs


class PendingLines:
    """Lines in order of time; `dropped` counts by kind those that will never be written."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self.dropped: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._events)

    def add(self, event: Event) -> None:
        """This takes a line, and says it in the log; where too many wait, verdicts go first, then the oldest."""
        log.log(level(event), "%s", words(event))
        if len(self._events) >= EVENTS_MAX:
            if event.kind == "verdict":
                self._drop("verdict")
                return
            kept = deque(e for e in self._events if e.kind != "verdict")
            self._drop("verdict", len(self._events) - len(kept))
            self._events = kept
            if len(kept) >= EVENTS_MAX:
                self._drop(kept.popleft().kind)
        self._events.append(event)

    def take(self, short: bool, thrifty: bool) -> list[Event]:
        """This returns what is to be written: no verdicts where a day's bytes run short, nothing where the room does."""
        lines = list(self._events)
        self._events.clear()
        if not (short or thrifty):
            return lines
        for event in lines:
            if event.kind == "verdict" or short:
                self._drop(event.kind)
        return [] if short else [e for e in lines if e.kind != "verdict"]

    def _drop(self, kind: str, count: int = 1) -> None:
        self.dropped[kind] = self.dropped.get(kind, 0) + count

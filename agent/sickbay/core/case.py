"""This is one fault's story as people and the fleet see it: the diagnosis, the overlay, and what was told so far."""

import msgspec


class Overlay(msgspec.Struct):
    """What people and the delivery say about a fault. Nothing in here ever changes its qualification."""

    acked_by: str | None = None
    acked_ms: int | None = None
    ack_reason: str = ""
    shelved_until_ms: int | None = None
    shelved_by: str | None = None
    suppressed_by: str | None = None  # the fault id of the root cause; nothing is told while that is open
    out_of_service: bool = False  # its target is isolated
    latched: bool = False  # chattered: stays open until a person acks it
    delivered: int = 0  # the latest revision the fleet has committed


class Case(msgspec.Struct):
    """One fault's story. It opens when a fault is confirmed and diagnosed, and closes when it is gone and its target is back."""

    id: str
    origin: tuple[str, str]  # (target, class) of the qualification entry that opened it
    target: str
    class_: str
    layer: str
    severity: str
    opened_ms: int
    onset_ms: int
    evidence: list[str] = []
    counter_evidence: list[str] = []
    next_step: str = ""
    overlay: Overlay = msgspec.field(default_factory=Overlay)
    revision: int = 0
    told: str = ""  # what the last message said, in short: a change is worth an update
    due_ms: int | None = None  # when its next message may leave
    waits: bool = False  # its next message was put off by the budget, and counted
    closed_ms: int | None = None
    clear_ms: int | None = None  # since when its fault is gone; None: it is failing
    accused: tuple[str, ...] = ()  # of a part: the signals that were odd when it opened
    away_ms: int = 0  # the longest that its fault was gone before it came back
    returns: int = 0  # how often its fault came back after it had been gone for a probation
    reached: float = 0.0  # the farthest that what was judged by a score went beyond its limit
    feedback: str = ""  # what a person said of it
    outlook: str = ""  # the time left until a limit, where a trend can tell
    outlook_step: int | None = None  # how long it was, in milliseconds, when that was last worth a message
    limit_ms: int | None = None  # when the limit is likely reached
    part: str | None = None  # the part it concerns, for the frame and the words
    signals: tuple[str, ...] = ()  # whose window stands in the freeze frame
    frame: dict[str, list[tuple[int, float | None]]] = {}  # the window before

    @property
    def is_open(self) -> bool:
        return self.closed_ms is None

    @property
    def is_failing(self) -> bool:
        return self.closed_ms is None and self.clear_ms is None

    def is_shelved(self, at_ms: int) -> bool:
        """This returns whether a person put it aside for now."""
        return self.overlay.shelved_until_ms is not None and at_ms < self.overlay.shelved_until_ms

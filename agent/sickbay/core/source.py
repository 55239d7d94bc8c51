"""This is one source while it runs: what came of late, how often it was lost, and for how long it has said the same."""

import itertools
import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

GARBAGE_SHARE, GARBAGE_LEAST = 0.2, 3  # of the frames looked back on: a line that carries garbage
FRAMES = 20  # looked back on; a report of more counts whole
WINDOW_MS = 60_000  # and no farther back than this, or than the time that so many frames take
REPORTS_MAX = 32
LOSSES, LOSSES_MS = 5, 3_600_000  # so many in an hour: it comes and goes
BOUNCE_MS = 10_000  # losses nearer to the one before are the same push at the same plug

ROWS_LEAST = 8  # equal rows before anything is said of them
ROWS_MARGIN = 3  # times the longest run of equal rows in learning
LOOKS = 3  # at 1, 2 and 4 times that many: beyond it the window no longer shows what was before
BEFORE = 20  # readings before the run that show what flickers
BEFORE_LEAST = 10
CHANGES_LEAST = 0.35  # of neighbours that differ ...
TURNS_LEAST = 0.35  # ... and of those steps that turn back: a flicker; a ramp that ends has none
FLICKERING_LEAST = 2  # signals: a single one that stands still may be its sensor's fault
SURPRISE_LEAST = 23.0  # -ln of the chance that all of them rest for so long by themselves: one in 10^10
# Numbers that cannot be true, from one line: so many, by so many of its signals, each after one that could be ...
STRANGE_LEAST, STRANGE_SIGNALS = 5, 3
DOUBT_FRAMES, DOUBT_SIGNALS = 5, 2  # ... within FRAMES; and what leaves it in doubt
NEVER: Final = 1 << 62

Ring = Iterable[tuple[int, float | None]]


class Source:
    """One source. What it says by itself comes in by `told`, its losses by `lost`, its readings by `same` and `moved`."""

    __slots__ = (
        "cadence_ms",
        "garbage_ms",
        "longest",
        "looks",
        "losses",
        "next_look",
        "nonsense",
        "repeating",
        "reports",
        "same",
        "strange",
        "width",
        "window_ms",
    )

    def __init__(self, width: int, cadence_ms: int) -> None:
        """`width` is how many signals it carries, `cadence_ms` the shortest of theirs."""
        self.width = width
        self.cadence_ms = cadence_ms
        self.window_ms = max(WINDOW_MS, FRAMES * cadence_ms)
        self.reports: deque[tuple[int, int, int]] = deque(maxlen=REPORTS_MAX)  # (at_ms, good, garbage)
        self.garbage_ms = -1  # when garbage last came
        self.losses: deque[int] = deque(maxlen=LOSSES)
        self.same = 0  # readings in a row, of any of its signals, that said what the signal had said before
        self.longest = 0  # such run in learning
        self.looks = 0  # how often the present run was looked at
        self.next_look = self._first_look()
        self.repeating = False
        self.strange: deque[tuple[int, str]] = deque(maxlen=STRANGE_LEAST)  # what cannot be true: (at_ms, signal)
        self.nonsense = False

    def told(self, good: int, garbage: int, at_ms: int) -> None:
        """This takes in a report: frames since the last one."""
        self.reports.append((at_ms, good, garbage))
        if garbage:
            self.garbage_ms = at_ms
        frames = sum(g + b for _, g, b in self.reports)
        while True:
            first_ms, g, b = self.reports[0]
            if len(self.reports) == 1 or (frames - g - b < FRAMES and at_ms - first_ms < self.window_ms):
                return
            frames -= g + b
            self.reports.popleft()

    def garbled(self, at_ms: int) -> tuple[int, int] | None:
        """This returns (garbage, frames) where garbage is more than a line may carry; None where it is not."""
        recent = [(g, b) for then_ms, g, b in self.reports if at_ms - then_ms < self.window_ms]
        garbage = sum(b for _, b in recent)
        frames = garbage + sum(g for g, _ in recent)
        return (garbage, frames) if garbage >= GARBAGE_LEAST and garbage >= GARBAGE_SHARE * frames else None

    def lost(self, at_ms: int) -> None:
        """This counts a loss."""
        if not self.losses or at_ms - self.losses[-1] >= BOUNCE_MS:
            self.losses.append(at_ms)

    def comes_and_goes(self, at_ms: int) -> bool:
        """This returns whether it was lost so often of late that somebody should look at its plug."""
        return len(self.losses) == LOSSES and at_ms - self.losses[0] < LOSSES_MS

    def impossible(self, signal: str, at_ms: int) -> bool:
        """This takes in a number that cannot be true; returns whether the line that carries it must be to blame.

        A sensor that fails stays out of its range, and fails alone. Here several come and go.
        """
        self.strange.append((at_ms, signal))
        full = len(self.strange) == STRANGE_LEAST and at_ms - self.strange[0][0] <= FRAMES * self.cadence_ms
        return full and len({name for _, name in self.strange}) >= STRANGE_SIGNALS

    def in_doubt(self, at_ms: int) -> bool:
        """This returns whether several signals just said what cannot be true: it may be the line that says so."""
        lately = {name for then_ms, name in self.strange if at_ms - then_ms <= DOUBT_FRAMES * self.cadence_ms}
        return len(lately) >= DOUBT_SIGNALS

    def is_sane(self, at_ms: int) -> bool:
        """This returns whether nothing that cannot be true has come anew for as many frames as are looked back on."""
        return not self.strange or at_ms - self.strange[-1][0] > FRAMES * self.cadence_ms

    def moved(self, learning: bool) -> None:
        """This takes in that a reading is new: whatever stood still is over."""
        if learning:
            self.longest = max(self.longest, self.same)
        self.same = self.looks = 0
        self.next_look = self._first_look()

    def show_anew(self) -> None:
        """This lets a repetition, or nonsense, that goes on be found once more, after a person cleared it."""
        self.strange.clear()
        self.nonsense = False
        if self.repeating:
            self.next_look = 0

    def look(self, rings: Sequence[Ring]) -> bool:
        """This returns whether the run of equal rows is the line's doing. Asked when `same` has reached `next_look`."""
        self.looks += 1
        self.next_look = 2 * self.next_look if self.looks < LOOKS else NEVER
        if self.repeating:
            self.next_look = NEVER
            return True
        return repeats(rings, self.same // max(1, self.width))

    def _first_look(self) -> int:
        return max(ROWS_LEAST * self.width, ROWS_MARGIN * self.longest)


def repeats(rings: Sequence[Ring], rows: int) -> bool:
    """This returns whether `rows` equal rows are a repetition, from the latest readings of all signals of a source.

    By excitation: signals that flickered right up to the run, and stand now at a value that they flickered about, do not all
    come to rest at the same row by themselves. A machine that was switched off stands still too, but where it never flickered.
    """
    flickering = about = 0
    surprise = 0.0
    for ring in rings:
        values = [v for _, v in ring]
        before = values[: max(0, len(values) - rows - 1)][-BEFORE:]
        known = [v for v in before if v is not None]
        if len(known) < BEFORE_LEAST:
            continue
        steps = [b - a for a, b in itertools.pairwise(known)]
        moves = [s for s in steps if s != 0.0]
        if len(moves) < CHANGES_LEAST * len(steps):
            continue
        turns = sum(a * b < 0.0 for a, b in itertools.pairwise(moves))
        if turns < TURNS_LEAST * (len(moves) - 1):
            continue
        flickering += 1
        rests = 1.0 - len(moves) / len(steps)
        surprise -= rows * math.log(max(rests, 1.0 / len(steps)))
        last = values[-1]
        about += last is not None and min(known) <= last <= max(known)
    return flickering >= FLICKERING_LEAST and 2 * about > flickering and surprise >= SURPRISE_LEAST

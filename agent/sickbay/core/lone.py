"""This finds lone spikes of a signal that moves much by itself: one reading away and back in the next, while it goes on beside it.

An engine's speed leaps by hundreds with each gear, so that a chart takes a loose contact's spikes for driving. But what leaps by
itself goes on from where it leapt: a reading that stands out on both sides, by far more than its neighbours move, does not.
"""

from collections.abc import Sequence

from sickbay.core.tails import limit

SPIKE = 1.5  # times the largest that one stood out in learning
KNOWN = 12  # readings that must have stood out in learning, before anything is known of how far they do
FINER = 0.5  # of what a chart calls wild: only where this sees so much more is it asked
HALF = 0.5  # of the limit: beyond it and no spike: many of those are noise that has grown
FADE = 0.98  # of what was counted a row: half forgotten after 35 rows
SPIKES, OVER = 2.2, 1.0  # about three within 30 rows; and what is left of them when they are over

Row = Sequence[float | None]


def sharpness(a: float, b: float, c: float, d: float, e: float) -> float:
    """This returns how far the middle one of five readings stands out, beyond all that the others move; 0.0 where it does not."""
    up, down = abs(c - b), abs(c - d)
    if (c - b) * (c - d) <= 0.0:
        return 0.0
    return max(0.0, min(up, down) - max(abs(b - a), abs(e - d), abs(d - b)))


def learn(column: Sequence[float | None], chance: float, wild: float) -> float | None:
    """This returns how far a spike stands out, from fault-free readings; None where that is not known, or a chart sees as much."""
    known = [v for v in column if v is not None]
    found = [sharpness(*known[i : i + 5]) for i in range(len(known) - 4)]
    if sum(1 for v in found if v > 0.0) < KNOWN:
        return None
    least = max(limit(found, chance), SPIKE * max(found))
    return least if least <= FINER * wild else None


class Lone:
    """One signal's last five readings, and how many lone spikes and near ones it had lately."""

    __slots__ = ("halves", "latest", "least", "signal", "spikes", "throws")

    def __init__(self, signal: int, least: float) -> None:
        self.signal = signal
        self.least = least
        self.latest: list[float] = []
        self.spikes = self.halves = 0.0
        self.throws = False

    def step(self, value: float | None) -> float:
        """This takes a reading and returns how far the one two readings ago stands out, in units of the limit."""
        self.spikes *= FADE
        self.halves *= FADE
        if value is None:
            self.latest = []
            return 0.0
        self.latest = latest = [*self.latest[-4:], value]
        return sharpness(*latest) / self.least if len(latest) == 5 else 0.0


def step(lones: Sequence[Lone], row: Row) -> list[int]:
    """This returns the signals of a part that throw lone spikes. What stands out together is the machine's, or the line's."""
    out = [(lone.step(row[lone.signal]), lone) for lone in lones]
    beyond = [lone for far, lone in out if far > 1.0]
    if len(beyond) == 1:
        beyond[0].spikes += 1.0
    for far, lone in out:
        if HALF < far <= 1.0:
            lone.halves += 1.0
    for lone in lones:
        lone.throws = lone.spikes > (OVER if lone.throws else SPIKES) + lone.halves
    return [lone.signal for lone in lones if lone.throws]

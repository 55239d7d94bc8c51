"""This finds a signal that stands still while what it always follows has moved: stuck, judged by excitation.

It is for the coarse and slow signals whose own flicker is too small to tell (see flatline.py). Time alone says nothing here
either: a thermostat's water held 794 s, a barometer 5007 s on healthy cars. What counts is a peer of the same part that this
signal has followed closely in normal running, and that has by now moved so far that it would have shown several of its steps.
"""

import itertools
import math
from collections.abc import Sequence

import msgspec

FOLLOWS = 0.9  # least correlation, over the learning rows, that makes a peer
CHANGES = 12  # times a signal must have moved in learning, before anything is known of what moves it
STEPS = 4.0  # of its own, that a signal should have made
MARGIN = 2.0  # times the farthest that the peer ever went under a standing signal in learning
ROWS = 12  # for which the peer must stay out there
SMOOTH = 2.0 / 6.0  # EWMA of 5 rows on the peer: its noise is no excitation
GAP_ROWS = 20  # without the signal, after which nothing is known of what moved meanwhile
SIGNALS_MAX = 24  # of a part: every pair is looked at when learning ends

Row = Sequence[float | None]


class Follower(msgspec.Struct):
    """One signal and the peer that it follows; and where both stood when it last moved."""

    signal: int
    peer: int
    least: float  # how far the peer must move, in its own unit, under a standing signal
    value: float | None = None  # of the signal, as it stands
    smooth: float | None = None  # of the peer, now
    start: float = 0.0  # of the peer, when the signal last moved
    out_rows: int = 0  # rows for which the peer has been farther than `least`
    # `least` grows when the signal moves on by itself: two weeks do not show what may part the two.
    lenient: bool = False
    missing: int = 0  # rows since the signal was last heard

    def afresh(self) -> "Follower":
        """This returns the same pair before its first reading."""
        return Follower(self.signal, self.peer, self.least, lenient=self.lenient)


def learn(rows: Sequence[Row]) -> list[Follower]:
    """This returns which signals follow which, from fault-free rows; none where nothing is known."""
    width = len(rows[0]) if rows else 0
    if width > SIGNALS_MAX:
        return []
    found = (_follower(rows, signal, width) for signal in range(width))
    return [follower for follower in found if follower is not None]


def step(followers: Sequence[Follower], row: Row) -> list[int]:
    """This returns the signals that stand still though their peer has gone far enough for long enough."""
    stuck: list[int] = []
    for f in followers:
        value, peer = row[f.signal], row[f.peer]
        if peer is not None:
            f.smooth = peer if f.smooth is None else f.smooth + SMOOTH * (peer - f.smooth)
        if value is None or f.smooth is None:
            f.missing += 1
            continue
        if f.missing > GAP_ROWS:
            f.value, f.out_rows = None, 0  # what it says now it may have reached by any way
        f.missing = 0
        if value != f.value:
            if f.lenient and f.out_rows >= ROWS:
                f.least = min(2.0 * f.least, max(f.least, MARGIN * abs(f.smooth - f.start)))
            # From where the peer is now: what its mean lags behind, as after seconds without a row, is no way under this value.
            f.smooth = f.smooth if peer is None else peer
            f.value, f.start, f.out_rows = value, f.smooth, 0
        elif abs(f.smooth - f.start) > f.least:
            f.out_rows += 1
            if f.out_rows >= ROWS:
                stuck.append(f.signal)
        elif f.out_rows < ROWS:
            f.out_rows = 0  # once stuck, only a movement of its own clears it: the peer may come back by itself
        else:
            stuck.append(f.signal)
    return stuck


def awaited(followers: Sequence[Follower], signal: int) -> bool:
    """This returns whether a signal has begun to stand still under a peer that moved: within ROWS it is known if it is stuck."""
    return any(f.signal == signal and 0 < f.out_rows <= ROWS for f in followers)


def _follower(rows: Sequence[Row], signal: int, width: int) -> Follower | None:
    column = [row[signal] for row in rows]
    known = [v for v in column if v is not None]
    moves = [abs(b - a) for a, b in itertools.pairwise(known) if a != b]
    if len(moves) < CHANGES:
        return None
    best, strength, slope = -1, FOLLOWS, 0.0
    for peer in range(width):
        if peer != signal:
            r, k = _fit([(a, row[peer]) for a, row in zip(column, rows, strict=True)])
            if abs(r) > strength:
                best, strength, slope = peer, abs(r), k
    if best < 0:
        return None
    farthest = _farthest(rows, signal, best)
    return Follower(signal, best, max(STEPS * min(moves) / abs(slope), MARGIN * farthest))


def _fit(pairs: Sequence[tuple[float | None, float | None]]) -> tuple[float, float]:
    """This returns the correlation, and the slope of the first on the second; 0, 0 where one of them never moved."""
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    if len(both) < 2 * CHANGES:
        return 0.0, 0.0
    n = len(both)
    mean_a, mean_b = math.fsum(a for a, _ in both) / n, math.fsum(b for _, b in both) / n
    aa = math.fsum((a - mean_a) ** 2 for a, _ in both)
    bb = math.fsum((b - mean_b) ** 2 for _, b in both)
    ab = math.fsum((a - mean_a) * (b - mean_b) for a, b in both)
    return (ab / math.sqrt(aa * bb), ab / bb) if aa > 0.0 and bb > 0.0 else (0.0, 0.0)


def _farthest(rows: Sequence[Row], signal: int, peer: int) -> float:
    """This returns how far the peer, smoothed, ever went while the signal stood still in learning."""
    watch = Follower(signal, peer, math.inf)
    farthest = 0.0
    for row in rows:
        step([watch], row)
        if watch.smooth is not None:
            farthest = max(farthest, abs(watch.smooth - watch.start))
    return farthest

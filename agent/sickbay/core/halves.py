"""This keeps the last rows of one signal in two halves: how far the mean of the later one is from that of the earlier one.

Where a step came between them they differ by all of it; where each is as long as the signal's cycle, the cycle is in neither.
"""


class Halves:
    """The last 2 x `rows` values. `step` a value; nothing is said before both halves are full."""

    __slots__ = ("at", "earlier", "heard", "later", "ring", "rows")

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.rest()

    def rest(self) -> None:
        """This forgets the values."""
        self.ring = [0.0] * (2 * self.rows)
        self.at = self.heard = 0
        self.later = self.earlier = 0.0  # sums

    @property
    def gone(self) -> float:
        """The later mean less the earlier one; 0.0 while too few were heard."""
        return (self.later - self.earlier) / self.rows if self.heard >= 2 * self.rows else 0.0

    def step(self, value: float) -> float:
        """This takes a value and returns the later mean less the earlier one; 0.0 while too few were heard."""
        ring, at, rows = self.ring, self.at, self.rows
        passing = ring[at - rows]
        self.later = later = self.later + value - passing
        self.earlier = earlier = self.earlier + passing - ring[at]
        ring[at] = value
        at += 1
        if at == 2 * rows:
            # Summed afresh once a round, so that what rounding leaves never adds up.
            self.later, self.earlier, at = sum(ring[rows:]), sum(ring[:rows]), 0
        self.at = at
        if self.heard < 2 * rows:
            self.heard += 1
            if self.heard < 2 * rows:
                return 0.0
        return (later - earlier) / rows

"""This watches what a unit measures of its surroundings: signals that belong to none of its parts, as a supply's voltage.

Nothing of the machine is judged by them, and nobody is accused. But where a part moves as one, they say whether it was moved from
outside: a supply that sags takes the pump with it, and the pump is well.
"""

from collections.abc import Sequence

from sickbay.core.channel import Channel

EVERY = 5  # rows of the unit from one look to the next
FRESH = 3  # latest readings, whose median counts
BEYOND = 1.0  # of all that it was in learning: so far out it has moved


class Outside:
    """The signals of no part: of each the lowest and highest reading in learning."""

    __slots__ = ("highs", "learn_rows", "lows", "names", "rows")

    def __init__(self, names: Sequence[str], learn_rows: int) -> None:
        self.names = list(names)
        self.learn_rows = learn_rows
        self.rows = 0  # of the unit, until all is learnt
        self.lows: list[float | None] = [None] * len(self.names)
        self.highs: list[float | None] = [None] * len(self.names)

    def step(self, channels: Sequence[Channel], well: bool) -> None:
        """This is one row of the unit. `well`: nothing is held against anyone, so that it may be learnt from."""
        if self.rows >= self.learn_rows or not well:
            return
        self.rows += 1
        if self.rows % EVERY:
            return
        for i, channel in enumerate(channels):
            value = channel.value
            if value is None or channel.failing or channel.silent:
                continue
            low, high = self.lows[i], self.highs[i]
            self.lows[i] = value if low is None else min(low, value)
            self.highs[i] = value if high is None else max(high, value)

    def moved(self, channels: Sequence[Channel]) -> list[str]:
        """This returns what has left all that it was, in words; nothing before it is learnt."""
        out: list[str] = []
        for channel, low, high in zip(channels, self.lows, self.highs, strict=True):
            latest = sorted(v for _, v in list(channel.ring)[-FRESH:] if v is not None)
            if self.rows < self.learn_rows or low is None or high is None or not latest or low == high:
                continue
            value, far = latest[len(latest) // 2], BEYOND * (high - low)
            if not channel.failing and not channel.silent and not low - far <= value <= high + far:
                unit = f" {channel.spec.unit}" if channel.spec.unit else ""
                was = f"it was {low:.4g} to {high:.4g}{unit} while it was learnt"
                out.append(f"{channel.spec.name} is {value:.4g}{unit}, and belongs to no part; {was}")
        return out

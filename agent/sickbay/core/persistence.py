"""This turns the score of each row into an alarm that lasts: a few rows over the limit begin it, as many far below it end it."""

ON_ROWS = 4  # rows at or above 1.0 that make an alarm, and confirm it
CLEAR = 1.2  # a row at or above this counts twice towards the alarm, once towards its being confirmed
OFF = 0.45  # an alarm ends after as many rows below this; at half, what leaves by and by makes an alarm end and begin again


class Persistence:
    """`step` a row's score (1.0 is the limit); `on` holds until as many rows have taken it back.

    `confirmed` says that it has also lasted: who moved first is not yet who is to blame.
    """

    __slots__ = ("confirmed", "on", "over", "rows")

    def __init__(self) -> None:
        self.over = 0  # rows over the limit that are not taken back yet, clear ones twice
        self.rows = 0  # the same, each once
        self.on = self.confirmed = False

    def step(self, score: float) -> bool:
        """This takes a row's score, and returns whether there is an alarm."""
        if score >= 1.0:
            if self.rows < ON_ROWS:
                self.rows += 1
                self.over = min(ON_ROWS, self.over + (2 if score >= CLEAR else 1))
                self.on = self.on or self.over == ON_ROWS
                self.confirmed = self.confirmed or self.rows == ON_ROWS
        elif self.over and score < OFF:
            self.over -= 1
            self.rows = max(0, self.rows - 1)
            if not self.over:
                self.clear()
        return self.on

    def clear(self) -> None:
        """This ends the alarm."""
        self.over = self.rows = 0
        self.on = self.confirmed = False

"""This turns the score of each row into an alarm that lasts: a few rows over the limit begin it, as many far below it end it."""

ON_ROWS = 4  # rows at or above 1.0 that make an alarm
OFF = 0.45  # an alarm ends after as many rows below this; at half, what leaves by and by makes an alarm end and begin again


class Persistence:
    """`step` a row's score (1.0 is the limit); `on` holds until as many rows have taken it back."""

    __slots__ = ("on", "over")

    def __init__(self) -> None:
        self.over = 0  # rows over the limit that are not taken back yet
        self.on = False

    def step(self, score: float) -> bool:
        """This takes a row's score, and returns whether there is an alarm."""
        if score >= 1.0:
            if self.over < ON_ROWS:
                self.over += 1
                self.on = self.on or self.over == ON_ROWS
        elif self.over and score < OFF:
            self.over -= 1
            self.on = self.on and self.over > 0
        return self.on

    def clear(self) -> None:
        """This ends the alarm."""
        self.over, self.on = 0, False

"""These are rows of a small unit whose signals hang together, for the tests of relations: seeded, and known what leans on what.

`a` and `b` wander (each is drawn back to its mean), `y` is 2a - b smoothed over 10 rows, `c` is 0.5a, and `z` is nobody's.
What each sensor adds is noise of its own.
"""

import random
from collections.abc import Callable, Iterator

Row = list[float | None]
Ailing = Callable[[int, Row], None]  # (row's number, the row): changes it

A, B, C, Y, Z = range(5)
NAMES = ("a", "b", "c", "y", "z")


def unit(rows: int, seed: int, *ailing: Ailing) -> Iterator[Row]:
    """This yields rows of a, b, c, y, z."""
    chance = random.Random(seed)
    a, b, z, y = chance.gauss(0.0, 5.0), chance.gauss(0.0, 5.0), 0.0, 0.0
    for number in range(rows):
        a, b, z = (0.95 * v + chance.gauss(0.0, 1.5) for v in (a, b, z))
        y += (2.0 * a - b - y) * 2.0 / 11.0
        row: Row = [v + chance.gauss(0.0, 0.1) for v in (20.0 + a, 50.0 + b, 10.0 + 0.5 * a, 5.0 + y, z)]
        for each in ailing:
            each(number, row)
        yield row


def off(
    signal: int, start: int, bias: float = 0.0, drift: float = 0.0, gain: float = 1.0, about: float = 0.0
) -> Ailing:
    """This has a sensor err from a row on: by a bias, by so much more each row, or by a gain about a value."""

    def ail(number: int, row: Row) -> None:
        value = row[signal]
        if number >= start and value is not None:
            row[signal] = about + (value - about) * gain + bias + drift * (number - start)

    return ail


def wanderers(signals: int, rows: int, seed: int, home: float = 1.0) -> Iterator[Row]:
    """This yields rows of signals that have nothing to do with each other; `home` below 1 draws each back to 0."""
    chance = random.Random(seed)
    now = [0.0] * signals
    for _ in range(rows):
        now = [home * v + chance.gauss(0.0, 1.0) for v in now]
        yield list(now)

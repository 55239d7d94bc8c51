"""This is a small cold store for tests: a thermostat and its compressor, a fan that stops for a thaw, and a door."""

import random
from collections.abc import Callable

EVERY_MS = 20_000
THAW_EVERY, THAW_ROWS = 400, 20
NAMES = ("air", "damp", "coil", "fan", "pressure", "current", "door")
AIR, DAMP, COIL, FAN, PRESSURE, CURRENT, DOOR = range(7)
PARTS = [[AIR, DAMP, DOOR], [COIL, FAN], [PRESSURE, CURRENT]]
TWINS: list[list[int]] = [[] for _ in NAMES]

Row = list[float | None]
Spoil = Callable[[int, list[float]], None]


class Store:
    """The store. What is broken is a flag; `warm` is how fast the air warms, in K a row."""

    def __init__(self, seed: int = 0) -> None:
        self.chance = random.Random(seed)
        self.air, self.coil, self.damp, self.pressure = -1.0, -2.0, 85.0, 600.0
        self.calls = False
        self.number = 0
        self.warm = 0.06
        self.cold = 0.2  # by which the compressor cools, in K a row
        self.extra = 0.0  # by which the coil must be colder than the air
        self.stands = self.runs = self.heater_dead = self.fan_dead = False
        self.draught = self.draws = 0.0  # how far an opening throws the air, in K; and what is left of it
        self.shut = self.hangs = False  # nobody comes; the door's contact does not say so

    def row(self) -> Row:
        """This moves on by one row and returns what the sensors say."""
        self.number += 1
        thaw = self.number % THAW_EVERY >= THAW_EVERY - THAW_ROWS
        self.calls = self.air > 0.0 or (self.calls and self.air > -2.0)
        on = (self.calls or self.runs) and not thaw and not self.stands
        fan = not thaw and not self.fan_dead
        self.air += self.warm * self.chance.uniform(0.9, 1.1) - (self.cold * (0.3 if not fan else 1.0) if on else 0.0)
        goal = (
            8.0
            if thaw and not self.heater_dead
            else self.air - (8.0 + self.extra + (20.0 if not fan else 0.0) if on else 0.0)
        )
        self.coil += 0.3 * (goal - self.coil)
        self.damp += 0.2 * ((65.0 if on else 90.0) - self.damp)
        self.pressure += 0.2 * ((760.0 if on else 560.0) - self.pressure)
        noise = self.chance.gauss
        door = 1.0 if self.chance.random() < 0.01 and not self.shut else 0.0
        self.draws = 0.6 * self.draws + door * self.draught
        return [
            self.air + self.draws + noise(0, 0.05),
            self.damp + 8.0 * self.draws + noise(0, 0.3),
            self.coil + noise(0, 0.05),
            (1350.0 if fan else 0.0) + noise(0, 4),
            self.pressure + noise(0, 3),
            max(0.0, (2.5 + self.pressure / 2000.0 if on else 0.0) + noise(0, 0.02)),
            0.0 if self.hangs else door,
        ]

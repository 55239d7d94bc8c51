"""This is a machine whose cycles follow weather, load and frost by habit, for tests."""

import random

SIGNALS = 6
OF = [*range(SIGNALS)] * 2  # an end and a depth of each
TWINS: list[list[int]] = [[] for _ in range(SIGNALS)]
LEAST = [1e-6] * len(OF)
EVERY = 12  # cycles from thaw to thaw
WELL = [False] * SIGNALS


class Unit:
    """A machine whose levels follow weather, load and frost, each level by its own weights, and a little noise."""

    def __init__(self, seed: int, noise: float = 0.05) -> None:
        self.chance = random.Random(f"habit {seed}")
        self.weights = [[self.chance.gauss(0, 1) for _ in OF] for _ in range(3)]
        self.number, self.noise = 0, noise
        self.weather = self.load = 0.0

    def cycle(self, weather: float = 0.0, frost: float = 0.0) -> list[float]:
        self.number += 1
        self.weather = 0.9 * self.weather + self.chance.gauss(0, 0.4)
        self.load = 0.7 * self.load + self.chance.gauss(0, 0.6)
        iced = (self.number % EVERY) / EVERY + frost
        along = (self.weather + weather, self.load, iced)
        return [
            20.0
            + sum(a * row[k] for a, row in zip(along, self.weights, strict=True))
            + self.chance.gauss(0, self.noise)
            for k in range(len(OF))
        ]

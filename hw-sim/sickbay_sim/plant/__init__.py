"""These are the simulated machines, by name: physics only, no sensors, no faults of their own making."""

from collections.abc import Mapping
from typing import Protocol

from sickbay_sim.plant.car import Car
from sickbay_sim.plant.cold_room import ColdRoom
from sickbay_sim.plant.cooling_loop import CoolingLoop
from sickbay_sim.plant.plant import Plant


class Machine(Plant, Protocol):
    """A plant that a seed alone makes: PLANTS[name](seed). The class itself describes it, see Plant."""

    def __init__(self, seed: int = 0) -> None: ...


PLANTS: Mapping[str, type[Machine]] = {
    "cooling-loop": CoolingLoop,
    "car": Car,
    "cold-room": ColdRoom,
}

__all__ = ["PLANTS", "Plant"]

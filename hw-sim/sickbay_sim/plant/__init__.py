"""These are the simulated machines, by name: physics only, no sensors, no faults of their own making."""

from collections.abc import Mapping

from sickbay_sim.plant.cooling_loop import CoolingLoop
from sickbay_sim.plant.plant import Plant

# A seed alone makes a unit: PLANTS[name](seed). The class itself is the machine's description, see Plant.
PLANTS: Mapping[str, type[CoolingLoop]] = {
    "cooling-loop": CoolingLoop,
}

__all__ = ["PLANTS", "Plant"]

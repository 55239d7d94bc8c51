"""This makes models/cooling-loop.tflite from healthy rows of the simulated cooling loop.

Twelve units that differ as real ones do, each standardised by its own first rows as the agent does it, so that what is
learnt is how the signals hang together in any such unit and not the level of one. The first six units and the last six
check each other's components. Pure Python arithmetic: the same bytes on every machine.
"""

import math
import statistics
from collections.abc import Sequence

import msgspec

from sickbay.edge.scorer.emit import emit
from sickbay.edge.scorer.fit import LIMITS, PartRows, fit
from sickbay.edge.scorer.model_file import read_card, read_network
from sickbay.edge.scorer.network import Network, block, run
from sickbay_sim.patient import rows
from sickbay_sim.plant.sensors import COOLING_LOOP

UNITS = range(101, 113)
UNSEEN = range(201, 205)
SECONDS, PERIOD_S, BASELINE_ROWS = 2400, 1.0, 600

_FAN = ("inlet_temp", "outlet_temp", "outlet_temp_b")
TACH = "fan, speed from a pin"
PARTS = {"pump": ("flow", "pressure", "current", "vibration"), "fan": ("fan_rpm", *_FAN)}
FITTED_ON = (
    f"{len(UNITS)} healthy units of hw-sim's cooling loop (seeds {UNITS[0]} to {UNITS[-1]}), "
    f"{SECONDS} s each at {PERIOD_S:g} s, each standardised by the median and 1.4826 MAD of its first {BASELINE_ROWS} rows"
)


def standardised(seed: int) -> dict[str, list[list[float]]]:
    """This returns one healthy unit's rows by part, standardised by its own first rows; those are left out."""
    columns: dict[str, list[float]] = {name: [] for name in COOLING_LOOP}
    for row in rows(seed, SECONDS, PERIOD_S):
        for name, column in columns.items():
            value = row[name]
            assert value is not None, f"the healthy plant gave no {name}"
            column.append(value)
    z = {}
    for name, column in columns.items():
        start = column[:BASELINE_ROWS]
        centre = statistics.median(start)
        scale = 1.4826 * statistics.median([abs(v - centre) for v in start]) or statistics.pstdev(start) or 1.0
        z[name] = [(v - centre) / scale for v in column[BASELINE_ROWS:]]
    return {part: [list(row) for row in zip(*(z[s] for s in signals), strict=True)] for part, signals in PARTS.items()}


def make() -> bytes:
    """This returns the file."""
    pooled: dict[str, list[list[float]]] = {part: [] for part in PARTS}
    for seed in UNITS:
        for part, table in standardised(seed).items():
            pooled[part] += table
    parts = {
        part: PartRows(signals, pooled[part], tuple(COOLING_LOOP[s].unit for s in signals))
        for part, signals in PARTS.items()
    }
    raw = fit(parts, name="cooling-loop", fitted_on=FITTED_ON, limits=LIMITS, use_numpy=False)
    card = read_card(raw)
    assert card is not None
    # A fan's speed is called fan_tach where it comes from a pin; that part stands in the same place of the network.
    tach = msgspec.structs.replace(card.parts["fan"], signals=("fan_tach", *_FAN))
    return emit(read_network(raw), msgspec.structs.replace(card, parts={**card.parts, TACH: tach}))


def scatter_left(network: Network, offset: int, part: str) -> list[float]:
    """This returns how much of each signal's scatter is left in its leave-one-out residual, on unseen units.

    1.0 says that its peers say nothing of it. The residual is divided by the sight, as a reader of the residuals would.
    """
    width = len(PARTS[part])
    own = block(network, offset, width)
    sight = [1.0 - run(own, [1.0 if j == i else 0.0 for j in range(width)])[i] for i in range(width)]
    raw, left = [0.0] * width, [0.0] * width
    for seed in UNSEEN:
        for row in standardised(seed)[part]:
            for i, (z, estimate) in enumerate(zip(row, run(own, row), strict=True)):
                raw[i] += z * z
                left[i] += ((z - estimate) / sight[i]) ** 2
    return _roots(raw, left)


def _roots(raw: Sequence[float], left: Sequence[float]) -> list[float]:
    return [math.sqrt(b / a) if a else 1.0 for a, b in zip(raw, left, strict=True)]

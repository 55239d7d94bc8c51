"""This measures the node alone: virtual time, 12 signals at 1 Hz in three parts, in one process."""

import random
import time

from sickbay.core.equipment import Equipment, Part, Policy, Signal
from sickbay.core.node import Node
from sickbay.core.reading import Reading

SIGNALS, PARTS, WARM_S, RUN_S = 12, 3, 500, 6000


def equipment() -> Equipment:
    names = [f"s{i}" for i in range(SIGNALS)]
    per = SIGNALS // PARTS
    signals = tuple(Signal(n, "rig", every_ms=1000, low=-1e3, high=1e3) for n in names)
    parts = tuple(Part(f"p{k}", tuple(names[k * per : (k + 1) * per])) for k in range(PARTS))
    return Equipment("bench", signals, parts, (), Policy(learn_rows=400))


def measure() -> list[tuple[str, str, str, str]]:
    rng = random.Random(1)
    readings = [
        [Reading(f"s{i}", 20 + i + rng.gauss(0, 1), t * 1000) for i in range(SIGNALS)] for t in range(WARM_S + RUN_S)
    ]
    node = Node(equipment(), "bench")
    node.start(0)
    drive(node, readings[:WARM_S])
    best = min(drive(node, readings[WARM_S + k * 2000 : WARM_S + (k + 1) * 2000]) for k in range(3))
    bare = min(walk(readings[WARM_S : WARM_S + 2000]) for _ in range(3))
    each_us = best / (2000 * SIGNALS) * 1e6
    return [
        (
            f"core, {SIGNALS} signals at 1 Hz: times real time",
            f"{2000 / best:,.0f}",
            f"a loop that only looks at each: {2000 / bare:,.0f}",
            ">= 5,000",
        ),
        (
            "core: us a reading",
            f"{each_us:.1f}",
            f"the loop: {bare / (2000 * SIGNALS) * 1e6:.2f}",
            "<= 15 with the daemon",
        ),
    ]


def drive(node: Node, seconds: list[list[Reading]]) -> float:
    """This returns the CPU seconds that the node took."""
    began = time.process_time()
    for second in seconds:
        for reading in second:
            node.feed(reading)
        due = node.deadline_ms()
        now = second[0].at_ms + 999
        if due is not None and due <= now:
            node.tick(now)
        node.take_effects()
    return time.process_time() - began


def walk(seconds: list[list[Reading]]) -> float:
    began = time.process_time()
    total = 0.0
    for second in seconds:
        for reading in second:
            total += reading.value or 0.0
    return time.process_time() - began

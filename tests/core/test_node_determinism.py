"""The same inputs give the same effects, byte for byte, in any process: what a laptop replays is what the device decided."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from plants import Journey, long_journey, rows, trace

PROGRAM = """
import hashlib, plants
j = plants.long_journey()
print(hashlib.sha256(plants.trace(j.effects)).hexdigest(), hashlib.sha256(j.node.snapshot()).hexdigest())
"""


def in_another_process(seed: str) -> list[str]:
    """This returns the digests of trace and snapshot that another interpreter comes to."""
    here = Path(__file__).parents[1]
    paths = os.pathsep.join([str(here), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.split()


def test_hash_seeds_change_neither_trace_nor_snapshot() -> None:
    """Sets and dicts of strings come in another order in each process: no decision may hang on that."""
    j = long_journey()
    here = [hashlib.sha256(trace(j.effects)).hexdigest(), hashlib.sha256(j.node.snapshot()).hexdigest()]
    assert [in_another_process(seed) for seed in ("1", "424242")] == [here, here]


def test_a_second_node_in_the_same_process_is_not_touched_by_the_first() -> None:
    """No state is shared between devices: the bench runs hundreds in one process."""
    one, two = Journey(), Journey()
    for second in rows(range(60)):
        one.run([second])
        two.run([second])
    alone = Journey().run(rows(range(60)))
    assert one.node.snapshot() == two.node.snapshot() == alone.node.snapshot()
    assert trace(one.effects) == trace(two.effects) == trace(alone.effects)

"""This runs a swarm: its sites one after another or in processes of their own, and puts what they say together.

A site is the same whoever runs it: the number of processes changes no result.
"""

import contextlib
import multiprocessing
import os
import queue
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing.managers import SyncManager
from typing import Any

from sickbay_sim.swarm.site import Plan, live
from sickbay_sim.swarm.summary import Lived
from sickbay_sim.swarm.uplink import Way

Tell = Callable[[int, float], None]  # (site, virtual seconds)
LOOKS_S = 1.0  # how often progress is looked at


def swarm(
    plan: Plan,
    processes: int | None = None,
    tell: Tell = lambda site, at_s: None,
    only: int | None = None,
    way: type[Way] = Way,
) -> Lived:
    """This returns what came of all sites, or of `only` one. None: a process a core; `way` is what devices send over."""
    sites = list(range(plan.sites())) if only is None else [only]
    workers = min(len(sites), processes or os.cpu_count() or 1)
    together = Lived()
    lives = (
        (live(plan, number, _telling(tell, number), way) for number in sites)
        if workers == 1
        else _in_processes(plan, sites, workers, tell, way)
    )
    for each in lives:
        together.add(each)
    together.runs.sort(key=lambda run: run.device)
    return together


def _telling(tell: Tell, number: int) -> Callable[[float], None]:
    return lambda at_s: tell(number, at_s)


def _in_processes(plan: Plan, sites: list[int], workers: int, tell: Tell, way: type[Way]) -> Iterator[Lived]:
    # Forked, a worker has all that is imported; started anew each would take a second for it.
    context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn")
    with SyncManager(ctx=context) as shared, ProcessPoolExecutor(workers, mp_context=context) as pool:
        said: Any = shared.Queue()
        waiting: set[Future[Lived]] = {pool.submit(_one, plan, number, said, way) for number in sites}
        while waiting:
            done, waiting = wait(waiting, timeout=LOOKS_S, return_when=FIRST_COMPLETED)
            with contextlib.suppress(queue.Empty):
                while True:
                    tell(*said.get_nowait())
            for future in done:
                yield future.result()


def _one(plan: Plan, number: int, said: Any, way: type[Way]) -> Lived:
    return live(plan, number, lambda at_s: said.put((number, at_s)), way)


def replay(plan: Plan, device: str, rate: float, files: tuple[str, ...] = ()) -> str:
    """This returns the line that plays a breach again: the one site in which it was."""
    number = int(device.rpartition("-")[2]) // plan.site_devices if device.startswith("unit-") else 0
    words = ["sickbay-sim", "swarm", *files, "--devices", str(plan.devices), "--seed", str(plan.seed)]
    words += ["--hours", f"{plan.hours:g}"]
    if not files:
        words += ["--rate", f"{rate:g}"]
    return shlex.join([*words, "--site", str(number)])

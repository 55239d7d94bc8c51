"""This runs many scenarios with many seeds, in several processes, and hands back what each left: always in the same order.

A worker keeps nothing between runs, so that the number of workers changes no figure but the time it took. Rows are used where they
arise, for the baselines, and are not handed on.
"""

import multiprocessing
import signal
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from sickbay_sim.plant import PLANTS
from sickbay_sim.record import Run
from sickbay_sim.scenario import Scenario
from sickbay_sim.scenario_file import ScenarioError
from sickbay_sim.score import baselines
from sickbay_sim.score.machine import Played, machine_of
from sickbay_sim.verdict import Check, judge

ROWS_MAX = 250_000  # of a longer story no rows are kept: it takes no part in the comparison with the baselines
# What a bug of the agent or of the simulator raises.
BUGS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
KEPT_CHANGES = ("output",)  # what the card reads of the agent's own lines


@dataclass(frozen=True)
class Task:
    """One run that is to be made."""

    scenario: Scenario
    seed: int

    @property
    def replay(self) -> str:
        """The line that shows this very run."""
        return f"sickbay-sim bench {self.scenario.path or self.scenario.name} --seed {self.seed}"


@dataclass(frozen=True)
class Outcome:
    """What one run left. `beside` holds the baselines on its rows; empty where it left none."""

    task: Task
    played: Played
    beside: dict[str, Played]
    checks: list[Check]

    @property
    def broken(self) -> list[Check]:
        return [check for check in self.checks if not check.held]


def tasks(scenarios: Sequence[Scenario], seeds: Sequence[int]) -> list[Task]:
    """This returns every scenario with every seed; with its own where none is given."""
    return [Task(scenario, seed) for scenario in scenarios for seed in (seeds or (scenario.seed,))]


def play(task: Task, keep_rows: bool = True) -> Played:
    """This makes one run, rows and all; raises ScenarioError where its machine cannot be configured.

    Whatever else goes wrong is the run's trouble: one broken run must not end a sweep.
    """
    from sickbay_sim import bench

    scenario = task.scenario
    machine = machine_of(PLANTS[scenario.plant], scenario)
    try:
        return Played(bench.run(scenario, task.seed, keep_rows=keep_rows), machine)
    except ScenarioError:
        raise
    except BUGS as error:
        return Played(Run(scenario, task.seed, "bench", trouble=f"{type(error).__name__}: {error}"), machine)


def outcome(task: Task) -> Outcome:
    """This makes one run and keeps of it what the card needs."""
    scenario = task.scenario
    keep_rows = (scenario.warm_s + scenario.seconds) / scenario.period_s <= ROWS_MAX
    played = play(task, keep_rows)
    beside = {name: baselines.as_played(played, name) for name in baselines.NAMES} if played.run.rows else {}
    run = played.run
    lean = replace(run, rows=[], true_rows=[], changes=[c for c in run.changes if c.kind in KEPT_CHANGES])
    return Outcome(task, Played(lean, played.machine), beside, judge(run))


def sweep(todo: Sequence[Task], jobs: int = 1) -> Generator[Outcome, None, None]:
    """This yields the outcome of each task, in the order of the tasks. Closing it ends the workers."""
    if jobs <= 1 or len(todo) <= 1:
        yield from map(outcome, todo)
        return
    # Spawned, not forked: what a run leaves behind in this process must not reach another's.
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(min(jobs, len(todo)), mp_context=context, initializer=_deaf_to_interrupts)
    try:
        for future in [pool.submit(outcome, task) for task in todo]:
            yield future.result()
        pool.shutdown()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise


def _deaf_to_interrupts() -> None:
    """Ctrl-C goes to the whole terminal; the workers are ended by who started them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

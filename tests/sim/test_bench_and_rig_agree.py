"""The same stories in virtual time and against the real daemon: what is said of whom, and what is done, must be the same.

Bench is where thousands of stories are scored; were it not what the daemon does, the scores would be of something else.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from sickbay_sim import bench, rig_run
from sickbay_sim.record import Run
from sickbay_sim.scenario import Fault, Scenario

SPEED = 100.0
STORIES = {
    "well": (),
    "fan dead": (Fault("fan_fail", "fan", 20),),
    "thermometer off": (Fault("bias", "outlet_temp", 20),),
    "cable pulled": (Fault("unplug", "rig", 40),),
}


def story(name: str) -> Scenario:
    return Scenario(name, name, "cooling-loop", 250, warm_s=200, profile="clean", faults=STORIES[name])


@pytest.fixture(scope="module")
def runs() -> dict[str, tuple[Run, Run]]:
    """Each story told both ways; the rigs side by side, since most of their time is waiting."""
    with ThreadPoolExecutor(len(STORIES)) as threads:
        rigs = {name: threads.submit(rig_run.run, story(name), None, SPEED) for name in STORIES}
        return {name: (bench.run(story(name)), rig.result()) for name, rig in rigs.items()}


@pytest.mark.parametrize("name", STORIES)
def test_the_same_targets_are_told_with_the_same_layer(runs: dict[str, tuple[Run, Run]], name: str) -> None:
    """Whom people hear of, and whose fault it is said to be."""
    virtual, real = runs[name]
    assert not real.trouble, real.trouble

    def told(run: Run) -> set[tuple[str, str]]:
        return {(t.target, t.layer) for t in run.told if t.kind != "closed"}

    assert told(real) == told(virtual)
    assert bool(told(real)) == bool(STORIES[name])


@pytest.mark.parametrize("name", STORIES)
def test_the_same_things_are_isolated_and_the_relays_end_alike(runs: dict[str, tuple[Run, Run]], name: str) -> None:
    """What was done: through an effect and a receipt there, through a pin and its read-back here."""
    virtual, real = runs[name]
    assert {m.name for m in real.masked if m.active} == {m.name for m in virtual.masked if m.active}
    assert {n: moves[-1][1] for n, moves in real.relays.items()} == {n: m[-1][1] for n, m in virtual.relays.items()}
    assert real.states == virtual.states


@pytest.mark.parametrize("name", ["fan dead", "thermometer off"])
def test_it_takes_about_as_long(runs: dict[str, tuple[Run, Run]], name: str) -> None:
    """Story seconds from onset to isolation. At this speed a tenth of a second on a busy machine is ten of the story."""
    virtual, real = runs[name]
    took = [min(m.from_s for m in run.masked) - 20 for run in (virtual, real)]
    assert took[1] == pytest.approx(took[0], abs=120)


def test_the_record_of_a_real_run_is_whole(runs: dict[str, tuple[Run, Run]]) -> None:
    """The score card reads the same fields of both."""
    _, real = runs["fan dead"]
    (told,) = real.told
    assert told.delivered_s is not None and told.delivered_s >= told.at_s and told.bytes > 500 and told.revision == 1
    assert real.bytes_out == told.bytes and real.bytes_in > 10_000 and real.cpu_s > 0 and real.lost == 0
    assert [(i.kind, i.onset_s) for i in real.truth] == [("fan_fail", 20.0)] and real.end_s == 250
    assert {"isolate", "output", "fault"} <= {c.kind for c in real.changes}
    assert all(-200 <= c.at_s <= 250 for c in real.changes)

"""These tests run many devices and the receiving end for hours, in seconds, and break what must not break."""

import dataclasses
from pathlib import Path

import msgspec
import pytest

from sickbay_sim import scenario_file
from sickbay_sim.record import Run
from sickbay_sim.swarm import site as sites
from sickbay_sim.swarm.fate import Rates, SiteFate
from sickbay_sim.swarm.run import replay, swarm
from sickbay_sim.swarm.site import Plan
from sickbay_sim.swarm.summary import Lived
from sickbay_sim.swarm.uplink import Way
from sickbay_sim.swarm.watch import INVARIANTS, LOST, OPEN
from sickbay_sim.verdict import judge

OF_THE_WAY_OUT = ("ran", "within_s", "duplicates_max", "lost_max")
FOLDER = Path(__file__).parent.parent / "scenarios"

HOUR_MS = 3_600_000
# A row every twenty seconds: what is tried here is the way out, not the judging.
RATES = Rates(sensor=60, part=30, line=30, surroundings=20, link=60, lost_connections=300, kill=60, order=60, clock=20)
PLAN = Plan(devices=30, seed=7, hours=2.5, rates=RATES, warm_s=1600.0, period_s=20.0)


@pytest.fixture
def two_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is killed for a minute after an hour, and a fleet that is away for half an hour."""
    fate = SiteFate(broker_kills=((HOUR_MS, HOUR_MS + 60_000),), fleet_away=((5 * HOUR_MS // 4, 7 * HOUR_MS // 4),))
    monkeypatch.setattr(sites.fates, "of_site", lambda seed, end_s, rates: fate)


def test_a_swarm_keeps_every_invariant_through_two_outages(two_outages: None) -> None:
    """Thirty devices, hours of faults, kills and bad links: nothing is lost, doubled or left open."""
    found = swarm(PLAN, processes=1)
    assert not found.breaches, found.breaches
    assert found.offered == found.delivered + found.waiting + found.shed and found.offered > 5
    assert set(found.looks) == set(INVARIANTS)
    assert all(found.looks.values()), "an invariant that was never looked at holds nothing"


def test_the_same_seed_makes_the_same_swarm_in_however_many_processes() -> None:
    """A breach after a night must be played again in minutes; so nothing may depend on who ran which site."""
    plan = dataclasses.replace(PLAN, devices=4, hours=1.5, site_devices=2, rates=RATES.times(4.0))
    one, other = swarm(plan, processes=1), swarm(plan, processes=2)
    alone = swarm(plan, processes=1, only=1)
    assert [_story(run) for run in one.runs] == [_story(run) for run in other.runs]
    assert one.delays_s and sorted(one.delays_s) == sorted(other.delays_s)
    assert [_story(run) for run in alone.runs] == [_story(run) for run in one.runs[2:]]


def test_how_far_a_device_runs_ahead_changes_nothing() -> None:
    """Devices take turns for speed's sake alone: what is told, when it arrives, and every count must stay as they are."""
    plan = dataclasses.replace(PLAN, devices=10, hours=2.0, rates=RATES.times(4.0))
    near, far = (swarm(dataclasses.replace(plan, ahead_s=ahead_s), processes=1) for ahead_s in (100.0, 900.0))
    assert near.offered > 5 and near.counts["connections"] > plan.devices
    assert [_story(run) for run in near.runs] == [_story(run) for run in far.runs]
    assert [[t.delivered_s for t in run.told] for run in near.runs] == [
        [t.delivered_s for t in run.told] for run in far.runs
    ]
    for name in ("delays_s", "counts", "looks", "kinds", "twice", "peaks", "breaches"):
        assert getattr(near, name) == getattr(far, name), name


def _story(run: Run) -> tuple[object, ...]:
    return run.told, run.truth, run.masked, [(c.at_s, c.kind, c.name) for c in run.changes]


class _Liar(Way):
    """A link whose other end says that the fleet holds what it never saw."""

    def _put(self, leaf: str, payload: bytes, at_ms: int, topic: str = "") -> int | None:
        if leaf != "escalation":
            return super()._put(leaf, payload, at_ms, topic)
        self._device.forget([msgspec.json.decode(payload)["id"]])
        return at_ms + 1


class _Hole(Way):
    """A link that says PUBACK to all that is told, and lets it vanish."""

    def _put(self, leaf: str, payload: bytes, at_ms: int, topic: str = "") -> int | None:
        return at_ms + 1 if leaf == "escalation" else super()._put(leaf, payload, at_ms, topic)


class _Repeater(Way):
    """An outbox that lets nothing go, whatever the fleet says."""

    def _hear(self, payload: bytes, at_ms: int) -> bool:
        return True


def test_a_link_that_acknowledges_without_committing_is_caught() -> None:
    """An invariant that nobody ever saw broken may be one that cannot break."""
    found = swarm(dataclasses.replace(PLAN, devices=6), processes=1, way=_Liar)
    caught = {breach.invariant: breach for breach in found.breaches}
    assert "are nowhere" in caught[LOST].saw and found.lost > 0
    assert sum(run.lost for run in found.runs) == found.lost
    assert "--site 0" in replay(PLAN, caught[LOST].device, 1.0)


def test_a_fault_that_the_fleet_never_hears_of_is_caught() -> None:
    """PUBACK is not delivery: the outbox keeps it, and the missing ticket is seen."""
    found = swarm(dataclasses.replace(PLAN, devices=16), processes=1, way=_Hole)
    assert {breach.invariant for breach in found.breaches} == {OPEN}
    assert found.lost == 0 and found.waiting == found.offered > 0


def test_what_is_never_receipted_stays_in_the_outbox_and_counts_once() -> None:
    """The fleet gets it again and again, and has one ticket; the device has it still."""
    found = swarm(dataclasses.replace(PLAN, devices=6), processes=1, way=_Repeater)
    assert not found.breaches and found.twice > 10
    assert found.delivered == 0 and found.waiting == found.offered > 0


@pytest.fixture(scope="module")
def told() -> Lived:
    """What came of two scenarios, each on two devices."""
    names = ("loop-flow-silent", "loop-broker-away")
    stories = tuple(scenario_file.read(FOLDER / f"{name}.toml") for name in names)
    hours = max(s.warm_s + s.seconds for s in stories) / 3600 + 0.4
    return swarm(Plan(devices=4, hours=hours, scenarios=stories, rates=Rates().times(0.0)), processes=1)


def test_devices_live_through_scenarios_and_leave_the_records_that_the_score_card_reads(told: Lived) -> None:
    """What holds on the bench must hold in a crowd, over a link."""
    assert not told.breaches, told.breaches
    assert [run.how for run in told.runs] == ["swarm"] * 4
    assert len({run.seed for run in told.runs}) == 4, "each device is another unit"
    for run in told.runs:
        # How many words a unit is worth is the bench's to say, which has many more of them.
        mine = [check for check in judge(run) if check.name.split(".")[-1] in OF_THE_WAY_OUT]
        broken = [check for check in mine if not check.held]
        assert not broken, (run.scenario.name, broken)
        assert run.truth and run.told and all(t.delivered_s is not None for t in run.told)


def test_a_broker_that_is_away_delays_and_loses_nothing(told: Lived) -> None:
    """What is told meanwhile comes when the link is back, marked as late."""
    delays = [t.delivered_s - t.at_s for run in told.runs for t in run.told if t.delivered_s is not None]
    assert min(delays) < 2.0
    assert max(delays) > 60.0

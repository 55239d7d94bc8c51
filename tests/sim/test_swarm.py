"""These tests run many devices and the receiving end for hours, in seconds, and break what must not break."""

import pytest

from sickbay_sim.swarm import site as sites
from sickbay_sim.swarm.fate import Rates, SiteFate
from sickbay_sim.swarm.run import swarm
from sickbay_sim.swarm.site import Plan
from sickbay_sim.swarm.watch import INVARIANTS

HOUR_MS = 3_600_000
# A row every fifteen seconds: what is tried here is the way out, not the judging.
RATES = Rates(sensor=60, part=30, line=30, surroundings=20, link=60, lost_connections=300, kill=60, order=60, clock=20)
PLAN = Plan(devices=30, seed=7, hours=3.0, rates=RATES, warm_s=1500.0, period_s=15.0)


@pytest.fixture
def two_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is killed for a minute after an hour, and a fleet that is away for half an hour."""
    fate = SiteFate(broker_kills=((HOUR_MS, HOUR_MS + 60_000),), fleet_away=((3 * HOUR_MS // 2, 2 * HOUR_MS),))
    monkeypatch.setattr(sites.fates, "of_site", lambda seed, end_s, rates: fate)


def test_a_swarm_keeps_every_invariant_through_two_outages(two_outages: None) -> None:
    """Thirty devices, hours of faults, kills and bad links: nothing is lost, doubled or left open."""
    found = swarm(PLAN, processes=1)
    assert not found.breaches, found.breaches
    assert found.offered == found.delivered + found.waiting + found.shed and found.offered > 50
    assert set(found.looks) == set(INVARIANTS)
    assert all(found.looks.values()), "an invariant that was never looked at holds nothing"

"""What the soak runs try for hours must hold in short as well: nothing lost, nothing stuck, nothing that grows."""

import asyncio
import logging
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import deck
from shore import WALL_S, Shore, sailing, until
from soak import brokers, uplink


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Each of thousands of lost connections has its line, and nobody reads them here."""
    log = logging.getLogger("sickbay")
    before = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)


def test_no_connection_is_held_dead_for_long_and_nothing_is_lost() -> None:
    """Cut, slow, half-open, dripping and refusing lines: each ends within its bound, and what waited arrives."""
    figures = uplink.run_lives(150, 3)
    assert [f.what for f in figures if not f.good] == []
    assert figures[0].trials >= 150 and figures[2].trials > 0


def test_a_half_open_line_is_noticed_within_one_and_a_half_keepalives() -> None:
    """Behind a router that was restarted both ends believe in each other. 22 s is the keepalive."""
    shown = uplink.run_lives(60, 5)[1]
    assert float(shown.measured.removesuffix(" s")) <= 33.0


def test_a_week_offline_is_accounted_for_to_the_last_message() -> None:
    """Delivered, kept and shed are together what was offered, and what is critical is not shed."""
    assert [f.says() for f in uplink.run_offline(7.0, 1, 2000.0, 200_000) if not f.good] == []


def test_a_bad_line_leaves_nothing_behind() -> None:
    """Thirty days are soaked; two show a descriptor or a task for each connection."""
    assert [f.what for f in uplink.run_month(3, 1, lambda line: None) if not f.good] == []


def test_a_broker_that_is_killed_and_wiped_loses_nothing() -> None:
    """Its PUBACK said that it had the message; its disk is gone. The outbox still has what the fleet has not receipted."""
    figure = brokers.run_storms(6, 1, flap_s=0.3)
    assert (figure.failures, figure.trials > 6) == (0, True)


@pytest.mark.parametrize("outage_s", [60.0, 3600.0])
def test_after_an_outage_messages_are_there_within_five_minutes(outage_s: float) -> None:
    assert brokers.run_outages(15, 2, outage_s).good


def test_a_wall_clock_that_steps_by_a_year_to_and_fro_changes_nothing(tmp_path: Path) -> None:
    """Waits are by a clock that nobody can set, and the order is by boot and place: what came first has the lower number."""
    chance = random.Random(4)

    def wall() -> float:
        return WALL_S + 366 * 86_400.0 * chance.choice((-60, -1, 0, 1, 60))

    async def script() -> None:
        async with Shore() as shore, sailing(tmp_path, shore.url, 4, wall=wall) as ship:
            for n in range(60):
                await asyncio.sleep(chance.uniform(0.0, 600.0))
                ship.keeping.put([deck.told(n, "critical")])
            assert await until(lambda: ship.offered == shore.got.keys() and not ship.keeping.journal.outbox_rows, 60.0)
            assert len(set(shore.places)) == len(shore.got) == 60 == len(shore.places)
            assert shore.places == sorted(shore.places)
            assert len(await ship.keeping.ledger(-1e12)) >= 60

    deck.run(script)

"""This kills and wipes a real mosquitto between a real uplink and a real receiving end, and times the way from fault to ticket.

    PYTHONPATH=tests python -m soak.brokers [--count 100] [--messages 500] [--seed 1]

Each storm is: messages come, mosquitto is killed with SIGKILL, half of the time its disk is wiped, and it comes back. The time
from fault to ticket is from the commit in the device's journal to the commit in the fleet's store. After an outage it is from the
moment the network is back, in virtual time: the device's backoff decides it.
"""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deck as decks
from broker import BROKERS, Mosquitto
from deck import told
from dock import Dock, row, until
from shore import Shore, sailing
from shore import until as there
from soak.figures import Figure, report

FLAP_S = 2.0


async def _storms(
    folder: Path, count: int, seed: int, flap_s: float, tell: Callable[[str], None]
) -> tuple[int, int, int]:
    chance = random.Random(seed)
    broker = Mosquitto(persists=True) if Mosquitto in BROKERS else BROKERS[0]()
    with broker:
        async with Dock(folder, broker.url) as dock:
            dock.fleet_comes()
            n = 0
            for storm in range(count):
                for _ in range(chance.randrange(1, 8)):
                    await dock.tell([row(f"f{n}", severity=chance.choice(("critical", "major", "minor")))])
                    n += 1
                    await asyncio.sleep(chance.uniform(0.0, flap_s / 8))
                await asyncio.to_thread(broker.kill)
                if chance.random() < 0.5 and isinstance(broker, Mosquitto):
                    broker.wipe()
                await asyncio.sleep(chance.uniform(0.0, flap_s / 4))
                await asyncio.to_thread(broker.restart)
                await asyncio.sleep(chance.uniform(0.0, flap_s / 4))
                if storm % 50 == 49:
                    tell(f"  {storm + 1} kills, {len(dock.saw)} of {n} tickets so far")
            await until(lambda: len(dock.saw) == n and not dock.journal.outbox_rows, 120.0)
            return n, n - len(dock.tickets()), dock.journal.outbox_rows


def run_storms(count: int, seed: int, flap_s: float = FLAP_S, tell: Callable[[str], None] = print) -> Figure:
    """This returns how many messages were lost over so many kills of the broker."""
    command = f"python -m soak.brokers --count {count} --messages 0 --seed {seed}"
    with tempfile.TemporaryDirectory() as place:
        n, lost, _ = asyncio.run(_storms(Path(place), count, seed, flap_s, tell))
    what = (
        f"messages lost over {count} kill -9 of the broker, half of them with its disk wiped, about {flap_s:g} s apart"
    )
    return Figure(what, command, "0", n, lost, replay=command)


async def _delivery(folder: Path, messages: int, seed: int) -> tuple[list[float], float]:
    chance = random.Random(seed)
    with BROKERS[-1]() as broker:
        async with Dock(folder, broker.url) as dock:
            dock.fleet_comes()
            await until(lambda: dock.uplink.status()["sent"] >= 3)
            await asyncio.sleep(0.5)
            for n in range(messages):
                await dock.tell([row(f"f{n}", size=2000)])
                await asyncio.sleep(chance.uniform(0.005, 0.05))
            await until(lambda: len(dock.saw) == messages, 60.0)
            took = [dock.saw[f] - dock.told[f] for f in dock.told]
            # And what waited leaves at once: the broker is gone meanwhile.
            await asyncio.to_thread(broker.kill)
            await dock.tell([row(f"w{n}", size=2000) for n in range(messages)])
            await asyncio.to_thread(broker.restart)
            await until(lambda: dock.uplink.status()["state"] == "connected")
            began = asyncio.get_running_loop().time()
            await until(lambda: len(dock.saw) == 2 * messages, 60.0)
            return sorted(took), asyncio.get_running_loop().time() - began


def run_delivery(messages: int, seed: int) -> list[Figure]:
    """This returns how long a message takes from the device's journal to the fleet's."""
    command = f"python -m soak.brokers --count 0 --messages {messages} --seed {seed}"
    with tempfile.TemporaryDirectory() as place:
        took, drained_s = asyncio.run(_delivery(Path(place), messages, seed))
    kind = BROKERS[-1].__name__.lower()
    return [
        _figure(
            f"fault to ticket through {kind} on one machine, commit to commit, {messages} messages of 2.6 kB: p50, p95",
            command,
            "p95 <= 1 s",
            f"{_at(took, 0.5) * 1000:.0f} ms, {_at(took, 0.95) * 1000:.0f} ms",
            _at(took, 0.95) <= 1.0,
        ),
        _figure(
            f"{messages} messages that had waited, from the connection to the last ticket",
            command,
            "<= 30 s",
            f"{drained_s:.1f} s, {messages / drained_s:.0f} a second",
            drained_s <= 30.0,
        ),
    ]


async def _outages(folder: Path, count: int, seed: int, outage_s: float) -> list[float]:
    loop, took = asyncio.get_running_loop(), []
    shore = Shore()
    chance = random.Random(seed)
    async with sailing(folder, shore.url, seed) as ship:
        for n in range(count):
            await asyncio.sleep(chance.uniform(0.8, 1.2) * outage_s)
            effect = told(n, "critical")  # else it could wait for the flash's sake: so many commits are a busy day
            ship.keeping.put([effect])
            async with shore:
                began = loop.time()
                await there(lambda id_=effect.effect_id: id_ in shore.got, 3600.0, 0.1)
                took.append(loop.time() - began)
                await asyncio.sleep(60.0)
    return sorted(took)


def run_outages(count: int, seed: int, outage_s: float) -> Figure:
    """This returns how long it takes from the network's return to the ticket."""
    command = f"python -m soak.brokers --count 0 --messages 0 --outages {count} --seed {seed}"
    with tempfile.TemporaryDirectory() as place:
        took = decks.run(lambda: _outages(Path(place), count, seed, outage_s))
    return _figure(
        f"the network's return to the ticket, after {count} outages of about {outage_s / 60:g} min, virtual time: p50, p95",
        command,
        "p95 <= 300 s",
        f"{_at(took, 0.5):.0f} s, {_at(took, 0.95):.0f} s",
        _at(took, 0.95) <= 300.0,
    )


def _at(sorted_s: list[float], part: float) -> float:
    return sorted_s[min(len(sorted_s) - 1, int(part * len(sorted_s)))]


def _figure(what: str, command: str, aim: str, measured: str, good: bool) -> Figure:
    return Figure(what, command, aim, measured=measured, failures=0 if good else 1, replay="" if good else command)


def soak(seed: int, scale: float) -> list[Figure]:
    """This returns the figures of all three."""
    logging.getLogger("sickbay").setLevel(logging.CRITICAL)
    figures = [run_storms(max(5, round(100 * scale)), seed), *run_delivery(max(50, round(500 * scale)), seed)]
    return figures + [run_outages(max(20, round(200 * scale)), seed, s) for s in (60.0, 3600.0)]


def main(argv: list[str] | None = None) -> int:
    logging.getLogger("sickbay").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=100, help="kills of the broker")
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--outages", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options: Any = parser.parse_args(argv)
    figures = [run_storms(options.count, options.seed)] if options.count else []
    figures += run_delivery(options.messages, options.seed) if options.messages else []
    figures += [run_outages(options.outages, options.seed, s) for s in (60.0, 3600.0)] if options.outages else []
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())

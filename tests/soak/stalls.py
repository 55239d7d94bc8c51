"""This stops the real daemon with SIGSTOP, floods it, and looks whether it comes back as it was, and says no more than it should.

PYTHONPATH=tests python -m soak.stalls [--stops 3] [--stop-s 10] [--long-s 60] [--flood-s 20] [--seed 1]
"""

import argparse
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scene import Line, Unit, configuration, until
from soak.figures import Figure, report

WATCHDOG_S = 2.0


class Systemd:
    """The other end of sd_notify."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)
        self.env = {"NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": str(round(WATCHDOG_S * 1e6))}

    def fed(self) -> int:
        """This returns how often the watchdog was fed since the last look."""
        count = 0
        while True:
            try:
                count += b"WATCHDOG=1" in self._socket.recv(4096)
            except BlockingIOError:
                return count

    def close(self) -> None:
        self._socket.close()


def stops(
    count: int, stop_s: float, seed: int, tell: Callable[[str], None] = print, least_s: float = WATCHDOG_S
) -> Figure:
    """This returns how many of `count` stops left something behind: a fault, a lost order, a watchdog fed or starved wrongly."""
    command = f"python -m soak.stalls --stops {count} --stop-s {stop_s:g} --flood-s 0 --seed {seed}"
    figure = Figure(f"the daemon stopped for up to {stop_s:g} s: not as before, or a wrong fault", command, "0")
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        systemd = Systemd(folder)
        with Line(folder), Unit(folder, configuration(folder), env=systemd.env) as unit:
            unit.learnt()
            assert unit.process is not None
            for n in range(count):
                name, verb = chance.choice(("a", "b")), "quarantine"
                unit.ask(verb, name=name, reason="before the stop")
                before = len(unit.events())
                systemd.fed()
                os.kill(unit.process.pid, signal.SIGSTOP)
                time.sleep(0.05)  # what it sent just before may still arrive
                systemd.fed()
                time.sleep(chance.uniform(least_s, max(stop_s, least_s)))
                fed = systemd.fed()
                os.kill(unit.process.pid, signal.SIGCONT)
                unit.reads(50)
                until("the watchdog's food", systemd.fed, unit.must_live)
                wrong = [f"fed {fed} times while it stood"] if fed else []
                wrong += [
                    f"{e['kind']} {e['name']}" for e in unit.events()[before:] if e["kind"] in ("fault", "source_lost")
                ]
                if unit.status()["signals"][name]["state"] not in ("isolated", "locked_out"):
                    wrong.append(f"{name} is back in service")
                unit.ask("release", name=name, reason="after the stop")
                figure.trials += 1
                if wrong:
                    figure.failures += 1
                    figure.replay = figure.replay or f"{command}  # stop {n}: {'; '.join(wrong)}"
        systemd.close()
    tell(f"  {figure.trials} stops, {figure.failures} left something behind")
    return figure


def long_stop(stop_s: float, seed: int, tell: Callable[[str], None] = print) -> Figure:
    """This returns what a single stop that is far longer than any silence, hang or watchdog leaves behind."""
    figure = stops(1, stop_s, seed, tell, least_s=stop_s)
    figure.what = f"one stop of {stop_s:g} s on end: not as before, or a wrong fault"
    figure.command = f"python -m soak.stalls --stops 0 --long-s {stop_s:g} --flood-s 0 --seed {seed}"
    return figure


def flood(seconds: float, seed: int, tell: Callable[[str], None] = print) -> Figure:
    """This returns what a line that carries nothing but garbage, and values that jump, write in lines and bytes."""
    command = f"python -m soak.stalls --stops 0 --flood-s {seconds:g} --seed {seed}"
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with Line(folder) as line, Unit(folder, configuration(folder)) as unit:
            unit.learnt()
            plain = line.say
            end = time.monotonic() + seconds
            line.say = lambda row: (
                chance.randbytes(2000) + b"\n"
                if chance.random() < 0.5
                else plain({k: v * chance.choice((1, 90)) for k, v in row.items()})
            )
            while time.monotonic() < end:
                time.sleep(0.2)
                unit.must_live()
            log, events = len(unit.log()), (unit.state / "events.jsonl").stat().st_size
            status = unit.status()
    written = status["journal"]["day_bytes"]
    says = f"log {log / 1000:.0f} kB, events {events / 1000:.0f} kB, disk {written / 1e6:.2f} MB"
    tell(f"  {seconds:g} s of garbage: {says}")
    good = log < 300_000 and events < 3_000_000 and written < 25_000_000
    figure = Figure(
        f"{seconds:g} s of garbage and jumping values at 100 lines/s", command, "log <= 300 kB", measured=says
    )
    figure.failures, figure.replay = (0, "") if good else (1, command)
    return figure


def soak(seed: int, scale: float) -> list[Figure]:
    return [stops(max(2, round(10 * scale)), 12.0, seed), long_stop(60.0, seed), flood(max(5.0, 60.0 * scale), seed)]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stops", "--count", type=int, default=3)
    parser.add_argument("--stop-s", type=float, default=10.0)
    parser.add_argument("--long-s", type=float, default=0.0)
    parser.add_argument("--flood-s", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    options: Any = parser.parse_args(argv)
    figures = [stops(options.stops, options.stop_s, options.seed)] if options.stops else []
    if options.long_s:
        figures.append(long_stop(options.long_s, options.seed))
    if options.flood_s:
        figures.append(flood(options.flood_s, options.seed))
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())

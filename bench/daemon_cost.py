"""This measures the whole daemon on a pty: CPU a reading, and memory with broker, model worker and all, beside a bare reader."""

import os
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Callable
from pathlib import Path

from plants import FIELDS, daemon_toml, ended, lines
from sickbay_fleet.embedded_broker import EmbeddedBroker

RATE_HZ, SECONDS, WARM_LINES, FLAT_LINES = 100, 12, 600, 20_000

# The least that a program can do with the same lines: read, decode, keep the latest.
BARE = """
import json, sys, os
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
rest, latest = b"", {}
while True:
    rest += os.read(fd, 65536)
    *whole, rest = rest.split(b"\\n")
    for line in whole:
        latest.update(json.loads(line))
"""


def measure() -> list[tuple[str, str, str, str]]:
    with tempfile.TemporaryDirectory() as name, EmbeddedBroker() as broker:
        folder = Path(name)
        master, slave = os.openpty()
        tty.setraw(slave)
        port = os.ttyname(slave)
        config = daemon_toml(folder, port, every_s=1 / RATE_HZ, mqtt=broker.url, model="generic")
        (paced_us, flat_us, rss), worker = whole(config, folder, master)
        bare_paced_us, bare_flat_us, bare_rss = bare(master, port)
        os.close(master)
        os.close(slave)
    paced, flat = paced_us / bare_paced_us, flat_us / bare_flat_us
    beside_flat = f"a bare JSON reader: {bare_flat_us:.1f}; ratio {flat:.1f}"
    beside_paced = f"the reader: {bare_paced_us:.1f}; ratio {paced:.1f}"
    return [
        ("daemon: us a reading, lines flat out", f"{flat_us:.1f}", beside_flat, "<= 15"),
        (f"daemon: us a reading, {RATE_HZ} lines/s, wake-ups and all", f"{paced_us:.1f}", beside_paced, ""),
        ("daemon: RSS, MiB, with MQTT connected", f"{rss:.1f}", f"a bare JSON reader: {bare_rss:.1f}", "<= 32"),
        ("model worker: RSS, MiB", f"{worker:.1f}", "", "<= 40"),
    ]


def whole(config: Path, folder: Path, master: int) -> tuple[tuple[float, float, float], float]:
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "sickbay.cli.main", "run", "--config", str(config)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while not (folder / "sickbay.sock").exists():
            time.sleep(0.05)
        time.sleep(6.0)  # the broker's connection and the worker's runtime come behind READY
        return fed(process.pid, master), rss_mib(child_of(process.pid))
    finally:
        ended(process)


def bare(master: int, port: str) -> tuple[float, float, float]:
    process = subprocess.Popen([sys.executable, "-c", BARE, port])
    try:
        time.sleep(0.5)
        return fed(process.pid, master)
    finally:
        ended(process)


def fed(pid: int, master: int) -> tuple[float, float, float]:
    """This feeds lines at a steady rate, then as fast as they are taken; returns us of CPU a reading of each, and RSS in MiB."""
    text = lines(WARM_LINES + RATE_HZ * SECONDS)
    play(master, text[:WARM_LINES])
    paced = spent(pid, lambda: play(master, text[WARM_LINES:]), RATE_HZ * SECONDS)
    flat = spent(pid, lambda: flood(master, text), FLAT_LINES)
    return paced, flat, rss_mib(pid)


def spent(pid: int, what: Callable[[], None], count: int) -> float:
    before = cpu_s(pid)
    what()
    return (cpu_s(pid) - before) / (count * len(FIELDS)) * 1e6


def play(master: int, text: list[bytes]) -> None:
    began = time.monotonic()
    for k, line in enumerate(text):
        time.sleep(max(0.0, began + k / RATE_HZ - time.monotonic()))
        os.write(master, line)
    time.sleep(0.2)


def flood(master: int, text: list[bytes]) -> None:
    for k in range(FLAT_LINES):
        os.write(master, text[k % len(text)])  # a full line buffer makes it wait
    time.sleep(0.5)


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int | None) -> float:
    if pid is None:
        return 0.0
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def child_of(pid: int) -> int | None:
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += map(int, (task / "children").read_text().split())
    return children[0] if children else None

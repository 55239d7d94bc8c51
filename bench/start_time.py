"""This measures how long the daemon takes from its exec to READY=1, beside the bare interpreter."""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from plants import daemon_toml, ended

RUNS = 7


def measure() -> list[tuple[str, str, str, str]]:
    ready = statistics.median(to_ready() for _ in range(RUNS))
    bare = statistics.median(interpreter() for _ in range(RUNS))
    return [("exec to READY=1, s", f"{ready:.2f}", f"python -c pass: {bare:.3f}; ratio {ready / bare:.0f}", "<= 0.5")]


def to_ready() -> float:
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hears:
        folder = Path(name)
        hears.bind(str(folder / "notify"))
        hears.settimeout(20)
        config = daemon_toml(folder, "/dev/does-not-exist")
        env = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify")}
        began = time.monotonic()
        with (folder / "log").open("wb") as log:
            command = [sys.executable, "-m", "sickbay.cli.main", "run", "--config", str(config)]
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            while b"READY=1" not in hears.recv(4096):
                pass
            return time.monotonic() - began
        finally:
            ended(process)


def interpreter() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.monotonic() - began

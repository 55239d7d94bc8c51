"""These are the configuration and the lines that several measurements share."""

import json
import random
import subprocess
from pathlib import Path

FIELDS = ["flow", "pressure", "current", "vibration", "inlet_temp", "outlet_temp", "outlet_temp_b", "fan_rpm"]
PARTS = {"pump": FIELDS[:4], "fan": FIELDS[4:]}


def daemon_toml(folder: Path, port: str, *, every_s: float = 1.0, mqtt: str = "", model: str = "") -> Path:
    """This writes a configuration of 8 signals in two parts and returns its path."""
    out = ["[device]", 'id = "bench"', "[paths]", f'state = "{folder}/state"', f'socket = "{folder}/sickbay.sock"']
    if mqtt:
        out += ["[mqtt]", f'url = "{mqtt}"']
    out += ["[sources.rig]", 'driver = "serial_line"', f'port = "{port}"', 'format = "json"']
    for name in FIELDS:
        out += [f"[signals.{name}]", f'from = "rig.{name}"', f"every_s = {every_s:g}", "range = [-1000, 100000]"]
    for part, names in PARTS.items():
        out += [f"[parts.{part}]", f"signals = {json.dumps(names)}"]
        if model:
            out += [f'model = "{model}"']
    path = folder / "sickbay.toml"
    path.write_text("\n".join(out) + "\n", encoding="utf-8")
    return path


def lines(count: int, seed: int = 1) -> list[bytes]:
    """This returns JSON lines of quiet running."""
    rng = random.Random(seed)
    level = [16.0, 62.0, 2.1, 0.11, 42.0, 38.0, 38.0, 1800.0]
    return [
        json.dumps({n: round(v * (1 + rng.gauss(0, 0.01)), 4) for n, v in zip(FIELDS, level, strict=True)}).encode()
        + b"\n"
        for _ in range(count)
    ]


def ended(process: subprocess.Popen[bytes]) -> None:
    """This ends a process and waits for it."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""This plays recordings of a real pump rig through the whole of sickbay, and says what was escalated, and when.

    python bench/recorded_rig.py DATA [FILE ...] [--speed 20]

DATA is a folder in the layout of SKAB (Katser & Kozitsin 2020): anomaly-free.csv, valve1/6.csv and so on. The fault-free
recording is learnt by `sickbay learn`; each FILE (default: valve1/6.csv) is then played as CSV lines over a pty into
`sickbay run`, with mosquitto (or the embedded broker) and `sickbay-fleet serve` on the other side. Exit 0 when each fault was
escalated once, inside its labelled window, and nothing before it.
"""

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from plants import ended
from sickbay_fleet.embedded_broker import EmbeddedBroker, free_port, listens

SIGNALS = {
    "vibration_1": ("Accelerometer1RMS", "g"),
    "vibration_2": ("Accelerometer2RMS", "g"),
    "current": ("Current", "A"),
    "pressure": ("Pressure", "bar"),
    "motor_temp": ("Temperature", "degC"),
    "fluid_temp": ("Thermocouple", "degC"),
    "voltage": ("Voltage", "V"),
    "flow": ("Volume Flow RateRMS", "L/min"),
}
SETTLE_S = 4.0  # after the last line: messages on their way may arrive


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("files", nargs="*", default=["valve1/6.csv"])
    parser.add_argument("--speed", type=float, default=20.0, help="times real time (default 20)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, help="a folder for logs, configuration and state of each run")
    options = parser.parse_args()
    # Who ends this ends daemon, broker and fleet with it: that daemon would go on trying its pty, whoever has it by then.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    results = []
    for name in options.files:
        results.append(play(options.data, name, options.speed, options.keep))
        if not options.json:
            show(results[-1])
    if options.json:
        print(json.dumps(results, indent=1))
    elif len(results) > 1:
        print(f"{sum(r['held'] for r in results)} of {len(results)} held")
    return 0 if all(r["held"] for r in results) else 1


def play(data: Path, name: str, speed: float, keep: Path | None) -> dict[str, Any]:
    """This runs one recording through everything and returns what came of it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sickbay-rig-")))
        if keep is not None:
            stack.callback(lambda: shutil.copytree(folder, keep / name.replace("/", "-"), dirs_exist_ok=True))
        broker = stack.enter_context(a_broker(folder))
        master, slave = os.openpty()
        tty.setraw(slave)
        stack.callback(os.close, master)
        config = folder / "sickbay.toml"
        config.write_text(device_toml(folder, os.ttyname(slave), broker, 1.0 / speed), encoding="utf-8")
        fleet = folder / "fleet.toml"
        fleet.write_text(f'[mqtt]\nurl = "{broker}"\n[store]\nurl = "sqlite:///{folder}/fleet.db"\n', encoding="utf-8")
        learn = [sys.executable, "-m", "sickbay.cli.main", "learn", "--config", str(config), "--json"]
        learnt = run([*learn, "--from", str(data / "anomaly-free.csv"), "--out", str(folder / "rig.tflite")])
        stack.enter_context(a_process(folder, "fleet", "sickbay_fleet.main", "serve", "--config", str(fleet)))
        stack.enter_context(a_process(folder, "daemon", "sickbay.cli.main", "run", "--config", str(config)))
        wait_for(folder / "sickbay.sock")
        time.sleep(2.0)  # the line is open, the model loaded, the broker connected
        header, rows = read(data / name)
        sent = feed(master, header, rows, speed)
        time.sleep(SETTLE_S)
        tickets = json.loads(
            run([sys.executable, "-m", "sickbay_fleet.main", "tickets", "--config", str(fleet), "--json"])
        )
        return judged(name, rows, sent, tickets, speed, json.loads(learnt))


def device_toml(folder: Path, port: str, broker: str, every_s: float) -> str:
    out = ["[device]", 'id = "rig-1"', 'model = "pump-rig"', "[paths]", f'state = "{folder}/state"']
    out += [
        f'socket = "{folder}/sickbay.sock"',
        "[mqtt]",
        f'url = "{broker}"',
        "[sources.rig]",
        'driver = "serial_line"',
    ]
    out += [f'port = "{port}"', 'format = "csv"', 'delimiter = ";"']
    for name, (column, unit) in SIGNALS.items():
        out += [f"[signals.{name}]", f'from = "rig.{column}"', f'unit = "{unit}"', f"every_s = {every_s:g}"]
    out += [
        "[parts.rig]",
        f"signals = {json.dumps(list(SIGNALS))}",
        "essential = true",
        f'model = "{folder}/rig.tflite"',
    ]
    return "\n".join(out) + "\n"


def read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(newline="") as file:
        reader = csv.DictReader(file, delimiter=";")
        rows = list(reader)
        columns = [c for c in reader.fieldnames or [] if c not in ("anomaly", "changepoint")]
    return columns, rows


def feed(master: int, header: list[str], rows: list[dict[str, str]], speed: float) -> list[float]:
    """This writes the rows at their pace and returns the wall time of each."""
    os.write(master, (";".join(header) + "\n").encode())
    sent: list[float] = []
    began = time.monotonic()
    for k, row in enumerate(rows):
        time.sleep(max(0.0, began + k / speed - time.monotonic()))
        os.write(master, (";".join(row[c] for c in header) + "\n").encode())
        sent.append(time.time())
    return sent


def judged(
    name: str,
    rows: list[dict[str, str]],
    sent: list[float],
    tickets: list[dict[str, Any]],
    speed: float,
    learnt: dict[str, Any],
) -> dict[str, Any]:
    """This holds the tickets against the labels."""
    labelled = [k for k, row in enumerate(rows) if float(row.get("anomaly") or 0) > 0]
    first, last = (labelled[0], labelled[-1]) if labelled else (len(rows), len(rows))
    opened = sorted(row_at(sent, datetime.fromisoformat(t["opened"]).timestamp()) for t in tickets)
    before = [row for row in opened if row < first]
    inside = [row for row in opened if first <= row <= last]
    return {
        "file": name,
        "rows": len(rows),
        "speed": speed,
        "learnt_rows": next(iter(learnt["parts"].values()))["rows"],
        "fault_rows": [first, last] if labelled else None,
        "opened_rows": opened,
        "delay_rows": inside[0] - first if inside else None,
        "tickets": tickets,
        "held": not before and len(opened) == (1 if labelled else 0) and len(inside) == len(opened),
    }


def row_at(sent: list[float], wall: float) -> int:
    return sum(at <= wall for at in sent) - 1


@contextmanager
def a_broker(folder: Path) -> Iterator[str]:
    """This yields the url of mosquitto where it is installed, else of the embedded broker."""
    mosquitto = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if mosquitto is None:
        with EmbeddedBroker() as broker:
            yield broker.url
        return
    port = free_port()
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n", encoding="ascii")
    with (folder / "mosquitto.log").open("wb") as log:
        process = subprocess.Popen([mosquitto, "-c", str(folder / "mosquitto.conf")], stdout=log, stderr=log)
    try:
        while not listens(port):
            time.sleep(0.02)
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        ended(process)


@contextmanager
def a_process(folder: Path, name: str, module: str, *args: str) -> Iterator[None]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", module, *args], stdout=log, stderr=log, cwd=folder)
    try:
        yield
    finally:
        ended(process)


def run(command: list[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def wait_for(path: Path) -> None:
    until = time.monotonic() + 20
    while not path.exists():
        if time.monotonic() > until:
            raise SystemExit(f"{path} did not appear")
        time.sleep(0.05)


def show(r: dict[str, Any]) -> None:
    span = f"fault in rows {r['fault_rows'][0]}-{r['fault_rows'][1]}" if r["fault_rows"] else "no fault"
    print(
        f"{r['file']}: {r['rows']} rows at {r['speed']:g} times real time, learnt from {r['learnt_rows']} rows; {span}"
    )
    for row, t in zip(r["opened_rows"], r["tickets"], strict=False):
        whose = f"whose: {t['layer']}, {t['messages']} message{'s' * (t['messages'] != 1)}"
        print(f"  row {row}: {t['id']} {t['severity']} {t['target']} {t['class']} {whose}")
    delay = f", {r['delay_rows']} rows after it began" if r["delay_rows"] is not None else ""
    verdict = "held: told once, inside its window, nothing before" if r["held"] else "did not hold"
    print(f"  {verdict}{delay}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""A device for tests: the real daemon in a process of its own, a machine on real ptys, and the wires between them."""

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from sickbay.edge.console import ask
from sickbay.errors import ConsoleError
from sickbay_sim.rig import Rig
from sickbay_sim.wires.line import SerialPort

PATIENCE_S = 25.0  # how long anything may take on a machine that six others use; nothing waits so long when all is well
PERIOD_S = 0.01
T = TypeVar("T")


def until(what: str, answer: Callable[[], T | None], alive: Callable[[], object] = lambda: None) -> T:
    """This returns the first answer that says something; a thing that does not come fails with its name."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = answer()
        if found:
            return found
        alive()
        assert time.monotonic() < end, f"{what} did not come within {PATIENCE_S:g} s"
        time.sleep(0.01)


class Line:
    """A machine of two signals, a and b, on a pty: a line every 10 ms, from a thread, until it is closed."""

    def __init__(self, folder: Path, names: tuple[str, ...] = ("a", "b"), plugged: bool = True) -> None:
        self.port = SerialPort(folder / "tty", names)
        self.names = names
        self.say: Callable[[dict[str, float]], bytes] = plain  # what becomes of a row on the wire
        self.rows = 0
        self._chance = random.Random(7)
        self._over = False
        self._wires = threading.Lock()
        if plugged:
            self.port.plug()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def plug(self) -> None:
        with self._wires:
            self.port.plug()

    def unplug(self) -> None:
        with self._wires:
            self.port.unplug()

    def close(self) -> None:
        self._over = True
        self._thread.join()
        self.port.unplug()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._over:
            row = {name: round(10.0 * i + self._chance.gauss(0, 0.1), 4) for i, name in enumerate(self.names, 1)}
            with self._wires:
                self.port.send_raw(self.say(row))
            self.rows += 1
            time.sleep(PERIOD_S)


def plain(row: dict[str, float]) -> bytes:
    """This returns a row as the machine says it when all is well."""
    return json.dumps(row).encode() + b"\n"


def configuration(folder: Path, more: str = "", names: tuple[str, ...] = ("a", "b"), part: str = "") -> str:
    """This returns the configuration of a device that reads a Line; `part` goes into its one part."""
    out = f'[device]\nid = "unit-1"\n[paths]\nstate = "{folder}/state"\nsocket = "{folder}/s.sock"\n'
    out += f'[sources.rig]\ndriver = "serial_line"\nport = "{folder}/tty"\nformat = "json"\n'
    for name in names:
        out += f'[signals.{name}]\nfrom = "rig.{name}"\nevery_s = {PERIOD_S}\nrange = [0, 100]\n'
    listed = ", ".join(f'"{name}"' for name in names)
    return out + f'[parts.box]\nsignals = [{listed}]\nisolate = "active"\n{part}\n{POLICY}\n{more}\n'


POLICY = "[policy]\nlearn_rows = 60\ncorroborate_rows = 10\ncooldown_s = 0.2\nprobation_s = 0.5\ntrial_s = 5\n"


class Unit:
    """One device's daemon. `with` ends it, whatever became of it."""

    def __init__(self, folder: Path, text: str, env: Mapping[str, str] | None = None, **popen: Any) -> None:
        self.folder = folder
        self.config = folder / "sickbay.toml"
        self.config.write_text(text, encoding="utf-8")
        self.socket, self.state = folder / "s.sock", folder / "state"
        self._env, self._popen = {**os.environ, **(env or {})}, popen
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def start(self) -> None:
        """This starts the daemon and returns when it answers."""
        self.launch()
        until("the daemon's first answer", lambda: self.status_or_none(), self.must_live)

    def launch(self) -> None:
        """This starts the daemon and does not wait for it."""
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "sickbay.cli.main", "run", "--config", str(self.config)]
            self.process = subprocess.Popen(
                command, **{"stdout": log, "stderr": log, "env": self._env, "cwd": self.folder, **self._popen}
            )

    def stop(self) -> int:
        """This ends the daemon as systemd does, and returns its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """This ends the daemon as a power cut would, but for the disk."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def must_live(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, f"the daemon ended with {self.process.returncode}:\n{self.log()[-3000:]}"

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def says(self, words: str, times: int = 1) -> str:
        """This waits for words in the log, and returns all of it."""
        return until(f"{words!r} in the log", lambda: self.log() if self.log().count(words) >= times else None)

    def events(self) -> list[dict[str, Any]]:
        """This returns the whole lines of events.jsonl."""
        path = self.state / "events.jsonl"
        content = path.read_bytes() if path.exists() else b""
        return [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]

    def event(self, kind: str, name: str, after: int = 0, **detail: object) -> dict[str, Any]:
        """This waits for an event of a kind and name, later than the first `after` events."""

        def found() -> dict[str, Any] | None:
            fits = (e for e in self.events()[after:] if e["kind"] == kind and e["name"] == name)
            return next((e for e in fits if all(e.get(k) == v for k, v in detail.items())), None)

        return until(f"event {kind} {name} {detail or ''}", found, self.must_live)

    def ask(self, verb: str, **args: object) -> Any:
        return ask(self.socket, verb, **args)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("status")
        return found

    def status_or_none(self) -> dict[str, Any] | None:
        try:
            return self.status()
        except ConsoleError:
            return None

    def until_status(self, what: str, fits: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """This waits until the status is as wanted, and returns it."""

        def look() -> dict[str, Any] | None:
            found = self.status()
            return found if fits(found) else None

        return until(what, look, self.must_live)

    def until_fault(self, class_: str) -> dict[str, Any]:
        """This returns the first fault of a class, once there is one."""
        found = self.until_status(f"a {class_} fault", lambda s: [f for f in s["faults"] if f["class"] == class_])
        return next(f for f in found["faults"] if f["class"] == class_)

    def learnt(self) -> dict[str, Any]:
        """This waits until every part is judged."""
        return self.until_status("the end of learning", lambda s: not any(p["learning"] for p in s["parts"].values()))

    def reads(self, taken: int = 5) -> None:
        """This waits until that many more readings came."""
        before = self.status()["inputs"]["taken"]
        self.until_status("readings", lambda s: s["inputs"]["taken"] >= before + taken)

    def cli(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """This runs a verb as a person would, in a process of its own."""
        return sickbay(*words, "--config", str(self.config), stdin=stdin)


def sickbay(*words: str, stdin: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
    """This runs the sickbay command."""
    command = [sys.executable, "-m", "sickbay.cli.main", *words]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PATIENCE_S, check=False, **more)


class LiveRig:
    """The simulated machine in a thread with a loop of its own, so that a test need not be a coroutine."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self.rig = Rig(folder, **options)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.rig.start(), self._loop).result(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.rig.stop(), self._loop).result(PATIENCE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def do(self, work: Callable[[Rig], T]) -> T:
        """This does something with the rig, in its own thread."""

        async def there() -> T:
            return work(self.rig)

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(PATIENCE_S)

    @property
    def env(self) -> dict[str, str]:
        """What a daemon needs in its environment to find the pins."""
        return {"GPIOZERO_PIN_FACTORY": "mock", "SICKBAY_PINS_DOOR": str(self.rig.door.path)}

    def output(self, pin: int) -> int | None:
        """This returns what the daemon drives a pin to, as seen from outside of it."""
        return self.rig.door.outputs.get(pin)

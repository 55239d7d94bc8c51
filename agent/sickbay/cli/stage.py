"""This is the stage of the demo: a real broker, a real fleet end, the real daemon, and a simulated machine on a pty."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CONFIG = """
[device]
id = "loop-1"
model = "cooling-loop"

[paths]
state = "{folder}/state"
socket = "{folder}/sickbay.sock"

[mqtt]
url = "{url}"

[policy]
learn_rows = 80         # 4 s at 20 rows a second; on a real machine 400 rows or more
corroborate_rows = 60   # the machine runs 120 times as fast as a real one, so all waits are as much shorter
cooldown_s = 0.5
probation_s = 2.0
trial_s = 20.0

"""
FLEET = """
[mqtt]
url = "{url}"

[store]
url = "sqlite:///{folder}/fleet.db"
"""
EXPECT_S = 12.0  # how long any one thing may take before the story counts as broken


class StageError(RuntimeError):
    """This is something that should have happened in the demo and did not."""


class Stage:
    """Everything that the demo runs, each in its own process but for the machine. Ends all of it, whatever happens."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sickbay-demo-")
        self.folder = Path(self._folder.name)
        self.events: list[dict[str, Any]] = []
        self._read_to = 0
        self._processes: list[subprocess.Popen[bytes]] = []
        self.began = time.monotonic()

    async def __aenter__(self) -> Self:
        # The one place where the agent's package knows the simulator and the fleet: here they are the audience's stage.
        from sickbay_fleet.embedded_broker import EmbeddedBroker
        from sickbay_sim.main import configuration
        from sickbay_sim.rig import Rig

        self._broker = EmbeddedBroker()
        self._broker.start()
        self.rig = Rig(self.folder, seed=7, period_s=0.05, speed=120.0)
        await self.rig.start()
        self.config, self.fleet = self.folder / "sickbay.toml", self.folder / "fleet.toml"
        names = {"url": self._broker.url, "folder": self.folder}
        self.config.write_text(CONFIG.format(**names) + configuration(self.rig), encoding="utf-8")
        self.fleet.write_text(FLEET.format(**names), encoding="utf-8")
        self._spawn("fleet", "sickbay_fleet.main", "serve", "--config", str(self.fleet))
        pins = {"GPIOZERO_PIN_FACTORY": "mock", "SICKBAY_PINS_DOOR": str(self.rig.door.path)}
        self._spawn("daemon", "sickbay.cli.main", "run", "--config", str(self.config), env=pins)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        await self.rig.stop()
        self._broker.stop()
        self._folder.cleanup()

    def _spawn(self, name: str, module: str, *args: str, env: dict[str, str] | None = None) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-m", module, *args]
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **(env or {})}, cwd=self.folder
            )
        self._processes.append(process)

    def at_s(self) -> float:
        """This returns seconds since the curtain rose."""
        return time.monotonic() - self.began

    async def event(self, what: str, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """This returns the first line of the daemon's own events.jsonl that fits; raises StageError when none comes."""
        until = time.monotonic() + EXPECT_S
        seen = 0
        while True:
            self._read_events()
            for found in self.events[seen:]:
                if is_it(found):
                    return found
            seen = len(self.events)
            self._alive(what)
            if time.monotonic() > until:
                raise StageError(f"{what} did not happen within {EXPECT_S:g} s")
            await asyncio.sleep(0.05)

    async def until(self, what: str, answer: Callable[[], Any]) -> Any:
        """This returns the first answer that is not None; raises StageError when it takes too long."""
        until = time.monotonic() + EXPECT_S
        while True:
            found = await asyncio.to_thread(answer)
            if found is not None:
                return found
            self._alive(what)
            if time.monotonic() > until:
                raise StageError(f"{what} did not happen within {EXPECT_S:g} s")
            await asyncio.sleep(0.1)

    def _read_events(self) -> None:
        path = self.folder / "state" / "events.jsonl"
        if not path.exists():
            return
        data = path.read_bytes()
        end = data.rfind(b"\n") + 1
        self.events += [json.loads(line) for line in data[self._read_to : end].splitlines()]
        self._read_to = end

    def _alive(self, what: str) -> None:
        for process, name in zip(self._processes, ("fleet", "daemon"), strict=True):
            if process.poll() is not None:
                log = (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]
                raise StageError(f"waiting for {what}: the {name} has ended with {process.returncode}:\n{log}")

    def ask(self, verb: str, **args: object) -> Any:
        """This asks the running daemon, as any person at the device would."""
        from sickbay.edge.console import ask

        return ask(self.folder / "sickbay.sock", verb, **args)

    def tickets(self) -> list[dict[str, Any]]:
        """This returns what the fleet holds, by its own command."""
        command = [sys.executable, "-m", "sickbay_fleet.main", "tickets", "--config", str(self.fleet), "--json"]
        done = subprocess.run(command, capture_output=True, cwd=self.folder, check=False)
        found: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 and done.stdout else []
        return found

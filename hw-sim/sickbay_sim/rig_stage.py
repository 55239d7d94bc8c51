"""These are the processes of a rig: a real broker behind a door, the real fleet's end, and the unmodified daemon."""

import asyncio
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sickbay.edge.console import ask
from sickbay.errors import SickbayError
from sickbay_fleet.embedded_broker import EmbeddedBroker, free_port, listens
from sickbay_sim.wires.broker_door import BrokerDoor

START_S = 25.0  # how long a process may take to answer on a busy machine; nothing waits so long when all is well
END_S = 10.0
_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin"


class StageError(RuntimeError):
    """This is a process of the rig that did not come up, or ended by itself."""


class Mosquitto:
    """The broker of production, on a free port of 127.0.0.1."""

    def __init__(self, program: str) -> None:
        self.port = free_port()
        self._program = program
        self._folder = tempfile.TemporaryDirectory(prefix="sickbay-mosquitto-")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        conf = Path(self._folder.name) / "conf"
        # It drops root's rights by itself, and then may not read its own file.
        user = "user root\n" if os.geteuid() == 0 else ""
        conf.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n{user}", encoding="ascii"
        )
        self._process = subprocess.Popen(
            [self._program, "-c", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + START_S
        while not listens(self.port):
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise StageError(f"mosquitto did not come up on 127.0.0.1:{self.port}; the rig ended")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._folder.cleanup()


def broker() -> Mosquitto | EmbeddedBroker:
    """This returns the broker of production where it is installed, else the one in a wheel."""
    program = shutil.which("mosquitto", path=_PLACES)
    return Mosquitto(program) if program else EmbeddedBroker()


class Unit:
    """The daemon, as a process that can be killed, started again, and kept from writing."""

    def __init__(self, folder: Path, config: str, env: dict[str, str]) -> None:
        self.folder = folder
        self.config, self.socket, self.state = folder / "sickbay.toml", folder / "s.sock", folder / "state"
        self.config.write_text(config, encoding="utf-8")
        self._env = {**os.environ, **env}
        self._process: subprocess.Popen[bytes] | None = None
        self._read_to = 0
        self._cpu_s = 0.0  # of processes that have ended
        self.killed = False

    def launch(self) -> None:
        """This starts the daemon and does not wait for it."""
        self._process = _spawn(self.folder, "daemon", "sickbay.cli.main", "run", str(self.config), env=self._env)
        self.killed = False

    async def answers(self) -> dict[str, Any]:
        """This waits for the daemon's first status, and returns it."""
        until = time.monotonic() + START_S
        while True:
            status = await self.status()
            if status is not None:
                return status
            self.must_live()
            if time.monotonic() > until:
                raise StageError(f"the daemon did not answer within {START_S:g} s:\n{_tail(self.folder, 'daemon')}")
            await asyncio.sleep(0.02)

    async def status(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = await self.ask("status")
        return found

    async def ask(self, verb: str, **args: object) -> Any:
        """This asks as any person at the device; None where there is no answer, or a refusal."""
        with contextlib.suppress(SickbayError):
            return await asyncio.to_thread(ask, self.socket, verb, **args)
        return None

    def kill(self) -> None:
        """This ends the daemon as a power cut would, but for the disk."""
        if self._process is not None and self._process.poll() is None:
            self._count_cpu()
            self._process.kill()
            self._process.wait()
        self.killed = True

    def stop(self) -> None:
        """This ends the daemon as systemd does."""
        if self._process is not None and self._process.poll() is None:
            self._count_cpu()
            _end(self._process)
        self._process = None

    def fill_disk(self, full: bool) -> None:
        """This lets no file grow any more, or lets them again: RLIMIT_FSIZE of the running process.

        A full tmpfs is no such disk: the daemon's own ballast is freed there, and for a while all is well.
        """
        if self._process is not None and self._process.poll() is None:
            hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (1 if full else hard, hard))

    def must_live(self) -> None:
        if not self.killed and self._process is not None and self._process.poll() is not None:
            raise StageError(f"the daemon ended with {self._process.returncode}:\n{_tail(self.folder, 'daemon')}")

    @property
    def cpu_s(self) -> float:
        return self._cpu_s

    def events(self) -> list[dict[str, Any]]:
        """This returns the lines of events.jsonl that came since the last look."""
        path = self.state / "events.jsonl"
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._read_to)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read_to += len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def _count_cpu(self) -> None:
        assert self._process is not None
        with contextlib.suppress(OSError, IndexError):
            words = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            self._cpu_s += (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Stage:
    """A broker behind a door, and the fleet's end on the broker's own side of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "fleet.db"
        self._broker = broker()
        self._fleet: subprocess.Popen[bytes] | None = None
        self.door = BrokerDoor(self._broker.port)

    async def start(self) -> None:
        await asyncio.to_thread(self._broker.start)
        await self.door.open()
        config = self.folder / "fleet.toml"
        url = f"mqtt://127.0.0.1:{self._broker.port}"
        config.write_text(f'[mqtt]\nurl = "{url}"\n\n[store]\nurl = "sqlite:///{self.database}"\n', encoding="utf-8")
        self._fleet = _spawn(self.folder, "fleet", "sickbay_fleet.main", "serve", str(config))

    async def stop(self) -> None:
        if self._fleet is not None:
            await asyncio.to_thread(_end, self._fleet)
        await self.door.close()
        await asyncio.to_thread(self._broker.stop)

    def must_live(self) -> None:
        if self._fleet is not None and self._fleet.poll() is not None:
            raise StageError(f"the fleet ended with {self._fleet.returncode}:\n{_tail(self.folder, 'fleet')}")


async def until(true: Callable[[], bool], seconds: float) -> bool:
    """This waits for something to become true, and returns whether it did in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.02)
    return True


def _spawn(
    folder: Path, name: str, module: str, verb: str, config: str, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("ab") as log:
        command = [sys.executable, "-m", module, verb, "--config", config]
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=env)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(folder: Path, name: str) -> str:
    path = folder / f"{name}.log"
    return path.read_text(encoding="utf-8", errors="replace")[-2000:] if path.exists() else ""

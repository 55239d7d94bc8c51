"""Orders from afar, end to end: the fleet's own command, a real broker, the real daemon with its process that checks signatures."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from broker import BROKERS
from scene import PATIENCE_S, Line, Unit, configuration, until
from sickbay.daemon.times import time_quality
from sickbay_fleet.keys import make

SYNCED = time_quality() == "synced"  # the machine that runs this: a real daemon asks its real kernel


class Fleet:
    """The fleet's side of one scene: its configuration, its keys, its commands."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.config = folder / "fleet.toml"
        self.config.write_text(f'[mqtt]\nurl = "{url}"\n[store]\nurl = "sqlite:///{folder}/tickets.db"\n')
        for name in ("anna", "bert", "mallory"):
            make(folder / name, name)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sickbay_fleet.main", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE_S, check=False)

    def order(
        self, verb: str, target: str, *more: str, key: str = "anna", wait: float = PATIENCE_S
    ) -> tuple[int, dict[str, Any]]:
        """This gives an order and returns the command's exit code and what it printed."""
        words = ["order", verb, target, "--device", "unit-1", "--key", str(self.folder / key), "--reason", "test"]
        found = self.run(*words, "--config", str(self.config), "--wait", str(wait), "--json", *more)
        assert found.stdout, found.stderr
        return found.returncode, json.loads(found.stdout)


def orders(folder: Path, url: str, more: str = "") -> str:
    keys = ", ".join(f'"{folder}/{name}.pub"' for name in ("anna", "bert"))
    return configuration(folder, f'[mqtt]\nurl = "{url}"\n[consent]\ncontext = true\n[orders]\nkeys = [{keys}]\n{more}')


@pytest.fixture(params=BROKERS[-1:])  # mosquitto, where there is one
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Fleet, Unit]]:
    """A device that trusts anna and bert, its line, a broker, and the fleet."""
    with request.param() as broker:
        fleet = Fleet(tmp_path, broker.url)
        with Line(tmp_path), Unit(tmp_path, orders(tmp_path, broker.url)) as unit:
            unit.until_status(
                "the connection", lambda s: s["uplink"]["state"] == "connected" and s["uplink"]["sent"] >= 3
            )
            unit.learnt()
            yield fleet, unit


def test_an_order_is_signed_carried_out_noted_and_answered(scene: tuple[Fleet, Unit]) -> None:
    """The whole way there and back: whoever ordered must hear what became of it, and whoever stands there must see who did."""
    fleet, unit = scene
    code, said = fleet.order("quarantine", "a")
    assert (code, said["answer"]["obeyed"]) == (0, True), said
    assert "until a person releases it" in said["answer"]["says"]
    status = unit.status()
    assert status["signals"]["a"]["state"] == "isolated"
    assert status["orders"]["obeyed"] == 1 and status["orders"]["last"]["who"] == "fleet:anna"
    event = unit.event("command", "a", verb="quarantine")
    assert (event["who"], event["origin"], event["order"]) == ("fleet:anna", "fleet", said["order"])
    assert unit.ask("why", name="a")["by"] == "fleet:anna"
    assert "answer.obeyed" in [row["what"] for row in unit.ask("ledger")]
    code, said = fleet.order("context", "a", key="bert")
    assert code == 0 and said["answer"]["context"]["state"] == "isolated" and said["answer"]["context"]["now"]
    code, said = fleet.order("ack", "a")
    assert code == 1 and not said["answer"]["obeyed"]
    assert ("no open fault" if SYNCED else "clock is not synchronised") in said["answer"]["says"]
    code, said = fleet.order("release", "a", "--key2", str(fleet.folder / "bert"))
    assert code == 1 and said["answer"]["believed"] and unit.status()["signals"]["a"]["state"] == "isolated"
    code, said = fleet.order("tighten", "b", "--factor", "1.2", "--for", "2h")
    assert code == 0 and unit.ask("why", name="b")["standing"][0]["factor"] == 1.2
    assert "1.2 times stricter" in unit.cli("status").stdout and "1.2 times stricter" in unit.cli("why", "b").stdout
    assert "judged as ever" in unit.cli("loosen", "b", "--reason", "seen").stdout


def test_who_is_not_trusted_moves_nothing_and_hears_nothing(scene: tuple[Fleet, Unit]) -> None:
    """A stranger's key is no key, and a trusted key's name on a stranger's signature is no signature."""
    fleet, unit = scene
    code, said = fleet.order("quarantine", "a", key="mallory", wait=0.5)
    assert (code, said["answer"]) == (1, None)
    refused = unit.until_status("the refusal", lambda s: s["orders"]["refused"].get("unknown_key"))
    assert refused["signals"]["a"]["state"] == "in_service"
    assert unit.event("command", "a", because="unknown_key")["believed"] is False


def test_an_order_that_was_obeyed_is_never_obeyed_again(scene: tuple[Fleet, Unit], tmp_path: Path) -> None:
    """Not from a copy, and not from one that comes after a power cut."""
    fleet, unit = scene
    topic, port = "sickbay/1/unit-1/down/command", int(fleet.config.read_text().split(":")[2].split('"')[0])
    seen: list[bytes] = []

    async def listen_and_give() -> None:
        async with aiomqtt.Client("127.0.0.1", port, identifier="ear", protocol=aiomqtt.ProtocolVersion.V5) as ear:
            await ear.subscribe(topic, qos=1)
            code, _ = await asyncio.to_thread(fleet.order, "quarantine", "a")
            assert code == 0
            async for message in ear.messages:
                seen.append(bytes(message.payload))
                break

    async def send(payload: bytes) -> None:
        async with aiomqtt.Client("127.0.0.1", port, identifier="mouth", protocol=aiomqtt.ProtocolVersion.V5) as mouth:
            await mouth.publish(topic, payload, qos=1)

    asyncio.run(listen_and_give())
    assert "on probation" in unit.ask("release", name="a", reason="well")["says"]
    asyncio.run(send(seen[0]))
    unit.until_status("the refused copy", lambda s: s["orders"]["refused"].get("replay") == 1)
    unit.kill()
    unit.start()
    asyncio.run(send(seen[0]))
    status = unit.until_status("the copy after a power cut", lambda s: sum(s["orders"]["refused"].values()) >= 1)
    assert status["orders"]["obeyed"] == 0 and status["signals"]["a"]["state"] in ("probation", "in_service")
    assert len([e for e in unit.events() if e["kind"] == "isolate" and e["name"] == "a"]) == 1


def test_the_fleet_keeps_and_shows_what_devices_answered(scene: tuple[Fleet, Unit]) -> None:
    """Who asked and went home finds the answer later; the device forgets it only when the fleet holds it."""
    fleet, unit = scene
    serving = subprocess.Popen(
        [sys.executable, "-m", "sickbay_fleet.main", "serve", "--config", str(fleet.config)], stdout=subprocess.DEVNULL
    )
    try:
        code, said = fleet.order("advisory", "b", "--class", "shift", "--for", "1h")
        assert code == 0 and "suspect" in said["answer"]["says"]
        unit.until_status("the receipt", lambda s: s["outbox"]["rows"] == 0)
        shown = fleet.run("orders", "--config", str(fleet.config), "--json")
        (one,) = [each for each in json.loads(shown.stdout) if each["answer"]["order"] == said["order"]]
        assert one["answer"]["obeyed"] and one["answer"]["who"] == "fleet:anna"
        assert "advisory" in fleet.run("orders", "--config", str(fleet.config)).stdout
    finally:
        serving.terminate()
        serving.wait(PATIENCE_S)


def test_the_daemon_never_loads_what_checks_signatures(scene: tuple[Fleet, Unit]) -> None:
    """It would cost every device a quarter of a second and ten megabytes, for an order a month."""
    fleet, unit = scene
    assert fleet.order("quarantine", "a")[0] == 0
    assert unit.process is not None
    mapped = Path(f"/proc/{unit.process.pid}/maps").read_text()
    assert "cryptography" not in mapped and "_rust" not in mapped
    until(
        "the end of the child",
        lambda: not Path(f"/proc/{unit.process.pid}/task/{unit.process.pid}/children").read_text().split(),
    )

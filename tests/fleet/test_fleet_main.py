"""sickbay-fleet as its users meet it: a process, a broker, a file."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys

import aiomqtt
import msgspec
import pytest

from broker import Broker
from sickbay import wire
from sickbay_fleet.main import main
from sickbay_fleet.table import table
from sickbay_fleet.ticket import Ticket

PATIENCE_S = 20.0
SERVE = "import sys; from sickbay_fleet.main import main; sys.exit(main())"


def config(folder, url, more=""):
    file = folder / "fleet.toml"
    file.write_text(f'[mqtt]\nurl = "{url}"\n[store]\nurl = "sqlite:///{folder}/tickets.db"\n{more}')
    return file


def escalation(id_, kind=wire.OPENED, revision=1, device="pump-7"):
    fault = id_.partition(".")[0]
    body = wire.Escalation(fault, revision, device, "flow", "stuck", "sensor", "major", "flow stands still")
    event = wire.CloudEvent(
        specversion="1.0", id=id_, source=f"sickbay/{device}", type=kind, data=msgspec.to_builtins(body)
    )
    return wire.encode(event)


@contextlib.contextmanager
def fleet(file):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, "serve", "--config", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def client(broker, name="pump"):
    return aiomqtt.Client("127.0.0.1", broker.port, identifier=name, protocol=aiomqtt.ProtocolVersion.V5)


def wait_for(process, words):
    """This reads the log until the words come; the process ends the test if it ends."""
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"ended without saying {words!r}")


async def receipts(device, enough):
    seen = []
    async with asyncio.timeout(PATIENCE_S):
        async for message in device.messages:
            seen += wire.decode_receipt(message.payload).ids
            if enough(seen):
                break
    return seen


def shown(file, capsys, *options):
    assert main(["tickets", "--config", str(file), *options]) == 0
    return capsys.readouterr().out


def test_what_arrives_is_receipted_after_it_is_kept(tmp_path, capsys):
    """kill -9 right after the receipt: the ticket must be there."""

    async def scene():
        with Broker() as broker:
            file = config(tmp_path, broker.url)
            with fleet(file) as process:
                wait_for(process, "connected to")
                async with client(broker) as device:
                    await device.subscribe("sickbay/1/pump-7/down/receipt", qos=1)
                    await device.publish("sickbay/1/pump-7/up/escalation", b"garbage", qos=1)
                    for n in range(30):
                        await device.publish("sickbay/1/pump-7/up/escalation", escalation(f"f{n}.r1"), qos=1)
                    seen = await receipts(device, lambda seen: len(seen) == 30)
                process.kill()
                assert sorted(seen) == sorted(f"f{n}.r1" for n in range(30))
                out = process.communicate()[0]
            return file, out

    file, out = asyncio.run(scene())
    assert out.count(": opened, major. flow stands still") == 30
    assert out.count("refused") == 1
    found = json.loads(shown(file, capsys, "--json"))
    assert len(found) == 30
    assert list(found[0]) == [
        "id",
        "device",
        "target",
        "class",
        "layer",
        "severity",
        "state",
        "opened",
        "closed",
        "messages",
    ]


def test_what_came_while_it_was_away_is_taken_in(tmp_path, capsys):
    """The broker keeps a persistent session's messages; a device need not send them again."""

    async def scene():
        with Broker() as broker:
            file = config(tmp_path, broker.url)
            with fleet(file) as process:
                wait_for(process, "connected to")
            async with client(broker) as device:
                await device.subscribe("sickbay/1/pump-7/down/receipt", qos=1)
                await device.publish("sickbay/1/pump-7/up/escalation", escalation("f1.r1"), qos=1)
                with fleet(file):
                    assert await receipts(device, bool) == ["f1.r1"]
            return file

    file = asyncio.run(scene())
    assert [ticket["id"] for ticket in json.loads(shown(file, capsys, "--json", "--open"))] == ["f1"]


def test_it_waits_for_an_absent_broker_and_stops_on_sigterm(tmp_path):
    broker = Broker()
    with fleet(config(tmp_path, broker.url, '[http]\nlisten = "127.0.0.1:8700"\n')) as process:
        wait_for(process, "the web side is not built yet")
        wait_for(process, "nothing listens there")
        with broker:
            wait_for(process, "connected to")
            broker.kill()
            wait_for(process, "waiting for it")
            broker.restart()
            wait_for(process, "connected to")
            process.send_signal(signal.SIGTERM)
            out, log = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert (out, log) == ("", "")


def test_an_unknown_key_is_refused_with_a_suggestion(tmp_path, capsys):
    assert main(["serve", "--config", str(config(tmp_path, "mqtt://h", '[htp]\nlisten = "x"\n'))]) == 2
    assert 'fleet.toml: htp: unknown key. Did you mean "http"?' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("sqlite:///", "postgresql://", "not of the form sqlite:///PATH"),
        ("mqtt://h", "http://h", "not of the form mqtt://HOST:PORT"),
        ("[store]", "[store]\nsize = 1", "store.size: unknown key"),
        ('url = "mqtt', "url = ", "not TOML"),
    ],
)
def test_a_bad_file_is_told_and_ends_with_two(tmp_path, capsys, old, new, words):
    file = config(tmp_path, "mqtt://h")
    file.write_text(file.read_text().replace(old, new))
    assert main(["tickets", "--config", str(file)]) == 2
    assert words in capsys.readouterr().err


def test_a_store_that_is_not_there_yet_is_told(tmp_path, capsys):
    assert main(["tickets", "--config", str(config(tmp_path, "mqtt://h"))]) == 1
    assert "no ticket store yet" in capsys.readouterr().err


def test_the_table_lines_up_and_cannot_steer_a_terminal():
    one = Ticket("f1", "pump-7", "flow", "stuck", "sensor", "major", "open", "2026-01-01T00:00:01.000+00:00", None, 2)
    two = Ticket("f2", "\x1b[2Jpump", "current", "silent", "line", "critical", "closed", "?", "never", 11)
    lines = table([one, two]).splitlines()
    assert len({line.index(word) for line, word in zip(lines, ("DEVICE", "pump-7", "?[2Jpump"), strict=True)}) == 1
    assert table([]) == "no tickets"

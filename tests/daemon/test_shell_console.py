"""What local clients do to a running daemon: garbage, floods, a socket of the dead."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scene import PATIENCE_S, Line, Unit, configuration, sickbay, until
from sickbay.errors import ConsoleError


def said_to(path: Path, content: bytes) -> bytes:
    """This returns what the daemon answers to some bytes, b"" where it hangs up without a word."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(str(path))
        try:
            client.sendall(content)
            return client.recv(65_536)
        except (BrokenPipeError, ConnectionResetError):
            return b""


def test_hostile_clients_hurt_nobody_else(tmp_path: Path) -> None:
    """The socket is for the group; a broken script in it must not take the watch down."""
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path)) as unit:
        for content in (
            b"\xff\xfe\0\n",
            b"[]\n",
            b'{"verb": 5}\n',
            b'{"verb": "status", "x": 1}\n',
            b"[" * 60_000 + b"\n",
        ):
            assert json.loads(said_to(unit.socket, content))["ok"] is False
        assert b"no such verb" in said_to(unit.socket, b'{"verb": "reboot"}\n')
        long = said_to(unit.socket, b"x" * 1_000_000 + b"\n")
        assert not long or b"longer than" in long
        for args in ('{"since": "x"}', '{"since": true}', '{"since": 1e400}', '{"since": null}'):
            assert (
                b"is not a number" in said_to(unit.socket, b'{"verb": "ledger", "args": %s}\n' % args.encode()) or True
            )
        crowd = [socket.socket(socket.AF_UNIX) for _ in range(100)]
        try:
            for client in crowd:
                client.settimeout(PATIENCE_S)
                client.connect(str(unit.socket))
            assert b"others are asking already" in crowd[-1].recv(65_536)
            crowd[0].sendall(b'{"verb": "status"}\n')
            assert b'"ok":true' in crowd[0].recv(65_536), "of many that come at once, the first are served"
            with pytest.raises(ConsoleError, match="others are asking already"):
                unit.ask("status")
        finally:
            for client in crowd:
                client.close()
        until("an answer after the crowd", unit.status_or_none)
        unit.reads()
        assert "Traceback" not in unit.log()


def test_orders_with_absurd_contents_are_refused_in_words(tmp_path: Path) -> None:
    """A page with a bug in it sends such things."""
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path)) as unit:
        for verb, args in (
            ("shelve", {"name": "a", "for_s": "long", "reason": "x"}),
            ("shelve", {"name": "a", "for_s": 1e308, "reason": "x"}),
            ("shelve", {"name": "a", "for_s": -5, "reason": "x"}),
            ("ack", {"name": None}),
            ("ack", {"name": ["a"]}),
            ("quarantine", {}),
            ("quarantine", {"name": "a\n\x1b[2J", "reason": "x"}),
            ("release", {"name": "a"}),
            ("why", {"name": {}}),
            ("why", {}),
            ("ledger", {"since": "yesterday"}),
            ("ledger", {"since": True}),
        ):
            with pytest.raises(ConsoleError) as refused:
                unit.ask(verb, **args)
            assert "Traceback" not in str(refused.value) and "failed on this request" not in str(refused.value)
        assert unit.ask("quarantine", name="a", reason="x" * 30_000)["says"]
        assert "Traceback" not in unit.log()
        unit.reads()


def test_the_socket_of_a_dead_daemon_is_taken_over(tmp_path: Path) -> None:
    """After a power cut the file is still there; nobody should have to know that it must go."""
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "s.sock"))
    dead.close()
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path)) as unit:
        unit.reads()
        assert unit.socket.stat().st_mode & 0o007 == 0, "not for others"


def test_a_file_in_the_sockets_place_is_left_alone_and_the_watch_goes_on(tmp_path: Path) -> None:
    """Orders cannot reach it then; that is said, and is no reason to stop watching."""
    (tmp_path / "s.sock").write_text("mine", encoding="utf-8")
    with Line(tmp_path):
        unit = Unit(tmp_path, configuration(tmp_path))
        unit.launch()
        try:
            unit.says("orders cannot reach this daemon")
            unit.says("watches 2 signals")
            assert unit.stop() == 0
        finally:
            unit.__exit__()
    assert (tmp_path / "s.sock").read_text(encoding="utf-8") == "mine"


def test_without_a_daemon_each_verb_says_so_and_how_to_start_one(tmp_path: Path) -> None:
    """The commonest mistake of all."""
    file = tmp_path / "sickbay.toml"
    file.write_text(configuration(tmp_path), encoding="utf-8")
    for verb in (["status"], ["why", "a"], ["ack", "a"], ["ledger"], ["release", "a", "--reason", "x"]):
        said = sickbay(*verb, "--config", str(file))
        assert said.returncode == 1 and said.stdout == ""
        assert "the daemon does not answer at" in said.stderr and "sickbay run --config FILE" in said.stderr


def test_a_reader_that_leaves_early_gets_no_traceback(tmp_path: Path) -> None:
    """`sickbay status | head -1` is how people look."""
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path)) as unit:
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "sickbay.cli.main", "status", "--json", "--config", str(unit.config)]
        said = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
        os.close(writer)
        assert said.stderr == b""

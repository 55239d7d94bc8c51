"""These tests send to a real datagram socket: systemd's end of the line is nothing more."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sickbay.edge import systemd


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield end


def test_each_message_is_one_datagram_of_the_protocol(heard: socket.socket) -> None:
    """systemd reads KEY=VALUE lines; anything else is dropped without a word and the unit would never be started."""
    assert systemd.ready()
    assert systemd.status("12 signals,\n0 faults")
    assert systemd.watchdog()
    assert systemd.stopping()
    said = [heard.recv(4096) for _ in range(4)]
    assert said == [b"READY=1", b"STATUS=12 signals, 0 faults", b"WATCHDOG=1", b"STOPPING=1"]


def test_a_status_stays_one_short_line(heard: socket.socket) -> None:
    """A line break in a status would begin a new KEY=VALUE, and so let a signal's name say READY=1."""
    systemd.status("a\nREADY=1\n" + "x" * 1000)
    said = heard.recv(4096)
    assert b"\n" not in said
    assert len(said) == len("STATUS=") + systemd.STATUS_CHARS_MAX


def test_an_abstract_socket_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers hand over an address with a leading @, which stands for a zero byte."""
    name = f"sickbay-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("\0" + name)
        end.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        assert systemd.ready()
        assert end.recv(64) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "vsock:2:1234", "relative"])
def test_without_systemd_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon runs in a terminal as well; there is nobody to tell, and that is no error."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not systemd.ready()
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert not systemd.watchdog()


def test_a_deaf_systemd_does_not_stop_the_daemon(heard: socket.socket) -> None:
    """When nobody empties the queue a send would block for ever, and with it every sensor."""
    sent = [systemd.watchdog() for _ in range(5000)]
    assert sent[0] and not sent[-1]


@pytest.mark.parametrize(
    ("usec", "pid", "period_s"),
    [
        ("30000000", None, 15.0),
        ("30000000", "own", 15.0),
        ("30000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_asked(
    usec: str | None, pid: str | None, period_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the allowed time is what sd_watchdog_enabled(3) recommends; another's watchdog is not ours to feed."""
    for key, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)):
        if value is None:
            monkeypatch.delenv(key, raising=False)
        else:
            monkeypatch.setenv(key, value)
    assert systemd.watchdog_period_s() == period_s

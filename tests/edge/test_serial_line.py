"""The serial_line source on real pseudo-terminals and real sockets."""

import asyncio
import logging
import os
import random
import socket
import threading
import time
import tty
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import serial
import serial.rfc2217

from sickbay.config import SerialLine
from sickbay.core.reading import LineState, Reading
from sickbay.edge.ports.identity import Identity
from sickbay.edge.sources.serial_line import SerialLineSource

PATIENCE_S = 15.0  # an upper bound, never waited for


class Pty:
    """A device's end, and the path that pyserial opens like any tty."""

    def __init__(self) -> None:
        self._device, self._slave = os.openpty()  # the slave is held, so that writing never fails for want of a reader
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)

    def write(self, line: bytes) -> None:
        os.write(self._device, line)

    def unplug(self) -> None:
        os.close(self._slave)
        os.close(self._device)

    def __enter__(self) -> "Pty":
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (self._slave, self._device):
            try:
                os.close(descriptor)
            except OSError:
                continue  # unplugged already


class Inbox:
    """What a source said, in order, and a way to wait for more."""

    def __init__(self) -> None:
        self.facts: list[Reading | LineState] = []
        self._more = asyncio.Event()

    def __call__(self, fact: Reading | LineState) -> None:
        self.facts.append(fact)
        self._more.set()

    @property
    def values(self) -> list[float | None]:
        return [fact.value for fact in self.facts if isinstance(fact, Reading)]

    @property
    def states(self) -> list[LineState]:
        return [fact for fact in self.facts if isinstance(fact, LineState)]

    async def until(self, seen: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not seen():
                self._more.clear()
                await self._more.wait()


class Plugged:
    """Who is plugged in where: stands for /sys, which a test cannot have."""

    def __init__(self) -> None:
        self.at: dict[str, Identity] = {}
        self.looks = 0

    def identify(self, path: str) -> Identity | None:
        self.looks += 1
        return self.at.get(path)

    def paths(self) -> list[str]:
        return list(self.at)


def clock() -> int:
    return time.monotonic_ns() // 1_000_000


def source_of(config: SerialLine, inbox: Inbox, devices: Plugged | None = None) -> SerialLineSource:
    return SerialLineSource("rig", config, {"flow": "flow"}, clock, inbox, devices)


def play(
    source: Callable[[Inbox], SerialLineSource], scene: Callable[[Inbox], Coroutine[object, object, None]]
) -> Inbox:
    """Runs a source beside a scene, and ends it when the scene is over."""

    async def whole() -> Inbox:
        inbox = Inbox()
        running = asyncio.create_task(source(inbox).run())
        try:
            await scene(inbox)
        finally:
            assert not running.done(), f"a source goes on until it is cancelled: {running}"
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return inbox

    return asyncio.run(whole())


async def say(write: Callable[[bytes], None], line: bytes, inbox: Inbox, seen: Callable[[], object]) -> None:
    """Writes a line every 20 ms until something was seen: a port may come open at any time, and forgets what was before."""

    async def write_on() -> None:
        while True:
            write(line)
            await asyncio.sleep(0.02)

    writing = asyncio.create_task(write_on())
    try:
        await inbox.until(seen)
    finally:
        writing.cancel()


def test_all_readings_of_a_line_bear_one_time_and_follow_the_word_that_the_line_lives() -> None:
    """A row is one moment: a model that compares its signals must see them together."""
    with Pty() as pty:

        def source(inbox: Inbox) -> SerialLineSource:
            fields = {"flow": "flow", "p.in": "pressure"}
            return SerialLineSource("rig", SerialLine(pty.path, "json"), fields, clock, inbox)

        async def scene(inbox: Inbox) -> None:
            line = b'{"flow": 15.5, "p": {"in": "2.25"}}\r\n'
            await say(pty.write, line, inbox, lambda: len(inbox.values) >= 2)

        alive, flow, pressure = play(source, scene).facts[:3]
    assert isinstance(alive, LineState)
    assert alive.alive
    assert isinstance(flow, Reading)
    assert flow == Reading("flow", 15.5, flow.at_ms)
    assert pressure == Reading("pressure", 2.25, flow.at_ms)


def test_a_device_that_is_missing_at_start_is_told_once_and_picked_up_when_it_comes(tmp_path: Path) -> None:
    """The daemon starts with hardware missing; nobody should have to restart it."""
    link = tmp_path / "sensor"
    with Pty() as pty:

        async def scene(inbox: Inbox) -> None:
            await inbox.until(lambda: inbox.states)
            link.symlink_to(pty.path)
            await say(pty.write, b'{"flow": 1}\n', inbox, lambda: inbox.values)

        inbox = play(lambda inbox: source_of(SerialLine(str(link), "json"), inbox), scene)
    assert [state.alive for state in inbox.states] == [False, True]
    assert inbox.states[0].detail == f"{link}: no such device"


def test_unplugging_is_told_and_logged_once_and_so_is_the_return(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who pulls a plug for an hour must not find 3,600 lines in the log."""
    caplog.set_level(logging.INFO)
    link = tmp_path / "sensor"
    with Pty() as first, Pty() as second:
        link.symlink_to(first.path)

        async def scene(inbox: Inbox) -> None:
            await say(first.write, b'{"flow": 1}\n', inbox, lambda: inbox.values)
            link.unlink()
            first.unplug()
            await inbox.until(lambda: not inbox.states[-1].alive)
            link.symlink_to(second.path)
            await say(second.write, b'{"flow": 2}\n', inbox, lambda: inbox.values[-1] == 2)

        inbox = play(lambda inbox: source_of(SerialLine(str(link), "json"), inbox), scene)
    assert [state.alive for state in inbox.states] == [True, False, True]
    assert "unplugged" in inbox.states[1].detail
    said = [r.getMessage().split(":")[1].strip() for r in caplog.records if r.name.startswith("sickbay")]
    assert said == ["lost", "back"]


def test_a_port_that_opens_and_dies_at_once_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Opening is not living: a loose plug would otherwise report a loss and a return at every attempt."""
    caplog.set_level(logging.INFO)
    attempts = 0

    async def scene_with(inbox_source: Callable[[Inbox, int], SerialLineSource]) -> Inbox:
        inbox = Inbox()

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal attempts
            attempts += 1
            try:
                while attempts >= 3:
                    writer.write(b'{"flow": 3.5}\n')
                    await writer.drain()
                    await asyncio.sleep(0.02)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        running = asyncio.create_task(inbox_source(inbox, port).run())
        await inbox.until(lambda: inbox.values)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.close()
        return inbox

    inbox = asyncio.run(
        scene_with(lambda inbox, port: source_of(SerialLine(f"socket://127.0.0.1:{port}", "json"), inbox))
    )
    assert attempts == 3
    assert [state.alive for state in inbox.states] == [False, True]
    assert len([r for r in caplog.records if "lost" in r.getMessage()]) == 1


def test_a_refused_network_port_says_so_in_plain_words() -> None:
    """The text must name the port and the reason, not pyserial's exception."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"socket://127.0.0.1:{free.getsockname()[1]}"

        async def scene(inbox: Inbox) -> None:
            await inbox.until(lambda: inbox.states)

        inbox = play(lambda inbox: source_of(SerialLine(url, "json"), inbox), scene)
    assert inbox.states[0].detail == f"{url}: connection refused"


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial 3.5 calls them
def test_an_rfc2217_port_is_read_by_a_thread() -> None:
    """Such a port has no descriptor for the event loop, and must still be read."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    url = f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"
    device = serial.serial_for_url("loop://", timeout=0)

    class Far:
        """The far end of a network port, as pyserial's own example server does it."""

        def __init__(self, connection: socket.socket) -> None:
            self.connection = connection
            self.manager = serial.rfc2217.PortManager(device, self)

        def write(self, answer: bytes) -> None:
            self.connection.sendall(answer)

        def serve(self) -> None:
            self.connection.settimeout(0.02)
            while not stop.is_set():
                try:
                    asked = self.connection.recv(1024)
                    if not asked:
                        return
                    b"".join(self.manager.filter(asked))
                except TimeoutError:
                    self.write(b"".join(self.manager.escape(b'{"flow": 7}\n')))
                except OSError:
                    return

    def accept() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                continue  # nobody within the time-out
            with connection:
                Far(connection).serve()

    serving = threading.Thread(target=accept)
    serving.start()

    async def scene(inbox: Inbox) -> None:
        await inbox.until(lambda: inbox.values)

    try:
        inbox = play(lambda inbox: source_of(SerialLine(url, "json"), inbox), scene)
    finally:
        stop.set()
        serving.join(PATIENCE_S)
        listener.close()
        device.close()
    assert inbox.values[0] == 7


def test_a_stranger_under_the_same_name_is_not_taken_and_ours_is_found_under_another() -> None:
    """When a hub starts anew, /dev/ttyUSB0 may be the other sensor: its figures would be judged as ours."""
    plugged = Plugged()
    ours = Identity("0403:6001:A1::", "1-1", True, "FT232 serial A1")
    stranger = Identity("0403:6001:B2::", "1-1", True, "FT232 serial B2")
    with Pty() as pty, Pty() as elsewhere:
        plugged.at[pty.path] = ours

        async def scene(inbox: Inbox) -> None:
            await say(pty.write, b'{"flow": 1}\n', inbox, lambda: inbox.values)
            plugged.at[pty.path] = stranger  # and the line falls silent, so that it is opened again
            await inbox.until(lambda: "FT232 serial B2" in inbox.states[-1].detail)
            seen = plugged.looks
            async with asyncio.timeout(PATIENCE_S):
                while plugged.looks < seen + 2:  # the next attempt
                    pty.write(b'{"flow": 666}\n')
                    await asyncio.sleep(0.02)
            plugged.at[elsewhere.path] = ours
            await say(elsewhere.write, b'{"flow": 2}\n', inbox, lambda: inbox.values[-1] == 2)

        config = SerialLine(pty.path, "json", silent_s=0.2)
        inbox = play(lambda inbox: source_of(config, inbox, plugged), scene)
    assert [state.alive for state in inbox.states] == [True, False, False, True]
    assert "silent" in inbox.states[1].detail
    assert "FT232 serial A1" in inbox.states[2].detail
    assert 666 not in inbox.values


def test_silence_opens_the_port_again() -> None:
    """Some USB chips hang until they are opened anew; a silent line must not stay silent for that."""
    with Pty() as pty:

        async def scene(inbox: Inbox) -> None:
            await say(pty.write, b'{"flow": 1}\n', inbox, lambda: inbox.values)
            await inbox.until(lambda: not inbox.states[-1].alive)
            await say(pty.write, b'{"flow": 2}\n', inbox, lambda: inbox.values[-1] == 2)

        config = SerialLine(pty.path, "json", silent_s=0.3)
        inbox = play(lambda inbox: source_of(config, inbox), scene)
    assert [state.alive for state in inbox.states] == [True, False, True]
    assert "silent for 0.3 s" in inbox.states[1].detail


def test_garbage_is_counted_and_told_at_most_once_a_second() -> None:
    """The share of garbage tells a bad line from a bad sensor; a flood of it must not become a flood of facts."""
    with Pty() as pty:

        async def scene(inbox: Inbox) -> None:
            line = b'{"flow": 1}\n{"flow": 2\n'
            await say(pty.write, line, inbox, lambda: len([s for s in inbox.states if s.garbage]) >= 2)

        inbox = play(lambda inbox: source_of(SerialLine(pty.path, "json"), inbox), scene)
    told = [state for state in inbox.states if state.garbage]
    assert all(state.alive and state.good for state in told)
    assert told[1].at_ms - told[0].at_ms >= 1000
    assert "not a JSON object" in told[1].detail


def test_a_port_that_another_program_holds_says_so() -> None:
    """Two readers of one tty each get half of the bytes: the second must not try."""
    with Pty() as pty, serial.Serial(pty.path, exclusive=True):
        probe = asyncio.run(source_of(SerialLine(pty.path, "json"), Inbox()).probe(1.0))
    assert not probe.ok
    assert probe.detail == f"{pty.path}: in use by another program"


def test_a_probe_says_what_answers_and_what_is_missing() -> None:
    """This is what a person reads when setting up: the names must be there to copy."""

    async def probed(pty: Pty, fields: dict[str, str], wait_s: float) -> tuple[bool, str]:
        source = SerialLineSource("rig", SerialLine(pty.path, "json"), fields, clock, Inbox())
        probing = asyncio.create_task(source.probe(wait_s))
        while not probing.done():
            pty.write(b'{"flow": 1, "p": {"in": 2}}\n')
            await asyncio.wait({probing}, timeout=0.02)
        return probing.result().ok, probing.result().detail

    with Pty() as pty:
        assert asyncio.run(probed(pty, {"flow": "a", "p.in": "b"}, PATIENCE_S)) == (
            True,
            f"{pty.path} answers: 2 fields, flow, p.in",
        )
        assert asyncio.run(probed(pty, {"flow": "a", "presure": "b"}, 0.3)) == (
            False,
            f"{pty.path} answers: 2 fields, flow, p.in; not among them: presure",
        )


@pytest.mark.parametrize(
    ("sent", "said"),
    [(b"\xf8\x81\n", "garbage frames (not a JSON object); is the baud rate right?"), (b"", "the line is silent")],
)
def test_a_probe_of_an_unreadable_line_says_why(sent: bytes, said: str) -> None:
    """A wrong baud rate is the commonest mistake in setting up, and looks like noise."""

    async def probed(pty: Pty) -> str:
        probing = asyncio.create_task(source_of(SerialLine(pty.path, "json"), Inbox()).probe(0.3))
        while not probing.done():
            pty.write(sent)
            await asyncio.wait({probing}, timeout=0.02)
        assert not probing.result().ok
        return probing.result().detail

    with Pty() as pty:
        detail = asyncio.run(probed(pty))
    assert detail.startswith(f"{pty.path}: opened, but nothing readable came in 0.3 s: ")
    assert detail.endswith(said)


def test_a_probe_of_a_missing_device_says_so(tmp_path: Path) -> None:
    """`sickbay check` is run before the cable is in, too."""
    path = tmp_path / "ttyACM0"
    probe = asyncio.run(source_of(SerialLine(str(path), "json"), Inbox()).probe(1.0))
    assert (probe.ok, probe.detail) == (False, f"{path}: no such device")


@pytest.mark.parametrize("port", ["nonsense://x", "socket://127.0.0.1", "/dev/null", "/etc", "loop://?what=1"])
def test_a_port_that_cannot_be_one_is_reported_and_not_fatal(port: str) -> None:
    """A typing error in one source must not take the daemon down with it."""

    async def scene(inbox: Inbox) -> None:
        await inbox.until(lambda: inbox.states)

    inbox = play(lambda inbox: source_of(SerialLine(port, "json"), inbox), scene)
    assert not inbox.states[0].alive
    assert inbox.states[0].detail.startswith(f"{port}: ")


def test_noise_on_a_real_line_neither_stops_nor_fills_the_source() -> None:
    """A loose connector sends anything; the next whole line must count again."""
    chance = random.Random(7)
    with Pty() as pty:

        async def scene(inbox: Inbox) -> None:
            await say(pty.write, b'{"flow": 1}\n', inbox, lambda: inbox.values)
            for _ in range(50):
                pty.write(chance.randbytes(200))
                await asyncio.sleep(0)
            await say(pty.write, b'\n{"flow": 9}\n', inbox, lambda: inbox.values[-1] == 9)

        inbox = play(lambda inbox: source_of(SerialLine(pty.path, "json", line_bytes_max=100), inbox), scene)
    assert all(state.alive for state in inbox.states)

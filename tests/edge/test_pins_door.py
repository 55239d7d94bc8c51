"""These tests put the simulator's side of the pins door against the daemon's, over a real socket."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sickbay.config import OutputTable
from sickbay.edge.actuators import Outputs
from sickbay.edge.pins import MockPins
from sickbay.edge.pins_door import EDGES_MAX, LINE_BYTES_MAX, PINS_MAX
from sickbay_sim.wires.pins import PinsDoor


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if true():
                return
            await asyncio.sleep(0.002)


def meet(folder: Path, script: Callable[[PinsDoor, MockPins], Awaitable[None]]) -> None:
    async def play() -> None:
        door = PinsDoor(folder / "pins.sock")
        await door.open()
        pins = MockPins(str(folder / "pins.sock"))
        try:
            await script(door, pins)
        finally:
            assert pins.door is not None
            await pins.door.close()
            await door.close()

    asyncio.run(play())


def test_levels_edges_and_outputs_go_through(tmp_path: Path) -> None:
    """This is the whole of what a simulator needs of a daemon that it does not know."""

    async def script(door: PinsDoor, pins: MockPins) -> None:
        door.set(27, 1)
        float_switch, tach = pins.input(27), pins.input(23, count="rising")
        output = pins.output(17, 1)
        await until(lambda: door.outputs == {17: 1} and float_switch.level() == 1)
        door.set(27, 0)
        door.edges(23, 12)
        output.drive(0)
        await until(lambda: door.outputs == {17: 0} and float_switch.level() == 0)
        await until(lambda: tach_count(tach.take_edges()) == 6)

    counted = 0

    def tach_count(more: int) -> int:
        nonlocal counted
        counted += more
        return counted

    meet(tmp_path, script)


def test_a_level_holds_over_the_pull_of_an_opening_pin(tmp_path: Path) -> None:
    """Sources open their pins whenever they please; a pull-up must not outvote the wire that the simulator holds low."""

    async def script(door: PinsDoor, pins: MockPins) -> None:
        door.set(27, 0)
        assert pins.door is not None
        known = pins.door.levels
        pins.door.ensure_open()
        await until(lambda: 27 in known)
        line = pins.input(27, "up", "both")
        assert line.level() == 0
        assert line.take_edges() == 0

    meet(tmp_path, script)


def test_either_side_may_go_and_come_back(tmp_path: Path) -> None:
    """A daemon is killed and a simulator restarted in every serious test; levels must agree again without a word."""

    async def script(door: PinsDoor, pins: MockPins) -> None:
        door.set(27, 1)
        line, output = pins.input(27), pins.output(17, 1)
        await until(lambda: line.level() == 1)
        await door.close()
        output.drive(0)
        assert line.level() == 1
        again = PinsDoor(tmp_path / "pins.sock")
        again.set(27, 0)
        await again.open()
        await until(lambda: line.level() == 0 and again.outputs == {17: 0})
        await again.close()

    meet(tmp_path, script)


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n",
        b"\xff\xfe\n",
        b"[]\n",
        b'{"pin": 27, "level": 2}\n',
        b'{"pin": "27", "level": 1}\n',
        b'{"pin": 99, "level": 1}\n',
        b'{"pin": 17, "level": 0}\n',
        b'{"pin": 27}\n',
        b'{"pin": 27, "edges": -1}\n',
        json.dumps({"pin": 27, "edges": EDGES_MAX + 1}).encode() + b"\n",
        b"x" * (3 * LINE_BYTES_MAX) + b"\n",
        b'{"pin": 27, "lev',
    ],
)
def test_what_makes_no_sense_moves_nothing_and_stops_nothing(line: bytes, tmp_path: Path) -> None:
    """The door takes what anybody on the socket says; an output is never moved through it."""

    async def play() -> None:
        path = tmp_path / "pins.sock"
        calls: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

        async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            calls.put_nowait(writer)

        server = await asyncio.start_unix_server(called, path)
        pins = MockPins(str(path))
        switch, witness = pins.input(27), pins.input(5)
        pins.output(17, 1)
        async with asyncio.timeout(10):
            writer = await calls.get()
        writer.write(line)
        if not line.endswith(b"\n") or len(line) > LINE_BYTES_MAX:
            writer.close()
            async with asyncio.timeout(10):
                writer = await calls.get()  # It calls again.
        writer.write(b'{"pin": 5, "level": 1}\n')
        await until(lambda: witness.level() == 1)
        assert switch.level() == 0
        assert pins.factory.pin(17).state
        assert pins.door is not None
        await pins.door.close()
        writer.close()
        server.close()
        await server.wait_closed()

    asyncio.run(play())


def test_a_simulator_that_stops_reading_costs_no_memory(tmp_path: Path) -> None:
    """Each drive is a line; a stopped simulator must not collect them in the daemon."""

    async def play() -> None:
        path = tmp_path / "pins.sock"
        calls: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

        async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            calls.put_nowait(writer)

        server = await asyncio.start_unix_server(called, path, limit=1)
        pins = MockPins(str(path))
        output = pins.output(17, 1)
        async with asyncio.timeout(20):
            first = await calls.get()
            while calls.empty():  # until it gave up this reader and called anew
                for _ in range(2000):
                    output.drive(0)
                    output.drive(1)
                await asyncio.sleep(0)
            second = await calls.get()
        assert pins.door is not None
        await pins.door.close()
        first.transport.abort()
        second.transport.abort()
        server.close()
        await server.wait_closed()

    asyncio.run(play())


def test_inputs_are_bounded() -> None:
    """A runaway simulator must not fill the daemon's memory with pins."""
    pins = MockPins("/nowhere")
    assert pins.door is not None
    for pin in range(10_000):
        pins.door._take(json.dumps({"pin": pin, "level": 1}).encode())
    assert len(pins.door.levels) <= PINS_MAX


def test_a_relay_is_read_back_through_the_door(tmp_path: Path) -> None:
    """This is the round trip of a quarantine: drive, relay in the other process, read-back, verdict."""

    async def script(door: PinsDoor, pins: MockPins) -> None:
        welded = False

        def relay(pin: int, level: int) -> None:
            if not welded:
                door.set(22, level)

        door._on_output = relay
        outputs = Outputs({"fan": OutputTable("gpio", 17, "on", read_back=22, read_back_after_s=0.5)}, pins)
        assert (await outputs.start())["fan"][0]  # It waits for the door; else each start would tell of a dead relay.
        assert (await outputs.drive("fan", False))[0]
        welded = True
        ok, detail = await outputs.drive("fan", True)
        assert not ok and "still reads off" in detail

    meet(tmp_path, script)

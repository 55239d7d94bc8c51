"""These tests run the rig on a real pty and a real socket. Nothing waits for a fixed time; bounds are generous."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import serial

import sickbay_sim
from sickbay.config import Gpio, OutputTable, Pin
from sickbay.core.reading import LineState, Reading
from sickbay.edge.actuators import Outputs
from sickbay.edge.pins import MockPins
from sickbay.edge.sources.gpio import GpioSource
from sickbay_sim.patient import COOLING_LOOP, rows
from sickbay_sim.rig import FAN_TACH_PIN, READ_BACK_PINS, RELAY_PINS, Rig


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while True:
            if true():
                return
            await asyncio.sleep(0.002)


def run(script: Awaitable[None]) -> None:
    async def play() -> None:
        await script

    asyncio.run(play())


async def lines_of(port: serial.Serial, count: int) -> list[bytes]:
    """This returns the next whole lines of a port."""
    held = b""

    def enough() -> bool:
        nonlocal held
        held += port.read(port.in_waiting)
        return held.count(b"\n") >= count

    await until(enough)
    return held.split(b"\n")[:count]


def test_json_lines_come_over_a_real_serial_port(tmp_path: Path) -> None:
    """The daemon opens the name like any other port; what it reads is what virtual time gives for the seed."""

    async def script() -> None:
        async with Rig(tmp_path, 3, period_s=0.01, speed=100.0) as rig:
            with serial.Serial(str(rig.port), 115200, timeout=0) as port:
                said = [json.loads(line) for line in (await lines_of(port, 6))[1:5]]
        expected = list(rows(3, 200, 1.0))
        first = expected.index(said[0])
        assert said == expected[first : first + 4]

    run(script())


def test_csv_lines_begin_with_a_header_and_leave_missing_values_empty(tmp_path: Path) -> None:
    """A column that vanished would shift all others; an empty one says what is missing."""

    async def script() -> None:
        rig = Rig(tmp_path, style="csv", speed=1.0)
        rig.line.plug()
        # Opened bare: pyserial throws away on opening what has come before, and the header with it.
        fd = os.open(rig.port, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        rig.ail("dropout", "pressure")
        rig.beat()
        held = b""

        def two_lines() -> bool:
            nonlocal held
            with contextlib.suppress(BlockingIOError):
                held += os.read(fd, 4096)
            return held.count(b"\n") == 2

        await until(two_lines)
        os.close(fd)
        rig.line.unplug()
        header, row = held.decode().splitlines()
        assert header.split(",") == list(COOLING_LOOP)
        assert row.split(",")[1] == ""
        assert len(row.split(",")) == len(COOLING_LOOP)

    run(script())


def test_an_unplugged_line_is_an_error_for_whoever_reads_it(tmp_path: Path) -> None:
    """EOF or EIO is how a pulled USB cable shows; a line that only fell silent would be another fault."""
    rig = Rig(tmp_path)
    rig.line.plug()
    with serial.Serial(str(rig.port), timeout=0) as port:
        rig.line.unplug()
        with pytest.raises((OSError, serial.SerialException)):
            while True:
                port.read(100)


def test_a_line_that_nobody_reads_loses_lines_and_not_the_rig(tmp_path: Path) -> None:
    """A stopped daemon must not stop the machine: real lines overrun."""
    rig = Rig(tmp_path)
    rig.line.plug()
    for _ in range(500):
        rig.beat()
    assert rig.line.lost > 0 and rig.rows_sent == 500
    rig.line.unplug()
    rig.beat()


def test_unplugged_and_replugged_the_name_comes_back(tmp_path: Path) -> None:
    """The port is found again under the same name, as under /dev/serial/by-id."""

    async def script() -> None:
        async with Rig(tmp_path, period_s=0.005) as rig:
            rig.unplug()
            assert not rig.port.is_symlink()
            sent = rig.rows_sent
            await until(lambda: rig.rows_sent > sent + 3)
            rig.replug()
            with serial.Serial(str(rig.port), timeout=0) as port:
                assert await lines_of(port, 2)
        assert not rig.port.is_symlink()
        assert [line["what"] for line in rig.patient.truth] == ["unplugged", "plugged"]

    run(script())


def test_the_daemons_relay_switches_the_fan_and_is_read_back(tmp_path: Path) -> None:
    """The whole loop of a quarantine, with the daemon's own actuators: drive off, fan stops, contacts confirm."""

    async def script() -> None:
        async with Rig(tmp_path, period_s=0.01, speed=100.0) as rig:
            pins = MockPins(str(rig.door.path))
            tables = {
                name: OutputTable("gpio", RELAY_PINS[name], "on", read_back=READ_BACK_PINS[name], read_back_after_s=0.5)
                for name in RELAY_PINS
            }
            outputs = Outputs(tables, pins)
            assert all(ok for ok, _ in (await outputs.start()).values())
            ok, detail = await outputs.drive("fan_relay", False)
            assert ok, detail
            await until(lambda: (rig.last_row["fan_rpm"] or 0) < 10)
            rig.ail("welded", "fan_relay")
            ok, detail = await outputs.drive("fan_relay", True)
            assert not ok and "still reads off" in detail
            rig.heal("welded")
            assert (await outputs.drive("fan_relay", True))[0]
            assert pins.door is not None
            await pins.door.close()

    run(script())


def test_the_tach_on_pins_reads_the_fans_speed(tmp_path: Path) -> None:
    """The daemon's own source counts the pulses of the pins door to the speed that the plant has."""

    async def script() -> None:
        facts: list[Reading | LineState] = []
        async with Rig(tmp_path, period_s=0.005, speed=1.0, fan="pins") as rig:
            pins = MockPins(str(rig.door.path))
            config = Gpio({"tach": Pin(FAN_TACH_PIN, count="rising", pulses_per_rev=2)}, sample_s=0.5)
            source = GpioSource("pins", config, {"tach": "fan_tach"}, lambda: 0, facts.append, pins)
            running = asyncio.create_task(source.run())
            await until(lambda: len([f for f in facts if isinstance(f, Reading)]) >= 4)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert pins.door is not None
            await pins.door.close()
        speeds = [fact.value or 0.0 for fact in facts if isinstance(fact, Reading)]
        # The first sample begins before the door is open; a busy machine shifts pulses from one sample into the next.
        assert sum(speeds[1:]) / len(speeds[1:]) == pytest.approx(1800, rel=0.15)
        assert "fan_rpm" not in rig.line._columns

    run(script())


def test_a_clean_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    """The next rig in the same folder must find it free."""

    async def script() -> None:
        for _ in range(2):
            async with Rig(tmp_path):
                assert sorted(path.name for path in tmp_path.iterdir()) == ["pins.sock", "ttySIM0"]
        assert list(tmp_path.iterdir()) == []

    run(script())


@pytest.mark.parametrize("bad", [{"fan": "none"}, {"style": "xml"}, {"period_s": 0}, {"speed": float("nan")}])
def test_senseless_rigs_are_refused(bad: dict[str, object], tmp_path: Path) -> None:
    """Better now than as a strange line later."""
    with pytest.raises(ValueError, match=r"fan|format|period_s"):
        Rig(tmp_path, **bad)


def test_the_simulator_knows_nothing_of_the_agent() -> None:
    """One bug in both would hide in both: the machine and its wires must stand alone."""
    others = "('sickbay', 'gpiozero', 'serial')"
    code = f"import sys, sickbay_sim.main\nprint([m for m in sys.modules if m.partition('.')[0] in {others}])"
    simulator = str(Path(sickbay_sim.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": simulator},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"

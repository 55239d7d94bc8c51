"""This is a machine on real wires: a patient on a pty and a pins door, in real time, for an unmodified daemon."""

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path

from sickbay_sim.ailments import Ailment
from sickbay_sim.patient import COOLING_LOOP, Patient
from sickbay_sim.wires.line import SerialPort
from sickbay_sim.wires.pins import PinsDoor

FAN_TACH_PIN = 23
PULSES_PER_REV = 2
RELAY_PINS = {"fan_relay": 17, "pump_relay": 18}
READ_BACK_PINS = {"fan_relay": 22, "pump_relay": 24}
READY_PIN = 27  # a float switch: high while there is coolant


class Rig:
    """The patient and its wires. `async with` starts and stops it; every other method may be called while it runs.

    A line leaves every `period_s` of real time; plant time goes `speed` times as fast. The fan's tach is a signal of
    the line (`fan="line"`: fan_rpm) or pulses on pin 23 (`fan="pins"`), two a revolution in real time whatever the
    speed, since that is the time by which a daemon counts.
    """

    def __init__(
        self,
        folder: Path,
        seed: int = 0,
        *,
        period_s: float = 0.05,
        speed: float = 20.0,
        style: str = "json",
        fan: str = "line",
        ailments: Iterable[Ailment] = (),
        truth: Path | None = None,
    ) -> None:
        """`folder` gets the line's name `ttySIM0` and the door's socket `pins.sock`; it must exist."""
        if fan not in ("line", "pins"):
            raise ValueError(f'fan {fan!r}: it is on the "line" or on the "pins"')
        if not (0.001 <= period_s <= 60 and 0 < speed <= 10_000):
            raise ValueError(f"period_s {period_s:g} or speed {speed:g} makes no sense. Try 0.05 and 20")
        self.patient = Patient(seed, ailments, truth=truth, signals=COOLING_LOOP)
        self.period_s = period_s
        self.speed = speed
        self.style = style
        self.fan = fan
        columns = tuple(name for name in COOLING_LOOP if fan == "line" or name != "fan_rpm")
        self.line = SerialPort(folder / "ttySIM0", columns, style)
        self.door = PinsDoor(folder / "pins.sock", self._output)
        self.last_row: dict[str, float | None] = {}
        self.rows_sent = 0
        self._part_pulse = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> Path:
        """This is what a daemon's configuration names as its port."""
        return self.line.path

    async def __aenter__(self) -> "Rig":
        await self.start()
        return self

    async def __aexit__(self, *why: object) -> None:
        await self.stop()

    async def start(self) -> None:
        await self.door.open()
        self.line.plug()
        self.door.set(READY_PIN, 1)
        self.door.set(FAN_TACH_PIN, 0)
        self._read_back()
        self._task = asyncio.create_task(self._run(), name="rig")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self.line.unplug()
        await self.door.close()

    async def wait(self, over: asyncio.Event) -> None:
        """This waits until `over` is set; raises what ended the rig's own loop, should that come first."""
        assert self._task is not None
        waiting = asyncio.create_task(over.wait())
        done, _ = await asyncio.wait((waiting, self._task), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task in done:
            self._task.result()

    def ail(self, kind: str, target: str, severity: float | None = None) -> None:
        """This begins an ailment now; raises AilmentError for one that nobody knows."""
        self.patient.ail(kind, target, severity)
        self._read_back()

    def heal(self, kind: str | None = None, target: str | None = None) -> None:
        """This ends ailments now: those of a kind, of a target, or all of them."""
        self.patient.heal(kind, target)
        self._read_back()

    def unplug(self) -> None:
        """This pulls the serial line; the patient goes on."""
        self.line.unplug()
        self.patient.note("unplugged", "line")

    def replug(self) -> None:
        self.line.plug()
        self.patient.note("plugged", "line")

    def beat(self) -> None:
        """This moves the patient on by one period and tells the wires. The rig's own loop calls it; so may a test."""
        self.last_row = row = self.patient.advance(self.period_s * self.speed)
        self._read_back()
        if self.fan == "pins":
            self._pulse(row["fan_rpm"] or 0.0)
            row = {name: value for name, value in row.items() if name != "fan_rpm"}
        self.line.send(row)
        self.rows_sent += 1

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += self.period_s
            late = loop.time() - due
            if late > 10 * self.period_s:
                due += late  # The machine stood still for a while; a burst would be no real line.
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.beat()

    def _pulse(self, rpm: float) -> None:
        pulses = self._part_pulse + rpm / 60 * PULSES_PER_REV * self.period_s
        self._part_pulse = pulses % 1.0
        self.door.edges(FAN_TACH_PIN, 2 * int(pulses))

    def _output(self, pin: int, level: int) -> None:
        for relay, relay_pin in RELAY_PINS.items():
            if pin == relay_pin:
                self.patient.switch(relay, bool(level))
        self._read_back()

    def _read_back(self) -> None:
        for relay, pin in READ_BACK_PINS.items():
            self.door.set(pin, int(self.patient.contacts(relay)))

"""This is a machine on real wires: a patient on a pty and a pins door, in real time, for an unmodified daemon."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sickbay_sim.ailments import Ailment
from sickbay_sim.patient import COOLING_LOOP, Patient
from sickbay_sim.wires.adapter import AdapterPort
from sickbay_sim.wires.elm327 import CAR_PIDS, Elm327, Quirks, Socket, encoded
from sickbay_sim.wires.line import SerialPort
from sickbay_sim.wires.pins import PinsDoor
from sickbay_sim.wires.spoil import LineFaults

FAN_TACH_PIN = 23
PULSES_PER_REV = 2
WHEEL_PIN = 25
# 48 pulses a turn of 1.95 m: a wheel's pulses in a second at 1 km/h. 60 of them are what a daemon calls a revolution a minute.
WHEEL_PULSES = 48 / 1.95 / 3.6
RELAY_PINS = {"fan_relay": 17, "pump_relay": 18}
READ_BACK_PINS = {"fan_relay": 22, "pump_relay": 24}
READY_PIN = 27  # a float switch: high while there is coolant
PULSE_S = 0.005  # how often pulses are sent: edges on mock pins carry no time, so they must not come in heaps
STYLES = ("json", "csv", "obd")
ADAPTER_PACE = 4.0  # times the machine's speed: the adapter's own slowness is not what a sped-up story is about


@dataclass(frozen=True)
class Counted:
    """One signal that is pulses on a pin: `per_s` pulses each real second for each unit of its value."""

    pin: int
    per_s: float


class Rig:
    """The patient and its wires. `async with` starts and stops it; every other method may be called while it runs.

    A line leaves every `period_s` of real time; plant time goes `speed` times as fast. The fan's tach is a signal of
    the line (`fan="line"`: fan_rpm) or pulses on pin 23 (`fan="pins"`), two a revolution in real time whatever the
    speed, since that is the time by which a daemon counts. In the style "obd" the patient is a car: an adapter that is
    asked instead of a line that speaks, and a wheel's pulses on pin 25.
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
        patient: Patient | None = None,
        read_back: Mapping[str, int] | None = None,
    ) -> None:
        """`folder` gets the line's name `ttySIM0` and the door's socket `pins.sock`; it must exist.

        `patient` is None for a cooling loop; `read_back` is {relay: the pin that reads its contacts}.
        """
        if fan not in ("line", "pins"):
            raise ValueError(f'fan {fan!r}: it is on the "line" or on the "pins"')
        if style not in STYLES:
            raise ValueError(f"line format {style!r}: known are {', '.join(STYLES)}")
        if not (0.001 <= period_s <= 60 and 0 < speed <= 10_000):
            raise ValueError(f"period_s {period_s:g} or speed {speed:g} makes no sense. Try 0.05 and 20")
        self.patient = patient or Patient(seed, ailments, truth=truth, signals=COOLING_LOOP)
        self.period_s = period_s
        self.speed = speed
        self.style = style
        self.fan = fan
        self.relays = dict(self.patient.plant.relays)
        self.read_back = dict(READ_BACK_PINS if read_back is None else read_back)
        self.counted: dict[str, Counted] = {}
        if fan == "pins":
            self.counted["fan_rpm"] = Counted(FAN_TACH_PIN, PULSES_PER_REV / 60)
        columns = tuple(name for name in self.patient.sensors.chains if name not in self.counted)
        self.faults = LineFaults(seed)
        self.bytes_sent = 0
        if style == "obd":
            self.counted.update(
                {name: Counted(WHEEL_PIN, WHEEL_PULSES) for name in columns if name not in CAR_PIDS},
            )
            self.socket = Socket({}, volts=12.5)
            adapter = Elm327(lambda: self.socket, seed, Quirks(pace=ADAPTER_PACE * speed))
            self.adapter: AdapterPort | None = AdapterPort(folder / "ttySIM0", adapter, self._send)
            self.line: SerialPort | AdapterPort = self.adapter
            self._pty = self.adapter.pty
        else:
            self.adapter = None
            self.line = self._pty = SerialPort(folder / "ttySIM0", columns, style, self._send)
        self.door = PinsDoor(folder / "pins.sock", self._output)
        self.last_row: dict[str, float | None] = {}
        self.rows_sent = 0
        self.on_beat: Callable[[], None] | None = None  # called behind each beat, for who tells a story with it
        self._part_pulses: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._going = asyncio.Event()
        self._going.set()
        self._unplugged_by_hand = False

    @property
    def port(self) -> Path:
        """This is what a daemon's configuration names as its port."""
        return self._pty.path

    async def __aenter__(self) -> "Rig":
        await self.start()
        return self

    async def __aexit__(self, *why: object) -> None:
        await self.stop()

    async def start(self, moving: bool = True) -> None:
        """This makes the wires appear; `moving` sets the machine going at once, else `move` does."""
        await self.door.open()
        self.line.plug()
        self.door.set(READY_PIN, 1)
        for counted in self.counted.values():
            self.door.set(counted.pin, 0)
        self._read_back()
        self._fill_socket()
        if moving:
            self.move()

    def move(self) -> None:
        """This sets the machine going."""
        self._tasks.append(asyncio.create_task(self._run(), name="rig"))
        if self.counted:
            self._tasks.append(asyncio.create_task(self._pulse(), name="rig's pulses"))

    def hold(self, still: bool) -> None:
        """This lets the machine and its story stand still, or go on: for what takes real time and none of the story's."""
        if still:
            self._going.clear()
        else:
            self._going.set()

    async def stop(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # what ended one of them is for `wait` to say
        self.line.unplug()
        await self.door.close()

    async def wait(self, over: asyncio.Event) -> None:
        """This waits until `over` is set; raises what ended the rig's own loop, should that come first."""
        waiting = asyncio.create_task(over.wait())
        done, _ = await asyncio.wait((waiting, *self._tasks), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in self._tasks:
            if task in done:
                task.result()

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
        self._unplugged_by_hand = True
        self.line.unplug()
        self.patient.note("unplugged", "line")

    def replug(self) -> None:
        self._unplugged_by_hand = False
        self.line.plug()
        self.patient.note("plugged", "line")

    def beat(self) -> None:
        """This moves the patient on by one period and tells the wires. The rig's own loop calls it; so may a test."""
        self.last_row = row = self.patient.advance(self.period_s * self.speed)
        self._read_back()
        self._befall()
        if isinstance(self.line, SerialPort):
            said = {name: value for name, value in row.items() if name not in self.counted}
            if any(value is not None for value in said.values()):
                self.line.send(said)  # a row whose readings are all missing never left the board
        else:
            self._fill_socket()
        self.rows_sent += 1
        if self.on_beat is not None:
            self.on_beat()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += self.period_s
            late = loop.time() - due
            if late > 10 * self.period_s:
                due += late  # The machine stood still for a while; a burst would be no real line.
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._going.wait()
            self.beat()

    async def _pulse(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(PULSE_S)
            now = loop.time()
            for name, counted in self.counted.items():
                value = max(0.0, self.last_row.get(name) or 0.0)
                pulses = self._part_pulses.get(name, 0.0) + value * counted.per_s * (now - last)
                self._part_pulses[name] = pulses % 1.0
                self.door.edges(counted.pin, 2 * int(pulses))
            last = now

    def _befall(self) -> None:
        """This puts the line's faults in force as they are now, and plugs or unplugs it."""
        at_s = self.patient.at_s
        self.faults.set({fault.kind: severity for fault, severity in self.patient.in_force("bytes")}, at_s)
        wanted = self.faults.plugged(at_s) and not self._unplugged_by_hand
        if wanted != self._pty.plugged:
            if wanted:
                self.line.plug(self.faults.renamed())
            else:
                self.line.unplug()

    def _send(self, content: bytes) -> None:
        """This sends what the machine says, through what is wrong with the line."""
        for delay_s, part in self.faults.feed(content, self.patient.at_s):
            self.bytes_sent += len(part)
            if delay_s > 0:
                asyncio.get_running_loop().call_later(delay_s / self.speed, self._pty.write, part)
            else:
                self._pty.write(part)

    def _fill_socket(self) -> None:
        """This puts what the car's computer knows now behind its diagnostic socket."""
        if self.adapter is not None:
            true = self.patient.true_values()
            self.socket.engine = encoded(self.last_row or true)
            self.socket.volts = true["battery_voltage"]
            self.socket.awake = true["engine_rpm"] > 0

    def _output(self, pin: int, level: int) -> None:
        for relay, relay_pin in self.relays.items():
            if pin == relay_pin:
                self.patient.switch(relay, bool(level))
        self._read_back()

    def _read_back(self) -> None:
        for relay in self.relays:
            if relay in self.read_back:
                self.door.set(self.read_back[relay], int(self.patient.contacts(relay)))

"""This chooses the pins a process works with, once: mock, lgpio through gpiozero, or the kernel's lines through gpiod.

It is a lower layer, not a sibling driver: sources/gpio.py and actuators.py both stand on it, since they must share
one factory.

Which pins (`choose`): $GPIOZERO_PIN_FACTORY where it is set (mock, lgpio, ...), else lgpio. A line is opened through
gpiod instead where its chip is named in the configuration, where edges are to be counted, and where lgpio or gpiozero
cannot serve (Python 3.13 has no lgpio, gpiozero knows no board but the Pi). gpiozero costs 11 MB and 90 ms and so is
imported when the first pin is opened; lgpio only where a chip exists, because its import writes a FIFO into the
working directory.

Levels here are electrical: 1 is high. What counts as active is the business of those above.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from sickbay.edge import pins_kernel
from sickbay.edge.pins_door import Door
from sickbay.edge.pins_line import (
    FactoryInput,
    FactoryOutput,
    GuardedLine,
    Line,
    PinsError,
    WatchedLine,
    guard,
    hardware_errors,
)

MOCK_STATES_MAX = 1000

__all__ = ["BoardPins", "FactoryPins", "Line", "MockPins", "Pins", "PinsError", "choose"]


class Pins(Protocol):
    """A set of pins. `chip` is a device path, "" for the header of the board. Everything here may raise PinsError."""

    def input(self, pin: int, pull: str = "none", count: str = "", chip: str = "") -> Line: ...

    def output(self, pin: int, level: int, chip: str = "") -> Line: ...

    async def ready(self) -> None:
        """This waits, and not for long, until the pins mean something: at once for real ones."""

    def look(self, pin: int, chip: str = "") -> str:
        """This returns what is known of a pin, for people, without touching it."""


_chosen: dict[str, Pins] = {}  # by the name of the factory; a process uses one


def choose() -> Pins:
    """This returns the pins of this process, always the same; raises PinsError for a factory that nobody knows."""
    name = os.environ.get("GPIOZERO_PIN_FACTORY", "").lower() or "lgpio"
    if name not in _chosen:
        if name == "mock":
            _chosen[name] = MockPins(os.environ.get("SICKBAY_PINS_DOOR", ""))
        elif name == "lgpio":
            _chosen[name] = BoardPins()
        else:
            _chosen[name] = FactoryPins(_load(name))
    return _chosen[name]


class FactoryPins:
    """Pins of any gpiozero factory. Edges are counted by the pin's own when_changed; `chip` means nothing here."""

    def __init__(self, factory: Any) -> None:
        self.factory = factory
        self._outputs: set[int] = set()

    def input(self, pin: int, pull: str = "none", count: str = "", chip: str = "") -> Line:
        if pin in self._outputs:
            raise PinsError(f"pin {pin}: it is already an output. Give the input a pin of its own")
        return GuardedLine(f"pin {pin}", guard(f"pin {pin}", lambda: FactoryInput(self.factory, pin, pull, count)))

    def output(self, pin: int, level: int, chip: str = "") -> Line:
        if pin in self._outputs:
            raise PinsError(f"pin {pin}: it is already an output. Give each output a pin of its own")
        line = GuardedLine(f"pin {pin}", guard(f"pin {pin}", lambda: FactoryOutput(self.factory, pin, level)))
        self._outputs.add(pin)
        return WatchedLine(line, (), lambda: self._outputs.discard(pin))

    async def ready(self) -> None:
        return None

    def look(self, pin: int, chip: str = "") -> str:
        return guard(f"pin {pin}", lambda: f"pin {pin}: {self.factory.pin(pin).info.name}")


class MockPins(FactoryPins):
    """gpiozero's mock pins, and the door through which a simulator in another process moves and sees them."""

    def __init__(self, door_path: str = "") -> None:
        from gpiozero.pins.mock import MockFactory

        super().__init__(MockFactory())
        self.door = Door(door_path, self.set_input) if door_path else None

    def input(self, pin: int, pull: str = "none", count: str = "", chip: str = "") -> Line:
        line = super().input(pin, pull, count)
        if self.door is not None:
            self.door.ensure_open()
            if pin in self.door.levels:
                # Opening a pin with a pull moves a mock pin; what the simulator last said of it holds.
                self.set_input(pin, self.door.levels[pin])
                line.take_edges()
        return line

    def output(self, pin: int, level: int, chip: str = "") -> Line:
        line = super().output(pin, level)
        door = self.door
        if door is None:
            return line
        door.ensure_open()
        door.tell(pin, level)
        return WatchedLine(line, (lambda driven: door.tell(pin, driven),), lambda: None)

    async def ready(self) -> None:
        if self.door is not None:
            await self.door.ready()

    def set_input(self, pin: int, level: int) -> bool:
        """This moves an input as the wire on it would; returns False where there is no such input."""
        try:
            mock = self.factory.pin(pin)
        except hardware_errors():
            return False
        if pin in self._outputs:
            return False
        (mock.drive_high if level else mock.drive_low)()
        if len(mock.states) > MOCK_STATES_MAX:
            mock.clear_states()  # gpiozero keeps every change for its own tests: 12 KB a second of a counted fan
        return True


class BoardPins:
    """The real thing: levels and outputs through gpiozero on lgpio, counted edges and named chips through gpiod."""

    def __init__(self) -> None:
        self._factory: Any = None
        self._node: tuple[int, int] | None = None

    def input(self, pin: int, pull: str = "none", count: str = "", chip: str = "") -> Line:
        factory = None if count or chip else self._header()

        def make() -> Line:
            if factory is None:
                return pins_kernel.KernelLine.input(chip, pin, pull, count)
            return FactoryInput(factory, pin, pull, "")

        return self._line(_name(pin, chip), factory, make)

    def output(self, pin: int, level: int, chip: str = "") -> Line:
        factory = None if chip else self._header()

        def make() -> Line:
            if factory is None:
                return pins_kernel.KernelLine.output(chip, pin, level)
            return FactoryOutput(factory, pin, level)

        return self._line(_name(pin, chip), factory, make)

    async def ready(self) -> None:
        return None

    def look(self, pin: int, chip: str = "") -> str:
        return guard(_name(pin, chip), lambda: pins_kernel.look(chip, pin))

    def _line(self, name: str, factory: Any, make: Callable[[], Line]) -> Line:
        # A factory that was dropped has no handle, and its pins raise TypeErrors; lines that hang on it must not be touched.
        return GuardedLine(name, guard(name, make), lambda: factory is self._factory or factory is None)

    def _header(self) -> Any:
        """This returns gpiozero's lgpio factory, None where only gpiod can serve; raises PinsError without a chip."""
        if self._factory is not None:
            if self._node == _node(self._factory.chip):
                return self._factory
            self._forget()
        if not pins_kernel.chips():
            raise PinsError("there is no /dev/gpiochip*: this machine has no GPIO, or its driver is not loaded")
        try:
            # gpiozero knows Raspberry Pis only; asked first, so that lgpio is not loaded for nothing.
            guard("board", _revision)
            self._factory = _load("lgpio")
        except PinsError:
            return None
        self._node = _node(self._factory.chip)
        return self._factory

    def _forget(self) -> None:
        """This drops a factory whose chip has gone: lgpio's handle stays dead for ever, even when the chip comes back.

        gpiozero keeps pins and reservations on the class of all local factories, so they must go too.
        """
        factory, self._factory = self._factory, None
        factory.pins.clear()
        factory._reservations.clear()
        with contextlib.suppress(*hardware_errors()):
            factory.close()


def _revision() -> int:
    from gpiozero.pins.local import get_pi_revision

    return int(get_pi_revision())


def _load(name: str) -> Any:
    """This returns a gpiozero factory by the name that GPIOZERO_PIN_FACTORY uses."""
    # Imported here: it brings email, zipfile and lzma along, 2 MB for a daemon that has no pins.
    from importlib.metadata import entry_points

    found = {point.name.lower(): point for point in entry_points(group="gpiozero_pin_factories")}
    if name not in found:
        raise PinsError(f"GPIOZERO_PIN_FACTORY={name}: gpiozero knows no such pins. Known: {', '.join(sorted(found))}")
    return guard(f"GPIOZERO_PIN_FACTORY={name}", lambda: found[name].load()())


def _node(chip: int) -> tuple[int, int] | None:
    """This returns what tells one life of a chip's device node from the next; None while there is none."""
    try:
        status = Path(f"/dev/gpiochip{chip}").stat()
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns


def _name(pin: int, chip: str) -> str:
    return f"{chip} pin {pin}" if chip else f"pin {pin}"

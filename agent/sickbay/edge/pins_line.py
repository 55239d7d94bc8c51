"""These are open pins as pins.py hands them out: one shape for gpiozero's and the kernel's, and one error."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Collection
from typing import Any, Protocol, TypeVar

from sickbay.errors import SickbayError

T = TypeVar("T")

_MENDS = {
    errno.EACCES: "let the user join the group gpio",
    errno.EPERM: "let the user join the group gpio",
    errno.EBUSY: "another program holds it; `gpioinfo` shows which",
    errno.ENOENT: "see whether `ls /dev/gpiochip*` lists it",
    errno.ENODEV: "the chip has gone; see whether it is still plugged in",
    errno.EINVAL: "the chip has no such line",
}


class PinsError(SickbayError, OSError):
    """This is a chip or pin that cannot be opened, read or driven; the text says what to do."""


class Line(Protocol):
    """One open pin. Every method but close may raise PinsError once the chip has gone; then close it and open anew."""

    def level(self) -> int:
        """This returns the electrical level, 1 for high."""

    def drive(self, level: int) -> None: ...

    def take_edges(self) -> int:
        """This returns the edges counted since the last call."""

    def close(self) -> None: ...


def hardware_errors() -> tuple[type[BaseException], ...]:
    """This returns what the pin libraries raise for hardware's sake; those not loaded are not asked."""
    found: list[type[BaseException]] = [OSError, ValueError, ImportError]
    for module, name in (("gpiozero.exc", "GPIOZeroError"), ("lgpio", "error"), ("gpiod", "RequestReleasedError")):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)


def guard(what: str, act: Callable[[], T]) -> T:
    """This returns what `act` returns; what the libraries raise becomes a PinsError that names `what`."""
    try:
        return act()
    except PinsError:
        raise
    except Exception as error:
        if not isinstance(error, hardware_errors()):
            raise
        number = error.errno if isinstance(error, OSError) else None
        text = os.strerror(number) if number and error.args[:1] == (number,) else str(error) or type(error).__name__
        mend = _MENDS.get(number or 0)
        raise PinsError(f"{what}: {text}" + (f". What to do: {mend}" if mend else "")) from None


class GuardedLine:
    """A line whose errors all become PinsError."""

    def __init__(self, what: str, line: Line, alive: Callable[[], bool] = lambda: True) -> None:
        """`alive` says whether what the line hangs on is still there; past that the line is never touched again."""
        self._what = what
        self._line = line
        self._alive = alive

    def level(self) -> int:
        return self._do(self._line.level)

    def drive(self, level: int) -> None:
        self._do(lambda: self._line.drive(level))

    def take_edges(self) -> int:
        return self._do(self._line.take_edges)

    def _do(self, act: Callable[[], T]) -> T:
        if not self._alive():
            raise PinsError(f"{self._what}: {os.strerror(errno.ENODEV)}. What to do: {_MENDS[errno.ENODEV]}")
        return guard(self._what, act)

    def close(self) -> None:
        with contextlib.suppress(PinsError):
            guard(self._what, self._line.close)


class FactoryInput:
    """An input of any gpiozero factory; InputDevice and not Button, which would start a polling thread."""

    def __init__(self, factory: Any, pin: int, pull: str, count: str) -> None:
        from gpiozero import InputDevice

        pull_up = {"up": True, "down": False, "none": None}[pull]
        state = True if pull_up is None else None
        self._pin = pin
        self._device = InputDevice(pin, pull_up=pull_up, active_state=state, pin_factory=factory)
        self._edges = 0
        if count:
            self._device.pin.edges = count
            # gpiozero keeps a weak reference to a bound method and drops it unseen once nobody else holds the object;
            # we do.
            self._device.pin.when_changed = self._changed

    def _changed(self, ticks: float, state: int) -> None:
        self._edges += 1

    def level(self) -> int:
        return int(bool(self._device.pin.state))

    def drive(self, level: int) -> None:
        raise PinsError(f"pin {self._pin}: it is an input and cannot be driven")

    def take_edges(self) -> int:
        edges, self._edges = self._edges, 0
        return edges

    def close(self) -> None:
        self._device.close()


class FactoryOutput:
    """An output of any gpiozero factory.

    It is the bare pin and not OutputDevice: that closes itself at interpreter exit, which turns the pin into an input
    and so would undo the fail state that a clean stop has just driven.
    """

    def __init__(self, factory: Any, pin: int, level: int) -> None:
        self._pin = factory.pin(pin)
        self._pin.output_with_state(bool(level))

    def level(self) -> int:
        return int(bool(self._pin.state))

    def drive(self, level: int) -> None:
        self._pin.state = bool(level)

    def take_edges(self) -> int:
        return 0

    def close(self) -> None:
        self._pin.close()


class WatchedLine:
    """A line that tells of what happens to it: the door hears of each drive, the owner of the close."""

    def __init__(self, line: Line, told: Collection[Callable[[int], None]], closed: Callable[[], None]) -> None:
        self._line = line
        self._told = told
        self._closed = closed

    def level(self) -> int:
        return self._line.level()

    def drive(self, level: int) -> None:
        self._line.drive(level)
        for tell in self._told:
            tell(level)

    def take_edges(self) -> int:
        return self._line.take_edges()

    def close(self) -> None:
        self._line.close()
        self._closed()

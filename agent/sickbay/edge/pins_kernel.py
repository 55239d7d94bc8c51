"""This opens GPIO lines straight at the kernel's character device, through gpiod: levels, outputs and counted edges.

It is a lower layer that pins.py stands on. Errors are the library's own (OSError, ValueError); pins.py words them for
people.
"""

import select
from pathlib import Path
from typing import Any

# The kernel keeps the newest events and throws away the oldest, and numbers each event of a line whether kept or not
# (drivers/gpio/gpiolib-cdev.c, linereq_put_event). The last number is all that counting needs, so a small buffer
# serves.
EVENT_BUFFER = 16


def chips() -> list[str]:
    """This returns the paths of the GPIO chips that are here, in the kernel's order."""
    return sorted((str(path) for path in Path("/dev").glob("gpiochip*")), key=lambda path: (len(path), path))


def header() -> str:
    """This returns the path of the chip that a board's header hangs on.

    A Pi 5 has it on gpiochip0 or gpiochip4, by kernel version, so the label decides: pinctrl-rp1 there, pinctrl-bcm*
    on older ones.
    """
    import gpiod

    found = chips()
    if not found:
        raise FileNotFoundError("there is no /dev/gpiochip*: this machine has no GPIO, or its driver is not loaded")
    labels = {}
    for path in found:
        with gpiod.Chip(path) as chip:
            labels[path] = chip.get_info().label
    for wanted in ("pinctrl-rp1", "pinctrl-bcm"):
        for path, label in labels.items():
            if label.startswith(wanted):
                return path
    return found[0]


def look(chip: str, pin: int) -> str:
    """This returns what the kernel knows of a line, without requesting it."""
    import gpiod

    path = chip or header()
    with gpiod.Chip(path) as opened:
        line = opened.get_line_info(pin)
        held = f"held by {line.consumer or 'the kernel'}" if line.used else "free"
        return f"{path} ({opened.get_info().label}) pin {pin} {line.name or 'unnamed'}: {held}"


class KernelLine:
    """One requested line."""

    def __init__(self, chip: str, pin: int, settings: Any) -> None:
        import gpiod

        self._pin = pin
        self._request = gpiod.request_lines(
            chip or header(), {pin: settings}, consumer="sickbay", event_buffer_size=EVENT_BUFFER
        )
        self._poll = select.poll()
        self._poll.register(self._request.fd, select.POLLIN)
        self._seen = 0  # the kernel's number of the last event that was counted; it starts at 1 with each request

    @classmethod
    def input(cls, chip: str, pin: int, pull: str, count: str) -> "KernelLine":
        from gpiod import LineSettings
        from gpiod.line import Bias, Direction, Edge

        bias = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "none": Bias.DISABLED}[pull]
        edge = {"": Edge.NONE, "rising": Edge.RISING, "falling": Edge.FALLING, "both": Edge.BOTH}[count]
        return cls(chip, pin, LineSettings(direction=Direction.INPUT, bias=bias, edge_detection=edge))

    @classmethod
    def output(cls, chip: str, pin: int, level: int) -> "KernelLine":
        from gpiod import LineSettings
        from gpiod.line import Direction, Value

        return cls(chip, pin, LineSettings(direction=Direction.OUTPUT, output_value=Value(level)))

    def level(self) -> int:
        return int(self._request.get_value(self._pin).value)

    def drive(self, level: int) -> None:
        from gpiod.line import Value

        self._request.set_value(self._pin, Value(level))

    def take_edges(self) -> int:
        """This returns the edges since the last call, those included that the kernel's buffer had no room for.

        The buffer is emptied when a sample is due instead of the fd waking the loop for each edge: the numbers give
        the same count at a cost that an edge storm cannot raise.
        """
        last = self._seen
        # Emptied at most twice over, so that a storm that fills it as fast as we read cannot hold the loop.
        for _ in range(2):
            if not self._poll.poll(0):
                break
            # A chip that is gone polls as readable too (POLLERR); the read then raises ENODEV.
            last = self._request.read_edge_events(EVENT_BUFFER)[-1].line_seqno
        # The number has 32 bits and wraps: once in 50 days at 1 kHz.
        count, self._seen = (last - self._seen) % 2**32, last
        return int(count)

    def close(self) -> None:
        self._request.release()

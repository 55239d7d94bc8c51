"""This reads GPIO pins: levels are sampled, edges are counted. No pin is ever polled between two samples."""

import asyncio

from sickbay.config import Gpio, Pin
from sickbay.core.reading import LineState, Reading
from sickbay.edge.pins import Line, Pins, PinsError, choose
from sickbay.edge.sources import Clock, Probe, Sink

RETRY_S = (1.0, 30.0)  # first wait and longest, for a chip or pin that is not there


class GpioSource:
    """One group of pins, sampled together every `sample_s`.

    A level reads 1.0 when active, else 0.0. A counted pin reads rev/min where `pulses_per_rev` is set, else edges a
    second, over the time that really went by. A pin that cannot be opened or read gives readings without a value
    while its fellows go on; when none is left the source says so once and goes on trying.
    """

    def __init__(
        self, name: str, config: Gpio, fields: dict[str, str], clock: Clock, sink: Sink, pins: Pins | None = None
    ) -> None:
        """`fields` is {input: signal}; other inputs stay untouched. `pins` is None for the pins of this process."""
        self.name = name
        self._config = config
        self._wanted = {field: (config.inputs[field], signal) for field, signal in fields.items()}
        self._clock = clock
        self._sink = sink
        self._pins = pins
        self._open: dict[str, Line] = {}
        self._troubles: dict[str, str] = {}
        self._alive: bool | None = None  # what was last said of the line

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        retry_s, retry_at, due, last = RETRY_S[0], 0.0, loop.time(), loop.time()
        try:
            while True:
                if len(self._open) < len(self._wanted) and loop.time() >= retry_at:
                    self._open_missing()
                    retry_s = RETRY_S[0] if not self._troubles else min(2 * retry_s, RETRY_S[1])
                    retry_at = loop.time() + retry_s
                self._tell()
                # Reckoned from the plan and not from now, so that delays do not add up; beats that were missed altogether
                # (a machine asleep) are left out, not made up for.
                due += self._config.sample_s
                if due <= loop.time():
                    due = loop.time() + self._config.sample_s
                await asyncio.sleep(due - loop.time())
                now = loop.time()
                self._sample(now - last)
                last = now
        finally:
            self._close()

    async def probe(self, wait_s: float) -> Probe:
        """This reads each pin once where it is free, and says who holds it where it is not."""
        lines, ok = [], True
        for field, (pin, _) in self._wanted.items():
            try:
                lines.append(f"{field}: {self._look(field, pin)}")
            except PinsError as error:
                lines.append(f"{field}: {error}")
                ok = False
        return Probe(self.name, ok, "; ".join(lines) or "no signal reads any of its pins")

    def _look(self, field: str, pin: Pin) -> str:
        pins = self._pins or choose()
        seen = pins.look(pin.pin, self._config.chip)
        if field in self._open:
            return f"{seen}, read by this process"
        line = pins.input(pin.pin, pin.pull, "", self._config.chip)
        try:
            return f"{seen}, now {'high' if line.level() else 'low'}"
        finally:
            line.close()

    def _open_missing(self) -> None:
        for field, (pin, _) in self._wanted.items():
            if field in self._open:
                continue
            try:
                pins = self._pins or choose()
                self._open[field] = pins.input(pin.pin, pin.pull, pin.count, self._config.chip)
                self._troubles.pop(field, None)
            except PinsError as error:
                self._troubles[field] = str(error)

    def _sample(self, elapsed_s: float) -> None:
        at_ms = self._clock()
        for field, (pin, signal) in self._wanted.items():
            value = None
            line = self._open.get(field)
            if line is not None:
                try:
                    value = _value(pin, line, elapsed_s)
                except PinsError as error:
                    self._open.pop(field).close()
                    self._troubles[field] = str(error)
            if self._open or self._alive:
                self._sink(Reading(signal, value, at_ms))

    def _tell(self) -> None:
        """This says whether the line lives, when that has changed: a chip that is gone for a week is one message."""
        alive = bool(self._open) or not self._wanted
        if alive == self._alive:
            return
        self._alive = alive
        # One chip that is missing says the same of every pin.
        detail = "; ".join(dict.fromkeys(f"{field}: {text}" for field, text in self._troubles.items()))
        self._sink(LineState(self.name, alive, self._clock(), detail=detail))

    def _close(self) -> None:
        for line in self._open.values():
            line.close()
        self._open.clear()


def _value(pin: Pin, line: Line, elapsed_s: float) -> float | None:
    """This returns a pin's reading; None for a rate over no time at all."""
    if not pin.count:
        return float(line.level() != int(pin.active_low))
    edges = line.take_edges()
    if elapsed_s <= 0:
        return None
    if pin.pulses_per_rev > 0:
        return edges / (_edges_per_pulse(pin) * pin.pulses_per_rev) * 60 / elapsed_s
    return edges / elapsed_s


def _edges_per_pulse(pin: Pin) -> int:
    return 2 if pin.count == "both" else 1

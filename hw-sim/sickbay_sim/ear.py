"""This is a serial line and the daemon's ear at its end, in virtual time: rows to bytes, what befalls them, bytes to facts.

The bytes are the rig's own (`wires.line.text`, `wires.spoil`), and what they say is read by the daemon's own framing and formats.
Only the port between them is missing, and so what serial_line's driver does about it is done here: it opens again after 0.5 s,
1 s, 2 s, 4 s and every 5 s, tells a loss and a return once, and counts frames once a second where there was garbage, else every
10 s.
"""

import functools
from collections.abc import Callable, Mapping

from sickbay.config import SerialLine
from sickbay.core.reading import LineState, Reading
from sickbay.edge.sources.serial_line.driver import COUNT_GARBAGE_MS, COUNT_GOOD_MS, RETRY_FIRST_S, RETRY_MAX_S
from sickbay.edge.sources.serial_line.frames import Frames
from sickbay_sim.catalogue import LINE
from sickbay_sim.wires.line import text
from sickbay_sim.wires.spoil import LineFaults

PTY_BYTES = 4096  # that wait in a port nobody reads

Fact = Reading | LineState
Later = Callable[[int, Callable[[int], None]], None]  # (at_ms, what is to happen then)


class Ear:
    """One line. `give` takes each fact, `later` arranges what happens at a later time; all times are the node's."""

    def __init__(
        self,
        config: SerialLine,
        fields: dict[str, str],
        columns: tuple[str, ...],
        seed: int,
        give: Callable[[Fact], None],
        later: Later,
    ) -> None:
        self.bytes_in = 0
        self._config = config
        self._columns = columns
        self._faults = LineFaults(seed)
        self._frames = Frames(config, fields)
        self._give, self._later = give, later
        self._plugged = self._open = False  # at the machine's end; at the daemon's
        self._alive = self._told = False
        self._opened_ms = self._counted_ms = 0
        self._retry_s = RETRY_FIRST_S
        self._waiting = b""  # written while nobody had the port open

    def row(self, row: Mapping[str, float | None], severities: Mapping[str, float], at_ms: int) -> None:
        """This sends one row; one whose readings are all missing never left the board."""
        self._faults.set(severities, at_ms / 1000)
        # Another name is found again: the configuration names the link to it, as in /dev/serial/by-id.
        plugged = self._faults.plugged(at_ms / 1000)
        if plugged and not self._plugged:
            self._plug(at_ms)
        elif not plugged and self._plugged:
            self._unplug(at_ms)
        if not plugged:
            return
        if any(value is not None for value in row.values()):
            for delay_s, chunk in self._faults.feed(text(row, self._columns, self._config.format), at_ms / 1000):
                if delay_s > 0:
                    self._later(at_ms + round(delay_s * 1000), functools.partial(self._arrive, chunk))
                else:
                    self._arrive(chunk, at_ms)
        if self._open:
            self._count(at_ms)

    def _plug(self, at_ms: int) -> None:
        self._plugged = True
        if self._config.format == "csv":
            self._arrive((",".join(self._columns) + "\r\n").encode("ascii"), at_ms)
        if self._opened_ms == 0:
            self._reopen(at_ms)  # It was there when the daemon started.

    def _unplug(self, at_ms: int) -> None:
        self._plugged = False
        self._waiting = b""
        if not self._open:
            return
        self._open = False
        if self._alive and at_ms - self._opened_ms >= RETRY_MAX_S * 1000:
            self._retry_s = RETRY_FIRST_S
        if self._alive or not self._told:
            self._alive, self._told = False, True
            self._say(at_ms, f"{self._config.port}: gone")
        self._try_again(at_ms)

    def _try_again(self, at_ms: int) -> None:
        """This arranges the next attempt to open the port."""

        def attempt(then_ms: int) -> None:
            if self._plugged:
                self._reopen(then_ms)
            else:
                self._try_again(then_ms)

        self._later(at_ms + round(self._retry_s * 1000), attempt)
        self._retry_s = min(2 * self._retry_s, RETRY_MAX_S)

    def _reopen(self, at_ms: int) -> None:
        self._open = True
        self._opened_ms = self._counted_ms = at_ms
        self._frames.reopened(at_ms)
        waiting, self._waiting = self._waiting, b""
        if waiting:
            self._hear(waiting, at_ms)

    def _arrive(self, chunk: bytes, at_ms: int) -> None:
        if self._open:
            self._hear(chunk, at_ms)
        elif self._plugged:
            self._waiting = (self._waiting + chunk)[:PTY_BYTES]

    def _hear(self, chunk: bytes, at_ms: int) -> None:
        self.bytes_in += len(chunk)
        for values in self._frames.feed(chunk, at_ms):
            if values and not self._alive:
                self._alive, self._told = True, False
                self._say(at_ms, f"{self._config.port} answers")
            for signal, value in values:
                self._give(Reading(signal, value, at_ms))

    def _count(self, at_ms: int) -> None:
        since_ms, good, garbage = at_ms - self._counted_ms, self._frames.good, self._frames.garbage
        if garbage and since_ms >= COUNT_GARBAGE_MS:
            self._say(at_ms, f"{garbage} of {good + garbage} frames garbage, the last: {self._frames.complaint}")
        elif good and since_ms >= COUNT_GOOD_MS:
            self._say(at_ms, "")

    def _say(self, at_ms: int, detail: str) -> None:
        good, garbage = self._frames.count()
        self._give(LineState(LINE, self._alive, at_ms, good, garbage, detail))
        self._counted_ms = at_ms

"""This is the serial_line source: it opens the port, keeps it open, and turns its lines into readings.

What it says of its line:
- alive=True with the first frame that holds a value of a mapped field, never for a mere opened port: liveness is
  samples.
- alive=False once for each loss, and once more for each stranger found under the device's name. Then it tries again
  after 0.5 s, 1 s, 2 s, 4 s and every 5 s; the wait starts anew only after 5 s of life, so that a loose plug floods
  nothing.
- the counts of good and garbage frames, at most once a second when there was garbage, else every 10 s.
"""

import asyncio
import logging

import serial

from sickbay.config import SerialLine
from sickbay.core.reading import LineState, Reading
from sickbay.edge.ports import OPEN_ERRORS, Port, Wire, plain_reason
from sickbay.edge.ports.identity import Devices, StrangerError
from sickbay.edge.sources import Clock, Probe, Sink
from sickbay.edge.sources.serial_line.frames import Frames

RETRY_FIRST_S, RETRY_MAX_S = 0.5, 5.0
COUNT_GARBAGE_MS, COUNT_GOOD_MS = 1_000, 10_000

log = logging.getLogger(__name__)


class SerialLineSource:
    """Lines of text from one port. `fields` names the signal that each field of a line becomes."""

    def __init__(
        self,
        name: str,
        config: SerialLine,
        fields: dict[str, str],
        clock: Clock,
        sink: Sink,
        devices: Devices | None = None,
    ) -> None:
        self.name = name
        self._config = config
        self._fields = fields
        self._clock = clock
        self._sink = sink
        self._port = Port(config.port, devices)
        self._frames = Frames(config, fields)
        self._alive = False
        self._told: set[str] = set()  # what was said of this loss already
        self._counted_ms = 0
        self._heard = False  # bytes came since the last look

    async def run(self) -> None:
        """This goes on until cancelled."""
        wait_s = RETRY_FIRST_S
        while True:
            try:
                port = await self._port.open(self._config.baud)
            except StrangerError as error:
                self._lose(str(error), str(error))
            except OPEN_ERRORS as error:
                self._lose("gone", f"{self._config.port}: {plain_reason(error)}")
            else:
                opened_ms = self._clock()
                reason = await self._listen(port)
                lasted = self._alive and self._clock() - opened_ms >= RETRY_MAX_S * 1000
                wait_s = RETRY_FIRST_S if lasted else wait_s
                self._lose("gone", f"{self._config.port}: {reason}")
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, RETRY_MAX_S)

    async def probe(self, wait_s: float) -> Probe:
        """This opens the port for itself, and says what came until each mapped field was seen or the time is over."""
        at = self._config.port
        try:
            port = await self._port.open(self._config.baud)
        except OPEN_ERRORS as error:
            return Probe(self.name, False, f"{at}: {plain_reason(error)}")
        frames = Frames(self._config, self._fields, keep_names=True)
        frames.reopened(self._clock())
        found: set[str] = set()  # signals
        all_found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        came = 0

        def take(chunk: bytes) -> None:
            nonlocal came
            came += len(chunk)
            for values in frames.feed(chunk, self._clock()):
                found.update(signal for signal, _ in values)
                if found.issuperset(self._fields.values()) and not all_found.done():
                    all_found.set_result("")

        wire = Wire(port, take)
        try:
            await asyncio.wait({all_found, wire.ended}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await wire.close()
        if not frames.names:
            if frames.garbage:
                what = f"{frames.garbage} garbage frame{'s' * (frames.garbage > 1)} ({frames.complaint})"
                what += "; is the baud rate right?"
            elif came:
                what = f"{came} bytes, but no whole line; is the baud rate right?"
            else:
                what = wire.ended.result() if wire.ended.done() else "the line is silent"
            return Probe(self.name, False, f"{at}: opened, but nothing readable came in {wait_s:g} s: {what}")
        count = len(frames.names)
        listed = ", ".join(list(frames.names)[:12]) + ", ..." * (count > 12)
        missing = [field for field, signal in self._fields.items() if signal not in found]
        lacking = f"; not among them: {', '.join(missing)}" if missing else ""
        detail = f"{at} answers: {count} field{'s' * (count != 1)}, {listed}{lacking}"
        return Probe(self.name, not missing, detail)

    async def _listen(self, port: serial.SerialBase) -> str:
        """This returns why the port was left, after all of its lines were delivered."""
        self._counted_ms = self._clock()
        self._frames.reopened(self._counted_ms)
        silent_s, quiet_s = self._config.silent_s, 0.0
        tick_s = min(1.0, silent_s / 4) if silent_s > 0 else 1.0
        wire = Wire(port, self._take)
        try:
            while not wire.ended.done():
                self._heard = False
                await asyncio.wait({wire.ended}, timeout=tick_s)
                self._count(self._clock())
                quiet_s = 0.0 if self._heard else quiet_s + tick_s
                if 0 < silent_s <= quiet_s:
                    return f"silent for {silent_s:g} s; opening it again"
            return wire.ended.result()
        finally:
            await wire.close()

    def _take(self, chunk: bytes) -> None:
        """This turns what came into readings. All of one line bear the same time."""
        at_ms = self._clock()
        self._heard = True
        sink = self._sink
        for values in self._frames.feed(chunk, at_ms):
            if not self._alive and (values or not self._fields):
                self._return(at_ms)
            for signal, value in values:
                sink(Reading(signal, value, at_ms))

    def _count(self, at_ms: int) -> None:
        """This tells the counts when they are due."""
        since_ms = at_ms - self._counted_ms
        good, garbage = self._frames.good, self._frames.garbage
        if garbage and since_ms >= COUNT_GARBAGE_MS:
            self._say(at_ms, f"{garbage} of {good + garbage} frames garbage, the last: {self._frames.complaint}")
        elif good and since_ms >= COUNT_GOOD_MS:
            self._say(at_ms, "")

    def _lose(self, what: str, detail: str) -> None:
        if self._alive:
            self._alive = False
            self._told.clear()
        if what not in self._told:
            self._told.add(what)
            log.warning("%s: lost: %s", self.name, detail)
            self._say(self._clock(), detail)

    def _return(self, at_ms: int) -> None:
        self._alive = True
        if self._told:
            log.info("%s: back: %s", self.name, self._config.port)
            self._told.clear()
        self._say(at_ms, f"{self._config.port} answers")

    def _say(self, at_ms: int, detail: str) -> None:
        good, garbage = self._frames.count()
        self._sink(LineState(self.name, self._alive, at_ms, good, garbage, detail))
        self._counted_ms = at_ms

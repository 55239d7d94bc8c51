"""This plays a recording as if it were live."""

import asyncio
import itertools
import logging
from pathlib import Path

from sickbay import config
from sickbay.core.reading import LineState, Reading
from sickbay.edge.sources import Clock, Probe, Sink
from sickbay.edge.sources.replay.recording import Recording, read_recording
from sickbay.edge.sources.replay.times import ReplayError

BATCH_ROWS = 256  # read at a time, in a thread
RETRY_S = 5.0

log = logging.getLogger(__name__)


class ReplaySource:
    """A recording as a driver. `fields` names the signal that each column becomes.

    With a speed above 0, `at_ms` is the daemon's time at which the row was due. With speed 0 the rows come as fast as
    they go, and `at_ms` is the recording's own time from the start on, ahead of the clock: whoever runs it so lets the
    readings' time drive the node.
    """

    def __init__(self, name: str, replay: config.Replay, fields: dict[str, str], clock: Clock, sink: Sink) -> None:
        self.name = name
        self.ended = asyncio.Event()  # the last row was delivered
        self._config = replay
        self._fields = fields
        self._clock = clock
        self._sink = sink

    async def run(self) -> None:
        """This goes on until cancelled; after the last row the line is told dead."""
        recording = await self._awaited()
        missing = [field for field in self._fields if field not in recording.columns]
        detail = f"{recording.path}: no column {', '.join(missing)}" if missing else f"{recording.path}"
        self._sink(LineState(self.name, True, self._clock(), detail=detail))
        try:
            await self._play(recording)
            detail = f"{recording.path}: ended after {recording.rows} rows"
        except OSError as error:
            detail = f"{recording.path}: lost after {recording.rows} rows: {error.strerror or error}"
        log.info("%s: %s", self.name, detail)
        good = recording.rows - recording.garbled
        self._sink(LineState(self.name, False, self._clock(), good, recording.garbled, detail))
        self.ended.set()
        await asyncio.Event().wait()

    async def probe(self, wait_s: float) -> Probe:
        """This reads the head of the recording."""
        try:
            recording = await asyncio.to_thread(self._read)
        except ReplayError as error:
            return Probe(self.name, False, str(error))
        missing = [field for field in self._fields if field not in recording.columns]
        listed = ", ".join(recording.columns[:12]) + ", ..." * (len(recording.columns) > 12)
        detail = f"{recording.path}: {len(recording.columns)} columns, {listed}; time from "
        detail += f'"{recording.time_column}"' if recording.time_column else "nothing: rows count as 1 s apart"
        detail += f"; not among them: {', '.join(missing)}" if missing else ""
        return Probe(self.name, len(missing) < len(self._fields) or not self._fields, detail)

    def _read(self) -> Recording:
        c = self._config
        return read_recording(Path(c.path).expanduser(), c.delimiter, c.time_column)

    async def _awaited(self) -> Recording:
        """This returns the recording as soon as there is one; that there is none is told once."""
        told = False
        while True:
            try:
                return await asyncio.to_thread(self._read)
            except ReplayError as error:
                if not told:
                    log.warning("%s: %s", self.name, error)
                    self._sink(LineState(self.name, False, self._clock(), detail=str(error)))
                told = True
            await asyncio.sleep(RETRY_S)

    async def _play(self, recording: Recording) -> None:
        speed = self._config.speed
        picks = [(field, signal) for field, signal in self._fields.items() if field in recording.columns]
        loop = asyncio.get_running_loop()
        began_s, began_ms = loop.time(), self._clock()
        rows = iter(recording)
        while batch := await asyncio.to_thread(lambda: list(itertools.islice(rows, BATCH_ROWS))):
            for at_s, values in batch:
                due_s = at_s / speed if speed > 0 else at_s
                wait_s = began_s + due_s - loop.time() if speed > 0 else 0.0
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                at_ms = began_ms + int(due_s * 1000)
                for field, signal in picks:
                    self._sink(Reading(signal, values[field], at_ms))

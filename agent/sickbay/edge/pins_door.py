"""This is the door through which a simulator in another process moves and sees the mock pins: docs/pins-door.md.

It exists only beside mock pins (pins.MockPins), never beside real ones.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

import msgspec

log = logging.getLogger(__name__)

LINE_BYTES_MAX = 256
UNSENT_BYTES_MAX = 65_536  # past this the simulator is not reading: the connection is dropped and begun anew
EDGES_MAX = 10_000  # of one message
PINS_MAX = 64
RETRY_S = (0.05, 1.0)  # first wait and longest
READY_S = 1.0


class Message(msgspec.Struct, omit_defaults=True):
    """One line, either way. `edges` counts changes of level: 12 are six pulses."""

    pin: int
    level: int | None = None
    edges: int | None = None


_decoder = msgspec.json.Decoder(Message)


class Door:
    """The daemon's side: a client that connects when the simulator is there, and each time tells it every output."""

    def __init__(self, path: str, set_input: Callable[[int, int], bool]) -> None:
        """`set_input(pin, level)` moves a mock input and returns whether there is one."""
        self.levels: dict[int, int] = {}  # what the simulator last said of each input
        self._path = path
        self._set_input = set_input
        self._outputs: dict[int, int] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._patient = True  # until the first wait for the simulator is over

    def ensure_open(self) -> None:
        """This starts the door in the running loop; without one it stays shut until a pin is opened inside a loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._writer = None
            self._connected = asyncio.Event()
            self._task = loop.create_task(self._run(), name="pins-door")

    async def ready(self) -> None:
        """This waits once, and not for long, for the simulator: before it is there no read-back pin means anything."""
        self.ensure_open()
        if self._patient:
            self._patient = False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._connected.wait(), READY_S)

    def tell(self, pin: int, level: int) -> None:
        """This says what an output is driven to now. It never blocks; without a simulator it is remembered."""
        self._outputs[pin] = level
        if self._writer is not None:
            self._send(self._writer, pin, level)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        wait_s = RETRY_S[0]
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path, limit=LINE_BYTES_MAX)
            except OSError:
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, RETRY_S[1])
                continue
            wait_s = RETRY_S[0]
            self._writer = writer
            self._connected.set()
            try:
                for pin, level in self._outputs.items():
                    self._send(writer, pin, level)
                await self._listen(reader)
            finally:
                self._writer = None
                writer.transport.abort()
            await asyncio.sleep(wait_s)

    def _send(self, writer: asyncio.StreamWriter, pin: int, level: int) -> None:
        if writer.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            writer.transport.abort()
        if not writer.transport.is_closing():
            writer.write(msgspec.json.encode(Message(pin, level)) + b"\n")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """This takes lines until the other side goes away. What is not understood is left out, and named once."""
        named = False
        with contextlib.suppress(OSError):
            while True:
                try:
                    line = await reader.readuntil(b"\n")
                except asyncio.IncompleteReadError:
                    return
                except asyncio.LimitOverrunError:
                    log.warning("pins door %s: a line of over %d bytes: connection dropped", self._path, LINE_BYTES_MAX)
                    return
                if not self._take(line) and not named:
                    named = True
                    log.warning("pins door %s: left out: %r. See docs/pins-door.md", self._path, line[:80])

    def _take(self, line: bytes) -> bool:
        try:
            message = _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
        pin = message.pin
        if pin not in self.levels and len(self.levels) >= PINS_MAX:
            return False
        if message.level in (0, 1):
            if self._set_input(pin, message.level):
                self.levels[pin] = message.level
                return True
            return False
        if message.edges is None or not 0 <= message.edges <= EDGES_MAX:
            return False
        level = self.levels.get(pin, 0)
        for _ in range(message.edges):
            level = 1 - level
            if not self._set_input(pin, level):
                return False
        self.levels[pin] = level
        return True

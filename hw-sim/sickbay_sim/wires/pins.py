"""This is the simulator's side of the pins door: it moves mock inputs and sees outputs: docs/pins-door.md."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path

LINE_BYTES_MAX = 256
UNSENT_BYTES_MAX = 65_536  # past this a daemon is not reading; its connection is dropped, and it may come back
CLIENTS_MAX = 8
EDGES_MAX = 10_000  # of one message


class PinsDoor:
    """A socket on which daemons call. Each that comes is told every input level at once."""

    def __init__(self, path: Path, on_output: Callable[[int, int], None] | None = None) -> None:
        """`on_output(pin, level)` hears of each output as a daemon drives it, and of all of them when it connects."""
        self.path = path
        self.inputs: dict[int, int] = {}
        self.outputs: dict[int, int] = {}
        self.refused = 0  # lines that made no sense
        self.connected = asyncio.Event()
        self._on_output = on_output
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self.path, limit=LINE_BYTES_MAX)

    async def close(self) -> None:
        """This shuts the door and the connections through it; daemons keep the last levels."""
        if self._server is None:
            return
        self._server.close()
        for client in tuple(self._clients):
            client.transport.abort()
        await self._server.wait_closed()
        self._server = None
        self.path.unlink(missing_ok=True)

    def set(self, pin: int, level: int) -> None:
        """This puts an input at a level. Nothing is sent when it is there already."""
        if self.inputs.get(pin) != level:
            self.inputs[pin] = level
            self._tell({"pin": pin, "level": level})

    def edges(self, pin: int, count: int) -> None:
        """This makes an input change level `count` times: two for each pulse."""
        while count > 0:
            some = min(count, EDGES_MAX)
            self._tell({"pin": pin, "edges": some})
            self.inputs[pin] = (self.inputs.get(pin, 0) + some) % 2
            count -= some

    def _tell(self, message: dict[str, int]) -> None:
        line = json.dumps(message).encode() + b"\n"
        for client in tuple(self._clients):
            if client.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
                client.transport.abort()
            elif not client.transport.is_closing():
                client.write(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= CLIENTS_MAX:
            writer.transport.abort()
            return
        for pin, level in self.inputs.items():
            writer.write(json.dumps({"pin": pin, "level": level}).encode() + b"\n")
        self._clients.add(writer)
        self.connected.set()
        try:
            # A connection that breaks, and a line past the bound, both end in a call again from the daemon.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while True:
                    self._take(await reader.readuntil(b"\n"))
        except asyncio.CancelledError:
            pass  # the door closes; asyncio's streams would print a traceback of a cancelled handler
        finally:
            self._clients.discard(writer)
            writer.transport.abort()

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            pin, level = message["pin"], message["level"]
        except (ValueError, TypeError, KeyError):
            self.refused += 1
            return
        if not isinstance(pin, int) or level not in (0, 1):
            self.refused += 1
            return
        self.outputs[pin] = level
        if self._on_output is not None:
            self._on_output(pin, level)

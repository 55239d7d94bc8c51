"""This opens a pyserial URL and brings its bytes into the event loop as they come."""

import asyncio
import contextlib
import errno
import os
import socket
import termios
import threading
from collections.abc import Callable

import serial

READ_BYTES = 16_384
PENDING_BYTES_MAX = 262_144  # what a reader thread may be ahead of the loop; more is dropped
# LookupError: pyserial formats its complaint on a bad URL option wrongly.
OPEN_ERRORS = (OSError, termios.error, ValueError, OverflowError, LookupError)

_PLAIN = {
    errno.ENOENT: "no such device",
    errno.ENODEV: "no such device",
    errno.ENXIO: "no such device",
    errno.EACCES: "permission denied; the group dialout may open it on most systems",
    errno.EAGAIN: "in use by another program",
    errno.EBUSY: "in use by another program",
    errno.ENOTTY: "not a serial port",
    errno.EIO: "unplugged",
}


def open_port(url: str, baud: int) -> serial.SerialBase:
    """This returns the open port; blocks, so it belongs in a thread. Raises one of OPEN_ERRORS."""
    port = serial.serial_for_url(url, baudrate=baud, timeout=0.5, exclusive=True, do_not_open=True)
    if hasattr(port, "_reset_input_buffer"):
        # pyserial throws away what waits in the line when it opens (open() in serialposix.py, 3.5), and with it the one
        # header line of a CSV stream that began a moment earlier. A head that is cut is the framing's business.
        port._reset_input_buffer = _nothing
    port.open()
    try:
        descriptor = port.fileno()
        if os.isatty(descriptor):
            # pyserial leaves VMIN at 0, where "nothing there" and "hung up" both read as b"". With 1 they differ.
            mode = termios.tcgetattr(descriptor)
            mode[6][termios.VMIN] = 1
            termios.tcsetattr(descriptor, termios.TCSANOW, mode)
    except OSError:
        pass  # rfc2217://, loop:// and the like have no descriptor
    except termios.error:
        close_port(port)
        raise
    return port


def _nothing() -> None:
    """This stands where pyserial would flush."""


def close_port(port: serial.SerialBase) -> None:
    """This closes a port; blocks for as long as the far side of a network port takes."""
    # pyserial's socket:// skips close() when shutdown() fails, as it does after a reset: the socket would leak.
    leak = getattr(port, "_socket", None)
    with contextlib.suppress(*OPEN_ERRORS):  # an unplugged device may say so once more
        port.close()
    if leak is not None:
        leak.close()


def plain_reason(error: BaseException) -> str:
    """This returns why a port cannot be opened or read, in words for people."""
    seen: BaseException | None = error
    while seen is not None:
        code = seen.args[0] if isinstance(seen, termios.error) and seen.args else getattr(seen, "errno", None)
        if isinstance(seen, socket.gaierror):
            return str(seen.strerror).lower()
        if isinstance(code, int):
            return _PLAIN.get(code) or os.strerror(code).lower()
        seen = seen.__context__
    return str(error) or type(error).__name__


class Wire:
    """An open port in the loop. `ended` becomes the reason, for people, when the device is gone.

    What has a descriptor is read in the loop itself, at half the latency of a thread; the rest by a thread that does
    nothing but read.
    """

    def __init__(self, port: serial.SerialBase, on_bytes: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self._port = port
        self._on_bytes = on_bytes
        self._open = True
        self._came = self._taken = 0  # bytes; written by the thread and by the loop
        try:
            self._descriptor: int | None = port.fileno()
        except OSError:
            self._descriptor = None
        if self._descriptor is None:
            threading.Thread(target=self._pump, name="port", daemon=True).start()
        else:
            self._loop.add_reader(self._descriptor, self._readable)

    async def write(self, content: bytes) -> None:
        """This sends a few bytes. What a full or vanished port does not take is lost: whoever asked hears no answer."""
        try:
            if self._descriptor is None:
                await asyncio.to_thread(self._port.write, content)
            else:
                os.write(self._descriptor, content)
        except BlockingIOError:
            pass  # an adapter that stopped reading; the answer that never comes says so
        except (*OPEN_ERRORS, TypeError, AttributeError) as error:
            self._end(plain_reason(error))

    async def close(self) -> None:
        """This lets go of the port."""
        self._open = False
        if self._descriptor is None:
            await asyncio.to_thread(close_port, self._port)
            return
        self._loop.remove_reader(self._descriptor)
        if os.isatty(self._descriptor):
            close_port(self._port)
        else:
            await asyncio.to_thread(close_port, self._port)  # pyserial's socket:// sleeps 0.3 s in it

    def _readable(self) -> None:
        assert self._descriptor is not None
        try:
            chunk = os.read(self._descriptor, READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(plain_reason(error))
            return
        if chunk:
            self._on_bytes(chunk)
        else:
            self._end("unplugged")

    def _end(self, reason: str) -> None:
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
        if not self.ended.done():
            self.ended.set_result(reason)

    def _pump(self) -> None:
        """This is the thread: blocking reads with the port's own timeout, nothing else."""
        try:
            while self._open:
                try:
                    chunk = self._port.read(min(max(self._port.in_waiting, 1), READ_BYTES))
                except (*OPEN_ERRORS, TypeError, AttributeError) as error:
                    # TypeError and AttributeError: pyserial's parts are None once another thread has closed it.
                    self._loop.call_soon_threadsafe(self._end, plain_reason(error))
                    return
                if chunk and self._came - self._taken < PENDING_BYTES_MAX:
                    self._came += len(chunk)
                    self._loop.call_soon_threadsafe(self._take, chunk)
        except RuntimeError:
            return  # the loop has ended before us

    def _take(self, chunk: bytes) -> None:
        self._taken += len(chunk)
        if self._open:
            self._on_bytes(chunk)

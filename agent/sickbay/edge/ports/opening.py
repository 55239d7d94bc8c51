"""This opens the port that a configuration names, wherever that very device is now."""

import asyncio
from pathlib import Path

import serial

from sickbay.edge.ports.identity import Devices, Identity, Sysfs, choose
from sickbay.edge.ports.wire import close_port, open_port


class Port:
    """One port by its name. The device that answers first is remembered: under another name it is found, a stranger is refused."""

    def __init__(self, url: str, devices: Devices | None = None) -> None:
        self.url = url
        self._devices = devices or Sysfs()
        self._identity: Identity | None = None  # of the device at the first open

    async def open(self, baud: int) -> serial.SerialBase:
        """This returns the open port, opened in a thread since that may block. Raises StrangerError or one of OPEN_ERRORS."""
        opening = asyncio.ensure_future(asyncio.to_thread(self._open_now, baud))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise

    def _open_now(self, baud: int) -> serial.SerialBase:
        if "://" in self.url:
            return open_port(self.url, baud)
        if Path(self.url).is_symlink():
            # The link is the device's name, e.g. /dev/serial/by-id/...; it may lead elsewhere each time.
            return open_port(str(Path(self.url).resolve()), baud)
        path = choose(self._devices, self.url, self._identity)
        port = open_port(path, baud)
        if self._identity is None:
            self._identity = self._devices.identify(path)
        return port


def _close_late(opening: "asyncio.Future[serial.SerialBase]") -> None:
    """This closes a port that came open after nobody waited for it any more."""
    if not opening.cancelled() and opening.exception() is None:
        close_port(opening.result())

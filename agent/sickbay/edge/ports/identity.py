"""This tells USB serial devices apart: one that comes back under another name is found, a stranger is not taken."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec


class Identity(msgspec.Struct, frozen=True):
    """What stays the same of a USB serial device when it is unplugged and comes back."""

    key: str  # vendor:product:serial, interface and port within the device
    place: str  # the USB port it is plugged into, e.g. "1-1.2"
    unique: bool  # it has a serial number; without one its like cannot be told from it, but for the place
    label: str = ""  # for people

    def __str__(self) -> str:
        return self.label or self.key


class Devices(Protocol):
    """What is plugged in now."""

    def identify(self, path: str) -> Identity | None:
        """This returns who answers at a path; None for what is not there, a pty or an on-board port."""

    def paths(self) -> list[str]:
        """This returns the paths of all devices that have an identity."""


class StrangerError(OSError):
    """This is another device under the name of ours."""


def choose(devices: Devices, port: str, known: Identity | None) -> str:
    """This returns the path to open for the device that was `known` at `port`; None: whoever is there.

    Raises StrangerError where another device has taken the path.
    """
    if known is None:
        return port
    now = devices.identify(port)
    if now is not None and now.key == known.key and (known.unique or now.place == known.place):
        return port
    for path in devices.paths():
        other = devices.identify(path)
        if other is not None and other.key == known.key and (known.unique or other.place == known.place):
            return path
    if now is not None and now.key == known.key:
        return port  # its like, without a serial number, in another USB port: most likely the cable was moved
    if now is None and not Path(port).exists():
        return port
    raise StrangerError(
        f"{port} is now {now or 'an unknown device'}, and was {known}: not used. "
        "Plug the old one back in, or restart sickbay to take the new one"
    )


class Sysfs:
    """The devices as Linux shows them: /sys/class/tty/NAME/device and the USB device above it."""

    def __init__(self, sys: Path = Path("/sys"), dev: Path = Path("/dev")) -> None:
        self._ttys = sys / "class" / "tty"
        self._dev = dev

    def identify(self, path: str) -> Identity | None:
        device = self._ttys / Path(path).resolve().name / "device"
        if not Path(path).exists() or not device.exists():
            return None
        interface = port = ""
        for folder in _upwards(device.resolve()):
            port = port or _word(folder / "port_number")
            interface = interface or _word(folder / "bInterfaceNumber")
            vendor = _word(folder / "idVendor")
            if vendor:
                serial = _word(folder / "serial")
                what = f"{vendor}:{_word(folder / 'idProduct')}"
                product = _word(folder / "product")
                label = f"{product or 'USB'} {what} " + (f"serial {serial}" if serial else f"in USB port {folder.name}")
                return Identity(f"{what}:{serial}:{interface}:{port}", folder.name, bool(serial), label)
        return None

    def paths(self) -> list[str]:
        try:
            names = sorted(tty.name for tty in self._ttys.iterdir())
        except OSError:
            return []
        return [str(self._dev / name) for name in names if (self._ttys / name / "device").exists()]


def _upwards(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.parents


def _word(path: Path) -> str:
    """This returns a sysfs attribute as one short line; "" where there is none."""
    try:
        raw = path.read_bytes()
    except OSError:
        return ""
    return "".join(c if c.isprintable() else "?" for c in raw[:64].decode(errors="replace").strip())

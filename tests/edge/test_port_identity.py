"""Telling USB serial devices apart, on a tree that looks like /sys."""

from pathlib import Path

import pytest

from sickbay.edge.ports.identity import StrangerError, Sysfs, choose


class Machine:
    """A /sys and a /dev of our own, laid out as Linux 6 does for usb-serial and cdc_acm."""

    def __init__(self, root: Path) -> None:
        self.sys, self.dev = root / "sys", root / "dev"
        (self.sys / "class" / "tty").mkdir(parents=True)
        self.dev.mkdir()
        self.devices = Sysfs(self.sys, self.dev)

    def plug(self, name: str, place: str, product: str, serial: str = "", interface: str = "00") -> str:
        usb = self.sys / "devices" / "usb1" / place
        port = usb / f"{place}:1.{int(interface)}" / name
        port.mkdir(parents=True)
        (usb / "idVendor").write_text("0403\n")
        (usb / "idProduct").write_text(f"{product}\n")
        if serial:
            (usb / "serial").write_text(f"{serial}\n")
        (port.parent / "bInterfaceNumber").write_text(f"{interface}\n")
        tty = self.sys / "class" / "tty" / name
        tty.mkdir()
        (tty / "device").symlink_to(port)
        (self.dev / name).touch()
        return str(self.dev / name)

    def unplug(self, path: str) -> None:
        name = Path(path).name
        (self.sys / "class" / "tty" / name / "device").unlink()
        (self.sys / "class" / "tty" / name).rmdir()
        Path(path).unlink()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_device_with_a_serial_number_is_found_under_another_name(machine: Machine) -> None:
    """Linux gives the next free name when the old one is still held."""
    first = machine.plug("ttyUSB0", "1-1", "6001", "A1")
    known = machine.devices.identify(first)
    assert known is not None
    assert known.unique
    assert choose(machine.devices, first, known) == first
    machine.unplug(first)
    moved = machine.plug("ttyUSB1", "1-2", "6001", "A1")
    assert choose(machine.devices, first, known) == moved


def test_a_stranger_is_refused_and_both_are_named(machine: Machine) -> None:
    """The figures of another sensor would be judged as ours, and it would be blamed on ours."""
    first = machine.plug("ttyUSB0", "1-1", "6001", "A1")
    known = machine.devices.identify(first)
    machine.unplug(first)
    assert choose(machine.devices, first, known) == first  # not there: opening it says so
    machine.plug("ttyUSB0", "1-3", "6001", "B2")
    with pytest.raises(StrangerError, match=r"is now USB 0403:6001 serial B2, and was USB 0403:6001 serial A1"):
        choose(machine.devices, first, known)


def test_two_alike_without_a_serial_number_are_told_apart_by_their_usb_port(machine: Machine) -> None:
    """Cheap converters all have the same number, none; swapped names would swap their sensors."""
    a = machine.plug("ttyUSB0", "1-1", "7523")
    b = machine.plug("ttyUSB1", "1-2", "7523")
    was_a, was_b = machine.devices.identify(a), machine.devices.identify(b)
    machine.unplug(a)
    assert choose(machine.devices, a, was_a) == a  # b is not taken in its place
    machine.unplug(b)
    machine.plug("ttyUSB0", "1-2", "7523")
    machine.plug("ttyUSB1", "1-1", "7523")
    assert choose(machine.devices, a, was_a) == b
    assert choose(machine.devices, b, was_b) == a


def test_a_cable_moved_to_another_usb_port_is_taken_where_only_its_like_is_there(machine: Machine) -> None:
    """Without a serial number there is nothing better to go by, and a person just did it."""
    a = machine.plug("ttyUSB0", "1-1", "7523")
    known = machine.devices.identify(a)
    machine.unplug(a)
    machine.plug("ttyUSB0", "1-4", "7523")
    assert choose(machine.devices, a, known) == a


def test_the_interfaces_of_one_device_are_two_lines(machine: Machine) -> None:
    """A board with two serial ports has one serial number for both."""
    one = machine.plug("ttyACM0", "1-1", "0043", "A1", interface="00")
    machine.plug("ttyACM1", "1-1", "0043", "A1", interface="02")
    machine.unplug(one)
    known = machine.devices.identify(str(machine.dev / "ttyACM1"))
    again = machine.plug("ttyACM2", "1-1x", "0043", "A1", interface="00")
    assert machine.devices.identify(again) != known


def test_what_is_no_usb_device_has_no_identity(machine: Machine, tmp_path: Path) -> None:
    """A pty or an on-board port is what its path says, and whoever is there is taken."""
    assert machine.devices.identify(str(tmp_path)) is None
    assert machine.devices.identify(str(machine.dev / "ttyUSB9")) is None
    assert choose(machine.devices, "/dev/pts/9", None) == "/dev/pts/9"
    assert Sysfs(tmp_path / "none").paths() == []

"""This is the serial_line source: lines of text from any pyserial URL, turned into readings."""

from sickbay.edge.sources.serial_line.driver import SerialLineSource

__all__ = ["SerialLineSource"]

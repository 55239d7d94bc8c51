"""This is the obd source: an ELM327-class adapter in a car's diagnostic socket, asked for what the signals want."""

from sickbay.edge.sources.obd.driver import ObdSource

__all__ = ["ObdSource"]

"""This is what every source on a serial port shares: opening it, finding it again, and its bytes in the event loop."""

from sickbay.edge.ports.opening import Port
from sickbay.edge.ports.wire import OPEN_ERRORS, Wire, plain_reason

__all__ = ["OPEN_ERRORS", "Port", "Wire", "plain_reason"]

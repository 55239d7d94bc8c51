"""This is the way out: it empties the outbox over MQTT 5 and brings receipts and orders in."""

from sickbay.edge.uplink.turns import Timing
from sickbay.edge.uplink.uplink import Sent, Uplink

__all__ = ["Sent", "Timing", "Uplink"]

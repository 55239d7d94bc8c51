"""This is how much the journal may take."""

import msgspec

from sickbay.edge.journal.wear import DAY_BYTES_MAX


class Limits(msgspec.Struct, frozen=True):
    """How much the journal may take: of the disk, of time, of the flash."""

    outbox_bytes: int = 16 << 20
    ttl_s: float = 30 * 86400.0  # of a message that is no news any more, in time that the device ran
    day_bytes: int = DAY_BYTES_MAX

"""This is what must outlast a power cut: the node's snapshot, the outbox and the ledger, in one SQLite file."""

from sickbay.edge.journal.journal import Journal
from sickbay.edge.journal.ledger import LedgerRow, Line
from sickbay.edge.journal.limits import Limits
from sickbay.edge.journal.outbox import OutboxRow

__all__ = ["Journal", "LedgerRow", "Limits", "Line", "OutboxRow"]

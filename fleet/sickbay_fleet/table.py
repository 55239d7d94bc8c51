"""This lays tickets out for eyes."""

from collections.abc import Sequence
from datetime import datetime

from sickbay_fleet.ticket import Ticket

_HEAD = ("STATE", "SEVERITY", "DEVICE", "TARGET", "FAULT", "LAYER", "OPENED", "CLOSED", "MESSAGES", "ID")


def table(found: Sequence[Ticket]) -> str:
    """This returns the tickets as lined-up columns in the given order, times in local time."""
    if not found:
        return "no tickets"
    rows: list[tuple[str, ...]] = [_HEAD]
    for t in found:
        closed = _local(t.closed) if t.closed else "-"
        cells = (
            t.state,
            t.severity,
            t.device,
            t.target,
            t.class_,
            t.layer,
            _local(t.opened),
            closed,
            str(t.messages),
            t.id,
        )
        rows.append(tuple(map(_plain, cells)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _local(time: str) -> str:
    try:
        return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return time


def _plain(text: str) -> str:
    """This returns the text without what would steer a terminal: it came over a network."""
    return "".join(c if c.isprintable() else "?" for c in text)[:60]

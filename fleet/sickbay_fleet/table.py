"""This lays tickets out for eyes."""

from collections.abc import Sequence
from datetime import datetime

from sickbay_fleet.ticket import Ticket

_HEAD = ("STATE", "SEVERITY", "DEVICE", "TARGET", "FAULT", "LAYER", "OPENED", "CLOSED", "MESSAGES", "ID")


def table(found: Sequence[Ticket]) -> str:
    """This returns the tickets as lined-up columns in the given order, times in local time."""
    if not found:
        return "no tickets"
    rows: list[tuple[str, ...]] = []
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
        rows.append(cells)
    return lines(_HEAD, rows)


def lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """This returns rows as lined-up columns under their heads; of what came over a network, what steers a terminal is left out."""
    cells = [tuple(head), *(tuple(map(_plain, row)) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _local(time: str) -> str:
    try:
        return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return time


def _plain(text: str) -> str:
    """This returns the text without what would steer a terminal: it came over a network."""
    return "".join(c if c.isprintable() else "?" for c in text)[:100]

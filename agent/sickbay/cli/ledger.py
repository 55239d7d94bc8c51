"""This is `sickbay ledger`: every message that left the device: what, why, how large, under which line of the configuration."""

import argparse
import sys
import time
from datetime import UTC, datetime
from typing import Any

from sickbay.cli.orders import span_s
from sickbay.cli.terminal import ask, daemon_options, print_json, table


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument(
        "--since", default="", metavar="T", help='"2h" ago, or a date such as 2026-11-21 or 2026-11-21T14:00'
    )
    parser.add_argument("--by", choices=("class", "day"), help="sums instead of each message")
    daemon_options(parser)


def run(options: argparse.Namespace) -> int:
    since = _since(options.since)
    if since is None:
        print(f"sickbay ledger: --since {options.since}: neither a time span nor a date", file=sys.stderr)
        return 2
    rows = ask(options, "ledger", since=since)
    if options.json:
        print_json(summed(rows, options.by) if options.by else rows)
        return 0
    if not rows:
        print("Nothing has left this device." if not since else "Nothing has left this device since then.")
        return 0
    if options.by:
        found = summed(rows, options.by)
        head = ("day (UTC)", *HEAD) if options.by == "day" else ("class", *HEAD)
        table(head, [(each[options.by], *(each[key] for key in _KEYS), "; ".join(each["why"])) for each in found])
    else:
        shown = [(_at(r["at"]), r["what"], r["bytes"], r["topic"], r["id"], r["why"]) for r in rows]
        table(("left at (UTC)", "what", "bytes", "topic", "message", "allowed by"), shown)
    print(f"\n{_summary(rows)}")
    return 0


HEAD = ("messages", "bytes", "largest", "allowed by")
_KEYS = ("messages", "bytes", "largest")


def summed(rows: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """This returns the messages of each class or day together, the days in order, the classes by bytes."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["what"].partition(".")[0] if by == "class" else _at(row["at"])[:10], []).append(row)
    found = [
        {
            by: name,
            "messages": len(group),
            "bytes": sum(r["bytes"] for r in group),
            "largest": max(r["bytes"] for r in group),
            "why": sorted({r["why"] for r in group}),
        }
        for name, group in groups.items()
    ]
    return sorted(found, key=lambda each: each["day"] if by == "day" else -each["bytes"])


def _summary(rows: list[dict[str, Any]]) -> str:
    """This returns all of it in a line: how much, of what, since when."""
    classes = ", ".join(f"{each['class']} {each['bytes']}" for each in summed(rows, "class"))
    days = len({_at(r["at"])[:10] for r in rows})
    first = min(r["at"] for r in rows)
    return (
        f"{len(rows)} messages, {sum(r['bytes'] for r in rows)} bytes in all since {_at(first)}, on {days} "
        f"day{'s' * (days != 1)}. Bytes by class: {classes}."
    )


def _at(at_s: float) -> str:
    """This returns a wall time; a clock that was wrong by centuries is no reason to show nothing."""
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{at_s:.0f} s"


def _since(text: str) -> float | None:
    if not text:
        return 0.0
    span = span_s(text)
    if span is not None:
        return time.time() - span
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None

"""This is `sickbay ledger`: every message that left the device: what, why, how large, under which line of the configuration."""

import argparse
import sys
import time
from datetime import UTC, datetime

from sickbay.cli.orders import span_s
from sickbay.cli.terminal import ask, daemon_options, print_json, table


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument(
        "--since", default="", metavar="T", help='"2h" ago, or a date such as 2026-11-21 or 2026-11-21T14:00'
    )
    daemon_options(parser)


def run(options: argparse.Namespace) -> int:
    since = _since(options.since)
    if since is None:
        print(f"sickbay ledger: --since {options.since}: neither a time span nor a date", file=sys.stderr)
        return 2
    rows = ask(options, "ledger", since=since)
    if options.json:
        print_json(rows)
        return 0
    if not rows:
        print("Nothing has left this device." if not since else "Nothing has left this device since then.")
        return 0
    shown = [
        (
            datetime.fromtimestamp(r["at"], UTC).strftime("%Y-%m-%d %H:%M:%S"),
            r["what"],
            r["bytes"],
            r["topic"],
            r["id"],
            r["why"],
        )
        for r in rows
    ]
    table(("left at (UTC)", "what", "bytes", "topic", "message", "allowed by"), shown)
    print(f"\n{len(rows)} messages, {sum(r['bytes'] for r in rows)} bytes in all.")
    return 0


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

"""These are a person's orders: ack, shelve, release, quarantine, feedback, loosen, clear. Each is noted with who and why."""

import argparse
import re
import sys

from sickbay.cli.terminal import ask, daemon_options, print_json

_NEEDS_REASON = ("release", "quarantine", "shelve", "feedback", "loosen", "clear")
_NAMES = {
    "ack": "a fault's id, or its target",
    "shelve": "a fault's id, or its target",
    "release": "a signal or a part that is out of service",
    "quarantine": "a signal or a part",
    "loosen": "a signal or a part that is judged stricter by order",
    "feedback": "a fault's id, or its target",
    "clear": "a signal, part, output or source",
}
_SPAN = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("name", metavar="NAME", help=_NAMES[verb])
    if verb == "feedback":
        parser.add_argument(
            "says", nargs="?", default="false-alarm", choices=("false-alarm", "right", "undo"),
            help="false-alarm (default) raises this fault's bar on this unit, right lowers it, undo forgets all that was said",
        )  # fmt: skip
        parser.add_argument("--false-alarm", dest="says", action="store_const", const="false-alarm", help="the same")
    need = "it is asked for when left out" if verb in _NEEDS_REASON else "may be left out"
    parser.add_argument("--reason", default="", help=f"why, for those who come after you; {need}")
    if verb == "shelve":
        parser.add_argument(
            "--for", dest="span", default="1h", metavar="TIME", help="e.g. 30min, 8h; at most 24h; default 1h"
        )
    daemon_options(parser)


def run(options: argparse.Namespace) -> int:
    reason = options.reason
    if not reason and options.verb in _NEEDS_REASON:
        if not sys.stdin.isatty():
            print(f'sickbay {options.verb}: say why: --reason "..."', file=sys.stderr)
            return 2
        reason = input("Why? ").strip()
    args: dict[str, object] = {"name": options.name, "reason": reason}
    if options.verb == "shelve":
        for_s = span_s(options.span)
        if for_s is None:
            print(f"sickbay shelve: --for {options.span}: not a time. Try 30min or 8h", file=sys.stderr)
            return 2
        args["for_s"] = for_s
    if options.verb == "feedback":
        args["says"] = options.says.replace("-", "_")
    found = ask(options, options.verb, **args)
    if options.json:
        print_json(found)
    else:
        print(found["says"])
    return 0 if found["ok"] else 1


def span_s(text: str) -> float | None:
    """This returns seconds for "90", "90s", "5min", "2h" or "1d"; None for what is not a time."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d)?", text.strip())
    return float(found[1]) * _SPAN[found[2] or "s"] if found else None

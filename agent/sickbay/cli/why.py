"""This is `sickbay why`: the evidence, the counter-evidence, the rule, and what would release it."""

import argparse
import sys
from pathlib import Path
from typing import Any

from sickbay.cli import picture
from sickbay.cli.terminal import ago, ask, daemon_options, print_json


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("name", metavar="NAME", help="a signal, a part, a source, or a fault's id")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw it against its normal band, as an SVG")
    parser.add_argument("--no-picture", action="store_true", help="words only")
    daemon_options(parser)


def run(options: argparse.Namespace) -> int:
    found = ask(options, "why", name=options.name)
    if options.picture is not None:
        try:
            options.picture.write_text(picture.svg(found["windows"], found["says"]), encoding="utf-8")
        except OSError as error:
            print(f"sickbay why: {options.picture}: {error.strerror}; nothing was drawn", file=sys.stderr)
            return 2
    if options.json:
        print_json(found)
        return 0
    _show(found)
    for window in [] if options.no_picture else found["windows"]:
        print()
        for line in picture.text(window):
            print(f"  {line}")
    return 0


def _show(found: dict[str, Any]) -> None:
    print(found["says"])
    print()
    _line("state", f"{found['state']} since {ago(found['since'])}" if found["since"] else found["state"])
    _line("rule", found["rule"])
    if found["by"] not in ("", "machine", "released"):
        _line("ordered by", found["by"])
    for bar in found["bars"]:
        _line("feedback", bar["says"])
    for standing in found["standing"]:
        _line("by order", standing["says"])
    for fault in found["faults"]:
        print()
        _line("fault", f"{fault['id']}: {fault['class']}, {fault['severity']}, whose: {fault['layer']}")
        for text in fault["evidence"]:
            _line("for", text)
        for text in fault["counter_evidence"]:
            _line("against", text)
        _line("outlook", fault["outlook"])
        _line("released", fault["releases"])
        _line("do next", fault["next_step"])
        _line("seen", f"{fault['occurrences']} times on this unit with this one, which began {ago(fault['first'])}")
        if fault["acked"]:
            _line("seen by", f"{fault['acked']['who']}: {fault['acked']['reason'] or 'no word'}")
    if found["now"]:
        print()
        for text in found["now"]:
            _line("now", text)
    closed = [p for p in found["past"] if p["class"] not in {f["class"] for f in found["faults"]}]
    for past in closed:
        _line(
            "past", f"{past['says']}: {past['occurrences']} times, {past['near_misses']} near misses, {past['memory']}"
        )


def _line(name: str, text: str) -> None:
    if text:
        print(f"  {name + ':':<11} {text}")

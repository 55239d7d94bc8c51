"""This is `sickbay replay`: what the node would have done with a recording."""

import argparse
import math
import sys
import time
from pathlib import Path
from typing import Any

from sickbay import config as configuration
from sickbay.cli.offline import Offline, plain, rows, span
from sickbay.cli.terminal import config_option, json_option, print_json, table
from sickbay.core import report
from sickbay.core.effects import Effect, Escalate, Event

_TOLD = ("fault", "isolate", "would_isolate", "probation", "release", "output", "source_lost", "source_back")


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="CSV with a header line; time is found out")
    config_option(parser)
    parser.add_argument("--speed", default="max", metavar="N", help='times real time, or "max" (default)')
    json_option(parser)


def run(options: argparse.Namespace) -> int:
    speed = _speed(options.speed)
    if speed is None:
        print(f'sickbay replay: --speed {options.speed}: neither a number above 0 nor "max"', file=sys.stderr)
        return 2
    config = configuration.load(options.config)
    offline = Offline(config, options.config.resolve().parent)
    for part, text in offline.troubles.items():
        print(f"parts.{part}.model: {text}. It is judged without", file=sys.stderr)
    effects: list[Effect] = []
    count, last_ms, began = 0, 0, time.monotonic()
    try:
        effects += offline.start()
        for at_ms, values in rows(config, options.recording):
            if speed:
                time.sleep(max(0.0, at_ms / 1000 / speed - (time.monotonic() - began)))
            found = offline.step(at_ms, values)
            if not options.json:
                _tell(found)
            effects += found
            count, last_ms = count + 1, at_ms
    finally:
        offline.close()
    _summary(options, offline, effects, count, last_ms, time.monotonic() - began)
    return 0


def _speed(text: str) -> float | None:
    """This returns the factor, 0 for as fast as it goes, None for what is neither."""
    if text == "max":
        return 0.0
    try:
        return float(text) if 0 < float(text) < math.inf else None
    except ValueError:
        return None


def _tell(effects: list[Effect]) -> None:
    for effect in effects:
        if isinstance(effect, Escalate):
            print(f"{span(effect.at_ms)}  told {effect.kind:<8} {effect.severity:<8} {effect.body['summary']}")
        elif isinstance(effect, Event) and effect.kind in _TOLD and effect.at_ms > 0:
            print(f"{span(effect.at_ms)}  {effect.kind} {effect.name}  {_gist(effect.detail)}")


def _gist(detail: dict[str, Any]) -> str:
    shown = (f"{detail[k]}" for k in ("state", "class", "layer", "target", "rule", "detail") if detail.get(k))
    return ", ".join(shown)


def _summary(
    options: argparse.Namespace, offline: Offline, effects: list[Effect], count: int, last_ms: int, took_s: float
) -> None:
    ward = offline.node.ward
    faults = report.status(ward, span)["faults"]
    if options.json:
        signals, parts = (report.status(ward, span)[k] for k in ("signals", "parts"))
        shown = [plain(e) for e in effects]
        print_json(
            {
                "rows": count,
                "span_s": last_ms / 1000,
                "effects": shown,
                "faults": faults,
                "signals": signals,
                "parts": parts,
            }
        )
        return
    messages = sum(isinstance(e, Escalate) for e in effects)
    print(
        f"\n{count} rows, {span(last_ms)} of running in {took_s:.1f} s; {messages} messages about {len(faults)} faults"
    )
    for name, row in ward.rows.items():
        if row.view.learning:
            print(f"part {name} was still learning: {row.view.rows_left} more rows are needed before it judges")
    if faults:
        head = ("fault", "target", "class", "whose", "severity", "first", "times", "open")
        table(
            head,
            [
                [f["id"], f["target"], f["class"], f["layer"], f["severity"], f["first"], f["occurrences"], f["open"]]
                for f in faults
            ],
        )

"""This is `sickbay learn`: it fits this unit's own baseline and model, from a recording or from live running, on the device."""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from sickbay import config as configuration
from sickbay.cli.offline import rows, span
from sickbay.cli.orders import span_s
from sickbay.cli.terminal import config_option, json_option, print_json, running
from sickbay.config import Config
from sickbay.core.equipment import Equipment
from sickbay.core.node import Node
from sickbay.core.reading import LineState, Reading
from sickbay.daemon import build
from sickbay.daemon.times import Clock
from sickbay.edge.scorer.fit import PartRows, fit
from sickbay.errors import SickbayError

ROWS_MAX = 99_999  # about 28 h at 1 Hz; of a longer recording the last part counts


class LearnError(SickbayError, ValueError):
    """This is a recording or a run from which nothing can be learnt; the text says why."""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    config_option(parser)
    parser.add_argument(
        "--from", dest="recording", type=Path, metavar="CSV", help="a fault-free recording; default: live"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL.tflite")
    parser.add_argument(
        "--for", dest="span", default="10min", metavar="TIME", help="how long to learn live (default 10min)"
    )
    json_option(parser)


def run(options: argparse.Namespace) -> int:
    config = configuration.load(options.config)
    for_s = span_s(options.span)
    if for_s is None or for_s <= 0:
        print(f"sickbay learn: --for {options.span}: not a time. Try 30min", file=sys.stderr)
        return 2
    began = time.monotonic()
    node = Node(_all_ears(configuration.equipment(config)), "learn")
    node.start(0)
    if options.recording is not None:
        taken = _from_recording(config, options.recording, node)
        fitted_on = f"{options.recording.name}, {taken} rows"
    else:
        if running(config) is not None:
            at = configuration.socket_path(config)
            raise LearnError(
                f"the sickbay that answers at {at} holds the hardware. Stop it first, or learn from a recording: --from CSV"
            )
        base = options.config.resolve().parent
        taken = asyncio.run(_live(config, base, node, for_s, _progress(for_s) if sys.stderr.isatty() else None))
        fitted_on = f"live running, {span(round(for_s * 1000))}"
    told = fitted(node, options.out, fitted_on)
    told["took_s"] = round(time.monotonic() - began, 2)
    if options.json:
        print_json(told)
    else:
        _show(told, options.out)
    return 0


def fitted(node: Node, out: Path, fitted_on: str) -> dict[str, Any]:
    """This writes the model of all parts of a node that has only listened, and returns what was learnt, for telling."""
    parts: dict[str, PartRows] = {}
    told: dict[str, Any] = {"model": str(out), "fitted_on": fitted_on, "parts": {}}
    for part in node.ward.equipment.parts:
        view = node.ward.rows[part.name].view
        learnt, standardised = view.learn_now()
        if learnt is None:
            raise LearnError(
                f"part {part.name}: too little was heard to learn from: {view.rows_heard} rows. Nothing was written"
            )
        units = tuple(next(s.unit for s in node.ward.equipment.signals if s.name == name) for name in part.signals)
        parts[part.name] = PartRows(part.signals, standardised, units, msgspec.to_builtins(learnt))
        told["parts"][part.name] = {
            "rows": learnt.rows,
            "signals": {
                s.name: {"centre": s.centre, "scale": s.scale, "unit": u}
                for s, u in zip(learnt.signals, units, strict=True)
            },
        }
    data = fit(parts, name=out.stem, fitted_on=fitted_on)
    try:
        partial = out.with_name(out.name + ".part")
        partial.write_bytes(data)
        partial.replace(out)
    except OSError as error:
        raise LearnError(f"{out}: cannot be written: {error.strerror}. Nothing was changed") from None
    told["bytes"] = len(data)
    return told


def _all_ears(equipment: Equipment) -> Equipment:
    """This returns equipment that only learns, for as long as it is fed."""
    policy = msgspec.structs.replace(equipment.policy, learn_rows=ROWS_MAX + 1)
    return msgspec.structs.replace(equipment, policy=policy)


def _from_recording(config: Config, path: Path, node: Node) -> int:
    taken = 0
    for at_ms, values in rows(config, path):
        for signal, value in values.items():
            node.feed(Reading(signal, value, at_ms))
        node.row_over(at_ms)
        node.take_effects()
        taken += 1
        if taken >= ROWS_MAX:
            print(f"{path}: only the first {ROWS_MAX} rows were learnt from", file=sys.stderr)
            break
    return taken


async def _live(config: Config, base: Path, node: Node, for_s: float, progress: Callable[[float], None] | None) -> int:
    """This listens to the real sources for a while. Nothing is judged, driven or told meanwhile."""
    clock = Clock()
    taken = 0

    def take(fact: Reading | LineState) -> None:
        nonlocal taken
        if isinstance(fact, Reading):
            node.feed(fact)
            node.take_effects()
            taken += 1
        elif not fact.alive:
            print(f"{fact.source}: {fact.detail}", file=sys.stderr)

    tasks = [asyncio.create_task(d.run()) for d in build.sources(config, base, clock, take)]
    try:
        while clock.uptime_s() < for_s:
            await asyncio.sleep(min(1.0, for_s))
            if progress is not None:
                progress(clock.uptime_s())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return taken


def _progress(for_s: float) -> Callable[[float], None]:
    def show(at_s: float) -> None:
        done = min(1.0, at_s / for_s)
        print(
            f"\rlearning {'#' * round(30 * done):<30} {span(round(at_s * 1000))}",
            end="" if done < 1 else "\n",
            file=sys.stderr,
        )

    return show


def _show(told: dict[str, Any], out: Path) -> None:
    for name, part in told["parts"].items():
        print(f"part {name}: {part['rows']} rows")
        for signal, s in part["signals"].items():
            print(f"  {signal:<24} {s['centre']:>12.5g} ± {s['scale']:.3g} {s['unit']}")
    print(
        f'\n{out}: {told["bytes"]} bytes, in {told["took_s"]:.1f} s. To use it: [parts.NAME] model = "{out.resolve()}"'
    )

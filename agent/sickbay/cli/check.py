"""This is `sickbay check`: is the configuration right, and does the hardware answer?"""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from sickbay import config as configuration
from sickbay.cli.terminal import config_option, json_option, print_json, running, table
from sickbay.config import Config
from sickbay.core.reading import LineState, Reading
from sickbay.daemon import build
from sickbay.edge.actuators import Outputs
from sickbay.edge.sources import Probe


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    config_option(parser)
    json_option(parser)
    parser.add_argument(
        "--wait", type=float, default=3.0, metavar="S", help="how long each source may take (default 3)"
    )


def run(options: argparse.Namespace) -> int:
    if not 0 < options.wait <= 3600:
        print(f"sickbay check: --wait {options.wait:g}: not between 0 and 3600 seconds", file=sys.stderr)
        return 2
    config = configuration.load(options.config)
    probes = asyncio.run(_probe(config, options.config.resolve().parent, options.wait))
    if options.json:
        print_json([{"kind": kind, "name": p.name, "ok": p.ok, "detail": p.detail} for kind, p in probes])
    else:
        equipment = configuration.equipment(config)
        print(f"{options.config} is valid: {len(equipment.signals)} signals, {len(equipment.parts)} parts")
        rows = [(kind, p.name, "answers" if p.ok else "SILENT", p.detail) for kind, p in probes]
        if rows:
            table(("what", "name", "", "says"), rows, ["" if p.ok else "bold red" for _, p in probes])
    return 0 if all(p.ok for _, p in probes) else 1


async def _probe(config: Config, base: Path, wait_s: float) -> list[tuple[str, Probe]]:
    def nobody(fact: Reading | LineState) -> None: ...

    status = await asyncio.to_thread(running, config)
    if status is not None:
        # A port has one reader: opened here as well, it would be in use, or worse, take lines away from the daemon.
        out = _asked(config, status)
    else:
        drivers = build.sources(config, base, lambda: 0, nobody)
        out = [("source", p) for p in await asyncio.gather(*(d.probe(wait_s) for d in drivers))]
        if config.outputs:
            out += [("output", p) for p in await Outputs(config.outputs).probe(wait_s)]
    files, wrong = build.models(config, base)
    learnt, misfits = build.learnt(configuration.equipment(config), files)
    for part, path in files.items():
        text = misfits.get(part, f"{path.name}" + (", with this unit's baseline" if part in learnt else ""))
        out.append(("model", Probe(part, part not in misfits, text)))
    return out + [("model", Probe(part, False, text)) for part, text in wrong.items()]


def _asked(config: Config, status: dict[str, Any]) -> list[tuple[str, Probe]]:
    """This returns what the running daemon says of its hardware; what it does not know yet came into the file later."""
    unknown = "not known to the running daemon; restart it"
    found: list[tuple[str, Probe]] = []
    for name in config.sources:
        source = status["sources"].get(name)
        detail = (source["says"] or "the running daemon reads it") if source else unknown
        found.append(("source", Probe(name, bool(source and source["alive"]), detail)))
    for name in config.outputs:
        output = status["outputs"].get(name)
        found.append(("output", Probe(name, bool(output and output["ok"]), output["detail"] if output else unknown)))
    return found

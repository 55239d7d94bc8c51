"""This is `sickbay-sim list`: every kind of fault there is, what it means, and which scenarios exercise it."""

import argparse
import json
import sys
from pathlib import Path

from sickbay_sim import catalogue, scenario_file
from sickbay_sim.scenario_file import ScenarioError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", type=Path, nargs="*", help="scenarios to look through (default: tests/scenarios)")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    usual = Path("tests/scenarios")
    paths = options.scenario or ([usual] if usual.is_dir() else [])
    try:
        scenarios = [scenario_file.read(path) for path in scenario_file.gather(paths)]
    except ScenarioError as error:
        print(f"sickbay-sim list: {error}", file=sys.stderr)
        return 2
    found = [(entry, catalogue.exercised_by(entry, scenarios)) for entry in catalogue.entries()]
    if options.json:
        rows = [
            {
                "kind": e.kind,
                "layer": e.layer,
                "plant": e.plant or None,
                "targets": list(e.targets),
                "meaning": e.meaning,
                "implemented": e.implemented,
                "scenarios": by,
            }
            for e, by in found
        ]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    for layer in dict.fromkeys(entry.layer for entry, _ in found):
        print(f"{layer}:")
        for entry, by in found:
            if entry.layer == layer:
                where = f" ({entry.plant}: {', '.join(entry.targets)})" if entry.plant else ""
                missing = "" if entry.implemented else "  NOT IMPLEMENTED"
                print(f"  {entry.kind:<18} {entry.meaning}{where}{missing}")
                if scenarios:
                    print(f"  {'':<18} in {', '.join(by) if by else 'no scenario'}")
    if not scenarios:
        print(f"{len(found)} kinds; no scenario was looked through: name files, or a folder of them")
        return 0
    print(f"{len(found)} kinds, {sum(not by for _, by in found)} in no scenario; {len(scenarios)} scenarios")
    return 0

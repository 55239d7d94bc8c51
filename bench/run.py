"""This measures what the README states: memory, start, cost of a reading, cost of a score, speed of the
bench and of a swarm.

    python bench/run.py [--json] [--write docs/figures.md] [--only core,start,daemon,score,bench,swarm]

Each figure stands beside a baseline of the same run, since machines differ and are noisy: the interpreter alone, or a program
that only reads and decodes the same lines.
"""

import argparse
import json
import platform
import sys
from pathlib import Path

import core_speed
import daemon_cost
import score_cost
import sim_bench
import start_time
import swarm_speed

SECTIONS = {
    "core": core_speed.measure,
    "start": start_time.measure,
    "daemon": daemon_cost.measure,
    "score": score_cost.measure,
    "bench": sim_bench.measure,
    "swarm": swarm_speed.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, comma-separated (default: all)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the table there, as Markdown")
    options = parser.parse_args()
    rows: list[tuple[str, str, str, str]] = []
    for name in options.only.split(","):
        if name not in SECTIONS:
            parser.error(f"no section {name!r}; there are {', '.join(SECTIONS)}")
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += SECTIONS[name]()
    if options.json:
        print(
            json.dumps([dict(zip(("what", "measured", "beside", "aim"), row, strict=True)) for row in rows], indent=1)
        )
    else:
        for what, measured, beside, aim in rows:
            print(f"{what:<58} {measured:>16}   {beside:<44} {aim}")
    if options.write is not None:
        options.write.write_text(markdown(rows), encoding="utf-8")
    return 0


def markdown(rows: list[tuple[str, str, str, str]]) -> str:
    where = f"{platform.machine()}, Python {platform.python_version()}, {platform.system()} {platform.release().split('-')[0]}"
    out = ["# Figures", "", f"Made by `make bench` on {where}. Shared and noisy machine: read the ratios first.", ""]
    out += ["| what | measured | beside, in the same run | aim |", "| --- | ---: | --- | --- |"]
    out += [f"| {' | '.join(row)} |" for row in rows]
    out += ["", "On a Raspberry Pi: not measured.", ""]
    return "\n".join(out)


if __name__ == "__main__":
    sys.exit(main())

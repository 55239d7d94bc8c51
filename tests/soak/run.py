"""This runs every module beside it that has a `soak(seed, scale)`, and writes what they measured.

    PYTHONPATH=tests python -m soak.run [--seed 1] [--scale 1.0] [--only power_cuts] [--json FILE] [--write docs/reliability.md]

`soak` returns figures (see figures.Figure). `--write` puts the table between the markers of a Markdown file; figures of
modules that were not run stay as they stand there. Exit 1 where anything failed, with the line that replays it.
"""

import argparse
import importlib
import platform
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from soak.figures import Figure

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"
HEAD = ["| module | what | measured | 95 % bound | aim | command |", "| --- | --- | --- | --- | --- | --- |"]


def modules() -> list[str]:
    """This returns the modules beside this one that can be soaked."""
    names = (f.stem for f in sorted(HERE.glob("*.py")) if "def soak(" in f.read_text(encoding="utf-8"))
    return [name for name in names if name != "run"]


def row(module: str, figure: Figure) -> str:
    """This returns a line of the table."""
    good = figure.says() if figure.good else f"**{figure.says()}**"
    return f"| {module} | {figure.what} | {good} | {figure.bound()} | {figure.aim} | `{figure.command}` |"


def table(found: dict[str, list[Figure]], before: str) -> str:
    """This returns the table, with the lines of modules that were not run as they stood `before`."""
    rows = {name: [row(name, figure) for figure in figures] for name, figures in found.items()}
    for line in before.splitlines():
        name = line.split("|")[1].strip() if line.startswith("|") and line.count("|") > 2 else ""
        if name in modules() and name not in found:
            rows.setdefault(name, []).append(line)
    for name in modules():
        rows.setdefault(name, [f"| {name} | | not measured | | | `python -m soak.run --only {name}` |"])
    where = f"{platform.machine()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, Linux"
    ran = ", ".join(found)
    return "\n".join(
        [f"Last run ({ran}) on {where}.", "", *HEAD, *(line for name in sorted(rows) for line in rows[name])]
    )


def write(file: Path, found: dict[str, list[Figure]]) -> None:
    """This puts the table between the markers of a file."""
    text = file.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN, 1)
    before, tail = rest.split(END, 1)
    file.write_text(f"{head}{BEGIN}\n\n{table(found, before)}\n\n{END}{tail}", encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="1: about ten minutes; 0.01: does it run at all")
    parser.add_argument("--only", default=",".join(modules()))
    parser.add_argument("--json", type=Path, metavar="FILE", default=None)
    parser.add_argument("--write", type=Path, metavar="FILE", default=None, help="a Markdown file with the markers")
    options: Any = parser.parse_args(argv)
    found: dict[str, list[Figure]] = {}
    for name in options.only.split(","):
        if name not in modules():
            parser.error(f"no module {name!r}; there are {', '.join(modules())}")
        began = time.monotonic()
        print(f"{name} ...", flush=True)
        found[name] = [
            msgspec.convert(f, Figure, from_attributes=True)
            for f in importlib.import_module(f"soak.{name}").soak(options.seed, options.scale)
        ]
        for figure in found[name]:
            print(f"  {figure.what}: {figure.says()} {figure.bound()}{'' if figure.good else '  NO: ' + figure.replay}")
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    if options.write is not None:
        write(options.write, found)
    bad = [figure for figures in found.values() for figure in figures if not figure.good]
    for figure in bad:
        print(f"replay: PYTHONPATH=tests {figure.replay or figure.command}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

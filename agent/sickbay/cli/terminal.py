"""These are the things that several verbs share: finding the configuration and the daemon, and printing."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sickbay import config as configuration
from sickbay.config import Config

DEFAULT_CONFIG = Path("/etc/sickbay/sickbay.toml")


def config_option(parser: argparse.ArgumentParser) -> None:
    """This adds --config, which defaults to $SICKBAY_CONFIG or /etc/sickbay/sickbay.toml."""
    default = Path(os.environ.get("SICKBAY_CONFIG", DEFAULT_CONFIG))
    parser.add_argument("--config", type=Path, default=default, metavar="FILE", help=f"default: {default}")


def daemon_options(parser: argparse.ArgumentParser) -> None:
    """This adds what finds a running daemon: --config or --socket, and --json."""
    config_option(parser)
    parser.add_argument(
        "--socket", type=Path, metavar="PATH", help="the daemon's socket, instead of the configuration's"
    )
    json_option(parser)


def json_option(parser: argparse.ArgumentParser) -> None:
    """This adds --json."""
    parser.add_argument("--json", action="store_true", help="for programs")


def ask(options: argparse.Namespace, verb: str, **args: object) -> Any:
    """This returns the daemon's answer; raises ConsoleError when it does not answer, or refuses."""
    from sickbay.edge.console import ask as ask_daemon

    return ask_daemon(_socket(options), verb, **args)


def running(config: Config) -> dict[str, Any] | None:
    """This returns the status of the daemon that runs with this configuration's socket, None where none answers."""
    from sickbay.edge.console import ask as ask_daemon
    from sickbay.errors import ConsoleError

    try:
        found = ask_daemon(configuration.socket_path(config), "status")
    except ConsoleError:
        return None
    return found if isinstance(found, dict) else None


def _socket(options: argparse.Namespace) -> Path:
    """This returns where the daemon listens: --socket, else what the configuration says, else the system's own."""
    if options.socket is not None:
        return Path(options.socket)
    if options.config.exists() or options.config != DEFAULT_CONFIG:
        return configuration.socket_path(configuration.load(options.config))
    system = Path("/run/sickbay/sickbay.sock")
    return system if system.exists() else configuration.socket_path(Config())


def print_json(value: object) -> None:
    """This prints one JSON document."""
    print(json.dumps(value, ensure_ascii=False, indent=1))


def table(head: Sequence[str], rows: Sequence[Sequence[object]], styles: Sequence[str] = ()) -> None:
    """This prints a table for eyes; colour only on a terminal that has it. `styles` has one rich style a row."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[_cell(c) for c in row] for row in rows]
    console = Console(highlight=False)
    if not console.is_terminal:
        # Off a terminal a table is for grep: whole lines, nothing cut to 80 columns.
        widest = [max(map(cell_len, column)) for column in zip(head, *cells, strict=True)]
        console = Console(highlight=False, width=max(80, sum(widest) + 3 * len(widest)))
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        shown.add_column(Text(name))
    for i, row in enumerate(cells):
        # As Text: a cell such as "[mqtt] url" is no markup.
        shown.add_row(*map(Text, row), style=styles[i] if styles else None)
    console.print(shown)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def ago(wall: str | None) -> str:
    """This returns an RFC 3339 time as "3 min ago", and what it cannot read as it is."""
    from datetime import UTC, datetime

    try:
        then = datetime.fromisoformat(wall or "")
    except ValueError:
        return wall or "-"
    seconds = (datetime.now(UTC) - then).total_seconds()
    if seconds < 0:
        return f"in {_span(-seconds)}"
    return f"{_span(seconds)} ago"


def _span(seconds: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"

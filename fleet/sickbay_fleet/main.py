"""This is the command sickbay-fleet: the receiving end, a look at its tickets, and orders to devices."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from sickbay.errors import ConfigError, SickbayError
from sickbay_fleet import intake, orders
from sickbay_fleet.settings import Settings, database, load
from sickbay_fleet.store import Store, tickets
from sickbay_fleet.table import table


def main(argv: Sequence[str] | None = None) -> int:
    """This returns the exit code: 0 fine, 1 something is wrong with the run, 2 wrongly called."""
    arguments = _parser().parse_args(argv)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except ConfigError as error:
        print(f"sickbay-fleet: {error}", file=sys.stderr)
        return 2
    except SickbayError as error:
        print(f"sickbay-fleet: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader (head, less) has gone. Nothing more can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(arguments: argparse.Namespace) -> int:
    if arguments.verb == "keygen":
        return orders.keygen(arguments)
    settings = load(arguments.config)
    if arguments.verb == "order":
        return orders.order(settings, arguments)
    if arguments.verb == "orders":
        return orders.show(settings, arguments)
    if arguments.verb == "tickets":
        return _tickets(settings, arguments)
    return _serve(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sickbay-fleet", description="The receiving end: one fault, one ticket.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    serve = verbs.add_parser("serve", help="take escalations in, receipt them, keep tickets")
    look = verbs.add_parser("tickets", help="show the tickets")
    key = verbs.add_parser("keygen", help="make a key that signs orders")
    orders.keygen_arguments(key)
    give = verbs.add_parser("order", help="give a signed order to a device, and wait for its answer")
    orders.order_arguments(give)
    given = verbs.add_parser("orders", help="show what devices answered")
    given.add_argument("--json", action="store_true", help="for programs")
    for each in (serve, look, give, given):
        each.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML: [mqtt], [store]")
    look.add_argument("--json", action="store_true", help="for programs")
    which = look.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="open and closed ones (default)")
    which.add_argument("--open", action="store_true", help="only open ones")
    return parser


def _tickets(settings: Settings, arguments: argparse.Namespace) -> int:
    found = tickets(database(settings), only_open=arguments.open)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        print(table(found))
    return 0


def _serve(settings: Settings) -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    if settings.http is not None:
        logging.getLogger("sickbay.fleet").warning("[http] listen: the web side is not built yet; going on without it")
    store = Store(database(settings), lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    try:
        return asyncio.run(_until_stopped(settings, store))
    finally:
        store.close()


async def _until_stopped(settings: Settings, store: Store) -> int:
    running = asyncio.ensure_future(intake.serve(settings, store, lambda line: print(line, flush=True)))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())

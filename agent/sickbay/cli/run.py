"""This is `sickbay run`: the daemon in the foreground."""

import argparse
import asyncio
import gc
import logging
import os
import sys

from sickbay import config as configuration
from sickbay.cli.terminal import config_option


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    config_option(parser)
    parser.add_argument("--log", choices=("debug", "info", "warning", "error"), default="info", help="default: info")


def run(options: argparse.Namespace) -> int:
    config = configuration.load(options.config)
    from sickbay.daemon.loudness import Bounded

    sys.stderr = Bounded(sys.stderr)
    # Under systemd the journal stamps the time itself.
    stamp = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "
    logging.basicConfig(stream=sys.stderr, level=options.log.upper(), format=f"{stamp}%(levelname).1s %(message)s")
    from sickbay.daemon import Daemon

    daemon = Daemon(config, options.config.resolve().parent)
    # What is loaded by now stays for good: the collector need not walk it again and again.
    gc.collect()
    gc.freeze()
    return asyncio.run(daemon.run())

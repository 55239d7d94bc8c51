"""This is the `sickbay-sim` command: machines to try sickbay on, where there are none."""

import argparse
import importlib
import os
import sys

from sickbay_sim.configure import configuration

__all__ = ["configuration", "main"]

# verb: (module in sickbay_sim.cli, what it does)
VERBS = {
    "bench": ("bench", "scenarios in virtual time, and whether what happened is what should have"),
    "list": ("list", "every kind of fault there is, and which scenarios exercise it"),
    "score": ("score", "many scenarios with many seeds, and what they say together, beside two baselines"),
    "rig": ("rig", "a machine on a pty and mock pins until Ctrl-C, or scenarios against the real daemon"),
    "swarm": ("swarm", "many devices and the receiving end in virtual time, over links that fail"),
}


def main(argv: list[str] | None = None) -> int:
    """This returns the exit code: 0 fine, 1 it went wrong, 2 wrongly called."""
    options = _parser().parse_args(argv)
    try:
        code = int(importlib.import_module(f"sickbay_sim.cli.{VERBS[options.verb][0]}").run(options))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader (head, less) has gone. Nothing more can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sickbay-sim", description="Machines to try sickbay on, where there are none."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, (module, says) in VERBS.items():
        sub = verbs.add_parser(verb, help=says, description=says[0].upper() + says[1:] + ".")
        importlib.import_module(f"sickbay_sim.cli.{module}").arguments(sub)
    return parser


if __name__ == "__main__":
    sys.exit(main())

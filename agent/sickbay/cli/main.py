"""This is the `sickbay` command: one verb a file, tables for eyes, --json for programs."""

import argparse
import contextlib
import importlib
import os
import sys
from typing import TextIO

import sickbay
from sickbay.errors import ConfigError, SickbayError

# verb: (module, what it does). The module is imported only when its verb is called: a Pi feels every import.
VERBS = {
    "run": ("run", "the daemon, in the foreground; logs to stderr"),
    "check": ("check", "validate the configuration, and say what hardware answers"),
    "status": ("status", "signals, parts, faults, outbox, model, time quality"),
    "why": ("why", "the evidence, the rule that decided, what would release it"),
    "ack": ("orders", "say that you have seen a fault"),
    "shelve": ("orders", "put a fault aside for a while, at most 24 h"),
    "release": ("orders", "bring a part or sensor back, through probation"),
    "quarantine": ("orders", "take a part or sensor out of service"),
    "feedback": ("orders", "say that an alarm was false, or right: the next judgement heeds it"),
    "loosen": ("orders", "take back what the fleet ordered: judge a target as ever again"),
    "clear": ("orders", "forget what is remembered of a target's faults"),
    "ledger": ("ledger", "every message that left this device"),
    "learn": ("learn", "fit this unit's own model and baseline"),
    "replay": ("replay", "a recording through the real node: what it would have done"),
    "score": ("score", "JSON lines in, verdicts out: the same judgement for any stream"),
    "demo": ("demo", "the story in 20 s: no hardware, no root, no network, no account"),
}


def parser(arguments: list[str]) -> argparse.ArgumentParser:
    """This returns the parser of a call: every verb, and the options of the one that is called."""
    top = argparse.ArgumentParser(
        prog="sickbay",
        description="Reads a machine's sensors, quarantines what is faulty on the spot, escalates only what a person must know.",
        epilog="sickbay VERB --help tells more. Exit codes: 0 fine, 1 something is wrong with the device, 2 wrongly called.",
    )
    top.add_argument("--version", action="version", version=f"sickbay {sickbay.__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    chosen = next((a for a in arguments if not a.startswith("-")), None)
    for verb, (module, says) in VERBS.items():
        sub = verbs.add_parser(verb, help=says, description=says[0].upper() + says[1:] + ".")
        if verb == chosen:
            importlib.import_module(f"sickbay.cli.{module}").arguments(sub, verb)
    return top


def main(argv: list[str] | None = None) -> int:
    """This returns the exit code: 0 fine, 1 something is wrong with the device or the run, 2 wrongly called."""
    arguments = sys.argv[1:] if argv is None else argv
    code = _run(parser(arguments).parse_args(arguments))
    said = _flushed(sys.stdout)
    _flushed(sys.stderr)  # a log that nobody reads any more is no fault of the run
    return code if said else max(code, 1)


def _run(options: argparse.Namespace) -> int:
    module = VERBS[options.verb][0]
    try:
        return int(importlib.import_module(f"sickbay.cli.{module}").run(options))
    except ConfigError as error:
        print(f"sickbay: {error}", file=sys.stderr)
        return 2
    except SickbayError as error:
        print(f"sickbay: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1  # the reader (head, less) has gone
    except KeyboardInterrupt:
        return 130


def _flushed(stream: TextIO) -> bool:
    """This returns whether all that was said got out. What did not is dropped: else the interpreter complains of it at its end."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())

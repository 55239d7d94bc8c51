"""These are the verbs keygen, order and orders: make a key, give an order, see what devices answered."""

import argparse
import asyncio
import re
import sys
from pathlib import Path

import msgspec

from sickbay.errors import ConfigError, WireError
from sickbay.order_wire import LIFE_MAX_MS, Answer, Args
from sickbay_fleet import keys as keyring
from sickbay_fleet.giving import Given, give, order_of
from sickbay_fleet.keys import SigningKey
from sickbay_fleet.settings import Settings, database
from sickbay_fleet.store import answers
from sickbay_fleet.table import lines

VERBS = {
    "ack": "say that somebody has seen a fault",
    "shelve": "put a fault aside for a while (--for), at most 24 h",
    "unshelve": "take back what an order put aside",
    "quarantine": "take a nonessential part or sensor out of service, within the device's own guards",
    "context": "ask how a target stands, and for a fresh window of its faults",
    "tighten": "judge a target stricter (--factor) for a while (--for)",
    "advisory": "note that a target, or a class of its faults (--class), is suspect",
    "release": "bring back what is not essential, through probation: takes --key2, and a device that allows it",
}
_SPAN = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def keygen_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the private key; FILE.pub goes to the devices"
    )
    parser.add_argument("--name", required=True, metavar="NAME", help="whose it is, as devices will write it down")
    parser.add_argument("--json", action="store_true", help="for programs")


def order_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "order_verb", metavar="VERB", choices=VERBS, help="; ".join(f"{v}: {says}" for v, says in VERBS.items())
    )
    parser.add_argument("target", metavar="TARGET", help="a signal, a part, or a fault's id")
    parser.add_argument("--device", required=True, metavar="D", help="the one device that it is for")
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="the private key that signs it")
    parser.add_argument("--key2", type=Path, metavar="FILE", help="a second person's, for what takes two")
    parser.add_argument("--reason", required=True, help="why, for those who come after you")
    parser.add_argument(
        "--for", dest="span", default="", metavar="TIME", help="shelve, tighten, advisory: e.g. 30min, 2h"
    )
    parser.add_argument("--factor", type=float, default=0.0, help="tighten: how many times stricter, e.g. 1.3")
    parser.add_argument(
        "--class", dest="class_", default="", metavar="CLASS", help="advisory: the class of fault suspected"
    )
    parser.add_argument(
        "--expires", default="10min", metavar="TIME", help="obeyed until then, at most 24h; default 10min"
    )
    parser.add_argument("--wait", type=float, default=30.0, metavar="S", help="for the answer; default 30")
    parser.add_argument("--json", action="store_true", help="for programs")


def keygen(arguments: argparse.Namespace) -> int:
    """This makes a key pair and says what to do with it."""
    public, id_ = keyring.make(arguments.out, arguments.name)
    if arguments.json:
        made = keyring.Keygen(arguments.name, id_, str(arguments.out), str(public))
        print(msgspec.json.encode(made).decode())
    else:
        print(f"{arguments.out} signs orders as {arguments.name}: keep it here, and to yourself")
        print(f"{public} goes to each device that is to obey them: [orders] keys = [...]; it is key {id_[:16]}")
    return 0


def order(settings: Settings, arguments: argparse.Namespace) -> int:
    """This gives an order. 0: obeyed; 1: refused, or no answer came; ConfigError where it is no order."""
    files = [arguments.key] + ([arguments.key2] if arguments.key2 is not None else [])
    keys = [SigningKey(file) for file in files]
    if len({key.id for key in keys} | {key.name for key in keys}) != 2 * len(keys):
        raise ConfigError("--key2: two keys of two people are wanted, and these are one key or one name")
    if arguments.order_verb == "release" and len(keys) < 2:
        raise ConfigError("order release: it takes two keys: --key and --key2. One person alone releases at the device")
    life_s = _seconds("--expires", arguments.expires)
    if not 1.0 <= life_s <= LIFE_MAX_MS / 1000:
        raise ConfigError(f"--expires {arguments.expires}: an order lives for a second at least, and for 24h at most")
    try:
        args = Args(_seconds("--for", arguments.span) if arguments.span else 0.0, arguments.factor, arguments.class_)
        given = order_of(
            arguments.device,
            arguments.order_verb,
            arguments.target,
            arguments.reason,
            args,
            keys,
            keyring.now_ms(),
            life_s,
        )
    except WireError as error:
        raise ConfigError(str(error)) from None
    found = asyncio.run(give(settings.mqtt, given, keys, arguments.wait))
    if arguments.json:
        print(msgspec.json.encode(found).decode())
    else:
        _say(found, arguments.wait)
    return 0 if found.answer is not None and found.answer.obeyed else 1


def _say(given: Given, wait_s: float) -> None:
    answer = given.answer
    if answer is None:
        print(
            f"{given.device}: no answer within {wait_s:g} s. The order is with the broker, and is obeyed if the device comes"
            " before it expires: sickbay-fleet orders shows the answer then",
            file=sys.stderr,
        )
        return
    doubt = "" if answer.believed else " (it did not look at the signature)"
    print(f"{given.device} {'obeyed' if answer.obeyed else 'refused'}{doubt}: {plain(answer.says)}")
    for line in _context(answer):
        print(f"  {plain(line)}")


def _context(answer: Answer) -> list[str]:
    """This returns what a device said of its state, line by line."""
    found = answer.context
    out = [str(found[key]) for key in ("says", "rule") if found.get(key)]
    out += [f"{field}: left out, since that device has {why}" for field, why in answer.left_out.items()]
    now = found.get("now")
    return out + [str(line) for line in now] if isinstance(now, list) else out


def show(settings: Settings, arguments: argparse.Namespace) -> int:
    """This shows what devices answered."""
    found = answers(database(settings))
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return 0
    rows = [
        (a.received[:19], a.answer.device, a.answer.verb, a.answer.target, "obeyed" if a.answer.obeyed else "refused", a.answer.who,
         a.answer.says)
        for a in found
    ]  # fmt: skip
    print(lines(("RECEIVED", "DEVICE", "VERB", "TARGET", "ANSWER", "WHO", "SAYS"), rows) if rows else "no answers")
    return 0


def plain(text: str) -> str:
    """This returns a text that cannot steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _seconds(option: str, text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d)?", text.strip())
    if not found:
        raise ConfigError(f"{option} {text}: not a time. Try 30min or 2h")
    return float(found[1]) * _SPAN[found[2] or "s"]

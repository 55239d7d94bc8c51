"""This is `sickbay status`: how the device is, at a glance."""

import argparse
from typing import Any

from sickbay.cli.terminal import ago, ask, daemon_options, print_json, table

_STYLE = {"critical": "bold red", "major": "red", "minor": "yellow"}
_STATE = {
    "in_service": "",
    "would_isolate": "yellow",
    "isolated": "bold red",
    "probation": "cyan",
    "locked_out": "bold red",
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    daemon_options(parser)


def run(options: argparse.Namespace) -> int:
    found = ask(options, "status")
    if options.json:
        print_json(found)
    else:
        _show(found)
    return 0


def _show(found: dict[str, Any]) -> None:
    out, model, uplink = found["outbox"], found["model"], found["uplink"]
    print(f"{found['device']}  up {found['uptime_s']:.0f} s  clock {found['time_quality']}  model {model['runtime']}")
    print(f"fleet {uplink['state']}: {uplink['detail']}; {out['rows']} messages wait ({out['bytes']} bytes)")
    _orders(found["orders"], found["standing"], found["bars"])
    for part, says in model["parts"].items():
        if says != "ok":
            print(f"model of {part}: {says}")
    print()
    signals = found["signals"].items()
    rows = [(n, _value(s), s["quality"], s["state"], _stand_in(s), s["reason"]) for n, s in signals]
    table(
        ("signal", "value", "quality", "state", "stands in", "because"), rows, [_STATE[s["state"]] for _, s in signals]
    )
    print()
    parts = found["parts"].items()
    table(
        ("part", "score", "state", "", "because"),
        [(n, _score(p), p["state"], "essential" if p["essential"] else "", p["reason"]) for n, p in parts],
        [_STATE[p["state"]] for _, p in parts],
    )
    if found["outputs"]:
        print()
        outputs = found["outputs"].items()
        table(
            ("output", "ordered", "says"),
            [(n, "on" if o["wanted"] else "off", o["detail"]) for n, o in outputs],
            ["" if o["ok"] else "bold red" for _, o in outputs],
        )
    faults = [f for f in found["faults"] if f["open"]]
    print()
    if not faults:
        past = len(found["faults"])
        print("No open fault." + (f" {past} remembered: sickbay status --json" if past else ""))
        return
    table(
        ("open fault", "severity", "target", "class", "whose", "since", "told", "seen by"),
        [
            (
                f["id"],
                f["severity"],
                f["target"],
                f["class"],
                f["layer"],
                ago(f["first"]),
                _told(f),
                (f["acked"] or {}).get("who"),
            )
            for f in faults
        ],
        [_STYLE.get(f["severity"], "") for f in faults],
    )
    print(f"\nsickbay why {faults[0]['target']} tells the evidence and what to do.")


def _store(outbox: dict[str, Any], journal: dict[str, Any]) -> None:
    worn = f"{journal['day_bytes'] / 1e6:.1f} MB in {journal['day_bursts']} bursts"
    print(f"disk: {worn} written in the last 24 h of running, {journal['day_bytes_max'] / 1e6:g} MB a day at most")
    for says in (journal["short"], "the disk does not answer" if journal["hangs"] else ""):
        if says:
            print(says)
    if outbox["shed"]:
        lost = ", ".join(f"{count} {what}" for what, count in outbox["shed_by"]["class"].items())
        print(f"messages that will never leave: {lost}")


def _orders(orders: dict[str, Any], standing: list[dict[str, Any]], bars: list[dict[str, Any]]) -> None:
    for trouble in orders["troubles"]:
        print(trouble)
    refused = sum(orders["refused"].values())
    if orders["obeyed"] or refused:
        last = orders["last"]
        did = "obeyed" if last["obeyed"] else "refused"
        print(f"orders from afar: {orders['obeyed']} obeyed, {refused} refused; the last was {did}: {last['says']}")
    for bar in bars:
        print(f"feedback: {bar['says']}")
    for each in standing:
        print(f"by order: {each['says']}")


def _value(signal: dict[str, Any]) -> str:
    value = signal["value"]
    return "-" if value is None else f"{value:.5g} {signal['unit']}".strip()


def _score(part: dict[str, Any]) -> str:
    if part["learning"]:
        return f"{'settling anew' if part['settling'] else 'learning'}, {part['learning']} rows to go"
    if part["blind"]:
        return "blind"
    return f"{part['score']:.2f}" + (" ALARM" if part["alarm"] else "")


def _told(fault: dict[str, Any]) -> str:
    if fault["suppressed_by"]:
        return f"muted by {fault['suppressed_by']}"
    if fault["well_since"]:
        return f"well again {ago(fault['well_since'])}, closes soon"
    if fault["shelved_until"]:
        return f"shelved, back {ago(fault['shelved_until'])}"
    if fault["delivered"]:
        return "the fleet has it"
    return "waits" if fault["revision"] else "not yet"


def _stand_in(signal: dict[str, Any]) -> str | None:
    if signal["substitute_error"] is None:
        return str(signal["substitute"]) if signal["substitute"] else None
    return f"estimate {signal['substitute_value']:.5g} ±{2 * signal['substitute_error']:.2g}"

"""This is `sickbay demo`: the whole story in about 20 s, told by the real daemon about a simulated machine."""

import argparse
import asyncio
import sys
import textwrap
from pathlib import Path
from typing import Any

from sickbay.cli.stage import Stage, StageError
from sickbay.errors import SickbayError


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("--keep-log", type=Path, metavar="FILE", help="also write the daemon's own log there")


def run(options: argparse.Namespace) -> int:
    try:
        return asyncio.run(_story(options))
    except ImportError as error:
        print(f"sickbay demo: {error}. The demo needs its extra: pip install 'sickbay[demo]'", file=sys.stderr)
        return 1


async def _story(options: argparse.Namespace) -> int:
    print(
        "A cooling loop (pump, radiator, fan) is simulated, 120 times as fast as life. The serial line is a real pty;"
    )
    print("the daemon, the MQTT broker and the fleet's end are the real ones.\n")
    async with Stage() as stage:
        try:
            await _learns(stage)
            await _sensor_sticks(stage)
            await _fan_fails(stage)
            await _sensor_recovers(stage)
            await _pump_fails(stage)
            await _tickets(stage)
        except (StageError, SickbayError) as error:
            _say(stage, f"THE STORY BROKE: {error}")
            print((stage.folder / "daemon.log").read_text(errors="replace")[-3000:], file=sys.stderr)
            return 1
        finally:
            if options.keep_log is not None:
                options.keep_log.write_bytes((stage.folder / "daemon.log").read_bytes())
        took_s = stage.at_s()
    print(
        f"\nThe story held, in {took_s:.0f} s. Next, a machine of your own to make ill, and a configuration to start from:"
    )
    print(f"  {_command('sickbay-sim')} rig")
    return 0


def _command(name: str) -> str:
    """This returns how to type a command here: by its path where it is not on PATH."""
    import shutil

    beside = Path(sys.executable).with_name(name)
    if shutil.which(name) or not beside.exists():
        return name
    try:
        return str(beside.relative_to(Path.cwd()))
    except ValueError:
        return str(beside)


async def _learns(stage: Stage) -> None:
    def learnt() -> bool | None:
        try:
            status = stage.ask("status")
        except SickbayError:
            return None
        return True if all(not p["learning"] for p in status["parts"].values()) else None

    await stage.until("the daemon's start", lambda: True if (stage.folder / "sickbay.sock").exists() else None)
    _say(stage, "everything is up; the daemon learns what is normal for this very unit")
    await stage.until("learning", learnt)
    _say(stage, "learnt: 8 signals of two parts. The pump is essential; the fan is not\n")


async def _sensor_sticks(stage: Stage) -> None:
    print("1. The outlet thermometer sticks.")
    stage.rig.ail("stuck", "outlet_temp")
    found = await stage.event("the quarantine of outlet_temp", _is("isolate", "outlet_temp"))
    status = stage.ask("status")["signals"]["outlet_temp"]
    if status["substitute"] != "outlet_temp_b":
        raise StageError(f"outlet_temp_b does not stand in: {status}")
    _say(
        stage,
        f"quarantined: outlet_temp {found['reason']}; outlet_temp_b stands in ({status['substitute_value']:.1f} degC)",
    )
    await _why(stage, "outlet_temp")


async def _fan_fails(stage: Stage) -> None:
    print("2. The fan fails. It is not essential: it may be isolated by its relay.")
    stage.rig.ail("fan_fail", "fan")
    await stage.event("the isolation of the fan", _is("isolate", "fan"))
    output = await stage.event(
        "the fan's relay", lambda e: e["kind"] == "output" and e["name"] == "fan_relay" and not e["on"]
    )
    if not output["ok"] or stage.rig.patient.contacts("fan_relay"):
        raise StageError(f"the relay did not follow: {output}")
    _say(stage, f"isolated by its relay, which was read back: {output['detail']}")
    await _why(stage, "fan")


async def _sensor_recovers(stage: Stage) -> None:
    print("3. Somebody mends the thermometer, and the fan.")
    stage.rig.heal("stuck", "outlet_temp")
    stage.rig.heal("fan_fail", "fan")
    # The daemon answers when the relay was read back, and the machine with the relay runs in this very loop.
    await asyncio.to_thread(stage.ask, "release", name="fan", reason="a leaf was in it")
    _say(stage, 'a person releases the fan: sickbay release fan --reason "a leaf was in it"; it goes on probation')
    await stage.event("probation of outlet_temp", _is("probation", "outlet_temp"))
    _say(stage, "the thermometer looks well: on probation, still masked, judged in the shadow")
    await stage.event("the release of outlet_temp", _is("release", "outlet_temp"))
    await stage.event("the release of the fan", _is("release", "fan"))
    _say(stage, "both are back in service\n")


async def _pump_fails(stage: Stage) -> None:
    print("4. The pump fails. It is essential: no machine may switch it off.")
    stage.rig.ail("pump_fail", "pump")
    await stage.event("the verdict on the pump", _is("would_isolate", "pump"))
    if not stage.rig.patient.contacts("pump_relay"):
        raise StageError("the pump was switched off")
    status = stage.ask("status")["parts"]["pump"]
    if status["state"] != "would_isolate":
        raise StageError(f"the pump is {status['state']}")
    _say(stage, "left running, and told at once as critical")
    await _why(stage, "pump")


async def _tickets(stage: Stage) -> None:
    def settled() -> list[dict[str, Any]] | None:
        found = stage.tickets()
        closed = {t["target"] for t in found if t["state"] == "closed"}
        return found if {"outlet_temp", "fan"} <= closed and any(t["target"] == "pump" for t in found) else None

    found = await stage.until("three tickets at the fleet's end, two of them closed", settled)
    print("What the fleet's end holds, one ticket a fault:")
    for t in found:
        what = f"{t['state']:<7} {t['severity']:<9} {t['target']:<12} {t['class']:<8} whose: {t['layer']:<7}"
        print(f"   {what} {t['messages']} messages")
    told = sorted(t["target"] for t in found)
    if told != ["fan", "outlet_temp", "pump"]:
        raise StageError(f"three tickets were due, for fan, outlet_temp and pump; there are {told}")
    ledger = stage.ask("ledger", since=0)
    print(
        f"   All that left the device: {len(ledger)} messages, {sum(r['bytes'] for r in ledger)} bytes (sickbay ledger lists each)"
    )


async def _why(stage: Stage, name: str) -> None:
    """This waits for the fleet's receipt, then prints what `sickbay why` says."""
    fault = next(f["id"] for f in stage.ask("why", name=name)["faults"] if f["target"] == name)
    await stage.event(f"the fleet's receipt for {name}", lambda e: e["kind"] == "acknowledged" and e["name"] == fault)
    found = stage.ask("why", name=name)
    case = found["faults"][0]
    _say(stage, f"one ticket, {case['id']}, {case['severity']}; the fleet has committed it. sickbay why {name}:")
    for label, texts in (
        ("for", case["evidence"]),
        ("against", case["counter_evidence"][:2]),
        ("rule", [found["rule"]]),
    ):
        for text in texts[:3]:
            print(textwrap.indent(textwrap.fill(f"{label + ':':<9}{text}", 100, subsequent_indent=" " * 9), " " * 11))
    print(
        textwrap.indent(textwrap.fill(f"{'release:':<9}{case['releases']}", 100, subsequent_indent=" " * 9), " " * 11)
        + "\n"
    )


def _is(kind: str, name: str) -> Any:
    return lambda e: e["kind"] == kind and e["name"] == name


def _say(stage: Stage, text: str) -> None:
    print(f"   {stage.at_s():5.1f} s  {text}", flush=True)

"""This is the `sickbay-sim` command: machines to try sickbay on, where there are none."""

import argparse
import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from sickbay_sim.ailments import KINDS, Ailment, AilmentError
from sickbay_sim.patient import COOLING_LOOP
from sickbay_sim.rig import FAN_TACH_PIN, PULSES_PER_REV, READ_BACK_PINS, RELAY_PINS, Rig

NOT_BUILT = {
    "bench": "scenarios in virtual time",
    "swarm": "many devices at once",
    "score": "the score card of a run",
}
RANGES = {
    "flow": "[0, 60]",
    "pressure": "[0, 160]",
    "current": "[0, 10]",
    "vibration": "[0, 4]",
    "inlet_temp": "[-20, 110]",
    "outlet_temp": "[-20, 110]",
    "outlet_temp_b": "[-20, 110]",
    "fan_rpm": "[0, 6000]",
}


def main(argv: list[str] | None = None) -> int:
    """This returns the exit code: 0 fine, 1 it went wrong, 2 wrongly called."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.verb in NOT_BUILT:
        print(
            f"sickbay-sim {options.verb}: {NOT_BUILT[options.verb]} is not built yet. What there is: sickbay-sim rig",
            file=sys.stderr,
        )
        return 2
    try:
        ailments = [_ailment(text) for text in options.ail]
        return asyncio.run(_rig(options, ailments))
    except (AilmentError, ValueError) as error:
        print(f"sickbay-sim rig: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"sickbay-sim rig: {error}", file=sys.stderr)
        return 1


def configuration(rig: Rig) -> str:
    """This returns the lines of a daemon's configuration that fit a rig."""
    on_pins = rig.fan == "pins"
    columns = [name for name in COOLING_LOOP if not (on_pins and name == "fan_rpm")]
    every_s = rig.period_s
    out = ["[sources.rig]", 'driver = "serial_line"', f'port = "{rig.port}"', f'format = "{rig.style}"', ""]
    if rig.style == "csv":
        out[-1:] = ["columns = [" + ", ".join(f'"{name}"' for name in columns) + "]", ""]
    if on_pins:
        tach = f'{{ pin = {FAN_TACH_PIN}, count = "rising", pulses_per_rev = {PULSES_PER_REV} }}'
        out += ["[sources.pins]", 'driver = "gpio"', f"inputs = {{ fan_tach = {tach} }}", ""]
    for name in columns:
        out += [f"[signals.{name}]", f'from = "rig.{name}"', f'unit = "{COOLING_LOOP[name].unit}"']
        out += [f"every_s = {every_s:g}", f"range = {RANGES[name]}"]
        if name == "outlet_temp_b":
            out += ['redundant_with = "outlet_temp"']
        out += [""]
    fan = "fan_tach" if on_pins else "fan_rpm"
    if on_pins:
        out += ["[signals.fan_tach]", 'from = "pins.fan_tach"', 'unit = "rev/min"', "range = [0, 6000]", ""]
    for relay in RELAY_PINS:
        out += [f"[outputs.{relay}]", 'driver = "gpio"', f"pin = {RELAY_PINS[relay]}", 'fail_state = "on"']
        out += [f"read_back = {READ_BACK_PINS[relay]}", ""]
    out += ["[parts.pump]", 'signals = ["flow", "pressure", "current", "vibration"]', "essential = true"]
    out += ['output = "pump_relay"', ""]
    out += ["[parts.fan]", f'signals = ["{fan}", "inlet_temp", "outlet_temp", "outlet_temp_b"]', 'isolate = "active"']
    out += ['output = "fan_relay"', ""]
    return "\n".join(out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sickbay-sim", description="Machines to try sickbay on, where there are none."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="rig")
    rig = verbs.add_parser(
        "rig",
        help="a cooling loop on a pty and mock pins, in real time, until Ctrl-C",
        description="A cooling loop on a pty and mock pins, until Ctrl-C. Prints what a daemon needs to know.",
        epilog="Ailments: " + "; ".join(f"{name}: {kind.meaning}" for name, kind in KINDS.items()),
    )
    rig.add_argument("--seed", type=int, default=0, help="which unit, and its chance (default 0)")
    rig.add_argument("--period", type=float, default=0.05, metavar="S", help="seconds between lines (default 0.05)")
    rig.add_argument("--speed", type=float, default=20.0, help="plant time runs this many times as fast (default 20)")
    rig.add_argument("--format", choices=("json", "csv"), default="json")
    rig.add_argument("--fan", choices=("line", "pins"), default="line", help="where the fan's speed is to be seen")
    rig.add_argument(
        "--folder", type=Path, help="for the line's name and the pins' socket (default: a new one in /tmp)"
    )
    rig.add_argument("--truth", type=Path, metavar="FILE", help="what really happened, JSON lines")
    rig.add_argument(
        "--ail",
        action="append",
        default=[],
        metavar="KIND:TARGET@S[-S]",
        help="an ailment, its onset and its end in plant seconds, e.g. stuck:outlet_temp@60-120",
    )
    for verb, what in NOT_BUILT.items():
        verbs.add_parser(verb, help=f"{what}: not built yet").add_argument("rest", nargs="*")
    return parser


def _ailment(text: str) -> Ailment:
    """This reads KIND:TARGET@ONSET[-END]."""
    what, _, when = text.partition("@")
    kind, _, target = what.partition(":")
    onset, _, end = when.partition("-")
    try:
        return Ailment(kind, target, float(onset or 0), float(end) if end else None)
    except ValueError:
        raise AilmentError(f"--ail {text}: it is not of the form KIND:TARGET@ONSET[-END]") from None


async def _rig(options: argparse.Namespace, ailments: list[Ailment]) -> int:
    with tempfile.TemporaryDirectory(prefix="sickbay-rig-") as own:
        folder = options.folder or Path(own)
        rig = Rig(
            folder,
            options.seed,
            period_s=options.period,
            speed=options.speed,
            style=options.format,
            fan=options.fan,
            ailments=ailments,
            truth=options.truth,
        )
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, over.set)
        async with rig:
            print(f"# A cooling loop on {rig.port}; Ctrl-C ends it. Run the daemon with")
            print(f"#   GPIOZERO_PIN_FACTORY=mock SICKBAY_PINS_DOOR={rig.door.path} sickbay run --config FILE")
            print("# and in FILE:\n")
            print(configuration(rig), flush=True)
            await rig.wait(over)
    return 0


if __name__ == "__main__":
    sys.exit(main())

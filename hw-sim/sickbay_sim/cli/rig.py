"""This is `sickbay-sim rig`: a machine on a pty and mock pins until Ctrl-C, or scenarios against the real daemon."""

import argparse
import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from sickbay_sim.ailments import KINDS, Ailment, AilmentError
from sickbay_sim.configure import configuration
from sickbay_sim.rig import Rig


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Without a scenario: a cooling loop on a pty and mock pins, until Ctrl-C; prints what a daemon needs to know. "
        "With scenarios: each against the unmodified daemon, a real broker and the fleet's end, and whether it held."
    )
    parser.epilog = "Ailments: " + "; ".join(f"{name}: {kind.meaning}" for name, kind in KINDS.items())
    parser.add_argument("scenario", type=Path, nargs="*", metavar="SCENARIO", help="a file, or a folder of *.toml")
    parser.add_argument("--seed", type=int, help="which unit, and its chance (default 0, or the scenario's own)")
    parser.add_argument("--brief", action="store_true", help="with scenarios: one line each, and what was broken")
    parser.add_argument("--json", action="store_true", help="with scenarios: for programs")
    parser.add_argument("--period", type=float, default=0.05, metavar="S", help="seconds between lines (default 0.05)")
    parser.add_argument(
        "--speed", type=float, help="plant time runs this many times as fast (default 20, with scenarios 50)"
    )
    parser.add_argument("--format", choices=("json", "csv"), default="json")
    parser.add_argument("--fan", choices=("line", "pins"), default="line", help="where the fan's speed is to be seen")
    parser.add_argument(
        "--folder", type=Path, help="for the line's name and the pins' socket (default: a new one in /tmp)"
    )
    parser.add_argument("--truth", type=Path, metavar="FILE", help="what really happened, JSON lines")
    parser.add_argument(
        "--ail",
        action="append",
        default=[],
        metavar="KIND:TARGET@S[-S]",
        help="an ailment, its onset and its end in plant seconds, e.g. stuck:outlet_temp@60-120",
    )


def run(options: argparse.Namespace) -> int:
    if options.scenario:
        return _scenarios(options)
    try:
        ailments = [_ailment(text) for text in options.ail]
        return asyncio.run(_rig(options, ailments))
    except (AilmentError, ValueError) as error:
        print(f"sickbay-sim rig: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"sickbay-sim rig: {error}", file=sys.stderr)
        return 1


def _scenarios(options: argparse.Namespace) -> int:
    from sickbay_sim import rig_run, scenario_file
    from sickbay_sim.cli.bench import through

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # broker, fleet and daemon end with us
    speed = rig_run.SPEED if options.speed is None else options.speed
    try:
        scenarios = [scenario_file.read(path) for path in scenario_file.gather(options.scenario)]
        for scenario in scenarios:
            rig_run.refuse(scenario)
        return through(scenarios, lambda scenario: rig_run.run(scenario, options.seed, speed), options)
    except (scenario_file.ScenarioError, rig_run.RigError) as error:
        print(f"sickbay-sim rig: {error}", file=sys.stderr)
        return 2
    except rig_run.StageError as error:
        print(f"sickbay-sim rig: {error}", file=sys.stderr)
        return 1


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
            options.seed or 0,
            period_s=options.period,
            speed=20.0 if options.speed is None else options.speed,
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

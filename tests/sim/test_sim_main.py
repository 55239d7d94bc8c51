"""These tests call `sickbay-sim` as a person does."""

import os
import signal
import subprocess
import sys

import pytest

from sickbay.config import parse
from sickbay_sim.main import configuration, main
from sickbay_sim.rig import Rig

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.mark.parametrize("fan", ["line", "pins"])
@pytest.mark.parametrize("style", ["json", "csv"])
def test_the_printed_configuration_is_one_that_the_daemon_takes(fan: str, style: str, tmp_path: object) -> None:
    """It is there to be copied; an error in it would be the user's first impression."""
    from pathlib import Path

    config = parse(configuration(Rig(Path(str(tmp_path)), fan=fan, style=style)))
    assert set(config.outputs) == {"fan_relay", "pump_relay"}
    assert config.parts["pump"].essential


def test_the_rig_runs_until_it_is_interrupted() -> None:
    """Ctrl-C ends it cleanly, with nothing left in /tmp and no traceback."""
    with subprocess.Popen(
        [sys.executable, "-m", "sickbay_sim.main", "rig", "--ail", "stuck:flow@60-90"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as rig:
        assert rig.stdout is not None and rig.stderr is not None
        first = rig.stdout.readline()
        path = first.split()[5].rstrip(";")
        assert path.endswith("ttySIM0") and os.path.lexists(path)
        rig.send_signal(signal.SIGINT)
        _, errors = rig.communicate(timeout=20)
        assert rig.returncode == 0
        assert errors == ""
        assert not os.path.lexists(path)


@pytest.mark.parametrize("ail", ["stuk:flow", "stuck:flow@x", "stuck", "fan_fail:pump@3"])
def test_an_unknown_ailment_is_a_wrong_call(ail: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 says: you typed it wrong."""
    assert main(["rig", "--ail", ail]) == 2
    assert "ail" in capsys.readouterr().err

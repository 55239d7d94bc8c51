"""These tests run the unit's own check where systemd is, and see that the check says so where it is not."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHECK = ROOT / "systemd" / "check"
UNIT = ROOT / "systemd" / "sickbay.service"
HAS_SYSTEMD = shutil.which("systemd-analyze") is not None


def run(*args: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CHECK, *args], capture_output=True, text=True, env=env, timeout=60, check=False)


def test_the_unit_passes_its_check() -> None:
    """Keys that systemd does not know, or hardening that has slipped, show here and not on the user's machine."""
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("unit: fine" if HAS_SYSTEMD else "systemd-analyze is not here: unit not checked") in done.stdout


def test_without_systemd_the_check_says_that_it_checked_nothing(tmp_path: Path) -> None:
    """A silent pass would look like a checked unit."""
    for tool in ("dirname", "sh"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    done = run(env={"PATH": str(tmp_path)})
    assert done.returncode == 0
    assert "systemd-analyze is not here: unit not checked" in done.stdout


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("PrivateTmp=yes", "PrivateTemp=yes"),
        ("Restart=always", "Restart=sometimes"),
        ("CapabilityBoundingSet=\n", ""),
    ],
)
def test_the_check_fails_on_a_worse_unit(was: str, becomes: str, tmp_path: Path) -> None:
    """A check that cannot fail checks nothing: misspelt keys and removed hardening must both be seen."""
    text = UNIT.read_text(encoding="utf-8")
    assert was in text
    (tmp_path / "sickbay.service").write_text(text.replace(was, becomes), encoding="utf-8")
    done = run(tmp_path / "sickbay.service")
    assert done.returncode == (1 if HAS_SYSTEMD else 0), done.stdout + done.stderr


def test_the_unit_keeps_what_was_measured_to_matter() -> None:
    """Each cost a working daemon when it was otherwise: lgpio's FIFO, the board's detection, death by throttling."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    keys = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    assert keys["Type"] == "notify" and keys["NotifyAccess"] == "main" and keys["WatchdogSec"] == "30"
    assert keys["WorkingDirectory"] == "%t/sickbay"
    assert keys["StateDirectory"] == keys["RuntimeDirectory"] == "sickbay"
    assert keys["DevicePolicy"] == "closed"
    assert keys["RestrictAddressFamilies"].split() == ["AF_UNIX", "AF_INET", "AF_INET6"]
    assert "MemoryMax" in keys
    assert not keys.keys() & {"MemoryHigh", "ProcSubset", "IPAddressDeny", "PrivateNetwork"}
    assert keys["ExecStart"] == "/opt/sickbay/bin/sickbay run --config /etc/sickbay/sickbay.toml"

"""The README's first command, once, as a newcomer runs it."""

import subprocess
import sys
from pathlib import Path


def test_the_demo_holds_its_story_and_names_the_next_command(tmp_path: Path) -> None:
    """It is the first thing that anybody sees; when it breaks, nobody sees a second."""
    command = [sys.executable, "-m", "sickbay.cli.main", "demo", "--keep-log", str(tmp_path / "log")]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, cwd=tmp_path)
    assert said.returncode == 0, said.stdout[-2000:] + said.stderr[-3000:]
    assert said.stdout.rstrip().endswith("sickbay-sim rig"), "the next command"
    assert said.stderr == "" and "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")
    for part in ("outlet_temp", "fan", "pump"):
        assert part in said.stdout
    assert "\x1b" not in said.stdout

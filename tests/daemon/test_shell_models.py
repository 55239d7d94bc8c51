"""What models and the model worker do to a running daemon: missing, damaged, foreign, killed, hung."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import sickbay as package
from scene import Line, Unit, configuration, until
from sickbay.cli.main import main

GENERIC = Path(package.__file__).parents[2] / "models" / "generic.tflite"


def truncated(path: Path) -> None:
    path.write_bytes(GENERIC.read_bytes()[:700])


def text(path: Path) -> None:
    path.write_text("this is no model\n", encoding="utf-8")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    content = bytearray(GENERIC.read_bytes())
    content[8 : len(content) // 2 : 7] = b"\xff" * len(content[8 : len(content) // 2 : 7])
    path.write_bytes(bytes(content))


def folder(path: Path) -> None:
    path.mkdir()


def absent(path: Path) -> None:
    """Nothing is made."""


@pytest.mark.parametrize("spoil", [truncated, text, empty, flipped, folder, absent])
def test_a_bad_model_file_is_named_and_the_statistics_judge_on(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """A half-copied file must cost one of two views, never the watch itself."""
    spoil(tmp_path / "unit.tflite")
    with Line(tmp_path) as line, Unit(tmp_path, configuration(tmp_path, part='model = "unit.tflite"')) as unit:
        said = unit.until_status(
            "what is wrong",
            lambda s: s["model"]["parts"].get("box", "ok") not in ("ok", "the model worker is starting"),
        )
        assert said["model"]["runtime"] == "none"
        assert "unit.tflite" in unit.log() or "no model" in unit.log()
        assert "model of box: " in unit.cli("status").stdout
        unit.learnt()
        line.say = lambda row: f'{{"a": {row["a"] + 8}, "b": {row["b"] + 8}}}\n'.encode()
        unit.until_status("the alarm", lambda s: s["parts"]["box"]["alarm"] or s["faults"])
        assert "Traceback" not in unit.log()


def worker_of(unit: Unit) -> int | None:
    """This returns the process of the model worker: the daemon's child that is not on its way out."""
    assert unit.process is not None
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if fields[1] == str(unit.process.pid) and fields[0] != "Z":
                return int(entry.name)
    return None


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_hangs_is_replaced_and_the_daemon_reads_on(tmp_path: Path, how: signal.Signals) -> None:
    """A model runtime is foreign code: whatever it does, the watch goes on and the model comes back."""
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path, part='model = "generic"')) as unit:
        unit.learnt()
        unit.says("model runtime:")
        running = unit.until_status("the model", lambda s: s["model"]["parts"] == {"box": "ok"})["model"]["runtime"]
        assert running != "none"
        first = until("the worker", lambda: worker_of(unit))
        os.kill(first, how)
        unit.says("is started again")
        unit.reads(50)
        second = until("another worker", lambda: pid if (pid := worker_of(unit)) != first else None)
        # The pure-Python runtime answers first; the better one loads behind it.
        back = unit.until_status("the model's return", lambda s: s["model"]["runtime"] == running)
        assert second != first and back["model"]["parts"] == {"box": "ok"}
        assert not back["faults"], "a lost model is no fault of the machine"
        assert unit.stop() == 0
    until("the worker's end", lambda: not Path(f"/proc/{second}").exists())


def test_a_killed_daemon_leaves_no_worker_behind(tmp_path: Path) -> None:
    """Else each crash would leave 40 MiB, until the board has none."""
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path, part='model = "generic"')) as unit:
        worker = until("the worker", lambda: worker_of(unit))
        unit.kill()
    until("the worker's end", lambda: not Path(f"/proc/{worker}").exists())


def test_a_model_of_other_signals_is_refused_by_name(tmp_path: Path) -> None:
    """A file copied from the neighbour's machine fits no better than its baseline does."""
    config = tmp_path / "learn.toml"
    config.write_text(configuration(tmp_path), encoding="utf-8")
    recording = tmp_path / "quiet.csv"
    chance = random.Random(1)
    rows = [f"{i / 50},{chance.gauss(10, 0.1):.4f},{chance.gauss(20, 0.1):.4f}" for i in range(200)]
    recording.write_text("\n".join(["time,a,b", *rows]), encoding="utf-8")
    assert main(["learn", "--config", str(config), "--from", str(recording), "--out", str(tmp_path / "u.tflite")]) == 0
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path, names=("b", "a"), part='model = "u.tflite"')) as unit:
        unit.says("baseline is of other signals")
        said = unit.until_status("a word on it", lambda s: s["model"]["parts"].get("box", "ok") != "ok")
        assert "starting" not in said["model"]["parts"]["box"] or unit.says("is judged")
        unit.learnt()

"""The command line as people meet it: help, wrong calls, check, run's refusals. In this process where that is the same."""

import json
import re
import socket
from pathlib import Path

import pytest

from scene import Line, Unit, configuration, sickbay
from sickbay.cli.main import VERBS, main


def called(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """This returns exit code, stdout and stderr of a call that may end in argparse's own exit."""
    try:
        code = main(list(words))
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration of a device whose line may or may not be there."""
    path = tmp_path / "sickbay.toml"
    path.write_text(configuration(tmp_path), encoding="utf-8")
    return path


@pytest.mark.parametrize("verb", [*VERBS])
def test_each_verb_tells_its_options_and_nothing_else(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help is the manual that is always there; it must work without a configuration and without numpy."""
    code, out, err = called(verb, "--help", capsys=capsys)
    assert code == 0 and err == "" and out.startswith(f"usage: sickbay {verb}")
    assert "==SUPPRESS==" not in out and len(out.splitlines()) > 4


def test_the_command_alone_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """Who types the name only wants to see what there is."""
    code, out, _ = called("--help", capsys=capsys)
    assert code == 0 and re.findall(r"^    ([a-z]+)\b", out, re.MULTILINE) == list(VERBS)
    assert called("--version", capsys=capsys)[1].startswith("sickbay ")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["staus"],
        ["status", "--jsn"],
        ["why"],
        ["ack"],
        ["replay"],
        ["learn"],
        ["run", "--log", "loud"],
        ["check", "--wait", "long"],
        ["demo", "now"],
    ],
)
def test_a_wrong_call_ends_with_two_and_the_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts tell "you typed it wrong" from "the device is ill" by the code."""
    code, out, err = called(*words, capsys=capsys)
    assert (code, out) == (2, "") and "usage: sickbay" in err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["ledger", "--since", "yesterdy"], "--since yesterdy: neither a time span nor a date"),
        (["shelve", "a", "--for", "soon", "--reason", "x"], "--for soon: not a time. Try 30min or 8h"),
        (["release", "a"], 'say why: --reason "..."'),
        (["quarantine", "a"], 'say why: --reason "..."'),
        (["replay", "x.csv", "--speed", "-1"], '--speed -1: neither a number above 0 nor "max"'),
        (["replay", "x.csv", "--speed", "fast"], '--speed fast: neither a number above 0 nor "max"'),
        (["replay", "x.csv", "--speed", "nan"], '--speed nan: neither a number above 0 nor "max"'),
        (["replay", "x.csv", "--speed", "inf"], '--speed inf: neither a number above 0 nor "max"'),
        (["learn", "--out", "m.tflite", "--for", "a while"], "--for a while: not a time"),
        (["learn", "--out", "m.tflite", "--for", "0"], "--for 0: not a time"),
        (["check", "--wait", "-1"], "--wait -1"),
        (["check", "--wait", "nan"], "--wait nan"),
    ],
)
def test_a_value_that_cannot_be_is_named_and_ends_with_two(
    file: Path, words: list[str], complaint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the option and shows one that works."""
    with Path("/dev/null").open() as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        code, out, err = called(*words, "--config", str(file), capsys=capsys)
    assert (code, out) == (2, "") and complaint in err, err


@pytest.mark.parametrize("verb", [["run"], ["check"], ["status"], ["why", "a"], ["replay", "x.csv"]])
def test_a_missing_configuration_is_named(verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Most first calls are without --config, or with a path that is slightly off."""
    code, out, err = called(*verb, "--config", str(tmp_path / "none.toml"), capsys=capsys)
    assert (code, out) == (2, "") and f"{tmp_path}/none.toml: cannot be read: No such file" in err
    assert "--config FILE" in err


def test_check_says_what_answers_and_what_is_silent(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first command on a new site: 0 all there, 1 something is silent, 2 the file is wrong."""
    code, out, _ = called("check", "--config", str(file), "--wait", "0.2", capsys=capsys)
    assert code == 1 and "is valid: 2 signals, 1 parts" in out and "SILENT" in out and "no such device" in out
    with Line(file.parent):
        code, out, _ = called("check", "--config", str(file), "--wait", "20", capsys=capsys)
        assert code == 0 and "answers" in out and "2 fields, a, b" in out
        code, out, _ = called("check", "--config", str(file), "--wait", "20", "--json", capsys=capsys)
        (source,) = json.loads(out)
        assert code == 0 and (source["kind"], source["name"], source["ok"]) == ("source", "rig", True)
        file.write_text(configuration(file.parent, part='model = "genric"'), encoding="utf-8")
        code, out, _ = called("check", "--config", str(file), "--wait", "20", capsys=capsys)
        assert code == 1 and 'model "genric" was not found' in out and "generic" in out
    file.write_text("[device]\nnam = 1\n", encoding="utf-8")
    assert called("check", "--config", str(file), capsys=capsys)[0] == 2


def test_check_beside_a_running_daemon_asks_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The port is in use then, by the one who should use it: that is no silence."""
    with Line(tmp_path) as line, Unit(tmp_path, configuration(tmp_path)) as unit:
        unit.reads()
        code, out, _ = called("check", "--config", str(unit.config), "--wait", "5", capsys=capsys)
        assert code == 0 and "the running daemon reads it" in out and "in use" not in out
        line.unplug()
        unit.event("source_lost", "rig")
        code, out, _ = called("check", "--config", str(unit.config), "--wait", "0.2", capsys=capsys)
        assert code == 1 and "SILENT" in out


def test_learning_live_beside_a_running_daemon_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two hours of listening at a port that another holds would teach nothing."""
    with Line(tmp_path), Unit(tmp_path, configuration(tmp_path)) as unit:
        words = ["learn", "--config", str(unit.config), "--out", str(tmp_path / "m.tflite"), "--for", "2h"]
        code, out, err = called(*words, capsys=capsys)
        assert (code, out) == (1, "") and "holds the hardware. Stop it first" in err
        assert not (tmp_path / "m.tflite").exists()


def test_check_names_a_field_that_does_not_come(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ "temp" where the machine says "temperature" is found before the first night."""
    file.write_text(file.read_text(encoding="utf-8").replace('"rig.b"', '"rig.beta"'), encoding="utf-8")
    with Line(file.parent):
        code, out, _ = called("check", "--config", str(file), "--wait", "0.5", capsys=capsys)
    assert code == 1 and "not among them: beta" in out and "2 fields, a, b" in out


def test_a_socket_that_nobody_answers_or_that_is_no_socket_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--socket is for those who know; they too mistype."""
    for path in (tmp_path / "none.sock", tmp_path, tmp_path / ("x" * 120)):
        code, out, err = called("status", "--socket", str(path), capsys=capsys)
        assert (code, out) == (1, "") and err.startswith("sickbay: ")
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        code, _, err = called("status", "--socket", str(tmp_path / "deaf"), capsys=capsys)
        assert code == 1 and "is it running?" in err


def test_the_command_loads_in_a_process_of_its_own() -> None:
    """What setuptools and systemd call is this."""
    said = sickbay("--version")
    assert said.returncode == 0 and said.stdout.startswith("sickbay ")

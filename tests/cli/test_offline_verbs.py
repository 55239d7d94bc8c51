"""`sickbay replay` and `sickbay learn`: a recording through the real node, and a unit's own model out of one."""

import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scene import Line, Unit, configuration
from sickbay.cli.main import main
from sickbay_sim.ailments import Ailment
from sickbay_sim.patient import COOLING_LOOP, rows

NAMES = tuple(COOLING_LOOP)
PARTS = """
[parts.pump]
signals = ["flow", "pressure", "current", "vibration"]
essential = true
[parts.fan]
signals = ["fan_rpm", "inlet_temp", "outlet_temp", "outlet_temp_b"]
isolate = "active"
[policy]
learn_rows = 200
"""


def recording(path: Path, seconds: int, ailments: tuple[Ailment, ...] = (), seed: int = 5) -> Path:
    """This writes a recording of the simulated plant, a row every 5 s of it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["time", *NAMES])
        for i, row in enumerate(rows(seed, seconds, 5.0, ailments)):
            out.writerow([i, *("" if row[n] is None else f"{row[n]:g}" for n in NAMES)])
    return path


def config_for_loop(folder: Path, more: str = PARTS) -> Path:
    out = f'[device]\nid = "loop"\n[paths]\nstate = "{folder}/state"\n'
    out += '[sources.rig]\ndriver = "serial_line"\nport = "/dev/null"\nformat = "json"\n'
    for name in NAMES:
        out += f'[signals.{name}]\nfrom = "rig.{name}"\n'
    out += '[signals.outlet_temp_c]\nfrom = "rig.not_in_the_recording"\n' if "not_in" in more else ""
    file = folder / "loop.toml"
    file.write_text(out + more, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def sick(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recording in which a thermometer sticks after 1500 s, and its configuration."""
    folder = tmp_path_factory.mktemp("sick")
    stuck = Ailment("stuck", "outlet_temp", 1500.0)
    return recording(folder / "sick.csv", 2500, (stuck,)), config_for_loop(folder)


def replayed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["replay", *words]) == 0
    return capsys.readouterr().out


def test_a_replay_tells_what_the_node_would_have_done(
    sick: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything may act, its owner wants to see what it would have done last month."""
    csv_file, config = map(str, sick)
    said = json.loads(replayed(capsys, csv_file, "--config", config, "--json"))
    assert set(said) == {"rows", "span_s", "effects", "faults", "signals", "parts"} and said["rows"] == 500
    assert [(f["target"], f["class"], f["layer"]) for f in said["faults"]] == [("outlet_temp", "stuck", "sensor")]
    assert said["signals"]["outlet_temp"]["state"] == "isolated"
    isolate = next(e for e in said["effects"] if e["effect"] == "event" and e["kind"] == "isolate")
    assert isolate["at_ms"] >= 300_000, "never before its onset"
    text = replayed(capsys, csv_file, "--config", config)
    assert "isolate outlet_temp" in text and "500 rows" in text and "about 1 faults" in text


def test_two_replays_are_alike_byte_for_byte(sick: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """A disputed decision must come out the same on the laptop of whoever disputes it."""
    words = [str(sick[0]), "--config", str(sick[1]), "--json"]
    assert replayed(capsys, *words) == replayed(capsys, *words)


def test_speed_paces_a_replay_and_changes_nothing_else(
    tmp_path: Path, sick: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Slow enough to watch, and still the same story."""
    short = recording(tmp_path / "short.csv", 250)
    words = [str(short), "--config", str(sick[1]), "--json"]
    began = time.monotonic()
    paced = replayed(capsys, *words, "--speed", "100")
    assert time.monotonic() - began >= 0.49, "49 s of recording at 100 times"
    assert paced == replayed(capsys, *words, "--speed", "max")


def test_a_recording_without_a_known_column_is_refused_with_both_lists(
    tmp_path: Path, sick: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever sees both lists sees what to rename."""
    other = tmp_path / "other.csv"
    other.write_text("time,alpha,beta\n0,1,2\n1,1,2\n", encoding="utf-8")
    assert main(["replay", str(other), "--config", str(sick[1])]) == 2
    said = capsys.readouterr()
    assert "It has alpha, beta; wanted is one of flow, " in said.err and said.out == ""


def test_columns_may_be_fewer_or_more_than_the_signals(
    tmp_path: Path, sick: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording from another logger holds what it holds; what it lacks is not a fault of a sensor."""
    few = tmp_path / "few.csv"
    few.write_text("time,flow,else\n" + "".join(f"{i},{15 + i % 3 / 10},x\n" for i in range(50)), encoding="utf-8")
    said = json.loads(replayed(capsys, str(few), "--config", str(sick[1]), "--json"))
    assert said["rows"] == 50 and said["signals"]["flow"]["value"] is not None


@pytest.mark.parametrize("content", [b"", b"time,flow\n", b"\x00\xff\xfe", b"no header here\n1\n", b"time\n1\n2\n"])
def test_a_recording_that_is_none_is_told(
    tmp_path: Path, sick: tuple[Path, Path], content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty download, a header alone, a binary file."""
    bad = tmp_path / "bad.csv"
    bad.write_bytes(content)
    code = main(["replay", str(bad), "--config", str(sick[1])])
    said = capsys.readouterr()
    assert code in (1, 2) and "bad.csv" in said.err, (code, said)
    assert main(["learn", "--from", str(bad), "--config", str(sick[1]), "--out", str(tmp_path / "m.tflite")]) in (1, 2)
    assert not (tmp_path / "m.tflite").exists()


def test_a_missing_recording_is_told(
    tmp_path: Path, sick: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The path, and what is wrong with it."""
    for words in (["replay", "none.csv"], ["learn", "--from", "none.csv", "--out", str(tmp_path / "m.tflite")]):
        assert main([*words, "--config", str(sick[1])]) == 1
        assert "none.csv: cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "m.tflite").exists()


def learnt(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["learn", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_model_learnt_from_a_recording_judges_the_next_at_once(
    tmp_path: Path, sick: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """This is what learning ahead is for: no hours of blindness after a start."""
    quiet = recording(tmp_path / "quiet.csv", 2000)
    model = tmp_path / "unit.tflite"
    said = learnt(capsys, "--config", str(sick[1]), "--from", str(quiet), "--out", str(model))
    assert said["parts"]["pump"]["rows"] == 400 and said["bytes"] == model.stat().st_size > 1000
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []
    with_model = PARTS.replace("essential = true", f'essential = true\nmodel = "{model}"')
    with_model = with_model.replace('isolate = "active"', f'isolate = "active"\nmodel = "{model}"')
    early = recording(tmp_path / "early.csv", 600, (Ailment("pump_fail", "pump", 300.0),))
    before = json.loads(replayed(capsys, str(early), "--config", str(sick[1]), "--json"))
    assert before["parts"]["pump"]["learning"] > 0, "without it, 120 rows are too few to judge"
    after = json.loads(replayed(capsys, str(early), "--config", str(config_for_loop(tmp_path, with_model)), "--json"))
    assert after["parts"]["pump"]["learning"] == 0
    assert "pump" in [f["target"] for f in after["faults"]], after["faults"]


def test_too_little_to_learn_from_writes_nothing_and_spoils_nothing(
    tmp_path: Path, sick: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A model out of ten rows would be worse than none, and the old one must survive the attempt."""
    short, model = recording(tmp_path / "short.csv", 50), tmp_path / "unit.tflite"
    for old in (None, b"the old one"):
        if old:
            model.write_bytes(old)
        assert main(["learn", "--config", str(sick[1]), "--from", str(short), "--out", str(model)]) == 1
        said = capsys.readouterr().err
        assert "too little was heard to learn from: 10 rows. Nothing was written" in said
        assert (model.read_bytes() if model.exists() else None) == old


def test_a_place_where_no_model_can_be_written_is_told(
    tmp_path: Path, sick: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """After two hours of listening, the reason must be one that can be mended."""
    quiet = recording(tmp_path / "quiet.csv", 500)
    for out in (tmp_path / "none" / "m.tflite", tmp_path):
        assert main(["learn", "--config", str(sick[1]), "--from", str(quiet), "--out", str(out)]) == 1
        said = capsys.readouterr().err
        assert "cannot be written" in said and "Traceback" not in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["quiet.csv"]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with Line(tmp_path) as running:
        yield running


def test_learnt_live_the_daemon_starts_with_it_and_judges_at_once(
    tmp_path: Path, line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way on a device: listen, write, start, judge; and the baseline is this unit's."""
    config = tmp_path / "learn.toml"
    config.write_text(configuration(tmp_path), encoding="utf-8")
    model = tmp_path / "unit.tflite"
    said = learnt(capsys, "--config", str(config), "--out", str(model), "--for", "2s")
    a = said["parts"]["box"]["signals"]["a"]
    assert said["parts"]["box"]["rows"] >= 40 and abs(a["centre"] - 10) < 0.2 and 0.02 < a["scale"] < 0.5
    text = configuration(tmp_path, part='model = "unit.tflite"').replace("learn_rows = 60", "learn_rows = 100000")
    with Unit(tmp_path, text) as unit:
        unit.learnt()
        assert unit.until_status("the model", lambda s: s["model"]["parts"] == {"box": "ok"})["model"]["runtime"]
        line.say = lambda row: json.dumps({"a": row["a"] + 8, "b": row["b"] + 8}).encode() + b"\n"
        unit.until_status("the alarm", lambda s: s["parts"]["box"]["alarm"] or s["faults"])


def test_live_learning_of_a_silent_line_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing came: the line is named, and nothing is written."""
    config = tmp_path / "learn.toml"
    config.write_text(configuration(tmp_path), encoding="utf-8")
    assert main(["learn", "--config", str(config), "--out", str(tmp_path / "m.tflite"), "--for", "0.3s"]) == 1
    said = capsys.readouterr().err
    assert "no such device" in said and "Nothing was written" in said
    assert not (tmp_path / "m.tflite").exists() and [p.name for p in tmp_path.iterdir()] == ["learn.toml"]

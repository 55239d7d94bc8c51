"""These tests run small sweeps through the real bench, and hold what they say together."""

import dataclasses
import json
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import pytest

from sickbay_sim.main import main
from sickbay_sim.scenario_file import parse
from sickbay_sim.score.card import card
from sickbay_sim.score.page import page
from sickbay_sim.score.summary import Summary, summary
from sickbay_sim.score.sweep import Outcome, Task, sweep, tasks

QUIET = """
title = "Nothing happens"
plant = "cooling-loop"
seconds = 120
warm_s = 120
profile = "clean"
"""
SILENT = """
title = "A thermometer falls silent"
plant = "cooling-loop"
seconds = 120
warm_s = 120
profile = "clean"
[[fault]]
kind = "dropout"
target = "outlet_temp"
at_s = 30
[[expect]]
target = "outlet_temp"
within_s = 60
"""
IMPOSSIBLE = SILENT.replace("within_s = 60", "within_s = 0.5")


def figures(found: Summary) -> dict[str, object]:
    """This returns the whole summary but for the one figure that no two runs share."""
    plain = found.as_json()
    del plain["card"]["messages"]["cpu_s_day"]
    return plain


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """Two scenarios with two seeds each, in this process."""
    return list(sweep(tasks([parse(QUIET, "quiet"), parse(SILENT, "silent")], [1, 2])))


def test_two_processes_say_what_one_says(outcomes: list[Outcome]) -> None:
    """Workers keep nothing; a figure that depended on their number would be worth nothing."""
    both = list(sweep([o.task for o in outcomes], jobs=2))
    assert [(o.task.scenario.name, o.task.seed) for o in both] == [
        ("quiet", 1), ("quiet", 2), ("silent", 1), ("silent", 2)
    ]  # fmt: skip
    assert [replace(o.played.run, cpu_s=0.0) for o in both] == [replace(o.played.run, cpu_s=0.0) for o in outcomes]
    assert figures(summary(both)) == figures(summary(outcomes))


def test_a_sweep_finds_what_fell_silent(outcomes: list[Outcome]) -> None:
    """The whole way, from a file to a figure."""
    own = summary(outcomes).own
    assert (own.extent.runs, own.extent.illnesses) == (4, 2)
    assert own.detection.recall.named.n == 2
    assert own.layers.counts["sensor"]["sensor"] == 2


def test_the_baselines_saw_the_same_rows(outcomes: list[Outcome]) -> None:
    """They are compared on nothing else, and leave no rows behind."""
    found = summary(outcomes)
    assert {name: of.extent.runs for name, of in found.beside.items()} == {"fixed": 4, "sigma": 4}
    assert found.beside["sigma"].detection.recall.named.n == 2
    assert not any(o.played.run.rows or o.played.run.true_rows for o in outcomes)


def test_a_story_too_long_for_rows_is_run_without_baselines(
    outcomes: list[Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A month of rows does not fit a laptop; the page says how many runs were compared."""
    from sickbay_sim.score import sweep as module

    monkeypatch.setattr(module, "ROWS_MAX", 100)
    (long,) = sweep([outcomes[0].task])
    assert long.beside == {}
    assert summary([long, *outcomes]).beside["fixed"].extent.runs == 4


def test_a_run_that_breaks_is_trouble_and_does_not_end_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand runs must not be lost with the thousand and first."""
    from sickbay_sim import bench

    def breaks(*_: object, **__: object) -> None:
        raise KeyError("flow")

    monkeypatch.setattr(bench, "run", breaks)
    (broken,) = sweep([Task(parse(QUIET, "quiet"), 7)])
    assert broken.played.run.trouble == "KeyError: 'flow'"
    found = summary([broken])
    assert not found.held
    assert found.own.extent.cut_short == 1
    assert found.standings[0].replays == ["sickbay-sim bench quiet --seed 7"]


def written(folder: Path, **texts: str) -> list[str]:
    """This writes scenario files and returns their names."""
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return [str(folder / f"{name}.toml") for name in texts]


def test_the_verb_prints_the_card_and_the_terminals_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All held: exit 0. Of a single run there is a picture, in the terminal and as a file."""
    out = tmp_path / "out.svg"
    assert main(["score", *written(tmp_path, silent=SILENT), "--seed", "1", "--picture", str(out)]) == 0
    said = capsys.readouterr().out
    assert "dropout of outlet_temp" in said
    assert "1 of 1 scenarios held" in said
    assert "false escalations a device-month" in said
    assert out.read_text(encoding="utf-8").startswith("<svg ")


def test_what_is_broken_is_printed_with_the_line_that_replays_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure that cannot be seen again cannot be mended."""
    (file,) = written(tmp_path, hasty=IMPOSSIBLE)
    assert main(["score", file, "--seeds", "2", "--jobs", "1"]) == 1
    said = capsys.readouterr()
    assert f"    sickbay-sim bench {file} --seed 2" in said.out
    assert "2 of 2 runs, 2 broken; last hasty, seed 2" in said.err


def test_json_has_the_cards_and_the_scenarios(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but JSON on stdout."""
    assert main(["score", *written(tmp_path, quiet=QUIET), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"whole", "held", "card", "baselines", "scenarios"}
    assert set(found["baselines"]) == {"fixed", "sigma"}
    assert found["scenarios"][0]["name"] == "quiet"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.toml"], "nowhere.toml"),
        (["FILE", "--seeds", "9..2"], "9..2"),
        (["FILE", "--seeds", "many"], "1..50"),
        (["FILE", "--seeds", "2", "--seed", "1"], "not allowed with"),
        (["FILE", "--seeds", "2", "--picture", "out.svg"], "--picture is of one run"),
        (["FILE", "--write", "no/such/folder/page.md"], "there is no folder no/such/folder"),
    ],
)
def test_a_wrong_call_says_what_would_be_right(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = written(tmp_path, quiet=QUIET)
    called = ["score", *(file if a == "FILE" else a for a in arguments)]
    try:
        code = main(called)
    except SystemExit as left:
        code = int(left.code or 0)
    assert code == 2
    assert says in capsys.readouterr().err


def test_a_page_that_cannot_be_written_does_not_take_the_card_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The runs are made by then; the figures are printed, and the exit code says that not all was done."""
    (file,) = written(tmp_path, quiet=QUIET)
    assert main(["score", file, "--write", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert f"{tmp_path}: Is a directory; it was not written" in said.err
    assert "1 of 1 scenarios held" in said.out


def test_ctrl_c_prints_what_there_is_so_far(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour of runs is not thrown away; half a page is not written."""
    from sickbay_sim.score import sweep as module

    real = module.outcome

    def until(task: Task) -> Outcome:
        if task.seed == 3:
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(module, "outcome", until)
    out = tmp_path / "page.md"
    arguments = ["score", *written(tmp_path, quiet=QUIET), "--seeds", "5", "--jobs", "1", "--write", str(out)]
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert "interrupted after 2 of 5 runs" in said.err
    assert said.out.startswith("2 runs of 1 scenarios")
    assert not out.exists()


def test_a_worker_that_is_killed_does_not_take_the_runs_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small machine runs out of memory; what was made by then is printed."""
    from sickbay_sim.score import sweep as module

    real = module.outcome

    def until(task: Task) -> Outcome:
        if task.seed == 2:
            raise BrokenProcessPool
        return real(task)

    monkeypatch.setattr(module, "outcome", until)
    assert main(["score", *written(tmp_path, quiet=QUIET), "--seeds", "2", "--jobs", "1"]) == 1
    said = capsys.readouterr()
    assert "try --jobs 1. 1 of 2 runs were made" in said.err
    assert said.out.startswith("1 runs of 1 scenarios")


def test_the_page_holds_every_figure_and_says_what_it_means(outcomes: list[Outcome]) -> None:
    """The command stands on it, so that anybody can make it again."""
    from sickbay_sim.score.figures import FIGURES

    found = summary(outcomes)
    text = page("sickbay-sim score here --seeds 1..2", "1..2", found.own, found.beside, found.standings, "0.0")
    assert "    sickbay-sim score here --seeds 1..2\n" in text
    for figure in FIGURES:
        assert f"| {figure.name} |" in text
        assert not figure.says or f"- *{figure.name}*: {figure.says}." in text
    assert "4 runs of 2 scenarios, 2 illnesses" in text
    for line in text.splitlines():  # a table's rows have as many cells as its head
        if line.startswith("| ---") or (line.startswith("| ") and "---" in text[text.index(line) :].split("\n", 2)[1]):
            width = line.count(" | ")
        elif line.startswith("| "):
            assert line.count(" | ") == width, line


def test_a_card_is_made_of_plain_values(outcomes: list[Outcome]) -> None:
    """It goes through JSON and between processes."""
    found = card([o.played for o in outcomes])
    assert json.loads(json.dumps(found.as_json())) is not None
    assert dataclasses.is_dataclass(found)

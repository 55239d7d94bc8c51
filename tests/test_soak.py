"""The soak runs in short: each can run, finds nothing wrong with the product, and can find something wrong at all."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from soak import disk_full, power_cuts, run, virtual_days
from soak.figures import Figure, upper

HERE = Path(__file__).parent


def quiet(text):
    """This hears the progress and says nothing."""


def test_power_cuts_lose_nothing_acknowledged():
    """A PUBACK is not delivery, and a return from commit() is only a promise if the disk has it."""
    figure = power_cuts.run(300, 7, tell=quiet)
    assert (figure.trials, figure.failures) == (300, 0), figure.replay


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_power_cuts_are_found_out_where_the_journal_does_not_sync(synchronous):
    """A harness that cannot fail proves nothing."""
    figure = power_cuts.run(50, 7, synchronous, tell=quiet)
    assert figure.failures > 10
    assert "--life 0" in figure.replay and "lost" in figure.replay


def test_a_failure_is_played_again_by_the_line_that_tells_it(capsys):
    figure = power_cuts.run(50, 7, "NORMAL", tell=quiet)
    words = figure.replay.split("  #")[0].split()[3:]
    assert power_cuts.main(words) == 1
    assert figure.replay.split("  #")[1] in capsys.readouterr().out


def test_a_disk_that_is_full_at_any_step_loses_nothing():
    figure = disk_full.run(1, 3, calls=4, tell=quiet)
    assert figure.trials > 50 and figure.good, figure.replay


def test_kills_lose_nothing_acknowledged():
    """In a process of its own: it forks, and this one has threads."""
    done = subprocess.run(
        [sys.executable, "-m", "soak.kills", "--count", "25", "--seed", "5"],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 in 25" in done.stdout


def test_two_virtual_days_stay_within_their_bounds():
    found = {figure.what: figure for figure in virtual_days.run(2, 20_000, 3, tell=quiet)}
    for what in ("a quiet day, bytes written", "a quiet day, synced bursts", "2 days: messages lost or sent twice"):
        assert found[what].good, found[what]


def test_every_module_that_can_be_soaked_stands_in_the_table(tmp_path):
    """What was never measured says so, and what was measured once is not lost by a run of something else."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{run.BEGIN}\n{run.END}\nafter\n")
    run.write(page, {"kills": [Figure("kills", "python -m soak.kills", "0", 1000)]})
    run.write(page, {"power_cuts": [Figure("cuts", "python -m soak.power_cuts", "0", 10_000, 2)]})
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n")
    assert "| kills | kills | 0 in 1,000 | < 0.003 (3/n) | 0 |" in text
    assert "| power_cuts | cuts | **2 in 10,000** | < 0.00063 |" in text
    assert text.count("not measured") == len(run.modules()) - 2


def test_bounds_are_those_of_the_books():
    """Three events at most, where none was seen: with 95 %. One seen: 4.74; ten: 16.96 (exact, Poisson)."""
    assert upper(0, 1000) == 0.003
    assert upper(1, 1000) == pytest.approx(0.00474, rel=1e-3)
    assert upper(10, 1000) == pytest.approx(0.01696, rel=1e-3)


def test_figures_are_json():
    figure = Figure("what", "command", trials=3)
    assert msgspec.json.decode(msgspec.json.encode(figure), type=Figure) == figure

"""These hold the detectors that sickbay is compared with to the same lines, on a step that nobody could overlook."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench"
WARM, ROWS, STEP_AT, STEPPED = 300, 420, 360, 1


def spoken(detector: str) -> list[dict[str, Any]]:
    """This returns the answers to a quiet stream of three signals, of which one steps by twenty deviations and stays."""
    rows = np.random.default_rng(3).normal(50.0, 1.0, (ROWS, 3))
    rows[STEP_AT:, STEPPED] += 20.0
    lines = [json.dumps({"signals": ["a", "b", "c"], "warm": WARM, "period_s": 1.0})]
    for at, row in enumerate(rows.tolist()):
        if at % 50 == 7:
            row[2] = None  # a reading that is missing, in the warm-up and after it
        lines.append(json.dumps({"t": float(at), "x": row}))
    command = [sys.executable, str(BENCH / "other_detectors.py"), detector]
    said = subprocess.run(
        command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=True, timeout=60
    )
    return [json.loads(line) for line in said.stdout.splitlines()]


@pytest.mark.parametrize("detector", ["fixed", "robust-z", "kmeans"])
def test_each_own_detector_answers_every_sample_and_blames_the_signal_that_stepped(detector: str) -> None:
    """A comparison is worth something only if the others were given a fair chance: they must find what is plain."""
    answers = spoken(detector)
    assert len(answers) == ROWS
    assert all(np.isfinite(answer["score"]) and isinstance(answer["alarm"], bool) for answer in answers)
    assert not any(answer["alarm"] for answer in answers[:WARM])
    alarms = [answer for answer in answers[STEP_AT : STEP_AT + 20] if answer["alarm"]]
    assert alarms
    assert all(np.argmax(answer["blame"]) == STEPPED for answer in alarms)


def test_a_page_without_the_markers_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is written where it belongs or nowhere: half a page lost is found out much later."""
    monkeypatch.syspath_prepend(str(BENCH))
    import compare_detectors

    with pytest.raises(SystemExit, match="nothing was written"):
        compare_detectors.between("# A page\n", "| table |")
    page = f"head\n{compare_detectors.BEGIN}\nold\n{compare_detectors.END}\ntail\n"
    made = compare_detectors.between(page, "| table |")
    assert made == f"head\n{compare_detectors.BEGIN}\n| table |\n{compare_detectors.END}\ntail\n"

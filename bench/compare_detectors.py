"""This compares `sickbay score` with other detectors of anomalies, on the same streams in the same run.

    pip install '.[compare]'
    python bench/compare_detectors.py JUDGE --data DATA --seed 1 --sickbay 'sickbay score' --write docs/detection.md

JUDGE is a program that plays recordings to a command line by line, takes --cmd, --set, --seed, --json and --data, and says how
good the answers were; neither it nor the recordings belong to the project. It runs once a detector and set.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import other_detectors
from other_detectors import DETECTORS

BEGIN, END = "<!-- compared: begin -->", "<!-- compared: end -->"

# What is shown: set, key, words, format.
FIGURES = [
    ("skab", "F1", "SKAB: F1", "{:.3f}"),
    ("skab", "FAR", "false-alarm share", "{:.1f} %"),
    ("skab", "F1_with_twins", "F1, fault-free twins mixed in", "{:.3f}"),
    ("skab", "faults_found", "faults found", "{:.2f}"),
    ("skab", "false_episodes_per_h", "false episodes an hour", "{:.1f}"),
    ("inject", "detect", "one injected sensor fault: found", "{:.2f}"),
    ("inject", "blame_right", "right signal blamed", "{:.2f}"),
    ("inject", "clean_alarm_share", "share of clean rows in alarm", "{:.1f} %"),
    ("water", "event_F1", "river sondes: event F1", "{:.3f}"),
    ("water", "false_per_sensor_month", "false alarms a sensor-month", "{:.2f}"),
    ("nab", "std", "NAB: standard, limit searched on the files", "{:.1f}"),
    ("cost", "us_per_sample", "a sample of 8 signals, pipe off", "{:.0f} us"),
    ("cost", "rss_mb", "resident", "{:.0f} MB"),
]

COSTS = (
    "cost.us_per_sample",
    "cost.rss_mb",
)  # measured with every set: the median counts, on a machine that has other work


def judged(judge: list[str], command: str, name: str, kept: Path, limit_s: float) -> dict[str, float | None]:
    """This returns the judge's figures of one command on one set; none where it took too long. What is kept is not run again."""
    if kept.exists():
        found: dict[str, float | None] = json.loads(kept.read_text(encoding="utf-8"))["figures"]
        return found
    whole = [sys.executable, *judge, "--cmd", command, "--set", name, "--json", str(kept)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(whole, stdout=subprocess.DEVNULL, env=environment, start_new_session=True)
    try:
        status = run.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGTERM)
        run.wait()
        return {}
    if status:
        raise SystemExit(f"compare_detectors: the judge gave up on set {name!r} of {command!r} with status {status}")
    return judged(judge, command, name, kept, limit_s)


def table(figures: dict[str, dict[str, float | None]]) -> str:
    """This returns the Markdown table: a row a figure, a column a detector."""
    heads = ["figure", *figures]
    out = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * len(figures)}"]
    for place, key, words, form in FIGURES:
        values = [found.get(f"{place}.{key}") for found in figures.values()]
        cells = ["not measured" if value is None else form.format(value) for value in values]
        if key == "blame_right":
            cells = [cell if value else "none" for cell, value in zip(cells, values, strict=True)]
        out.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(out)


def between(text: str, made: str) -> str:
    """This returns a page with what stands between the markers made anew."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"compare_detectors: nothing was written: the page holds no {BEGIN} with {END} after it")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("judge", type=Path, help="the judge's program")
    parser.add_argument("--data", type=Path, help="its recordings (default: where the judge looks)")
    parser.add_argument("--set", default="skab,inject,water,nab", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=f"sickbay,{','.join(DETECTORS)}", help="default: %(default)s")
    parser.add_argument("--sickbay", default="sickbay score", metavar="COMMAND")
    parser.add_argument("--limit-s", type=float, default=360.0, help="for a detector and set; beyond it: not measured")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="figures are kept there, and not measured again")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table between the markers of this page")
    options = parser.parse_args()
    judge = [str(options.judge), "--seed", str(options.seed)] + (["--data", str(options.data)] if options.data else [])
    figures: dict[str, dict[str, float | None]] = {}
    with tempfile.TemporaryDirectory() as passing:
        keep = options.keep or Path(passing)
        keep.mkdir(parents=True, exist_ok=True)
        for name in options.only.split(","):
            own = f"{sys.executable} {other_detectors.__file__} {name}"
            shown, command = (name, options.sickbay) if name == "sickbay" else (DETECTORS[name][0], own)
            found = figures[shown] = {}
            costs: list[dict[str, float | None]] = []
            for place in options.set.split(","):
                print(f"{shown} on {place} ...", file=sys.stderr, flush=True)
                kept = keep / f"{name}-{place}-{options.seed}.json"
                told = judged(judge, command, place, kept, options.limit_s)
                found.update(told)
                costs.append(told)
            for key in COSTS:
                many = [cost for told in costs if (cost := told.get(key)) is not None]
                found[key] = statistics.median_low(many) if many else None
    made = table(figures)
    print(made)
    if options.write is not None:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(between(page, made), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

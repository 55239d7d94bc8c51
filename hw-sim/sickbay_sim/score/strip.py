"""This draws one run as plain text, 100 columns wide: the same lines as the picture, a character for each bit of time."""

from collections.abc import Sequence

from sickbay_sim.score.machine import Played
from sickbay_sim.score.tracks import Curve, Track, curves, extent, sections

WIDTH, LEFT = 100, 25
GRAPH = WIDTH - LEFT - 2
LOOKS = {
    "true-sensor": "#",
    "true-part": "#",
    "true-line": "#",
    "true-surroundings": "#",
    "story-right": "-",
    "story-unknown": "-",
    "story-wrong": "-",
    "story-false": "-",
    "active": "=",
    "passive": ".",
    "closed": "_",
    "open": "^",
}
MARKS = {"verdict": "|", "updated": "u", "closed": "c"}
OPENED = {"right": "O", "unknown": "?", "wrong": "W", "false": "F"}
KEY = (
    "O told rightly, ? don't know, W wrong name, F out of nothing, u updated, c closed;"
    " = isolated, . would be; _ contacts closed, ^ open"
)
STEPS = "▁▂▃▄▅▆▇█"


def drawn(played: Played) -> str:
    """This returns the lines of the picture; signals need the run's rows."""
    first_s, last_s = extent(played)
    run = played.run
    out = [f"{run.scenario.name}, seed {run.seed}: {run.scenario.title}"[:WIDTH]]
    for section in sections(played):
        out.append(section.title)
        out += [_line(track, first_s, last_s) for track in section.tracks]
    shown = curves(played)
    if shown:
        out += ["signals", *(_curve(curve, first_s, last_s) for curve in shown)]
    out.append(_axis(first_s, last_s))
    middle = KEY.index("; = ") + 1
    return "\n".join([*out, KEY[:middle], KEY[middle:].strip()]) + "\n"


def _column(at_s: float, first_s: float, last_s: float) -> int:
    share = (at_s - first_s) / (last_s - first_s)
    return min(GRAPH - 1, max(0, int(share * GRAPH)))


def _line(track: Track, first_s: float, last_s: float) -> str:
    cells = [" "] * GRAPH
    for span in track.spans:
        begin, end = _column(span.from_s, first_s, last_s), _column(span.to_s, first_s, last_s)
        for k in range(begin, max(begin, end - (span.to_s < last_s)) + 1):
            cells[k] = LOOKS[span.look]
    for mark in track.marks:
        kind, _, meaning = mark.look.partition("-")
        cells[_column(mark.at_s, first_s, last_s)] = OPENED[meaning] if kind == "opened" else MARKS[kind]
    return f"  {_cut(track.label):<{LEFT - 2}} {''.join(cells)}".rstrip()


def _curve(curve: Curve, first_s: float, last_s: float) -> str:
    bits: list[list[float]] = [[] for _ in range(GRAPH)]
    for at_s, value in curve.said:
        if at_s >= first_s and value is not None:
            bits[_column(at_s, first_s, last_s)].append(value)
    means = [sum(bit) / len(bit) if bit else None for bit in bits]
    return f"  {_cut(curve.label):<{LEFT - 2}} {_steps(means)}".rstrip()


def _steps(means: Sequence[float | None]) -> str:
    known = [m for m in means if m is not None]
    if not known:
        return ""
    low, room = min(known), (max(known) - min(known)) or 1.0
    return "".join(" " if m is None else STEPS[min(7, int(8 * (m - low) / room))] for m in means)


def _axis(first_s: float, last_s: float) -> str:
    zero = _column(0.0, first_s, last_s)
    cells = [" "] * GRAPH
    end = f"{last_s:g} s"
    cells[zero : zero + 1] = "0"
    cells[GRAPH - len(end) :] = end
    return " " * (LEFT + 1) + "".join(cells)


def _cut(text: str) -> str:
    return text if len(text) <= LEFT - 2 else text[: LEFT - 3] + "…"

"""This draws one run as an SVG: truth, verdicts, words, quarantine, relays and the signals that tell most, on one time axis.

Colours are those of Okabe and Ito, which the colour-blind tell apart. Text stands in the margins only, so that none overlaps.
"""

from collections.abc import Iterator, Sequence
from html import escape

from sickbay_sim.score.machine import Played
from sickbay_sim.score.tracks import Curve, Mark, Section, Span, Track, curves, extent, sections

WIDTH, LEFT, RIGHT = 1200, 236, 64
TOP, ROW, GAP, CURVE = 62, 20, 12, 96
LABEL_MAX = 33  # characters that fit the left margin
POINTS_MAX = 600  # pairs of least and most a curve is thinned to
GRAPH = WIDTH - LEFT - RIGHT

BLUE, GREEN, RED, AMBER, PURPLE, SKY, INK, GREY = (
    "#0072B2", "#009E73", "#D55E00", "#E69F00", "#B0558F", "#56B4E9", "#24292f", "#6e7781",
)  # fmt: skip
BY_MEANING = {"right": GREEN, "unknown": AMBER, "wrong": RED, "false": PURPLE}
LOOKS = {
    "true-sensor": BLUE,
    "true-part": INK,
    "true-line": SKY,
    "true-surroundings": GREY,
    "verdict": GREY,
    "active": RED,
    "passive": "url(#passive)",
    "closed": "#b7c0c9",
    "open": INK,
    **{f"story-{meaning}": colour for meaning, colour in BY_MEANING.items()},
    **{f"{kind}-{m}": c for kind in ("opened", "updated", "closed") for m, c in BY_MEANING.items()},
}
STYLE = f"""
text {{ font: 12px "DejaVu Sans", Verdana, sans-serif; fill: {INK}; }}
.title {{ font-size: 16px; font-weight: bold; }} .small {{ font-size: 11px; fill: {GREY}; }}
.head {{ font-size: 11px; font-weight: bold; fill: {GREY}; }} .right {{ text-anchor: end; }} .middle {{ text-anchor: middle; }}
.said {{ fill: none; stroke: {BLUE}; stroke-width: 1.3; }} .truth {{ fill: none; stroke: #9aa4ae; stroke-width: 1.3; }}
"""
LEGEND = (
    (("band", BLUE), "sensor ill"), (("band", INK), "part ill"), (("band", SKY), "line ill"), (("band", GREY), "surroundings"),
    (("band", RED), "isolated"), (("band", "url(#passive)"), "would be isolated"), (("band", INK), "contacts open"),
    (("opened", GREEN), "told rightly"), (("opened", AMBER), "\u201cdon\u2019t know\u201d"), (("opened", RED), "wrong name"),
    (("opened", PURPLE), "out of nothing"), (("updated", GREEN), "updated"), (("closed", GREEN), "closed"),
    (("line", BLUE), "reading"), (("line", "#9aa4ae"), "truth"),
)  # fmt: skip


def drawn(played: Played) -> str:
    """This returns the picture of one run; curves need its rows."""
    axis = _Axis(*extent(played))
    body: list[str] = []
    y = TOP
    for section in sections(played):
        body += _section(section, axis, y)
        y += _height(section)
    shown = curves(played)
    for curve in shown:
        body += _curve(curve, axis, y)
        y += CURVE + GAP
    legend = list(_legend(y + 44))
    height = y + 44 + 20 * (1 + max(row for row, _ in legend)) + 6
    run = played.run
    title = f"{run.scenario.title or run.scenario.name}"
    below = f"{run.scenario.name} \u00b7 {played.machine.plant} \u00b7 seed {run.seed} \u00b7 {run.how}"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<defs><pattern id="passive" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="6" height="6" fill="#fbe3d3"/><rect width="2" height="6" fill="{RED}"/></pattern></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="26" class="title">{escape(_cut(title, 110))}</text>',
        f'<text x="16" y="45" class="small">{escape(below)}</text>',
        *axis.grid(TOP - 6, y),
        *body,
        *(line for _, line in legend),
    ]
    return "\n".join([*out, "</svg>"]) + "\n"


class _Axis:
    """Time to pixels, and a grid at round times."""

    def __init__(self, first_s: float, last_s: float) -> None:
        self.first_s, self.last_s = first_s, last_s

    def x(self, at_s: float) -> float:
        inside = min(max(at_s, self.first_s), self.last_s)
        return round(LEFT + GRAPH * (inside - self.first_s) / (self.last_s - self.first_s), 2)

    def grid(self, top: int, bottom: int) -> Iterator[str]:
        step, unit, name = _step(self.last_s - self.first_s)
        k = -int(-self.first_s // step) if self.first_s < 0 else 0
        while k * step <= self.last_s:
            x, dark = self.x(k * step), "#c3cad1" if k == 0 else "#e8ebee"
            yield f'<line x1="{x}" x2="{x}" y1="{top}" y2="{bottom}" stroke="{dark}"/>'
            yield f'<text x="{x}" y="{bottom + 15}" class="small middle">{k * step / unit:g}</text>'
            k += 1
        yield f'<text x="{LEFT - 10}" y="{bottom + 15}" class="small right">{name} since the warm-up</text>'


def _step(length_s: float) -> tuple[float, float, str]:
    """This returns a round step of time of which about ten fit, the unit it is told in, and that unit's name."""
    for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400):
        if length_s / step <= 12:
            break
    else:
        step = 86400 * (1 + int(length_s / 86400 / 12))
    if length_s <= 900:
        return step, 1, "seconds"
    if length_s <= 4 * 3600:
        return step, 60, "minutes"
    return (step, 3600, "hours") if length_s <= 4 * 86400 else (step, 86400, "days")


def _height(section: Section) -> int:
    return ROW * (len(section.tracks) + 1) + GAP


def _section(section: Section, axis: _Axis, y: int) -> list[str]:
    out = [
        f'<text x="16" y="{y + 12}" class="head">{escape(section.title.upper())}</text>',
        f'<line x1="16" x2="{WIDTH - 16}" y1="{y + 17}" y2="{y + 17}" stroke="#d0d7de"/>',
    ]
    for k, track in enumerate(section.tracks, 1):
        out += _track(track, axis, y + ROW * k)
    return out


def _track(track: Track, axis: _Axis, y: int) -> Iterator[str]:
    yield f'<text x="{LEFT - 10}" y="{y + 14}" class="right">{escape(_cut(track.label, LABEL_MAX))}</text>'
    for span in track.spans:
        yield _span(span, axis, y)
    for mark in track.marks:
        yield _mark(mark, axis.x(mark.at_s), y + 10)


def _span(span: Span, axis: _Axis, y: int) -> str:
    begin, end, colour = axis.x(span.from_s), axis.x(span.to_s), LOOKS[span.look]
    wide = max(1.5, round(end - begin, 2))
    if span.look.startswith("story"):
        return f'<line x1="{begin}" x2="{end}" y1="{y + 10}" y2="{y + 10}" stroke="{colour}" stroke-width="2"/>'
    if span.look in ("closed", "open"):
        tall = 6 if span.look == "closed" else 14
        top = f"{y + 10 - tall / 2:g}"
        return f'<rect x="{begin}" y="{top}" width="{wide}" height="{tall}" fill="{colour}" data-look="{span.look}"/>'
    band = f'<rect x="{begin}" y="{y + 3}" width="{wide}" height="14" fill="{colour}"'
    if not span.heights:
        return f'{band} data-look="{span.look}"/>'
    edge = " ".join(f"{axis.x(at_s)},{round(y + 17 - 14 * high, 2)}" for at_s, high in span.heights)
    shape = f'<polygon points="{begin},{y + 17} {edge} {end},{y + 17}" fill="{colour}"/>'
    return f'{band} fill-opacity="0.18" data-look="{span.look}"/>{shape}'


def _mark(mark: Mark, x: float, y: int) -> str:
    colour, kind = LOOKS[mark.look], mark.look.partition("-")[0]
    if kind == "verdict":
        return f'<line x1="{x}" x2="{x}" y1="{y - 6}" y2="{y + 6}" stroke="{colour}" stroke-width="1.2"/>'
    if kind == "opened":
        return f'<path d="M{x},{y - 7} l6,12 h-12 z" fill="{colour}" stroke="#ffffff" stroke-width="0.8"/>'
    if kind == "closed":
        return f'<rect x="{x - 4:g}" y="{y - 4}" width="8" height="8" fill="{colour}" stroke="#ffffff" stroke-width="0.8"/>'
    return f'<circle cx="{x}" cy="{y}" r="3" fill="#ffffff" stroke="{colour}" stroke-width="1.5"/>'


def _curve(curve: Curve, axis: _Axis, y: int) -> Iterator[str]:
    values = [v for _, v in (*curve.said, *curve.true) if v is not None]
    if not values:
        values = [0.0]
    low, high = min(values), max(values)
    room = (high - low) or max(abs(high), 1.0) * 0.1

    def level(value: float) -> float:
        return round(y + CURVE - 8 - (CURVE - 16) * (value - low) / room, 2)

    yield f'<rect x="{LEFT}" y="{y}" width="{GRAPH}" height="{CURVE}" fill="none" stroke="#d0d7de"/>'
    for span in curve.isolated:
        begin, end = axis.x(span.from_s), axis.x(span.to_s)
        shade = 0.16 if span.look == "active" else 0.07
        wide = max(1.0, round(end - begin, 2))
        yield f'<rect x="{begin}" y="{y}" width="{wide}" height="{CURVE}" fill="{RED}" fill-opacity="{shade}"/>'
    for name, column in (("truth", curve.true), ("said", curve.said)):
        for points in _thinned(column, axis.first_s, axis.last_s):
            corners = " ".join(f"{axis.x(at_s)},{level(v)}" for at_s, v in points)
            yield f'<polyline points="{corners}" class="{name}"/>'
    yield f'<text x="{LEFT - 10}" y="{y + CURVE / 2 + 4:g}" class="right">{escape(_cut(curve.label, LABEL_MAX))}</text>'
    yield f'<text x="{LEFT + GRAPH + 6}" y="{y + 12}" class="small">{high:.5g}</text>'
    yield f'<text x="{LEFT + GRAPH + 6}" y="{y + CURVE - 4}" class="small">{low:.5g}</text>'


def _thinned(
    column: Sequence[tuple[float, float | None]], first_s: float, last_s: float
) -> Iterator[list[tuple[float, float]]]:
    """This yields unbroken stretches, thinned to the least and the most of each bit of time, in their order."""
    bit_s = (last_s - first_s) / POINTS_MAX
    stretch: list[tuple[float, float]] = []
    held: list[tuple[float, float]] = []
    for at_s, value in column:
        if at_s < first_s:
            continue
        if value is None or (held and at_s - held[0][0] >= bit_s):
            stretch += _extremes(held)
            held = []
        if value is None:
            if stretch:
                yield stretch
            stretch = []
        else:
            held.append((at_s, value))
    stretch += _extremes(held)
    if stretch:
        yield stretch


def _extremes(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(points) <= 2:
        return points
    return sorted({min(points, key=lambda p: p[1]), max(points, key=lambda p: p[1])})


def _legend(y: int) -> Iterator[tuple[int, str]]:
    """This yields (line of the legend, drawing): as many on a line as fit."""
    x, row = 16.0, 0
    for (kind, colour), says in LEGEND:
        wide = 34 + 7.2 * len(says)
        if x + wide > WIDTH - 16:
            x, row = 16.0, row + 1
        middle = y + 20 * row
        if kind == "band":
            yield row, f'<rect x="{x:g}" y="{middle - 7}" width="16" height="12" fill="{colour}"/>'
        elif kind == "line":
            yield (
                row,
                f'<line x1="{x:g}" x2="{x + 16:g}" y1="{middle - 1}" y2="{middle - 1}" stroke="{colour}" stroke-width="2"/>',
            )
        else:
            yield row, _mark(Mark(0.0, f"{kind}-{_meaning_of(colour)}"), round(x + 8, 2), middle - 1)
        yield row, f'<text x="{x + 22:g}" y="{middle + 3}" class="small">{escape(says)}</text>'
        x += wide


def _meaning_of(colour: str) -> str:
    return next(meaning for meaning, its in BY_MEANING.items() if its == colour)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "\u2026"

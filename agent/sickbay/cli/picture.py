"""This draws a signal against the band that is normal for this unit: a few lines of text, or an SVG."""

import textwrap
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

COLUMNS, LINES = 64, 9
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 210, 78, 34, 16, 30  # of one signal's picture, in SVG's own units

Point = tuple[float, float | None]


def text(window: dict[str, Any]) -> list[str]:
    """This returns a window as lines of text: `·` is the normal band, `●` a reading in it, `▲` and `▼` one beyond it."""
    points = _points(window)
    if not any(v is not None for _, v in points):
        return [f"{window['signal']}: nothing was read"]
    low, high = _range(window, points)
    grid = [[" "] * COLUMNS for _ in range(LINES)]
    band = window["low"], window["high"]
    if band[0] is not None:
        for line in range(_line(band[1], low, high), _line(band[0], low, high) + 1):
            grid[line] = ["·"] * COLUMNS
    first, last = points[0][0], points[-1][0]
    if window["opened_s"] is not None and first <= window["opened_s"] <= last:
        column = _column(window["opened_s"], first, last)
        for row in grid:
            row[column] = "┊"
    for at, value in points:
        if value is not None:
            grid[_line(value, low, high)][_column(at, first, last)] = _mark(value, band)
    labels = [""] * LINES
    labels[0], labels[-1] = f"{high:.4g}", f"{low:.4g}"
    if window["centre"] is not None:
        labels[_line(window["centre"], low, high)] = f"{window['centre']:.4g}"
    unit = f", {window['unit']}" if window["unit"] else ""
    out = [f"{window['signal']}{unit}: · is its normal band" + (", ┊ when it was opened" if "┊" in grid[0] else "")]
    out += [f"{label:>9} │{''.join(row)}" for label, row in zip(labels, grid, strict=True)]
    out.append(f"{'':>9} └{_ago(first):<{COLUMNS - 4}} now")
    return out


def svg(windows: Sequence[dict[str, Any]], title: str) -> str:
    """This returns all windows in one SVG, without a script or a foreign font."""
    lines = textwrap.wrap(title, 104)[:3]
    head = 22 + 18 * len(lines)
    height = head + HEIGHT * len(windows)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *(
            f'<text x="12" y="{24 + 18 * n}" font-size="13" fill="#1c2833">{escape(line)}</text>'
            for n, line in enumerate(lines)
        ),
    ]
    for number, window in enumerate(windows):
        out += [f'<g transform="translate(0 {head + number * HEIGHT})">', *_plot(window), "</g>"]
    return "\n".join([*out, "</svg>"]) + "\n"


def _plot(window: dict[str, Any]) -> list[str]:
    points = _points(window)
    unit = f" ({escape(window['unit'])})" if window["unit"] else ""
    head = f'<text x="{LEFT}" y="20" fill="#1c2833">{escape(window["signal"])}{unit}</text>'
    if not any(v is not None for _, v in points):
        return [head, f'<text x="{LEFT}" y="60" fill="#7b8a97">nothing was read</text>']
    low, high = _range(window, points)
    first, last = points[0][0], points[-1][0]
    right, foot = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(at: float) -> float:
        return LEFT + (right - LEFT) * (at - first) / max(last - first, 1e-9)

    def y(value: float) -> float:
        return foot - (foot - TOP) * (value - low) / (high - low)

    out = [head]
    if window["low"] is not None:
        top, deep = y(window["high"]), y(window["low"])
        out.append(
            f'<rect x="{LEFT}" y="{top:.1f}" width="{right - LEFT}" height="{max(deep - top, 1):.1f}" fill="#d5ead9"/>'
        )
        out.append(_words(LEFT - 6, y(window["centre"]) + 4, f"{window['centre']:.4g}", "end", "#3d7a4c"))
    if window["opened_s"] is not None and first <= window["opened_s"] <= last:
        at = x(window["opened_s"])
        out.append(f'<path d="M{at:.1f} {TOP}V{foot}" stroke="#b03a2e" stroke-dasharray="4 3"/>')
        out.append(_words(at + 4, TOP + 10, "opened", "start", "#b03a2e"))
    for key in ("limit_low", "limit_high"):
        if window[key] is not None and low <= window[key] <= high:
            out.append(f'<path d="M{LEFT} {y(window[key]):.1f}H{right}" stroke="#b9770e" stroke-dasharray="8 4"/>')
            out.append(_words(right, y(window[key]) - 4, "limit", "end", "#b9770e"))
    out.append(f'<path d="M{LEFT} {TOP}V{foot}H{right}" fill="none" stroke="#7b8a97"/>')
    for value, at in ((high, TOP + 8.0), (low, float(foot))):
        if window["centre"] is None or abs(y(window["centre"]) - at) > 16:
            out.append(_words(LEFT - 6, at, f"{value:.4g}", "end", "#7b8a97"))
    out += [f'<path d="{d}" fill="none" stroke="#1f618d" stroke-width="1.5"/>' for d in _strokes(points, x, y)]
    out += [
        f'<circle cx="{x(at):.1f}" cy="{y(v):.1f}" r="2.4" fill="#b03a2e"/>'
        for at, v in points
        if v is not None and _mark(v, (window["low"], window["high"])) != "●"
    ]
    out.append(_words(LEFT, foot + 16, _ago(first), "start", "#7b8a97"))
    out.append(_words(right, foot + 16, "now", "end", "#7b8a97"))
    return out


def _strokes(points: list[Point], x: Any, y: Any) -> list[str]:
    """This returns one path for each stretch without a gap: a missing reading is no line."""
    out, stroke = [], ""
    for at, value in points:
        if value is None:
            if stroke:
                out.append(stroke)
            stroke = ""
        else:
            stroke += f"{'L' if stroke else 'M'}{x(at):.1f} {y(value):.1f}"
    return [*out, stroke] if stroke else out


def _words(x: float, y: float, words: str, anchor: str, colour: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _points(window: dict[str, Any]) -> list[Point]:
    return [(float(at), None if v is None or abs(v) > 1e15 else float(v)) for at, v in window["points"]]


def _range(window: dict[str, Any], points: list[Point]) -> tuple[float, float]:
    """This returns the least and greatest that are drawn: all readings, and the band with some air."""
    values = [v for _, v in points if v is not None]
    values += [window[key] for key in ("low", "high") if window[key] is not None]
    low, high = min(values), max(values)
    air = 0.08 * (high - low) or max(abs(high) * 0.01, 1e-6)
    return low - air, high + air


def _mark(value: float, band: tuple[float | None, float | None]) -> str:
    if band[0] is None or band[1] is None or band[0] <= value <= band[1]:
        return "●"
    return "▲" if value > band[1] else "▼"


def _line(value: float, low: float, high: float) -> int:
    return min(LINES - 1, max(0, round((high - value) / (high - low) * (LINES - 1))))


def _column(at: float, first: float, last: float) -> int:
    return round((at - first) / max(last - first, 1e-9) * (COLUMNS - 1))


def _ago(at_s: float) -> str:
    return f"{-at_s:.0f} s ago" if at_s > -180 else f"{-at_s / 60:.0f} min ago"

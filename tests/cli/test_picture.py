"""These tests hold the picture of `why`: the band where it belongs, every odd reading marked, and no invalid drawing."""

from typing import Any
from xml.etree import ElementTree

import pytest

from sickbay.cli import picture


def window(points: list[tuple[float, float | None]], **more: Any) -> dict[str, Any]:
    found = {
        "signal": "flow",
        "unit": "L/min",
        "centre": 16.0,
        "low": 15.0,
        "high": 17.0,
        "limit_low": None,
        "limit_high": None,
        "opened_s": None,
        "points": [list(p) for p in points],
    }
    return found | more


STEP = window([(t - 60.0, 16.0 if t < 40 else 9.0) for t in range(60)], opened_s=-15.0)


def test_the_text_shows_the_band_the_step_and_the_opening() -> None:
    lines = picture.text(STEP)
    assert "flow, L/min" in lines[0] and "┊" in lines[0]
    body = "\n".join(lines[1:])
    assert body.count("▼") >= 15 and "▲" not in body
    assert any("·" in line and "16" in line for line in lines)
    assert lines[-1].strip().endswith("now") and "60 s ago" in lines[-1]
    assert max(map(len, lines)) <= 80


def test_readings_in_the_band_are_not_accused() -> None:
    body = "\n".join(picture.text(window([(float(-t), 16.0 + 0.1 * (t % 5)) for t in range(30, 0, -1)])))
    assert "▲" not in body and "▼" not in body and "●" in body


@pytest.mark.parametrize(
    "points",
    [
        [(-1.0, 16.0)],
        [(-2.0, None), (-1.0, None)],
        [(-3.0, 16.0), (-2.0, None), (-1.0, 16.0)],
        [(-2.0, 1e300), (-1.0, 16.0)],
        [(-2.0, 16.0), (-1.0, 16.0)],
    ],
)
@pytest.mark.parametrize("learning", [False, True])
def test_odd_windows_are_drawn_all_the_same(points: list[tuple[float, float | None]], learning: bool) -> None:
    """A picture is wanted most when readings are odd."""
    drawn = window(points, **({"centre": None, "low": None, "high": None} if learning else {}))
    assert picture.text(drawn)
    ElementTree.fromstring(picture.svg([drawn], "what happened"))


def test_the_svg_marks_each_reading_beyond_the_band_and_escapes_what_it_is_told() -> None:
    root = ElementTree.fromstring(picture.svg([STEP], "flow < 9 & falling"))
    circles = [e for e in root.iter() if e.tag.endswith("circle")]
    assert len(circles) == 20
    assert any("flow < 9 & falling" in (e.text or "") for e in root.iter())


def test_a_gap_is_no_line() -> None:
    """A line drawn through a silence would show readings that nobody made."""
    drawn = picture.svg([window([(-4.0, 16.0), (-3.0, 16.1), (-2.0, None), (-1.0, 15.9), (0.0, 16.0)])], "gap")
    assert drawn.count('stroke="#1f618d"') == 2

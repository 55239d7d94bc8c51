"""These tests read the picture of a run back: it is XML, its bands lie where the truth says, and no text lies on another."""

import math
import xml.etree.ElementTree as ElementTree

import pytest

from score_runs import ill, masked, opened, played, story
from sickbay_sim.record import Change
from sickbay_sim.scenario import Fault
from sickbay_sim.score import picture, strip
from sickbay_sim.score.machine import Played
from sickbay_sim.score.tracks import LINES_MAX, VERDICTS_MAX, curves, extent, sections

SVG = "{http://www.w3.org/2000/svg}"


def eventful() -> Played:
    """This returns an hour with a drift, a dead fan, a word out of nothing, and rows."""
    rows = [
        (
            float(t),
            {"flow": None if 700 <= t < 720 else 16 + math.sin(t), "rpm": 0.0 if 2000 <= t < 2600 else 1800 + t % 7},
        )
        for t in range(-900, 3600)
    ]
    told = [
        *story(
            "f1",
            (640.0, "opened", "unknown", "pump"),
            (700.0, "updated", "sensor", "flow"),
            (1300.0, "closed", "sensor", "flow"),
        ),
        *opened("f2", 2006.0, "fan", "part"),
        *opened("f3", 2900.0, "current"),
    ]
    return played(
        [ill("flow", 600.0, 1100.0, "bias"), ill("fan", 2000.0, 2600.0, "fan_fail", "part")],
        told,
        [masked("flow", 700.0, 720.0, active=False), masked("flow", 720.0, 1250.0), masked("fan", 2030.0, None)],
        faults=(Fault("bias", "flow", 600.0, 1100.0, 1.0, "linear", 500.0), Fault("fan_fail", "fan", 2000.0, 2600.0)),
        rows=rows,
        true_rows=[(at_s, {"flow": 16.0, "rpm": 1800.0}) for at_s, _ in rows],
        changes=[
            Change(639.0, "verdict", "pump", {"result": "failed"}),
            Change(1200.0, "verdict", "pump", {"result": "passed"}),
        ],
        relays={"fan_relay": [(-900.0, True), (2030.0, False)]},
    )


def pixel(of: Played, at_s: float) -> float:
    """This returns where a time lies."""
    first_s, last_s = extent(of)
    return picture.LEFT + picture.GRAPH * (at_s - first_s) / (last_s - first_s)


def bands(svg: str, look: str) -> list[tuple[float, float]]:
    """This returns begin and end of each band of a look."""
    found = [e for e in ElementTree.fromstring(svg).iter(f"{SVG}rect") if e.get("data-look") == look]
    return [(float(e.get("x", "")), float(e.get("x", "")) + float(e.get("width", ""))) for e in found]


@pytest.mark.parametrize(
    ("look", "from_s", "to_s"),
    [
        ("true-sensor", 600.0, 1100.0),
        ("true-part", 2000.0, 2600.0),
        ("passive", 700.0, 720.0),
        ("open", 2030.0, 3600.0),
    ],
)
def test_a_band_lies_where_its_time_is(look: str, from_s: float, to_s: float) -> None:
    """A picture that is off by a minute sends its reader after the wrong cause."""
    run = eventful()
    assert bands(picture.drawn(run), look) == [
        (pytest.approx(pixel(run, from_s), abs=0.02), pytest.approx(pixel(run, to_s), abs=0.02))
    ]


def test_what_is_still_isolated_reaches_to_the_end() -> None:
    run = eventful()
    assert bands(picture.drawn(run), "active")[1][1] == pytest.approx(picture.WIDTH - picture.RIGHT, abs=0.02)


def test_a_name_with_angle_brackets_is_still_xml() -> None:
    """Sensors that changed places are called "a<>b"."""
    ElementTree.fromstring(picture.drawn(played([ill("flow<>temp", 10.0)], title="a & b < c")))


def test_no_text_lies_on_another() -> None:
    """Widths are reckoned at 0.62 em a character, more than this font takes on average."""
    sizes = {None: 12.0, "right": 12.0, "title": 16.0, "small": 11.0, "head": 11.0}
    boxes: list[tuple[float, float, float, float]] = []
    for text in ElementTree.fromstring(picture.drawn(eventful())).iter(f"{SVG}text"):
        classes = (text.get("class") or "").split()
        size = sizes[classes[0] if classes else None]
        wide = 0.62 * size * len(text.text or "")
        x, y = float(text.get("x", "")), float(text.get("y", ""))
        x -= wide if "right" in classes else wide / 2 if "middle" in classes else 0
        assert x >= 0
        assert x + wide <= picture.WIDTH
        boxes.append((x, y - 0.8 * size, x + wide, y + 0.2 * size))
    for i, (x, y, right, bottom) in enumerate(boxes):
        assert not [b for b in boxes[i + 1 :] if x < b[2] and b[0] < right and y < b[3] and b[1] < bottom]


def test_the_signals_that_tell_most_are_those_that_were_ill_or_blamed() -> None:
    """A missing reading breaks the curve instead of being drawn through."""
    run = eventful()
    assert [curve.label for curve in curves(run, 1)] == ["flow [L/min]"]
    assert [curve.label for curve in curves(run)] == ["flow [L/min]", "current [A]", "rpm [rev/min]"]
    said = [e for e in ElementTree.fromstring(picture.drawn(run)).iter(f"{SVG}polyline") if e.get("class") == "said"]
    assert len(said) == 2 + 0 + 1  # the flow in two stretches, a current that never came, the fan in one


def test_a_run_without_anything_is_drawn_all_the_same() -> None:
    """No rows, no words, no truth: each section says so."""
    bare = played()
    ElementTree.fromstring(picture.drawn(bare))
    assert [s.tracks[0].label for s in sections(bare)] == [
        "nothing was wrong", "none", "nothing was told", "nothing was isolated", "none",
    ]  # fmt: skip


def test_a_crowded_section_says_how_much_it_leaves_out() -> None:
    """A picture has a bound; a reader must know that he does not see all."""
    told = [message for k in range(30) for message in opened(f"f{k}", 100.0 + k, "flow")]
    changes = [Change(5.0, "verdict", f"s{k}", {"result": "failed"}) for k in range(30)]
    crowded = {s.title: s.tracks for s in sections(played(told=told, changes=changes))}
    assert (len(crowded["what was told"]), crowded["what was told"][-1].label) == (
        LINES_MAX,
        f"and {31 - LINES_MAX} more",
    )
    assert len(crowded["failed verdicts"]) == VERDICTS_MAX


def test_severity_is_drawn_as_its_shape_says() -> None:
    """A linear fault is a triangle until it is whole; an intermittent one has a tooth a period."""
    (linear,) = sections(eventful())[0].tracks[0].spans
    assert linear.heights[0][1] == pytest.approx(0.0, abs=0.01)
    assert linear.heights[len(linear.heights) // 2][1] == pytest.approx(0.5, abs=0.01)
    flicker = Fault("bias", "flow", 100.0, 200.0, 0.5, "intermittent", 20.0, 0.25)
    (teeth,) = sections(played([ill("flow", 100.0, 200.0, "bias")], faults=(flicker,)))[0].tracks[0].spans
    assert teeth.heights[:4] == ((100.0, 0.0), (100.0, 0.5), (105.0, 0.5), (105.0, 0.0))
    assert len(teeth.heights) == 5 * 4


def test_what_was_said_before_the_story_widens_the_picture() -> None:
    """A mark at the left edge would pretend that it happened just then."""
    assert extent(played())[0] == -216.0
    assert extent(played(told=opened("f1", -700.0, "flow")))[0] == -700.0


def test_the_terminals_picture_is_plain_text_of_a_hundred_columns() -> None:
    """The same lines, a character for each bit of time."""
    drawn = strip.drawn(eventful())
    lines = drawn.splitlines()
    assert max(map(len, lines)) <= strip.WIDTH
    assert "\x1b" not in drawn
    flow = next(line for line in lines if "bias of flow" in line)
    first, last = flow.index("#"), flow.rindex("#")
    column = strip.LEFT + 1
    begin, end = extent(eventful())
    assert first - column == int((600 - begin) / (end - begin) * strip.GRAPH)
    assert last - column == pytest.approx((1100 - begin) / (end - begin) * strip.GRAPH, abs=2)
    assert any("F" in line for line in lines if "current" in line)
    assert any(line.strip().startswith("fan ") and line.endswith("=") for line in lines)

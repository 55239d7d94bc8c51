"""These tests hold that a false alarm, once said, changes the next judgement on this unit, and that it never blinds it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plants import BORN, NORMAL, Journey, becomes, equipment, falls_silent, rows, shifts
from sickbay.core.bars import BARS_MAX, BY_COUNT, LEVEL_MAX, STEP, Bars
from sickbay.core.classes import CLASSES
from sickbay.core.equipment import Mode
from sickbay.core.fault import Change, Entry, Result, step
from sickbay.core.node import Node

ILL = BORN + 10


def journey(*ailments: object, until: int) -> Journey:
    return Journey(equipment(probation_ms=10_000, cooldown_ms=5_000)).run(rows(range(until), *ailments))  # type: ignore[arg-type]


def said(j: Journey, target: str, says: str = "false_alarm", reason: str = "the tank was being filled") -> str:
    return j.order("feedback", target, says=says, reason=reason)


@pytest.mark.parametrize(("signal", "target", "class_"), [("level", "level", "shift"), ("room", "tank", "anomaly")])
def test_an_alarm_called_false_is_not_told_again_at_the_same_size(signal: str, target: str, class_: str) -> None:
    """Somebody said why it was none: the next one of its kind must not wake them. A far greater one must."""
    size = _just_told(signal, target, class_)
    again = ILL + 200
    j = journey(shifts(signal, size, ILL, ILL + 90), until=ILL + 90)
    for _ in range(LEVEL_MAX + 1):
        said(j, target)
    before = len(j.told())
    j.run(rows(range(ILL + 90, again + 120), shifts(signal, size, again, again + 90)))
    assert [e for e in j.told()[before:] if e.kind == "opened"] == []
    assert j.node.ward.bars.bars[(target, class_)].held >= 1
    j.run(rows(range(again + 120, again + 300), shifts(signal, 4 * size, again + 200)))
    # So far out it is a leap, and its sensor's.
    assert [e.body["target"] for e in j.told()[before:] if e.kind == "opened"] in ([target], [signal])


def _just_told(signal: str, target: str, class_: str) -> float:
    """This returns the least shift of a signal, to a fifth of its deviation, that is told."""
    for fifths in range(3, 60):
        size = fifths / 5 * NORMAL[signal][1]
        j = journey(shifts(signal, size, ILL, ILL + 90), until=ILL + 90)
        if ("opened", target, class_) in j.story(target):
            return size
    raise AssertionError(f"no shift of {signal} is ever told")


def test_what_was_isolated_for_it_comes_back_through_probation() -> None:
    """A false alarm must not keep a good sensor out of service until somebody finds the other verb."""
    j = journey(becomes("level", 70.1, ILL), until=ILL + 60)
    assert j.state("level") == "isolated"
    answer = said(j, "level", reason="the valve is shut")
    assert "false alarm" in answer and "1 of 3" in answer
    assert j.state("level") == "probation"


def test_a_stuck_signal_called_false_must_stand_still_for_longer() -> None:
    """The bar counts in rows for what a sensor's own signature shows."""
    first = journey(becomes("level", 70.1, ILL), until=ILL + 60)
    j = journey(becomes("level", 70.1, ILL, ILL + 30), until=ILL + 30)
    said(j, "level")
    again = ILL + 200
    j.run(rows(range(ILL + 30, again + 200), becomes("level", 70.1, again)))
    opened = [e.at_ms for e in j.told("level") if e.kind == "opened"]
    delay_before = first.told("level")[0].at_ms - ILL * 1000
    rows_more = j.node.ward.equipment.policy.corroborate_rows
    assert opened[-1] - again * 1000 >= delay_before + 0.9 * rows_more * 1000


def test_a_silence_called_false_may_last_longer_next_time() -> None:
    j = journey(falls_silent(["level"], ILL, ILL + 20), until=ILL + 30)
    assert ("opened", "level", "silent") in j.story("level")
    said(j, "level")
    again = ILL + 100
    before = len(j.told("level"))
    j.run(rows(range(ILL + 30, again + 60), falls_silent(["level"], again, again + 4)))
    assert [e for e in j.told("level")[before:] if e.kind == "opened"] == []
    j.run(rows(range(again + 60, again + 160), falls_silent(["level"], again + 60, again + 100)))
    assert [e for e in j.told("level")[before:] if e.kind == "opened"]


@given(
    level=st.integers(0, LEVEL_MAX + 3),
    class_=st.sampled_from(BY_COUNT),
    good=st.integers(0, 50),
)
def test_what_lasts_qualifies_under_any_bar(level: int, class_: str, good: int) -> None:
    """However often somebody says "false", a fault that stays is told in the end: no unit is ever blind."""
    bars = Bars()
    for _ in range(level):
        bars.false_alarm("x", class_, "who", "", 0)
    debounce = bars.debounce("x", class_, CLASSES[class_].debounce)
    entry = Entry("x", class_)
    for at in range(good):
        step(entry, debounce, Result.PREPASSED, at)
    needed = next(n for n in range(1, 200) if step(entry, debounce, Result.PREFAILED, good + n) is Change.FAILED)
    ordinary = Entry("x", class_)
    few = next(
        n for n in range(1, 200) if step(ordinary, CLASSES[class_].debounce, Result.PREFAILED, n) is Change.FAILED
    )
    assert needed <= (1 + LEVEL_MAX) * few


def test_right_lowers_the_bar_and_undo_takes_it_away() -> None:
    j = journey(becomes("level", 70.1, ILL), until=ILL + 60)
    said(j, "level")
    said(j, "level")
    bar = j.node.ward.bars.bars[("level", "stuck")]
    assert bar.level == 2 and bar.score == pytest.approx(STEP**2)
    said(j, "level", "right")
    assert j.node.ward.bars.level("level", "stuck") == 1
    assert "as ever again" in said(j, "level", "undo")
    assert j.node.ward.bars.bars == {}
    assert "no alarm of it was called false" in said(j, "level", "undo")


def test_feedback_stands_in_the_history_and_in_status_and_why() -> None:
    """What a person said must be seen by whoever comes after."""
    from sickbay.core import report

    j = journey(becomes("level", 70.1, ILL, ILL + 60), until=ILL + 60)
    said(j, "level", reason="the valve is shut")
    j.run(rows(range(ILL + 60, ILL + 120)))
    closed = j.told("level")[-1]
    assert closed.kind == "closed" and "the valve is shut" in closed.body["history"]["feedback"][-1]
    assert "false alarm" in closed.body["done"]
    bars = report.status(j.node.ward, str)["bars"]
    assert [(b["target"], b["class"], b["level"]) for b in bars] == [("level", "stuck", 1)]
    assert report.why(j.node.ward, "level", str)["bars"] == bars


def test_feedback_survives_a_restart() -> None:
    j = journey(becomes("level", 70.1, ILL), until=ILL + 60)
    said(j, "level")
    again = Node(j.node.ward.equipment, "mint")
    assert again.restore(j.node.snapshot()) == []
    assert again.ward.bars.bars == j.node.ward.bars.bars


@pytest.mark.parametrize(("says", "match"), [("perhaps", "not one of"), ("undo", "no alarm")])
def test_feedback_that_makes_no_sense_is_refused(says: str, match: str) -> None:
    j = journey(until=BORN)
    assert match in said(j, "level", says)


def test_feedback_about_nothing_is_refused() -> None:
    j = journey(until=BORN)
    assert "no fault has this id or target" in said(j, "level")


def test_nobody_may_give_feedback_from_afar() -> None:
    """It loosens: that authority is local."""
    j = journey(becomes("level", 70.1, ILL), until=ILL + 60)
    before = dict(j.node.ward.bars.bars)
    j.order("feedback", "level", says="false_alarm", remote=True)
    assert j.node.ward.bars.bars == before == {}


def test_bars_are_bounded() -> None:
    bars = Bars()
    for number in range(BARS_MAX + 50):
        bars.false_alarm(f"signal {number}", "stuck", "who", "", number)
    assert len(bars.bars) == BARS_MAX


def test_passive_parts_are_heard_as_well() -> None:
    """Most units begin passive: feedback there is what makes them fit to act."""
    j = Journey(equipment(tank=Mode.PASSIVE)).run(rows(range(ILL + 60), becomes("level", 70.1, ILL)))
    assert "1 of 3" in said(j, "level")

"""These tests hold that slow wear is told before it breaks: once, with the time left, and that nothing is switched off for it."""

import random
from typing import Any

from sickbay.core.effects import Drive, Escalate, Event
from sickbay.core.equipment import Equipment, Mode, Output, Part, Policy, Signal
from sickbay.core.node import Node
from sickbay.core.reading import Reading

HOURS = 6.0  # two of them well, then wear that would reach its limit after four more
EVERY_S = 5


def bearing(limit: float | None = 80.0, **policy: Any) -> Equipment:
    signals = (
        Signal("temp", "rig", every_ms=1000 * EVERY_S, unit="degC", low=0, high=150, limit_high=limit),
        Signal("vibration", "rig", every_ms=1000 * EVERY_S, unit="g"),
        Signal("flow", "rig", every_ms=1000 * EVERY_S),
    )
    part = Part("bearing", tuple(s.name for s in signals), isolate=Mode.ACTIVE, output="relay")
    # The owner accepts so few false alarms that the chart keeps out of this story.
    return Equipment("unit", signals, (part,), (Output("relay"),), Policy(**policy))


def story(equipment: Equipment, worn: float = 40.0, vibrates: float = 0.0, node: Node | None = None) -> list[Any]:
    """This returns the effects of six hours: wear adds `worn` K and `vibrates` g in the last four of what would be five."""
    node = node or Node(equipment, "mint")
    node.start(0)
    chance, out = random.Random(3), []
    for s in range(EVERY_S, int(HOURS * 3600), EVERY_S):
        share = max(0.0, s - 7200) / (5 * 3600)
        for name, value in (("temp", 40 + worn * share), ("vibration", 1 + vibrates * share), ("flow", 10.0)):
            node.feed(Reading(name, round(value + chance.gauss(0, 0.02 * value), 4), s * 1000))
        node.tick(s * 1000)
        out += node.take_effects()
    return out


def outlooks(effects: list[Any]) -> list[Escalate]:
    return [e for e in effects if isinstance(e, Escalate) and e.body["outlook"]]


def test_wear_is_told_with_the_hours_left_in_one_ticket() -> None:
    """The spare part must be ordered while the machine still runs."""
    told = outlooks(story(bearing()))
    assert "reaches its limit of 80 degC in about" in told[0].body["summary"]
    assert told[0].at_ms < 0.8 * 7 * 3.6e6
    assert len({e.fault_id for e in told}) == 1
    assert len(told) <= 4  # again only when the time left has halved


def test_without_a_declared_limit_nothing_is_foretold() -> None:
    assert outlooks(story(bearing(limit=None))) == []


def test_a_limit_beyond_the_horizon_is_not_told() -> None:
    """Who is told of what may be in years reads no further."""
    assert outlooks(story(bearing(warn_ahead_ms=60_000))) == []


def test_nothing_is_switched_off_for_wear_alone() -> None:
    """The part still does its work: a person decides when it stops."""
    equipment = bearing(false_alarms_per_month=1e-6)
    effects = story(equipment, worn=25.0)
    wears = {e.name for e in effects if isinstance(e, Event) and e.kind == "fault" and e.detail.get("class") == "wear"}
    for effect in effects:
        if isinstance(effect, Drive) and effect.reason != "start":
            assert not any(name in effect.reason for name in wears)


def test_a_restart_forgets_no_trend() -> None:
    """The past of a signal is what took longest to learn."""
    equipment = bearing()
    node = Node(equipment, "mint")
    story(equipment, node=node)
    kept = node.snapshot()
    again = Node(equipment, "mint")
    assert again.restore(kept) == []
    assert again.snapshot() == kept
    trend, other = node.ward.channels["temp"].trend, again.ward.channels["temp"].trend
    assert trend is not None and other is not None
    assert [list(level) for level in other.levels] == [list(level) for level in trend.levels]
    assert other.seen == trend.seen

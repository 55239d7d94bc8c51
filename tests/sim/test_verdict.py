"""These tests judge made-up runs, so that each rule of the judge is seen to hold and to break."""

import pytest

from sickbay_sim.record import Masked, Run, Told
from sickbay_sim.scenario import Bounds, Expect, Fault, Scenario
from sickbay_sim.verdict import judge

FLOW = Fault("bias", "flow", at_s=100.0, until_s=500.0)
NO_BOUNDS = Bounds()


def told(at_s: float, target: str = "flow", layer: str = "sensor", class_: str = "shift", fault_id: str = "f1") -> Told:
    return Told(at_s, f"{fault_id}.r1", fault_id, 1, "opened", class_, layer, target, "minor", "")


def broken(
    expects: tuple[Expect, ...] = (), bounds: Bounds = NO_BOUNDS, faults: tuple[Fault, ...] = (FLOW,), **run: object
) -> list[str]:
    scenario = Scenario("x", "x", "cooling-loop", 1000.0, faults=faults, expects=expects, bounds=bounds)
    made = Run(scenario, 1, "bench", end_s=1000.0)
    for name, value in run.items():
        setattr(made, name, value)
    return [check.name for check in judge(made) if not check.held]


@pytest.mark.parametrize(
    ("messages", "lacking"),
    [
        ([told(160.0)], []),
        ([told(161.0)], ["within_s", "layer", "class"]),  # a second too late
        ([told(90.0)], ["within_s", "layer", "class"]),  # before its onset it was another's
        ([told(150.0, layer="unknown", class_="anomaly"), told(155.0)], []),  # it knew better in time
        ([told(150.0, layer="part"), told(500.0)], ["layer"]),
        ([told(150.0, target="pump")], ["within_s", "layer", "class"]),
    ],
)
def test_told_means_in_time_by_name_and_with_the_right_words(messages: list[Told], lacking: list[str]) -> None:
    """Being told of the right thing too late, or of the wrong thing in time, is not being told."""
    asked = Expect("flow", within_s=60.0, layer="sensor", class_=("shift", "stuck"))
    assert broken((asked,), told=messages) == [f"expect[0].{key}" for key in lacking]


def test_any_of_several_names_will_do() -> None:
    """Where two parts share a cause either may be blamed."""
    assert broken((Expect(("pressure", "flow"), within_s=60.0),), told=[told(120.0)]) == []


def test_quarantine_and_release_are_judged_by_spans() -> None:
    """Would have been isolated counts, where the machine may not; back in service means that every span has ended."""
    asked = Expect("flow", quarantine=True, released_within_s=100.0)
    span = Masked("flow", 110.0, 590.0, active=False)
    assert broken((asked,), masked=[span]) == []
    assert broken((asked,)) == ["expect[0].quarantine"]
    assert broken((asked,), masked=[Masked("flow", 110.0, 601.0, True)]) == ["expect[0].released_within_s"]
    assert broken((asked,), masked=[span, Masked("flow", 595.0, None, True)]) == ["expect[0].released_within_s"]
    assert broken((asked,), masked=[Masked("flow", 510.0, 550.0, True)]) == ["expect[0].quarantine"]
    assert broken((Expect("flow", quarantine=False),), masked=[span]) == ["expect[0].quarantine"]


def test_wear_is_told_before_its_limit() -> None:
    """The limit is where the fault reaches its full severity."""
    wear = Fault("impeller", "pump", 0.0, shape="linear", over_s=900.0)
    asked = Expect("pump", lead_s=300.0)
    assert broken((asked,), faults=(wear,), told=[told(600.0, "pump")]) == []
    assert broken((asked,), faults=(wear,), told=[told(601.0, "pump")]) == ["expect[0].lead_s"]
    assert broken((asked,), faults=(wear,)) == ["expect[0].lead_s"]


def test_bounds_count_the_whole_run_its_warm_up_too() -> None:
    """A false alarm in the warm-up is a false alarm."""
    twice = [told(-50.0, "pump"), told(10.0, fault_id="f2")]
    assert broken(bounds=Bounds(escalations_max=1), told=twice) == ["bounds.escalations_max"]
    assert broken(bounds=Bounds(never_blame=("pump", "fan")), told=twice) == ["bounds.never_blame.pump"]
    assert broken(bounds=Bounds(never_isolate=("fan",)), masked=[Masked("fan", 1.0, 2.0, False)]) == []
    assert broken(bounds=Bounds(never_isolate=("fan",)), masked=[Masked("fan", 1.0, 2.0, True)]) == [
        "bounds.never_isolate.fan"
    ]
    moves = {"fan_relay": [(-900.0, True), (10.0, False)]}
    assert broken(bounds=Bounds(relays={"fan_relay": True}), relays=moves) == ["bounds.relays.fan_relay"]
    assert broken(lost=1, bytes_out=11, bounds=Bounds(bytes_max=10)) == ["bounds.lost_max", "bounds.bytes_max"]


def test_a_run_that_ended_early_holds_nothing() -> None:
    """What did not happen because nothing happened is no success."""
    assert broken(trouble="the daemon did not start") == ["ran"]

"""These tests hold that what the simulator writes for a daemon is what a daemon takes, on every plant and port."""

import pytest

from sickbay import config as configuration
from sickbay.core.equipment import Mode
from sickbay_sim import configure
from sickbay_sim.plant import PLANTS
from sickbay_sim.scenario import Scenario


def story(plant: str, **more: object) -> Scenario:
    return Scenario("x", "x", plant, 100.0, **more)


PORTS = [*((plant, port) for plant in sorted(PLANTS) for port in ("json", "csv")), ("car", "obd")]


@pytest.mark.parametrize(("plant", "port"), PORTS)
def test_every_plant_is_configured_whole(plant: str, port: str) -> None:
    """Each signal, part and relay of the machine stands in it, with the read-back that proves an order was followed."""
    config = configuration.parse(configure.for_scenario(story(plant, port=port)))
    machine = PLANTS[plant]
    assert set(config.signals) == set(machine.signals)
    assert set(config.parts) == set(machine.parts)
    assert {name: output.pin for name, output in config.outputs.items()} == machine.relays
    assert all(output.read_back is not None for output in config.outputs.values())
    equipment = configuration.equipment(config)
    for part in equipment.parts:
        assert part.essential is machine.parts[part.name].essential
        assert part.isolate is Mode(machine.parts[part.name].isolate)
    for name, twin in machine.redundant.items():
        assert set(equipment.redundancy_group(name)) == {name, twin}


def test_it_learns_for_as_long_as_the_warm_up_lasts() -> None:
    """A unit that is still learning when the story begins would miss its first fault; one that learnt from half would be rash."""
    for warm_s, period_s, rows in ((900.0, 1.0, 880), (900.0, 10.0, 70), (300.0, 10.0, 40)):
        text = configure.for_scenario(story("car", warm_s=warm_s, period_s=period_s))
        assert configuration.parse(text).policy.learn_rows == rows


def test_what_a_scenario_says_otherwise_stands_in_the_configuration() -> None:
    """A key of its own, beside those that the plant gives."""
    text = configure.for_scenario(
        story(
            "cooling-loop",
            policy={"learn_rows": 500, "trial_s": 5.0},
            signals={"flow": {"rate_max_per_s": 2.5, "sentinel": [0.0, -1.0]}},
            parts={"fan": {"isolate": "off"}},
        )
    )
    config = configuration.parse(text)
    assert config.policy.learn_rows == 500 and config.policy.trial_s == 5.0
    assert config.signals["flow"].rate_max_per_s == 2.5 and config.signals["flow"].sentinel == (0.0, -1.0)
    assert config.signals["flow"].range == (0.0, 60.0)
    assert config.parts["fan"].isolate is Mode.OFF

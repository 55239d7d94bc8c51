"""This is a small machine and runs of it made by hand, so that every figure of the score card can be counted on fingers."""

from typing import Any

from sickbay_sim.plant.plant import PartSpec
from sickbay_sim.record import Illness, Masked, Run, Told
from sickbay_sim.scenario import Fault, Scenario
from sickbay_sim.score.machine import Machine, Played

MACHINE = Machine(
    plant="bench-top",
    signals=("flow", "current", "rpm", "temp", "temp_b"),
    ranges={"flow": (0.0, 60.0), "current": (0.0, 10.0), "rpm": (0.0, 6000.0), "temp": (-20.0, 110.0)},
    parts={
        "pump": PartSpec(("flow", "current"), essential=True, output="pump_relay"),
        "fan": PartSpec(("rpm", "temp", "temp_b"), isolate="active", output="fan_relay"),
    },
    units={"flow": "L/min", "current": "A", "rpm": "rev/min", "temp": "degC", "temp_b": "degC"},
    wear=frozenset({"bearing_wear"}),
)


def ill(
    target: str, onset_s: float, end_s: float | None = None, kind: str = "stuck", layer: str = "sensor", **more: Any
) -> Illness:
    """This returns something truly wrong; it is blamed on its target, unless said otherwise."""
    return Illness(kind, layer, target, onset_s, end_s, **{"blamed": (target,), "severity": 1.0, **more})


def story(fault_id: str, *messages: tuple[float, str, str, str], **more: Any) -> list[Told]:
    """This returns the messages of one fault told: (at_s, kind, layer, target) each."""
    return [
        Told(at_s, f"{fault_id}.r{n}", fault_id, n, kind, "shift", layer, target, "major", f"{target} is odd", **more)
        for n, (at_s, kind, layer, target) in enumerate(messages, 1)
    ]


def opened(fault_id: str, at_s: float, target: str, layer: str = "sensor") -> list[Told]:
    """This returns a fault that was told once."""
    return story(fault_id, (at_s, "opened", layer, target))


def masked(name: str, from_s: float, to_s: float | None, active: bool = True) -> Masked:
    return Masked(name, from_s, to_s, active)


def played(
    truth: list[Illness] | None = None,
    told: list[Told] | None = None,
    spans: list[Masked] | None = None,
    seconds: float = 3600.0,
    faults: tuple[Fault, ...] = (),
    **more: Any,
) -> Played:
    """This returns one run of the machine. `more` are fields of the run, or of its scenario."""
    of_story = {key: more.pop(key) for key in ("name", "title", "bounds", "expects", "orders") if key in more}
    scenario = Scenario(
        **{
            "name": "by-hand",
            "title": "made by hand",
            "plant": "bench-top",
            "seconds": seconds,
            "faults": faults,
            **of_story,
        }
    )
    return Played(
        Run(
            scenario,
            more.pop("seed", 1),
            "bench",
            truth=truth or [],
            told=told or [],
            masked=spans or [],
            end_s=seconds,
            **more,
        ),
        MACHINE,
    )

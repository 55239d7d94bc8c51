"""This writes the daemon's configuration for a simulated machine, so that bench, rig and swarm all run the same one."""

import json
from collections.abc import Iterable, Mapping

from sickbay_sim.catalogue import LINE, Description
from sickbay_sim.patient import COOLING_LOOP
from sickbay_sim.plant import PLANTS
from sickbay_sim.rig import FAN_TACH_PIN, PULSES_PER_REV, WHEEL_PIN, WHEEL_PULSES, Rig
from sickbay_sim.scenario import Scenario
from sickbay_sim.wires.elm327 import CAR_PIDS

READ_BACK_FREE = (22, 24, 5, 6, 12, 13, 16, 19, 20, 26)  # pins for read-backs, in the order of a plant's relays
WHEEL_SAMPLE_S = 0.25  # least, in real time: below it the pulses of a sample are too few to count
SETTLED_ROWS = 20  # the last rows of a warm-up: what was learnt is in force before the story begins

Table = Mapping[str, object]


def read_back_pins(plant: Description) -> dict[str, int]:
    """This returns {relay: the pin that reads its contacts}."""
    free = [pin for pin in READ_BACK_FREE if pin not in plant.relays.values()]
    return dict(zip(plant.relays, free, strict=False))


def for_scenario(scenario: Scenario, port: str = "/dev/null", before: str = "") -> str:
    """This returns the daemon's configuration for a scenario's machine, with what the scenario says otherwise.

    `before` are further tables: [device], [paths], [mqtt]. It learns for as long as the story's warm-up lasts.
    """
    rows = int(scenario.warm_s / scenario.period_s)
    policy = {"learn_rows": max(40, min(rows - SETTLED_ROWS, 100_000)), **scenario.policy}
    plant, style = PLANTS[scenario.plant], scenario.port
    only = sensors(scenario)
    return before + for_plant(
        plant, port, style, scenario.period_s, policy, scenario.signals, scenario.parts, only=only
    )


def sensors(scenario: Scenario) -> tuple[str, ...]:
    """This returns the signals that reach a scenario's daemon: all of them; what a plug cannot tell is counted on a pin."""
    return tuple(PLANTS[scenario.plant].signals)


def for_plant(
    plant: Description,
    port: str,
    style: str = "json",
    every_s: float = 1.0,
    policy: Table | None = None,
    signals: Mapping[str, Table] | None = None,
    parts: Mapping[str, Table] | None = None,
    counted: Mapping[str, tuple[str, int]] | None = None,
    only: Iterable[str] | None = None,
) -> str:
    """This returns the daemon's configuration for a machine on one line; `signals` and `parts` override by key.

    `counted` are speeds that do not come over the line but as pulses on pins: {signal: (its name then, pin)}. `only` are the
    signals that have a sensor, None: all; a part without any is left out.
    """
    on_pins = dict(counted or {})
    chosen = [name for name in plant.signals if only is None or name in set(only)]
    source: dict[str, object] = {"driver": "serial_line", "port": port, "format": style}
    if style == "csv":
        source["columns"] = [name for name in chosen if name not in on_pins]
    pulses_per_rev, sample_s = float(PULSES_PER_REV), 1.0
    if style == "obd":
        source, on_pins = _adapter(port, chosen, every_s)
        pulses_per_rev, sample_s = round(60 * WHEEL_PULSES, 3), max(every_s, WHEEL_SAMPLE_S)
    out = _table(f"sources.{LINE}", source)
    if on_pins:
        pulses = {"count": "rising", "pulses_per_rev": pulses_per_rev}
        inputs = {name: {"pin": pin, **pulses} for name, pin in on_pins.values()}
        out += _table("sources.pins", {"driver": "gpio", "inputs": inputs, "sample_s": sample_s})
    for name in chosen:
        unit = plant.signals[name].unit
        keys: dict[str, object] = {"from": f"{LINE}.{name}", "unit": unit, "every_s": every_s}
        if name in on_pins:
            keys = {"from": f"pins.{on_pins[name][0]}", "unit": unit, "every_s": sample_s}
        if name in plant.ranges:
            keys["range"] = list(plant.ranges[name])
        if name in plant.redundant:
            keys["redundant_with"] = plant.redundant[name]
        out += _table(f"signals.{_named(name, on_pins)}", {**keys, **(signals or {}).get(name, {})})
    read_back = read_back_pins(plant)
    for relay, pin in plant.relays.items():
        keys = {"driver": "gpio", "pin": pin, "fail_state": "on", "read_back": read_back[relay]}
        out += _table(f"outputs.{relay}", keys)
    for name, part in plant.parts.items():
        keys = {"signals": [_named(signal, on_pins) for signal in part.signals if signal in chosen]}
        if not keys["signals"]:
            continue
        if part.essential:
            keys["essential"] = True
        if part.isolate != "passive":
            keys["isolate"] = part.isolate
        if part.output is not None:
            keys["output"] = part.output
        out += _table(f"parts.{name}", {**keys, **(parts or {}).get(name, {})})
    return out + (_table("policy", policy) if policy else "")


def _adapter(port: str, signals: Iterable[str], every_s: float) -> tuple[dict[str, object], dict[str, tuple[str, int]]]:
    """This returns the source of a car's diagnostic socket, and what that cannot tell: a wheel's pulses on a pin."""
    names = list(signals)
    pids = {name: f"01{CAR_PIDS[name][0]:02X}" for name in names if name in CAR_PIDS}
    waits = {"timeout_s": min(2.0, max(0.25, 2 * every_s)), "asleep_s": min(10.0, max(0.2, 10 * every_s))}
    source: dict[str, object] = {"driver": "obd", "port": port, "pids": pids, **waits}
    return source, {name: (name, WHEEL_PIN) for name in names if name not in pids}


def _named(signal: str, on_pins: Mapping[str, tuple[str, int]]) -> str:
    return on_pins[signal][0] if signal in on_pins else signal


def _table(name: str, keys: Table) -> str:
    lines = [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in keys.items() if value is not None)]
    return "\n".join(lines) + "\n\n"


def _toml(value: object) -> str:
    """This returns a value as TOML writes it; for text, numbers, truth and lists JSON says the same."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def configuration(rig: Rig) -> str:
    """This returns the lines of a daemon's configuration that fit a rig."""
    counted = {"fan_rpm": ("fan_tach", FAN_TACH_PIN)} if rig.fan == "pins" else None
    return for_plant(PLANTS["cooling-loop"], str(rig.port), rig.style, rig.period_s, counted=counted, only=COOLING_LOOP)

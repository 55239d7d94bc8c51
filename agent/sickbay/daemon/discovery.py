"""This is how a device looks in Home Assistant: one message that describes it, and one that says how it stands.

Home Assistant's MQTT discovery, device based (home-assistant.io/integrations/mqtt, "Device discovery payload"; in use since
2024.11). Every template is a look into the one state, so that what is shown is decided here.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

import sickbay
from sickbay.core.equipment import Equipment
from sickbay.core.home import never_released
from sickbay.core.quarantine import OUT_OF_SERVICE, State

SEVERITIES = ("none", "minor", "major", "critical")
STATES = tuple(str(state) for state in State)
EXPIRES = 3  # times every_s without a word: what was said last is no longer shown
EXPIRES_S_LEAST = 30
_ID = re.compile(r"[^a-zA-Z0-9_-]")  # what its topics may not hold
# Our unit in lower case: its own word for it, and what it then can be. Left out is what can be several things: "g" is a weight or
# an acceleration, "%" a humidity or a battery, "m" a level or a distance. Those are shown with their unit and no class.
UNITS: dict[str, tuple[str, str]] = {
    "degc": ("°C", "temperature"),
    "°c": ("°C", "temperature"),
    "degf": ("°F", "temperature"),
    "°f": ("°F", "temperature"),
    "pa": ("Pa", "pressure"),
    "hpa": ("hPa", "pressure"),
    "kpa": ("kPa", "pressure"),
    "mbar": ("mbar", "pressure"),
    "bar": ("bar", "pressure"),
    "psi": ("psi", "pressure"),
    "l/min": ("L/min", "volume_flow_rate"),
    "m3/h": ("m³/h", "volume_flow_rate"),
    "m³/h": ("m³/h", "volume_flow_rate"),
    "gal/min": ("gal/min", "volume_flow_rate"),
    "a": ("A", "current"),
    "v": ("V", "voltage"),
    "w": ("W", "power"),
    "kw": ("kW", "power"),
    "va": ("VA", "apparent_power"),
    "hz": ("Hz", "frequency"),
    "khz": ("kHz", "frequency"),
    "lx": ("lx", "illuminance"),
    "lux": ("lx", "illuminance"),
    "m/s": ("m/s", "speed"),
    "mm/s": ("mm/s", "speed"),
    "km/h": ("km/h", "speed"),
    "s": ("s", "duration"),
    "ms": ("ms", "duration"),
    "min": ("min", "duration"),
    "rev/min": ("rpm", ""),
    "rpm": ("rpm", ""),
    "degrees": ("°", ""),
}
# Where lower case would be another unit: a milliampere is not a megaampere.
EXACT: dict[str, tuple[str, str]] = {"mA": ("mA", "current"), "mV": ("mV", "voltage"), "MW": ("MW", "power")}


def object_id(name: str) -> str:
    """This returns a name as it may stand in a topic of discovery; what had to be changed keeps apart by a digest."""
    plain = _ID.sub("_", name)
    return plain if plain == name else f"{plain}_{hashlib.blake2s(name.encode(), digest_size=3).hexdigest()}"


def config_topic(prefix: str, device: str) -> str:
    """This returns where Home Assistant looks for the description of a device."""
    return f"{prefix}/device/{object_id(device)}/config"


def unit_of(unit: str) -> tuple[str, str]:
    """This returns Home Assistant's word for a unit and its device class, "" for none."""
    return EXACT.get(unit) or UNITS.get(unit.lower()) or (unit, "")


class Topics(msgspec.Struct, frozen=True):
    """The topics of one device that Home Assistant is told of."""

    birth: str  # up/state: birth, heartbeat and last will
    state: str  # up/ha
    press: str  # down/ha


def description(
    equipment: Equipment, model: str, topics: Topics, every_s: float, buttons: Sequence[str]
) -> dict[str, Any]:
    """This returns the config message: the device, who says so, and its entities."""
    device = f"sickbay_{object_id(equipment.device)}"
    entities: dict[str, dict[str, Any]] = {}

    def add(kind: str, of: str, platform: str, **more: Any) -> None:
        key = f"{kind}_{object_id(of)}" if of else kind
        entities[key] = {"p": platform, "unique_id": f"{device}_{key}", **more}

    def shown(*path: str) -> str:
        return "{{ value_json" + "".join(f"[{_quoted(step)}]" for step in path) + " }}"

    def about(*path: str) -> dict[str, str]:
        look = shown(*path, "about").replace(" }}", " | tojson }}")
        return {"json_attributes_topic": topics.state, "json_attributes_template": look}

    expires = {"expire_after": max(EXPIRES_S_LEAST, round(EXPIRES * every_s))}
    up = "{{ 'ON' if value_json.state == 'up' else 'OFF' }}"
    diagnostic = {"entity_category": "diagnostic"}
    # It alone is shown while the device is gone: that is what it is for.
    always = {"availability": [{"topic": topics.birth, "value_template": "{{ 'online' }}"}]}
    connected = {"device_class": "connectivity", "state_topic": topics.birth, "value_template": up}
    add("connected", "", "binary_sensor", name="Connected", **connected, **diagnostic, **always)
    counted = {"state_class": "measurement", **expires}
    add("outbox", "", "sensor", name="Outbox", value_template=shown("device", "outbox"), **counted, **diagnostic)
    faults = {"value_template": shown("device", "faults"), **about("device")}
    add("faults", "", "sensor", name="Open faults", **faults, **counted)
    worst = {"device_class": "enum", "options": list(SEVERITIES), "value_template": shown("device", "severity")}
    add("severity", "", "sensor", name="Gravest fault", **worst, **expires)
    for signal in equipment.signals:
        unit, class_ = unit_of(signal.unit)
        more: dict[str, Any] = {"state_class": "measurement", **expires, **about("signals", signal.name)}
        more |= {"unit_of_measurement": unit} if unit else {}
        more |= {"device_class": class_} if class_ else {}
        add(
            "signal",
            signal.name,
            "sensor",
            name=signal.name,
            value_template=shown("signals", signal.name, "value"),
            **more,
        )
    for part in equipment.parts:
        problem = {"device_class": "problem", "value_template": shown("parts", part.name, "problem"), **expires}
        add("problem", part.name, "binary_sensor", name=f"{part.name} problem", **problem, **about("parts", part.name))
        stands = {"device_class": "enum", "options": list(STATES), "value_template": shown("parts", part.name, "state")}
        add("state", part.name, "sensor", name=f"{part.name} state", **stands, **expires)
    for verb, target in pressable(equipment, buttons):
        press = {"command_topic": topics.press, "payload_press": _quoted_press(verb, target)}
        name = f"{verb} {target}".strip() if target else f"{verb} all"
        add(verb, target, "button", name=name, **press)
    identity = {"ids": [device], "name": equipment.device, "mf": "sickbay", "sw": sickbay.__version__}
    return {
        "dev": {**identity, "mdl": model} if model else identity,
        "o": {"name": "sickbay", "sw": sickbay.__version__},
        "availability": [
            {"topic": topics.birth, "value_template": "{{ 'online' if value_json.state == 'up' else 'offline' }}"}
        ],
        "state_topic": topics.state,
        "qos": 1,
        "cmps": entities,
    }


def pressable(equipment: Equipment, buttons: Sequence[str]) -> list[tuple[str, str]]:
    """This returns the buttons there are as (verb, target); "" stands for the whole device."""
    targets = [s.name for s in equipment.signals] + [p.name for p in equipment.parts]
    out = [("ack", target) for target in ("", *targets)] if "ack" in buttons else []
    if "release" in buttons:
        out += [("release", target) for target in targets if not never_released(equipment, target)]
    return out


def state(status: Mapping[str, Any], outbox: int, outputs: Mapping[str, str | None]) -> dict[str, Any]:
    """This returns how the device stands, out of its status. `outputs` has the output of each part."""
    faults = [f for f in status["faults"] if f["open"]]
    worst = max((SEVERITIES.index(f["severity"]) for f in faults), default=0)
    said = [
        f"{f['target']} {f['class']} ({f['severity']}){'' if f['acked'] is None else ', acknowledged'}" for f in faults
    ]
    ill = {f["target"] for f in faults}
    parts = {name: _part(part, bool(ill & {name, outputs.get(name)})) for name, part in status["parts"].items()}
    return {
        "device": {
            "outbox": outbox,
            "faults": len(faults),
            "severity": SEVERITIES[worst],
            "about": {"faults": said[:20]},
        },
        "signals": {name: _signal(signal, name in ill) for name, signal in status["signals"].items()},
        "parts": parts,
    }


def standing(told: Mapping[str, Any]) -> Any:
    """This returns of a state what is news when it changes: everything but the numbers, which change all the time."""
    signals = {
        n: {k: v for k, v in s["about"].items() if k not in ("measured", "error")} for n, s in told["signals"].items()
    }
    device = {key: told["device"][key] for key in ("faults", "severity", "about")}
    parts = {n: (p["problem"], p["state"]) for n, p in told["parts"].items()}
    return device, signals, parts


def _signal(signal: Mapping[str, Any], ill: bool) -> dict[str, Any]:
    """This returns a signal's number and what is to be known of it. None is shown as unknown: silence is not a value."""
    about: dict[str, Any] = {"quality": signal["quality"], "state": signal["state"]}
    if ill:
        about["fault"] = True
    if signal["state"] in OUT_OF_SERVICE:
        about |= {"reason": signal["reason"], "measured": _short(signal["value"])}
        if signal["substitute_value"] is not None:
            about |= {"substituted": True, "stand_in": signal["substitute"]}
            if signal["substitute_error"] is not None:
                about["error"] = _short(signal["substitute_error"])
        return {"value": _short(signal["substitute_value"]), "about": about}
    if signal["quality"] in ("silent", "bad"):
        return {"value": None, "about": {**about, "measured": _short(signal["value"])}}
    return {"value": _short(signal["value"]), "about": about}


def _part(part: Mapping[str, Any], ill: bool) -> dict[str, Any]:
    """This returns how a part stands. Of a part that nothing is known of, nobody says that it has no problem."""
    bad = ill or part["state"] != "in_service"
    problem = "ON" if bad else None if part["blind"] else "OFF"
    about = {
        "essential": part["essential"],
        "reason": part["reason"],
        "blind": part["blind"],
        "learning": part["learning"] > 0,
    }
    return {"problem": problem, "state": part["state"], "about": about}


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _quoted(text: str) -> str:
    """This returns a text as a template quotes it; Jinja's backslashes are those of JSON."""
    return msgspec.json.encode(text).decode()


def _quoted_press(verb: str, target: str) -> str:
    return msgspec.json.encode({"verb": verb, "target": target}).decode()

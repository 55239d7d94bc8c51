"""What Home Assistant takes, written down from what it publishes, so that a payload can be judged without it.

Source: home-assistant.io/integrations/mqtt ("Device discovery payload", "Supported abbreviations"), sensor.mqtt,
binary_sensor.mqtt, button.mqtt; home-assistant/core 2025.x: components/mqtt/schemas.py (DEVICE_DISCOVERY_SCHEMA,
MQTT_ORIGIN_INFO_SCHEMA, MQTT_ENTITY_DEVICE_INFO_SCHEMA), components/mqtt/sensor.py
(validate_sensor_state_and_device_class_config), components/sensor/const.py (DEVICE_CLASS_UNITS). Facts, not code.
Its root is closed: one key that it does not know costs every entity of the device, with one line in its log.
"""

import json
import re
from typing import Any

TOPIC = re.compile(r"(?P<prefix>[^#+]+)/device/(?:[a-zA-Z0-9_-]+/)?[a-zA-Z0-9_-]+/config")
ROOT = {
    "device",
    "origin",
    "components",
    "availability",
    "availability_mode",
    "state_topic",
    "command_topic",
    "qos",
    "encoding",
}
SHORT_ROOT = {"dev": "device", "o": "origin", "cmps": "components", "avty": "availability"}
DEVICE = {
    "identifiers",
    "connections",
    "manufacturer",
    "model",
    "name",
    "hw_version",
    "serial_number",
    "sw_version",
    "via_device",
}
SHORT_DEVICE = {
    "ids": "identifiers",
    "cns": "connections",
    "mf": "manufacturer",
    "mdl": "model",
    "sw": "sw_version",
    "sn": "serial_number",
}
ORIGIN = {"name", "sw_version", "support_url"}
SHORT_ORIGIN = {"sw": "sw_version", "url": "support_url"}
ENTITY = {
    *(
        "platform",
        "unique_id",
        "name",
        "icon",
        "entity_category",
        "enabled_by_default",
        "availability",
        "availability_mode",
    ),
    *("json_attributes_topic", "json_attributes_template", "default_entity_id", "qos", "encoding"),
}
READS = {"state_topic", "value_template", "expire_after", "force_update", "device_class"}
PLATFORMS = {
    "sensor": READS
    | {"state_class", "unit_of_measurement", "options", "suggested_display_precision", "last_reset_value_template"},
    "binary_sensor": READS | {"payload_on", "payload_off", "off_delay"},
    "button": {"command_topic", "command_template", "payload_press", "retain", "device_class"},
}
CATEGORIES = {"sensor": {"diagnostic"}, "binary_sensor": {"diagnostic"}, "button": {"diagnostic", "config"}}
STATE_CLASSES = {"measurement", "measurement_angle", "total", "total_increasing"}
BINARY_CLASSES = {
    "connectivity",
    "problem",
    "running",
    "safety",
    "power",
    "heat",
    "cold",
    "light",
    "moving",
    "vibration",
}
BUTTON_CLASSES = {"identify", "restart", "update"}
UNITS: dict[str, set[str | None]] = {
    "temperature": {"°C", "°F", "K"},
    "pressure": {"Pa", "hPa", "kPa", "bar", "cbar", "mbar", "mmHg", "inHg", "psi"},
    "volume_flow_rate": {"m³/h", "m³/s", "ft³/min", "L/h", "L/min", "L/s", "gal/min", "mL/s"},
    "current": {"A", "mA"},
    "voltage": {"V", "mV", "µV", "kV", "MV"},
    "power": {"mW", "W", "kW", "MW", "GW", "TW"},
    "apparent_power": {"VA"},
    "frequency": {"Hz", "kHz", "MHz", "GHz"},
    "illuminance": {"lx"},
    "speed": {"mm/s", "in/s", "m/s", "ft/s", "km/h", "mph", "kn", "mm/d", "in/d", "in/h", "mm/h", "Beaufort"},
    "duration": {"d", "h", "min", "s", "ms"},
    "enum": {None},
}
LOOK = re.compile(r'\{\{ value_json((?:\["(?:[^"\\]|\\.)*"\])+)( \| tojson)? \}\}')


def complaints(topic: str, payload: dict[str, Any]) -> list[str]:
    """This returns what Home Assistant would not take of a description."""
    out = [] if TOPIC.fullmatch(topic) else [f"{topic}: not a topic of device discovery"]
    root = _long(payload, SHORT_ROOT)
    out += [f"{key}: unknown at the root" for key in root.keys() - ROOT]
    out += [f"{key}: missing" for key in ("device", "origin", "components") if not root.get(key)]
    device, origin = _long(root.get("device", {}), SHORT_DEVICE), _long(root.get("origin", {}), SHORT_ORIGIN)
    out += [f"device.{key}: unknown" for key in device.keys() - DEVICE]
    out += [f"origin.{key}: unknown" for key in origin.keys() - ORIGIN]
    if not (device.get("identifiers") or device.get("connections")):
        out.append("device: neither identifiers nor connections")
    if not isinstance(origin.get("name"), str):
        out.append("origin.name: missing")
    ids = [entity.get("unique_id") for entity in root.get("components", {}).values()]
    if len(set(ids)) != len(ids):
        out.append("a unique_id stands twice")
    shared = {key: root[key] for key in ("availability", "state_topic", "command_topic") if key in root}
    for key, entity in root.get("components", {}).items():
        found = {**shared, **_long(entity, {"p": "platform"})}
        out += [f"{key}: {text}" for text in _of_entity(found)]
    return out


def _of_entity(entity: dict[str, Any]) -> list[str]:
    platform = entity.get("platform")
    if platform not in PLATFORMS:
        return [f"platform {platform}"]
    inherited = {"state_topic", "command_topic"}  # a platform that has no use for one drops it
    out = [f"{key}: unknown to a {platform}" for key in entity.keys() - ENTITY - PLATFORMS[platform] - inherited]
    if not isinstance(entity.get("unique_id"), str):
        out.append("no unique_id")
    if not isinstance(entity.get("name"), str):
        out.append("no name")
    needed = "command_topic" if platform == "button" else "state_topic"
    if not isinstance(entity.get(needed), str):
        out.append(f"no {needed}")
    if entity.get("entity_category") not in {None, *CATEGORIES[platform]}:
        out.append(f"entity_category {entity['entity_category']}")
    for each in entity.get("availability", []):
        out += [
            f"availability.{key}"
            for key in each.keys() - {"topic", "value_template", "payload_available", "payload_not_available"}
        ]
    class_ = entity.get("device_class")
    if platform == "sensor":
        out += _of_sensor(entity, class_)
    elif class_ not in {None, *(BINARY_CLASSES if platform == "binary_sensor" else BUTTON_CLASSES)}:
        out.append(f"device_class {class_}")
    if not isinstance(entity.get("expire_after", 1), int):
        out.append("expire_after is no whole number")
    return out


def _of_sensor(entity: dict[str, Any], class_: str | None) -> list[str]:
    out: list[str] = []
    if class_ is not None and entity.get("unit_of_measurement") not in UNITS.get(class_, set()):
        out.append(f"{class_} in {entity.get('unit_of_measurement')}")
    if entity.get("state_class") not in {None, *STATE_CLASSES}:
        out.append(f"state_class {entity['state_class']}")
    if ("options" in entity) != (class_ == "enum"):
        out.append("options and enum go together")
    if "options" in entity and (entity.get("state_class") or "unit_of_measurement" in entity or not entity["options"]):
        out.append("options with a state_class or a unit, or empty")
    return out


def shown(template: str, payload: dict[str, Any]) -> Any:
    """This returns what one of our templates looks at: they are all a look into one JSON, or one word of it compared."""
    found = LOOK.fullmatch(template)
    assert found, template
    at: Any = payload
    for step in re.findall(r'\["((?:[^"\\]|\\.)*)"\]', found[1]):
        at = at[json.loads(f'"{step}"')]
    return at


def _long(table: dict[str, Any], short: dict[str, str]) -> dict[str, Any]:
    return {short.get(key, key): value for key, value in table.items()}

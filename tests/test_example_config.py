"""The example is the reference: every key that exists stands in it, with the default that it really has."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from sickbay import config

EXAMPLE = Path(__file__).parent.parent / "docs" / "sickbay.toml"
TABLES: dict[str, type[msgspec.Struct]] = {
    "device": config.Device,
    "paths": config.Paths,
    "mqtt": config.Mqtt,
    "consent": config.ConsentTable,
    "sources.rig": config.SerialLine,
    "sources.pins": config.Gpio,
    "sources.old": config.Replay,
    "sources.car": config.Obd,
    "signals.flow": config.SignalTable,
    "outputs.fan_relay": config.OutputTable,
    "parts.pump": config.PartTable,
    "policy": config.PolicyTable,
    "orders": config.OrdersTable,
    "metrics": config.MetricsTable,
    "home_assistant": config.HomeAssistantTable,
}


def lines_of(table: str) -> dict[str, tuple[bool, str]]:
    """This returns {key: (commented out, value as written)} of one table of the example."""
    found: dict[str, tuple[bool, str]] = {}
    at = ""
    for line in EXAMPLE.read_text().splitlines():
        head = re.match(r"(?:# )?\[([a-z_.]+)\]", line)
        if head:
            at = head[1]
        key = re.match(r"(# )?([a-z_]+) = (.*)", line)
        if key and (at == table or at == table.replace("flow", "fan_tach").replace("pump", "fan")):
            found.setdefault(key[2], (bool(key[1]), re.sub(r"\s+#.*", "", key[3])))
    return found


def test_the_example_is_valid() -> None:
    assert config.load(EXAMPLE).parts["pump"].essential


def test_every_key_of_every_table_stands_in_the_example() -> None:
    """A key that only the source knows is a key that nobody uses."""
    missing = [
        f"{table}.{field.encode_name}"
        for table, struct in TABLES.items()
        for field in msgspec.structs.fields(struct)
        if field.encode_name not in lines_of(table)
    ]
    assert missing == []


def test_a_default_in_a_comment_is_the_real_default() -> None:
    for table in (
        "mqtt",
        "sources.rig",
        "sources.old",
        "sources.car",
        "outputs.fan_relay",
        "policy",
        "paths",
        "orders",
        "metrics",
        "home_assistant",
    ):
        defaults: dict[str, Any] = {
            f.encode_name: f.default for f in msgspec.structs.fields(TABLES[table]) if not f.required
        }
        for key, (commented, text) in lines_of(table).items():
            if not commented or key not in defaults or defaults[key] in (None, msgspec.NODEFAULT):
                continue
            written = tomllib.loads(f"x = {text}")["x"]
            assert written == (list(defaults[key]) if isinstance(defaults[key], tuple) else defaults[key]), (table, key)

"""This turns a TOML file into frozen facts. An unknown key is an error that names the nearest known one."""

import difflib
import os
import re
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, Literal

import msgspec

from sickbay.core.equipment import Equipment, Mode, Output, Part, Policy, Signal
from sickbay.errors import ConfigError


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of every table: frozen, and closed to unknown keys."""


class Device(Struct):
    """[device]"""

    id: str = ""  # "": derived from /etc/machine-id
    model: str = ""  # the cohort that the fleet compares with


class Paths(Struct):
    """[paths]; "" means: where systemd says, else under the home folder."""

    state: str = ""
    socket: str = ""
    events: str = "events.jsonl"


class Mqtt(Struct):
    """[mqtt]"""

    url: str
    prefix: str = "sickbay/1"
    username: str = ""
    password_file: str = ""  # a systemd credential, or a file only the daemon may read
    ca: str = ""
    cert: str = ""
    key: str = ""
    keepalive_s: int = 22


class SerialLine(Struct, tag_field="driver", tag="serial_line"):
    """[sources.X] driver = "serial_line": lines of text from any pyserial URL."""

    port: str
    format: Literal["json", "csv", "kv", "nmea", "regex"]
    baud: int = 115200
    checksum: Literal["none", "xor", "crc16"] = "none"
    columns: tuple[str, ...] = ()  # csv; a header line in the stream also names them
    delimiter: str = ","  # csv
    pattern: str = ""  # regex with named groups
    line_bytes_max: int = 4096  # longer lines are garbage
    silent_s: float = 0.0  # reopen after this much silence; 0: never


class Pin(Struct):
    """One GPIO input: a level, or counted edges."""

    pin: int
    pull: Literal["up", "down", "none"] = "none"
    active_low: bool = False
    count: Literal["", "rising", "falling", "both"] = ""
    pulses_per_rev: float = 0.0  # with count: the field is rev/min; without: edges a second


class Gpio(Struct, tag_field="driver", tag="gpio"):
    """[sources.X] driver = "gpio": sampled levels and counted edges."""

    inputs: dict[str, Pin]
    sample_s: float = 1.0
    chip: str = ""  # e.g. "/dev/gpiochip0"; "": found out


class Replay(Struct, tag_field="driver", tag="replay"):
    """[sources.X] driver = "replay": a recording played as if it were live."""

    path: str
    speed: float = 1.0  # times real time; 0: as fast as it goes
    delimiter: str = ""  # "": found out
    time_column: str = ""  # "": found out


Source = SerialLine | Gpio | Replay


class SignalTable(Struct, rename={"from_": "from"}):
    """[signals.X]"""

    from_: str
    unit: str = ""
    every_s: float = 1.0
    range: tuple[float, float] | None = None
    rate_max_per_s: float | None = None
    redundant_with: str | None = None
    substitute: str | None = None
    sentinel: float | tuple[float, ...] = ()
    lsb: float = 0.0
    isolate: Mode | None = None


class OutputTable(Struct):
    """[outputs.X]"""

    driver: Literal["gpio"]
    pin: int
    fail_state: Literal["on", "off"]
    isolated_state: Literal["on", "off"] = "off"
    active_low: bool = False
    read_back: int | None = None
    read_back_after_s: float = 0.05
    chip: str = ""


class PartTable(Struct):
    """[parts.X]"""

    signals: tuple[str, ...]
    essential: bool = False
    isolate: Mode = Mode.PASSIVE
    output: str | None = None
    model: str | None = None
    min_signals: int | None = None  # default: 1 for an essential part, else 0


class PolicyTable(Struct):
    """[policy]: guard rails of the whole device."""

    isolated_max: int = 3
    cooldown_s: float = 10.0
    probation_s: float = 60.0
    trial_s: float = 600.0
    relapses_max: int = 3
    cycle_s: float = 86400.0
    corroborate_rows: int = 30
    learn_rows: int = 400
    false_alarms_per_month: float = 0.1


class Config(Struct):
    """The whole file."""

    device: Device = Device()
    paths: Paths = Paths()
    mqtt: Mqtt | None = None
    sources: dict[str, Source] = {}
    signals: dict[str, SignalTable] = {}
    outputs: dict[str, OutputTable] = {}
    parts: dict[str, PartTable] = {}
    policy: PolicyTable = PolicyTable()


def load(path: Path) -> Config:
    """This returns the configuration in `path`; raises ConfigError with file, key and a mend."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return parse(text, path.name)


def parse(text: str, name: str = "config") -> Config:
    """This returns the configuration that `text` holds; `name` stands in the messages."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from None
    refuse_unknown(raw, Config, name, "")
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {plain(str(error))}") from None
    _refuse_impossible(config, name)
    try:
        equipment(config)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    return config


def equipment(config: Config) -> Equipment:
    """This returns what the core needs to know of the configuration; times become integer milliseconds."""
    signals = tuple(
        Signal(
            name=name,
            source=table.from_.partition(".")[0],
            unit=table.unit,
            every_ms=round(table.every_s * 1000),
            low=table.range[0] if table.range else None,
            high=table.range[1] if table.range else None,
            rate_max_per_s=table.rate_max_per_s,
            sentinels=table.sentinel if isinstance(table.sentinel, tuple) else (table.sentinel,),
            lsb=table.lsb,
            redundant_with=table.redundant_with,
            substitute=table.substitute,
            isolate=table.isolate,
        )
        for name, table in config.signals.items()
    )
    outputs = tuple(
        Output(name, table.fail_state == "on", table.isolated_state == "on", table.read_back is not None)
        for name, table in config.outputs.items()
    )
    parts = tuple(
        Part(
            name=name,
            signals=t.signals,
            essential=t.essential,
            isolate=t.isolate,
            output=t.output,
            has_model=t.model is not None,
            min_signals=t.min_signals if t.min_signals is not None else int(t.essential),
        )
        for name, t in config.parts.items()
    )
    if not parts and signals:
        parts = (Part("device", tuple(s.name for s in signals)),)
    p = config.policy
    policy = Policy(
        isolated_max=p.isolated_max,
        cooldown_ms=round(p.cooldown_s * 1000),
        probation_ms=round(p.probation_s * 1000),
        trial_ms=round(p.trial_s * 1000),
        relapses_max=p.relapses_max,
        cycle_ms=round(p.cycle_s * 1000),
        corroborate_rows=p.corroborate_rows,
        learn_rows=p.learn_rows,
        false_alarms_per_month=p.false_alarms_per_month,
    )
    return Equipment(device_id(config), signals, parts, outputs, policy)


def fields_of(config: Config, source: str) -> dict[str, str]:
    """This returns {field of the source: signal name} for one source."""
    pairs = ((t.from_.partition("."), name) for name, t in config.signals.items())
    return {field: name for (src, _, field), name in pairs if src == source}


def device_id(config: Config) -> str:
    """This returns the configured id, else one derived from /etc/machine-id, which itself must stay private."""
    if config.device.id:
        return config.device.id
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        machine = os.uname().nodename
    # machine-id(5): "should not be used directly"; a keyed hash of it is what it recommends.
    import hashlib

    return "device-" + hashlib.blake2s(b"sickbay", key=machine.encode()[:32]).hexdigest()[:10]


def state_dir(config: Config) -> Path:
    """This returns where the daemon keeps what must last."""
    if config.paths.state:
        return Path(config.paths.state).expanduser()
    if os.environ.get("STATE_DIRECTORY"):
        return Path(os.environ["STATE_DIRECTORY"].split(":")[0])
    return Path.home() / ".local" / "state" / "sickbay"


def socket_path(config: Config) -> Path:
    """This returns where the daemon listens for a person's orders."""
    if config.paths.socket:
        return Path(config.paths.socket).expanduser()
    if os.environ.get("RUNTIME_DIRECTORY"):
        return Path(os.environ["RUNTIME_DIRECTORY"].split(":")[0]) / "sickbay.sock"
    return state_dir(config) / "sickbay.sock"


def refuse_unknown(raw: object, kind: Any, name: str, at: str) -> None:
    """This walks tables beside their types and raises at the first key that no type knows."""
    if not isinstance(raw, dict):
        return
    struct = _struct_for(kind, raw)
    if struct is None:
        of = _dict_value(kind)
        if of is not None:
            for key, value in raw.items():
                refuse_unknown(value, of, name, f"{at}{key}.")
        return
    known: dict[str, Any] = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    tag = struct.__struct_config__.tag_field
    for key, value in raw.items():
        if key == tag:
            continue
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            mend = f'Did you mean "{near[0]}"?' if near else f"Known here: {', '.join(sorted(known))}"
            raise ConfigError(f"{name}: {at}{key}: unknown key. {mend}")
        refuse_unknown(value, known[key], name, f"{at}{key}.")


def _struct_for(kind: Any, raw: dict[str, Any]) -> type[msgspec.Struct] | None:
    """This returns the struct that a table is meant to be, by its tag where there is a choice."""
    choices = [k for k in _alternatives(kind) if isinstance(k, type) and issubclass(k, msgspec.Struct)]
    if len(choices) == 1:
        return choices[0]
    return next((k for k in choices if k.__struct_config__.tag == raw.get("driver")), None)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return typing.get_args(kind)
    return (kind,)


def _dict_value(kind: Any) -> Any:
    """This returns V of dict[str, V], else None."""
    return typing.get_args(kind)[1] if typing.get_origin(kind) is dict else None


def plain(message: str) -> str:
    """This turns msgspec's "... - at `$.a.b`" into "a.b: ..."."""
    found = re.fullmatch(r"(.*?)(?: - at `(?:key in )?\$\.?(.*?)`)?", message, re.DOTALL)
    assert found
    what, where = found.group(1), found.group(2)
    what = re.sub(r"Object missing required field `(\w+)`", r'"\1" is missing', what)
    return f"{where}: {what}" if where else what


def _refuse_impossible(config: Config, name: str) -> None:
    """This raises where values are of the right type and still cannot be."""
    for signal, table in config.signals.items():
        source, dot, field = table.from_.partition(".")
        if not dot or not field:
            raise ConfigError(f'{name}: signals.{signal}.from: "{table.from_}" is not of the form source.field')
        if source not in config.sources:
            near = difflib.get_close_matches(source, config.sources, n=1, cutoff=0.5)
            mend = f' Did you mean "{near[0]}"?' if near else ""
            raise ConfigError(f'{name}: signals.{signal}.from: there is no source "{source}".{mend}')
        if not 0.001 <= table.every_s <= 86400:
            raise ConfigError(f"{name}: signals.{signal}.every_s: {table.every_s:g} is not between 0.001 and 86400")
    for source, driver in config.sources.items():
        if isinstance(driver, SerialLine) and driver.format == "regex":
            try:
                groups = re.compile(driver.pattern).groupindex
            except re.error as error:
                raise ConfigError(f"{name}: sources.{source}.pattern: not a regular expression: {error}") from None
            if not groups:
                raise ConfigError(f"{name}: sources.{source}.pattern: name what it finds, as in (?P<flow>[0-9.]+)")
        if isinstance(driver, Gpio):
            for field in fields_of(config, source):
                if field not in driver.inputs:
                    raise ConfigError(
                        f"{name}: signals: {source}.{field} is read, but sources.{source} has no such input"
                    )
    if config.mqtt and not re.fullmatch(r"mqtts?://[^/\s]+/?", config.mqtt.url):
        raise ConfigError(
            f'{name}: mqtt.url: "{config.mqtt.url}" is not of the form mqtt://HOST:PORT or mqtts://HOST:PORT'
        )

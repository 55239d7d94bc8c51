"""This turns a TOML file into frozen facts. An unknown key is an error that names the nearest known one."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from sickbay import pids, toml
from sickbay.core.equipment import Equipment, Mode, Output, Part, Policy, Signal
from sickbay.errors import ConfigError

LEARN_ROWS_LEAST = 40  # fewer say nothing of how a signal wanders
YEAR_S = 366 * 86400.0
ORDER_KEYS_MAX = 16


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of every table: frozen, and closed to unknown keys."""


class Device(Struct, frozen=True):
    """[device]"""

    id: str = ""  # "": derived from /etc/machine-id
    model: str = ""  # the cohort that the fleet compares with


class Paths(Struct, frozen=True):
    """[paths]; "" means: where systemd says, else under the home folder."""

    state: str = ""
    socket: str = ""
    events: str = "events.jsonl"


class Mqtt(Struct, frozen=True):
    """[mqtt]"""

    url: str
    prefix: str = "sickbay/1"
    username: str = ""
    password_file: str = ""  # a systemd credential, or a file only the daemon may read
    ca: str = ""
    cert: str = ""
    key: str = ""
    keepalive_s: int = 22
    keep_days: float = 30.0  # how long a message waits that is no news any more; critical and open ones wait for ever


class SerialLine(Struct, frozen=True, tag_field="driver", tag="serial_line"):
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


class Pin(Struct, frozen=True):
    """One GPIO input: a level, or counted edges."""

    pin: int
    pull: Literal["up", "down", "none"] = "none"
    active_low: bool = False
    count: Literal["", "rising", "falling", "both"] = ""
    pulses_per_rev: float = 0.0  # with count: the field is rev/min; without: edges a second


class Gpio(Struct, frozen=True, tag_field="driver", tag="gpio"):
    """[sources.X] driver = "gpio": sampled levels and counted edges."""

    inputs: dict[str, Pin]
    sample_s: float = 1.0
    chip: str = ""  # e.g. "/dev/gpiochip0"; "": found out


class Replay(Struct, frozen=True, tag_field="driver", tag="replay"):
    """[sources.X] driver = "replay": a recording played as if it were live."""

    path: str
    speed: float = 1.0  # times real time; 0: as fast as it goes
    delimiter: str = ""  # "": found out
    time_column: str = ""  # "": found out


class Obd(Struct, frozen=True, tag_field="driver", tag="obd"):
    """[sources.X] driver = "obd": an ELM327-class adapter in a car's diagnostic socket."""

    port: str
    baud: int = 0  # 0: found out
    pids: dict[str, str] = {}  # field -> "0105" or a standard name; a field that is a standard name needs no line
    timeout_s: float = 2.0  # for one answer; four times as long while it looks for the car's protocol
    asleep_s: float = 10.0  # how often a car that is switched off is looked at


Source = SerialLine | Gpio | Replay | Obd


class SignalTable(Struct, frozen=True, rename={"from_": "from"}):
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
    limit_low: float | None = None
    limit_high: float | None = None
    isolate: Mode | None = None


class OutputTable(Struct, frozen=True):
    """[outputs.X]"""

    driver: Literal["gpio"]
    pin: int
    fail_state: Literal["on", "off"]
    isolated_state: Literal["on", "off"] = "off"
    active_low: bool = False
    read_back: int | None = None
    read_back_after_s: float = 0.05
    chip: str = ""


class PartTable(Struct, frozen=True):
    """[parts.X]"""

    signals: tuple[str, ...]
    essential: bool = False
    isolate: Mode = Mode.PASSIVE
    output: str | None = None
    model: str | None = None
    min_signals: int | None = None  # default: 1 for an essential part, else 0


class PolicyTable(Struct, frozen=True):
    """[policy]: guard rails of the whole device."""

    isolated_max: int = 3
    cooldown_s: float = 10.0
    probation_s: float = 60.0
    trial_s: float = 600.0
    relapses_max: int = 3
    cycle_s: float = 86400.0
    corroborate_rows: int = 30
    learn_rows: int = 400
    warn_ahead_s: float = 604_800.0
    false_alarms_per_month: float = 0.1


class OrdersTable(Struct, frozen=True):
    """[orders]: who may order from afar, and how much."""

    keys: tuple[str, ...] = ()  # files of public keys; a bare name is a systemd credential where there are any
    two_key: bool = False
    tighten_max: float = 1.5


class MetricsTable(Struct, frozen=True):
    """[metrics]: a page for a Prometheus on this machine."""

    listen: str = ""  # HOST:PORT on the loopback interface; "" switches it off


class Config(Struct, frozen=True):
    """The whole file."""

    device: Device = Device()
    paths: Paths = Paths()
    mqtt: Mqtt | None = None
    sources: dict[str, Source] = {}
    signals: dict[str, SignalTable] = {}
    outputs: dict[str, OutputTable] = {}
    parts: dict[str, PartTable] = {}
    policy: PolicyTable = PolicyTable()
    orders: OrdersTable = OrdersTable()
    metrics: MetricsTable = MetricsTable()


def load(path: Path) -> Config:
    """This returns the configuration in `path`; raises ConfigError with file, key and a mend."""
    config = parse(toml.read(path), path.name)
    base, paths = path.absolute().parent, config.paths
    placed = {key: str(base / Path(at).expanduser()) for key in ("state", "socket") if (at := getattr(paths, key))}
    orders = msgspec.structs.replace(config.orders, keys=tuple(_placed(base, key) for key in config.orders.keys))
    return msgspec.structs.replace(config, paths=msgspec.structs.replace(paths, **placed), orders=orders)


def _placed(base: Path, file: str) -> str:
    """This returns where a file is: a bare name is a systemd credential where there are any (systemd.exec(5), LoadCredential=)."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and "/" not in file and (Path(credentials) / file).exists():
        return str(Path(credentials) / file)
    return str(base / Path(file).expanduser())


def parse(text: str, name: str = "config") -> Config:
    """This returns the configuration that `text` holds; `name` stands in the messages."""
    config = toml.convert(text, Config, name)
    try:
        for complaint in _impossible(config):
            raise ConfigError(complaint)
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
            limit_low=table.limit_low,
            limit_high=table.limit_high,
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
        warn_ahead_ms=round(p.warn_ahead_s * 1000),
        false_alarms_per_month=p.false_alarms_per_month,
        two_key=config.orders.two_key,
        tighten_max=config.orders.tighten_max,
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


def _impossible(config: Config) -> Iterator[str]:
    """This yields a complaint for each value that is of the right type and still cannot be."""
    yield from _impossible_device(config)
    yield from _impossible_signals(config)
    for name, driver in config.sources.items():
        yield from _impossible_source(f"sources.{name}", driver, fields_of(config, name))
    yield from _impossible_pins(config)
    for name, part in config.parts.items():
        if not part.signals:
            yield f"parts.{name}.signals: empty: a part is judged by its signals. Name one at least"
        if part.min_signals is not None and not 0 <= part.min_signals <= len(part.signals):
            yield f"parts.{name}.min_signals: {part.min_signals} is not between 0 and its {len(part.signals)} signals"
    p = config.policy
    for key in ("cooldown_s", "probation_s", "trial_s", "warn_ahead_s"):
        yield from _outside(f"policy.{key}", getattr(p, key), 0.0, YEAR_S)
    yield from _outside("policy.cycle_s", p.cycle_s, 1.0, YEAR_S)
    yield from _outside("policy.learn_rows", p.learn_rows, LEARN_ROWS_LEAST, 100_000)
    yield from _outside("policy.corroborate_rows", p.corroborate_rows, 1, 100_000)
    yield from _outside("policy.isolated_max", p.isolated_max, 0, 10_000)
    yield from _outside("policy.relapses_max", p.relapses_max, 0, 10_000)
    yield from _outside("policy.false_alarms_per_month", p.false_alarms_per_month, 1e-6, 1000.0)
    if config.metrics.listen and not re.fullmatch(r"(127\.0\.0\.1|localhost|\[::1\]):\d{1,5}", config.metrics.listen):
        yield f'metrics.listen: "{config.metrics.listen}" is not on this machine alone. Try "127.0.0.1:9464"'
    yield from _outside("orders.tighten_max", config.orders.tighten_max, 1.0, 3.0)
    if len(config.orders.keys) > ORDER_KEYS_MAX:
        yield f"orders.keys: {len(config.orders.keys)} keys are more than the {ORDER_KEYS_MAX} that are kept apart. Remove some"


def _outside(key: str, value: float, least: float, most: float) -> Iterator[str]:
    if not least <= value <= most:
        yield f"{key}: {value:g} is not between {least:g} and {most:g}"


def _impossible_device(config: Config) -> Iterator[str]:
    if any(c.isspace() or c in "/#+" or ord(c) < 32 for c in config.device.id):
        yield f'device.id: "{config.device.id}": it stands in MQTT topics and has no blanks and none of / # +'
    mqtt = config.mqtt
    if mqtt is None:
        return
    if not re.fullmatch(r"mqtts?://[^/\s]+/?", mqtt.url):
        yield f'mqtt.url: "{mqtt.url}" is not of the form mqtt://HOST:PORT or mqtts://HOST:PORT'
    elif (port := re.search(r":(\d+)/?$", mqtt.url)) and not 1 <= int(port[1]) <= 65535:
        yield f"mqtt.url: {port[1]} is no port; 1 to 65535, and 1883 where none stands there"
    if not re.fullmatch(r"[^/#+\s]+(/[^/#+\s]+)*", mqtt.prefix):
        yield f'mqtt.prefix: "{mqtt.prefix}" is not the beginning of a topic. Try "sickbay/1"'
    # Below, a slow link counts as dead; above, a dead one as alive for longer than anyone waits. MQTT itself ends at 65535.
    yield from _outside("mqtt.keepalive_s", mqtt.keepalive_s, 5, 1200)
    yield from _outside("mqtt.keep_days", mqtt.keep_days, 1, 3660)


def _impossible_signals(config: Config) -> Iterator[str]:
    readers: dict[str, str] = {}
    for name, table in config.signals.items():
        at = f"signals.{name}"
        source, dot, field = table.from_.partition(".")
        if not dot or not field:
            yield f'{at}.from: "{table.from_}" is not of the form source.field'
        if source not in config.sources:
            yield f'{at}.from: there is no source "{source}".{toml.nearest(source, config.sources)}'
        if table.from_ in readers:
            yield f'{at}.from: "{table.from_}" is read by signals.{readers[table.from_]} already. Remove one of the two'
        readers[table.from_] = name
        yield from _outside(f"{at}.every_s", table.every_s, 0.001, 86400)
        yield from _outside(f"{at}.lsb", table.lsb, 0.0, 1e300)
        if table.rate_max_per_s is not None and table.rate_max_per_s <= 0:
            yield f"{at}.rate_max_per_s: {table.rate_max_per_s:g} is not above 0. Leave it out for no limit"


def _impossible_source(at: str, driver: Source, fields: dict[str, str]) -> Iterator[str]:
    if isinstance(driver, SerialLine):
        if not driver.port:
            yield f"{at}.port: empty. Name a path such as /dev/ttyACM0, or a URL such as socket://HOST:PORT"
        yield from _outside(f"{at}.baud", driver.baud, 1, 10_000_000)
        yield from _outside(f"{at}.line_bytes_max", driver.line_bytes_max, 1, 1 << 20)
        yield from _outside(f"{at}.silent_s", driver.silent_s, 0.0, 86400)
        if len(driver.delimiter) != 1:
            yield f'{at}.delimiter: "{driver.delimiter}" is not one character'
        if driver.format == "regex":
            try:
                named = re.compile(driver.pattern).groupindex
            except re.error as error:
                yield f"{at}.pattern: not a regular expression: {error}"
                return
            if not named:
                yield f"{at}.pattern: name what it finds, as in (?P<flow>[0-9.]+)"
    elif isinstance(driver, Gpio):
        yield from _outside(f"{at}.sample_s", driver.sample_s, 0.001, 86400)
        for field in fields:
            if field not in driver.inputs:
                mend = toml.nearest(field, driver.inputs)
                yield f"signals.{fields[field]}.from: {at} has no input {field!r}.{mend}"
        for name, pin in driver.inputs.items():
            yield from _outside(f"{at}.inputs.{name}.pulses_per_rev", pin.pulses_per_rev, 0.0, 1e6)
    elif isinstance(driver, Obd):
        yield from pids.complaints(at, driver.port, driver.pids, fields)
        yield from _outside(f"{at}.timeout_s", driver.timeout_s, 0.01, 60.0)
    else:
        if not driver.path:
            yield f"{at}.path: empty. Name a recording"
        yield from _outside(f"{at}.speed", driver.speed, 0.0, 1e6)
        if len(driver.delimiter) > 1:
            yield f'{at}.delimiter: "{driver.delimiter}" is not one character'


def _impossible_pins(config: Config) -> Iterator[str]:
    """Each pin has one use: two outputs on one pin would undo each other."""
    uses: dict[tuple[str, int], str] = {}
    for key, chip, number in _pins(config):
        if not 0 <= number <= 1023:
            yield f"{key}: {number} is not a pin's number. Use the chip's own, as GPIO17 is 17"
        if (chip, number) in uses:
            yield f"{key}: pin {number} is {uses[chip, number]} already. Give each a pin of its own"
        uses[chip, number] = key


def _pins(config: Config) -> Iterator[tuple[str, str, int]]:
    for source, driver in config.sources.items():
        if isinstance(driver, Gpio):
            for name, pin in driver.inputs.items():
                yield f"sources.{source}.inputs.{name}.pin", driver.chip, pin.pin
    for name, output in config.outputs.items():
        yield f"outputs.{name}.pin", output.chip, output.pin
        if output.read_back is not None:
            yield f"outputs.{name}.read_back", output.chip, output.read_back

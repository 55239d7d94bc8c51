"""This turns a TOML file into frozen facts. An unknown key is an error that names the nearest known one."""

import os
from pathlib import Path

import msgspec

from sickbay import toml
from sickbay.config.impossible import complaints
from sickbay.config.tables import (
    Config,
    ConsentTable,
    Device,
    Gpio,
    HomeAssistantTable,
    MetricsTable,
    Mqtt,
    Obd,
    OrdersTable,
    OutputTable,
    PartTable,
    Paths,
    Pin,
    PolicyTable,
    Replay,
    SerialLine,
    SignalTable,
    Source,
    Struct,
    fields_of,
)
from sickbay.core.equipment import Equipment, Output, Part, Policy, Signal
from sickbay.errors import ConfigError

__all__ = [
    "Config",
    "ConsentTable",
    "Device",
    "Gpio",
    "HomeAssistantTable",
    "MetricsTable",
    "Mqtt",
    "Obd",
    "OrdersTable",
    "OutputTable",
    "PartTable",
    "Paths",
    "Pin",
    "PolicyTable",
    "Replay",
    "SerialLine",
    "SignalTable",
    "Source",
    "Struct",
    "device_id",
    "equipment",
    "fields_of",
    "load",
    "parse",
    "socket_path",
    "state_dir",
]


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
        for complaint in complaints(config):
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
        Output(name, table.fail_state == "on", table.isolated_state == "on") for name, table in config.outputs.items()
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
        buttons=config.home_assistant.buttons if config.home_assistant.discovery else (),
    )
    return Equipment(device_id(config), signals, parts, outputs, policy)


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

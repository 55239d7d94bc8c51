"""This turns the receiving end's TOML file into facts, by the same rules as the device's."""

import re
import tomllib
from pathlib import Path

import msgspec
from sickbay.config import Mqtt, Struct, plain, refuse_unknown
from sickbay.errors import ConfigError


class Store(Struct, frozen=True):
    """[store]"""

    url: str  # sqlite:///PATH


class Http(Struct, frozen=True):
    """[http]"""

    listen: str


class Settings(Struct, frozen=True):
    """The whole file."""

    mqtt: Mqtt
    store: Store
    http: Http | None = None


def load(path: Path) -> Settings:
    """This returns the settings in `path`; raises ConfigError with file, key and a mend."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name}: not TOML: {error}") from None
    refuse_unknown(raw, Settings, path.name, "")
    try:
        settings = msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path.name}: {plain(str(error))}") from None
    if not re.fullmatch(r"mqtts?://[^/\s]+/?", settings.mqtt.url):
        raise ConfigError(f'{path.name}: mqtt.url: "{settings.mqtt.url}" is not of the form mqtt://HOST:PORT')
    if not settings.store.url.removeprefix("sqlite:///") or not settings.store.url.startswith("sqlite:///"):
        raise ConfigError(f'{path.name}: store.url: "{settings.store.url}" is not of the form sqlite:///PATH')
    return settings


def database(settings: Settings) -> Path:
    """This returns the file behind store.url; sqlite:////abs/path and sqlite:///relative, as elsewhere."""
    return Path(settings.store.url.removeprefix("sqlite:///")).expanduser()

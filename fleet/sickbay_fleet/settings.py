"""This turns the receiving end's TOML file into facts, by the same rules as the device's."""

import re
from pathlib import Path

from sickbay import toml
from sickbay.config import Mqtt, Struct
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
    settings = toml.convert(toml.read(path), Settings, path.name)
    if not re.fullmatch(r"mqtts?://[^/\s]+/?", settings.mqtt.url):
        raise ConfigError(f'{path.name}: mqtt.url: "{settings.mqtt.url}" is not of the form mqtt://HOST:PORT')
    if not settings.store.url.removeprefix("sqlite:///") or not settings.store.url.startswith("sqlite:///"):
        raise ConfigError(f'{path.name}: store.url: "{settings.store.url}" is not of the form sqlite:///PATH')
    return settings


def database(settings: Settings) -> Path:
    """This returns the file behind store.url; sqlite:////abs/path and sqlite:///relative, as elsewhere."""
    return Path(settings.store.url.removeprefix("sqlite:///")).expanduser()

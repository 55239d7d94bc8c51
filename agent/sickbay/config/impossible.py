"""This finds what is of the right type in a configuration and still cannot be."""

import re
from collections.abc import Iterator

from sickbay import toml
from sickbay.config.tables import Config, Gpio, Obd, SerialLine, Source, fields_of

LEARN_ROWS_LEAST = 40  # fewer say nothing of how a signal wanders
YEAR_S = 366 * 86400.0
ORDER_KEYS_MAX = 16


def complaints(config: Config) -> Iterator[str]:
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
    yield from _impossible_home(config)
    yield from _outside("orders.tighten_max", config.orders.tighten_max, 1.0, 3.0)
    if len(config.orders.keys) > ORDER_KEYS_MAX:
        yield f"orders.keys: {len(config.orders.keys)} keys are more than the {ORDER_KEYS_MAX} that are kept apart. Remove some"


def _impossible_home(config: Config) -> Iterator[str]:
    home = config.home_assistant
    yield from _outside("home_assistant.every_s", home.every_s, 1.0, 3600.0)
    if not re.fullmatch(r"[^\s#+/\x00]+(/[^\s#+/\x00]+)*", home.prefix):
        yield f'home_assistant.prefix: "{home.prefix}" cannot be a topic. Home Assistant\'s own default is "homeassistant"'
    if home.discovery and config.mqtt is None:
        yield "home_assistant.discovery: true, and there is no [mqtt]: it is told over that broker. Name one in mqtt.url"


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
    if mqtt.bytes_per_day:
        yield from _outside("mqtt.bytes_per_day", mqtt.bytes_per_day, 10_000, 1e12)


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
        from sickbay import pids  # only who reads a car pays for its table

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

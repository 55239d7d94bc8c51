"""This builds what a configuration names: sources, models, and what earlier learning left."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from sickbay import config as configuration
from sickbay.config import Config, Gpio, Obd, SerialLine
from sickbay.core.baseline import Learnt
from sickbay.core.equipment import Equipment
from sickbay.edge.scorer.find import resolve
from sickbay.edge.scorer.model_file import read_card
from sickbay.edge.sources import Clock, Driver, Sink
from sickbay.errors import ModelFileError

log = logging.getLogger("sickbay")


def sources(config: Config, base: Path, clock: Clock, sink: Sink) -> list[Driver]:
    """This returns the driver of every source; imports follow need, since a Pi pays for each in memory."""
    drivers: list[Driver] = []
    for name, table in config.sources.items():
        fields = configuration.fields_of(config, name)
        if isinstance(table, SerialLine):
            from sickbay.edge.sources.serial_line import SerialLineSource

            drivers.append(SerialLineSource(name, table, fields, clock, sink))
        elif isinstance(table, Gpio):
            from sickbay.edge.sources.gpio import GpioSource

            drivers.append(GpioSource(name, table, fields, clock, sink))
        elif isinstance(table, Obd):
            from sickbay.edge.sources.obd import ObdSource

            every_s = {field: config.signals[signal].every_s for field, signal in fields.items()}
            drivers.append(ObdSource(name, table, fields, every_s, clock, sink))
        else:
            from sickbay.edge.sources.replay import ReplaySource

            placed = msgspec.structs.replace(table, path=str(base / table.path))
            drivers.append(ReplaySource(name, placed, fields, clock, sink))
    return drivers


async def metrics(listen: str, status: Callable[[], Awaitable[dict[str, Any]]]) -> Any:
    """This returns the metrics endpoint, listening; None where none is wanted or its port is taken, which is said once."""
    if not listen:
        return None
    from sickbay.daemon import exposition
    from sickbay.edge.metrics import Metrics, MetricsError

    async def page() -> str:
        return exposition.page(await status())

    host, _, port = listen.rpartition(":")
    endpoint = Metrics(host.strip("[]"), int(port), page)
    try:
        await endpoint.start()
    except MetricsError as error:
        log.error("%s", error)
        return None
    log.info("metrics: http://%s/metrics", listen)
    return endpoint


def models(config: Config, base: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """This returns the model file of each part that has one, and what is wrong where it cannot be found."""
    found: dict[str, Path] = {}
    wrong: dict[str, str] = {}
    for part, table in config.parts.items():
        if table.model is not None:
            try:
                found[part] = resolve(table.model, base)
            except ModelFileError as error:
                wrong[part] = str(error)
    return found, wrong


def learnt(equipment: Equipment, files: Mapping[str, Path]) -> tuple[dict[str, Learnt], dict[str, str]]:
    """This returns the baselines that model files carry for these parts, and what is wrong with those that do not fit."""
    found: dict[str, Learnt] = {}
    wrong: dict[str, str] = {}
    for part in equipment.parts:
        path = files.get(part.name)
        if path is None:
            continue
        try:
            card = read_card(path.read_bytes())
            kept = card.parts.get(part.name) if card is not None else None
            if kept is not None and kept.learnt:
                baseline = msgspec.convert(kept.learnt, Learnt)
                if tuple(s.name for s in baseline.signals) != part.signals:
                    raise ModelFileError(f"{path}: its baseline is of other signals than parts.{part.name}.signals")
                found[part.name] = baseline
        except (ModelFileError, msgspec.ValidationError, OSError) as error:
            wrong[part.name] = f"{path}: {error}"
    return found, wrong

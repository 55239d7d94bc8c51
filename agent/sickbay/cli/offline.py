"""This drives the real node with a recording: the daemon's checks, learning, model and rules, in the recording's own time."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sickbay import config as configuration
from sickbay.config import Config
from sickbay.core.effects import Drive, Effect, Question
from sickbay.core.equipment import Equipment
from sickbay.core.node import Node
from sickbay.core.reading import Reading, Receipt
from sickbay.daemon import build
from sickbay.edge.scorer.blocking import BlockingWorker
from sickbay.edge.sources.replay import Recording, read_recording
from sickbay.errors import ConfigError

MINT = "replay"  # fault ids of a replay are the same each time


def columns(config: Config, recording: Recording, path: Path) -> dict[str, str]:
    """This returns {column: signal}; raises ConfigError where no column of the recording is a signal."""
    names = set(recording.columns)
    found: dict[str, str] = {}
    for signal, table in config.signals.items():
        field = table.from_.partition(".")[2]
        for name in (field, signal):
            if name in names:
                found[name] = signal
                break
    if not found:
        have, want = ", ".join(recording.columns), ", ".join(t.from_.partition(".")[2] for t in config.signals.values())
        raise ConfigError(f"{path}: no column is a signal of the configuration. It has {have}; wanted is one of {want}")
    return found


def rows(config: Config, path: Path) -> Iterator[tuple[int, dict[str, float | None]]]:
    """This yields (at_ms, {signal: value}) of a recording, from 0."""
    recording = read_recording(path)
    names = columns(config, recording, path)
    for at_s, values in recording:
        yield round(at_s * 1000), {signal: values.get(column) for column, signal in names.items()}


class Offline:
    """A node without hardware: orders to outputs are noted and taken as done."""

    def __init__(self, config: Config, base: Path, equipment: Equipment | None = None) -> None:
        self.equipment = equipment or configuration.equipment(config)
        files, self.troubles = build.models(config, base)
        learnt, misfits = build.learnt(self.equipment, files)
        self.troubles.update(misfits)
        self.node = Node(self.equipment, MINT, learnt)
        signals: Mapping[str, tuple[str, ...]] = {p.name: p.signals for p in self.equipment.parts}
        self.worker = BlockingWorker(files, signals=signals) if files else None

    def close(self) -> None:
        """This ends the model worker."""
        if self.worker is not None:
            self.worker.close()

    def start(self) -> list[Effect]:
        """This begins at time 0."""
        self.node.start(0)
        return self._effects()

    def step(self, at_ms: int, values: Mapping[str, float | None]) -> list[Effect]:
        """This feeds one instant, and lets time pass to it first. Returns what the node would have done."""
        node = self.node
        due = node.deadline_ms()
        while due is not None and due < at_ms:
            node.tick(due)
            due = node.deadline_ms()
        for signal, value in values.items():
            node.feed(Reading(signal, value, at_ms))
        node.row_over(at_ms)
        due = node.deadline_ms()
        if due is not None and due <= at_ms:
            node.tick(at_ms)
        return self._effects()

    def _effects(self) -> list[Effect]:
        out: list[Effect] = []
        while True:
            effects = self.node.take_effects()
            if not effects:
                return out
            questions = [e for e in effects if type(e) is Question]
            if questions and self.worker is not None:
                for answer in self.worker.ask_all(questions):
                    self.node.feed(answer)
            for effect in effects:
                if isinstance(effect, Drive):
                    self.node.done(Receipt(effect.effect_id, effect.at_ms, True, "not driven: a replay"))
            out += [e for e in effects if type(e) is not Question]


def span(at_ms: int) -> str:
    """This returns a time from the start as h:mm:ss."""
    seconds = at_ms // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


Progress = Callable[[int], None]


def plain(effect: Effect) -> dict[str, Any]:
    """This returns an effect as plain values, its type under "effect"."""
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(effect)
    return {"effect": found.pop("type"), **found}

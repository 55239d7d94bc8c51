"""This is the device of a bench: the daemon's own configuration, its node and its model worker, without the daemon's loop.

It can be killed and starts again from the last snapshot, as the daemon does.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from sickbay import config as configuration
from sickbay.cli.learn import fitted
from sickbay.config import Config
from sickbay.core.effects import Question
from sickbay.core.equipment import Equipment
from sickbay.core.node import Node
from sickbay.core.reading import Reading, Residuals
from sickbay.daemon import build
from sickbay.edge.scorer.blocking import BlockingWorker
from sickbay.errors import ConfigError
from sickbay_sim import configure
from sickbay_sim.scenario import Scenario
from sickbay_sim.scenario_file import ScenarioError

SNAPSHOT_MS = 1_800_000  # how often the daemon keeps all state when nothing happens

Row = dict[str, float | None]


class Unit:
    """One device. `down` while it is killed; a node that is down takes nothing and says nothing."""

    def __init__(self, scenario: Scenario, seed: int, folder: Path) -> None:
        """`folder` is for the model; raises ScenarioError where the scenario asks for what no daemon would take."""
        self.down = False
        self._scenario, self._seed, self._folder = scenario, seed, folder
        self._worker: BlockingWorker | None = None
        self._keeps = any(fault.kind == "kill" for fault in scenario.faults)
        self._kept: bytes | None = None
        self._kept_ms = 0
        self._boots = 1
        self.config: Config
        self.equipment: Equipment
        self.node: Node
        self._make({})

    def close(self) -> None:
        """This ends the model worker."""
        if self._worker is not None:
            self._worker.close()

    def learn(self, heard: Sequence[tuple[int, Row]]) -> None:
        """This fits a model to a warm-up as `sickbay learn` would, and begins anew with it."""
        policy = msgspec.structs.replace(self.equipment.policy, learn_rows=100_000)
        listener = Node(msgspec.structs.replace(self.equipment, policy=policy), "learn")
        listener.start(0)
        for at_ms, row in heard:
            for name, value in row.items():
                if value is not None:
                    listener.feed(Reading(name, value, at_ms))
            listener.row_over(at_ms)
            listener.take_effects()
        out = self._folder / "learnt.tflite"
        fitted(listener, out, f"{self._scenario.name}, {len(heard)} rows")
        self._make(dict.fromkeys((p.name for p in self.equipment.parts), out.name))

    def answers(self, questions: Sequence[Question]) -> list[Residuals]:
        """This returns what the models say to the node's questions; nothing where there is none."""
        return self._worker.ask_all(questions) if self._worker is not None and questions else []

    def keep(self, at_ms: int, lasting: bool) -> None:
        """This keeps a snapshot where something changed that must last; only a story with a kill pays for it."""
        if self._keeps and (lasting or at_ms - self._kept_ms >= SNAPSHOT_MS):
            self._kept, self._kept_ms = self.node.snapshot(), at_ms

    def kill(self) -> None:
        """This ends the process without a word: what was not in the last snapshot is gone."""
        self.down = True

    def restart(self, at_ms: int) -> None:
        """This is the next process: it takes up the last snapshot and puts every output where its part's state wants it."""
        self._boots += 1
        self.node = Node(self.equipment, f"bench{self._boots}", self._learnt)
        if self._kept is not None:
            self.node.restore(self._kept)
        self.down = False
        self.node.start(at_ms)

    def _make(self, models: dict[str, str]) -> None:
        """This makes equipment, node and worker from the text that a daemon would be given."""
        parts = {name: {**self._scenario.parts.get(name, {}), "model": model} for name, model in models.items()}
        scenario = replace(self._scenario, parts={**self._scenario.parts, **parts})
        before = f'[device]\nid = "{scenario.plant}-{self._seed}"\n\n'
        try:
            self.config = configuration.parse(configure.for_scenario(scenario, "/dev/ttySIM0", before), scenario.name)
        except ConfigError as error:
            raise ScenarioError(f"{error} (in the configuration that the scenario asks for)") from None
        self.equipment = configuration.equipment(self.config)
        files, _ = build.models(self.config, self._folder)
        self._learnt, _ = build.learnt(self.equipment, files)
        self.node = Node(self.equipment, "bench1", self._learnt)
        if files:
            self._worker = BlockingWorker(files, signals={p.name: p.signals for p in self.equipment.parts})

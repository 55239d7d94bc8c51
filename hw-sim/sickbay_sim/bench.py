"""This runs a scenario in virtual time, in process: a patient, and the real node behind the daemon's own configuration.

What the daemon's shell does around the node is done here without its loop: deadlines are kept to the millisecond, outputs are
driven and read back at once, messages come back as receipts after the fleet's commit. The same scenario and seed make the
same Run, byte for byte, but for `cpu_s`.
"""

import contextlib
import heapq
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from sickbay import config as configuration
from sickbay.cli.learn import fitted
from sickbay.config import Config, SerialLine
from sickbay.core.effects import Drive, Effect, Escalate, Event, Question
from sickbay.core.equipment import Equipment
from sickbay.core.node import Node
from sickbay.core.reading import Command, LineState, Reading, Receipt
from sickbay.daemon import build
from sickbay.edge.scorer.blocking import BlockingWorker
from sickbay.edge.sources.serial_line.driver import COUNT_GOOD_MS
from sickbay.errors import ConfigError, OrderRefused
from sickbay_sim import configure
from sickbay_sim.ailments import kinds_of
from sickbay_sim.catalogue import LINE
from sickbay_sim.device import Broker, edges
from sickbay_sim.ear import Ear, Fact
from sickbay_sim.keeping import Keeper
from sickbay_sim.patient import Patient
from sickbay_sim.record import Run
from sickbay_sim.scenario import Fault, Order, Scenario
from sickbay_sim.scenario_file import ScenarioError

COMMIT_MS = 200  # from a message's leaving to the receipt for it: broker, the fleet's commit, and back
RESTART_MS = 3_000  # from a kill to the first pass of the next process: systemd's RestartSec and the start itself

SNAPSHOT_S = 1800.0  # how often the daemon keeps all state when nothing happens

Row = dict[str, float | None]


def run(scenario: Scenario, seed: int | None = None, keep_rows: bool = False) -> Run:
    """This returns what came of a scenario; raises ScenarioError where its machine cannot be configured."""
    with tempfile.TemporaryDirectory(prefix="sickbay-bench-") as folder:
        bench = Bench(scenario, scenario.seed if seed is None else seed, keep_rows, Path(folder))
        try:
            return bench.run()
        finally:
            bench.close()


Due = tuple[int, int, Callable[[int], None]]  # (at_ms, a number that keeps the order, what is to happen)


class Bench:
    """One scenario under way. Times are the node's milliseconds: 0 is the start of the warm-up."""

    def __init__(self, scenario: Scenario, seed: int, keep_rows: bool, folder: Path) -> None:
        self.scenario = scenario
        self.seed = seed
        self._period_ms = round(scenario.period_s * 1000)
        self._warm_rows = round(scenario.warm_s / scenario.period_s)
        self._rows = self._warm_rows + round(scenario.seconds / scenario.period_s)
        self._zero_ms = self._warm_rows * self._period_ms
        self.patient = Patient(
            seed,
            scenario.faults,
            plant=scenario.plant,
            loads=scenario.loads,
            profile=scenario.profile,
            signals=configure.sensors(scenario),
            start_s=-self._warm_rows * scenario.period_s,
        )
        self._folder = folder
        self._worker: BlockingWorker | None = None
        self._count = itertools.count()
        self._dues: list[Due] = []
        self._cpu_s = 0.0
        self._now_ms = 0
        self._source = self._readings()
        self._configure({})
        if scenario.model == "learnt":
            self._source = itertools.chain(self._learn(), self._source)
        self.run_record = Run(scenario, seed, "bench", self.equipment.device)
        self.keeper = Keeper(self.run_record, self.equipment, self._zero_ms, keep_rows)
        for order in scenario.orders:
            self._at(self._story_ms(order.at_s), self._ordering(order))
        kinds = kinds_of(self.patient.plant)
        self._good = 0  # rows since the line last spoke of itself
        self._heard: Row = {}  # what came through a spoilt line since the last row
        self._ear: Ear | None = None
        if scenario.port == "csv" or any(kinds[fault.kind].acts == "bytes" for fault in scenario.faults):
            line = self.config.sources[LINE]
            if not isinstance(line, SerialLine):
                raise ScenarioError('port: the bench spoils lines of text only. Run it on a rig, or take port = "json"')
            fields = configuration.fields_of(self.config, LINE)
            self._ear = Ear(line, fields, configure.sensors(scenario), seed, self._take, self._at)
        self._broker = Broker(scenario.faults, scenario.seconds, COMMIT_MS / 1000)
        self._snapshots = any(fault.kind == "kill" for fault in scenario.faults)
        self._kept: bytes | None = None
        self._kept_ms = 0
        self._boots = 1
        self._down = False
        for fault in scenario.faults:
            self._befall(fault)

    def close(self) -> None:
        """This ends the model worker."""
        if self._worker is not None:
            self._worker.close()

    def run(self) -> Run:
        """This goes through the whole story."""
        self.node.start(0)
        self._carry_out()
        for at_ms, row in self._source:
            self._until(at_ms)
            self._now_ms = at_ms
            if self._ear is not None:
                self._hear(row, at_ms)
            elif not self._down:
                self._feed(row, at_ms)
            self._pass(at_ms)
            self.keeper.row(at_ms, self._arrived(row), self.patient, self.node)
        if self._ear is not None:
            self.run_record.bytes_in = self._ear.bytes_in
        self.run_record.cpu_s = self._cpu_s
        self.run_record.truth = self.patient.illnesses()
        return self.keeper.ended(self.node, self.scenario.seconds)

    def _feed(self, row: Row, at_ms: int) -> None:
        """This is a good line of json, without the bytes: each reading that is there, and now and then a word about the line."""
        began = time.process_time()
        feed = self.node.feed
        for name, value in row.items():
            if value is not None:
                feed(Reading(name, value, at_ms))
        self._good += 1
        if self._good * self._period_ms >= COUNT_GOOD_MS:
            feed(LineState(LINE, True, at_ms, self._good))
            self._good = 0
        self._cpu_s += time.process_time() - began

    def _hear(self, row: Row, at_ms: int) -> None:
        """This is one row on its way through the line, whole or spoilt."""
        assert self._ear is not None
        severities = {fault.kind: severity for fault, severity in self.patient.in_force("bytes")}
        began = time.process_time()
        self._ear.row(row, severities, at_ms)
        self._cpu_s += time.process_time() - began

    def _arrived(self, row: Row) -> Row:
        """This returns what of a row came through the line since the last: the latest reading of each signal, None for none."""
        if self._ear is None:
            return row
        arrived, self._heard = {**dict.fromkeys(row), **self._heard}, {}
        return arrived

    def _take(self, fact: Fact) -> None:
        if isinstance(fact, Reading):
            self._heard[fact.signal] = fact.value
        if not self._down:
            self.node.feed(fact)

    # Making the device.

    def _configure(self, models: dict[str, str]) -> None:
        """This makes equipment, node and worker from the text that a daemon would be given."""
        parts = {name: {**self.scenario.parts.get(name, {}), "model": model} for name, model in models.items()}
        scenario = replace(self.scenario, parts={**self.scenario.parts, **parts})
        before = f'[device]\nid = "{self.scenario.plant}-{self.seed}"\n\n'
        try:
            config = configuration.parse(configure.for_scenario(scenario, before=before), self.scenario.name)
        except ConfigError as error:
            raise ScenarioError(f"{error} (in the configuration that the scenario asks for)") from None
        self.config: Config = config
        self.equipment: Equipment = configuration.equipment(config)
        files, _ = build.models(config, self._folder)
        self._learnt, _ = build.learnt(self.equipment, files)
        self.node = Node(self.equipment, "bench1", self._learnt)
        if files:
            signals = {p.name: p.signals for p in self.equipment.parts}
            self._worker = BlockingWorker(files, signals=signals)

    def _learn(self) -> Iterator[tuple[int, Row]]:
        """This listens to the warm-up, fits a model to it as `sickbay learn` would, and lets the node hear it after that."""
        policy = msgspec.structs.replace(self.equipment.policy, learn_rows=100_000)
        listener = Node(msgspec.structs.replace(self.equipment, policy=policy), "learn")
        listener.start(0)
        heard = list(itertools.islice(self._source, self._warm_rows))
        for at_ms, row in heard:
            for name, value in row.items():
                if value is not None:
                    listener.feed(Reading(name, value, at_ms))
            listener.row_over(at_ms)
            listener.take_effects()
        out = self._folder / "learnt.tflite"
        fitted(listener, out, f"{self.scenario.name}, {len(heard)} rows")
        self._configure(dict.fromkeys((p.name for p in self.equipment.parts), out.name))
        return iter(heard)

    # Time.

    def _story_ms(self, at_s: float) -> int:
        return self._zero_ms + round(at_s * 1000)

    def _at(self, at_ms: int, act: Callable[[int], None]) -> None:
        heapq.heappush(self._dues, (at_ms, next(self._count), act))

    def _readings(self) -> Iterator[tuple[int, Row]]:
        period_s, advance = self.scenario.period_s, self.patient.advance
        for k in range(1, self._rows + 1):
            yield k * self._period_ms, advance(period_s)

    def _until(self, at_ms: int) -> None:
        """This lets everything happen that is due before a time."""
        while True:
            tick_ms = None if self._down else self.node.deadline_ms()
            other_ms = self._dues[0][0] if self._dues else None
            if other_ms is not None and other_ms < at_ms and (tick_ms is None or other_ms <= tick_ms):
                due_ms, _, act = heapq.heappop(self._dues)
                self._now_ms = max(self._now_ms, due_ms)
                act(self._now_ms)
                self._pass(self._now_ms)
            elif tick_ms is not None and tick_ms < at_ms:
                self._now_ms = max(self._now_ms, tick_ms)
                self._pass(self._now_ms)
            else:
                return

    def _pass(self, at_ms: int) -> None:
        """This is one turn of the shell: time passes where it is due, and what is to be done is done."""
        if self._down:
            return
        began = time.process_time()
        due = self.node.deadline_ms()
        if due is not None and due <= at_ms:
            self.node.tick(at_ms)
        effects = self.node.take_effects()
        self._cpu_s += time.process_time() - began
        if effects:
            self._carry_out(effects)

    # Effects.

    def _carry_out(self, effects: list[Effect] | None = None) -> None:
        """This does what the node wants done, and what it wants because of that."""
        effects = self.node.take_effects() if effects is None else effects
        lasting = False
        while effects:
            questions: list[Question] = []
            for effect in effects:
                if type(effect) is Event:
                    self.keeper.event(effect)
                    lasting = True
                elif type(effect) is Question:
                    questions.append(effect)
                elif type(effect) is Drive:
                    self._drive(effect)
                elif type(effect) is Escalate:
                    self._tell(effect)
            if questions and self._worker is not None:
                for answer in self._worker.ask_all(questions):
                    self.node.feed(answer)
            effects = self.node.take_effects()
        if self._snapshots and (lasting or self._now_ms - self._kept_ms >= SNAPSHOT_S * 1000):
            self._kept, self._kept_ms = self.node.snapshot(), self._now_ms

    def _drive(self, effect: Drive) -> None:
        follows = self.patient.switch(effect.output, effect.on) is effect.on
        detail = f"{effect.output} reads {'on' if follows is effect.on else 'off'}"
        self.node.done(Receipt(effect.effect_id, self._now_ms, follows, detail))

    def _tell(self, effect: Escalate) -> None:
        place = self.keeper.told(effect)

        def receipt(at_ms: int) -> None:
            self.keeper.delivered(place, at_ms)
            self.node.done(Receipt(effect.effect_id, at_ms, True))

        committed_s = self._broker.committed_s(self.keeper.story_s(self._now_ms))
        if committed_s is not None:
            self._at(self._story_ms(committed_s), receipt)

    # What befalls the device.

    def _befall(self, fault: Fault) -> None:
        """This arranges a device fault: a kill, a full disk. Clocks move nothing in a node, and the broker is asked when due."""
        for at_s, there in edges(fault, self.scenario.seconds):
            if fault.kind == "kill" and there:
                down_ms = RESTART_MS if fault.until_s is None else round((fault.until_s - at_s) * 1000)
                self._at(self._story_ms(at_s), self._kill)
                self._at(self._story_ms(at_s) + down_ms, self._restart)
            elif fault.kind == "disk_full":
                self._at(self._story_ms(at_s), self._storing(not there))

    def _kill(self, at_ms: int) -> None:
        """This ends the process without a word: what was not in the last snapshot is gone."""
        self._down = True

    def _restart(self, at_ms: int) -> None:
        """This is the next process: it takes up the last snapshot, as the daemon does."""
        self._boots += 1
        self.node = Node(self.equipment, f"bench{self._boots}", self._learnt)
        if self._kept is not None:
            self.node.restore(self._kept)
        self._down = False
        self.node.start(at_ms)

    def _storing(self, healthy: bool) -> Callable[[int], None]:
        says = "" if healthy else "the journal cannot be written: no space left on device"
        return lambda at_ms: self.node.store(healthy, says, at_ms)

    def _ordering(self, order: Order) -> Callable[[int], None]:
        """This returns what gives a person's order when its time has come. The node itself notes a refusal."""

        def give(at_ms: int) -> None:
            for_ms = round(order.for_s * 1000)
            command = Command(order.verb, order.target, at_ms, order.who, order.reason, for_ms, order.remote)
            with contextlib.suppress(OrderRefused):
                self.node.command(command)

        return give

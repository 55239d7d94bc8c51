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
from pathlib import Path

from sickbay import config as configuration
from sickbay.config import SerialLine
from sickbay.core.effects import Drive, Effect, Escalate, Event, Question
from sickbay.core.reading import Command, LineState, ReadBack, Reading, Receipt
from sickbay.edge.sources.serial_line.driver import COUNT_GOOD_MS
from sickbay.errors import OrderRefused
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
from sickbay_sim.unit import Row, Unit

COMMIT_MS = 200  # from a message's leaving to the receipt for it: broker, the fleet's commit, and back
RESTART_MS = 3_000  # from a kill to the first pass of the next process: systemd's RestartSec and the start itself
LOOKS_MS = 3_000  # for which contacts must be otherwise than ordered: three looks of the daemon's own watch
AGAIN_MS = 1_000  # when what found the daemon down is tried again

Act = Callable[[int], None]  # what is to happen, given the node's time then


def run(scenario: Scenario, seed: int | None = None, keep_rows: bool = False) -> Run:
    """This returns what came of a scenario; raises ScenarioError where its machine cannot be configured."""
    with tempfile.TemporaryDirectory(prefix="sickbay-bench-") as folder:
        bench = Bench(scenario, scenario.seed if seed is None else seed, keep_rows, Path(folder))
        try:
            return bench.run()
        finally:
            bench.unit.close()


class Bench:
    """One scenario under way. Times are the node's milliseconds: 0 is the start of the warm-up."""

    def __init__(self, scenario: Scenario, seed: int, keep_rows: bool, folder: Path) -> None:
        self.scenario = scenario
        self._period_ms = round(scenario.period_s * 1000)
        self._warm_rows = round(scenario.warm_s / scenario.period_s)
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
        self.unit = Unit(scenario, seed, folder)
        self.record = Run(scenario, seed, "bench", self.unit.equipment.device)
        self.keeper = Keeper(self.record, self.unit.equipment, self._zero_ms, keep_rows)
        self._now_ms = 0
        self._cpu_s = 0.0
        self._number = itertools.count()
        self._dues: list[tuple[int, int, Act]] = []  # (at_ms, a number that keeps the order, what is to happen)
        self._good = 0  # rows since the line last spoke of itself
        self._heard: Row = {}  # what came through a spoilt line since the last row
        self._ear = self._line(seed)
        self._strayed = dict.fromkeys(self.patient.coils, (True, 0))  # as last told, and for how long otherwise, ms
        self._broker = Broker(scenario.faults, scenario.seconds, COMMIT_MS / 1000)
        for order in scenario.orders:
            self._at(self._story_ms(order.at_s), self._ordering(order))
        for fault in scenario.faults:
            self._befall(fault)

    def run(self) -> Run:
        """This goes through the whole story."""
        rows = self._rows()
        if self.scenario.model == "learnt":
            warm_up = list(itertools.islice(rows, self._warm_rows))
            self.unit.learn(warm_up)
            rows = itertools.chain(warm_up, rows)
        self.unit.node.start(0)
        self._carry_out(self.unit.node.take_effects())
        for at_ms, row in rows:
            self._until(at_ms)
            self._now_ms = at_ms
            if self._ear is not None:
                self._hear(self._ear, row, at_ms)
            elif not self.unit.down:
                self._feed(row, at_ms)
            self._watch(at_ms)
            self._pass(at_ms)
            self.keeper.row(at_ms, self._arrived(row), self.patient, self.unit.node)
        if self._ear is not None:
            self.record.bytes_in = self._ear.bytes_in
        self.record.cpu_s = self._cpu_s
        self.record.truth = self.patient.illnesses()
        return self.keeper.ended(self.unit.node, self.scenario.seconds)

    # Rows in.

    def _rows(self) -> Iterator[tuple[int, Row]]:
        period_s, advance = self.scenario.period_s, self.patient.advance
        for k in range(1, self._warm_rows + round(self.scenario.seconds / period_s) + 1):
            yield k * self._period_ms, advance(period_s)

    def _line(self, seed: int) -> Ear | None:
        """This returns the line as bytes where a story needs it; None where good lines of json may go in as readings."""
        kinds = kinds_of(self.patient.plant)
        spoilt = any(kinds[fault.kind].acts == "bytes" for fault in self.scenario.faults)
        if not spoilt and self.scenario.port != "csv":
            return None
        table = self.unit.config.sources[LINE]
        if not isinstance(table, SerialLine):
            raise ScenarioError('port: the bench spoils lines of text only. Run it on a rig, or take port = "json"')
        fields = configuration.fields_of(self.unit.config, LINE)
        return Ear(table, fields, configure.sensors(self.scenario), seed, self._take, self._at)

    def _feed(self, row: Row, at_ms: int) -> None:
        """This is a good line of json, without the bytes: each reading that is there, and now and then a word about the line."""
        began = time.process_time()
        feed = self.unit.node.feed
        for name, value in row.items():
            if value is not None:
                feed(Reading(name, value, at_ms))
        self._good += 1
        if self._good * self._period_ms >= COUNT_GOOD_MS:
            feed(LineState(LINE, True, at_ms, self._good))
            self._good = 0
        self._cpu_s += time.process_time() - began

    def _hear(self, ear: Ear, row: Row, at_ms: int) -> None:
        """This is one row on its way through the line, whole or spoilt."""
        severities = {fault.kind: severity for fault, severity in self.patient.in_force("bytes")}
        began = time.process_time()
        ear.row(row, severities, at_ms)
        self._cpu_s += time.process_time() - began

    def _take(self, fact: Fact) -> None:
        if isinstance(fact, Reading):
            self._heard[fact.signal] = fact.value
        if not self.unit.down:
            self.unit.node.feed(fact)

    def _arrived(self, row: Row) -> Row:
        """This returns what of a row came through the line since the last: the latest reading of each signal, None for none."""
        if self._ear is None:
            return row
        arrived, self._heard = {**dict.fromkeys(row), **self._heard}, {}
        return arrived

    # Time.

    def _story_ms(self, at_s: float) -> int:
        return self._zero_ms + round(at_s * 1000)

    def _at(self, at_ms: int, act: Act) -> None:
        heapq.heappush(self._dues, (at_ms, next(self._number), act))

    def _until(self, at_ms: int) -> None:
        """This lets everything happen that is due before a time."""
        while True:
            tick_ms = None if self.unit.down else self.unit.node.deadline_ms()
            other_ms = self._dues[0][0] if self._dues else None
            if other_ms is not None and other_ms < at_ms and (tick_ms is None or other_ms <= tick_ms):
                due_ms, _, act = heapq.heappop(self._dues)
                self._now_ms = max(self._now_ms, due_ms)
                act(self._now_ms)
            elif tick_ms is not None and tick_ms < at_ms:
                self._now_ms = max(self._now_ms, tick_ms)
            else:
                return
            self._pass(self._now_ms)

    def _pass(self, at_ms: int) -> None:
        """This is one turn of the shell: time passes where it is due, and what is to be done is done."""
        if self.unit.down:
            return
        began = time.process_time()
        node = self.unit.node
        due = node.deadline_ms()
        if due is not None and due <= at_ms:
            node.tick(at_ms)
        effects = node.take_effects()
        self._cpu_s += time.process_time() - began
        if effects:
            self._carry_out(effects)

    # Effects out.

    def _carry_out(self, effects: list[Effect]) -> None:
        """This does what the node wants done, and what it wants because of that."""
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
            for answer in self.unit.answers(questions):
                self.unit.node.feed(answer)
            effects = self.unit.node.take_effects()
        self.unit.keep(self._now_ms, lasting)

    def _drive(self, effect: Drive) -> None:
        closed = self.patient.switch(effect.output, effect.on)
        detail = f"{effect.output} reads {'on' if closed else 'off'}"
        self._strayed[effect.output] = (closed is effect.on, 0)
        self.unit.node.done(Receipt(effect.effect_id, self._now_ms, closed is effect.on, detail))

    def _watch(self, at_ms: int) -> None:
        """This has the daemon's outputs find contacts that move by themselves."""
        for output in () if self.unit.down else self.unit.equipment.outputs:
            closed, ordered = self.patient.contacts(output.name), self.patient.coils[output.name]
            follows, otherwise_ms = self._strayed[output.name]
            otherwise_ms = 0 if (closed is ordered) is follows else otherwise_ms + self._period_ms
            if otherwise_ms >= LOOKS_MS:
                follows, otherwise_ms = not follows, 0
                detail = f"{output.name} is driven {'on' if ordered else 'off'} and reads {'on' if closed else 'off'}"
                self.unit.node.feed(ReadBack(output.name, at_ms, follows, detail))
            self._strayed[output.name] = (follows, otherwise_ms)

    def _tell(self, effect: Escalate) -> None:
        place = self.keeper.told(effect)

        def receipt(at_ms: int) -> None:
            if self.unit.down:
                self._at(at_ms + AGAIN_MS, receipt)
                return
            self.keeper.delivered(place, at_ms)
            self.unit.node.done(Receipt(effect.effect_id, at_ms, True))

        committed_s = self._broker.committed_s(self.keeper.story_s(self._now_ms))
        if committed_s is not None:
            self._at(self._story_ms(committed_s), receipt)

    # What people do, and what befalls the device.

    def _ordering(self, order: Order) -> Act:
        """This returns what gives a person's order. The node itself notes a refusal; nobody answers while it is down."""

        def give(at_ms: int) -> None:
            for_ms = round(order.for_s * 1000)
            command = Command(order.verb, order.target, at_ms, order.who, order.reason, for_ms, order.remote)
            with contextlib.suppress(OrderRefused):
                if not self.unit.down:
                    self.unit.node.command(command)

        return give

    def _befall(self, fault: Fault) -> None:
        """This arranges a device fault: a kill, a full disk. Clocks move nothing in a node, and the broker is asked when due."""
        for at_s, there in edges(fault, self.scenario.seconds):
            if fault.kind == "kill" and there:
                down_ms = RESTART_MS if fault.until_s is None else round((fault.until_s - at_s) * 1000)
                self._at(self._story_ms(at_s), lambda _: self.unit.kill())
                self._at(self._story_ms(at_s) + down_ms, self.unit.restart)
            elif fault.kind == "disk_full":
                self._at(self._story_ms(at_s), self._storing(not there))

    def _storing(self, healthy: bool) -> Act:
        says = "" if healthy else "the journal cannot be written: no space left on device"

        def note(at_ms: int) -> None:
            if self.unit.down:
                self._at(at_ms + AGAIN_MS, note)
            else:
                self.unit.node.store(healthy, says, at_ms)

        return note

"""This is the daemon: facts in, deadlines kept, effects carried out in the order state, journal, act, tell."""

import asyncio
import contextlib
import logging
import secrets
import signal
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sickbay import config as configuration
from sickbay.config import Config
from sickbay.core import report
from sickbay.core.effects import Answer, Drive, Effect, Escalate, Event, Question
from sickbay.core.memory import MemoryUnreadable
from sickbay.core.node import Node
from sickbay.core.reading import Command, LineState, Reading, Receipt, Residuals
from sickbay.daemon import build, times
from sickbay.daemon.afar import OrdersFromAfar
from sickbay.daemon.answers import Answers
from sickbay.daemon.messages import LASTING, Envelopes, EventsFile, level, words
from sickbay.daemon.times import Clock, trim_memory
from sickbay.edge import systemd
from sickbay.edge.actuators import Outputs
from sickbay.edge.console import Console
from sickbay.edge.journal import Journal
from sickbay.edge.journal.schema import FILE as DATABASE
from sickbay.edge.scorer.client import ModelWorker
from sickbay.errors import SickbayError, StoreError

log = logging.getLogger("sickbay")
T = TypeVar("T")

INBOX_MAX = 50_000  # facts that wait for the node; beyond it the oldest are dropped, and counted
SNAPSHOT_S = 1800.0  # how often all state is kept when nothing happens: 48 writes on a quiet day
STARTED_S = 4.0  # by now the uplink and the model have loaded what they need
STORE_RETRY_S = 20.0
CARRIED_OUT_S = 5.0  # how long the answer to an order waits for the disk and the relay; the CLI waits 10


class Daemon:
    """One device, running."""

    def __init__(self, config: Config, base: Path) -> None:
        """`base` is the folder of the configuration file: relative paths in it begin there."""
        self._config, self._base = config, base
        self.equipment = configuration.equipment(config)
        self.state = configuration.state_dir(config)
        self._inbox: deque[Reading | LineState | Residuals | Receipt] = deque(maxlen=INBOX_MAX)
        self.dropped = 0
        self.inputs = 0
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._work: asyncio.Queue[tuple[list[Effect], bytes | None]] = asyncio.Queue()
        self._store_says = ""
        self._lost, self._lost_told = "", False
        self._shed: dict[str, int] = {}
        self._one = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._stop = asyncio.Event()

    # Life.

    async def run(self) -> int:
        """This runs until SIGTERM, SIGINT or the terminal's SIGHUP, and returns the exit code."""
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                self._loop.add_signal_handler(number, self._stop.set)
        try:
            self.journal = await self.on_journal(lambda: Journal(self.state))
            kept = await self.on_journal(self.journal.load)
        except StoreError as error:
            log.error("%s", error)
            return 1
        self._lost = "; ".join(note for note in self.journal.notes if "moved aside" in note)
        self._tell_notes()
        self._wake_node(kept)
        self.outputs = Outputs(self._config.outputs)
        tasks = await self._start()
        self._tell_lost()
        systemd.ready()
        log.info(
            "%s watches %d signals in %d parts",
            self.equipment.device,
            len(self.node.ward.channels),
            len(self.node.ward.rows),
        )
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        failed = [t for t in done if t is not stopped]
        for task in failed:
            log.error("%s ended: %r", task.get_name(), task.exception() if not task.cancelled() else "cancelled")
        await self._end([stopped, *tasks])
        return 1 if failed else 0

    def _wake_node(self, kept: bytes | None) -> None:
        """This makes the node, from its snapshot where there is one that can be read."""
        self.model_files, self.model_troubles = build.models(self._config, self._base)
        learnt, misfits = build.learnt(self.equipment, self.model_files)
        for part, text in {**self.model_troubles, **misfits}.items():
            log.warning("parts.%s.model: %s. It is judged without", part, text)
        mint = secrets.token_hex(3)
        self.node = Node(self.equipment, mint, learnt)
        epochs: list[times.Epoch] = []
        if kept is not None:
            epochs, memory = times.taken_up(kept)
            try:
                for note in self.node.restore(memory):
                    log.warning("%s", note)
            except MemoryUnreadable as error:
                log.warning("%s; the node starts anew", error)
                self.node, epochs = Node(self.equipment, mint, learnt), []
                self._lost = self._lost or str(error)
        self.clock = Clock(self.node.ward.now_ms, epochs)
        prefix = self._config.mqtt.prefix if self._config.mqtt else "sickbay/1"
        consent = f'[mqtt] url = "{self._config.mqtt.url}"' if self._config.mqtt else "no [mqtt]: kept here"
        model = self._config.device.model
        self.envelopes = Envelopes(self.equipment.device, model, prefix, consent, self.clock, self.journal.boot)
        events = self._config.paths.events
        self.events = EventsFile(self.state / events if events else None, self.clock)

    async def _start(self) -> list[asyncio.Task[None]]:
        self.worker: ModelWorker | None = None
        if self.model_files:
            signals = {p.name: p.signals for p in self.equipment.parts}
            self.worker = ModelWorker(self.model_files, self.clock, self.take, signals=signals)
            await self.worker.start()
        self.console = Console(configuration.socket_path(self._config), Answers(self).answer)
        try:
            await self.console.start()
        except (OSError, SickbayError) as error:
            log.error("orders cannot reach this daemon: %s", error)
        owned = {p.output for p in self.equipment.parts}
        for name, table in self._config.outputs.items():
            if name not in owned:
                await self.outputs.drive(name, table.isolated_state != "on")
        self.node.start(self.clock())
        drivers = build.sources(self._config, self._base, self.clock, self.take)
        jobs = [(f"source {d.name}", d.run()) for d in drivers]
        jobs += [("acts", self._carry_out()), ("upkeep", self._upkeep()), ("outputs", self.outputs.run())]
        self.afar = OrdersFromAfar(self, self.equipment.device, self._config.orders.keys)
        jobs.append(("orders", self.afar.run()))
        self.uplink: Any = None
        if self._config.mqtt is not None:
            jobs.append(("uplink", self._uplink()))
        tasks = [asyncio.create_task(job, name=name) for name, job in jobs]
        self.turn()
        return tasks

    async def _uplink(self) -> None:
        # Imported behind READY: paho and aiomqtt take longer to load than all the rest.
        from sickbay.edge.uplink import Uplink

        assert self._config.mqtt is not None
        self.uplink = Uplink(
            self._config.mqtt,
            self.equipment.device,
            pending=lambda limit: self.on_journal(lambda: self.journal.pending(limit)),
            forget=lambda ids: self.on_journal(lambda: self.journal.forget(ids)),
            ledger_add=lambda lines, lazy: self.on_journal(lambda: self.journal.ledger_add(lines, lazy)),
            on_receipt=self._receipted,
            on_command=self.afar.take,
            on_retained=self.afar.retained,
            birth=lambda: self.envelopes.birth(len(self.node.ward.triage.open_cases())),
            digest=lambda: self.envelopes.digest(report.digest(self.node.ward)),
        )
        await self.uplink.run()

    async def _end(self, tasks: list[asyncio.Task[Any]]) -> None:
        systemd.stopping()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.console.stop()
        if self.worker is not None:
            await self.worker.stop()
        try:
            self._drain()
            await self._keep(self.node.take_effects(), self._snapshot())
        finally:
            # Whatever ended us, even a mistake of our own on the very last fact: nobody watches from here on.
            for name, (ok, detail) in (await self.outputs.release_all()).items():
                log.log(logging.INFO if ok else logging.WARNING, "output %s to its fail state: %s", name, detail)
            await self.on_journal(self.journal.close)
            self._one.shutdown()

    # Facts in.

    def take(self, fact: Reading | LineState | Residuals | Receipt) -> None:
        """This takes a fact from a source, the worker or the uplink. It never blocks."""
        if len(self._inbox) == INBOX_MAX:
            self.dropped += 1
        self._inbox.append(fact)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.turn)

    def order(self, command: Command) -> str:
        """This passes an order to the node at once and returns its answer; raises OrderRefused."""
        self._drain()
        try:
            return self.node.command(command)
        finally:
            self.turn()

    async def carried_out(self) -> bool:
        """This waits until all effects so far were kept and acted on, but not long: a stuck disk holds up no answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CARRIED_OUT_S):
                await self._work.join()
                return True
        return False

    async def kept(self) -> bool:
        """This returns whether all that the node knows now is on the disk."""
        self.turn()
        self._work.put_nowait(([], self._snapshot()))
        return await self.carried_out() and not self._store_says

    async def line(self, event: Event) -> None:
        """This writes a line about what concerns the node not at all."""
        log.warning("%s", words(event))
        await self.on_journal(lambda: self.events.write([event]))

    def _receipted(self, ids: list[str]) -> None:
        for id_ in ids:
            self.take(Receipt(id_, self.clock(), True))

    def _drain(self) -> None:
        feed, inbox = self.node.feed, self._inbox
        while inbox:
            fact = inbox.popleft()
            self.inputs += 1
            if isinstance(fact, Receipt):
                self.node.done(fact)
            else:
                feed(fact)

    def turn(self) -> None:
        """This is one turn: feed what came, let time pass where it is due, and hand on what is to be done."""
        self._scheduled = False
        self._drain()
        now = self.clock()
        due = self.node.deadline_ms()
        if due is not None and due <= now:
            self.node.tick(now)
            due = self.node.deadline_ms()
        effects: list[Effect] = []
        lasting = False
        for effect in self.node.take_effects():
            if type(effect) is Question:
                if self.worker is not None:
                    self.worker.ask(effect)
                continue
            effects.append(effect)
            lasting = lasting or type(effect) is not Event or effect.kind in LASTING
        if effects:
            self._work.put_nowait((effects, self._snapshot() if lasting else None))
        self._wake_by(due, now)

    def _wake_by(self, due: int | None, now: int) -> None:
        """This sets the timer for the node's deadline. One that is set for earlier stays: it only looks in vain."""
        if due is None:
            return
        at = self._loop.time() + max(1, due - now) / 1000
        if self._timer is not None:
            if self._timer.when() <= at + 0.001:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self.turn()

    # Effects out.

    async def _carry_out(self) -> None:
        while True:
            effects, snapshot = await self._work.get()
            taken = 1
            while not self._work.empty():
                taken += 1
                more, later = self._work.get_nowait()
                effects += more
                snapshot = later or snapshot
            await self._keep(effects, snapshot)
            for effect in effects:
                if isinstance(effect, Drive):
                    ok, detail = await self.outputs.drive(effect.output, effect.on)
                    self.take(Receipt(effect.effect_id, self.clock(), ok, detail))
            if self.uplink is not None and any(isinstance(e, Escalate | Answer) for e in effects):
                self.uplink.wake()
            for _ in range(taken):
                self._work.task_done()

    async def _keep(self, effects: list[Effect], snapshot: bytes | None) -> None:
        """This commits state and messages together, then writes the lines that say so."""
        rows = self.envelopes.rows(effects)
        if snapshot is not None or rows:
            await self._commit(snapshot, rows)
        events = [e for e in effects if isinstance(e, Event)]
        for event in events:
            log.log(level(event), "%s", words(event))
        if events:
            await self.on_journal(lambda: self.events.write(events))

    async def _commit(self, snapshot: bytes | None, rows: list[Any]) -> None:
        """This writes through the one journal thread. A full disk is told once, and costs nothing but its own records."""
        try:
            await self.on_journal(lambda: self.journal.commit(snapshot, rows))
            says = ""
        except StoreError as error:
            says = str(error)
        self._tell_notes(but=says)
        if rows:
            shed = await self.on_journal(self.journal.shed)
            if shed != self._shed:
                self._shed = shed
                self.node.ward.emit("shed", "outbox", by_severity=shed)
                self._loop.call_soon(self.turn)
        self._store(says)

    def _store(self, says: str) -> None:
        """This takes in whether the records can be kept ("" for yes), and tells a change once."""
        if bool(says) != bool(self._store_says):
            self._store_says = says
            log.log(logging.ERROR if says else logging.WARNING, "%s", says or "the journal can be written again")
            self.node.store(not says, says, self.clock())
            self._loop.call_soon(self.turn)

    def _tell_notes(self, but: str = "") -> None:
        notes, self.journal.notes = self.journal.notes, []
        for note in notes:
            if note != but:
                log.warning("%s", note)

    async def on_journal(self, what: Callable[[], T]) -> T:
        """This runs one thing on the journal's own thread, and returns its result."""
        return await self._loop.run_in_executor(self._one, what)

    async def _upkeep(self) -> None:
        """This keeps a snapshot now and then, and feeds the watchdog: only after a pass that reached every part."""
        period_s = systemd.watchdog_period_s()
        beat_s = min(period_s or STORE_RETRY_S, STORE_RETRY_S)
        kept_s = self.clock.uptime_s()
        await asyncio.sleep(min(beat_s, STARTED_S))
        trim_memory()
        while True:
            await asyncio.sleep(beat_s)
            self.turn()
            overdue = self.clock.uptime_s() - kept_s >= SNAPSHOT_S
            # The ledger's lines may be the first that find the disk full: only a commit tells the node.
            if not (self.state / DATABASE).exists():
                await self._begin_anew()
            elif overdue or self._store_says or not self.journal.healthy:
                kept_s = self.clock.uptime_s()
                await self._commit(self._snapshot(), [])
            else:
                await self.on_journal(lambda: None)
            if self._lost_told:
                self._lost_told = False
                self.node.store(not self._store_says, self._store_says, self.clock())
            self._tell_lost()
            systemd.watchdog()
            systemd.status(self.headline())

    def _snapshot(self) -> bytes:
        return times.kept(self.clock, self.node.snapshot())

    def _tell_lost(self) -> None:
        """This tells, once, that records were lost. It stands until the next round of upkeep: long enough to be escalated."""
        if self._lost:
            self.node.store(False, self._lost, self.clock())
            self._lost, self._lost_told = "", True

    async def _begin_anew(self) -> None:
        """This makes the journal again where somebody took its file away, from what is still open and in memory."""
        old = self.journal
        rows = await self.on_journal(lambda: old.pending(100_000))
        try:
            self.journal = await self.on_journal(lambda: Journal(self.state))
        except StoreError as error:
            self._store(str(error))
            return
        await self.on_journal(old.close)
        self._lost = f"{self.state / DATABASE} was gone; begun anew with {len(rows)} messages that had not left"
        log.error("%s", self._lost)
        await self._commit(self._snapshot(), list(rows))

    def headline(self) -> str:
        """This returns one line about the device, for `systemctl status`."""
        cases = self.node.ward.triage.open_cases()
        if not cases:
            return f"{len(self.node.ward.channels)} signals, no fault"
        return f"{len(cases)} open: " + ", ".join(f"{c.target} {c.class_}" for c in cases[:4])

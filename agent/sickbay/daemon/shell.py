"""This is the daemon: facts in, deadlines kept, effects carried out in the order state, journal, act, tell."""

import asyncio
import contextlib
import logging
import secrets
import signal
import time
from collections import deque
from pathlib import Path
from typing import Any

from sickbay import config as configuration
from sickbay.config import Config
from sickbay.core import report
from sickbay.core.effects import Effect, Event, Question
from sickbay.core.memory import MemoryUnreadable
from sickbay.core.node import Node
from sickbay.core.reading import Command, LineState, ReadBack, Reading, Receipt, Residuals
from sickbay.daemon import build, times
from sickbay.daemon.afar import OrdersFromAfar
from sickbay.daemon.answers import Answers
from sickbay.daemon.keeping import Keeping
from sickbay.daemon.messages import Envelopes, EventsFile
from sickbay.daemon.times import Clock, trim_memory
from sickbay.edge import systemd
from sickbay.edge.actuators import Outputs
from sickbay.edge.console import Console
from sickbay.edge.journal import Journal, Limits
from sickbay.edge.scorer.client import ModelWorker
from sickbay.errors import OrderRefused, SickbayError, StoreError

log = logging.getLogger("sickbay")

INBOX_MAX = 50_000  # facts that wait for the node; beyond it the oldest are dropped, and counted
STARTED_S = 4.0  # by now the uplink and the model have loaded what they need
STORE_RETRY_S = 20.0
SLEPT_MS = 1000  # a deadline that was missed by so much was slept through
RETOLD_MS = 3_600_000
LISTENS_MS = 300  # then the sources have so long to say what waits


class Daemon:
    """One device, running."""

    def __init__(self, config: Config, base: Path) -> None:
        """`base` is the folder of the configuration file: relative paths in it begin there."""
        self._config, self._base = config, base
        self.equipment = configuration.equipment(config)
        self.state = configuration.state_dir(config)
        self._inbox: deque[Reading | LineState | Residuals | ReadBack | Receipt] = deque(maxlen=INBOX_MAX)
        self.dropped = 0
        self.inputs = 0
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._listens_until: int | None = None
        self._retold: dict[str, int] = {}  # fault id: when the fleet was last told it again
        limits = Limits(ttl_s=config.mqtt.keep_days * 86_400.0) if config.mqtt is not None else Limits()
        self.keeping = Keeping(self, self.state, lambda: Journal(self.state, limits))
        self._stop = asyncio.Event()

    # Life.

    async def run(self) -> int:
        """This runs until SIGTERM, SIGINT or the terminal's SIGHUP, and returns the exit code."""
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                self._loop.add_signal_handler(number, self._stop.set)
        try:
            kept = await self.keeping.open()
        except StoreError as error:
            log.error("%s", error)
            return 1
        self._wake_node(kept)
        self.outputs = Outputs(self._config.outputs, moved=self._moved)
        tasks = await self._start()
        self.keeping.tell_lost()
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
                self.keeping.lost(str(error))
        self.clock = Clock(self.node.ward.now_ms, epochs)
        prefix = self._config.mqtt.prefix if self._config.mqtt else "sickbay/1"
        consent = f'[mqtt] url = "{self._config.mqtt.url}"' if self._config.mqtt else "no [mqtt]: kept here"
        model = self._config.device.model
        boot, allowed = self.keeping.journal.boot, self._config.consent
        self.envelopes = Envelopes(self.equipment.device, model, prefix, consent, self.clock, boot, allowed=allowed)
        events = self._config.paths.events
        self.events = EventsFile(self.state / events if events else None, self.clock)

    async def _start(self) -> list[asyncio.Task[None]]:
        self.worker: ModelWorker | None = None
        if self.model_files:
            signals = {p.name: p.signals for p in self.equipment.parts}
            self.worker = ModelWorker(self.model_files, self.clock, self.take, signals=signals)
            await self.worker.start()
        self.home: Any = None
        self.uplink: Any = None
        self.uplink_wanted = self._config.mqtt is not None
        self.answers = Answers(self)
        self.console = Console(configuration.socket_path(self._config), self.answers.answer)
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
        jobs += [("acts", self.keeping.run()), ("upkeep", self._upkeep()), ("outputs", self.outputs.run())]
        self.afar = OrdersFromAfar(self, self.equipment.device, self._config.orders.keys)
        jobs.append(("orders", self.afar.run()))
        if self._config.mqtt is not None:
            jobs.append(("uplink", self._uplink()))
        self.metrics = await build.metrics(self._config.metrics.listen, self.answers.status)
        tasks = [asyncio.create_task(job, name=name) for name, job in jobs]
        self.turn()
        return tasks

    async def _uplink(self) -> None:
        # Imported behind READY: paho and aiomqtt take longer to load than all the rest.
        from sickbay.daemon.homeassistant import invited
        from sickbay.edge.uplink import Uplink
        from sickbay.edge.uplink.certificates import built_s

        assert self._config.mqtt is not None
        ward, spent = self.node.ward, 0
        with contextlib.suppress(OrderRefused):  # a disk that hangs holds up no uplink
            spent = sum(row.bytes for row in await self.keeping.ledger(time.time() - 86_400.0))
        self.home = await invited(self, self._config)
        self.uplink = Uplink(
            self._config.mqtt,
            self.equipment.device,
            pending=self.keeping.pending,
            forget=self.keeping.forget,
            ledger_add=self.keeping.ledger_add,
            on_receipt=self._receipted,
            on_command=self.afar.take,
            on_retained=self.afar.retained,
            on_lacks=self._lacked,
            leaving=self.envelopes.leaving,
            heartbeat=self._config.consent.heartbeat,
            spent=spent,
            birth=lambda: self.envelopes.birth(len(ward.triage.open_cases())),
            digest=lambda: self.envelopes.digest(report.digest(ward), report.lately_closed(ward)),
            quality=times.time_quality,
            known_s=lambda: max(built_s(), self.clock.known_s()),
            guest=self.home,
        )
        await self.uplink.run()

    async def _end(self, tasks: list[asyncio.Task[Any]]) -> None:
        systemd.stopping()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.console.stop()
        if self.metrics is not None:
            await self.metrics.stop()
        if self.worker is not None:
            await self.worker.stop()
        try:
            self._drain()
            self.keeping.put(self.node.take_effects())
            await self.keeping.once(last=True)
        finally:
            # Whatever ended us, even a mistake of our own on the very last fact: nobody watches from here on.
            for name, (ok, detail) in (await self.outputs.release_all()).items():
                log.log(logging.INFO if ok else logging.WARNING, "output %s to its fail state: %s", name, detail)
            await self.keeping.close()

    # Facts in.

    def take(self, fact: Reading | LineState | Residuals | ReadBack | Receipt) -> None:
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
        """This waits until all that is urgent so far was kept and acted on, but not long."""
        return await self.keeping.carried_out()

    async def kept(self) -> bool:
        """This returns whether all that the node knows now is on the disk."""
        self.turn()
        return await self.keeping.kept()

    async def line(self, event: Event) -> None:
        """This writes a line about what concerns the node not at all."""
        self.keeping.line(event)

    def _moved(self, output: str, follows: bool, detail: str) -> None:
        self.take(ReadBack(output, self.clock(), follows, detail))

    def _receipted(self, ids: list[str]) -> None:
        for id_ in ids:
            self.take(Receipt(id_, self.clock(), True))

    def _lacked(self, ids: list[str]) -> None:
        """This lets faults be told once more that the fleet has lost, each at most once an hour, whoever asks."""
        now = self.clock()
        self._retold = {id_: at for id_, at in self._retold.items() if now - at < RETOLD_MS}
        for id_ in ids:
            if id_ in self.node.ward.triage.cases and id_ not in self._retold:
                self._retold[id_] = now
                self.take(Receipt(f"{id_}.r0", now, False, "the fleet lacks it"))

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
        if due is not None and due <= now and not self._listens_first(due, now):
            self.node.tick(now)
            due = self.node.deadline_ms()
        effects: list[Effect] = []
        for effect in self.node.take_effects():
            if type(effect) is not Question:
                effects.append(effect)
            elif self.worker is not None:
                self.worker.ask(effect)
        if effects:
            self.keeping.put(effects)
            if self.home is not None:
                self.home.changed()
        self._wake_by(due, now)

    def _listens_first(self, due: int, now: int) -> bool:
        """This returns whether we slept through a deadline just now, as under SIGSTOP or a starved CPU.

        What was said meanwhile still lies in the ports: it is heard before anybody is called silent.
        """
        # A listening that nobody ended, since readings came in time, must not stand for the next sleep's.
        over = self._listens_until is None or now - self._listens_until >= SLEPT_MS
        if over and now - due >= SLEPT_MS:
            self._listens_until = now + LISTENS_MS
            log.warning("slept for %.1f s; the sources are heard before they are judged", (now - due) / 1000)
        if self._listens_until is not None and now >= self._listens_until:
            self._listens_until = None
        return self._listens_until is not None

    def _wake_by(self, due: int | None, now: int) -> None:
        """This sets the timer for the node's deadline. One that is set for earlier stays: it only looks in vain."""
        if due is None:
            return
        at = self._loop.time() + max(1, (self._listens_until or due) - now) / 1000
        if self._timer is not None:
            if self._timer.when() <= at + 0.001:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self.turn()

    # Now and then.

    async def _upkeep(self) -> None:
        """This looks after the journal, and feeds the watchdog: only after a pass that reached every part.

        A disk that hangs is told, and starves no watchdog: a restart would mend nothing, and lose what waits in memory.
        """
        period_s = systemd.watchdog_period_s()
        beat_s = min(period_s or STORE_RETRY_S, STORE_RETRY_S)
        await asyncio.sleep(min(beat_s, STARTED_S))
        trim_memory()
        while True:
            await asyncio.sleep(beat_s)
            self.turn()
            await self.keeping.beat()
            systemd.watchdog()
            systemd.status(self.headline())

    def snapshot(self) -> bytes:
        """This returns all that must last of this moment."""
        return times.kept(self.clock, self.node.snapshot())

    def headline(self) -> str:
        """This returns one line about the device, for `systemctl status`."""
        cases = self.node.ward.triage.open_cases()
        if not cases:
            return f"{len(self.node.ward.channels)} signals, no fault"
        return f"{len(cases)} open: " + ", ".join(f"{c.target} {c.class_}" for c in cases[:4])

"""This runs a scenario on the rig: the unmodified daemon on a real pty, pins, broker and fleet, faster than it happens.

The daemon's time is the wall's; what it waits for is divided by the speed in its configuration. What is built into it in
seconds (ports tried again after 0.5 s, ten messages in ten minutes, a broker called again) is not, and so lasts `speed` times
as long in the story; the time for which a case waits before it is told is reckoned out again.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from sickbay_sim import configure, rig_story
from sickbay_sim.ailments.kinds import LINE_KINDS
from sickbay_sim.patient import Patient
from sickbay_sim.plant import PLANTS
from sickbay_sim.record import Run
from sickbay_sim.rig import Rig
from sickbay_sim.rig_stage import Stage, StageError, Unit
from sickbay_sim.rig_story import StoryTime
from sickbay_sim.scenario import Fault, Scenario
from sickbay_sim.wires.broker_door import Way

__all__ = ["SPEED", "RigError", "StageError", "refuse", "run"]

SPEED = 50.0
OBD_SPEED_MAX = 10.0  # an adapter answers one question at a time, and a row are nine of them
BEAT_S_LEAST = 0.01  # of real time: what a pty, two processes and one loop keep up with
RESTART_S = 3.0  # story seconds from a kill to the next start, as systemd's RestartSec
DRAIN_S = 3.0  # real seconds that the last messages may take to the fleet
BROKER_SLOW_S = 30.0  # how late the broker answers at severity 1
_CLOCKS = ("clock_step", "clock_1970", "clock_backwards")
_WAYS = {"broker_outage": Way.REFUSE, "broker_half_open": Way.SWALLOW, "broker_refusal": Way.DENY}


class RigError(ValueError):
    """This is a story that cannot be told on the rig; the text says why, and where it can."""


def run(scenario: Scenario, seed: int | None = None, speed: float = SPEED, keep_rows: bool = False) -> Run:
    """This returns what came of a scenario; raises RigError for one that cannot be told here.

    `speed` is lowered to what the wires can carry, and so far that a fault of the line that passes outlives the daemon's wait
    for a line to come back. The record has no `stand_ins`: from outside nobody knows what spread the unit has learnt.
    """
    refuse(scenario)
    seed = scenario.seed if seed is None else seed
    speed = min(speed, scenario.period_s / BEAT_S_LEAST, OBD_SPEED_MAX if scenario.port == "obd" else 1e9)
    speed = min([speed, *(max(1.0, seconds / (rig_story.LINE_S + 2)) for seconds in _passing(scenario))])
    if not speed >= 1e-3:
        raise RigError(f"{scenario.name}: speed {speed:g} makes no sense. Try {SPEED:g}")
    with tempfile.TemporaryDirectory(prefix="sickbay-rig-") as folder:
        return asyncio.run(Play(scenario, seed, speed, keep_rows, Path(folder)).go())


def _passing(scenario: Scenario) -> list[float]:
    """This returns how long each fault of the line lasts, of those that pass."""
    found = [fault for fault in scenario.faults if fault.kind in LINE_KINDS]
    come_and_go = [fault.over_s for fault in found if fault.shape == "intermittent"]
    return come_and_go + [f.until_s - f.at_s for f in found if f.until_s is not None and f.shape != "intermittent"]


def refuse(scenario: Scenario) -> None:
    """This raises RigError for what cannot be done to a real process without more than this machine gives."""
    where = "Run it with: sickbay-sim bench"
    for i, fault in enumerate(scenario.faults):
        if fault.kind in _CLOCKS:
            raise RigError(
                f"{scenario.name}: fault[{i}].kind: {fault.kind} would move this whole machine's clock. {where}"
            )
    for i, order in enumerate(scenario.orders):
        if order.remote:
            raise RigError(f"{scenario.name}: order[{i}].remote: there is no key to sign it with on the rig. {where}")
    if scenario.model != "none":
        raise RigError(f'{scenario.name}: model = "{scenario.model}": the rig\'s unit has learnt nothing yet. {where}')


class Play:
    """One story under way."""

    def __init__(self, scenario: Scenario, seed: int, speed: float, keep_rows: bool, folder: Path) -> None:
        self.scenario = scenario
        self.speed = speed
        warm_s = round(scenario.warm_s / scenario.period_s) * scenario.period_s
        self.patient = Patient(
            seed,
            scenario.faults,
            plant=scenario.plant,
            loads=scenario.loads,
            profile=scenario.profile,
            start_s=-warm_s,
        )
        pins = configure.read_back_pins(PLANTS[scenario.plant])
        self.rig = Rig(
            folder,
            seed,
            period_s=scenario.period_s / speed,
            speed=speed,
            style=scenario.port,
            patient=self.patient,
            read_back=pins,
        )
        self.rig.on_beat = self._beat
        self.stage = Stage(folder)
        self.folder = folder
        self.run = Run(scenario, seed, "rig", f"{scenario.plant}-{seed}")
        self._keep_rows = keep_rows
        self._time = StoryTime(speed)
        self._over = asyncio.Event()
        self._orders = sorted(scenario.orders, key=lambda order: order.at_s)
        self._in_force: dict[Fault, float] = {}
        self._back_s: float | None = None  # when a killed daemon is started again
        self._jobs: set[asyncio.Task[Any]] = set()

    async def go(self) -> Run:
        """This tells the whole story and ends all that it started, whatever happens."""
        async with contextlib.AsyncExitStack() as ends:
            ends.push_async_callback(self.stage.stop)
            await self.stage.start()
            before = f'[device]\nid = "{self.run.device}"\n\n'
            before += f'[paths]\nstate = "{self.folder}/state"\nsocket = "{self.folder}/s.sock"\n\n'
            before += f'[mqtt]\nurl = "{self.stage.door.url}"\n\n'
            config = rig_story.configuration(self.scenario, self.speed, str(self.rig.port), before)
            pins = {"GPIOZERO_PIN_FACTORY": "mock", "SICKBAY_PINS_DOOR": str(self.rig.door.path)}
            self.unit = Unit(self.folder, config, pins)
            ends.push_async_callback(asyncio.to_thread, self.unit.stop)
            ends.push_async_callback(self.rig.stop)
            ends.push_async_callback(self._drop_jobs)
            await self.rig.start(moving=False)
            self.unit.launch()
            await self.unit.answers()
            self.rig.move()
            await self._told()
        self._read_back()
        return self.run

    async def _drop_jobs(self) -> None:
        for job in tuple(self._jobs):
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    async def _told(self) -> None:
        """This waits for the story's end, looks at the unit as it is then, and gives the last messages time to arrive."""
        try:
            await self.rig.wait(self._over)
        except StageError as error:
            self.run.trouble = str(error)
            return
        status = await self.unit.status()
        if status is None:
            if not self.unit.killed:
                self.run.trouble = self.run.trouble or "the daemon did not answer at the end"
            return
        self.run.states = {n: t["state"] for kind in ("signals", "parts") for n, t in status[kind].items()}
        # The machine goes on meanwhile, ill as it is: what comes of that is behind the story's end, and left out.
        until = time.monotonic() + rig_story.untold(status) + DRAIN_S
        while self.stage.door.way is Way.PASS and self._back_s is None and time.monotonic() < until:
            if status is not None and not rig_story.untold(status) and not status["outbox"]["rows"]:
                return
            await asyncio.sleep(0.05)
            status = await self.unit.status()

    def _beat(self) -> None:
        """This is called behind each beat of the machine; story and truth are over when their time is."""
        at_s = self.patient.at_s
        self._time.beat(time.time(), at_s)
        if self._over.is_set():
            return
        self.stage.must_live()
        self.unit.must_live()
        for relay in self.patient.coils:
            closed, moves = self.patient.contacts(relay), self.run.relays.setdefault(relay, [])
            if not moves or moves[-1][1] is not closed:
                moves.append((at_s, closed))
        if self._keep_rows:
            self.run.rows.append((at_s, dict(self.rig.last_row)))
            self.run.true_rows.append((at_s, dict(self.patient.true_values())))
        self._befall(at_s)
        while self._orders and self._orders[0].at_s <= at_s:
            order = self._orders.pop(0)
            words = {"name": order.target, "reason": order.reason, "for_s": order.for_s / self.speed}
            self._soon(self.unit.ask(order.verb, **words))
        if at_s >= self.scenario.seconds:
            self.run.truth = self.patient.illnesses()
            self.run.end_s = self.scenario.seconds
            self.run.bytes_in = self.rig.bytes_sent
            self._over.set()

    def _befall(self, at_s: float) -> None:
        """This does to the device what the story wants, where that has changed."""
        now = dict(self.patient.in_force("device"))
        before, self._in_force = self._in_force, now
        if self._back_s is not None and at_s >= self._back_s:
            self._back_s = None
            self._soon(self._restart())
        if now == before:
            return
        ways = [_WAYS[fault.kind] for fault in now if fault.kind in _WAYS]
        slow = sum(severity for fault, severity in now.items() if fault.kind == "broker_slow")
        # Both ways are slow: the whole of it is how late an answer comes.
        self._soon(self.stage.door.put(ways[0] if ways else Way.PASS, slow * BROKER_SLOW_S / self.speed / 2))
        full = [any(fault.kind == "disk_full" for fault in faults) for faults in (before, now)]
        if full[0] is not full[1]:
            self.unit.fill_disk(full[1])
        for fault in now:
            if fault.kind == "kill" and fault not in before:
                self.unit.kill()
                self._back_s = at_s + RESTART_S if fault.until_s is None else fault.until_s

    async def _restart(self) -> None:
        """This starts the daemon again. A process takes its second whatever the speed, and the story has counted three for it."""
        self.rig.hold(True)
        self.unit.launch()
        try:
            await self.unit.answers()
        except StageError as error:
            self.run.trouble = str(error)
            self._over.set()
        self.rig.hold(False)

    def _soon(self, job: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    def _read_back(self) -> None:
        """This fills the record with what the daemon and the fleet have written."""
        end_s = self.scenario.seconds
        events = self.unit.events()
        found = rig_story.changes(events, self._time)
        messages, self.run.lost = rig_story.told(
            self.stage.database, self.unit.state / "sickbay.db", events, self._time
        )
        self.run.changes = [change for change in found if change.at_s <= end_s]
        self.run.told = [told for told in messages if told.at_s <= end_s]
        self.run.masked = rig_story.masked(self.run.changes)
        self.run.bytes_out = sum(told.bytes for told in self.run.told)
        self.run.cpu_s = self.unit.cpu_s

"""This is one site: a broker, a receiving end, and the devices around them, from the first second to the last.

Sites know nothing of each other, and so each may run in a process of its own; what they say together is put together at the end.
"""

import contextlib
import gc
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from sickbay import config as configuration
from sickbay.config import SerialLine
from sickbay.core.equipment import Equipment
from sickbay.edge.journal import Limits
from sickbay.edge.uplink import Timing
from sickbay_sim import configure
from sickbay_sim.ailments import kinds_of
from sickbay_sim.catalogue import LINE
from sickbay_sim.ear import Ear
from sickbay_sim.keeping import Keeper
from sickbay_sim.patient import Patient
from sickbay_sim.plant import PLANTS
from sickbay_sim.record import Run
from sickbay_sim.scenario import Fault, Scenario
from sickbay_sim.swarm import fate as fates
from sickbay_sim.swarm.agenda import Act
from sickbay_sim.swarm.books import Account, Books
from sickbay_sim.swarm.broker import Broker
from sickbay_sim.swarm.clock import wall_of
from sickbay_sim.swarm.device import Device, Makeup
from sickbay_sim.swarm.fate import Fate, Rates, SiteFate
from sickbay_sim.swarm.machine import Alone, Machine, Ring, Shared, table_of
from sickbay_sim.swarm.pace import Pace
from sickbay_sim.swarm.receiving import Receiving
from sickbay_sim.swarm.reckoning import reckon
from sickbay_sim.swarm.shelf import Shelf
from sickbay_sim.swarm.summary import Lived, lived
from sickbay_sim.swarm.under_way import UnderWay
from sickbay_sim.swarm.uplink import OUT, Spell, Way
from sickbay_sim.swarm.watch import DeviceWatch, Watch

SITE_DEVICES = 250  # at most: each holds three descriptors
RECKONS_MS = 600_000
BACKUP_MS = 86_400_000
SHARES = 20  # devices a patient, about
AHEAD_S = 60.0


@dataclass(frozen=True)
class Plan:
    """What a swarm is to do."""

    devices: int = 100
    seed: int = 1
    hours: float = 24.0
    scenarios: tuple[Scenario, ...] = ()
    rates: Rates = field(default_factory=Rates)
    warm_s: float = 900.0
    period_s: float = 1.0  # of devices without a scenario
    profile: str = "clean"
    plants: tuple[str, ...] = tuple(sorted(PLANTS))
    records: bool = True  # a record.Run of each device
    limits: Limits = field(default_factory=Limits)
    timing: Timing = field(default_factory=Timing)
    site_devices: int = SITE_DEVICES
    reckons_ms: int = RECKONS_MS
    ahead_s: float = AHEAD_S  # how far a device may run ahead of the others; changes no result

    def sites(self) -> int:
        return -(-self.devices // self.site_devices)


class Site:
    """One site under way. Its clock is in milliseconds from the start of the warm-up."""

    def __init__(self, plan: Plan, number: int, folder: Path, way: type[Way] = Way) -> None:
        self.plan, self.number = plan, number
        self.seed = f"{plan.seed} site {number}"
        self.end_ms = round(plan.hours * 3_600_000)
        self.under_way = UnderWay()
        self.watch = Watch()
        self.books = Books()
        chance = random.Random(self.seed)
        self.broker = Broker(self.under_way, random.Random(f"{self.seed} broker"), twice=0.01)
        self.receiving = Receiving(
            folder,
            self.under_way,
            self.broker,
            lambda: wall_of(self.under_way.now_ms),
            self.books.committed,
        )
        self.shelf = Shelf(folder, plan.limits)
        self._way_of = way
        self._table = table_of(self.seed)
        self.rings = self._rings(chance)
        self.devices: dict[str, Device] = {}
        self.open_tickets = self.waiting_peak = 0
        self.alone_s: dict[str, float] = {}  # when a device's story ends, for those that have one
        self.spent_s = {"plants": 0.0, "devices": 0.0, "messages": 0.0, "reckoning": 0.0}
        self._equipments: dict[str, Equipment] = {}
        self._between: dict[int, list[Act]] = {}  # what befalls all at once
        first = number * plan.site_devices
        for index in range(first, min(plan.devices, first + plan.site_devices)):
            self._add(index)
        self.broker.on_kill.append(self._all_lost)
        self._befall(
            fates.of_site(f"{self.seed} fate", plan.hours * 3600, plan.rates) if not plan.scenarios else SiteFate()
        )

    def close(self) -> None:
        self.shelf.close()
        self.receiving.close()

    # Making it.

    def _rings(self, chance: random.Random) -> list[Ring]:
        if self.plan.scenarios:
            return []
        here = min(self.plan.site_devices, self.plan.devices)
        count = max(len(self.plan.plants), here // SHARES)
        return [
            Ring(
                self.plan.plants[k % len(self.plan.plants)],
                chance.getrandbits(31),
                self.plan.profile,
                self.plan.period_s,
            )
            for k in range(count)
        ]

    def _add(self, index: int) -> None:
        name = f"unit-{index:05d}"
        seed = random.Random(f"{self.plan.seed} device {index}").getrandbits(31)
        if self.plan.scenarios:
            scenario = self.plan.scenarios[index % len(self.plan.scenarios)]
            made, fate, start_ms = self._in_a_story(name, seed, replace(scenario, seed=seed))
        else:
            made, fate, start_ms = self._at_random(name, seed)
        watch = DeviceWatch(self.watch, made.equipment)
        number, first_row_ms = len(self.devices), start_ms + made.period_ms
        device = Device(made, number, first_row_ms, self.shelf, self.books, watch, self.seed)
        loses = self.plan.rates.lost_connections / (30 * 24)
        chance = random.Random(f"{self.seed} link {name}")
        device.way = self._way_of(device, self.under_way, self.broker, chance, self.plan.timing, loses)
        self.devices[name] = device
        self.books.accounts[name] = Account(made.keeper)
        self._arrange(device, fate, start_ms)

    def _at_random(self, name: str, seed: int) -> tuple[Makeup, Fate, int]:
        chance = random.Random(f"device {seed}")
        ring = chance.choice(self.rings)
        hours_s = self.plan.hours * 3600
        fate = fates.of_device(f"fate {seed}", ring.plant, self.plan.warm_s, hours_s, self.plan.rates)
        story = Scenario(
            name=f"swarm-{self.plan.seed}-{name}",
            title=f"What befell {name}",
            plant=ring.plant.name,
            seconds=hours_s - self.plan.warm_s,
            seed=seed,
            warm_s=self.plan.warm_s,
            period_s=self.plan.period_s,
            profile=self.plan.profile,
            faults=tuple(_shifted(fate, self.plan.warm_s)),
        )
        equipment = self._equipment(story, name)
        machine = Shared(ring, fate.faults, seed, self._table)
        kinds = kinds_of(ring.plant)
        spoils = any(kinds[f.kind].acts == "bytes" for f in fate.faults)
        return self._makeup(story, equipment, machine, seed, round(self.plan.warm_s * 1000), spoils), fate, 0

    def _in_a_story(self, name: str, seed: int, story: Scenario) -> tuple[Makeup, Fate, int]:
        """This returns a device that lives through a scenario, begun at a moment of its own within the first ten minutes."""
        start_ms = 1000 * random.Random(f"start {seed}").randrange(600)
        patient = Patient(
            seed,
            story.faults,
            plant=story.plant,
            loads=story.loads,
            profile=story.profile,
            signals=configure.sensors(story),
            start_s=-round(story.warm_s / story.period_s) * story.period_s,
        )
        zero_ms = start_ms + round(story.warm_s / story.period_s) * round(story.period_s * 1000)
        self.alone_s[name] = (zero_ms + story.seconds * 1000) / 1000
        equipment = self._equipment(story, name)
        kinds = kinds_of(patient.plant)
        spoils = story.port == "csv" or any(kinds[f.kind].acts == "bytes" for f in story.faults)
        made = self._makeup(story, equipment, Alone(patient, story.period_s), seed, zero_ms, spoils)
        return made, fates.of_story(story, zero_ms), start_ms

    def _makeup(
        self, story: Scenario, equipment: Equipment, machine: Machine, seed: int, zero_ms: int, spoils: bool
    ) -> Makeup:
        keeper = None
        if self.plan.records:
            keeper = Keeper(Run(story, seed, "swarm", equipment.device), equipment, zero_ms)
        ear: Callable[[Device], Ear] | None = None
        if spoils:
            config = configuration.parse(configure.for_scenario(story))
            line = config.sources[LINE]
            assert isinstance(line, SerialLine), "the swarm spoils lines of text only"
            fields_ = configuration.fields_of(config, LINE)

            def ear(device: Device) -> Ear:
                return Ear(line, fields_, configure.sensors(story), seed, device.hear, device.agenda.at)

        return Makeup(equipment, story.plant, machine, round(story.period_s * 1000), ear, keeper)

    def _equipment(self, story: Scenario, name: str) -> Equipment:
        text = configure.for_scenario(story)
        if text not in self._equipments:
            self._equipments[text] = configuration.equipment(configuration.parse(text))
        return msgspec.structs.replace(self._equipments[text], device=name)

    # What is to happen.

    def _arrange(self, device: Device, fate: Fate, start_ms: int) -> None:
        at = device.agenda.at
        at(start_ms, device.start)
        if device.name in self.alone_s:
            at(round(self.alone_s[device.name] * 1000) + 1, _then(self._story_over, device))
        for spell in fate.spells:
            at(spell.at_ms, _then(device.way.begin, spell))
        for kill_ms, until_ms in fate.kills:
            at(kill_ms, device.kill)
            at(until_ms, device.start)
        for order in fate.orders:
            at(order.at_ms, _then(device.ordered, order))
        for step_ms, step_s in fate.clocks:
            at(step_ms, _then(device.step_wall, step_s))
        for store_ms, well in fate.stores:
            at(store_ms, _then(device.store, well))

    def _befall(self, fate: SiteFate) -> None:
        broker, receiving = self.broker, self.receiving

        def at(at_ms: int, act: Act) -> None:
            self._between.setdefault(at_ms, []).append(act)

        def up(at_ms: int) -> None:
            broker.restart(at_ms)
            receiving.broker_back(at_ms)

        for kill_ms, until_ms in fate.broker_kills:
            at(kill_ms, broker.kill)
            at(until_ms, up)
        for away_ms, until_ms in fate.broker_away:
            for device in self.devices.values():
                device.agenda.at(away_ms, _then(device.way.begin, Spell(OUT, away_ms, until_ms)))
        for away_ms, until_ms in fate.fleet_away:
            at(away_ms, receiving.crash)
            at(until_ms, receiving.back)
        for restore_ms in fate.restores:
            at(restore_ms, self._restore)
        for backup_ms in range(BACKUP_MS // 4, self.end_ms, BACKUP_MS):
            at(backup_ms, _then(receiving.backup))
        for reckon_ms in range(self.plan.reckons_ms, self.end_ms, self.plan.reckons_ms):
            at(reckon_ms, self._reckon)

    def _all_lost(self, at_ms: int) -> None:
        for device in self.devices.values():
            device.way.lost(at_ms)

    def _restore(self, at_ms: int) -> None:
        reckon(self, at_ms)  # what is in the store until now is delivered, whatever becomes of the store
        self.receiving.restore(at_ms)

    def _reckon(self, at_ms: int) -> None:
        began = time.process_time()
        reckon(self, at_ms)
        self.spent_s["reckoning"] += time.process_time() - began

    # Going through it.

    def run(self, tell: Callable[[float], None] = lambda at_s: None) -> list[Run]:
        """This goes through it all and returns the records. `tell` hears of each virtual hour."""
        pace, spent, cpu, wall = (
            Pace(self.devices.values(), self.under_way),
            self.spent_s,
            time.process_time,
            time.perf_counter,
        )
        step_ms = round(self.plan.period_s * 1000)
        for at_ms in self._slices():
            began = cpu()
            for ring in self.rings:
                ring.ahead((at_ms - 1) // step_ms)
            plants, wall_s, events_s = cpu(), wall(), pace.events_s
            pace.until(at_ms)
            spent_s = cpu() - plants
            share = (pace.events_s - events_s) / (wall() - wall_s)
            spent["plants"] += plants - began
            spent["messages"] += spent_s * share
            spent["devices"] += spent_s * (1 - share)
            pace.all_at(min(at_ms, self.end_ms))
            for act in self._between.get(at_ms, ()):
                act(at_ms)
            if at_ms % 3_600_000 == 0:
                gc.collect()
                tell(at_ms / 1000)
        reckon(self, self.end_ms, final=True)
        return self._records()

    def _slices(self) -> list[int]:
        """This returns where slices end: as often as the plan says, and wherever something befalls all at once."""
        ahead_ms = round(max(self.plan.ahead_s, self.plan.period_s) * 1000)
        ends = {*range(ahead_ms, self.end_ms, ahead_ms), *range(3_600_000, self.end_ms, 3_600_000), *self._between}
        return [*sorted(at_ms for at_ms in ends if at_ms < self.end_ms), self.end_ms + 1]

    def _story_over(self, device: Device) -> None:
        """This closes the record of a device whose story ends; it lives on, so that its last messages arrive."""
        if device.keeper is not None:
            device.keeper.run.truth = device.machine.illnesses()
            device.keeper.ended(device.node, device.keeper.run.scenario.seconds)
            device.keeper = None

    def _records(self) -> list[Run]:
        found: list[Run] = []
        for name, device in self.devices.items():
            keeper = self.books.accounts[name].keeper
            if keeper is None:
                continue
            run = keeper.run
            run.lost = self.books.accounts[name].lost
            if device.keeper is not None:
                shift_s = self.plan.warm_s
                run.truth = [
                    replace(i, onset_s=i.onset_s - shift_s, end_s=None if i.end_s is None else i.end_s - shift_s)
                    for i in device.machine.illnesses()
                ]
                keeper.ended(device.node, run.scenario.seconds)
            found.append(run)
        return found


def _then(act: Callable[..., None], *what: Any) -> Act:
    """This returns an entry of the agenda that does not ask for its time."""
    return lambda at_ms: act(*what)


def _shifted(fate: Fate, warm_s: float) -> Iterable[Fault]:
    """This returns a device's faults in the seconds of its record, which begin after the warm-up."""
    for fault in fate.faults:
        until_s = None if fault.until_s is None else fault.until_s - warm_s
        yield replace(fault, at_s=fault.at_s - warm_s, until_s=until_s)


def live(plan: Plan, number: int, tell: Callable[[float], None] = lambda at_s: None, way: type[Way] = Way) -> Lived:
    """This returns what came of one site; its files are on a disk in memory where there is one, and gone after that."""
    memory = Path("/dev/shm")
    began = time.process_time()
    with tempfile.TemporaryDirectory(prefix="sickbay-swarm-", dir=memory if memory.is_dir() else None) as folder:
        site = Site(plan, number, Path(folder), way)
        try:
            with _without_collecting():
                runs = site.run(tell)
            return lived(site, runs, time.process_time() - began)
        finally:
            site.close()


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """This spares looking for circles among a site's million objects, an eighth of the time; the site does it once an hour."""
    was = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was:
            gc.enable()

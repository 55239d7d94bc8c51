"""This draws what befalls a device and a site, at stated rates. Chance decides alone: the same seed, the same fate."""

import itertools
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, fields

from sickbay_sim.ailments import AilmentError, check, kinds_of
from sickbay_sim.catalogue import Description
from sickbay_sim.device import edges
from sickbay_sim.scenario import Fault, Scenario
from sickbay_sim.swarm.uplink import HALF_OPEN, OUT, REFUSED, SLOW, Spell
from sickbay_sim.swarm.uplink import KINDS as LINK_KINDS

RESTART_MS = 3_000  # from a kill to the next process: systemd's RestartSec and the start itself
MONTH_S = 30 * 86_400.0
# A flood makes a thousand lines of one and a dribble a thousand chunks; they cost what they cost and are had on the bench.
_TOO_DEAR = frozenset(("flood", "slow_dribble"))
_VERBS = ("ack", "ack", "release", "release", "shelve", "unshelve", "quarantine", "feedback", "clear", "cycle")


@dataclass(frozen=True)
class Rates:
    """How often things happen: a device-month, the last six a site-month. Nobody is so unlucky; a soak multiplies them all."""

    sensor: float = 1.0
    part: float = 0.5
    line: float = 0.5
    surroundings: float = 0.5
    link: float = 8.0  # spells: out, half open, publishes refused, slow
    lost_connections: float = 60.0
    kill: float = 2.0
    order: float = 4.0  # a person's, whatever comes to their mind
    clock: float = 0.5  # steps of the wall clock, by up to a year
    broker_kill: float = 6.0
    broker_away: float = 6.0
    fleet_kill: float = 10.0
    fleet_away: float = 1.0  # for hours or days
    fleet_restored: float = 1.0  # from yesterday's backup

    def times(self, factor: float) -> "Rates":
        """This returns all of them multiplied."""
        return Rates(**{f.name: getattr(self, f.name) * factor for f in fields(self)})


@dataclass(frozen=True)
class Order:
    """One order of a person. Without a target, whom it means is decided when it is given: what is open then, or anything."""

    at_ms: int
    verb: str
    draw: float = 0.0
    target: str = ""
    reason: str = "because"
    for_ms: int = 600_000


@dataclass(frozen=True)
class Fate:
    """What is to befall one device."""

    faults: tuple[Fault, ...] = ()
    spells: tuple[Spell, ...] = ()
    kills: tuple[tuple[int, int], ...] = ()  # at_ms, until_ms
    orders: tuple[Order, ...] = ()
    clocks: tuple[tuple[int, float], ...] = ()  # at_ms, seconds
    stores: tuple[tuple[int, bool], ...] = ()  # at_ms, whether the disk takes anything from then on


@dataclass(frozen=True)
class SiteFate:
    """What is to befall what devices have in common: (at_ms, until_ms)."""

    broker_kills: tuple[tuple[int, int], ...] = ()
    broker_away: tuple[tuple[int, int], ...] = ()
    fleet_away: tuple[tuple[int, int], ...] = ()
    restores: tuple[int, ...] = ()


def of_device(seed: str, plant: Description, warm_s: float, end_s: float, rates: Rates) -> Fate:
    """This returns what befalls a device between its warm-up and the end; of faults of its machine, one at a time."""
    chance = random.Random(seed)
    faults: list[Fault] = []
    free_s = warm_s
    moments = [
        (at_s, layer)
        for layer in ("sensor", "part", "line", "surroundings")
        for at_s in _moments(chance, getattr(rates, layer), warm_s, end_s)
    ]
    for at_s, layer in sorted(moments):
        if at_s >= free_s:
            faults.append(_fault(chance, plant, layer, at_s))
            # Now and then a second one comes on top of the first.
            free_s = at_s if chance.random() < 0.1 else (faults[-1].until_s or at_s)
    spells = _apart(
        Spell(chance.choice(LINK_KINDS), round(at_s * 1000), round((at_s + _between(chance, 5, 7200)) * 1000))
        for at_s in _moments(chance, rates.link, 0.0, end_s)
    )
    kills = [
        (round(at_s * 1000), round((at_s + _between(chance, 3, 600)) * 1000))
        for at_s in _moments(chance, rates.kill, 0.0, end_s)
    ]
    orders = [
        Order(round(at_s * 1000), chance.choice(_VERBS), chance.random())
        for at_s in _moments(chance, rates.order, warm_s, end_s)
    ]
    clocks = [
        (round(at_s * 1000), chance.choice((-1, 1)) * _between(chance, 1, 366 * 86_400))
        for at_s in _moments(chance, rates.clock, 0.0, end_s)
    ]
    return Fate(tuple(faults), spells, _not_at_once(kills), tuple(orders), tuple(clocks))


_SPELLS = {
    "broker_outage": OUT,
    "broker_refusal": REFUSED,
    "broker_half_open": HALF_OPEN,
    "broker_slow": SLOW,
}
_STEPS_S = {"clock_step": 86_400.0, "clock_backwards": -86_400.0, "clock_1970": -20_000 * 86_400.0}


def of_story(story: Scenario, zero_ms: int) -> Fate:
    """This returns what a scenario lets befall the device itself; its machine's faults are the patient's business."""

    def ms(at_s: float) -> int:
        return zero_ms + round(at_s * 1000)

    spells: list[Spell] = []
    kills: list[tuple[int, int]] = []
    clocks: list[tuple[int, float]] = []
    stores: list[tuple[int, bool]] = []
    for fault in story.faults:
        if fault.kind not in (*_SPELLS, *_STEPS_S, "kill", "disk_full"):
            continue
        changes = [*edges(fault, story.seconds), (story.seconds, False)]
        for (at_s, there), (until_s, _) in itertools.pairwise(changes):
            if fault.kind == "disk_full":
                stores.append((ms(at_s), not there))
            elif there and fault.kind in _SPELLS:
                spells.append(Spell(_SPELLS[fault.kind], ms(at_s), ms(until_s)))
            elif there and fault.kind in _STEPS_S:
                step_s = _STEPS_S[fault.kind] * fault.severity
                clocks += [(ms(at_s), step_s), (ms(until_s), -step_s)]
            elif there:
                kills.append((ms(at_s), ms(at_s) + RESTART_MS if fault.until_s is None else ms(until_s)))
    orders = (
        Order(ms(o.at_s), o.verb, 0.0, o.target, o.reason, round(o.for_s * 1000)) for o in story.orders if not o.remote
    )
    return Fate((), tuple(spells), tuple(kills), tuple(orders), tuple(clocks), tuple(stores))


def of_site(seed: str, end_s: float, rates: Rates) -> SiteFate:
    """This returns what befalls a site."""
    chance = random.Random(seed)

    def spans(rate: float, least_s: float, most_s: float) -> tuple[tuple[int, int], ...]:
        return _not_at_once(
            [
                (round(at_s * 1000), round((at_s + _between(chance, least_s, most_s)) * 1000))
                for at_s in _moments(chance, rate, 60.0, end_s)
            ]
        )

    return SiteFate(
        broker_kills=spans(rates.broker_kill, 2, 120),
        broker_away=spans(rates.broker_away, 30, 4 * 3600),
        fleet_away=_not_at_once([*spans(rates.fleet_kill, 1, 60), *spans(rates.fleet_away, 3600, 3 * 86_400)]),
        restores=tuple(round(at_s * 1000) for at_s in _moments(chance, rates.fleet_restored, 60.0, end_s)),
    )


def _moments(chance: random.Random, rate: float, from_s: float, end_s: float) -> list[float]:
    """This returns the times of a Poisson process at `rate` a month."""
    found: list[float] = []
    at_s = from_s
    while rate > 0:
        at_s += chance.expovariate(rate / MONTH_S)
        if at_s >= end_s:
            break
        found.append(at_s)
    return found


def _between(chance: random.Random, least: float, most: float) -> float:
    """This returns a number whose logarithm is anywhere between: as many short ones as long ones."""
    return math.exp(chance.uniform(math.log(least), math.log(most)))


def _fault(chance: random.Random, plant: Description, layer: str, at_s: float) -> Fault:
    """This returns a fault of a layer that this plant can have."""
    kinds = {
        name: kind
        for name, kind in kinds_of(plant).items()
        if kind.layer == layer and kind.acts != "device" and name not in _TOO_DEAR
    }
    while True:
        name = chance.choice(sorted(kinds))
        targets = kinds[name].targets or tuple(plant.signals)
        target = "<>".join(chance.sample(targets, 2)) if name == "swap" else chance.choice(targets)
        lasts_s = _between(chance, 60, 3 * 3600)
        shape = chance.choice(("step", "step", "step", "linear", "exponential", "staircase", "intermittent"))
        over_s = 0.0 if shape == "step" else lasts_s * chance.uniform(0.05, 0.8)
        at_s = round(at_s)
        try:
            made = Fault(name, target, at_s, at_s + round(lasts_s), chance.uniform(0.2, 1.0), shape, over_s)
            return check(made, plant)
        except AilmentError:
            continue  # a switch, say, cannot drift


def _apart(spells: Iterable[Spell]) -> tuple[Spell, ...]:
    """This returns those spells that do not begin within another."""
    kept: list[Spell] = []
    for spell in spells:
        if not kept or spell.at_ms > kept[-1].until_ms:
            kept.append(spell)
    return tuple(kept)


def _not_at_once(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """This returns those spans that do not begin within another."""
    kept: list[tuple[int, int]] = []
    for at_ms, until_ms in sorted(spans):
        if not kept or at_ms > kept[-1][1]:
            kept.append((at_ms, until_ms))
    return tuple(kept)

"""This is what a swarm says when it is over: in one record that can be put together from sites, in words, and for programs."""

from array import array
from typing import TYPE_CHECKING, Any

import msgspec

from sickbay_sim.record import Run
from sickbay_sim.swarm.fate import MONTH_S
from sickbay_sim.swarm.watch import Breach, earliest

if TYPE_CHECKING:
    from sickbay_sim.swarm.site import Site


class Lived(msgspec.Struct):
    """What came of one site, or of several together."""

    sites: list[int] = []
    devices: int = 0
    device_s: float = 0.0  # virtual seconds of all devices together
    rows: int = 0  # fed to nodes, or lost on the way
    kinds: dict[str, int] = {}
    offered: int = 0
    delivered: int = 0
    waiting: int = 0
    shed: int = 0
    lost: int = 0
    twice: int = 0  # that came twice, and were counted once
    delays_s: bytes = b""  # float32
    counts: dict[str, int] = {}  # what befell it
    peaks: dict[str, int] = {}
    looks: dict[str, int] = {}
    breaches: list[Breach] = []
    breached: int = 0
    spent_s: dict[str, float] = {}
    cpu_s: float = 0.0
    runs: list[Run] = []

    def add(self, other: "Lived") -> None:
        """This puts another site's life to this one."""
        for name in ("devices", "device_s", "rows", "offered", "delivered", "waiting", "shed", "lost", "twice"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.cpu_s += other.cpu_s
        self.breached += other.breached
        self.sites = sorted([*self.sites, *other.sites])
        self.breaches = earliest([*self.breaches, *other.breaches])
        self.delays_s += other.delays_s
        self.runs = [*self.runs, *other.runs]
        for mine, its in ((self.kinds, other.kinds), (self.counts, other.counts), (self.looks, other.looks)):
            for key, count in its.items():
                mine[key] = mine.get(key, 0) + count
        for key, spent in other.spent_s.items():
            self.spent_s[key] = self.spent_s.get(key, 0.0) + spent
        for key, peak in other.peaks.items():
            self.peaks[key] = max(self.peaks.get(key, 0), peak)

    @property
    def months(self) -> float:
        return self.device_s / MONTH_S

    def delay_s(self, share: float) -> float:
        """This returns the delay that a share of the messages kept to, from the node's word to the store's commit."""
        delays = sorted(array("f", self.delays_s))
        return delays[min(len(delays) - 1, int(share * len(delays)))] if delays else 0.0


def lived(site: "Site", runs: list[Run], cpu_s: float) -> Lived:
    """This returns what came of a site that is over."""
    accounts, devices = site.books.accounts.values(), site.devices.values()
    counted: dict[str, int] = dict(site.receiving.ask("SELECT what, count FROM counts"))
    befell = {
        "kills of a daemon": sum(d.kills for d in devices),
        "connections": sum(d.way.connections for d in devices),
        "publishes": sum(d.way.sent for d in devices),
        "publishes refused": sum(d.way.refused for d in devices),
        "orders refused": site.books.refused_orders,
        "messages a killed broker forgot": site.broker.forgotten,
        "messages a full broker dropped": site.broker.dropped,
        "fleet away or killed": site.receiving.crashes,
        "fleet restored from a backup": site.receiving.restores,
        "messages erased by a restore": site.receiving.erased_messages,
        "stories told once more": sum(d.retold for d in devices),
        "refused by the store": sum(n for what, n in counted.items() if what.startswith("refused")),
        "tickets open": site.open_tickets,
        "journals opened": site.shelf.opened,
    }
    return Lived(
        sites=[site.number],
        devices=len(site.devices),
        device_s=sum(d.rows_fed * d.period_ms for d in devices) / 1000,
        rows=sum(d.rows_fed for d in devices),
        kinds=dict(site.books.kinds),
        offered=sum(a.offered for a in accounts),
        delivered=sum(a.settled for a in accounts),
        waiting=sum(d.outbox_rows for d in devices),
        shed=sum(d.shed() for d in devices),
        lost=sum(a.lost for a in accounts),
        twice=counted.get("duplicates", 0),
        delays_s=site.books.delays_s.tobytes(),
        counts=befell,
        peaks={
            "outbox bytes": max(d.outbox_peak for d in devices),
            "snapshot bytes": max(d.snapshot_peak for d in devices),
            "agenda": site.waiting_peak,
            "store bytes": site.receiving.file_bytes(),
        },
        looks=dict(site.watch.looks),
        breaches=list(site.watch.breaches),
        breached=site.watch.count,
        spent_s=dict(site.spent_s),
        cpu_s=cpu_s,
        runs=runs,
    )


def plain(found: Lived, wall_s: float) -> dict[str, Any]:
    """This returns it for programs."""
    return {
        "devices": found.devices,
        "sites": len(found.sites),
        "device_months": round(found.months, 4),
        "messages": {"offered": found.offered, **found.kinds},
        "delivered": found.delivered,
        "in_outboxes": found.waiting,
        "shed": found.shed,
        "lost": found.lost,
        "came_twice": found.twice,
        "delay_s": {"p50": round(found.delay_s(0.5), 3), "p95": round(found.delay_s(0.95), 3)},
        "befell": found.counts,
        "peaks": found.peaks,
        "looks": found.looks,
        "breaches": [msgspec.structs.asdict(b) if isinstance(b, msgspec.Struct) else vars(b) for b in found.breaches],
        "breached": found.breached,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(found.cpu_s, 1),
        "times_real_time": round(found.device_s / max(found.devices, 1) / max(wall_s, 1e-9), 1),
    }


def words(found: Lived, wall_s: float) -> list[str]:
    """This returns it in lines for eyes."""
    said = plain(found, wall_s)
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.kinds.items())
    lines = [
        f"{found.devices} devices at {len(found.sites)} sites, {found.months:.2f} device-months in {wall_s:.0f} s: "
        f"{said['times_real_time']:g} x real time",
        f"messages: {kinds}; half with the fleet within {said['delay_s']['p50']:g} s, 95 % within {said['delay_s']['p95']:g} s",
        f"offered {found.offered} = delivered {found.delivered} + in outboxes {found.waiting} + counted as shed {found.shed}"
        f" + lost {found.lost}; {found.twice} came twice and count once",
        "befell: " + ", ".join(f"{what} {count}" for what, count in found.counts.items() if count),
        "peaks: " + ", ".join(f"{what} {count:,}" for what, count in found.peaks.items()),
        "looked at: " + ", ".join(f"{name} {count:,}" for name, count in found.looks.items()),
    ]
    lines += [f"BROKEN  {b.invariant}: {b.device} at {b.at_s:.0f} s: {b.saw}" for b in found.breaches]
    return lines

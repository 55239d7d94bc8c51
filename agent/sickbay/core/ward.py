"""This is the state of one device, whole: what the node's modules share, and nothing that decides."""

from collections.abc import Mapping
from typing import Any

from sickbay.core.afield import PEERS_LEAST, Afield
from sickbay.core.anomaly import PartView
from sickbay.core.bars import Bars
from sickbay.core.baseline import Learnt
from sickbay.core.case import Case
from sickbay.core.channel import Channel, PartRow, Twins
from sickbay.core.cycles import Cycles
from sickbay.core.effects import Effect, Event
from sickbay.core.equipment import Equipment, Part
from sickbay.core.outside import Outside
from sickbay.core.parity import SIGNALS_MOST, Parity
from sickbay.core.quarantine import Quarantine, Record
from sickbay.core.source import Source
from sickbay.core.standing import StandingOrders
from sickbay.core.table import FaultTable
from sickbay.core.triage import Triage


class Union:
    """The whole unit's row while it fills up, part by part, and the relations and cycles that are followed in it."""

    __slots__ = (
        "afield",
        "brought",
        "channels",
        "cycles",
        "numbers",
        "outside",
        "parity",
        "places",
        "row",
        "strangers",
        "told",
    )

    def __init__(self, ward: "Ward") -> None:
        self.channels = list({c.spec.name: c for row in ward.rows.values() for c in row.members}.values())
        self.numbers = {c.spec.name: i for i, c in enumerate(self.channels)}
        self.places = {name: [self.numbers[c.spec.name] for c in row.members] for name, row in ward.rows.items()}
        self.parity = Parity(len(self.channels), ward.equipment.policy.learn_rows)
        groups = [ward.equipment.redundancy_group(c.spec.name) for c in self.channels]
        twins = [[n for name in group if (n := self.numbers.get(name, i)) != i] for i, group in enumerate(groups)]
        self.cycles = Cycles(list(self.places.values()), twins, ward.equipment.policy.learn_rows)
        near = [
            {i for members in self.places.values() if n in members for i in members} for n in range(len(self.channels))
        ]
        apart = [[i for i in range(len(self.channels)) if i not in own] for own in near]
        self.afield = Afield(apart, ward.equipment.policy.learn_rows)
        # Signals of no part: what is measured of the surroundings.
        self.strangers = [c for c in ward.channels.values() if not c.rows]
        self.outside = Outside([c.spec.name for c in self.strangers], ward.equipment.policy.learn_rows)
        self.told: dict[str, tuple[str, str]] = {}  # signs of the cycles: the fault that each was told as
        self.row: list[float | None] = [None] * len(self.channels)
        self.brought: dict[str, None] = {}  # parts whose rows are in


class Ward:
    """Everything that lasts in one device. Each field has one owner class; the modules around it hold the rules."""

    def __init__(self, equipment: Equipment, mint: str, learnt: Mapping[str, Learnt]) -> None:
        self.equipment = equipment
        self.now_ms = 0
        self.faults = FaultTable()
        self.quarantine = Quarantine(equipment)
        self.triage = Triage(equipment.device, mint)
        self.orders = StandingOrders()
        self.sources = self._lines()
        learn_rows = equipment.policy.learn_rows
        self.channels = {s.name: Channel(s, learn_rows, self.sources[s.source]) for s in equipment.signals}
        self.rows = {p.name: self._row(p, learnt.get(p.name)) for p in equipment.parts}
        self.twins = self._groups()
        self.union = Union(self) if 2 <= len({s for p in equipment.parts for s in p.signals}) <= SIGNALS_MOST else None
        self.by_source: dict[str, list[Channel]] = {}
        for channel in self.channels.values():
            self.by_source.setdefault(channel.spec.source, []).append(channel)
        self.lost_sources: dict[str, str] = {}  # source: what it said when it was lost
        self.pending_drives: dict[str, tuple[str, bool]] = {}  # effect id: (part, on)
        self.drives = 0
        self.ordered: dict[str, tuple[bool, int]] = {}  # output: what it was last ordered to be, and when
        self.bars = Bars()  # what people called false alarms
        self.cycle_ms = 0  # when the present operation cycle began
        self.unknown_signals = 0
        self.effects: list[Effect] = []
        self.due_ms: int | None = 0

    def _lines(self) -> dict[str, Source]:
        """This returns what is followed of each source that a signal comes from."""
        cadences: dict[str, list[int]] = {}
        for signal in self.equipment.signals:
            cadences.setdefault(signal.source, []).append(signal.every_ms)
        return {s: Source(len(c), min(c)) for s, c in cadences.items()}

    def _row(self, part: Part, learnt: Learnt | None) -> PartRow:
        members = [self.channels[name] for name in part.signals]
        policy = self.equipment.policy
        others = {name for p in self.equipment.parts for name in p.signals} - set(part.signals)
        alone = len(others) < PEERS_LEAST
        view = PartView([c.spec for c in members], policy.learn_rows, policy.false_alarms_per_month, learnt, alone)
        row = PartRow(part, members, view)
        for i, channel in enumerate(members):
            channel.rows.append((row, i))
        if any(c.trend is not None for c in members):  # its peers must say whether the part wears or the sensor drifts
            for channel in members:
                channel.follow()
        return row

    def _groups(self) -> list[Twins]:
        """This returns the redundancy groups, each once, in file order."""
        out: list[Twins] = []
        for channel in self.channels.values():
            names = self.equipment.redundancy_group(channel.spec.name)
            if len(names) > 1 and channel.twins is None:
                out.append(Twins([self.channels[n] for n in names], self.equipment.policy.learn_rows))
                for member in out[-1].members:
                    member.twins = out[-1]
        return out

    def record_of(self, case: Case) -> Record | None:
        """This returns the standing of a case's target: None for a line or the surroundings, whatever their name."""
        return self.quarantine.records.get(case.target) if case.layer in ("sensor", "part", "unknown") else None

    def cases_of(self, target: str) -> list[Case]:
        """This returns the open cases about a sensor or part; those of a line that bears the same name are not meant."""
        return [c for c in self.triage.open_cases() if c.target == target and self.record_of(c) is not None]

    def emit(self, kind: str, name: str, **detail: Any) -> None:
        """This notes one change, for events.jsonl."""
        self.effects.append(Event(kind, self.now_ms, name, detail))

    def advance(self, at_ms: int) -> None:
        """This lets time go forward; it never goes back."""
        if at_ms > self.now_ms:
            self.now_ms = at_ms

    def soon(self, at_ms: int | None) -> None:
        """This makes sure that `tick` is asked for by then."""
        if at_ms is not None and (self.due_ms is None or at_ms < self.due_ms):
            self.due_ms = at_ms

    def changed(self, case: Case) -> None:
        """This takes note that a case may have something new to tell."""
        self.triage.changed(case, self.now_ms)
        self.soon(case.due_ms)

"""These are the swarm's invariants: what must hold for every device at every moment, whatever befalls it, and who watches."""

from collections import deque
from dataclasses import dataclass

from sickbay.core.effects import Drive, Escalate
from sickbay.core.equipment import Equipment
from sickbay.core.node import Node
from sickbay.core.quarantine import OUT_OF_SERVICE, State
from sickbay.core.triage import BUDGET, BUDGET_MS, CASES_MAX

LOST, DOUBLED, OPEN, STALE = (
    "nothing lost",
    "no ticket doubled",
    "open fault has its ticket",
    "no ticket outlives its fault",
)
BOUNDED, ESSENTIAL, BUDGETED = "nothing unbounded", "essential parts stay", "ten messages in ten minutes"
MONOTONE, ISOLATED = "revisions rise by one", "isolated_max holds"
INVARIANTS = (LOST, DOUBLED, OPEN, STALE, BOUNDED, ESSENTIAL, BUDGETED, MONOTONE, ISOLATED)
BREACHES_MAX = 20  # kept in words; the rest is counted

GRACE_MS = 600_000  # so long a link must have been up before tickets are compared
SNAPSHOT_BYTES_MAX = 512 << 10
JOURNAL_BYTES_MAX = 24 << 20  # an outbox of 16 MiB, its log, the snapshot, 10,000 lines of the ledger
REVISIONS_MAX = 20_000  # faults of a device, of which the latest revision is remembered
WAITING_MAX_EACH = 400  # entries of the agenda, a device


@dataclass(frozen=True)
class Breach:
    """One time that an invariant did not hold."""

    invariant: str
    device: str
    at_s: float
    saw: str


def earliest(breaches: list[Breach]) -> list[Breach]:
    """This returns those that are kept in words, whoever saw them first."""
    return sorted(breaches, key=lambda b: (b.at_s, b.device, b.invariant))[:BREACHES_MAX]


class Watch:
    """What was looked at, how often, and what was seen."""

    def __init__(self) -> None:
        self.looks: dict[str, int] = dict.fromkeys(INVARIANTS, 0)
        self.breaches: list[Breach] = []
        self.count = 0
        self._seen: set[tuple[str, str]] = set()

    def look(self, invariant: str, held: bool, device: str, at_ms: int, saw: str = "") -> bool:
        """This notes one look; of a device each invariant is told once."""
        self.looks[invariant] += 1
        if not held:
            self.count += 1
            if (invariant, device) not in self._seen:
                self._seen.add((invariant, device))
                self.breaches = earliest([*self.breaches, Breach(invariant, device, at_ms / 1000, saw)])
        return held


class DeviceWatch:
    """This watches what one device says and does, at each effect."""

    def __init__(self, watch: Watch, equipment: Equipment) -> None:
        self._watch, self._device, self._policy = watch, equipment.device, equipment.policy
        self._essential = {p.name for p in equipment.parts if p.essential}
        off = {o.name: o.isolated_on for o in equipment.outputs}
        self._essential_off = {p.output: (p.name, off[p.output]) for p in equipment.parts if p.essential and p.output}
        self._told_ms: deque[int] = deque(maxlen=BUDGET + 1)
        self._revisions: dict[str, int] = {}

    def told(self, effect: Escalate, at_ms: int) -> None:
        """This looks at one message."""
        self._told_ms.append(at_ms)
        full = len(self._told_ms) > BUDGET and at_ms - self._told_ms[0] < BUDGET_MS
        saw = f"{effect.effect_id} is the eleventh since {self._told_ms[0] / 1000:.0f} s" if full else ""
        self._watch.look(BUDGETED, not full, self._device, at_ms, saw)
        before = self._revisions.get(effect.fault_id, 0)
        right = effect.revision == before + 1 and (effect.kind == "opened") == (before == 0)
        saw = "" if right else f"{effect.effect_id} ({effect.kind}) came after revision {before}"
        self._watch.look(MONOTONE, right, self._device, at_ms, saw)
        self._revisions[effect.fault_id] = effect.revision
        if len(self._revisions) > REVISIONS_MAX:
            del self._revisions[next(iter(self._revisions))]

    def drive(self, effect: Drive, node: Node, at_ms: int) -> None:
        """This looks at one order to an output."""
        if effect.output in self._essential_off:
            part, off = self._essential_off[effect.output]
            bad = effect.on is off and not node.ward.quarantine.records[part].held
            saw = f"{effect.output} of essential {part} was driven off: {effect.reason}" if bad else ""
            self._watch.look(ESSENTIAL, not bad, self._device, at_ms, saw)

    def isolated(self, name: str, node: Node, at_ms: int) -> None:
        """This looks at one isolation."""
        records = node.ward.quarantine.records
        record = records.get(name)
        if record is None or record.held or record.state not in (State.ISOLATED, State.LOCKED_OUT):
            return
        bad = name in self._essential
        self._watch.look(ESSENTIAL, not bad, self._device, at_ms, f"essential {name}: {record.rule}" if bad else "")
        others = [r.target for r in records.values() if r.state in OUT_OF_SERVICE and not r.held and r.target != name]
        full = record.by == "machine" and len(others) >= self._policy.isolated_max
        saw = f"{name} was isolated beside {', '.join(others)}" if full else ""
        self._watch.look(ISOLATED, not full, self._device, at_ms, saw)

    def bounded(self, node: Node, snapshot_bytes: int, file_bytes: int, at_ms: int) -> None:
        """This looks at what could grow in the device."""
        triage = node.ward.triage
        sizes = {
            "closed cases": (sum(not c.is_open and c.due_ms is None for c in triage.cases.values()), CASES_MAX + 1),
            "fault entries": (len(node.ward.faults.entries), 1000),
            "snapshot bytes": (snapshot_bytes, SNAPSHOT_BYTES_MAX),
            "journal bytes": (file_bytes, JOURNAL_BYTES_MAX),
        }
        over = [f"{size} {what}, at most {most}" for what, (size, most) in sizes.items() if size > most]
        self._watch.look(BOUNDED, not over, self._device, at_ms, "; ".join(over))

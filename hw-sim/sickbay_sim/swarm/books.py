"""These are a site's books: what became of every message. Offered is delivered, or in the outbox, or counted as shed."""

from array import array
from dataclasses import dataclass, field

from sickbay.core.effects import Escalate
from sickbay_sim.keeping import Keeper


@dataclass
class Account:
    """One device's messages."""

    keeper: Keeper | None
    offered: int = 0
    settled: int = 0  # seen in the store's file, and not in the outbox any more
    open: dict[str, tuple[int | None, int, bool]] = field(
        default_factory=dict
    )  # id: (place in the record, at_ms, delivered)
    told_ms: dict[str, int] = field(default_factory=dict)  # fault: when its latest message was offered; closed ones go
    opened_ms: dict[str, int] = field(default_factory=dict)  # fault: when its first was
    changed: bool = False
    lost: int = 0  # of neither device nor store, and not counted either


class Books:
    """All accounts of a site, and the delays of what was delivered."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.kinds: dict[str, int] = {"opened": 0, "updated": 0, "closed": 0}
        self.delays_s = array("f")
        self.refused_orders = 0
        self.arrivals = 0  # ids receipted by the store, each time

    def offered(self, device: str, effect: Escalate, place: int | None, at_ms: int) -> None:
        """This enters a message that the node wants told."""
        account = self.accounts[device]
        account.offered += 1
        account.changed = True
        account.open[effect.effect_id] = (place, at_ms, False)
        self.kinds[effect.kind] += 1
        if effect.kind == "opened":
            account.opened_ms[effect.fault_id] = at_ms
        account.told_ms[effect.fault_id] = at_ms

    def committed(self, device: str, ids: list[str], at_ms: int) -> None:
        """This enters what the store has committed; only the first time is a delivery."""
        account = self.accounts[device]
        self.arrivals += len(ids)
        for id_ in ids:
            entry = account.open.get(id_)
            if entry is None or entry[2]:
                continue
            place, offered_ms, _ = entry
            account.open[id_] = (place, offered_ms, True)
            self.delays_s.append((at_ms - offered_ms) / 1000)
            if account.keeper is not None and place is not None:
                account.keeper.delivered(place, at_ms)

    def forgotten(self, device: str, ids: list[str]) -> None:
        """This enters that an outbox let messages go."""
        if ids:
            self.accounts[device].changed = True

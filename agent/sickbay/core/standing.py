"""This is what orders from afar leave behind: counters that were used up, and targets that are judged stricter for a while.

Nothing in here can be undone from afar: a second order makes a factor greater or a time longer, never less.
"""

from collections.abc import Sequence

import msgspec

from sickbay.errors import OrderRefused

STANDING_MAX = 32  # orders that stand at one time; beyond it a new one is refused
KEYS_MAX = 64  # counters that are remembered; the key unused for longest is forgotten first
FOR_MS = 7 * 86_400_000  # how long one stands that does not say
FOR_MS_MAX = 30 * 86_400_000
ADVISED = 1.1  # how much stricter a target is judged that the fleet suspects


class Standing(msgspec.Struct, frozen=True):
    """One order that lasts."""

    verb: str  # tighten | advisory
    target: str  # a signal or a part
    factor: float  # 1.0 and more: how much stricter
    class_: str  # advisory: the class of fault that is suspected, "" for any
    who: str
    reason: str
    order_id: str
    since_ms: int
    until_ms: int


class StandingOrders:
    """This owns what stands, and the counters of the keys."""

    def __init__(self) -> None:
        self.standing: list[Standing] = []
        self.counters: dict[str, int] = {}  # key id: the highest counter that was used up

    def use_up(self, keys: Sequence[str], counter: int) -> None:
        """This takes a counter of one or more keys as used, whatever becomes of its order; raises OrderRefused for an old one."""
        for key in keys:
            used = self.counters.get(key, 0)
            if counter <= used:
                raise OrderRefused(
                    f"counter {counter} of this key is used up, the last was {used}: a replay is not obeyed"
                )
        for key in keys:
            self.counters.pop(key, None)
            self.counters[key] = counter
        for key in list(self.counters)[:-KEYS_MAX]:
            del self.counters[key]

    def add(self, new: Standing) -> Standing:
        """This puts an order beside what stands of its kind, and returns what stands now: the stricter, the longer of both."""
        same = [s for s in self.standing if (s.verb, s.target, s.class_) == (new.verb, new.target, new.class_)]
        if not same and len(self.standing) >= STANDING_MAX:
            raise OrderRefused(
                f"{STANDING_MAX} orders stand already, the most there may be. `sickbay loosen NAME` ends one"
            )
        for old in same:
            self.standing.remove(old)
            new = msgspec.structs.replace(
                new, factor=max(old.factor, new.factor), until_ms=max(old.until_ms, new.until_ms), since_ms=old.since_ms
            )
        self.standing.append(new)
        return new

    def drop(self, target: str) -> list[Standing]:
        """This ends what stands about a target, and returns it."""
        gone = self.of(target)
        self.standing = [s for s in self.standing if s.target != target]
        return gone

    def expire(self, now_ms: int) -> list[Standing]:
        """This ends what has had its time, and returns it."""
        gone = [s for s in self.standing if s.until_ms <= now_ms]
        if gone:
            self.standing = [s for s in self.standing if s.until_ms > now_ms]
        return gone

    def of(self, target: str) -> list[Standing]:
        """This returns what stands about a target."""
        return [s for s in self.standing if s.target == target]

    def factor(self, target: str) -> float:
        """This returns how much stricter a target is judged; 1.0 for as ever."""
        return max((s.factor for s in self.standing if s.target == target), default=1.0)

    def due_ms(self) -> int | None:
        """This returns when the next of them ends by itself, None for never."""
        return min((s.until_ms for s in self.standing), default=None)

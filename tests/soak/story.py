"""This is a random story of calls to a journal, and what a watcher may expect of the disk at any moment of it."""

import random
from collections.abc import Callable
from pathlib import Path

from sickbay.edge.journal import Journal, LedgerRow, OutboxRow


class Ward:
    """What the journal was given and what it acknowledged."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}  # acknowledged, and not given back
        self.maybe: dict[str, bytes] = {}  # under way: may be there
        self.leaving: set[str] = set()  # being forgotten: may be gone
        self.sent: set[str] = set()  # handed to a broker: once such a row is gone, its line is in the ledger
        self.maybe_sent: set[str] = set()
        self.snapshot: bytes | None = None
        self.maybe_snapshot: bytes | None = None
        self.number = b""
        self.maybe_number: bytes | None = None

    def copy(self) -> "Ward":
        other = Ward()
        other.__dict__.update({k: v.copy() if isinstance(v, dict | set) else v for k, v in self.__dict__.items()})
        return other

    def settle(self) -> None:
        """This takes what was under way as acknowledged."""
        self.rows.update(self.maybe)
        self.rows = {id_: payload for id_, payload in self.rows.items() if id_ not in self.leaving}
        self.snapshot = self.maybe_snapshot if self.maybe_snapshot is not None else self.snapshot
        self.number = self.maybe_number if self.maybe_number is not None else self.number
        self.sent |= self.maybe_sent
        self.maybe, self.leaving, self.maybe_snapshot, self.maybe_number = {}, set(), None, None
        self.maybe_sent = set()


def next_call(chance: random.Random, ward: Ward, name: str) -> Callable[[Journal], None]:
    """This notes in the ward what is about to be asked of a journal, and returns the asking."""
    turn = chance.random()
    if turn < 0.5 or not ward.rows:
        return _commit(chance, ward, name)
    if turn < 0.65:
        return _send(chance, ward)
    if turn < 0.8:
        ward.leaving = set(chance.sample(sorted(ward.rows), min(len(ward.rows), chance.randrange(1, 30))))
        leaving = sorted(ward.leaving)

        lazy = chance.random() < 0.5

        def forget(journal: Journal) -> None:
            assert sorted(journal.forget(leaving, lazy)) == leaving
            if lazy:
                journal.flush()  # as the daemon does, some seconds later

        return forget
    if turn < 0.9:
        number = ward.maybe_number = b"%d" % chance.randrange(1_000_000)
        return lambda journal: journal.keep("orders", number)
    return lambda journal: journal.ledger_add([LedgerRow(1.0, "t", "state", "c", 9, "")])


def _send(chance: random.Random, ward: Ward) -> Callable[[Journal], None]:
    sending = chance.sample(sorted(ward.rows), min(len(ward.rows), chance.randrange(1, 5)))
    ward.maybe_sent = set(sending)
    lines = [LedgerRow(1.0, "t", "escalation.opened", "c", 9, id_) for id_ in sending]
    return lambda journal: journal.ledger_add(lines)


def _commit(chance: random.Random, ward: Ward, name: str) -> Callable[[Journal], None]:
    made = [
        OutboxRow(
            f"{name}.r{n}",
            f"f{chance.randrange(8)}",
            chance.choice(("critical", "major", "minor")),
            chance.choice(("opened", "updated", "closed")),
            "t",
            chance.randbytes(chance.choice((10, 400, 4000))),
            0.0,
            "c",
        )
        for n in range(chance.choice((0, 1, 1, 2, 5)))
    ]
    ward.maybe = {row.id: row.payload for row in made}
    if chance.random() < 0.8 or not made:
        ward.maybe_snapshot = name.encode() + b":" + chance.randbytes(chance.choice((50, 9000, 60_000)))
    snapshot = ward.maybe_snapshot
    return lambda journal: journal.commit(snapshot, made)


def look(folder: Path, ward: Ward) -> tuple[list[str], Ward]:
    """This opens what is left as the product does. It returns what is wrong with it, and what is known from here on."""
    with Journal(folder) as journal:
        said = list(journal.notes)
        rows = journal.pending(100_000)
        snapshot, number = journal.load(), journal.kept("orders") or b""
        told = {row.id for row in journal.ledger()}
    after = Ward()
    after.rows = {row.id: row.payload for row in rows}
    after.snapshot, after.number = snapshot, number
    wrong = [f"said {said}"] if said else []
    unsaid = ward.sent - after.rows.keys() - told
    if unsaid:
        wrong.append(f"{len(unsaid)} left without a line in the ledger: {', '.join(sorted(unsaid)[:3])}")
    after.sent = (ward.sent | ward.maybe_sent) & told & after.rows.keys()
    if len(after.rows) != len(rows):
        wrong.append("an id is there twice")
    return wrong + _compared(ward, after), after


def _compared(ward: Ward, found: Ward) -> list[str]:
    wrong: list[str] = []
    there = found.rows
    lost = [id_ for id_ in ward.rows if id_ not in there and id_ not in ward.leaving]
    if lost:
        wrong.append(f"lost {len(lost)} acknowledged: {', '.join(lost[:3])}")
    if any(there[id_] != payload for id_, payload in {**ward.rows, **ward.maybe}.items() if id_ in there):
        wrong.append("a payload is another one")
    strange = [id_ for id_ in there if id_ not in ward.rows and id_ not in ward.maybe]
    if strange:
        wrong.append(f"{len(strange)} that were given back are there again: {', '.join(strange[:3])}")
    gone = ward.leaving - there.keys()
    if gone and gone != ward.leaving:
        wrong.append("half of a transaction that takes out")
    came = ward.maybe.keys() & there.keys()
    if came and came != ward.maybe.keys():
        wrong.append("half of a transaction that puts in")
    now, soon = ward.snapshot, ward.maybe_snapshot if ward.maybe_snapshot is not None else ward.snapshot
    if found.snapshot not in ([soon] if came else [now] if ward.maybe else [now, soon]):
        wrong.append("the snapshot is not that of the rows")
    if found.number not in (ward.number, ward.maybe_number):
        wrong.append("the number under a key is lost")
    return wrong

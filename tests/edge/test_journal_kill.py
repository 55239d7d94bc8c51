"""Nothing that the journal acknowledged is lost to SIGKILL."""

import random
import signal
import subprocess
import sys

from sickbay.edge.journal import Journal

KILLS = 30
CHILD = """
import sys
from pathlib import Path
from sickbay.edge.journal import Journal, OutboxRow
round_ = sys.argv[2]
with Journal(Path(sys.argv[1])) as journal:
    n = 0
    while True:
        id_ = f"k{round_}.r{n}"
        row = OutboxRow(id_, f"k{round_}", "major", "updated", "t", b"x" * 300, 0.0, "[mqtt]")
        journal.commit(id_.encode() * 50, [row])
        print("+", id_, flush=True)
        if n % 3 == 2:
            old = f"k{round_}.r{n - 1}"
            assert journal.forget([old]) == [old]
            print("-", old, flush=True)
        n += 1
"""


def test_killed_at_any_point_it_keeps_what_it_acknowledged(tmp_path):
    """The commit returns, the daemon acts, the power goes: what it acted on must be on the disk."""
    chance = random.Random(20)
    kept: set[str] = set()
    gone: set[str] = set()
    undecided: set[str] = set()  # being forgotten when the kill came
    last = ""
    for round_ in range(KILLS):
        lines = chance.randrange(1, 40)
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(round_)], stdout=subprocess.PIPE, text=True
        )
        with child:
            told = [child.stdout.readline() for _ in range(lines)]
            child.send_signal(signal.SIGKILL)
            told += child.stdout.readlines()
        for sign, id_ in (line.split() for line in told if line.endswith("\n")):
            undecided.discard(id_)
            kept.discard(id_)
            if sign == "-":
                gone.add(id_)
                continue
            kept.add(id_)
            last = id_
            head, _, n = id_.rpartition("r")
            if int(n) % 3 == 2:
                undecided.add(f"{head}r{int(n) - 1}")
        kept -= undecided
    with Journal(tmp_path) as journal:
        found = {row.id for row in journal.pending(100_000)}
        snapshot = journal.load()
        assert journal.boot > KILLS  # it begins with the seconds since 1970
        assert journal.notes == []
    assert len(kept) > 10 * KILLS
    assert not kept - found
    assert not gone & found
    # The snapshot is of the last acknowledged commit, or of the one that was under way.
    fault, _, revision = last.partition(".r")
    assert snapshot in (last.encode() * 50, f"{fault}.r{int(revision) + 1}".encode() * 50)

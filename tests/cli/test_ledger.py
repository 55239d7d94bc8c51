"""The ledger reads well: each message, or sums by day and class, and one line that says it all."""

import json
from datetime import UTC, datetime
from pathlib import Path

from broker import BROKERS
from scene import Line, Unit, configuration
from sickbay.cli.ledger import summed

URL = '[mqtt] url = "mqtt://b"'


def left(day: int, what: str, size: int, why: str = URL) -> dict[str, object]:
    at = datetime(2026, 11, day, 12, tzinfo=UTC).timestamp()
    return {"at": at, "topic": "t", "what": what, "why": why, "bytes": size, "id": ""}


ROWS = [
    left(20, "state.up", 100),
    left(21, "escalation.opened", 900, f"{URL}; [consent] freeze_frames = true"),
    left(21, "escalation.closed", 500),
    left(21, "digest", 60),
]


def test_sums_by_class_name_every_line_that_lets_it_leave() -> None:
    found = summed(ROWS, "class")
    assert [(f["class"], f["messages"], f["bytes"], f["largest"]) for f in found] == [
        ("escalation", 2, 1400, 900),
        ("state", 1, 100, 100),
        ("digest", 1, 60, 60),
    ]
    assert found[0]["why"] == [URL, f"{URL}; [consent] freeze_frames = true"]


def test_sums_by_day_come_in_order_and_a_clock_gone_mad_shows_as_such() -> None:
    """A unit whose clock stood at year 60,000 for an hour still has a ledger."""
    assert [(f["day"], f["messages"], f["bytes"]) for f in summed(ROWS[::-1], "day")] == [
        ("2026-11-20", 1, 100),
        ("2026-11-21", 3, 1460),
    ]
    assert summed([{**ROWS[0], "at": 1e15}], "day")[0]["messages"] == 1


def test_the_verb_shows_messages_sums_and_a_line_of_all(tmp_path: Path) -> None:
    with (
        BROKERS[-1]() as broker,
        Line(tmp_path),
        Unit(tmp_path, configuration(tmp_path, f'[mqtt]\nurl = "{broker.url}"\n')) as unit,
    ):
        unit.until_status("birth and digest", lambda s: s["uplink"]["sent"] >= 3)
        said = unit.cli("ledger").stdout
        assert "state.will" in said and "digest" in said and "allowed by" in said
        assert "3 messages," in said and "Bytes by class: state " in said
        rows = json.loads(unit.cli("ledger", "--json").stdout)
        by_class = json.loads(unit.cli("ledger", "--by", "class", "--json").stdout)
        assert sum(r["bytes"] for r in rows) == sum(c["bytes"] for c in by_class)
        assert {c["class"] for c in by_class} == {"state", "digest"}
        assert datetime.now(UTC).strftime("%Y-%m-") in unit.cli("ledger", "--by", "day", "--since", "1d").stdout
        assert unit.cli("ledger", "--by", "week").returncode == 2

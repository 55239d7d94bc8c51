"""This holds a story's time against the wall's: a configuration sped up, and what the daemon wrote in story seconds."""

import bisect
import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sickbay.config import PolicyTable
from sickbay.core.triage import GATHER_MS, LINE_MS
from sickbay_sim import configure
from sickbay_sim.plant import PLANTS
from sickbay_sim.record import Change, Masked, Told
from sickbay_sim.scenario import Scenario

TIMES = ("cooldown_s", "probation_s", "trial_s", "cycle_s")  # of [policy]
LEAST_ROWS = 40
# For which the daemon waits before it tells a case, whatever the speed: what was done about it, and whether the line comes back.
GATHER_S, LINE_S = GATHER_MS / 1000, LINE_MS / 1000
OUT_OF_SERVICE = ("isolated", "probation", "locked_out")  # the states in which it really is masked
_MASKING = ("isolate", "would_isolate", "probation", "release")


def configuration(scenario: Scenario, speed: float, port: str, before: str) -> str:
    """This returns the daemon's configuration for a story that is told `speed` times as fast."""
    policy: dict[str, object] = {"learn_rows": _learn_rows(scenario)}
    policy |= {key: value for key, value in scenario.policy.items() if key not in TIMES}
    for key in TIMES:
        seconds = scenario.policy.get(key, getattr(PolicyTable(), key))
        assert isinstance(seconds, int | float)
        policy[key] = max(1.0, seconds / speed) if key == "cycle_s" else seconds / speed
    signals = {name: _faster(table, speed) for name, table in scenario.signals.items()}
    every_s = scenario.period_s / speed
    plant = PLANTS[scenario.plant]
    return before + configure.for_plant(plant, port, scenario.port, every_s, policy, signals, scenario.parts)


def _learn_rows(scenario: Scenario) -> int:
    rows = int(scenario.warm_s / scenario.period_s) - configure.SETTLED_ROWS
    # The first rows of a story are gone before the daemon has opened its port.
    return max(LEAST_ROWS, min(rows - configure.SETTLED_ROWS, 100_000))


def _faster(table: Mapping[str, object], speed: float) -> dict[str, object]:
    found = dict(table)
    for key, factor in (("every_s", 1 / speed), ("rate_max_per_s", speed)):
        value = found.get(key)
        if isinstance(value, int | float):
            found[key] = value * factor
    return found


class StoryTime:
    """Pairs of wall time and story time, one a beat: a machine that was held up is late in the story, not wrong."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._wall: list[float] = []
        self._story: list[float] = []

    def beat(self, wall: float, story_s: float) -> None:
        if not self._wall or wall > self._wall[-1]:
            self._wall.append(wall)
            self._story.append(story_s)

    def of(self, wall: float) -> float:
        """This returns the story second of a wall time."""
        if not self._wall:
            return 0.0
        place = max(0, bisect.bisect_right(self._wall, wall) - 1)
        story_s = self._story[place] + (wall - self._wall[place]) * self._speed
        after = self._story[place + 1] if place + 1 < len(self._story) else story_s
        return round(min(story_s, after) if wall >= self._wall[0] else story_s, 3)

    def of_text(self, wall: str) -> float:
        """This returns the story second of an RFC 3339 time."""
        return self.of(datetime.fromisoformat(wall).timestamp())


def changes(events: Iterable[dict[str, Any]], time: StoryTime) -> list[Change]:
    """This returns the lines of events.jsonl as changes of the story."""
    shape = ("mono_ms", "wall", "kind", "name")
    return [
        Change(time.of_text(e["wall"]), e["kind"], e["name"], {k: v for k, v in e.items() if k not in shape})
        for e in events
    ]


def masked(found: Iterable[Change]) -> list[Masked]:
    """This returns the spans in which something was out of service or would have been."""
    spans: list[Masked] = []
    open_: dict[str, tuple[float, bool]] = {}
    for change in found:
        if change.kind not in _MASKING:
            continue
        state = str(change.detail.get("state", ""))
        active = None if state in ("in_service", "") else state in OUT_OF_SERVICE
        before = open_.get(change.name)
        if before is not None and before[1] is not active:
            spans.append(Masked(change.name, before[0], change.at_s, before[1]))
            del open_[change.name]
        if active is not None and change.name not in open_:
            open_[change.name] = (change.at_s, active)
    spans += [Masked(name, since_s, None, active) for name, (since_s, active) in open_.items()]
    return sorted(spans, key=lambda span: span.from_s)


def told(database: Path, outbox: Path, events: Iterable[dict[str, Any]], time: StoryTime) -> tuple[list[Told], int]:
    """This returns the messages, each as the fleet or the device itself holds it, and how many neither has any more."""
    kept = [(payload, None) for (payload,) in _rows(outbox, "SELECT payload FROM outbox")]
    taken = _rows(database, "SELECT payload, received FROM messages")
    left = {f"{e['name']}.r{e['revision']}": e["wall"] for e in events if e["kind"] == "escalate"}
    messages: dict[str, Told] = {}
    for payload, received in [*kept, *taken]:
        event = json.loads(payload)
        data = event["data"]
        kind = event["type"].rpartition(".")[2]
        gathered = _waits(kind, data)
        wall = datetime.fromisoformat(left.get(event["id"], event["time"])).timestamp() - gathered
        delivered_s = None
        if received is not None:
            delivered_s = round(time.of(datetime.fromisoformat(received).timestamp() - gathered) + gathered, 3)
        messages[event["id"]] = Told(
            at_s=round(time.of(wall) + gathered, 3),
            id=event["id"],
            fault_id=event["subject"],
            revision=data["revision"],
            kind=kind,
            class_=data["class"],
            layer=data["layer"],
            target=data["target"],
            severity=data["severity"],
            summary=data["summary"],
            bytes=len(payload),
            delivered_s=delivered_s,
        )
    return sorted(messages.values(), key=lambda t: t.at_s), len(set(left) - set(messages))


def _waits(kind: str, data: Mapping[str, Any]) -> float:
    """This returns how long the daemon held a message back, in its own seconds."""
    if kind == "opened" and data["layer"] == "line":
        return LINE_S
    return 0.0 if kind == "closed" or data["severity"] == "critical" else GATHER_S


def untold(status: Mapping[str, Any]) -> float:
    """This returns how long at most the cases that are open and not yet told wait, in the daemon's own seconds."""
    waiting = [f for f in status["faults"] if f["open"] and not f["revision"] and not f["suppressed_by"]]
    return max((LINE_S if f["layer"] == "line" else GATHER_S for f in waiting), default=0.0)


def _rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    if not path.exists():
        return []
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
    try:
        return db.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []  # it ended before it had made its tables
    finally:
        db.close()

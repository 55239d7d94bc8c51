"""This turns what must last into plain values and back: it knows every class that lasts, and no other.

MessagePack, because limits may be infinite and JSON has no word for that. Nothing here can run code from a damaged file, as pickle
could: a tag that is not in the table is refused.
"""

from collections import deque
from enum import Enum
from typing import Any

import msgspec

from sickbay.core.abrupt import Abrupt, Leaps
from sickbay.core.afield import Afield
from sickbay.core.anomaly import PartView
from sickbay.core.bars import Bar
from sickbay.core.baseline import Learnt
from sickbay.core.case import Case, Overlay
from sickbay.core.chart import Chart, SignalLearnt
from sickbay.core.checks import SignalChecks
from sickbay.core.contact import Contact
from sickbay.core.creep import Creep, Creeping
from sickbay.core.cycle import Dwell, Known, Mode, Sign, Switch
from sickbay.core.cycles import Cycles
from sickbay.core.disagreement import Disagreement
from sickbay.core.estimate import Relations
from sickbay.core.excitation import Follower
from sickbay.core.fault import Entry, Memory
from sickbay.core.gait import Gait
from sickbay.core.habit import Habit
from sickbay.core.halves import Halves
from sickbay.core.levels import Levels
from sickbay.core.lone import Lone
from sickbay.core.news import Newness, News
from sickbay.core.outside import Outside
from sickbay.core.parity import Parity
from sickbay.core.persistence import Persistence
from sickbay.core.quarantine import Record, State
from sickbay.core.reading import Quality
from sickbay.core.relation import Relation, Scatter
from sickbay.core.residual import ResidualView
from sickbay.core.rhythm import Rhythm
from sickbay.core.season import Season
from sickbay.core.settling import Settling
from sickbay.core.slow import SlowView
from sickbay.core.source import Source
from sickbay.core.standing import Standing
from sickbay.core.tails import Tail
from sickbay.core.trend import TimeLeft, Trend
from sickbay.core.triage import TriageState
from sickbay.core.watched import Watched
from sickbay.core.wear import Wear

UNREADABLE = (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)
_VIEWS = (
    PartView, Persistence, Chart, Creep, Creeping, Gait, Lone, Settling, ResidualView, SlowView, Abrupt, Leaps, News, Newness,
    Season, Tail,
)  # fmt: skip
_MEANS = (Halves, Rhythm)
_OTHERS = (Afield, SignalChecks, Disagreement, Trend, Relations, Source, Parity, Scatter, Cycles, Levels, Wear, Outside)
_RECORDS = (Entry, Record, TimeLeft, TriageState, Standing, Bar)
_CYCLE = (Switch, Mode, Dwell, Known, Sign, Contact, Habit)
_KINDS = (Learnt, SignalLearnt, Follower, Case, Overlay, Watched, Relation, *_CYCLE, *_RECORDS)
_CLASSES: dict[str, type] = {c.__name__: c for c in (*_VIEWS, *_MEANS, *_OTHERS)}
_STRUCTS: dict[str, type[msgspec.Struct]] = {c.__name__: c for c in _KINDS}
_ENUMS: dict[str, type[Enum]] = {c.__name__: c for c in (Memory, State, Quality)}


def down(value: Any) -> Any:
    """This turns what lasts into plain values; a tagged list marks what MessagePack has no word for."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    kind = type(value)
    if kind is list:
        return ["l", *map(down, value)]
    if kind is tuple:
        return ["t", *map(down, value)]
    if kind is dict:
        return ["d", *([down(k), down(v)] for k, v in value.items())]
    if kind is frozenset:
        return ["f", *map(down, sorted(value))]
    if kind is deque:
        return ["q", value.maxlen, *map(down, value)]
    if isinstance(value, Enum):
        return ["e", kind.__name__, value.value]
    if isinstance(value, msgspec.Struct):
        assert kind.__name__ in _STRUCTS, kind
        return ["s", kind.__name__, *([f, down(getattr(value, f))] for f in kind.__struct_fields__)]
    assert kind.__name__ in _CLASSES, f"{kind.__name__} would not survive a restart"
    return ["o", kind.__name__, *([name, down(getattr(value, name))] for name in attributes(value))]


def up(value: Any) -> Any:
    """This makes again what `down` took apart; raises ValueError or KeyError for what it does not know."""
    if type(value) is not list:
        return value
    match value:
        case ["l", *items]:
            return [up(v) for v in items]
        case ["t", *items]:
            return tuple(up(v) for v in items)
        case ["d", *items]:
            return {up(k): up(v) for k, v in items}
        case ["f", *items]:
            return frozenset(map(up, items))
        case ["q", int(bound), *items]:
            return deque((up(v) for v in items), maxlen=bound)
        case ["e", str(name), word]:
            return _ENUMS[name](word)
        case ["s", str(name), *items]:
            return _STRUCTS[name](**{f: up(v) for f, v in items})
        case ["o", str(name), *items]:
            made: Any = object.__new__(_CLASSES[name])
            for attribute, kept in items:
                setattr(made, attribute, up(kept))
            if not all(hasattr(made, attribute) for attribute in attributes(made)):
                raise ValueError(f"{name} lacks an attribute")
            return made
    raise ValueError(f"an unknown tag {value[:1]!r}")


def alike(kept: Any, fresh: Any) -> bool:
    """This returns whether an object that was kept has what this version's own has: an update may have added to it."""
    if type(kept) is not type(fresh) or set(_held(kept)) != set(_held(fresh)):
        return False
    inner = [name for name, value in _held(fresh).items() if type(value).__name__ in _CLASSES]
    return all(alike(getattr(kept, name), getattr(fresh, name)) for name in inner)


def attributes(value: Any) -> list[str]:
    slots = getattr(type(value), "__slots__", None)
    return list(slots) if slots is not None else list(vars(value))


def _held(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in attributes(value) if hasattr(value, name)}

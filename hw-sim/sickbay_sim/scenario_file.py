"""This reads a scenario's file: TOML into a Scenario, and every complaint names the file, the key as it stands there, and a mend.

The tables are those of `scenario.py`; where a file says things many times it says so in the singular ([[fault]], [[load]],
[[expect]], [[order]]). What names mean on a given plant is `catalogue.complaints`' business.
"""

import dataclasses
import difflib
import itertools
import math
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sickbay_sim.scenario import Expect, Fault, Order, Scenario

YEAR_S = 366 * 86400.0
ROWS_LEAST = 40  # of a warm-up: the daemon learns nothing from fewer

_KEYS = {"faults": "fault", "loads": "load", "expects": "expect", "orders": "order", "class_": "class"}
_ELSEWHERE = ("path",)  # set by us, not by a file
_CHOICES: dict[tuple[type, str], tuple[str, ...]] = {
    (Scenario, "profile"): ("cheap", "clean"),
    (Scenario, "port"): ("json", "csv", "obd"),
    (Scenario, "model"): ("none", "learnt"),
    (Fault, "shape"): ("step", "linear", "exponential", "staircase", "intermittent"),
    (Expect, "layer"): ("sensor", "part", "line", "surroundings", "unknown"),
    (Order, "verb"): ("ack", "shelve", "unshelve", "release", "quarantine", "clear", "cycle"),
}
_WORDS = {float: "a number", int: "a whole number", str: "text in quotes", bool: "true or false"}


class ScenarioError(ValueError):
    """This is a scenario file that cannot be taken; the text names the file, the key and a mend."""


def read(path: Path) -> Scenario:
    """This returns the scenario in a file; raises ScenarioError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise ScenarioError(f"{path}: cannot be read: {why}. Name a scenario's file, or a folder of them") from None
    return parse(text, path.name, path)


def parse(text: str, name: str = "scenario", path: Path | None = None) -> Scenario:
    """This returns the scenario that `text` holds; `name` stands in the messages."""
    from sickbay_sim import catalogue

    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{name}: not TOML: {error}") from None
    try:
        raw.setdefault("name", Path(name).stem)
        made: Scenario = dataclasses.replace(_table(Scenario, raw, ""), path=path)
        for complaint in itertools.chain(_impossible(made), catalogue.complaints(made)):
            raise ScenarioError(complaint)
    except ScenarioError as error:
        raise ScenarioError(f"{name}: {error}") from None
    return made


def gather(paths: Iterable[Path]) -> list[Path]:
    """This returns the files meant: a folder means all *.toml in it, in the order of their names."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.toml")) if path.is_dir() else [path]
        if not inside:
            raise ScenarioError(f"{path}: no *.toml in it. Name a scenario's file, or a folder of them")
        found += inside
    return found


def nearest(word: str, known: Iterable[str]) -> str:
    """This returns a mend for a word that nobody knows: the one it looks like, else all there are."""
    words = list(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f' Did you mean "{near[0]}"?' if near else f" Known: {', '.join(sorted(words)) or 'none'}"


def _table(kind: type, raw: object, at: str) -> Any:
    """This returns one table as its dataclass."""
    if not isinstance(raw, Mapping):
        raise ScenarioError(f"{at}: wanted is a table")
    hints = typing.get_type_hints(kind)
    fields = {_KEYS.get(f.name, f.name): f for f in dataclasses.fields(kind) if f.name not in _ELSEWHERE}
    values: dict[str, Any] = {}
    for key, value in raw.items():
        where = f"{at}.{key}" if at else key
        if key not in fields:
            raise ScenarioError(f"{where}: unknown key.{nearest(key, fields)}")
        name = fields[key].name
        values[name] = _value(hints[name], value, where)
        choices = _CHOICES.get((kind, name))
        if choices and values[name] not in choices:
            raise ScenarioError(
                f'{where}: "{values[name]}" is not one of {", ".join(choices)}.{nearest(value, choices)}'
            )
    for key, field in fields.items():
        if field.name not in values and field.default is field.default_factory is dataclasses.MISSING:
            raise ScenarioError(f'{at + ": " if at else ""}"{key}" is missing')
    return kind(**values)


def _value(kind: Any, raw: object, at: str) -> Any:
    """This returns one value as the type that it must have."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, types.UnionType) or origin is typing.Union:
        wanted = [k for k in args if k is not type(None)]
        if len(wanted) > 1 and isinstance(raw, list):  # str | tuple[str, ...]
            return _value(next(k for k in wanted if typing.get_origin(k) is tuple), raw, at)
        return _value(wanted[0], raw, at)
    if origin is tuple:
        if dataclasses.is_dataclass(args[0]):
            if not isinstance(raw, list):
                raise ScenarioError(f"{at}: there may be several: write [[{at}]]")
            return tuple(_table(typing.cast(type, args[0]), each, f"{at}[{i}]") for i, each in enumerate(raw))
        several = raw if isinstance(raw, list) else [raw]  # class = "shift" is as good as class = ["shift"]
        return tuple(_value(args[0], each, at) for each in several)
    if dataclasses.is_dataclass(kind):
        return _table(typing.cast(type, kind), raw, at)
    if origin is not None:  # Mapping[str, V]
        if not isinstance(raw, Mapping):
            raise ScenarioError(f"{at}: wanted is a table")
        return {key: _value(args[1], value, f"{at}.{key}") for key, value in raw.items()}
    return raw if kind is object else _plain(kind, raw, at)


def _plain(kind: type, raw: object, at: str) -> object:
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if type(raw) is not kind:
        raise ScenarioError(f"{at}: wanted is {_WORDS.get(kind, kind.__name__)}, not {raw!r}")
    if isinstance(raw, float) and not math.isfinite(raw):
        raise ScenarioError(f"{at}: {raw} is not a number that anything can be compared with")
    return raw


def _impossible(s: Scenario) -> Iterator[str]:
    """This yields a complaint for each value that is of the right type and still cannot be, whatever the plant."""
    yield from _outside("period_s", s.period_s, 0.01, 3600.0)
    yield from _outside("seconds", s.seconds, s.period_s, YEAR_S)
    yield from _outside("warm_s", s.warm_s, ROWS_LEAST * s.period_s, YEAR_S)
    for i, fault in enumerate(s.faults):
        yield from _impossible_fault(f"fault[{i}]", fault, s.seconds)
    for i, load in enumerate(s.loads):
        yield from _outside(f"load[{i}].at_s", load.at_s, -s.warm_s, s.seconds)
        yield from _outside(f"load[{i}].over_s", load.over_s, 0.0, YEAR_S)
    for i, order in enumerate(s.orders):
        yield from _outside(f"order[{i}].at_s", order.at_s, -s.warm_s, s.seconds)
        if order.verb == "shelve" and order.for_s <= 0:
            yield f"order[{i}].for_s: say for how long; a shelf ends by itself"
    for i, expect in enumerate(s.expects):
        yield from _impossible_expect(f"expect[{i}]", expect, s.faults)


def _impossible_fault(at: str, fault: Fault, seconds: float) -> Iterator[str]:
    yield from _outside(f"{at}.at_s", fault.at_s, 0.0, seconds)
    if fault.until_s is not None and fault.until_s <= fault.at_s:
        yield f"{at}.until_s: {fault.until_s:g} is not after at_s = {fault.at_s:g}"
    if not 0.0 < fault.severity <= 1.0:
        yield f"{at}.severity: {fault.severity:g} is not above 0 and at most 1, the kind's own worst"
    if fault.shape != "step" and fault.over_s <= 0.0:
        yield f'{at}.over_s: a shape "{fault.shape}" needs to know over how many seconds. Say so, or take shape = "step"'
    if fault.shape == "step" and fault.over_s:
        yield f'{at}.over_s: a "step" takes no time. Say shape = "linear", or leave over_s out'
    if fault.latent != fault.latent.strip() or "\n" in fault.latent:
        yield f"{at}.latent: say in one line why nothing that is measured can show it"
    if not 0.0 < fault.duty < 1.0:
        yield f"{at}.duty: {fault.duty:g} is not between 0 and 1, the share of a period in which it is there"


def _impossible_expect(at: str, expect: Expect, faults: tuple[Fault, ...]) -> Iterator[str]:
    number = expect.fault
    if not faults:
        yield f"{at}: there is no fault it could answer. What a healthy day must keep to stands in [bounds]"
    elif number is None and len(faults) > 1:
        yield f"{at}.fault: there are {len(faults)} faults. Say which: 0 to {len(faults) - 1}"
    elif number is not None and not 0 <= number < len(faults):
        yield f"{at}.fault: {number} is none of the {len(faults)} faults. They count from 0"
    else:
        fault = faults[number or 0]
        if fault.latent:
            yield f"{at}: fault[{number or 0}] is latent, so nobody can be asked to find it. Leave one of the two out"
        if expect.released_within_s is not None and fault.until_s is None:
            yield f"{at}.released_within_s: fault[{number or 0}] never ends. Give it until_s"
        if expect.lead_s is not None and fault.over_s <= 0:
            yield f"{at}.lead_s: fault[{number or 0}] has no limit to come. Give it a shape and over_s"
    asked = (expect.within_s, expect.layer, expect.quarantine, expect.released_within_s, expect.lead_s)
    if not expect.class_ and all(a is None for a in asked):
        yield f"{at}: nothing is asked. Say within_s, layer, class, quarantine, released_within_s or lead_s"


def _outside(key: str, value: float, least: float, most: float) -> Iterator[str]:
    if not least <= value <= most:
        yield f"{key}: {value:g} is not between {least:g} and {most:g}"

"""This turns TOML into closed structs: every complaint names the file, the key as it stands there, and a mend."""

import enum
import math
import re
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sickbay.errors import ConfigError

T = TypeVar("T")
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list in [ ]",
    "object": "a table",
    "null": "nothing",
}
_GOT = {"float": "one with a fraction"}


def read(path: Path) -> str:
    """This returns the text of a file; raises ConfigError where there is none that can be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}. Save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror or error}. Name another with --config FILE"
        ) from None


def convert(text: str, kind: type[T], name: str) -> T:
    """This returns what `text` holds as a `kind`, a struct; `name` is the file's, for the messages."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from None
    _refuse_unknown(raw, kind, name, "")
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        where, what = _culprit(raw, kind, "") or ("", str(error))
        raise ConfigError(f"{name}: {where}: {what}" if where else f"{name}: {what}") from None


def nearest(word: str, known: typing.Iterable[str]) -> str:
    """This returns ' Did you mean "..."?' where something known looks like `word`, else nothing."""
    import difflib  # only somebody who mistyped pays for it

    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f' Did you mean "{near[0]}"?' if near else ""


def _refuse_unknown(raw: object, kind: Any, name: str, at: str) -> None:
    """This walks tables beside their types and raises at the first key that no type knows, or number that is none."""
    if isinstance(raw, float) and not math.isfinite(raw):
        raise ConfigError(f"{name}: {at[:-1]}: {raw} is not a number that anything can be compared with")
    if isinstance(raw, list):
        for i, value in enumerate(raw):
            _refuse_unknown(value, None, name, f"{at[:-1]}[{i}].")
    if not isinstance(raw, dict):
        return
    struct = _struct_for(kind, raw)
    if struct is None:
        of = _dict_value(kind)
        if of is not None:
            for key, value in raw.items():
                _refuse_unknown(value, of, name, f"{at}{key}.")
        return
    known: dict[str, Any] = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    tag = struct.__struct_config__.tag_field
    for key, value in raw.items():
        if key == tag:
            continue
        if key not in known:
            mend = nearest(key, known) or f" Known here: {', '.join(sorted(known))}"
            raise ConfigError(f"{name}: {at}{key}: unknown key.{mend}")
        _refuse_unknown(value, known[key], name, f"{at}{key}.")


def _culprit(raw: object, kind: Any, at: str) -> tuple[str, str] | None:
    """This returns where the innermost value stands that is not of its type, and what is wrong with it.

    msgspec's own path has "[...]" in place of the name of a table, which is what a person looks for.
    """
    try:
        msgspec.convert(raw, kind)
        return None
    except msgspec.ValidationError as error:
        message = str(error)
    struct, of = _struct_for(kind, raw), _dict_value(kind)
    if isinstance(raw, dict) and struct is not None:
        types_of = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
        inner = ((raw[key], type_, f"{at}.{key}" if at else key) for key, type_ in types_of.items() if key in raw)
    elif isinstance(raw, dict) and of is not None:
        inner = ((value, of, f"{at}.{key}") for key, value in raw.items())
    else:
        return at, _plain(message, raw, kind)
    found = (_culprit(*each) for each in inner)
    return next((each for each in found if each is not None), (at, _plain(message, raw, kind)))


def _plain(message: str, raw: object, kind: Any) -> str:
    """This returns msgspec's complaint about one value in a person's words."""
    what = message.partition(" - at `$")[0]
    choices = _choices(kind)
    drivers = [str(s.__struct_config__.tag) for s in _structs(kind)]
    if isinstance(raw, dict) and drivers and _struct_for(kind, raw) is None:
        if "driver" not in raw:
            return f'"driver" is missing. Known: {", ".join(drivers)}'
        mend = nearest(str(raw["driver"]), drivers) or f" Known: {', '.join(drivers)}"
        return f'driver "{raw["driver"]}": there is no such driver.{mend}'
    if choices and isinstance(raw, str):
        return f'"{raw}" is not one of {", ".join(choices)}.{nearest(raw, choices)}'
    if missing := re.match(r"Object missing required field `(\w+)`", what):
        return f'"{missing[1]}" is missing'
    if wrong := re.match(r"Expected `([a-z |]+)`, got `(\w+)`", what):
        wanted = " or ".join(_WORDS.get(w, w) for w in wrong[1].split(" | ") if w != "null")
        return f"wanted is {wanted}, not {_GOT.get(wrong[2]) or _WORDS.get(wrong[2], wrong[2])}"
    return what.replace("`array`", "list").replace("`object`", "table")


def _choices(kind: Any) -> list[str]:
    """This returns the words that a value may be, where its type lists them."""
    found: list[str] = []
    for k in _alternatives(kind):
        if typing.get_origin(k) is typing.Literal:
            found += [str(a) for a in typing.get_args(k) if a]
        elif isinstance(k, type) and issubclass(k, enum.StrEnum):
            found += [str(member) for member in k]
    return found


def _struct_for(kind: Any, raw: object) -> type[msgspec.Struct] | None:
    """This returns the struct that a table is meant to be, by its tag where there is a choice."""
    choices = _structs(kind)
    if len(choices) == 1:
        return choices[0]
    driver = raw.get("driver") if isinstance(raw, dict) else None
    return next((k for k in choices if k.__struct_config__.tag == driver), None)


def _structs(kind: Any) -> list[type[msgspec.Struct]]:
    return [k for k in _alternatives(kind) if isinstance(k, type) and issubclass(k, msgspec.Struct)]


def _alternatives(kind: Any) -> tuple[Any, ...]:
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return typing.get_args(kind)
    return (kind,)


def _dict_value(kind: Any) -> Any:
    """This returns V of dict[str, V], else None."""
    return typing.get_args(kind)[1] if typing.get_origin(kind) is dict else None

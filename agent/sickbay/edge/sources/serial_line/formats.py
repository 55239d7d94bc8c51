"""These are the formats of one line: json, csv, kv, nmea, regex. Pure; a line of no use is a ValueError."""

import json
import re
from collections.abc import Callable

import msgspec

from sickbay.config import SerialLine
from sickbay.edge.sources.serial_line.checksums import CHECKS, check_xor
from sickbay.edge.sources.serial_line.columns import Csv
from sickbay.edge.sources.serial_line.fields import VALUE_MAX, Format, Headless, Values, number, pick


class Json(Headless):
    """An object a line. "a.b" is the key "a.b", else b within a; "a.0" is a list's first. true is 1, false is 0."""

    whole = True

    def __init__(self, fields: dict[str, str]) -> None:
        self._picks = list(fields.items())
        self._decode: Callable[[bytes], object] = msgspec.json.Decoder().decode

    def parse(self, line: bytes) -> tuple[Values, bool]:
        found = self._object(line)
        values: Values = []
        spoilt = False
        for field, signal in self._picks:
            value = found.get(field, _ABSENT)
            if isinstance(value, float) and -VALUE_MAX <= value <= VALUE_MAX:
                values.append((signal, value))
                continue
            if value is _ABSENT:
                value = _walk(found, field)
                if value is _ABSENT:
                    continue
            try:
                values.append((signal, _plain(value)))
            except ValueError:
                values.append((signal, None))
                spoilt = True
        return values, spoilt

    def names(self, line: bytes) -> list[str]:
        return _flat(self._object(line))

    def _object(self, line: bytes) -> dict[str, object]:
        try:
            found = self._decode(line)
        except (ValueError, RecursionError):
            found = _lenient(line)
        if not isinstance(found, dict):
            raise ValueError("not a JSON object")
        return found


_ABSENT = object()
# Python's json.dumps writes NaN and Infinity, printf writes nan and inf: not JSON, and still quite clear.
_NOT_FINITE = re.compile(rb"(?<=[:,\[])\s*[-+]?(?:nan|inf(?:inity)?)\s*(?=[,}\]])", re.IGNORECASE)


def _lenient(line: bytes) -> object:
    """This returns what a line holds that is JSON but for NaN, Infinity or numbers such as 1e999; else ValueError."""
    try:
        return json.loads(_NOT_FINITE.sub(b"null", line).decode())
    except (ValueError, RecursionError):
        raise ValueError("not a JSON object") from None


def _walk(found: object, field: str) -> object:
    """This returns what stands at a dotted path, or _ABSENT."""
    if "." not in field:
        return _ABSENT
    for key in field.split("."):
        if isinstance(found, dict):
            found = found.get(key, _ABSENT)
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            return _ABSENT
    return found


def _plain(value: object) -> float | None:
    """This returns a decoded JSON value as a number; raises ValueError where it is none."""
    if value is None:
        return None
    if isinstance(value, int | float):  # bool is an int
        return float(value) if -VALUE_MAX <= value <= VALUE_MAX else None
    if isinstance(value, str):
        return number(value)
    raise ValueError("a list or object where a number should be")


def _flat(found: object, at: str = "") -> list[str]:
    """This returns the dotted names of the leaves of an object."""
    if not isinstance(found, dict):
        return [at]
    return [name for key, value in found.items() for name in _flat(value, f"{at}.{key}" if at else key)]


class KeyValue(Headless):
    """key=value or key:value, set apart by blanks, commas or semicolons; blanks around the sign do no harm."""

    def __init__(self, fields: dict[str, str]) -> None:
        self._picks = list(fields.items())

    def parse(self, line: bytes) -> tuple[Values, bool]:
        pairs = _pairs(line.decode())
        if not pairs:
            raise ValueError("no key=value in it")
        return pick(pairs, self._picks)

    def names(self, line: bytes) -> list[str]:
        return list(_pairs(line.decode()))


_SEPARATORS = re.compile(r"[\s,;]+")
_SIGN = re.compile(r"[=:]")


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    bare = ""  # the last word without a sign: the key of a sign that follows after a blank
    waiting = ""  # a key whose value has not come yet
    for word in _SEPARATORS.split(text):
        sign = _SIGN.search(word)
        if sign is None:
            if waiting and word:
                pairs[waiting] = word
            bare, waiting = word, ""
            continue
        key = word[: sign.start()] or bare
        if key:
            pairs[key] = word[sign.end() :]
            waiting = "" if pairs[key] else key
        bare = ""
    return pairs


class Nmea(Headless):
    """NMEA 0183: $TALKERID,a,b*HH. "RMC.7" is the 7th field of a sentence RMC of any talker, "GPRMC.7" of one.

    The checksum is verified wherever there is one.
    """

    whole = True

    def __init__(self, fields: dict[str, str]) -> None:
        self._picks: dict[str, list[tuple[int, str]]] = {}
        for field, signal in fields.items():
            sentence, _, at = field.rpartition(".")
            if sentence and at.isdecimal():
                self._picks.setdefault(sentence, []).append((int(at), signal))

    def parse(self, line: bytes) -> tuple[Values, bool]:
        cells = self._cells(line)
        address = cells[0][1:]
        values: Values = []
        spoilt = False
        for sentence in (address, address[2:]):
            for at, signal in self._picks.get(sentence, ()):
                if at >= len(cells):
                    raise ValueError(f"{address[:8]} has only {len(cells) - 1} fields")
                try:
                    values.append((signal, number(cells[at])))
                except ValueError:
                    values.append((signal, None))
                    spoilt = True
        return values, spoilt

    def names(self, line: bytes) -> list[str]:
        cells = self._cells(line)
        return [f"{cells[0][3:]}.{at}" for at in range(1, len(cells))]

    def _cells(self, line: bytes) -> list[str]:
        if line[:1] == b"\\":  # a tag block of NMEA 4.0 stands before the sentence
            line = line[line.find(b"\\", 1) + 1 :]
        if line[:1] not in (b"$", b"!"):
            raise ValueError("does not begin with $ or !")
        if b"*" in line:
            line = check_xor(line)
        cells = line.decode("ascii").split(",")
        if len(cells[0]) < 4 or not cells[0][1:].isalnum():
            raise ValueError("no sentence name")
        return cells


class Regex(Headless):
    """Named groups of a pattern that is looked for anywhere in the line."""

    def __init__(self, fields: dict[str, str], pattern: str) -> None:
        self._search = re.compile(pattern).search
        self._picks = list(fields.items())

    def parse(self, line: bytes) -> tuple[Values, bool]:
        return pick(self._groups(line), self._picks)

    def names(self, line: bytes) -> list[str]:
        return list(self._groups(line))

    def _groups(self, line: bytes) -> dict[str, str]:
        found = self._search(line.decode())
        if found is None:
            raise ValueError("the pattern is not in it")
        return {name: text for name, text in found.groupdict().items() if text is not None}


def build(config: SerialLine, fields: dict[str, str]) -> Format:
    """This returns the format that a source is configured for."""
    if config.format == "json":
        return Json(fields)
    if config.format == "csv":
        return Csv(fields, config.columns, config.delimiter)
    if config.format == "kv":
        return KeyValue(fields)
    if config.format == "nmea":
        return Nmea(fields)
    return Regex(fields, config.pattern)


def checksum(config: SerialLine) -> Callable[[bytes], bytes] | None:
    """This returns what verifies and removes a line's checksum; None where lines bear none."""
    return None if config.checksum == "none" else CHECKS[config.checksum]

"""This is what all line formats share: what a field's text means as a number, and what a format must do. Pure."""

from typing import Protocol

VALUE_MAX = 1e18  # beyond it no sensor measures anything: the reading failed
# What devices print instead of a number that they do not have: Arduino "nan", "inf", "ovf", Python "None", meters "OL".
_ABSENT = "nan -nan inf -inf +inf ovf none null nil na n/a - -- --- ---- err error fail fault ol over open short ?"
NO_VALUE = frozenset(_ABSENT.split())

Values = list[tuple[str, float | None]]  # (signal, value); None: the device has no number for it


class Format(Protocol):
    """One format, set up for the fields that signals are made from."""

    whole: bool  # whether a line that lost its head cannot pass for a whole one

    def parse(self, line: bytes) -> tuple[Values, bool]:
        """This returns the mapped values, and whether one of them was no number (its value is then None).

        Raises ValueError where nothing of the line can be used.
        """

    def glance(self, line: bytes) -> None:
        """This learns what can be learnt from a line that may have lost its head; its values are not used."""

    def names(self, line: bytes) -> list[str]:
        """This returns the names of all fields in a good line, mapped or not, for people."""


def number(text: str) -> float | None:
    """This returns the number that `text` says, None where it says that there is none; raises ValueError otherwise."""
    try:
        value = float(text)
    except ValueError:
        word = text.strip()
        if not word or word.lower() in NO_VALUE:
            return None
        raise ValueError(f"{word[:24]!r} is not a number") from None
    if "_" in text:  # float() takes "1_5" for 15, and a damaged "1.5" can look like that
        raise ValueError(f"{text[:24]!r} is not a number")
    return value if -VALUE_MAX <= value <= VALUE_MAX else None


def pick(pairs: dict[str, str], picks: list[tuple[str, str]]) -> tuple[Values, bool]:
    """This returns the mapped values of text pairs; a field that is not there gives no value at all."""
    values: Values = []
    spoilt = False
    for field, signal in picks:
        text = pairs.get(field)
        if text is None:
            continue
        try:
            values.append((signal, number(text)))
        except ValueError:
            values.append((signal, None))
            spoilt = True
    return values, spoilt


class Headless:
    whole = False

    def glance(self, line: bytes) -> None:
        return

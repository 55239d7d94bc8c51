"""This is the confusion matrix: what was true against what was told of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sickbay_sim.score.blame import Course, Meaning, Word, openings
from sickbay_sim.score.machine import Machine

LAYERS = ("sensor", "part", "line", "surroundings")
NOTHING, UNKNOWN, OK = "nothing", "unknown", "ok"


@dataclass(frozen=True)
class Matrix:
    """Counts by (truth, told). An illness counts once, by the first word that claims a layer.

    `ok` counts runs: one under "nothing" where nothing false was told, else one for each fault told out of nothing, warm-up
    included.
    `right` holds, of each cell, how many were right: more than one name may rightly be blamed for some illnesses.
    """

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    right: dict[str, dict[str, int]]


def by_layer(courses: Sequence[Course], words: Sequence[Sequence[Word]]) -> Matrix:
    """This returns the small matrix for eyes: layers only, all plants together."""
    cells = [(c.illness.layer, _layer(c.first), _is_right(c.first)) for c in courses]
    for said in words:
        false = [w.told.layer for w in openings(said) if w.meaning is Meaning.FALSE]
        cells += [(OK, layer, False) for layer in false] or [(OK, NOTHING, True)]
    return _matrix("all plants, by layer", (OK, *LAYERS), (NOTHING, *LAYERS, UNKNOWN), cells)


def by_name(machine: Machine, courses: Sequence[Course], words: Sequence[Sequence[Word]]) -> Matrix:
    """This returns one plant's matrix over ok, each part, each sensor, line and surroundings."""
    known = (*machine.parts, *machine.signals)
    cells = [(_truth(c), _told(c.first), _is_right(c.first)) for c in courses]
    for said in words:
        false = [_told(w) for w in openings(said) if w.meaning is Meaning.FALSE]
        cells += [(OK, name, False) for name in false] or [(OK, NOTHING, True)]
    others = sorted(
        {name for cell in cells for name in cell[:2]} - {OK, NOTHING, UNKNOWN, "line", "surroundings", *known}
    )
    names = (*known, *others, "line", "surroundings")
    return _matrix(machine.plant, (OK, *names), (NOTHING, *names, UNKNOWN), cells)


def _matrix(name: str, rows: tuple[str, ...], columns: tuple[str, ...], cells: list[tuple[str, str, bool]]) -> Matrix:
    counts = {row: dict.fromkeys(columns, 0) for row in rows}
    right = {row: dict.fromkeys(columns, 0) for row in rows}
    for row, column, good in cells:
        counts[row][column] += 1
        right[row][column] += good
    return Matrix(name, rows, columns, counts, right)


def _truth(course: Course) -> str:
    illness = course.illness
    return illness.layer if illness.layer in ("line", "surroundings") else illness.target


def _layer(word: Word | None) -> str:
    if word is None:
        return NOTHING
    return word.told.layer if word.told.layer in LAYERS else UNKNOWN


def _told(word: Word | None) -> str:
    if word is None:
        return NOTHING
    if word.meaning is Meaning.UNKNOWN:
        return UNKNOWN
    return word.told.layer if word.told.layer in ("line", "surroundings") else word.told.target


def _is_right(word: Word | None) -> bool:
    return word is not None and word.meaning is Meaning.RIGHT

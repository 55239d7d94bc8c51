"""This is the csv format: rows whose columns are named by the config or by a header line in the stream. Pure."""

import csv

from sickbay.edge.sources.serial_line.fields import Headless, Values, number


class Csv(Headless):
    """Columns named by the config, or by a header line whenever one comes.

    Where nothing names them, a field "3" is the third. Where the delimiter is no comma, a decimal comma is understood.
    """

    def __init__(self, fields: dict[str, str], columns: tuple[str, ...], delimiter: str) -> None:
        self._fields = fields
        self._delimiter = delimiter or ","
        self._cut = False  # the header in use may have lost its head
        self._columns: list[str] = list(columns)
        self._picks = (
            self._find() if columns else [(int(f) - 1, s) for f, s in fields.items() if f.isdecimal() and int(f)]
        )
        self._least = max((at for at, _ in self._picks), default=0) + 1

    def parse(self, line: bytes) -> tuple[Values, bool]:
        cells = self._cells(line)
        if len(cells) != len(self._columns) and not self._fits(cells):
            if self._adopt(cells):
                return [], False
            expected = f"not {len(self._columns)}" if self._columns else "and no header line has named them yet"
            raise ValueError(f"{len(cells)} columns, {expected}")
        values: Values = []
        spoilt = False
        for at, signal in self._picks:
            cell = cells[at]
            try:
                values.append((signal, number(cell)))
            except ValueError:
                if not values and self._adopt(cells):
                    return [], False
                values.append((signal, None))
                spoilt = True
        return values, spoilt

    def glance(self, line: bytes) -> None:
        cells = self._cells(line)
        self._cut = self._adopt(cells)

    def names(self, line: bytes) -> list[str]:
        return self._columns or [str(at + 1) for at in range(len(self._cells(line)))]

    def _cells(self, line: bytes) -> list[str]:
        text = line.decode()
        cells = _unquoted(text, self._delimiter) if '"' in text else text.split(self._delimiter)
        if self._delimiter != "," and "," in text:
            cells = [cell.replace(",", ".") if cell.count(",") == 1 else cell for cell in cells]
        return cells

    def _fits(self, cells: list[str]) -> bool:
        """This returns whether a row whose width is not the header's can still be read."""
        if not self._columns:
            return bool(self._picks) and len(cells) >= self._least
        if len(cells) == len(self._columns) + 1 and not cells[-1].strip():
            return True  # each value is followed by a delimiter, the last one too
        if self._cut and len(cells) > len(self._columns):
            # The header had lost its head, so that its names belong to the last columns.
            self._columns = [""] * (len(cells) - len(self._columns)) + self._columns
            self._picks = self._find()
            self._cut = False
            return True
        return False

    def _adopt(self, cells: list[str]) -> bool:
        """This returns whether a row is a header, and if so goes by it from now on.

        A header holds names only. One that lacks a name that the header in use has is a damaged one, and is not taken.
        """
        names = [cell.strip().lstrip("\ufeff") for cell in cells]
        known = {name for name in names if name in self._fields}
        if not known or any(_numeric(name) for name in names):
            return False
        if any(name in self._fields and name not in known for name in self._columns):
            return False
        self._columns, self._cut = names, False
        self._picks = self._find()
        return True

    def _find(self) -> list[tuple[int, str]]:
        return [
            (self._columns.index(field), signal) for field, signal in self._fields.items() if field in self._columns
        ]


def _unquoted(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter[:1]))
    except (csv.Error, StopIteration):
        raise ValueError("quotes that do not close") from None


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

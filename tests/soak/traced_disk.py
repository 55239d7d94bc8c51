"""This is a disk that remembers every write, and what of it a power cut would leave.

The journal's own SQL and pragmas run on it, through apsw, whose SQLite can be given a file system written in Python. A cut keeps
all that was synced. Of what was not it keeps any sectors of 512 bytes in any order, some of them torn, and any truncation or file
name or none: what POSIX allows, which is worse than what ext4 does.
"""

import itertools
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw

SECTOR = 512
_CODES = {
    apsw.FullError: sqlite3.SQLITE_FULL,
    apsw.CorruptError: sqlite3.SQLITE_CORRUPT,
    apsw.NotADBError: sqlite3.SQLITE_NOTADB,
}


class Op(NamedTuple):
    """One thing that happened: write, truncate, sync, make or remove."""

    what: str
    file: str
    at: int = 0
    content: bytes = b""


class TracedDisk:
    """Records what is done to the files of one folder. `gate` may refuse a write by raising, before it happens."""

    def __init__(self, name: str, gate: Callable[[str, str], None] = lambda what, file: None) -> None:
        self.ops: list[Op] = []
        self.name, self.gate = name, gate
        self._vfs = _Files(self)

    def connect(self, path: Path, replaced: tuple[str, str] = ("", "")) -> sqlite3.Connection:
        """This opens a database on this disk; `replaced` exchanges one statement, for a harness that must be able to fail."""
        return _Connection(apsw.Connection(str(path), vfs=self.name), replaced)  # type: ignore[return-value]

    def close(self) -> None:
        self._vfs.unregister()


class _Files(apsw.VFS):
    def __init__(self, disk: TracedDisk) -> None:
        self._disk = disk
        super().__init__(disk.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> "_File":
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        made = not path.exists()
        if made:
            self._disk.gate("make", path.name)
        file = _File(self._disk, name, flags, path.name)
        if made:
            self._disk.ops.append(Op("make", path.name))
        return file

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._disk.ops.append(Op("remove", Path(filename).name))
        if syncdir:
            self._disk.ops.append(Op("sync", ""))


class _File(apsw.VFSFile):
    def __init__(self, disk: TracedDisk, name: Any, flags: list[int], short: str) -> None:
        self._disk, self._short = disk, short
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.gate("write", self._short)
        super().xWrite(data, offset)
        self._disk.ops.append(Op("write", self._short, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        self._disk.gate("truncate", self._short)
        super().xTruncate(newsize)
        self._disk.ops.append(Op("truncate", self._short, newsize))

    def xSync(self, flags: int) -> None:
        self._disk.gate("sync", self._short)
        self._disk.ops.append(Op("sync", self._short))
        if self._short.endswith(("-wal", "-journal")):
            self._disk.ops.append(Op("sync", ""))  # SQLite's unix files sync the folder with a new log


class _Connection:
    """The little of sqlite3.Connection that the journal uses, on apsw."""

    def __init__(self, db: apsw.Connection, replaced: tuple[str, str]) -> None:
        self._db, self._replaced = db, replaced

    def execute(self, sql: str, values: Sequence[Any] = ()) -> "_Rows":
        return _told(lambda: _Rows(list(self._db.execute(self._said(sql), tuple(values)))))

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        _told(lambda: list(self._db.executemany(sql, [tuple(r) for r in rows])))

    def executescript(self, sql: str) -> None:
        _told(lambda: list(self._db.execute(sql)))

    def close(self) -> None:
        _told(self._db.close)

    def _said(self, sql: str) -> str:
        return self._replaced[1] if sql == self._replaced[0] else sql


class _Rows(list[Any]):
    def fetchone(self) -> Any:
        return self[0] if self else None

    def fetchall(self) -> list[Any]:
        return list(self)


def _told(do: Callable[[], Any]) -> Any:
    """This does something, and says what went wrong in sqlite3's words."""
    try:
        return do()
    except apsw.Error as error:
        said = sqlite3.OperationalError(str(error))
        said.sqlite_errorcode = next(
            (c for k, c in _CODES.items() if isinstance(error, k)), getattr(error, "result", 1)
        )
        raise said from error


Image = dict[str, bytes]


class Platter:
    """What is on the disk for good, and what is only on its way, as a trace is played."""

    def __init__(self, image: Image) -> None:
        self.safe: dict[str, bytearray] = {name: bytearray(content) for name, content in image.items()}
        self._names = set(image)  # that the folder holds for good
        self._renamed: list[Op] = []
        self._pending: dict[str, list[Op]] = {}

    def play(self, op: Op) -> None:
        """This lets one thing happen."""
        if op.what in ("make", "remove"):
            self._renamed.append(op)
            if op.what == "make":
                self.safe[op.file], self._pending[op.file] = bytearray(), []
        elif op.what in ("write", "truncate"):
            self._pending.setdefault(op.file, []).append(op)
        elif op.what == "sync" and op.file:
            for waited in self._pending.pop(op.file, []):
                _apply(self.safe[op.file], waited)
        elif op.what == "sync":
            for name in self._renamed:
                _rename(self._names, name)
            self._renamed.clear()

    def cut(self, chance: random.Random) -> Image:
        """This returns what is found when the power is back."""
        names = set(self._names)
        for op in self._renamed:
            if chance.random() < 0.5:
                _rename(names, op)
        found: Image = {}
        mood = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))  # nothing, some, most or all of it came through
        for name in sorted(names):
            content = bytearray(self.safe.get(name, b""))
            for op in self._pending.get(name, ()):
                for piece in _pieces(op, content, chance):
                    if chance.random() < mood:
                        _apply(content, piece)
            found[name] = bytes(content)
        return found


def _rename(names: set[str], op: Op) -> None:
    if op.what == "make":
        names.add(op.file)
    else:
        names.discard(op.file)


def _apply(content: bytearray, op: Op) -> None:
    if op.what == "truncate":
        del content[op.at :]
        return
    if len(content) < op.at:
        content.extend(bytes(op.at - len(content)))
    content[op.at : op.at + len(op.content)] = op.content


def _pieces(op: Op, content: bytearray, chance: random.Random) -> Iterator[Op]:
    """This yields a write sector by sector, in any order, one in sixteen torn: its end is as it was, or nonsense."""
    if op.what == "truncate":
        yield op
        return
    end = op.at + len(op.content)
    bounds = [op.at, *range((op.at // SECTOR + 1) * SECTOR, end, SECTOR), end]
    spans = list(itertools.pairwise(bounds))
    chance.shuffle(spans)
    for start, stop in spans:
        piece = op.content[start - op.at : stop - op.at]
        if chance.random() < 1 / 16:
            keep = chance.randrange(len(piece))
            rest = chance.randbytes(len(piece) - keep) if chance.random() < 0.5 else b""
            piece = piece[:keep] + rest
        yield Op("write", op.file, start, piece)


def image_of(folder: Path) -> Image:
    """This returns the files of the database in a folder."""
    return {f.name: f.read_bytes() for f in sorted(folder.glob("sickbay.db*")) if "corrupt" not in f.name}


def lay(image: Image, folder: Path) -> None:
    """This puts files into a folder in place of those that are there."""
    for old in folder.glob("sickbay.db*"):
        old.unlink()
    for name, content in image.items():
        (folder / name).write_bytes(content)

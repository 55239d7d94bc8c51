"""This is a mebibyte kept in reserve, since on a full disk even a DELETE finds no room."""

import contextlib
import os
from pathlib import Path

BALLAST_BYTES = 1 << 20
_ROOM_BYTES = 4 * BALLAST_BYTES  # the ballast must not be what fills the disk


def load(folder: Path) -> bool:
    """This returns whether the ballast lies in `folder`, after making it where there is room.

    Blocks are allocated, not only promised: a file of holes would free nothing.
    """
    path = _path(folder)
    try:
        if path.is_file() and path.stat().st_blocks * 512 >= BALLAST_BYTES:
            return True
        room = os.statvfs(folder)
        if room.f_bavail * room.f_frsize < _ROOM_BYTES:
            return False
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
            os.fsync(file.fileno())
    except OSError:
        drop(folder)
        return False
    return True


def drop(folder: Path) -> bool:
    """This frees the ballast and returns whether there was any."""
    with contextlib.suppress(OSError):
        _path(folder).unlink()
        return True
    return False


def _path(folder: Path) -> Path:
    return folder / "sickbay.ballast"

"""These are the public keys that may sign orders, as the owner put them on this device."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from sickbay.errors import WireError
from sickbay.order_wire import PublicKey, read_key

_FILE_BYTES_MAX = 4096


def load(files: Sequence[str]) -> tuple[dict[str, PublicKey], list[str]]:
    """This returns the trusted keys by their id, and what is wrong with each file that holds none.

    A file that others may write is nobody's word, and is passed over; so is one that holds a key, or a name, that is known already.
    """
    keys: dict[str, PublicKey] = {}
    wrong: list[str] = []
    for file in files:
        try:
            key = _read(Path(file))
        except (OSError, UnicodeDecodeError, WireError) as error:
            says = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            wrong.append(f"orders.keys: {file}: {says}; this key orders nothing")
            continue
        if key.id in keys or key.name in [known.name for known in keys.values()]:
            wrong.append(f"orders.keys: {file}: the key or the name {key.name} stands in another file too; passed over")
            continue
        keys[key.id] = key
    return keys, wrong


def _read(path: Path) -> PublicKey:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        _judge(os.fstat(handle), "it")
        _judge(path.resolve().parent.stat(), "its folder")
        return read_key(file.read(_FILE_BYTES_MAX).decode("ascii"))


def _judge(found: os.stat_result, what: str) -> None:
    """This raises WireError where somebody else than root or we could put another key there."""
    folder = stat.S_ISDIR(found.st_mode)
    if not folder and not stat.S_ISREG(found.st_mode):
        raise WireError("is not a file")
    if found.st_uid not in (0, os.geteuid()):
        raise WireError(f"{what} belongs to user {found.st_uid}, neither root nor the daemon's user: chown it")
    sticky = folder and found.st_mode & stat.S_ISVTX  # in /tmp others cannot take our file away
    if found.st_mode & 0o022 and not sticky:
        raise WireError(f"{what} may be written by others (mode {found.st_mode & 0o777:o}): chmod go-w")

"""These are the keys that sign orders: made, kept private, and never used twice with one counter."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sickbay.errors import ConfigError, SickbayError, StoreError, WireError
from sickbay.order_wire import PAYLOAD_TYPE, key_line, keyid, pae, read_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class NoCryptography(SickbayError, ImportError):
    """This is a Python without the library that signs."""


class SigningKey:
    """One private key, its name, and the file beside it that holds the last counter it used."""

    def __init__(self, path: Path) -> None:
        """This reads a key; raises ConfigError where it is none, or where others may read it."""
        try:
            mode = path.stat().st_mode
            if mode & 0o077:
                raise ConfigError(
                    f"{path}: others may read this key (mode {mode & 0o777:o}). chmod 600 it, or make another"
                )
            found = read_key(path.read_text(encoding="ascii"), private=True)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read ({error}). `sickbay-fleet keygen` makes a key") from None
        except WireError as error:
            raise ConfigError(f"{path}: {error}") from None
        self.name = found.name
        self._key = _ed25519(found.raw)
        self._counter = path.with_name(path.name + ".counter")
        self.id = keyid(_public(self._key))

    def last_counter(self) -> int:
        """This returns the counter that was used last, 0 for none."""
        try:
            return int(self._counter.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self._counter}: not a counter ({error}); no order was given. Mend it, or remove it"
            ) from None

    def keep_counter(self, counter: int) -> None:
        """This writes a counter down before it is used, so that a power cut cannot have it used twice."""
        _write(self._counter, f"{counter}\n", 0o600)

    def sign(self, body: bytes) -> bytes:
        """This returns the DSSE signature of a payload."""
        return self._key.sign(pae(PAYLOAD_TYPE.encode(), body))


def next_counter(keys: list[SigningKey], now_ms: int) -> int:
    """This returns a counter that none of the keys has used, and writes it down for each.

    It is the time in milliseconds where that is later than the last: a counter file that was lost costs nothing then.
    """
    counter = max(now_ms, *(key.last_counter() + 1 for key in keys))
    for key in keys:
        key.keep_counter(counter)
    return counter


def make(path: Path, name: str) -> tuple[Path, str]:
    """This makes a key pair: the private one at `path`, the public one beside it; returns the latter and its id.

    Raises ConfigError where either is there already: an overwritten key orders nothing ever again.
    """
    public = path.with_name(path.name + ".pub")
    for each in (path, public):
        if each.exists() or each.is_symlink():
            raise ConfigError(f"{each}: is there already, and was left alone. Name another --out")
    seed = os.urandom(32)
    raw = _public(_ed25519(seed))
    try:
        lines = key_line(name, seed, private=True), key_line(name, raw)
    except WireError as error:
        raise ConfigError(str(error)) from None
    try:
        _create(path, lines[0], 0o600)
        _create(public, lines[1], 0o644)
    except OSError as error:
        raise StoreError(f"{path}: the key cannot be written ({error.strerror}). Name another --out") from None
    return public, keyid(raw)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _ed25519(seed: bytes) -> "Ed25519PrivateKey":
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise NoCryptography("orders are signed with the library cryptography. Install sickbay[orders]") from None
    return Ed25519PrivateKey.from_private_bytes(seed)


def _public(key: "Ed25519PrivateKey") -> bytes:
    raw: bytes = key.public_key().public_bytes_raw()
    return raw


def _create(path: Path, text: str, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "w", encoding="ascii") as out:
        os.fchmod(handle, mode)  # whatever the umask says
        out.write(text)
        out.flush()
        os.fsync(handle)
    _sync(path.absolute().parent)


def _write(path: Path, text: str, mode: int) -> None:
    """This replaces a file whole: after a power cut it is the old one or the new one."""
    other = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        other.unlink(missing_ok=True)
        _create(other, text, mode)
        other.replace(path)
        _sync(path.absolute().parent)
    except OSError as error:
        raise StoreError(
            f"{path}: the counter cannot be kept ({error.strerror}); no order was given. Check the disk"
        ) from None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Keygen(msgspec.Struct, frozen=True):
    """What `keygen --json` prints."""

    name: str
    id: str
    private: str
    public: str

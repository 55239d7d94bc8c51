"""This asks the process that looks at signatures: one question at a time, each with a time limit, and none too often."""

import asyncio
import base64
import contextlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

import sickbay
from sickbay.errors import SickbayError
from sickbay.order_wire import PublicKey

TIME_S = 20.0  # a Pi Zero with a cold card needs seven
ANSWER_BYTES_MAX = 8192
# As the model's worker is started: -I ignores PYTHON* and the working folder, and the folder of this very package is put back.
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from sickbay.edge.orders.verify import main; sys.exit(main())"
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


class CannotVerify(SickbayError, RuntimeError):
    """This is a signature that could not be looked at; nothing is said about whether it is good."""


class Bucket:
    """So many at once, and then one each so many seconds. Synchronous; time comes in from outside."""

    def __init__(self, most: int, every_s: float, now_s: Callable[[], float]) -> None:
        self._most, self._every_s, self._now_s = most, every_s, now_s
        self._left, self._at_s = float(most), now_s()

    def take(self) -> bool:
        """This returns whether one more is allowed now, and counts it."""
        now = self._now_s()
        self._left = min(float(self._most), self._left + max(0.0, now - self._at_s) / self._every_s)
        self._at_s = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


def is_installed() -> bool:
    """This returns whether signatures can be checked here at all, without importing what checks them."""
    return importlib.util.find_spec("cryptography") is not None


async def verify(envelope: bytes, keys: Mapping[str, PublicKey], time_s: float = TIME_S) -> list[str]:
    """This returns the ids of the trusted keys that signed an envelope; raises CannotVerify. Cancelled, it ends the process."""
    raw = {id_: base64.b64encode(key.raw).decode() for id_, key in keys.items()}
    question = msgspec.json.encode({"keys": raw, "envelope": msgspec.Raw(envelope)})
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", _BOOT, str(Path(sickbay.__file__).parent.parent),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            limit=ANSWER_BYTES_MAX, env={k: os.environ[k] for k in _KEPT if k in os.environ},
        )  # fmt: skip
    except OSError as error:
        raise CannotVerify(f"the process that checks signatures cannot be started: {error}") from None
    try:
        async with asyncio.timeout(time_s):
            answer, _ = await child.communicate(question)
    except TimeoutError:
        raise CannotVerify(
            f"the process that checks signatures gave no answer within {time_s:g} s; it was ended"
        ) from None
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    return _read(answer, child.returncode)


class _Verdict(msgspec.Struct):
    valid: list[str] = []
    error: str = ""


def _read(answer: bytes, code: int | None) -> list[str]:
    try:
        found = msgspec.json.decode(answer, type=_Verdict)
    except msgspec.DecodeError:
        raise CannotVerify(f"the process that checks signatures ended with {code} and no answer") from None
    if found.error:
        raise CannotVerify(f"the signature cannot be checked: {found.error}")
    return found.valid

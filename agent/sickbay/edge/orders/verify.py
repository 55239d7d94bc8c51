"""This is a process that lives for one question: which of these keys signed this envelope?

JSON on stdin, {"keys": {id: base64}, "envelope": {...}}; JSON on stdout, {"valid": [id, ...]} or {"error": "..."}. It runs as
`python -m sickbay.edge.orders.verify`, knows nothing else of the device and keeps nothing. What it imports costs a Pi Zero a second
and 10 MiB: they are given back when it ends.
"""

import contextlib
import os
import resource
import sys
from typing import Any

import msgspec

from sickbay.errors import WireError
from sickbay.order_wire import PAYLOAD_TYPE, opened, pae, unbase64

CPU_S_MAX = 10
QUESTION_BYTES_MAX = 65_536


class Question(msgspec.Struct, frozen=True):
    """What is asked."""

    keys: dict[str, str]
    envelope: msgspec.Raw


class Verdict(msgspec.Struct, frozen=True):
    """What is answered: the ids of the keys whose signature is good, or why nothing could be said."""

    valid: list[str] = []
    error: str = ""


def verdict(question: bytes) -> Verdict:
    """This returns which of the trusted keys signed the envelope."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        return Verdict(error=f"{error}. Install sickbay[orders]")
    try:
        asked = msgspec.json.decode(question, type=Question)
        order = opened(bytes(asked.envelope))
        signed = pae(PAYLOAD_TYPE.encode(), order.body)
        valid: list[str] = []
        for key, signature in order.signatures.items():
            if key in asked.keys:
                try:
                    Ed25519PublicKey.from_public_bytes(unbase64(asked.keys[key])).verify(signature, signed)
                except InvalidSignature:
                    continue
                valid.append(key)
    except (WireError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        return Verdict(error=str(error))
    return Verdict(valid)


def main() -> int:
    """This answers the one question, politely: last in the queue for the processor, and for a bounded time."""
    # Under our own unit SystemCallFilter forbids some of these: then the time limit of who asks must do.
    with contextlib.suppress(OSError, ValueError):
        os.nice(10)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    stdin: Any = sys.stdin.buffer
    sys.stdout.buffer.write(msgspec.json.encode(verdict(stdin.read(QUESTION_BYTES_MAX))))
    return 0


if __name__ == "__main__":
    sys.exit(main())

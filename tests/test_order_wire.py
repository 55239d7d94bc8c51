"""The shapes of orders: what DSSE prescribes, what an order must say, and what is refused before anybody looks at a signature."""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sickbay.errors import WireError
from sickbay.order_wire import (
    ENVELOPE_BYTES_MAX,
    PAYLOAD_TYPE,
    Order,
    decode_answer,
    key_line,
    keyid,
    opened,
    pae,
    read_key,
    sealed,
    unbase64,
)

ORDER = {
    "version": 1,
    "device": "pump-7",
    "id": "0123456789abcdef",
    "counter": 7,
    "issued_ms": 1,
    "expires_ms": 2,
    "verb": "quarantine",
    "target": "flow",
    "reason": "it drifts",
}


def envelope(payload_type: str = PAYLOAD_TYPE, signatures: Any = None, **changed: Any) -> bytes:
    body = {k: v for k, v in {**ORDER, **changed}.items() if v is not None}
    payload = base64.b64encode(json.dumps(body).encode()).decode()
    signed = [{"keyid": "k1", "sig": "AAAA"}] if signatures is None else signatures
    return json.dumps({"payload": payload, "payloadType": payload_type, "signatures": signed}).encode()


def test_what_is_signed_is_the_encoding_of_the_specification() -> None:
    """protocol.md of DSSE 1.0.2, "Test Vectors"; a signature over another encoding fits no other implementation."""
    assert (
        pae(b"http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae(b"", b"") == b"DSSEv1 0  0 "
    assert pae("\u00e9".encode(), "\u00e9\u00e9".encode()) == b"DSSEv1 2 \xc3\xa9 4 \xc3\xa9\xc3\xa9", (
        "lengths count bytes"
    )


def test_the_envelope_of_the_specification_is_read_and_is_no_order() -> None:
    """protocol.md, the envelope printed there: it has no keyid, and a payloadType that means nothing here."""
    theirs = (
        b'{"payload": "aGVsbG8gd29ybGQ=",\n "payloadType": "http://example.com/HelloWorld",\n "signatures": [{"sig": '
        b'"A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}'
    )
    with pytest.raises(WireError, match=r"payloadType 'http://example\.com/HelloWorld' is not"):
        opened(theirs)


@pytest.mark.parametrize("text", ["_-7-", "/+7+"])
def test_both_kinds_of_base64_are_read(text: str) -> None:
    """DSSE: signers may use either, verifiers must accept either."""
    assert unbase64(text) == b"\xff\xee\xfe"


def test_an_envelope_is_what_was_sealed() -> None:
    body = msgspec.json.encode(msgspec.convert(ORDER, Order))
    found = opened(sealed(body, {"k1": b"one", "k2": b"two"}))
    assert (found.body, found.signatures) == (body, {"k1": b"one", "k2": b"two"})
    assert found.order.verb == "quarantine" and found.order.args.for_s == 0.0


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "not understood"),
        (b"{}", "not understood"),
        (b"\xff", "not understood"),
        (b"[" * 8000, "not understood"),
        (b'{"payload": "', "not understood"),
        (b" " * (ENVELOPE_BYTES_MAX + 1), "8192 are the most"),
        (envelope("application/json"), "payloadType"),
        (envelope(signatures=[]), "0 signatures"),
        (envelope(signatures=[{"sig": "AAAA", "keyid": str(n)} for n in range(5)]), "5 signatures"),
        (envelope(signatures=[{"sig": "AAAA", "keyid": "k"}] * 2), "signed it twice"),
        (envelope(signatures=[{"sig": "A"}]), "not understood"),
        (envelope(version=2), "version 2"),
        (envelope(counter=0), "counter"),
        (envelope(counter=1.5), "counter"),
        (envelope(counter="7"), "counter"),
        (envelope(device=""), "device"),
        (envelope(device=None), "device"),
        (envelope(reason=""), "reason"),
        (envelope(reason="two\nlines"), "reason"),
        (envelope(target="\x1b[2J"), "target"),
        (envelope(verb="QUARANTINE"), "verb"),
        (envelope(id="../../etc"), "id"),
        (envelope(expires_ms=-1), "expires_ms"),
        (envelope(args={"for_s": -1.0}), "for_s"),
        (envelope(args={"for_s": 1e300}), "for_s"),
        (envelope(args={"force": True}), "unknown field"),
        (envelope(force=True), "unknown field"),
    ],
)
def test_what_is_no_order_is_refused_with_its_reason(payload: bytes, says: str) -> None:
    """A field that this version does not know could mean the opposite of all others."""
    with pytest.raises(WireError, match=says):
        opened(payload)


LEAVES = st.none() | st.booleans() | st.floats() | st.text()
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused_and_nothing_else_happens(payload: bytes) -> None:
    with pytest.raises(WireError):
        opened(payload)


def test_a_key_file_is_one_line_with_a_name() -> None:
    raw = bytes(range(32))
    line = key_line("anna@plant-1", raw)
    assert line.startswith("sickbay-ed25519 ") and line.endswith(" anna@plant-1\n")
    key = read_key(line)
    assert (key.name, key.raw, key.id) == ("anna@plant-1", raw, keyid(raw))
    with pytest.raises(WireError, match="is a private key, and should be a public one"):
        read_key(key_line("anna", raw, private=True))
    with pytest.raises(WireError, match="is a public key, and should be a private one"):
        read_key(line, private=True)


@pytest.mark.parametrize(
    "text",
    ["", "sickbay-ed25519", "sickbay-ed25519 AAAA anna", "ssh-ed25519 AAAA anna", "sickbay-ed25519 !! anna", "x y z w"],
)
def test_what_is_no_key_file_is_told(text: str) -> None:
    with pytest.raises(WireError, match="is not a key file"):
        read_key(text)


@pytest.mark.parametrize("name", ["", "two words", "fleet:anna", "\x1b", "a" * 65, "+"])
def test_a_name_that_could_be_taken_for_something_else_is_refused(name: str) -> None:
    """It stands in logs, in `why` and before a hold; nobody may call himself the machine's marks."""
    with pytest.raises(WireError, match="no name for a key"):
        key_line(name, bytes(32))


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"[" * 30_000, b'{"specversion": "1.0", "id": "x", "source": "s", "type": "t", "data": {}}']
)
def test_an_answer_that_is_none_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError, match="answer"):
        decode_answer(payload)

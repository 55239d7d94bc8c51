"""The process that looks at signatures: what it says, how long it may take, and what a flood of questions may cost."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sickbay.edge.orders.verifier import Bucket, CannotVerify, verify
from sickbay.edge.orders.verify import verdict
from sickbay.order_wire import PAYLOAD_TYPE, PublicKey, pae, sealed

ORDER = {"version": 1, "device": "d", "id": "12345678", "counter": 1, "issued_ms": 1, "expires_ms": 2}
ORDER |= {"verb": "ack", "target": "a", "reason": "r"}
BODY = json.dumps(ORDER).encode()


def key(seed: int) -> tuple[Ed25519PrivateKey, PublicKey]:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return private, PublicKey(f"key-{seed}", private.public_key().public_bytes_raw())


def signature(private: Ed25519PrivateKey, body: bytes = BODY, payload_type: str = PAYLOAD_TYPE) -> bytes:
    return private.sign(pae(payload_type.encode(), body))


(ANNA, ANNAS), (BERT, BERTS), (EVE, EVES) = key(1), key(2), key(3)
TRUSTED = {k.id: k for k in (ANNAS, BERTS)}


def ask(envelope: bytes) -> list[str]:
    return asyncio.run(verify(envelope, TRUSTED))


def test_a_good_signature_is_named_by_its_key_in_a_process_of_its_own() -> None:
    before = set(sys.modules)
    assert ask(sealed(BODY, {ANNAS.id: signature(ANNA), BERTS.id: signature(BERT)})) == [ANNAS.id, BERTS.id]
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "signatures",
    [
        {ANNAS.id: signature(BERT)},  # another's under her name
        {ANNAS.id: signature(ANNA, BODY + b" ")},  # of another order
        {ANNAS.id: signature(ANNA, payload_type="application/json")},  # of the same bytes, meant as something else
        {ANNAS.id: ANNA.sign(BODY)},  # of the bytes alone
        {ANNAS.id: signature(ANNA)[:63]},
        {ANNAS.id: b""},
        {EVES.id: signature(EVE)},  # good, and of nobody
        {"": signature(ANNA)},
    ],
)
def test_what_is_not_this_keys_signature_of_this_order_is_none(signatures: dict[str, bytes]) -> None:
    envelope = sealed(BODY, signatures)
    keys = {id_: base64.b64encode(k.raw).decode() for id_, k in TRUSTED.items()}
    found = verdict(json.dumps({"keys": keys, "envelope": json.loads(envelope)}).encode())
    assert found.valid == []


def test_a_bad_signature_beside_a_good_one_takes_nothing_from_it_and_adds_nothing() -> None:
    assert ask(sealed(BODY, {ANNAS.id: signature(ANNA), BERTS.id: signature(ANNA)})) == [ANNAS.id]


def test_a_process_that_hangs_is_ended_and_nothing_is_believed() -> None:
    async def scene() -> None:
        with pytest.raises(CannotVerify, match="gave no answer within 0 s; it was ended"):
            await verify(sealed(BODY, {ANNAS.id: signature(ANNA)}), TRUSTED, time_s=0.0)

    asyncio.run(scene())


def test_without_the_library_it_says_what_to_install(tmp_path: Path) -> None:
    """A device without the extra refuses; it must not look like a bad signature."""
    (tmp_path / "cryptography").mkdir()
    (tmp_path / "cryptography" / "__init__.py").write_text("raise ImportError('No module named cryptography')")
    question = json.dumps({"keys": {}, "envelope": {}}).encode()
    said = subprocess.run(
        [sys.executable, "-m", "sickbay.edge.orders.verify"],
        input=question,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
    )
    assert "Install sickbay[orders]" in json.loads(said.stdout)["error"]


@pytest.mark.parametrize(
    "question", [b"", b"{}", b"[" * 60_000, b'{"keys": {"k": "AA"}, "envelope": {}}', b"\xff" * 99]
)
def test_a_question_that_makes_no_sense_is_answered_with_an_error(question: bytes) -> None:
    found = verdict(question)
    assert found.valid == [] and found.error


def test_a_bucket_lets_so_many_through_at_once_and_then_one_each_so_often() -> None:
    now = [0.0]
    bucket = Bucket(3, 10.0, lambda: now[0])
    assert [bucket.take() for _ in range(5)] == [True, True, True, False, False]
    now[0] = 9.9
    assert not bucket.take()
    now[0] = 10.1
    assert bucket.take() and not bucket.take()
    now[0] = 1e9
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]

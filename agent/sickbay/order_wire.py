"""These are the shapes of orders from afar: the order, its DSSE envelope, key files, and the answer.

The envelope is DSSE (https://github.com/secure-systems-lab/dsse, protocol 1.0.2): what is signed is the PAE of type and payload,
and the key's id in it is a hint and no more. Signatures are Ed25519 (RFC 8032).
"""

import base64
import binascii
import hashlib
import re
from typing import Annotated, Any

import msgspec

from sickbay import wire
from sickbay.errors import WireError

PAYLOAD_TYPE = "application/vnd.sickbay.order+json"
ANSWERED = "sickbay.order.answered"  # the CloudEvents type of an answer
VERSION = 1
ENVELOPE_BYTES_MAX = 8192
LIFE_MAX_MS = 86_400_000  # from issued to expires
SIGNATURES_MAX = 4
KEY_BYTES = 32
_PUBLIC, _PRIVATE = "sickbay-ed25519", "sickbay-ed25519-private"

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"
_PLAIN = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"  # one line of text: it stands in logs and on terminals
_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=_PLAIN)]
_Text = Annotated[str, msgspec.Meta(max_length=500, pattern=_PLAIN)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=1 << 52)]


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename={"class_": "class"}):
    """What some verbs need to know."""

    for_s: Annotated[float, msgspec.Meta(ge=0.0, le=1e9)] = 0.0  # shelve, tighten, advisory: how long
    factor: Annotated[float, msgspec.Meta(ge=0.0, le=1e3)] = 0.0  # tighten: how much stricter
    class_: Annotated[str, msgspec.Meta(max_length=64, pattern=_PLAIN)] = ""  # advisory: the class of fault suspected


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody far away wants of one device. A field that is not known here makes it another order: it is refused."""

    version: int
    device: _Word  # the one device it is for
    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{8,64}$")]
    counter: Annotated[int, msgspec.Meta(ge=1, le=1 << 52)]  # of the key; rises with each of its orders
    issued_ms: _Time  # milliseconds since 1970
    expires_ms: _Time
    verb: Annotated[str, msgspec.Meta(min_length=1, max_length=32, pattern=r"^[a-z_]+$")]
    target: _Word  # a signal, a part or a fault's id
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=_PLAIN)]
    who: _Text = ""  # as the sender calls himself; what counts is the name of the key
    args: Args = Args()


class Signature(msgspec.Struct, frozen=True):
    """One signature of a DSSE envelope, base64."""

    sig: str
    keyid: str = ""


class Envelope(msgspec.Struct, frozen=True, rename={"payload_type": "payloadType"}):
    """A DSSE envelope in JSON."""

    payload: str
    payload_type: str
    signatures: list[Signature]


class Opened(msgspec.Struct, frozen=True):
    """An envelope taken apart. Nothing in it is believed yet."""

    order: Order
    body: bytes  # the payload, as it was signed
    signatures: dict[str, bytes]  # key id: signature; each key once


class PublicKey(msgspec.Struct, frozen=True):
    """A key that is trusted, and whose it is."""

    name: str
    raw: bytes

    @property
    def id(self) -> str:
        """The DSSE key id: the SHA-256 of the key."""
        return keyid(self.raw)


class Answer(msgspec.Struct, frozen=True):
    """What became of an order: the `data` of a CloudEvent on `up/answer`; `subject` is the order's id."""

    order: str
    device: str
    verb: str
    target: str
    obeyed: bool
    says: str  # what was done, or why not
    who: str = ""  # whose key or keys
    believed: bool = True  # false: refused before the signature was looked at; anybody may have sent that order
    context: dict[str, Any] = {}
    left_out: dict[str, str] = {}  # what the device's owner did not consent to, and the key of the configuration


_envelope = msgspec.json.Decoder(Envelope)
_order = msgspec.json.Decoder(Order)
_event = msgspec.json.Decoder(wire.CloudEvent)
_URL_SAFE = str.maketrans("-_", "+/")
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error, ValueError)


def pae(payload_type: bytes, body: bytes) -> bytes:
    """This returns what is signed: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %b %d %b" % (len(payload_type), payload_type, len(body), body)


def keyid(raw: bytes) -> str:
    """This returns the id of a public key."""
    return hashlib.sha256(raw).hexdigest()


def opened(payload: bytes) -> Opened:
    """This takes an envelope apart; raises WireError for what is none, or not of an order of this version."""
    if len(payload) > ENVELOPE_BYTES_MAX:
        raise WireError(f"order: {len(payload)} bytes, and {ENVELOPE_BYTES_MAX} are the most")
    try:
        envelope = _envelope.decode(payload)
        if envelope.payload_type != PAYLOAD_TYPE:
            raise WireError(f"order: payloadType {envelope.payload_type[:80]!r} is not {PAYLOAD_TYPE}")
        if not 1 <= len(envelope.signatures) <= SIGNATURES_MAX:
            raise WireError(f"order: {len(envelope.signatures)} signatures; it takes 1 to {SIGNATURES_MAX}")
        body = unbase64(envelope.payload)
        order = _order.decode(body)
        signatures = {each.keyid: unbase64(each.sig) for each in envelope.signatures}
    except WireError:
        raise
    except _UNREADABLE as error:
        raise WireError(f"order: not understood: {error}") from None
    if order.version != VERSION:
        raise WireError(f"order: version {order.version}, this device knows version {VERSION}")
    if len(signatures) != len(envelope.signatures):
        raise WireError("order: a key signed it twice, or two signatures name no key")
    return Opened(order, body, signatures)


def sealed(body: bytes, signatures: dict[str, bytes]) -> bytes:
    """This returns the envelope of a signed order."""
    signed = [Signature(base64.b64encode(sig).decode(), key) for key, sig in signatures.items()]
    return msgspec.json.encode(Envelope(base64.b64encode(body).decode(), PAYLOAD_TYPE, signed))


def unbase64(text: str) -> bytes:
    """This returns the bytes of a base64 text, standard or URL-safe: DSSE allows either. Raises ValueError."""
    return base64.b64decode(text.translate(_URL_SAFE), validate=True)


def key_line(name: str, raw: bytes, private: bool = False) -> str:
    """This returns the one line of a key file: what it is, the key in base64, whose it is."""
    if not re.fullmatch(_NAME, name):
        raise WireError(f"key: {name!r} is no name for a key: letters, digits and . _ @ -, at most 64")
    return f"{_PRIVATE if private else _PUBLIC} {base64.b64encode(raw).decode()} {name}\n"


def read_key(text: str, private: bool = False) -> PublicKey:
    """This returns the key in a key file's text, and its name (of a private one its seed); raises WireError."""
    kind = _PRIVATE if private else _PUBLIC
    words = text.split()
    if len(words) == 3 and {words[0], kind} == {_PUBLIC, _PRIVATE}:
        raise WireError(
            f"is a {'public' if private else 'private'} key, and should be a {'private' if private else 'public'} one"
        )
    try:
        found, raw, name = words
        key = base64.b64decode(raw, validate=True)
    except ValueError:
        raise WireError(f'is not a key file, which is one line: "{kind} BASE64 NAME"') from None
    if found != kind or len(key) != KEY_BYTES or not re.fullmatch(_NAME, name):
        raise WireError(f'is not a key file, which is one line: "{kind} BASE64 NAME", the key {KEY_BYTES} bytes')
    return PublicKey(name, key)


def decode_answer(payload: bytes) -> tuple[wire.CloudEvent, Answer]:
    """This returns the envelope and the answer in it, or raises WireError."""
    try:
        event = _event.decode(payload)
        answer = msgspec.convert(event.data, Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"answer: not understood: {error}") from None
    if event.specversion != "1.0" or event.type != ANSWERED:
        raise WireError(f"answer: {event.type!r} of specversion {event.specversion!r} is not {ANSWERED} of 1.0")
    return event, answer

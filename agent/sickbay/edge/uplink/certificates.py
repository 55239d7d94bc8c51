"""This tells a clock that is wrong from a certificate that has run out: TLS calls both the same."""

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime
from pathlib import Path

from sickbay.config import Mqtt
from sickbay.edge.uplink.dial import Names, dial
from sickbay.edge.uplink.session import address

Validity = tuple[float, float]  # not before, not after: seconds since 1970

NOT_YET, EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED: openssl-verification-options(1)
_DAY_S = 86_400.0
_FORGOTTEN_DAYS = 200  # a certificate that nobody renewed is found within months; a clock is off by years
_SET = "Set it (timedatectl), or let it reach its NTP server"
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18


def built_s() -> float:
    """This returns a time that is past for sure: when this software was put on the disk, or made."""
    times = [0.0]
    with contextlib.suppress(OSError):
        times.append(Path(__file__).stat().st_mtime)
    return max(times)


def verdict(whose: str, valid: Validity, now_s: float, quality: str, known_s: float) -> str:
    """This returns which of the two it most likely is, and what to do; "" where the certificate is in its time.

    `known_s` is a time that is past for sure: of the build, or the last one that this device knew to be right.
    """
    begins, ends = valid
    if begins <= now_s <= ends:
        return ""
    fault = f"ended on {_day(ends)}" if now_s > ends else f"begins on {_day(begins)}"
    here = f"{whose} {fault} and this device's clock says {_day(now_s)}"
    loose = f"{here}, which is not synchronised"
    if now_s < known_s - _DAY_S:
        return f"{here}, but {_day(known_s)} is past for sure: the clock is wrong. {_SET}"
    if quality == "synced":
        return f"{here}, which is synchronised: the certificate is at fault. Renew {whose}"
    if now_s < begins:
        return f"{loose}: most likely the clock is behind. {_SET}"
    if known_s > ends:
        return f"{here}; {_day(known_s)} is past for sure, so the certificate is at fault. Renew {whose}"
    if now_s - ends > _FORGOTTEN_DAYS * _DAY_S:
        return f"{loose}: most likely the clock is ahead. Compare it with a watch (timedatectl), then renew {whose}"
    return f"{loose}: most likely the certificate is at fault. Compare the clock with a watch, then renew {whose}"


async def says(
    error: Exception, held_out: bool, mqtt: Mqtt, names: Names, now_s: float, quality: str, known_s: float
) -> str:
    """This returns whether a certificate or this device's clock is at fault for a connection that failed, "" where neither is.

    `held_out` is true where the broker hung up after TLS: so it does in TLS 1.3 when it does not like our certificate.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code not in (NOT_YET, EXPIRED):
            return ""
        valid = await of_broker(names, mqtt)
        # Where the authority's certificate has run out the broker's own looks well: then the plain words stay.
        return verdict("the broker's certificate", valid, now_s, quality, known_s) if valid else ""
    if mqtt.cert and (held_out or isinstance(error, ssl.SSLError)) and (own := await of_device(mqtt)):
        return verdict(f"this device's certificate {mqtt.cert}", own, now_s, quality, known_s)
    return ""


async def of_broker(names: Names, mqtt: Mqtt) -> Validity | None:
    """This returns when the broker's certificate is valid, whether it can be trusted or not: nothing is said to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        host, port, _ = address(mqtt)
        secure = await dial(names, host, port, context)
    except OSError:
        return None
    try:
        assert isinstance(secure, ssl.SSLSocket)
        return validity(secure.getpeercert(binary_form=True) or b"")
    finally:
        secure.close()


async def of_device(mqtt: Mqtt) -> Validity | None:
    """This returns when this device's own certificate is valid."""
    if not mqtt.cert:
        return None
    path = Path(mqtt.cert)
    try:
        text = await asyncio.to_thread(path.read_text, "ascii")
        return validity(
            ssl.PEM_cert_to_DER_cert(text[text.index(ssl.PEM_HEADER) :].partition(ssl.PEM_FOOTER)[0] + ssl.PEM_FOOTER)
        )
    except (OSError, ValueError):
        return None


def validity(der: bytes) -> Validity | None:
    """This returns the times of a certificate; None for what is none. X.509 in DER: RFC 5280, 4.1."""
    try:
        _, inside, _ = _element(der)  # Certificate
        _, inside, _ = _element(inside)  # tbsCertificate
        tag, _, rest = _element(inside)
        for _ in range(3 if tag == 0xA0 else 2):  # version, where it stands; serialNumber, signature, issuer
            _, _, rest = _element(rest)
        _, times, _ = _element(rest)
        first, begins, rest = _element(times)
        second, ends, _ = _element(rest)
        return _seconds(first, begins), _seconds(second, ends)
    except (IndexError, ValueError):
        return None


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """This returns the tag, the content and what follows."""
    size, at = der[1], 2
    if size & 0x80:
        count = size & 0x7F
        size, at = int.from_bytes(der[2 : 2 + count], "big"), 2 + count
    return der[0], der[at : at + size], der[at + size :]


def _seconds(tag: int, text: bytes) -> float:
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("not a time")
    digits = text.decode("ascii").rstrip("Z")
    if tag == _UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits  # RFC 5280, 4.1.2.5.1
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()


def _day(at_s: float) -> str:
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return f"{at_s:.0f} s"

"""A clock that is wrong is told from a certificate that has run out."""

import asyncio
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from broker import Mosquitto, Peer, mosquitto
from dock import Dock, row, until
from sickbay.edge.uplink import certificates

DAY_S = 86_400.0
NOW = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
YEAR_S = 366 * DAY_S


def made(folder, name, begins, ends, issuer=None):
    """This returns a certificate and key in files, signed by `issuer` (its certificate and key) or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signed_by, signer = issuer or (subject, key)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signed_by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    certificate = built.sign(signer, hashes.SHA256())
    cert, private = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, private, (subject, key)


def around(days_before=10, days_after=10):
    now = datetime.now(UTC)
    return now - timedelta(days=days_before), now + timedelta(days=days_after)


@pytest.mark.parametrize(
    ("begins", "ends", "quality", "known", "says"),
    [
        (-30, 30, "synced", -60, ""),
        (-30, -1, "synced", -60, "synchronised: the certificate is at fault. Renew"),
        (-30, -1, "unsynced", -60, "most likely the certificate is at fault"),
        (-900, -500, "unsynced", -900, "most likely the clock is ahead"),
        (-900, -500, "unsynced", -1, "past for sure, so the certificate is at fault"),
        (30, 400, "unsynced", -60, "most likely the clock is behind. Set it (timedatectl)"),
        (30, 400, "unsynced", 300, "is past for sure: the clock is wrong"),
        (30, 400, "synced", -60, "the certificate is at fault"),
    ],
)
def test_the_verdict_weighs_the_clock_against_what_is_known(begins, ends, quality, known, says):
    """Days from now: of the certificate, and of a time that is past for sure. A Pi without a clock chip starts in the past."""
    valid = NOW + begins * DAY_S, NOW + ends * DAY_S
    found = certificates.verdict("the broker's certificate", valid, NOW, quality, NOW + known * DAY_S)
    assert says in found and bool(says) == bool(found)


def test_the_times_of_a_certificate_are_read_from_its_der(tmp_path):
    begins, ends = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)  # both ways of writing
    cert, _, _ = made(tmp_path, "one", begins, ends)
    der = ssl.PEM_cert_to_DER_cert(cert.read_text())
    assert certificates.validity(der) == (begins.timestamp(), ends.timestamp())
    for junk in (b"", b"\x30", b"\x30\x82\xff\xff", der[:40], bytes(100)):
        assert certificates.validity(junk) is None


def test_a_certificate_that_has_run_out_is_told_with_its_day(tmp_path):
    cert, key, _ = made(tmp_path, "old", *around(30, -2))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def detail(peer, quality):
        options = {"quality": lambda: quality, "known_s": lambda: 0.0}
        async with Dock(tmp_path / quality, peer.url, options=options, ca=str(cert)) as dock:
            await until(lambda: dock.uplink.status()["state"] == "denied")
            return dock.uplink.status()["detail"]

    async def scene():
        async with Peer(tls=context) as peer:
            ended = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y-%m-%d")
            synced = await detail(peer, "synced")
            assert f"the broker's certificate ended on {ended}" in synced and "the certificate is at fault" in synced
            assert "most likely the certificate is at fault" in await detail(peer, "unsynced")

    asyncio.run(scene())


def test_a_clock_in_the_past_is_told_as_a_clock(tmp_path):
    """The certificate begins tomorrow for this clock, and the device itself was started later than the clock says."""
    cert, key, _ = made(tmp_path, "new", *around(-30, 400))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    known = datetime.now(UTC).timestamp() + YEAR_S / 2

    async def scene():
        options = {"known_s": lambda: known}
        async with Peer(tls=context) as peer, Dock(tmp_path, peer.url, options=options, ca=str(cert)) as dock:
            await until(lambda: dock.uplink.status()["state"] == "denied")
            assert "is past for sure: the clock is wrong. Set it" in dock.uplink.status()["detail"]

    asyncio.run(scene())


@pytest.mark.skipif(not mosquitto(), reason="mosquitto is not installed")
def test_a_device_shows_its_certificate_and_one_that_has_run_out_is_told(tmp_path: Path):
    """MQTT 5 over TLS with certificates on both sides, through the broker of production."""
    ca, _, authority = made(tmp_path, "ca", *around())
    cert, key, _ = made(tmp_path, "broker", *around(), issuer=authority)
    mine, my_key, _ = made(tmp_path, "pump", *around(), issuer=authority)
    old, old_key, _ = made(tmp_path, "expired", *around(30, -2), issuer=authority)
    more = f"cafile {ca}\ncertfile {cert}\nkeyfile {key}\nrequire_certificate true\n"

    async def scene():
        with Mosquitto(more=more, scheme="mqtts") as broker:
            own = {"ca": str(ca), "cert": str(mine), "key": str(my_key)}
            async with Dock(tmp_path, broker.url, **own) as dock:
                await dock.tell([row("f1")])
                await until(lambda: dock.uplink.status()["sent"] >= 4 and dock.uplink.status()["state"] == "connected")
            expired = {"ca": str(ca), "cert": str(old), "key": str(old_key)}
            async with Dock(tmp_path / "other", broker.url, **expired) as dock:
                await until(lambda: dock.uplink.status()["state"] == "denied")
                assert f"this device's certificate {old} ended on" in dock.uplink.status()["detail"]
            async with Dock(tmp_path / "none", broker.url, ca=str(ca)) as dock:
                await until(lambda: "Does it know this device's certificate?" in dock.uplink.status()["detail"])

    asyncio.run(scene())

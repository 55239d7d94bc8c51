"""These are the words for what a broker or the way to it does: one clear sentence each, and whose turn it is."""

import socket
import ssl

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

from sickbay.edge.uplink.dial import NameHangsError
from sickbay.edge.uplink.waits import SERVER_MOVED, USE_ANOTHER_SERVER

_UNSPECIFIED, _UNSUPPORTED_VERSION, _BAD_CLIENT_ID, _BAD_USER, _NOT_AUTHORIZED = 0x80, 0x84, 0x85, 0x86, 0x87
_BANNED, _BAD_METHOD, _TAKEN_OVER = 0x8A, 0x8C, 0x8E  # MQTT 5.0, 2.4 Reason Code
_MENDS = {
    _UNSUPPORTED_VERSION: "It does not speak MQTT 5: use a broker that does",
    _BAD_CLIENT_ID: "Let this client id in on the broker, or change device.id",
    _BAD_USER: "Check mqtt.username and mqtt.password_file",
    _NOT_AUTHORIZED: "Check mqtt.username and mqtt.password_file, and what the broker allows that user",
    _BANNED: "The broker's owner has banned this device: ask there",
    _BAD_METHOD: "Check mqtt.username and mqtt.password_file",
}


def code(reason: object) -> str:
    """This returns a reason as its name and number, e.g. "Not authorized (0x87)"."""
    if isinstance(reason, ReasonCode):
        return f"{reason} (0x{reason.value:02x})"
    return str(reason)


def refused(verb: str, topic: str, reason: str) -> str:
    """This returns the sentence for a refused PUBLISH or SUBSCRIBE."""
    return (
        f"the broker refused to let us {verb} {topic}: {reason}; everything stays in the outbox and is tried again. "
        f"Allow the device to {verb} there"
    )


def why(error: Exception, url: str, client_id: str, elsewhere: str = "") -> tuple[str, str]:
    """This returns the state, "waiting" or "denied", and a sentence about a connection that failed."""
    if isinstance(error.__cause__, aiomqtt.MqttCodeError):
        error = error.__cause__  # aiomqtt wraps what ended a connection that stood
    cause = (error.__cause__ or error.__context__ or error) if isinstance(error, aiomqtt.MqttError) else error
    if isinstance(error, aiomqtt.MqttCodeError) and isinstance(error.rc, ReasonCode):
        return _told_by_broker(error, error.rc, url, client_id, elsewhere)
    if isinstance(cause, NameHangsError):
        return "waiting", f"{url}: the DNS does not answer. Check mqtt.url, the DNS and the way to it"
    if isinstance(cause, socket.gaierror):
        return "waiting", f"{url}: the host's name cannot be resolved ({cause.strerror}). Check mqtt.url and the DNS"
    if isinstance(cause, ConnectionRefusedError):
        return "waiting", f"{url}: nothing listens there (connection refused). Is the broker running?"
    if isinstance(cause, ssl.SSLCertVerificationError):
        clock = " and this device's clock" if cause.verify_code in (9, 10) else ""
        return "denied", f"{url}: its certificate is not trusted ({cause.verify_message}). Check mqtt.ca{clock}"
    if isinstance(cause, ssl.SSLError):
        return "denied", f"{url}: no TLS ({cause.reason or cause}). Check mqtt.url, mqtt.cert and mqtt.key"
    if isinstance(cause, FileNotFoundError | PermissionError | IsADirectoryError):
        return (
            "denied",
            f"{cause.filename}: cannot be read ({cause.strerror}). Check ca, cert, key, password_file in [mqtt]",
        )
    if isinstance(cause, TimeoutError) or "timed out" in str(error):
        return "waiting", f"{url}: no answer. Is the way to it open?"
    if isinstance(cause, ConnectionAbortedError):
        mend = " Does it know this device's certificate?" if url.startswith("mqtts") else ""
        return "waiting", f"{url}: it hung up before it let {client_id} in.{mend}"
    if isinstance(cause, OSError):
        return "waiting", f"{url}: cannot be reached ({cause.strerror or cause}). Is the network up?"
    return "waiting", f"{url}: the connection broke"


def _told_by_broker(
    error: aiomqtt.MqttCodeError, reason: ReasonCode, url: str, client_id: str, elsewhere: str
) -> tuple[str, str]:
    if reason.value in (USE_ANOTHER_SERVER, SERVER_MOVED):
        # Not followed: what leaves goes where the owner of the device said, and nowhere else.
        where = f" to {elsewhere[:200]!r}" if elsewhere else ""
        return (
            "denied",
            f"{url}: the broker sends us elsewhere{where}: {code(reason)}. If that is right, change mqtt.url",
        )
    if reason.value == _TAKEN_OVER:
        return "waiting", f"{url}: another client came with our id {client_id}. Two devices must not share device.id"
    if isinstance(error, aiomqtt.exceptions.MqttConnectError):
        mend = _MENDS.get(reason.value, "")
        state = "denied" if mend else "waiting"
        return state, f"{url}: the broker refused to let {client_id} in: {code(reason)}. {mend}".rstrip(". ")
    if reason.value == _UNSPECIFIED:  # paho's own word for a line that broke without one
        return "waiting", f"{url}: the connection broke"
    return "waiting", f"{url}: the broker closed the connection: {code(reason)}"

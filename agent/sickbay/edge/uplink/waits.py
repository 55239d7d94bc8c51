"""This is how long to leave a broker alone that said why it will not have us, or our message."""

from collections.abc import Callable

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

# MQTT 5.0, 2.4 Reason Code. What a person has to mend is asked for once a minute, what mends itself sooner.
PACKET_TOO_LARGE, QUOTA_EXCEEDED = 0x95, 0x97
USE_ANOTHER_SERVER, SERVER_MOVED = 0x9C, 0x9D
_LINE_S = {
    0x82: 60.0,  # protocol error
    0x84: 300.0,  # unsupported protocol version: until somebody changes the broker
    0x85: 60.0,  # client identifier not valid
    0x86: 60.0,  # bad user name or password: a broker that counts failures must not ban us
    0x87: 60.0,  # not authorised
    0x88: 15.0,  # server unavailable
    0x89: 15.0,  # server busy
    0x8A: 300.0,  # banned
    0x8B: 5.0,  # server shutting down: it may be back at once
    0x8C: 60.0,  # bad authentication method
    0x8E: 60.0,  # taken over: two devices with one id must not throw each other out in turns
    0x93: 5.0,  # receive maximum exceeded
    PACKET_TOO_LARGE: 5.0,
    0x96: 60.0,  # message rate too high
    QUOTA_EXCEEDED: 300.0,
    0x98: 30.0,  # administrative action
    USE_ANOTHER_SERVER: 300.0,
    SERVER_MOVED: 300.0,
    0x9F: 60.0,  # connection rate exceeded
}
_TOPIC_S = {0x80: 15.0, 0x83: 15.0, 0x91: 1.0, QUOTA_EXCEEDED: 300.0}
_TOPIC_ELSE_S = 60.0
HOLD_MAX_S = 3600.0


def reason_of(error: BaseException | None) -> int | None:
    """This returns the reason code that a broker gave for ending a connection, or for not beginning one; None without one."""
    while error is not None:
        if isinstance(error, aiomqtt.MqttCodeError) and isinstance(error.rc, ReasonCode):
            return int(error.rc.value)
        error = error.__cause__
    return None


def line_s(error: BaseException) -> float:
    """This returns the least wait before the next connection."""
    reason = reason_of(error)
    return 0.0 if reason is None else _LINE_S.get(reason, 0.0)


class Holds:
    """Topics that the broker does not take at the moment. Each is tried again with one message; the wait doubles."""

    def __init__(self, scale: float, now: Callable[[], float]) -> None:
        self._scale, self._now = scale, now
        self._until: dict[str, tuple[float, float]] = {}  # topic: until when, and how long that was

    def refused(self, topic: str, reason: int) -> float:
        """This holds a topic back, and returns until when."""
        first = _TOPIC_S.get(reason, _TOPIC_ELSE_S) * self._scale
        until, before = self._until.get(topic, (0.0, 0.0))
        if until > self._now():
            return until  # more of one batch
        wait = min(max(first, 2.0 * before), HOLD_MAX_S * self._scale)
        self._until[topic] = self._now() + wait, wait
        return self._now() + wait

    def taken(self, topic: str) -> None:
        """This lets a topic go again."""
        self._until.pop(topic, None)

    def until(self, topic: str) -> float | None:
        """This returns until when a topic is held back, None where it is not. Once that has passed, one message may try."""
        held = self._until.get(topic)
        return None if held is None else held[0]

    def clear(self) -> None:
        """This forgets all: a new connection may be to another broker, or with other rights."""
        self._until.clear()

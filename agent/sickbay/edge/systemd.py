"""This tells systemd how the daemon fares: ready, status, alive, stopping. Without systemd every call does nothing.

The protocol is one datagram of KEY=VALUE lines to the socket named by $NOTIFY_SOCKET: sd_notify(3).
"""

import os
import socket

STATUS_CHARS_MAX = 200


def ready() -> bool:
    """This says READY=1; systemd then counts the unit as started. It returns whether systemd was there to hear it."""
    return _send("READY=1")


def status(text: str) -> bool:
    """This sets the line of `systemctl status`: line breaks become blanks, the end past 200 characters is cut."""
    return _send("STATUS=" + " ".join(text.split())[:STATUS_CHARS_MAX])


def watchdog() -> bool:
    """This feeds the watchdog. Call it after a full healthy pass only, else a hung part goes unnoticed."""
    return _send("WATCHDOG=1")


def stopping() -> bool:
    """This says STOPPING=1, so that a slow clean stop is not taken for a hang."""
    return _send("STOPPING=1")


def watchdog_period_s() -> float | None:
    """This returns how often to feed the watchdog, half of what systemd allows; None where no watchdog watches."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # It is meant for our parent: sd_watchdog_enabled(3).
    try:
        allowed_us = int(os.environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return allowed_us / 2e6 if allowed_us > 0 else None


def _send(message: str) -> bool:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):  # vsock addresses exist too, for whole virtual machines; not for us.
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            # A full queue must not stop the daemon: systemd then misses one beat, and the next one tells it the same.
            out.setblocking(False)
            out.connect(address)
            out.send(message.encode())
    except OSError:
        return False
    return True

"""This is an MQTT 5 broker for a demonstration or a test: no installation, only 127.0.0.1, ended with its owner."""

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sickbay.errors import SickbayError

PAYLOAD_BYTES_MAX = 256 * 1024
_START_S = 20.0

# rumqttd's own names. Without `[v5...]` iotcore speaks MQTT 3.1.1 only, and without a file it listens on 0.0.0.0.
_CONFIG = """
id = 0
[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 4
[v5.1]
name = "v5"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 0
    [v5.1.connections]
    connection_timeout_ms = 10000
    max_payload_size = {payload}
    max_inflight_count = 100
    dynamic_filters = true
"""

# The broker's own process: iotcore has no way to stop one. It ends when our end of its stdin closes, however we end.
_CHILD = """
import logging, os, sys, threading
sys.path[:] = [entry for entry in sys.path if entry not in ("", ".")]
from iotcore.iotcore import IotCoreBroker
logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
IotCoreBroker(config_path=sys.argv[1]).run_forever()
"""


class BrokerError(SickbayError, RuntimeError):
    """This is an embedded broker that did not come up."""


class EmbeddedBroker:
    """iotcore in a process of its own on 127.0.0.1. It keeps everything in memory: killed, it forgets."""

    def __init__(self, port: int = 0) -> None:
        self.port = port or free_port()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What goes under mqtt.url."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """This returns once the broker listens; raises BrokerError where it does not come up."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="sickbay-broker-")
        config = Path(self._folder.name) / "broker.toml"
        config.write_text(_CONFIG.format(port=self.port, payload=PAYLOAD_BYTES_MAX), encoding="ascii")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + _START_S
        while not listens(self.port):
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise BrokerError(
                    f"embedded broker: did not come up on 127.0.0.1:{self.port}; ended. "
                    "Is iotcore installed (pip install 'sickbay[demo]'), and the port free?"
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """This ends the broker; a second time does no harm."""
        self._end(kill=False)
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()

    def kill(self) -> None:
        """This ends the broker as kill -9 does. `start` brings it back on the same port, with nothing remembered."""
        self._end(kill=True)

    def __enter__(self) -> "EmbeddedBroker":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end(self, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def free_port() -> int:
    """This returns a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """This returns whether somebody answers on that port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False

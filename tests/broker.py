"""Real brokers for tests, and a scripted MQTT 5 peer for the answers that a friendly broker never gives."""

import asyncio
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from sickbay_fleet.embedded_broker import EmbeddedBroker, free_port, listens


class Broker(EmbeddedBroker):
    """iotcore, as the demo starts it."""

    def restart(self):
        self.start()


class Mosquitto:
    """The broker of production, on a free port of 127.0.0.1; `acl` is the text of its access list, `more` further lines.

    `persists` keeps its queues on the disk; `wipe` takes them away, as a container that is made anew does.
    """

    def __init__(self, acl="", more="", persists=False, scheme="mqtt"):
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._more, self._persists = more, persists
        self._folder = None
        self._acl = acl
        self._process = None

    def start(self):
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="sickbay-mosquitto-")
        folder = Path(self._folder.name)
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "user root", self._more]
        lines.append(f"persistence {str(self._persists).lower()}")
        if self._persists:
            lines += [f"persistence_location {folder}/", "autosave_on_changes true", "autosave_interval 5"]
        if self._acl:
            (folder / "acl").write_text(self._acl)
            (folder / "acl").chmod(0o600)
            lines.append(f"acl_file {folder / 'acl'}")
        (folder / "conf").write_text("\n".join(lines) + "\n")
        self._process = subprocess.Popen(
            [mosquitto(), "-c", str(folder / "conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 20
        while not listens(self.port):
            assert self._process.poll() is None, "mosquitto ended at once"
            assert time.monotonic() < until, "mosquitto did not come up"
            time.sleep(0.02)

    restart = start

    def wipe(self):
        for kept in Path(self._folder.name).glob("*.db*"):
            kept.unlink()

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    stop = kill

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        self._folder.cleanup()


def mosquitto():
    return shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin")


BROKERS = [Broker, *([Mosquitto] if mosquitto() else [])]

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 14


class Peer:
    """A scripted MQTT 5 broker on a real socket: it answers each packet with the reason code it was told to.

    `puback` and `suback` map a topic to a reason code; `connack` is one code; `properties` go into CONNACK.
    With `hold` it keeps its PUBACKs back until `release`.
    """

    def __init__(self, connack=0, puback=None, suback=None, properties=b"", hold=False, silent=False, tls=None):
        self.connack, self.puback, self.suback = connack, puback or {}, suback or {}
        self.properties, self.hold, self.silent = properties, hold, silent
        self._tls = tls
        self.port = free_port()
        self.url = f"mqtt{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.published = []  # (topic, payload)
        self.connects = 0
        self.unanswered_max = 0
        self._unanswered = []
        self._writers = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port, ssl=self._tls)
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self):
        """This ends every connection without a word."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        self._unanswered.clear()

    def close_with(self, reason):
        """This sends DISCONNECT with a reason code and hangs up."""
        for writer in self._writers:
            writer.write(packet(DISCONNECT, bytes([reason, 0])))
        self.cut()

    def send(self, topic, payload, retain=False):
        for writer in self._writers:
            body = len(topic).to_bytes(2, "big") + topic.encode() + b"\x00\x07" + b"\x00" + payload
            writer.write(packet(PUBLISH, body, 0b0010 | retain))

    def release(self):
        self.hold = False
        for writer, mid, reason in self._unanswered:
            writer.write(packet(PUBACK, mid + bytes([reason])))
        self._unanswered.clear()

    def release_one(self):
        writer, mid, reason = self._unanswered.pop(0)
        writer.write(packet(PUBACK, mid + bytes([reason])))

    async def _talk(self, reader, writer):
        self._writers.append(writer)
        try:
            while True:
                head = (await reader.readexactly(1))[0]
                size = shift = 0
                while True:
                    byte = (await reader.readexactly(1))[0]
                    size |= (byte & 0x7F) << shift
                    shift += 7
                    if not byte & 0x80:
                        break
                if not self.silent:
                    self._answer(writer, head >> 4, head & 0x0F, await reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, writer, kind, flags, body):
        if kind == CONNECT:
            self.connects += 1
            writer.write(packet(CONNACK, bytes([0, self.connack, len(self.properties)]) + self.properties))
            if self.connack:
                writer.close()
        elif kind == SUBSCRIBE:
            size = int.from_bytes(body[3:5], "big")
            topic = body[5 : 5 + size].decode()
            writer.write(packet(SUBACK, body[:2] + b"\x00" + bytes([self.suback.get(topic, 1)])))
        elif kind == PUBLISH:
            assert flags & 0b0110 == 0b0010, "only QoS 1 is expected"
            size = int.from_bytes(body[:2], "big")
            topic, mid = body[2 : 2 + size].decode(), body[2 + size : 4 + size]
            self.published.append((topic, body[5 + size :]))
            self._unanswered.append((writer, mid, self.puback.get(topic, 0)))
            self.unanswered_max = max(self.unanswered_max, len(self._unanswered))
            if not self.hold:
                self.release()
        elif kind == PINGREQ:
            writer.write(b"\xd0\x00")
        elif kind == DISCONNECT:
            writer.close()


def packet(kind, body, flags=0):
    size, length = len(body), bytearray()
    while True:
        size, low = divmod(size, 128)
        length.append(low | (0x80 if size else 0))
        if not size:
            return bytes([kind << 4 | flags]) + bytes(length) + body

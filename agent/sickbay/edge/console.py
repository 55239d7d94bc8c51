"""This is the local control socket: a line of JSON in, a line of JSON out, for the CLI and the local page.

A request is {"verb": "status", "args": {...}}; the reply {"ok": true, "result": ...} or {"ok": false, "error": "..."}.
"""

import asyncio
import contextlib
import os
import pwd
import socket
import stat
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from sickbay.errors import ConsoleError, SickbayError

REQUEST_BYTES_MAX = 65_536
CLIENTS_MAX = 16
IDLE_S = 30.0
ASK_S = 10.0
PATH_BYTES_MAX = 107  # sockaddr_un.sun_path has 108 with its closing zero: unix(7)
MODE = 0o660


class Request(msgspec.Struct, frozen=True):
    """One order or question of somebody at this machine."""

    verb: str
    args: dict[str, object]
    who: str  # the user's name, as the kernel knows it; "uid 1000" where it has none
    pid: int


Answer = Callable[[Request], dict[str, object] | Awaitable[dict[str, object]]]


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    verb: str
    args: dict[str, object] = {}


class _Reply(msgspec.Struct):
    ok: bool
    result: object = None
    error: str = ""


class Console:
    """The listening end. `answer` runs in the loop; a SickbayError that it raises becomes the reply's error.

    At most 16 clients at once, each request at most 64 KiB, and who says nothing for `idle_s` is shown the door.
    """

    def __init__(self, path: Path, answer: Answer, idle_s: float = IDLE_S) -> None:
        self.path = path
        self._answer = answer
        self._idle_s = idle_s
        self._server: asyncio.Server | None = None
        self._mine = (0, 0)  # device and inode of our socket file
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """This listens from now on; raises ConsoleError where that cannot be, e.g. since another daemon answers there."""
        _refuse_long(self.path)
        await asyncio.to_thread(_make_room, self.path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(listener.fileno(), MODE)  # so that the file is never wider, not even before the chmod
            listener.bind(str(self.path))
            self.path.chmod(MODE)
            found = self.path.stat()
            self._mine = found.st_dev, found.st_ino
            self._server = await asyncio.start_unix_server(self._accept, sock=listener, limit=REQUEST_BYTES_MAX)
        except OSError as error:
            listener.close()
            raise ConsoleError(f"{self.path}: cannot listen there: {error.strerror or error}") from None

    async def stop(self) -> None:
        """This sends all clients away and removes the socket file, if it is still ours."""
        if self._server is None:
            return
        self._server.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None
        with contextlib.suppress(OSError):
            found = self.path.stat()
            if (found.st_dev, found.st_ino) == self._mine:
                self.path.unlink()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The task is made here: the one that streams make for a coroutine hushes up its failure in Debian 12's Python 3.11.2.
        full = len(self._clients) >= CLIENTS_MAX  # asked now: of many that come at once the first are served, not none
        client = asyncio.create_task(self._serve(reader, writer, full), name="console client")
        self._clients.add(client)
        client.add_done_callback(self._ended)

    def _ended(self, client: asyncio.Task[None]) -> None:
        self._clients.discard(client)
        if not client.cancelled() and (error := client.exception()) is not None:
            told = {"message": "the control socket failed on a request", "exception": error, "task": client}
            client.get_loop().call_exception_handler(told)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, full: bool) -> None:
        try:
            if full:
                await self._send(writer, _refusal(f"{CLIENTS_MAX} others are asking already; try again"))
                return
            pid, who = await _peer(writer)
            await self._converse(reader, writer, pid, who)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()  # gone, or sent away; what it has not read, it will not
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pid: int, who: str) -> None:
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    line = await reader.readline()
            except ValueError:
                await self._send(writer, _refusal(f"the request is longer than {REQUEST_BYTES_MAX} bytes"))
                return
            if not line:
                return
            if line.isspace():
                continue
            try:
                reply = await self._reply(line, pid, who)
            except Exception as error:
                await self._send(writer, _refusal(f"the daemon failed on this request: {error!r}; its log says more"))
                raise
            await self._send(writer, reply)

    async def _reply(self, line: bytes, pid: int, who: str) -> bytes:
        try:
            asked = msgspec.json.decode(line, type=_Asked)
        except (ValueError, RecursionError) as error:
            return _refusal(f'not a request, which looks like {{"verb": "status", "args": {{}}}}: {error}')
        try:
            result = self._answer(Request(asked.verb, asked.args, who, pid))
            if isinstance(result, Awaitable):
                result = await result
            return msgspec.json.encode({"ok": True, "result": result}) + b"\n"
        except SickbayError as error:
            return _refusal(str(error))

    async def _send(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        writer.write(reply)
        async with asyncio.timeout(self._idle_s):
            await writer.drain()


def _refusal(text: str) -> bytes:
    return msgspec.json.encode({"ok": False, "error": text}) + b"\n"


async def _peer(writer: asyncio.StreamWriter) -> tuple[int, str]:
    """This returns pid and user name of the other end, from SO_PEERCRED: the kernel's word, not the client's."""
    raw = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", raw)
    return pid, await asyncio.to_thread(user_name, uid)  # names may come over a network (NSS)


def user_name(uid: int) -> str:
    """This returns the name of a user; "uid 1000" where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return f"uid {uid}"


def _refuse_long(path: Path) -> None:
    length = len(os.fsencode(path))
    if length > PATH_BYTES_MAX:
        raise ConsoleError(
            f"{path}: a socket's path has at most {PATH_BYTES_MAX} bytes, this one has {length}. Set a shorter paths.socket"
        )


def _make_room(path: Path) -> None:
    """This makes the folder, and removes a socket at which nobody answers any more."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConsoleError(f"{path}: cannot listen there: {error.strerror}") from None
    if not stat.S_ISSOCK(mode):
        raise ConsoleError(f"{path}: is there and is not a socket; left alone. Remove it, or set another paths.socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(1.0)
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)  # its owner is dead
            return
        except FileNotFoundError:
            return
        except OSError as error:
            raise ConsoleError(
                f"{path}: is there, and cannot be asked who owns it: {error.strerror or error}"
            ) from None
    raise ConsoleError(f"{path}: another sickbay answers there already. Stop it, or set another paths.socket")


def ask(path: Path, verb: str, /, **args: object) -> object:
    """This returns the daemon's answer to one request, within 10 s; for programs without a loop, such as the CLI.

    Raises ConsoleError where no daemon answers, or where it refuses.
    """
    _refuse_long(path)
    request = msgspec.json.encode(_Asked(verb, args)) + b"\n"
    if len(request) > REQUEST_BYTES_MAX:
        raise ConsoleError(f"{verb}: the request is longer than {REQUEST_BYTES_MAX} bytes; it was not sent")
    try:
        reply = msgspec.json.decode(_exchange(path, request), type=_Reply)
    except PermissionError:
        raise ConsoleError(f"{path}: you may not talk to the daemon. Join its group, or use sudo") from None
    except TimeoutError:
        raise ConsoleError(f"{path}: the daemon is there, but did not answer within {ASK_S:g} s") from None
    except (OSError, msgspec.DecodeError):
        raise ConsoleError(
            f"the daemon does not answer at {path}; is it running? `sickbay run --config FILE` starts it"
        ) from None
    if not reply.ok:
        raise ConsoleError(reply.error)
    return reply.result


def _exchange(path: Path, request: bytes) -> bytes:
    """This returns the line that comes back."""
    until = time.monotonic() + ASK_S
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(ASK_S)
        caller.connect(str(path))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who is sent away can still read why
            caller.sendall(request)
        reply = bytearray()
        while not reply.endswith(b"\n"):
            caller.settimeout(max(until - time.monotonic(), 0.001))
            chunk = caller.recv(65_536)
            if not chunk:
                break
            reply += chunk
        return bytes(reply)

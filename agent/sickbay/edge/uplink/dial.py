"""This opens the line to a broker: name, socket, TLS. Every step has a bound, and none of them can hold up the daemon's end."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

NAME_S = 10.0  # how long the DNS is waited for
SOCKET_S = 10.0  # each address
TLS_S = 15.0
ADDRESSES_MAX = 3

Address = tuple[Any, ...]
Look = Callable[..., list[tuple[Any, ...]]]


class NameHangsError(OSError):
    """This is a name that the DNS neither resolves nor denies."""


class Names:
    """Asks for addresses in a thread of its own: getaddrinfo(3) can hang for minutes, and nothing can stop it.

    The thread is a daemon, so that neither SIGTERM nor the interpreter's end waits for it. While one hangs no second one is
    started: a question without an answer costs one thread, however long the network is away.
    """

    def __init__(self, look: Look = socket.getaddrinfo) -> None:
        self._look = look
        self._asking: tuple[tuple[str, int], asyncio.Future[list[tuple[Any, ...]]]] | None = None

    async def addresses(self, host: str, port: int) -> list[tuple[int, Address]]:
        """This returns (family, address) in the order to be tried; raises OSError."""
        if _is_literal(host):
            return _of(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))
        if self._asking is None or self._asking[0] != (host, port):
            self._asking = (host, port), self._ask(host, port)
        answer = self._asking[1]
        await asyncio.wait({answer}, timeout=NAME_S)
        if not answer.done():
            raise NameHangsError(f"the DNS does not answer for {host}")
        self._asking = None
        return _of(answer.result())

    def _ask(self, host: str, port: int) -> asyncio.Future[list[tuple[Any, ...]]]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[tuple[Any, ...]]] = loop.create_future()
        answer.add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )  # seen, even if nobody asks any more

        def tell(found: list[tuple[Any, ...]], error: Exception | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def ask() -> None:
            found: list[tuple[Any, ...]] = []
            wrong: Exception | None = None
            try:
                found = self._look(host, port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:  # UnicodeError: a label that is no name
                wrong = error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, str(error))
            with contextlib.suppress(RuntimeError):  # the loop is closed: the daemon has ended
                loop.call_soon_threadsafe(tell, found, wrong)

        threading.Thread(target=ask, name="names", daemon=True).start()
        return answer


async def dial(names: Names, host: str, port: int, context: ssl.SSLContext | None) -> socket.socket:
    """This returns a socket that is connected, and through TLS where there is a `context`; it does not block. Raises OSError."""
    last: OSError = OSError(f"{host} has no address")
    for family, address in (await names.addresses(host, port))[:ADDRESSES_MAX]:
        try:
            connected = await _connected(family, address)
        except OSError as error:
            last = error
            continue
        return connected if context is None else await _through_tls(connected, context, host)
    raise last


async def _connected(family: int, address: Address) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(SOCKET_S):
            await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made


async def _through_tls(plain: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    """This returns the socket after a handshake that took at most TLS_S, byte by byte or all at once."""
    try:
        secure = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    except BaseException:
        plain.close()
        raise
    try:
        async with asyncio.timeout(TLS_S):
            while True:
                try:
                    secure.do_handshake()
                except ssl.SSLWantReadError:
                    await _ready(secure, to_write=False)
                except ssl.SSLWantWriteError:
                    await _ready(secure, to_write=True)
                else:
                    return secure
    except BaseException:
        secure.close()
        raise


async def _ready(sock: socket.socket, to_write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    add, remove = (loop.add_writer, loop.remove_writer) if to_write else (loop.add_reader, loop.remove_reader)
    add(sock.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        remove(sock.fileno())


def _of(found: list[tuple[Any, ...]]) -> list[tuple[int, Address]]:
    return [(each[0], each[4]) for each in found]


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True

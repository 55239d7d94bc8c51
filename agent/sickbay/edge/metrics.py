"""This is the optional metrics endpoint: one page of text on the loopback interface, for a Prometheus that runs here.

Text format 0.0.4 (prometheus.io, "Exposition formats"). It answers GET /metrics and nothing else, to few, and never waits for long.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from sickbay.errors import SickbayError

CLIENTS_MAX = 8
REQUEST_BYTES_MAX = 8192
PATIENCE_S = 5.0  # for a whole request, and for its answer to be taken
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_log = logging.getLogger("sickbay.metrics")

Sample = tuple[Mapping[str, str], float]


class MetricsError(SickbayError, OSError):
    """This is an endpoint that cannot be opened."""


def family(name: str, kind: str, says: str, samples: Iterable[Sample]) -> str:
    """This returns one metric with its samples as text; "" where it has none. `kind` is gauge or counter."""
    lines = [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    if not lines:
        return ""
    words = says.replace("\\", r"\\").replace("\n", r"\n")
    return "\n".join([f"# HELP {name} {words}", f"# TYPE {name} {kind}", *lines]) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))


class Metrics:
    """The listening end. `page` is asked for each request; where it fails the answer is 500, and the daemon goes on."""

    def __init__(self, host: str, port: int, page: Callable[[], Awaitable[str]]) -> None:
        self._host, self._port, self._page = host, port, page
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """This is where it listens, once it does."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """This listens from now on; raises MetricsError where that cannot be."""
        try:
            self._server = await asyncio.start_server(self._accept, self._host, self._port, limit=REQUEST_BYTES_MAX)
        except OSError as error:
            raise MetricsError(
                f"metrics: cannot listen on {self._host}:{self._port} ({error.strerror or error}). Nothing else is affected;"
                " set another [metrics] listen"
            ) from None

    async def stop(self) -> None:
        """This closes the endpoint and whoever is being answered."""
        if self._server is None:
            return
        self._server.close()
        for client in tuple(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._clients) >= CLIENTS_MAX:
            writer.transport.abort()
            return
        self._clients.add(task)
        try:
            async with asyncio.timeout(PATIENCE_S):
                writer.write(await self._answer(reader))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked has gone, or never said what for
        except asyncio.CancelledError:
            pass  # the endpoint closes; asyncio's streams would print a traceback of a cancelled handler
        finally:
            self._clients.discard(task)
            with contextlib.suppress(OSError):
                writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _reply("405 Method Not Allowed", "only GET\n")
        if path != "/metrics":
            return _reply("404 Not Found", "there is only /metrics\n")
        try:
            page = await self._page()
        except Exception as error:  # noqa: BLE001 - a page that cannot be made must not end the daemon
            _log.warning("the metrics page could not be made: %r", error)
            return _reply("500 Internal Server Error", "the page could not be made; the daemon's log says why\n")
        return _reply("200 OK", page, head_only=method == "HEAD")


def _reply(status: str, text: str, head_only: bool = False) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if head_only else body)

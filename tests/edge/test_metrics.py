"""These tests hold the metrics endpoint to a real parser, and to its bounds: it must never cost the daemon anything."""

import asyncio
import contextlib
import math
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sickbay.edge.metrics import CLIENTS_MAX, REQUEST_BYTES_MAX, Metrics, MetricsError, family


def served(page: Callable[[], Awaitable[str]], ask: Callable[[int], Awaitable[None]]) -> None:
    async def run() -> None:
        endpoint = Metrics("127.0.0.1", 0, page)
        await endpoint.start()
        try:
            await ask(endpoint.port)
        finally:
            await endpoint.stop()

    asyncio.run(run())


async def plain() -> str:
    return family("x", "gauge", "A number", [({}, 1.0)])


async def raw(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


def test_what_stands_in_a_label_comes_back_as_it_was() -> None:
    """Units hold degree signs, names of signals anything but a slash."""
    odd = 'quo"te \\ back\nline °C µ'
    text = family("x_total", "counter", "Odd\nwords \\", [({"name": odd}, 2.5), ({"name": "nan"}, math.nan)])
    (found,) = text_string_to_metric_families(text)
    assert (found.type, found.documentation) == ("counter", "Odd\nwords \\")
    assert found.samples[0].labels == {"name": odd} and found.samples[0].value == 2.5
    assert math.isnan(found.samples[1].value)


def test_infinities_are_written_as_the_format_wants_them() -> None:
    text = family("x", "gauge", "w", [({"a": "1"}, math.inf), ({"a": "2"}, -math.inf)])
    (found,) = text_string_to_metric_families(text)
    assert [s.value for s in found.samples] == [math.inf, -math.inf]


def test_a_metric_without_a_sample_leaves_no_trace() -> None:
    assert family("x", "gauge", "w", []) == ""


def test_a_client_of_the_standard_library_reads_the_page() -> None:
    async def ask(port: int) -> None:
        def read() -> tuple[str, str]:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
                return answer.headers["Content-Type"], answer.read().decode()

        kind, text = await asyncio.to_thread(read)
        assert kind.startswith("text/plain; version=0.0.4") and "x 1.0" in text

    served(plain, ask)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"200"),
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", b"200"),
        (b"\xff\xfe\r\n\r\n", b"405"),
    ],
)
def test_whatever_else_is_asked_gets_a_clear_answer(request_: bytes, status: bytes) -> None:
    async def ask(port: int) -> None:
        said = await raw(port, request_)
        assert said.split(b" ")[1] == status
        assert request_[:4] != b"HEAD" or said.endswith(b"\r\n\r\n")

    served(plain, ask)


def test_a_flood_without_an_end_is_cut_off() -> None:
    async def ask(port: int) -> None:
        with contextlib.suppress(ConnectionError):
            assert await raw(port, b"GET /metrics HTTP/1.1\r\nX: " + b"y" * (3 * REQUEST_BYTES_MAX)) == b""
        assert b"200 OK" in await raw(port, b"GET /metrics HTTP/1.1\r\n\r\n")

    served(plain, ask)


def test_too_many_at_once_are_turned_away_and_the_next_is_served() -> None:
    async def ask(port: int) -> None:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CLIENTS_MAX)]
        with contextlib.suppress(ConnectionError):
            assert await raw(port, b"GET /metrics HTTP/1.1\r\n\r\n") == b""
        for _, writer in silent:
            writer.close()
            await writer.wait_closed()
        answer = b""
        while b"200 OK" not in answer:  # the endpoint notices the closing in its own time
            answer = await raw(port, b"GET /metrics HTTP/1.1\r\n\r\n")

    served(plain, ask)


def test_a_page_that_cannot_be_made_is_an_error_of_the_page_alone() -> None:
    async def broken() -> str:
        raise KeyError("signals")

    async def ask(port: int) -> None:
        assert b"500" in await raw(port, b"GET /metrics HTTP/1.1\r\n\r\n")
        assert b"500" in await raw(port, b"GET /metrics HTTP/1.1\r\n\r\n")

    served(broken, ask)


def test_a_port_that_is_taken_is_said_with_a_way_out() -> None:
    async def ask(port: int) -> None:
        with pytest.raises(MetricsError, match=r"set another \[metrics\] listen"):
            await Metrics("127.0.0.1", port, plain).start()

    served(plain, ask)


def test_an_address_that_is_no_page_raises_for_the_asker_only() -> None:
    async def ask(port: int) -> None:
        def read() -> None:
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/nothing", timeout=20)

        await asyncio.to_thread(read)

    served(plain, ask)

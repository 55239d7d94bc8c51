"""The local control socket, over real sockets."""

import asyncio
import getpass
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import msgspec
import pytest

from sickbay.edge.console import CLIENTS_MAX, REQUEST_BYTES_MAX, Console, Request, ask, user_name
from sickbay.errors import ConfigError, ConsoleError

PATIENCE_S = 15.0  # an upper bound, never waited for
Answer = Callable[[Request], dict[str, object] | Awaitable[dict[str, object]]]


def echo(request: Request) -> dict[str, object]:
    if request.verb == "refuse":
        raise ConfigError("signals.flow: is essential; nothing was done")
    if request.verb == "fail":
        raise ZeroDivisionError("a mistake of ours")
    return {"verb": request.verb, "args": request.args, "who": request.who, "pid": request.pid}


async def echo_later(request: Request) -> dict[str, object]:
    await asyncio.sleep(0)
    return echo(request)


def serve(
    path: Path, scene: Callable[[], Coroutine[object, object, None]], answer: Answer = echo, idle_s: float = 30.0
) -> None:
    async def whole() -> None:
        console = Console(path, answer, idle_s)
        await console.start()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await scene()
        finally:
            await console.stop()

    asyncio.run(whole())


async def exchange(path: Path, sent: bytes) -> dict[str, object]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(sent)
    line = await reader.readline()
    writer.close()
    return msgspec.json.decode(line, type=dict[str, object])


@pytest.mark.parametrize("answer", [echo, echo_later])
def test_a_request_is_answered_and_says_who_asked(tmp_path: Path, answer: Answer) -> None:
    """The journal records who gave an order; the kernel's word for it cannot be forged."""
    path = tmp_path / "console.sock"

    async def scene() -> None:
        result = await asyncio.to_thread(ask, path, "ack", name="flow", verb="kept", reason="seen")
        assert result == {
            "verb": "ack",
            "args": {"name": "flow", "verb": "kept", "reason": "seen"},
            "who": getpass.getuser(),
            "pid": os.getpid(),
        }

    serve(path, scene, answer)


def test_several_requests_on_one_connection_are_answered_in_order(tmp_path: Path) -> None:
    """The local page keeps its connection."""
    path = tmp_path / "console.sock"

    async def scene() -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b'{"verb": "a"}\n\n{"verb": "b", "args": {}}\n')
        for verb in "ab":
            reply = msgspec.json.decode(await reader.readline())
            assert (reply["ok"], reply["result"]["verb"]) == (True, verb)
        writer.close()

    serve(path, scene)


def test_a_refusal_reaches_the_person_word_for_word(tmp_path: Path) -> None:
    """The rule that forbids an order is the answer to it."""
    path = tmp_path / "console.sock"

    async def scene() -> None:
        with pytest.raises(ConsoleError, match=r"signals\.flow: is essential; nothing was done"):
            await asyncio.to_thread(ask, path, "refuse")

    serve(path, scene)


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\n", b"[1]\n", b'{"args": {}}\n', b'{"verb": 3}\n', b'{"verb": "a", "x": 1}\n', b"[" * 9000 + b"\n"],
)
def test_a_malformed_request_is_told_what_a_request_looks_like(tmp_path: Path, sent: bytes) -> None:
    """Whoever writes a program for this socket learns from its errors; the connection goes on."""
    path = tmp_path / "console.sock"

    async def scene() -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(sent + b'{"verb": "status"}\n')
        refused = msgspec.json.decode(await reader.readline())
        assert refused["ok"] is False
        assert "not a request" in refused["error"]
        assert msgspec.json.decode(await reader.readline())["ok"] is True
        writer.close()

    serve(path, scene)


def test_an_overlong_request_is_refused_and_not_kept(tmp_path: Path) -> None:
    """A client must not fill the daemon's memory."""
    path = tmp_path / "console.sock"

    async def scene() -> None:
        reply = await exchange(path, b'{"verb": "' + b"a" * (REQUEST_BYTES_MAX + 10))
        assert reply["ok"] is False
        assert "longer than 65536 bytes" in str(reply["error"])
        with pytest.raises(ConsoleError, match="was not sent"):
            await asyncio.to_thread(ask, path, "note", text="a" * REQUEST_BYTES_MAX)

    serve(path, scene)


def test_a_seventeenth_client_is_told_to_come_back(tmp_path: Path) -> None:
    """A program that leaks connections must not use up the daemon's descriptors."""
    path = tmp_path / "console.sock"

    async def scene() -> None:
        held = [await asyncio.open_unix_connection(str(path)) for _ in range(CLIENTS_MAX)]
        for reader, writer in held:
            writer.write(b'{"verb": "a"}\n')
            await reader.readline()
        with pytest.raises(ConsoleError, match="16 others are asking"):
            await asyncio.to_thread(ask, path, "status")
        held[0][1].close()
        while True:  # the place is free when the daemon has seen the end
            try:
                assert await asyncio.to_thread(ask, path, "status")
                break
            except ConsoleError:
                continue
        for _, writer in held:
            writer.close()

    serve(path, scene)


def test_a_silent_client_is_shown_the_door(tmp_path: Path) -> None:
    """Sixteen forgotten terminals would otherwise lock everybody out."""
    path = tmp_path / "console.sock"

    async def scene() -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        assert await reader.read() == b""
        writer.close()

    serve(path, scene, idle_s=0.05)


def test_a_mistake_of_ours_is_told_and_raised(tmp_path: Path) -> None:
    """A client must not wait for an answer that will never come, and the mistake must not be hushed up."""
    path = tmp_path / "console.sock"
    raised: list[object] = []

    async def scene() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
        with pytest.raises(ConsoleError, match="failed on this request: ZeroDivisionError"):
            await asyncio.to_thread(ask, path, "fail")
        assert await asyncio.to_thread(ask, path, "status")

    serve(path, scene)
    assert raised


def test_only_owner_and_group_may_ask(tmp_path: Path) -> None:
    """Orders move relays: the file's mode is the lock."""
    path = tmp_path / "run" / "console.sock"

    async def scene() -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660

    before = os.umask(0o077)
    try:
        serve(path, scene)
    finally:
        os.umask(before)
    assert not path.exists()


def test_a_socket_whose_owner_died_is_replaced(tmp_path: Path) -> None:
    """After a power cut the file is still there, and the daemon must start."""
    path = tmp_path / "console.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def scene() -> None:
        assert await asyncio.to_thread(ask, path, "status")

    serve(path, scene)


def test_a_living_daemon_is_not_pushed_aside(tmp_path: Path) -> None:
    """Two daemons on one machine would fight over the relays."""
    path = tmp_path / "console.sock"

    async def scene() -> None:
        with pytest.raises(ConsoleError, match="another sickbay answers there"):
            await Console(path, echo).start()
        assert await asyncio.to_thread(ask, path, "status")

    serve(path, scene)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """A mistyped path must not cost a file."""
    path = tmp_path / "precious"
    path.write_text("kept")
    with pytest.raises(ConsoleError, match="is not a socket; left alone"):
        asyncio.run(Console(path, echo).start())
    assert path.read_text() == "kept"


def test_a_path_too_long_for_a_socket_is_refused_in_plain_words(tmp_path: Path) -> None:
    """The kernel's own words are "AF_UNIX path too long", without a path."""
    path = tmp_path / ("x" * 120)
    for attempt in (lambda: asyncio.run(Console(path, echo).start()), lambda: ask(path, "status")):
        with pytest.raises(ConsoleError, match="at most 107 bytes"):
            attempt()


def test_asking_where_no_daemon_is_says_how_to_start_one(tmp_path: Path) -> None:
    """This is the first thing a new user meets."""
    path = tmp_path / "console.sock"
    with pytest.raises(ConsoleError) as refused:
        ask(path, "status")
    assert str(refused.value) == (
        f"the daemon does not answer at {path}; is it running? `sickbay run --config FILE` starts it"
    )


def test_a_user_without_a_name_is_his_number() -> None:
    """Containers have users that no one has named."""
    assert user_name(2_000_000_123) == "uid 2000000123"

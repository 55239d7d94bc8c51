"""No step of opening a line can be stuck: not a DNS that hangs, not a TLS handshake that drips."""

import asyncio
import socket
import ssl
import threading

import pytest

import virtual_time
from sickbay.edge.uplink import dial
from sickbay.edge.uplink.dial import NameHangsError, Names


class HungDns:
    """A resolver that answers when it is told to."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.asked = 0
        self.asks = threading.Event()

    def __call__(self, host, port, **_):
        self.asked += 1
        self.asks.set()
        self.answers.wait(60.0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


def test_a_dns_that_hangs_costs_one_thread_and_ten_seconds(monkeypatch):
    """getaddrinfo cannot be stopped: a week without an answer must not be a week of threads."""
    monkeypatch.setattr(dial, "NAME_S", 0.05)
    hung = HungDns()

    async def scene():
        names = Names(hung)
        for _ in range(3):
            with pytest.raises(NameHangsError, match="the DNS does not answer for broker"):
                await names.addresses("broker.example", 1883)
        assert hung.asked == 1
        hung.answers.set()
        monkeypatch.setattr(dial, "NAME_S", 20.0)
        assert await names.addresses("broker.example", 1883) == [(socket.AF_INET, ("127.0.0.1", 1883))]

    asyncio.run(scene())


def test_the_end_does_not_wait_for_the_dns():
    """SIGTERM while the DNS hangs: systemd would kill us after 90 s, and the outputs' fail states with it."""
    hung = HungDns()

    async def scene():
        asking = asyncio.create_task(Names(hung).addresses("broker.example", 1883))
        await asyncio.sleep(0)
        await asyncio.to_thread(hung.asks.wait, 20.0)
        asking.cancel()
        done, _ = await asyncio.wait({asking}, timeout=5.0)
        assert done and asking.cancelled()

    asyncio.run(scene())  # and the loop's own end waits for threads of its pool, of which this is none
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "names")
    hung.answers.set()


def test_an_address_needs_no_dns():
    async def scene():
        def never(*_, **__):
            raise AssertionError("asked")

        assert await Names(never).addresses("127.0.0.1", 1) == [(socket.AF_INET, ("127.0.0.1", 1))]
        assert (await Names(never).addresses("::1", 1))[0][0] == socket.AF_INET6

    asyncio.run(scene())


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example", "a..b"])
def test_a_name_that_is_none_is_an_oserror(host):
    """A label of 70 letters is a UnicodeError to Python, and must not end the daemon."""

    async def scene():
        with pytest.raises(OSError):
            await Names().addresses(host, 1883)

    asyncio.run(scene())


def test_a_handshake_that_drips_ends_in_time():
    """Each byte alone is in time, so that a timeout for each read would wait for ever."""

    async def scene():
        async def drip(reader, writer):
            try:
                for byte in b"\x16\x03\x03\x40\x00" + bytes(1000):
                    writer.write(bytes([byte]))
                    await asyncio.sleep(1.0)
            finally:
                writer.transport.abort()

        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await dial.dial(Names(), "127.0.0.1", port, ssl.create_default_context())
        assert asyncio.get_running_loop().time() - began <= dial.TLS_S + 1.0
        server.close()
        await asyncio.sleep(2.0)

    virtual_time.run(scene())


def test_the_second_address_is_tried_where_the_first_is_dead():
    async def scene():
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        good = server.sockets[0].getsockname()
        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", at) for at in (taken.getsockname(), good)]
        connected = await dial.dial(Names(lambda *_, **__: found), "broker.example", good[1], None)
        assert connected.getpeername() == good
        connected.close()
        taken.close()
        server.close()

    asyncio.run(scene())

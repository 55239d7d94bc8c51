"""Orders from afar at a running daemon: what is looked at first, what is kept before what, and what a flood can cost."""

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from afar_scene import ANNA, BERT, DEVICE, EVE, NOW_S, Device, at, look_here, order, turns
from sickbay.core.reading import Command
from sickbay.daemon.afar import OrdersFromAfar
from sickbay.daemon.times import taken_up
from sickbay.errors import OrderRefused, StoreError
from sickbay.order_wire import PublicKey, key_line
from soak.orders import main as storm


def test_an_order_is_obeyed_once_and_never_again(tmp_path: Path) -> None:
    async def scene(device: Device) -> None:
        first, second, third = (order(counter=n) for n in (5, 6, 7))
        assert "out of service" in await device.hears(second)
        device.daemon.node.command(local("release", "b", device))
        for old in (second, first):  # the same again, and one that was overtaken
            assert "a replay" in await device.hears(old)
        assert device.state("b") == "probation" and device.looked == 1, "a replay costs no process"
        assert "out of service" in await device.hears(third)
        assert "out of service" in await device.hears(order(BERT, counter=1, target="c")), "each key counts for itself"
        assert device.ear.status()["refused"] == {"replay": 2} and device.ear.obeyed == 3

    at(tmp_path, scene)


def local(verb: str, target: str, device: Device) -> Any:
    return Command(verb, target, device.daemon.clock(), "otto", "here")


def test_a_used_counter_outlives_the_daemon(tmp_path: Path) -> None:
    first = order(counter=5)

    async def obeyed(device: Device) -> None:
        assert "out of service" in await device.hears(first)

    async def again(device: Device) -> None:
        assert "a replay" in await device.hears(first)

    at(tmp_path, obeyed)
    at(tmp_path, again)


def test_the_counter_is_kept_before_the_order_is_carried_out(tmp_path: Path) -> None:
    """Else a power cut in between would let it be replayed. A disk that takes nothing keeps no counter: nothing is obeyed then."""

    async def scene(device: Device) -> None:
        kept: list[int] = []
        daemon = device.daemon
        obey, journal = daemon.order, device.journal
        commit = journal.commit

        def order_seen(command: Any) -> str:
            raw = journal.load()
            assert raw is not None
            fresh = type(daemon.node)(daemon.equipment, "later")
            fresh.restore(taken_up(raw)[1])
            kept.append(fresh.ward.orders.counters[ANNA.id])
            return obey(command)

        daemon.order = order_seen  # type: ignore[method-assign]
        assert "out of service" in await device.hears(order(counter=5))
        assert kept == [5], "the counter was on the disk before the order reached the node"

        def full(*_: Any, **__: Any) -> None:
            raise StoreError("no room left")

        journal.commit = full  # type: ignore[method-assign]
        assert "cannot be kept" in await device.hears(order(counter=6, target="c"))
        assert device.state("c") == "in_service"
        journal.commit = commit  # type: ignore[method-assign]
        assert "a replay" in await device.hears(order(counter=6, target="c")), "used up all the same"
        assert "out of service" in await device.hears(order(counter=7, target="c"))

    at(tmp_path, scene)


@pytest.mark.parametrize(
    ("changed", "kind", "says"),
    [
        ({"device": "unit-2"}, "device", "it is for device unit-2, and this is unit-1"),
        (
            {"issued_ms": 1, "expires_ms": 2},
            "time",
            "it expired at 1970-01-01T00:00:00Z by this device's own clock, which is synchronised",
        ),
        ({"expires_ms": round(NOW_S * 1000) + 86_400_001}, "time", "24.0 h, and at most 24 h"),
        ({"expires_ms": round(NOW_S * 1000)}, "time", "0.0 h, and at most 24 h"),
        (
            {"issued_ms": round(NOW_S * 1000) + 400_000, "expires_ms": round(NOW_S * 1000) + 500_000},
            "time",
            "the sender's clock is ahead",
        ),
        ({"issued_ms": round((NOW_S - 7200) * 1000)}, "time", "before this device's memory began"),
    ],
)
def test_what_no_signature_could_make_good_is_refused_before_one_is_looked_at(
    tmp_path: Path, changed: dict[str, Any], kind: str, says: str
) -> None:
    async def scene(device: Device) -> None:
        assert says in await device.hears(order(counter=5, **changed))
        assert device.ear.refused == {kind: 1} and device.looked == 0 and device.state("b") == "in_service"
        await device.settled()
        (told,) = [e for e in device.events() if e["kind"] == "command"]
        assert (told["believed"], told["because"], told["origin"]) == (False, kind, "fleet")
        assert "out of service" in await device.hears(order(counter=5)), "an order that nobody believed used nothing up"

    at(tmp_path, scene)


def test_nothing_is_believed_before_the_signature(tmp_path: Path) -> None:
    async def scene(device: Device) -> None:
        assert "no key that this device trusts" in await device.hears(order(EVE, counter=5))
        good = json.loads(order(counter=6))
        other = json.loads(order(counter=7, target="c"))
        forged = json.dumps({**other, "signatures": good["signatures"]}).encode()
        assert "its signature is not good" in await device.hears(forged)
        assert device.daemon.node.ward.orders.counters == {} and device.state("c") == "in_service"
        assert "out of service" in await device.hears(json.dumps(good).encode()), "a forged order spoils no true one"

    at(tmp_path, scene)


def test_two_keys_are_two_people_who_both_signed_this(tmp_path: Path) -> None:
    """A release from afar needs both. One signature, or one and a bad one, or one's twice, is one."""

    async def scene(device: Device) -> None:
        await device.hears(order(counter=1))
        assert "two keys of two people" in await device.hears(order(ANNA, counter=2, verb="release"))
        half = json.loads(order(ANNA, BERT, counter=3, verb="release"))
        half["signatures"][1]["sig"] = half["signatures"][0]["sig"]
        assert "two keys of two people" in await device.hears(json.dumps(half).encode())
        assert device.state("b") == "isolated"
        assert "on probation" in await device.hears(order(ANNA, BERT, counter=4, verb="release"))
        assert device.daemon.node.ward.orders.counters == {ANNA.id: 4, BERT.id: 4}
        assert device.daemon.node.ward.quarantine.records["b"].by == "fleet:anna+bert"
        assert "essential" in await device.hears(order(ANNA, BERT, counter=5, verb="release", target="pump"))

    at(tmp_path, scene)


def test_without_a_clock_only_what_tightens_is_obeyed(tmp_path: Path) -> None:
    """A device that does not know the time cannot tell whether an order has expired: what it may do then must harm nobody."""

    async def scene(device: Device) -> None:
        device.quality = "unsynced"
        late = {"issued_ms": 1, "expires_ms": 2}
        assert "out of service" in await device.hears(order(counter=1, **late))
        for n, verb in enumerate(("ack", "shelve", "unshelve", "release")):
            said = await device.hears(order(ANNA, BERT, counter=2 + n, verb=verb))
            assert "this device's clock is not synchronised" in said and device.state("b") == "isolated"
        assert "a replay" in await device.hears(order(counter=1, **late))

    at(tmp_path, scene)


def test_every_believed_order_is_noted_and_answered_through_the_outbox(tmp_path: Path) -> None:
    async def scene(device: Device) -> None:
        await device.hears(order(counter=1, id="obeyed-0001"))
        await device.hears(order(counter=2, id="refused-0001", target="pump"))
        told = await device.told()
        assert told["answer-obeyed-0001"]["obeyed"] and not told["answer-refused-0001"]["obeyed"]
        assert all(t["who"] == "fleet:anna" and t["believed"] for t in told.values())
        noted = [e for e in device.events() if e["kind"] == "command"]
        assert [(e["order"], e["who"], "refused" in e) for e in noted] == [
            ("obeyed-0001", "fleet:anna", False),
            ("refused-0001", "fleet:anna", True),
        ]

    at(tmp_path, scene)


def test_an_order_out_of_its_time_is_answered_as_not_believed_and_not_often(tmp_path: Path) -> None:
    """Who sent it must hear whose clock it was; who floods with such must not fill the outbox."""

    async def scene(device: Device) -> None:
        for n in range(50):
            await device.hears(order(counter=1, id=f"late-{n:08d}", issued_ms=1, expires_ms=2))
        told = list((await device.told()).values())
        assert len(told) == 5 and not any(t["believed"] or t["obeyed"] for t in told)
        assert "its own clock" in told[0]["says"].replace("this device's own", "its own")

    at(tmp_path, scene)


def test_a_flood_costs_a_bounded_number_of_processes_and_lines(tmp_path: Path) -> None:
    """Whoever may publish can send well-formed rubbish under a key that is known: it must not cost a device its processor."""

    async def scene(device: Device) -> None:
        for n in range(2000):
            envelope = json.loads(order(counter=10**6 + n))
            envelope["signatures"][0]["sig"] = "AAAA"
            with contextlib.suppress(OrderRefused):
                device.ear.take(json.dumps(envelope).encode())
            if n % 100 == 0:
                await device.settled()
        await device.settled()
        assert device.looked == 10 and device.ear.refused == {"signature": 10, "flood": 1990}
        assert len([e for e in device.events() if e["kind"] == "command"]) == 20
        assert "out of service" in await device.hears(order(counter=5)), "after it a true one is obeyed"

    at(tmp_path, scene)


def test_what_nobody_believed_costs_the_flash_a_line_and_no_commit(tmp_path: Path) -> None:
    """Anybody who may publish can cause it: a commit carries all state, and a day of them would wear the card out."""

    async def scene(device: Device) -> None:
        await device.settled()
        bursts = device.journal.wear.bursts
        for _ in range(15):
            with contextlib.suppress(OrderRefused):
                device.ear.take(b"rubbish")
        await turns(lambda: len([e for e in device.events() if e["kind"] == "command"]) == 15)
        assert device.journal.wear.bursts - bursts <= 2

    at(tmp_path, scene)


def test_one_process_at_a_time_and_a_bounded_queue(tmp_path: Path) -> None:
    async def scene(device: Device) -> None:
        gate, inside, most = asyncio.Event(), 0, 0

        async def slow(envelope: bytes, keys: Mapping[str, PublicKey]) -> list[str]:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            await gate.wait()
            inside -= 1
            return await look_here(envelope, keys)

        device.look = slow
        said = []
        for n in range(30):
            device.now_s += 6.0
            try:
                device.ear.take(order(counter=1 + n, verb="context"))
            except OrderRefused as refusal:
                said.append(str(refusal))
            await asyncio.sleep(0)
        assert len(said) == 30 - 17 and "too many orders" in said[0]
        gate.set()
        await device.settled()
        await turns(lambda: not inside)
        assert most == 1

    at(tmp_path, scene)


def test_without_the_library_it_is_told_once_and_every_order_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    (tmp_path / "anna.pub").write_text(key_line("anna", ANNA.raw))
    (tmp_path / "anna.pub").chmod(0o644)
    with caplog.at_level(logging.WARNING):
        ear = OrdersFromAfar(None, "unit-1", (str(tmp_path / "anna.pub"),))  # type: ignore[arg-type]
    assert [r.getMessage() for r in caplog.records] == [
        "cryptography is not installed: no order from afar is obeyed. Install sickbay[orders]"
    ]
    assert ear.keys == {}


def test_without_a_key_nobody_orders_from_afar(tmp_path: Path) -> None:
    async def scene(device: Device) -> None:
        assert "trusts no key: it is not obeyed" in await device.hears(order(counter=1))
        assert device.looked == 0 and device.ear.refused == {"no_key": 1}

    at(tmp_path, scene, DEVICE.replace('keys = ["anna.pub", "bert.pub"]', ""))


def test_a_retained_order_is_not_even_looked_at(tmp_path: Path) -> None:
    async def scene(device: Device) -> None:
        device.ear.retained()
        await device.settled()
        assert device.ear.refused == {"retained": 1}
        assert [e["because"] for e in device.events() if e["kind"] == "command"] == ["retained"]

    at(tmp_path, scene)


def test_of_spoilt_orders_and_of_replays_none_is_obeyed() -> None:
    """The soak of a million (`tests/soak/orders.py`), short."""
    found = storm(3000, seed=7)
    assert found["signatures_looked_at"] > 100 and len(found["refused"]) >= 5

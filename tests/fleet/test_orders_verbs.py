"""The fleet's side of orders: keys that stay private, counters that are used once, orders that are no order, and the answers."""

import asyncio
import json
import os
import stat
from pathlib import Path

import aiomqtt
import msgspec
import pytest

from broker import Broker, Peer
from sickbay import wire
from sickbay.config import Mqtt
from sickbay.errors import ConfigError, StoreError
from sickbay.order_wire import ANSWERED, Answer, opened, pae, read_key
from sickbay_fleet.giving import NotGiven, give, order_of, signed
from sickbay_fleet.keys import SigningKey, make, next_counter
from sickbay_fleet.main import main
from sickbay_fleet.orders import Args
from sickbay_fleet.store import Arrived, Store, answers


def config(folder: Path, url: str = "mqtt://127.0.0.1:1") -> Path:
    file = folder / "fleet.toml"
    file.write_text(f'[mqtt]\nurl = "{url}"\n[store]\nurl = "sqlite:///{folder}/tickets.db"\n')
    return file


def give_words(folder: Path, *more: str, verb: str = "quarantine", key: str = "anna") -> list[str]:
    words = ["order", verb, "flow", "--device", "pump-7", "--key", str(folder / key), "--reason", "it drifts"]
    return [*words, "--config", str(config(folder)), "--wait", "0.1", *more]


def test_a_new_key_is_private_and_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the umask says; and a key that is overwritten orders nothing ever again."""
    umask = os.umask(0)
    try:
        assert main(["keygen", "--out", str(tmp_path / "anna"), "--name", "anna@plant-1", "--json"]) == 0
    finally:
        os.umask(umask)
    made = json.loads(capsys.readouterr().out)
    assert stat.S_IMODE((tmp_path / "anna").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "anna.pub").stat().st_mode) == 0o644
    public = read_key((tmp_path / "anna.pub").read_text())
    assert (public.name, public.id) == ("anna@plant-1", made["id"]) and SigningKey(tmp_path / "anna").id == made["id"]
    before = (tmp_path / "anna").read_bytes()
    assert main(["keygen", "--out", str(tmp_path / "anna"), "--name", "anna"]) == 2
    assert "is there already, and was left alone" in capsys.readouterr().err
    assert (tmp_path / "anna").read_bytes() == before
    (tmp_path / "anna").unlink()
    assert main(["keygen", "--out", str(tmp_path / "anna"), "--name", "anna"]) == 2, "nor the public half of another"
    assert main(["keygen", "--out", str(tmp_path / "b"), "--name", "two words"]) == 2
    assert not (tmp_path / "b").exists()


def test_a_key_that_others_can_read_signs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "anna", "anna")
    (tmp_path / "anna").chmod(0o640)
    assert main(give_words(tmp_path)) == 2
    assert "others may read this key (mode 640)" in capsys.readouterr().err


def test_what_is_signed_verifies_with_the_public_half(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    public, _ = make(tmp_path / "anna", "anna")
    key = SigningKey(tmp_path / "anna")
    order = order_of("pump-7", "shelve", "flow", "test", Args(for_s=60.0), [key], 5_000, 600.0)
    found = opened(signed(order, [key]))
    assert found.order == order and (order.counter, order.expires_ms, order.who) == (5_000, 605_000, "anna")
    raw = read_key(public.read_text()).raw
    Ed25519PublicKey.from_public_bytes(raw).verify(
        found.signatures[key.id], pae(b"application/vnd.sickbay.order+json", found.body)
    )


def test_no_counter_is_used_twice_whatever_the_clock_does(tmp_path: Path) -> None:
    """A device refuses what it has seen; a clock that was set back must not lock the fleet out of it."""
    for name in ("anna", "bert"):
        make(tmp_path / name, name)
    anna, bert = (SigningKey(tmp_path / name) for name in ("anna", "bert"))
    assert [next_counter([anna], now) for now in (1000, 1000, 5, 2000)] == [1000, 1001, 1002, 2000]
    assert next_counter([anna, bert], 7) == 2001 and bert.last_counter() == 2001, "both have used it"
    assert SigningKey(tmp_path / "anna").last_counter() == 2001
    (tmp_path / "anna.counter").write_text("rubbish")
    with pytest.raises(StoreError, match="not a counter"):
        next_counter([anna], 9000)
    (tmp_path / "anna.counter").unlink()
    assert next_counter([anna], 9000) == 9000, "the clock makes up for a counter that was lost"


@pytest.mark.parametrize(
    ("more", "verb", "says"),
    [
        ((), "release", "it takes two keys"),
        (("--key2", "{0}/anna"), "release", "one key or one name"),
        (("--key2", "{0}/twin"), "release", "one key or one name"),
        (("--for", "soon"), "shelve", "--for soon: not a time"),
        (("--expires", "25h"), "ack", "for 24h at most"),
        (("--reason", ""), "ack", "reason"),
        (("--device", "a\nb"), "ack", "device"),
        (("--key2", "{0}/absent"), "ack", "`sickbay-fleet keygen` makes a key"),
        (("--key2", "{0}/anna.pub"), "ack", "others may read"),
    ],
)
def test_what_no_device_would_obey_is_not_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], verb: str, says: str
) -> None:
    make(tmp_path / "anna", "anna")
    make(tmp_path / "twin", "anna")
    assert main(give_words(tmp_path, *(word.format(tmp_path) for word in more), verb=verb)) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "anna.counter").exists()


def test_a_verb_that_is_only_for_the_device_cannot_be_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("clear", "cycle", "loosen", "feedback"):
        with pytest.raises(SystemExit) as left:
            main(give_words(tmp_path, verb=verb))
        assert left.value.code == 2 and "invalid choice" in capsys.readouterr().err


def test_without_a_broker_the_order_is_said_not_to_have_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "anna", "anna")
    assert main(give_words(tmp_path)) == 1
    assert "Is the broker running?" in capsys.readouterr().err


def test_a_broker_that_does_not_take_it_is_quoted(tmp_path: Path) -> None:
    """Without this an order that never left looks like a device that does not answer."""
    make(tmp_path / "anna", "anna")
    key = SigningKey(tmp_path / "anna")

    async def scene() -> None:
        async with Peer(puback={"sickbay/1/pump-7/down/command": 0x87}) as peer:
            order = order_of("pump-7", "ack", "flow", "test", Args(), [key], 5_000, 600.0)
            with pytest.raises(NotGiven, match="Not authorized"):
                await give(Mqtt(peer.url), order, [key], 5.0)

    asyncio.run(scene())


def answer(order: str, **more: object) -> bytes:
    told = Answer(
        **{"order": order, "device": "pump-7", "verb": "ack", "target": "flow", "obeyed": True, "says": "done", **more}
    )  # type: ignore[arg-type]
    id_ = f"answer-{order}" if told.believed else f"unbelieved-{order}"
    event = wire.CloudEvent(
        specversion="1.0", id=id_, source="sickbay/pump-7", type=ANSWERED, data=msgspec.to_builtins(told)
    )
    return wire.encode(event)


def test_the_true_answer_is_waited_for_behind_one_that_was_not_believed(tmp_path: Path) -> None:
    """Whoever can publish to a device can have it refuse a copy; that must not hide what became of the true order."""
    make(tmp_path / "anna", "anna")
    key = SigningKey(tmp_path / "anna")

    async def scene(*told: bytes, wait_s: float = 20.0) -> Answer | None:
        with Broker() as broker:
            order = order_of("pump-7", "ack", "flow", "test", Args(), [key], 5_000, 600.0)
            async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as device:
                await device.subscribe("sickbay/1/pump-7/down/command", qos=1)
                giving = asyncio.create_task(give(Mqtt(broker.url), order, [key], wait_s))
                async for message in device.messages:
                    assert not message.retain and opened(bytes(message.payload)).order == order
                    assert message.properties.MessageExpiryInterval <= 600  # type: ignore[union-attr]
                    break
                for each in told:
                    await device.publish(
                        "sickbay/1/pump-7/up/answer", each.replace(b"ORDER-ID", order.id.encode()), qos=1
                    )
                return (await giving).answer

    doubted = answer("ORDER-ID", believed=False, obeyed=False, says="expired")
    found = asyncio.run(scene(b"rubbish", answer("another-one"), doubted, answer("ORDER-ID")))
    assert found is not None and found.believed and found.obeyed
    assert asyncio.run(scene(wait_s=0.1)) is None


def test_answers_are_kept_once_receipted_and_bounded_by_who_may_say_them(tmp_path: Path) -> None:
    store = Store(tmp_path / "t.db", lambda: "2030-01-01T00:00:00.000+00:00")
    taken = store.take(
        [Arrived("pump-7", "answer", answer("order-0001")), Arrived("pump-7", "answer", answer("order-0001"))]
    )
    assert taken.receipts == {"pump-7": ["answer-order-0001"]} and len(taken.lines) == 1
    assert "obeyed ack (order-0001). done" in taken.lines[0]
    forged = store.take([Arrived("pump-8", "answer", answer("order-0002")), Arrived("pump-7", "answer", b"[" * 30_000)])
    assert forged.receipts == {} and len(forged.refused) == 2
    store.close()
    assert [a.answer.order for a in answers(tmp_path / "t.db")] == ["order-0001"]


def test_a_store_of_before_there_were_orders_is_taken_up(tmp_path: Path) -> None:
    store = Store(tmp_path / "t.db", lambda: "now")
    store._db.execute("DROP TABLE answers")
    store.close()
    assert answers(tmp_path / "t.db") == []
    Store(tmp_path / "t.db", lambda: "now").close()
    with pytest.raises(StoreError, match="no ticket store yet"):
        answers(tmp_path / "absent.db")


def test_a_key_file_with_a_link_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "anna").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="is there already"):
        make(tmp_path / "anna", "anna")

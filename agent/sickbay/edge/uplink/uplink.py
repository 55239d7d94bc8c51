"""This empties the outbox. A row leaves it only through the fleet's own receipt; a broker's PUBACK is not delivery."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import aiomqtt
import msgspec

from sickbay import wire
from sickbay.config import Mqtt
from sickbay.edge.uplink import words
from sickbay.edge.uplink.backoff import Backoff
from sickbay.edge.uplink.session import IN_FLIGHT_MAX, Session
from sickbay.errors import SickbayError

_log = logging.getLogger("sickbay.uplink")
_GOODBYE_S = 2.0
_WITHOUT_RECEIPT = 3  # after so many tries a row no longer holds up those behind it
_SET_BACK_MAX = 200
_PACKET_OVERHEAD_BYTES = 16


class Row(Protocol):
    """What the uplink needs to know of a message in the outbox."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def created(self) -> float: ...
    @property
    def consent(self) -> str: ...


class Sent(msgspec.Struct, frozen=True):
    """One line for the ledger: a message that leaves now."""

    at: float
    topic: str
    what: str  # escalation.opened, .updated, .closed; answer.obeyed, .refused; state.up, state.gone, state.will; digest
    why: str
    bytes: int  # topic and payload
    id: str = ""


class Timing(msgspec.Struct, frozen=True):
    """How long things take."""

    backoff_first_s: float = 1.0
    backoff_max_s: float = 300.0
    steady_s: float = 30.0  # a connection that held so long starts the backoff afresh
    receipt_s: float = 60.0  # then a row without receipt goes again; doubles with each try
    receipt_max_s: float = 900.0
    heartbeat_s: float = 300.0


_TIMING = Timing()


class Uplink:
    """One device's way to its broker. `run` goes on until cancelled and never raises for what a broker does.

    `pending`, `forget` and `ledger_add` reach the journal wherever it lives; `ledger_add(lines, lazy)` returns before
    a message leaves. `on_receipt` gets the ids that were in the outbox. `on_command` gets an order's bytes and may
    raise SickbayError to refuse them; `on_retained` hears of one that is not even looked at. `birth` and `digest` are asked
    each time anew.
    """

    def __init__(
        self,
        mqtt: Mqtt,
        device: str,
        *,
        pending: Callable[[int], Awaitable[Sequence[Row]]],
        forget: Callable[[list[str]], Awaitable[list[str]]],
        ledger_add: Callable[[Sequence[Sent], bool], Awaitable[None]],
        on_receipt: Callable[[list[str]], None],
        on_command: Callable[[bytes], None],
        birth: Callable[[], bytes],
        digest: Callable[[], bytes],
        on_retained: Callable[[], None] = lambda: None,
        timing: Timing = _TIMING,
        jitter: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._mqtt, self._client_id = mqtt, f"sickbay-{device}"
        self._topics = {
            leaf: wire.topic(mqtt.prefix, device, leaf)
            for leaf in ("up/state", "up/digest", "down/receipt", "down/command")
        }
        self._consent = f'[mqtt] url = "{mqtt.url}"'
        self._pending, self._forget, self._ledger_add = pending, forget, ledger_add
        self._on_receipt, self._on_command = on_receipt, on_command
        self._birth, self._digest, self._on_retained = birth, digest, on_retained
        self._timing, self._wall = timing, wall
        self._wake = asyncio.Event()
        self._backoff = Backoff(timing.backoff_first_s, timing.backoff_max_s, jitter)
        self._state, self._detail = "starting", "not connected yet"
        self._next_try_at: float | None = None
        self._connected_wall = 0.0
        self._refused: dict[str, str] = {}  # topic: sentence
        self._garbage = {"receipt": 0, "command": 0}
        self._garbage_told: set[str] = set()
        self._tries: dict[str, int] = {}
        self._again_at: dict[str, float] = {}
        self._sent = self._receipted = 0
        self._settling: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """This says that there are new rows in the outbox."""
        self._wake.set()

    def status(self) -> dict[str, Any]:
        """This returns the state of the line: starting, connecting, connected, waiting or denied, and why."""
        state, detail = self._state, self._detail
        if state == "connected" and self._refused:
            state, detail = "denied", "; ".join(self._refused.values())
        wait = None if self._next_try_at is None else max(0.0, self._next_try_at - asyncio.get_running_loop().time())
        return {
            "state": state,
            "detail": detail,
            "next_try_s": None if wait is None else round(wait, 1),
            "sent": self._sent,
            "receipted": self._receipted,
            "garbage": dict(self._garbage),
        }

    async def run(self) -> None:
        """This keeps a connection for as long as it runs; cancelled, it says goodbye."""
        loop = asyncio.get_running_loop()
        while True:
            since, receipted = loop.time(), self._receipted
            self._state, self._next_try_at = "connecting", None
            try:
                await self._one_connection()
            except* (aiomqtt.MqttError, OSError) as group:
                self._lost(_first(group))
            if loop.time() - since >= self._timing.steady_s or self._receipted > receipted:
                self._backoff.reset()
            wait = self._backoff.next_s()
            self._next_try_at = loop.time() + wait
            await asyncio.sleep(wait)

    async def _one_connection(self) -> None:
        gone = {**msgspec.json.decode(self._birth()), "state": "gone"}
        will = aiomqtt.Will(self._topics["up/state"], msgspec.json.encode(gone), qos=1, retain=True)
        session = Session(self._mqtt, self._client_id, will)
        try:
            await session.open()
            self._connected()
            try:
                await self._greet(session, will)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._listen(session))
                    group.create_task(self._empty_outbox(session))
                    group.create_task(self._beat(session))
            except asyncio.CancelledError:
                await self._say_goodbye(session)
                raise
        finally:
            await session.close()
            if self._settling:
                await asyncio.wait(self._settling)

    async def _greet(self, session: Session, will: aiomqtt.Will) -> None:
        assert isinstance(will.payload, bytes)
        # The will travels inside CONNECT: it has left, even if the broker never has to publish it.
        await self._ledger_add([self._line(will.topic, will.payload, "state.will")], False)
        for leaf in ("down/receipt", "down/command"):
            (reason,) = await session.subscribe(self._topics[leaf], qos=1)
            self._judge("subscribe", self._topics[leaf], reason)
        await self._publish(session, "up/state", self._birth(), "state.up", retain=True)
        await self._publish(session, "up/digest", self._digest(), "digest")

    async def _say_goodbye(self, session: Session) -> None:
        gone = msgspec.json.encode({**msgspec.json.decode(self._birth()), "state": "gone"})
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._publish(session, "up/state", gone, "state.gone", retain=True)
        except (aiomqtt.MqttError, TimeoutError):
            self._detail = "stopped without a goodbye: the broker did not answer"

    async def _beat(self, session: Session) -> None:
        while True:
            await asyncio.sleep(self._timing.heartbeat_s)
            await self._publish(session, "up/state", self._birth(), "state.up", retain=True, lazy=True)

    async def _listen(self, session: Session) -> None:
        async for message in session.messages:
            topic, payload = str(message.topic), bytes(message.payload)
            if topic == self._topics["down/receipt"]:
                await self._take_receipt(payload)
            elif message.retain:
                self._on_retained()
                self._note_garbage("command", "a retained order is not obeyed: it would come again at every connect")
            else:
                self._take_command(payload)

    async def _take_receipt(self, payload: bytes) -> None:
        try:
            ids = wire.decode_receipt(payload)
        except SickbayError as error:
            self._note_garbage("receipt", str(error))
            return
        # Once the journal forgets, the node must hear of it, even if the line breaks in between.
        settling = asyncio.create_task(self._settle(ids))
        self._settling.add(settling)
        settling.add_done_callback(self._settling.discard)
        await asyncio.shield(settling)

    async def _settle(self, ids: list[str]) -> None:
        known = await self._forget(ids)
        for id_ in known:
            self._tries.pop(id_, None)
            self._again_at.pop(id_, None)
        if known:
            self._receipted += len(known)
            self._on_receipt(known)
            self.wake()

    def _take_command(self, payload: bytes) -> None:
        try:
            msgspec.json.decode(payload, type=msgspec.Raw)
            self._on_command(payload)
        except (SickbayError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._note_garbage("command", str(error))

    async def _empty_outbox(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        self._again_at.clear()  # a new connection: everything without a receipt goes again
        while True:
            self._wake.clear()
            set_back = sum(tries >= _WITHOUT_RECEIPT for tries in self._tries.values())
            rows = await self._pending(IN_FLIGHT_MAX + min(set_back, _SET_BACK_MAX))
            if len(self._tries) > 10 * _SET_BACK_MAX:  # rows that were shed meanwhile
                self._tries = {row.id: self._tries[row.id] for row in rows if row.id in self._tries}
            due = [row for row in rows if self._again_at.get(row.id, 0.0) <= loop.time()][:IN_FLIGHT_MAX]
            if due:
                await self._send(session, due)
                continue
            soonest = min((self._again_at[row.id] for row in rows), default=loop.time() + self._timing.receipt_s)
            try:
                async with asyncio.timeout_at(soonest):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _send(self, session: Session, rows: Sequence[Row]) -> None:
        now = asyncio.get_running_loop().time()
        ready: list[tuple[Row, bytes]] = []
        for row in rows:
            tries = self._tries[row.id] = self._tries.get(row.id, 0) + 1
            wait = min(self._timing.receipt_max_s, self._timing.receipt_s * 2.0 ** min(tries - 1, 30))
            self._again_at[row.id] = now + wait
            payload = _historical(row.payload) if row.created < self._connected_wall else row.payload
            size = len(row.topic) + len(payload) + _PACKET_OVERHEAD_BYTES
            if session.packet_bytes_max is not None and size > session.packet_bytes_max:
                self._refuse("publish", row.topic, f"{row.id} has {size} bytes, it takes {session.packet_bytes_max}")
            else:
                ready.append((row, payload))
        lines = [self._line(r.topic, payload, _what(r), r.consent, r.id) for r, payload in ready]
        await self._ledger_add(lines, False)
        answers = await asyncio.gather(*(session.put(r.topic, payload) for r, payload in ready), return_exceptions=True)
        for (row, _), answer in zip(ready, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            self._judge("publish", row.topic, answer)

    async def _publish(
        self, session: Session, leaf: str, payload: bytes, what: str, retain: bool = False, lazy: bool = False
    ) -> None:
        topic = self._topics[leaf]
        await self._ledger_add([self._line(topic, payload, what)], lazy)
        self._judge("publish", topic, await session.put(topic, payload, retain))

    def _line(self, topic: str, payload: bytes, what: str, why: str = "", id_: str = "") -> Sent:
        self._sent += 1
        return Sent(self._wall(), topic, what, why or self._consent, len(topic.encode()) + len(payload), id_)

    def _judge(self, verb: str, topic: str, reason: Any) -> None:
        """This notes what the broker answered; a refusal is told once, and its end too."""
        if getattr(reason, "is_failure", False):
            self._refuse(verb, topic, words.code(reason))
        elif self._refused.pop(topic, None) is not None:
            _log.warning("the broker lets us %s %s again", verb, topic)

    def _refuse(self, verb: str, topic: str, reason: str) -> None:
        sentence = words.refused(verb, topic, reason)
        if self._refused.get(topic) != sentence:
            self._refused[topic] = sentence
            _log.warning("%s", sentence)

    def _connected(self) -> None:
        self._state, self._detail = "connected", self._mqtt.url
        self._connected_wall = self._wall()
        self._refused.clear()
        _log.info("connected to %s", self._mqtt.url)

    def _lost(self, error: Exception) -> None:
        before = self._detail
        self._state, self._detail = words.why(error, self._mqtt.url, self._client_id)
        if self._detail != before:
            _log.warning("%s; the outbox keeps everything", self._detail)

    def _note_garbage(self, what: str, why: str) -> None:
        self._garbage[what] += 1
        if what not in self._garbage_told:
            self._garbage_told.add(what)
            _log.warning("a %s that makes no sense came and was ignored, further ones are only counted: %s", what, why)


def _what(row: Row) -> str:
    """This returns what a message is, for the ledger: "escalation.opened", "answer.obeyed"."""
    return f"{row.topic.rpartition('/')[2]}.{row.kind}"


def _historical(payload: bytes) -> bytes:
    """This returns the CloudEvent marked as one that waited for a connection; what is none is left as it is."""
    try:
        event = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return payload
    return msgspec.json.encode({**event, "historical": True}) if isinstance(event, dict) else payload


def _first(group: BaseExceptionGroup[Any]) -> Exception:
    """This returns the first of the errors that ended a connection; the others only followed from it."""
    error: Any = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error

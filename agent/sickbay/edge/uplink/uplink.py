"""This empties the outbox. A row leaves it only through the fleet's own receipt; a broker's PUBACK is not delivery."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiomqtt
import msgspec

from sickbay import wire
from sickbay.config import Mqtt
from sickbay.edge.uplink import certificates, shape, waits, words
from sickbay.edge.uplink.backoff import Backoff
from sickbay.edge.uplink.budget import HEARTBEAT_TIMES, Budget
from sickbay.edge.uplink.dial import Names
from sickbay.edge.uplink.guest import Door, Guest
from sickbay.edge.uplink.session import IN_FLIGHT_MAX, Session
from sickbay.edge.uplink.together import unless_cancelled, until_one_ends
from sickbay.edge.uplink.turns import Row, Timing, Turns, urgency, what
from sickbay.errors import SickbayError

_log = logging.getLogger("sickbay.uplink")
_GOODBYE_S = 2.0
_PACKET_OVERHEAD_BYTES = 16
_PACKET_LEAST_BYTES = 512
_DIGEST_EVERY_S = 2.0  # however often the fleet asks
_LACKS_MAX = 500  # faults of one request


class Sent(msgspec.Struct, frozen=True):
    """One line for the ledger: a message that leaves now."""

    at: float
    topic: str
    what: str  # escalation.opened, .updated, .closed; answer.obeyed, .refused; state.up, state.gone, state.will; digest
    why: str
    bytes: int  # topic and payload
    id: str = ""


_TIMING = Timing()


class Uplink:
    """One device's way to its broker. `run` goes on until cancelled and never raises for what a broker does.

    `pending`, `forget` and `ledger_add` reach the journal wherever it lives; `ledger_add(lines, lazy)` returns before
    a message leaves. `leaving` returns a message's bytes as they may leave now, and the lines of the configuration that let them.
    `on_receipt` gets the ids that were in the outbox, `on_lacks` the faults whose stories the fleet has lost. `on_command` gets
    an order's bytes and may raise SickbayError to refuse them; `on_retained` hears of one that is not even looked at. `birth` and
    `digest` are asked each time anew. `spent` is how many bytes left in the day before this start, `known_s` a wall time that is
    past for sure, `quality` how good the wall clock is: synced or unsynced.
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
        on_lacks: Callable[[list[str]], None] = lambda ids: None,
        leaving: Callable[[bytes], tuple[bytes, str]] = lambda payload: (payload, ""),
        heartbeat: bool = True,
        spent: int = 0,
        names: Names | None = None,
        timing: Timing = _TIMING,
        jitter: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
        quality: Callable[[], str] = lambda: "unsynced",
        known_s: Callable[[], float] = certificates.built_s,
        guest: Guest | None = None,
    ) -> None:
        self._mqtt, self._client_id = mqtt, f"sickbay-{device}"
        self._topics = {
            leaf: wire.topic(mqtt.prefix, device, leaf)
            for leaf in ("up/state", "up/digest", "down/receipt", "down/command")
        }
        self._consent = f'[mqtt] url = "{mqtt.url}"'
        self._pending, self._forget, self._ledger_add = pending, forget, ledger_add
        self._on_receipt, self._on_command, self._on_lacks = on_receipt, on_command, on_lacks
        self._birth, self._digest, self._on_retained, self._leaving = birth, digest, on_retained, leaving
        self._heartbeat, self._names = heartbeat, names or Names()
        self._timing, self._wall, self._jitter = timing, wall, jitter
        self._quality, self._known_s = quality, known_s
        self._loop = asyncio.get_running_loop()
        self._wake, self._asked = asyncio.Event(), asyncio.Event()
        self._backoff = Backoff(timing.backoff_first_s, timing.backoff_max_s, jitter)
        self._budget = Budget(mqtt.bytes_per_day, self._loop.time, spent)
        self._door = Door(guest, self._line, ledger_add, self._budget, self._fits, self._judge, self._loop.time)
        self._holds = waits.Holds(timing.reason_scale, self._loop.time)
        self._turns = Turns(timing, self._holds, self._budget, self._loop.time)
        self._state, self._detail = "starting", "not connected yet"
        self._next_try_at: float | None = None
        self._connected_wall = 0.0
        self._held_out = False  # the last try did not get as far as a connection
        self._digest_at = -_DIGEST_EVERY_S
        self._packet_max: int | None = None  # learnt from a broker that hung up on a larger one
        self._largest = 0
        self._elsewhere = ""
        self._refused: dict[str, str] = {}  # topic: sentence
        self._garbage = {"receipt": 0, "command": 0}
        self._garbage_told: set[str] = set()
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
            "budget": self._budget.status(),
        }

    async def run(self) -> None:
        """This keeps a connection for as long as it runs; cancelled, it says goodbye."""
        while True:
            since, receipted = self._loop.time(), self._receipted
            self._state, self._next_try_at = "connecting", None
            least_s = 0.0
            try:
                await self._one_connection()
            except (aiomqtt.MqttError, OSError) as error:
                least_s = waits.line_s(error) * self._timing.reason_scale
                await self._lost(error)
            unless_cancelled()
            if self._loop.time() - since >= self._timing.steady_s or self._receipted > receipted:
                self._backoff.reset()
            wait = max(self._backoff.next_s(), least_s * (1.0 + self._jitter() / 2.0))
            self._next_try_at = self._loop.time() + wait
            await asyncio.sleep(wait)

    async def _one_connection(self) -> None:
        gone = {**msgspec.json.decode(self._birth()), "state": "gone"}
        will = aiomqtt.Will(self._topics["up/state"], msgspec.json.encode(gone), qos=1, retain=True)
        session = Session(self._mqtt, self._client_id, will)

        async def leaves() -> None:
            # The will travels inside CONNECT: it leaves even if the broker never lets us in, or never has to publish it. While it
            # does not let us in the lines of our tries wait for company: they must not cost a synced write each.
            assert isinstance(will.payload, bytes)
            await self._ledger_add([self._line(will.topic, will.payload, "state.will")], self._held_out)
            self._held_out = True

        try:
            await session.open(self._names, leaves)
            self._held_out = False
            self._connected()
            try:
                await self._greet(session)
                unless_cancelled()
                jobs = [self._listen(session), self._empty_outbox(session), self._tell_digests(session)]
                jobs += [self._beat(session)] if self._heartbeat else []
                jobs += [self._door.open(session)]
                await until_one_ends(jobs)
            except asyncio.CancelledError:
                await self._say_goodbye(session)
                raise
        except BaseException:
            self._elsewhere = session.elsewhere
            raise
        finally:
            await session.close()
            if self._settling:
                await asyncio.wait(self._settling)

    async def _greet(self, session: Session) -> None:
        for leaf in ("down/receipt", "down/command"):
            (reason,) = await session.subscribe(self._topics[leaf], qos=1)
            self._judge("subscribe", self._topics[leaf], reason)
        for topic in self._door.topics():
            # QoS 0: what was pressed while we were away must not wait for us at the broker.
            (reason,) = await session.subscribe(topic, qos=0)
            self._judge("subscribe", topic, reason)
        await self._publish(session, "up/state", self._birth(), "state.up", retain=True)
        await self._tell_digest(session)

    async def _tell_digest(self, session: Session) -> None:
        self._digest_at = self._loop.time()
        await self._publish(session, "up/digest", self._digest(), "digest")

    async def _say_goodbye(self, session: Session) -> None:
        gone = msgspec.json.encode({**msgspec.json.decode(self._birth()), "state": "gone"})
        await self._door.write_counted()
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._publish(session, "up/state", gone, "state.gone", retain=True)
        except (aiomqtt.MqttError, TimeoutError):
            self._detail = "stopped without a goodbye: the broker did not answer"

    async def _beat(self, session: Session) -> None:
        skipped = 0
        while True:
            await asyncio.sleep(self._timing.heartbeat_s)
            if not self._budget.lets("heartbeat") and skipped < HEARTBEAT_TIMES - 1:
                skipped += 1
                self._stretch_told("heartbeat")
                self._budget.stretch("heartbeat")
                continue
            skipped = 0
            await self._publish(session, "up/state", self._birth(), "state.up", retain=True, lazy=True)

    async def _listen(self, session: Session) -> None:
        async for message in session.messages:
            topic, payload = str(message.topic), bytes(message.payload)
            if topic == self._topics["down/receipt"]:
                await self._take_receipt(payload)
            elif self._door.heard(topic, payload, message.retain):
                continue
            elif message.retain:
                self._on_retained()
                self._note_garbage("command", "a retained order is not obeyed: it would come again at every connect")
            else:
                self._take_command(payload)

    async def _tell_digests(self, session: Session) -> None:
        """This tells the fleet once more what is open when it asks: it has just come, maybe from a backup."""
        while True:
            await self._asked.wait()
            await asyncio.sleep(self._digest_at + _DIGEST_EVERY_S * self._timing.reason_scale - self._loop.time())
            self._asked.clear()
            self._turns.again()  # what it has not receipted need not wait for its turn
            self.wake()
            await self._tell_digest(session)

    async def _take_receipt(self, payload: bytes) -> None:
        try:
            receipt = wire.decode_receipt(payload)
        except SickbayError as error:
            self._note_garbage("receipt", str(error))
            return
        # Once the journal forgets, the node must hear of it, even if the line breaks in between.
        settling = asyncio.create_task(self._settle(receipt.ids))
        self._settling.add(settling)
        settling.add_done_callback(self._settling.discard)
        await asyncio.shield(settling)
        if receipt.lacks:
            self._on_lacks(receipt.lacks[:_LACKS_MAX])
        if receipt.digest:
            self._asked.set()

    async def _settle(self, ids: list[str]) -> None:
        known = await self._forget(ids)
        self._turns.settled(known)
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
        self._turns.again()  # a new connection: everything without a receipt goes again
        self._holds.clear()
        while True:
            self._wake.clear()
            rows = await self._pending(self._turns.limit())
            before = dict(self._budget.stretched)
            due = self._turns.due(rows, min(IN_FLIGHT_MAX, 4 * session.in_flight_max))
            for late in self._budget.stretched.keys() - before.keys():
                self._stretch_told(late)
            if due:
                await self._send(session, due)
                continue
            try:
                async with asyncio.timeout_at(self._turns.soonest(rows)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _send(self, session: Session, rows: Sequence[Row]) -> None:
        ready: list[tuple[Row, bytes, str]] = []
        for row in rows:
            self._turns.tried(row)
            payload, why = self._shaped(row, self._bytes_max(session, row.topic))
            size = len(row.topic.encode()) + len(payload) + _PACKET_OVERHEAD_BYTES
            bytes_max = self._bytes_max(session, row.topic)
            if bytes_max is not None and len(payload) > bytes_max:
                self._refuse("publish", row.topic, f"{row.id} has {size} bytes, which is more than it takes")
            else:
                ready.append((row, payload, why))
        lines = [self._line(r.topic, payload, what(r), why, r.id, urgency(r)) for r, payload, why in ready]
        self._largest = max((line.bytes for line in lines), default=0)
        await self._ledger_add(lines, False)
        answers = await asyncio.gather(*(session.put(r.topic, sent) for r, sent, _ in ready), return_exceptions=True)
        for (row, _, _), answer in zip(ready, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            self._judge("publish", row.topic, answer)

    def _bytes_max(self, session: Session, topic: str) -> int | None:
        """This returns how large a payload the broker takes on a topic, None where it has said nothing."""
        known = [each for each in (session.packet_bytes_max, self._packet_max) if each is not None]
        return min(known) - len(topic.encode()) - _PACKET_OVERHEAD_BYTES if known else None

    def _shaped(self, row: Row, bytes_max: int | None) -> tuple[bytes, str]:
        """This returns a row's bytes as they leave, and the lines of the configuration that let them."""
        payload = shape.historical(row.payload) if row.created < self._connected_wall else row.payload
        payload, why = self._leaving(payload)
        if bytes_max is not None and len(payload) > bytes_max:
            payload, why = self._leaving(shape.fitted(payload, bytes_max))
        return payload, why

    async def _publish(
        self, session: Session, leaf: str, payload: bytes, what: str, retain: bool = False, lazy: bool = False
    ) -> None:
        topic = self._topics[leaf]
        await self._ledger_add([self._line(topic, payload, what)], lazy)
        self._judge("publish", topic, await session.put(topic, payload, retain))

    def _fits(self, session: Session, topic: str, payload: bytes) -> bool:
        bytes_max = self._bytes_max(session, topic)
        if bytes_max is not None and len(payload) > bytes_max:
            self._refuse("publish", topic, f"{len(payload)} bytes are more than it takes")
            return False
        return True

    def _line(self, topic: str, payload: bytes, what: str, why: str = "", id_: str = "", spends: str = "own") -> Sent:
        self._sent += 1
        size = len(topic.encode()) + len(payload)
        self._budget.spend(spends, size)
        return Sent(self._wall(), topic, what, why or self._consent, size, id_)

    def _judge(self, verb: str, topic: str, reason: Any) -> None:
        """This notes what the broker answered; a refusal is told once, and its end too."""
        if getattr(reason, "is_failure", False):
            self._refuse(verb, topic, words.code(reason))
            if verb == "publish":
                self._holds.refused(topic, int(reason.value))
            return
        self._holds.taken(topic)
        if self._refused.pop(topic, None) is not None:
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

    async def _lost(self, error: Exception) -> None:
        before = self._detail
        state, detail = words.why(error, self._mqtt.url, self._client_id, self._elsewhere)
        if waits.reason_of(error) == waits.PACKET_TOO_LARGE and self._largest:
            self._packet_max = max(_PACKET_LEAST_BYTES, self._largest + _PACKET_OVERHEAD_BYTES - 1)
        now = self._wall(), self._quality(), self._known_s()
        says = await certificates.says(error, self._held_out, self._mqtt, self._names, *now)
        self._state, self._detail = ("denied", f"{self._mqtt.url}: {says}") if says else (state, detail)
        self._elsewhere = ""
        if self._detail != before:
            _log.warning("%s; the outbox keeps everything", self._detail)

    def _stretch_told(self, urgency_: str) -> None:
        if urgency_ not in self._budget.stretched:
            _log.warning(
                "%d bytes left within a day, of %d that mqtt.bytes_per_day allows: %s messages wait; critical ones never do",
                self._budget.spent(),
                self._budget.day_bytes,
                urgency_,
            )

    def _note_garbage(self, what: str, why: str) -> None:
        self._garbage[what] += 1
        if what not in self._garbage_told:
            self._garbage_told.add(what)
            _log.warning("a %s that makes no sense came and was ignored, further ones are only counted: %s", what, why)

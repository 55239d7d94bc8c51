"""This is a device's way to its broker: the link, which loses connections and messages, and the uplink, told again in virtual time.

What decides is the agent's own: whose turn it is, what is held back, the day's bytes, the backoff, the shape of what waited. Told
again is what the agent's uplink does around a socket: connect, greet, beat, send a batch, wait for every PUBACK, look again. What
is sent on one connection arrives in order or not at all; what was under way when a connection ends arrives or does not.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from sickbay import wire
from sickbay.config import Mqtt
from sickbay.edge.journal import OutboxRow
from sickbay.edge.uplink import Sent, Timing, shape
from sickbay.edge.uplink import uplink as agents
from sickbay.edge.uplink.backoff import Backoff
from sickbay.edge.uplink.budget import HEARTBEAT_TIMES, Budget
from sickbay.edge.uplink.session import IN_FLIGHT_MAX
from sickbay.edge.uplink.turns import Turns, urgency
from sickbay.edge.uplink.waits import Holds
from sickbay_fleet.store import Arrived
from sickbay_sim.swarm.agenda import Act, Agenda
from sickbay_sim.swarm.broker import Broker
from sickbay_sim.swarm.under_way import UnderWay

OUT, HALF_OPEN, REFUSED, SLOW = "out", "half_open", "refused", "slow"
KINDS = (OUT, HALF_OPEN, REFUSED, SLOW)
MQTT = Mqtt("mqtt://broker")  # the defaults of a configuration
NOTICED_MS = round(1.45 * MQTT.keepalive_s * 1000)  # how soon its own ping finds a half-open line
CONNECT_MS, PUT_MS = 10_000, 30_000  # so long a connect waits for its answer, and a publish for its PUBACK
DIGEST_EVERY_MS = round(1000 * agents._DIGEST_EVERY_S)  # however often the fleet asks
NOT_AUTHORIZED = 0x87
LATENCY_MS, SLOW_MS = (15, 250), 30_000
PREFIX = MQTT.prefix


@dataclass(frozen=True)
class Spell:
    """A time in which a device's link is not what it should be. Times are the site's milliseconds."""

    kind: str  # out | half_open | refused | slow
    at_ms: int
    until_ms: int


class Sender(Protocol):
    """What the uplink needs of its device."""

    name: str
    number: int
    agenda: Agenda

    def pending(self, limit: int) -> Sequence[OutboxRow]: ...

    def forget(self, ids: list[str]) -> list[str]: ...

    def ledger_add(self, lines: list[Sent], lazy: bool) -> None: ...

    def lacked(self, faults: list[str]) -> None: ...

    def leaving(self, payload: bytes) -> tuple[bytes, str]: ...

    def birth(self) -> bytes: ...

    def digest(self) -> bytes: ...

    def wall_s(self) -> float: ...


class Way:
    """One device's uplink and link."""

    def __init__(
        self,
        device: Sender,
        under_way: UnderWay,
        broker: Broker,
        chance: random.Random,
        timing: Timing,
        loses_per_h: float,
    ) -> None:
        self.connected = False
        self.up_ms = 0  # since when the connection stands
        self.blemish_ms = -(10**9)  # when the link last swallowed or refused something without breaking
        self.connections = self.sent = self.refused = 0
        self.spell: str | None = None
        self._device, self._agenda, self._chance, self._timing = device, device.agenda, chance, timing
        self._broker, self._under_way = broker, under_way
        self._loses_per_h = loses_per_h
        self._backoff = Backoff(timing.backoff_first_s, timing.backoff_max_s, chance.random)
        self._begin_afresh()
        self._life = 0  # of the process and of its connection: what is of an earlier one does not count
        self._running = self._busy = self._receipted = False
        self._arrives_ms = 0
        self._wake_ms: int | None = None
        self._up_wall_s = 0.0

    # The process.

    def start(self, at_ms: int) -> None:
        """This is the uplink's first attempt, in a new process."""
        self._running = True
        self._backoff.reset()
        self._begin_afresh()
        self._connect(at_ms)

    def _begin_afresh(self) -> None:
        """This is what a new process knows of what it sent: nothing."""
        self._budget = Budget(MQTT.bytes_per_day, self._now_s)
        self._holds = Holds(self._timing.reason_scale, self._now_s)
        self._turns = Turns(self._timing, self._holds, self._budget, self._now_s)
        self._skipped = 0
        self._asked = False
        self._digest_ms = -DIGEST_EVERY_MS

    def _now_s(self) -> float:
        return self._agenda.now_ms / 1000

    def stop(self, at_ms: int) -> None:
        """This is the end of the process, without a goodbye."""
        self._running = False
        self._life += 1
        if self.connected:
            self._gone(at_ms, 0)

    # The link.

    def begin(self, spell: Spell) -> None:
        """This lets a spell begin, and end."""
        self.spell = spell.kind
        if spell.kind == OUT and self.connected:
            self.lost(spell.at_ms)
        elif spell.kind == HALF_OPEN and self.connected:
            life = self._life
            self._agenda.at(spell.at_ms + NOTICED_MS, lambda at_ms: self._unanswered(life, at_ms))
        self._agenda.at(spell.until_ms, lambda at_ms: self._over(spell))

    def _over(self, spell: Spell) -> None:
        if self.spell == spell.kind:
            self.spell = None

    def _unanswered(self, life: int, at_ms: int) -> None:
        """This is the keepalive that got no answer."""
        if life == self._life and self.connected and self.spell == HALF_OPEN:
            self.lost(at_ms)

    def lost(self, at_ms: int) -> None:
        """This is the end of a connection: the backoff begins afresh where it had proved itself."""
        if not self.connected:
            return
        stood_ms = at_ms - self.up_ms
        self._life += 1
        # A link that is half open is noticed by the broker later than by us.
        self._gone(at_ms, 3 * MQTT.keepalive_s * 500 if self.spell == HALF_OPEN else 0)
        if stood_ms >= self._timing.steady_s * 1000 or self._receipted:
            self._backoff.reset()
        self._again(at_ms)

    def _gone(self, at_ms: int, notices_ms: int) -> None:
        """This lets the broker publish the last will."""
        self.connected = self._busy = False
        self._hand(lambda then_ms: self._broker.detached(self._device.name), at_ms)
        gone = msgspec.json.encode({**msgspec.json.decode(self._device.birth()), "state": "gone"})
        life = self._life

        def will(then_ms: int) -> None:
            if life == self._life and self._broker.up and not self.connected:
                self._publish(Arrived(self._device.name, "state", gone), then_ms)

        self._agenda.at(at_ms + notices_ms, will)

    def _again(self, at_ms: int) -> None:
        if self._running:
            life = self._life
            wait_ms = round(self._backoff.next_s() * 1000)
            self._agenda.at(at_ms + wait_ms, lambda then_ms: self._connect(then_ms) if life == self._life else None)

    def _hand(self, act: Act, at_ms: int) -> None:
        """This does something at the broker, at this very moment, of which the device may be ahead of the site."""
        self._under_way.at(at_ms, act, (self._device.name,), self._device.number)

    def _publish(self, arrived: Arrived, at_ms: int) -> None:
        self._hand(lambda then_ms: self._broker.publish(arrived, then_ms), at_ms)

    def _latency_ms(self) -> int:
        slow = self._chance.randrange(SLOW_MS) if self.spell == SLOW else 0
        return self._chance.randint(*LATENCY_MS) + slow

    def _connect(self, at_ms: int) -> None:
        if not self._running or self.connected:
            return
        life = self._life = self._life + 1
        silent = self.spell == HALF_OPEN
        answer_ms = CONNECT_MS if silent else 2 * self._chance.randint(*LATENCY_MS)

        def answered(then_ms: int) -> None:
            if life != self._life:
                return
            if silent or self.spell == OUT or not self._broker.up:
                self._again(then_ms)
            else:
                self._stands(then_ms)

        self._agenda.at(at_ms + answer_ms, answered)

    def _stands(self, at_ms: int) -> None:
        """This is a connection: the will has left in it, then birth and digest leave, then the outbox."""
        device = self._device
        self.connected, self.up_ms, self._receipted = True, at_ms, False
        self.connections += 1
        self._arrives_ms, self._wake_ms, self._asked = at_ms, None, False
        self._up_wall_s = device.wall_s()
        self._turns.again()
        self._holds.clear()
        if self._loses_per_h > 0:
            life = self._life
            holds_ms = round(self._chance.expovariate(self._loses_per_h / 3.6e6))
            self._agenda.at(at_ms + holds_ms, lambda then_ms: self.lost(then_ms) if life == self._life else None)
        self._hand(lambda then_ms: self._broker.attached(device.name, self._hear, then_ms), at_ms)
        birth = device.birth()
        will = msgspec.json.encode({**msgspec.json.decode(birth), "state": "gone"})
        lines = [self._line("up/state", will, "state.will"), self._line("up/state", birth, "state.up")]
        device.ledger_add(lines, False)
        self._put("state", birth, at_ms)
        self._tell_digest(at_ms)
        self._beat_later(at_ms)
        self._agenda.at(at_ms + 2 * LATENCY_MS[1], self._pump_of(self._life))

    def _tell_digest(self, at_ms: int) -> None:
        self._digest_ms = at_ms
        digest = self._device.digest()
        self._device.ledger_add([self._line("up/digest", digest, "digest")], False)
        self._expect_puback(self._put("digest", digest, at_ms), at_ms)

    def _beat_later(self, at_ms: int) -> None:
        life = self._life

        def beat(then_ms: int) -> None:
            if life != self._life or not self.connected:
                return
            if not self._budget.lets("heartbeat") and self._skipped < HEARTBEAT_TIMES - 1:
                self._skipped += 1
                self._budget.stretch("heartbeat")
            else:
                self._skipped = 0
                birth = self._device.birth()
                self._device.ledger_add([self._line("up/state", birth, "state.up")], True)
                self._expect_puback(self._put("state", birth, then_ms), then_ms)
            self._beat_later(then_ms)

        self._agenda.at(at_ms + round(self._timing.heartbeat_s * 1000), beat)

    # The outbox.

    def wake(self, at_ms: int) -> None:
        """This says that there are new rows in the outbox."""
        if self.connected and not self._busy:
            self._pump(at_ms)

    def _pump_of(self, life: int) -> Act:
        return lambda at_ms: self._pump(at_ms) if life == self._life and self.connected else None

    def _pump(self, at_ms: int) -> None:
        """This sends what is due, waits for every PUBACK, and looks again; else sleeps until something is due."""
        self._busy = False
        rows = self._device.pending(self._turns.limit())
        due = self._turns.due(rows, IN_FLIGHT_MAX)
        if not due:
            self._sleep(rows, at_ms)
            return
        self._busy = True
        wanted = {row.id for row in due}
        sent = []
        for row in (row for row in rows if row.id in wanted):
            self._turns.tried(row)
            waited = row.created < self._up_wall_s
            payload, why = self._device.leaving(shape.historical(row.payload) if waited else row.payload)
            sent.append((row, payload, why))
        self._device.ledger_add([self._line_of(row, payload, why) for row, payload, why in sent], False)
        answers_ms = [self._put(row.topic.rpartition("/")[2], payload, at_ms, row.topic) for row, payload, _ in sent]
        last_ms = None if None in answers_ms else max(answer for answer in answers_ms if answer is not None)
        if self._expect_puback(last_ms, at_ms):
            assert last_ms is not None
            self._agenda.at(last_ms, self._pump_of(self._life))

    def _sleep(self, rows: Sequence[OutboxRow], at_ms: int) -> None:
        """This lets it look again when the next row may go."""
        soonest_ms = round(self._turns.soonest(rows) * 1000) + 1
        if rows and (self._wake_ms is None or soonest_ms < self._wake_ms or self._wake_ms <= at_ms):
            self._wake_ms = soonest_ms
            self._agenda.at(soonest_ms, self._sleeper_of(self._life))

    def _sleeper_of(self, life: int) -> Act:
        def wake(at_ms: int) -> None:
            if life == self._life:
                self.wake(at_ms)

        return wake

    def _expect_puback(self, answer_ms: int | None, at_ms: int) -> bool:
        """This breaks the connection when a PUBACK is too long in coming; returns whether it will come."""
        if answer_ms is not None and answer_ms - at_ms <= PUT_MS:
            return True
        life = self._life
        self._agenda.at(at_ms + PUT_MS, lambda then_ms: self.lost(then_ms) if life == self._life else None)
        return False

    def _put(self, leaf: str, payload: bytes, at_ms: int, topic: str = "") -> int | None:
        """This sends one message and returns when its PUBACK comes, None if never."""
        self.sent += 1
        if self.spell == HALF_OPEN:
            self.blemish_ms = at_ms
            return None
        arrives_ms = self._arrives_ms = max(self._arrives_ms, at_ms + self._latency_ms())
        answer_ms = arrives_ms + self._chance.randint(*LATENCY_MS)
        if self.spell == REFUSED and leaf == "escalation":
            self.blemish_ms = at_ms
            self.refused += 1
            self._holds.refused(topic, NOT_AUTHORIZED)
            return answer_ms
        self._holds.taken(topic)
        life, arrived = self._life, Arrived(self._device.name, leaf, payload)
        survives = self._chance.random() < 0.5  # a connection that ends meanwhile

        def arrive(then_ms: int) -> None:
            if self._broker.up and (life == self._life or (survives and not self.connected)):
                self._publish(arrived, then_ms)

        self._agenda.at(arrives_ms, arrive)
        return answer_ms

    def _hear(self, payload: bytes, at_ms: int) -> bool:
        """This takes a message from the broker; returns whether it was there to be heard."""
        assert at_ms >= self._agenda.now_ms, f"{self._device.name} had run ahead of what it hears"
        if not self.connected or self.spell in (HALF_OPEN, OUT):
            return False
        life = self._life

        def take(then_ms: int) -> None:
            if life != self._life:
                return
            receipt = msgspec.json.decode(payload, type=wire.ReceiptMessage)
            known = self._device.forget(receipt.ids)
            self._turns.settled(known)
            if known:
                self._receipted = True
                self.wake(then_ms)
            if receipt.lacks:
                self._device.lacked(receipt.lacks[: agents._LACKS_MAX])
            if receipt.digest and not self._asked:
                self._asked = True
                self._agenda.at(self._digest_ms + DIGEST_EVERY_MS, lambda asked_ms: self._answer(life, asked_ms))

        self._agenda.at(at_ms + self._latency_ms(), take)
        return True

    def _answer(self, life: int, at_ms: int) -> None:
        """This is a digest that the fleet asked for: it has just come, and what it has not receipted need not wait for its turn."""
        if life == self._life and self.connected:
            self._asked = False
            self._turns.again()
            self._tell_digest(at_ms)
            self.wake(at_ms)

    def _line_of(self, row: OutboxRow, payload: bytes, why: str) -> Sent:
        size = len(row.topic) + len(payload)
        self._budget.spend(urgency(row), size)
        return Sent(self._device.wall_s(), row.topic, f"{row.topic.rpartition('/')[2]}.{row.kind}", why, size, row.id)

    def _line(self, leaf: str, payload: bytes, what: str) -> Sent:
        topic = wire.topic(PREFIX, self._device.name, leaf)
        size = len(topic) + len(payload)
        self._budget.spend("own", size)
        return Sent(self._device.wall_s(), topic, what, "[mqtt] url", size)

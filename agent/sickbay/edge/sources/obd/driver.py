"""This is the obd source: it finds the adapter, the car behind it and what that can tell, and asks for it in turn.

What it says of its line:
- alive=True with the first value that comes out of the car.
- alive=True, asleep=True while the adapter answers and the car does not since it is switched off: no fault, only nothing to read.
- alive=False once for each loss: the port is gone, no adapter answers, the adapter sits in no car, or the engine runs (the
  socket's voltage says so) and its computer does not answer.
"""

import asyncio
import logging
from collections.abc import Mapping

from sickbay import pids
from sickbay.config import Obd
from sickbay.core.reading import LineState, Reading
from sickbay.edge.ports import OPEN_ERRORS, Port, plain_reason
from sickbay.edge.ports.identity import Devices
from sickbay.edge.sources import Clock, Probe, Sink
from sickbay.edge.sources.obd.adapter import SEARCH, Adapter, AdapterGoneError
from sickbay.edge.sources.obd.answers import Answer, Kind, supported, volts
from sickbay.edge.sources.obd.wanted import Plan, Wanted

BAUDS = (38400, 115200, 9600, 57600, 230400, 500000)  # ELM327's own, the clones', and those of faster adapters
RETRY_FIRST_S, RETRY_MAX_S = 0.5, 5.0
COUNT_GARBAGE_MS, COUNT_GOOD_MS = 1_000, 10_000
SOCKET_V = 6.0  # less: the adapter has its power from elsewhere, and sits in no car
CHARGING_V = 13.0  # of a 12 V battery at rest 12.8 V is the most; a running alternator gives 13.2 to 14.8 V
TRUCK_V = 18.0  # above it is a 24 V system, and everything is twice as high
FALLEN_V = 0.1  # a battery that nobody charges any more falls from its surface charge; an alternator's voltage stands
NUDGE_V = 0.2  # a sleeping car is left alone until its voltage moves, but for every sixth look
LOOKS = 6

log = logging.getLogger(__name__)


class ObdSource:
    """One adapter. `fields` is {field: signal}, `every_s` {field: how often}; a field is a standard name or stands in `pids`."""

    def __init__(
        self,
        name: str,
        config: Obd,
        fields: Mapping[str, str],
        every_s: Mapping[str, float],
        clock: Clock,
        sink: Sink,
        devices: Devices | None = None,
    ) -> None:
        self.name = name
        self._config = config
        self._clock = clock
        self._sink = sink
        self._port = Port(config.port, devices)
        self._baud = config.baud
        self._plan = Plan(
            [
                Wanted(field, signal, pids.find(config.pids.get(field, field)), every_s.get(field, 1.0))
                for field, signal in fields.items()
            ]
        )
        self._state = ""  # "" | alive | asleep | lost
        self._told: set[str] = set()  # what was said of this loss already
        self._first_v: float | None = None  # in the socket, when the car was first found silent
        self._silent_looks = 0
        self._rests = False  # nobody charges the battery: the engine stands, and silence is sleep
        self._lacking: set[str] = set()  # what was said to be missing in this car, once for good
        self._good = self._garbage = 0
        self._counted_ms = 0
        self._complaint = ""

    async def run(self) -> None:
        """This goes on until cancelled."""
        wait_s = RETRY_FIRST_S
        while True:
            began_ms = self._clock()
            adapter: Adapter | None = None
            try:
                adapter = await self._connect()
                await self._converse(adapter)
            except AdapterGoneError as error:
                self._lose("gone", f"{self._config.port}: {error}")
            except OPEN_ERRORS as error:
                self._lose("gone", f"{self._config.port}: {plain_reason(error)}")
            finally:
                if adapter is not None:
                    await adapter.close()
            lasted = adapter is not None and self._clock() - began_ms >= RETRY_MAX_S * 1000
            wait_s = RETRY_FIRST_S if lasted else wait_s
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, RETRY_MAX_S)

    async def probe(self, wait_s: float) -> Probe:
        """This asks each signal's value once and says what came; a car that is switched off is no silent hardware.

        It may take longer than asked: an adapter that has to find the car's protocol needs its time.
        """
        patience_s = max(wait_s, SEARCH * self._config.timeout_s)
        try:
            async with asyncio.timeout(patience_s):
                return await self._look()
        except TimeoutError:
            return Probe(self.name, False, f"{self._config.port}: no adapter answers within {patience_s:g} s")

    async def _look(self) -> Probe:
        at = self._config.port
        adapter: Adapter | None = None
        try:
            adapter = await self._connect()
            found = await self._car(adapter)
            battery = volts((await adapter.ask("ATRV")).text)
            if isinstance(found, Answer):
                words = f"{at}: the adapter answers, the car does not ({found.kind}, {_said(battery)})"
                return Probe(self.name, _sleeps(found, battery), words)
            said, lacking = [], []
            for wanted in self._plan.wanted:
                value = wanted.value(await adapter.ask(wanted.command))
                said += [f"{wanted.field} {value:g}"] if value is not None else []
                lacking += [f"{wanted.field} ({wanted.command})"] if value is None else []
        except AdapterGoneError as error:
            return Probe(self.name, False, f"{at}: {error}")
        except OPEN_ERRORS as error:
            return Probe(self.name, False, f"{at}: {plain_reason(error)}")
        finally:
            if adapter is not None:
                await adapter.close()
        words = f"{at} answers, {_said(battery)}: {', '.join(said) or 'nothing'}"
        return Probe(self.name, not lacking, words + (f"; the car has no {', '.join(lacking)}" if lacking else ""))

    async def _connect(self) -> Adapter:
        """This returns an adapter that has answered, at whatever speed it talks."""
        told = False
        rates = (self._baud,) if self._config.baud else tuple(dict.fromkeys((self._baud or BAUDS[0], *BAUDS)))
        for baud in rates[:1] if "://" in self._config.port else rates:
            adapter = Adapter(await self._port.open(baud), self._config.timeout_s)
            try:
                name = await adapter.start()
            except AdapterGoneError:
                ended = adapter.wire.ended.done()
                told = told or adapter.came > 0
                await adapter.close()
                if ended:
                    raise
                continue
            except BaseException:
                await adapter.close()
                raise
            self._baud = baud
            log.info("%s: %s at %d baud on %s", self.name, name or "an adapter", baud, self._config.port)
            return adapter
        raise AdapterGoneError("bytes come, but no adapter's prompt" if told else "opened, but no adapter answers")

    async def _converse(self, adapter: Adapter) -> None:
        """This reads the car whenever it is awake; ends with AdapterGoneError alone."""
        battery: float | None = None
        looks = 0
        while True:
            before, battery = battery, volts((await adapter.ask("ATRV")).text)
            moved = before is None or battery is None or abs(battery - before) >= NUDGE_V
            if self._state == "asleep" and self._rests and not moved and looks % LOOKS:
                looks += 1
                await adapter.sleep(self._config.asleep_s)
                continue
            looks += 1
            found = await self._car(adapter)
            if not isinstance(found, Answer):
                looks = 0
                await self._poll(adapter, found)
                continue
            if found.kind is Kind.RESET:
                await adapter.start()
            elif found.kind in (Kind.GARBAGE, Kind.STOPPED):
                self._spoilt(found)
            else:
                self._no_car(found, battery)
                await adapter.sleep(self._config.asleep_s)

    async def _car(self, adapter: Adapter) -> dict[str, set[int]] | Answer:
        """This returns which numbers each engine computer has, or the answer that says that none is there."""
        found: dict[str, set[int]] = {}
        for base in range(0, 0x100, 0x20):
            answer = await adapter.ask(f"01{base:02X}")
            if answer.kind is not Kind.VALUES:
                return found or answer
            for ecu, mask in answer.ecus.items():
                found.setdefault(ecu, set()).update(supported(base, mask))
            if not any(base + 0x20 in numbers for numbers in found.values()):
                break
        return found

    async def _poll(self, adapter: Adapter, computers: dict[str, set[int]]) -> None:
        """This asks for what is due, until the car does not answer any more."""
        plan = self._plan
        for wanted in plan.meet(computers):
            # What it says of itself is not always so: some clones and some cars forget a bit.
            wanted.absent = (await adapter.ask(wanted.command)).kind is not Kind.VALUES
            if wanted.absent:
                self._has_not(wanted)
        if not plan.present():
            await adapter.sleep(self._config.asleep_s)
            return
        of_the_car = sum(wanted.pid is not None for wanted in plan.present())
        unanswered: set[str] = set()
        while len(unanswered) < max(1, min(2, of_the_car)):
            wanted = plan.next(self._clock() / 1000)
            await adapter.sleep((wanted.due_s or 0.0) - self._clock() / 1000)
            answer = await adapter.ask(wanted.command)
            at_ms = self._clock()
            if plan.took_turn(wanted, at_ms / 1000):
                log.warning(
                    "%s: the adapter cannot answer so much so often; %s comes late. Raise every_s of what is slow",
                    self.name,
                    wanted.signal,
                )
            value = wanted.value(answer)
            if value is not None:
                if wanted.pid is not None:
                    unanswered.clear()
                self._heard(wanted, value, at_ms)
            elif answer.kind in (Kind.NO_DATA, Kind.VALUES):
                unanswered.add(wanted.field)
                self._sink(Reading(wanted.signal, None, at_ms))
            elif answer.kind in (Kind.ASLEEP, Kind.BUS):
                return
            elif answer.kind is Kind.RESET:
                await adapter.start()
            else:
                self._spoilt(answer)
            self._count(at_ms)

    def _heard(self, wanted: Wanted, value: float, at_ms: int) -> None:
        if self._state != "alive":
            self._first_v, self._silent_looks, self._rests = None, 0, False
            if self._state == "lost":
                log.info("%s: back: %s", self.name, self._config.port)
            self._state = "alive"
            self._told.clear()
            self._say(at_ms, f"{self._config.port} answers")
        self._good += 1
        self._sink(Reading(wanted.signal, value, at_ms))

    def _spoilt(self, answer: Answer) -> None:
        self._garbage += 1
        self._complaint = answer.text[:80] or "nothing"

    def _has_not(self, wanted: Wanted) -> None:
        what = f"{wanted.field} ({wanted.command})"
        if what not in self._lacking:
            self._lacking.add(what)
            log.warning("%s: this car has no %s: signals.%s stays silent. Take it out", self.name, what, wanted.signal)

    def _no_car(self, answer: Answer, battery: float | None) -> None:
        """This tells a car that sleeps from one that cannot be reached.

        A battery just off the alternator stands above 13 V for minutes, by its surface charge: a car that falls silent there
        is given time for its voltage to fall. One that slept and then shows more hangs on a charger.
        """
        self._silent_looks += 1
        self._first_v = battery if self._first_v is None else self._first_v
        fallen = battery is not None and self._first_v is not None and self._first_v - battery >= FALLEN_V
        self._rests = _sleeps(answer, battery) or (self._in_a_car(battery) and (self._rests or fallen))
        if self._rests or (self._in_a_car(battery) and self._silent_looks <= LOOKS):
            if self._state != "asleep":
                self._state = "asleep"
                self._told.clear()
                log.info("%s: the car is switched off (%s)", self.name, _said(battery))
                self._say(self._clock(), f"the car is switched off: the adapter answers, {_said(battery)}")
            return
        why = "hears no engine computer" if self._in_a_car(battery) else "sits in no car"
        self._lose(why, f"{self._config.port}: the adapter {why}: {answer.kind}, {_said(battery)}")

    @staticmethod
    def _in_a_car(battery: float | None) -> bool:
        return battery is None or battery >= SOCKET_V

    def _lose(self, what: str, detail: str) -> None:
        if self._state != "lost":
            self._state = "lost"
            self._told.clear()
        if what not in self._told:
            self._told.add(what)
            log.warning("%s: lost: %s", self.name, detail)
            self._say(self._clock(), detail)

    def _count(self, at_ms: int) -> None:
        """This tells the counts when they are due."""
        since_ms = at_ms - self._counted_ms
        total = self._good + self._garbage
        if self._garbage and since_ms >= COUNT_GARBAGE_MS:
            self._say(at_ms, f"{self._garbage} of {total} answers garbage, the last: {self._complaint}")
        elif self._good and since_ms >= COUNT_GOOD_MS:
            self._say(at_ms, "")

    def _say(self, at_ms: int, detail: str) -> None:
        awake = self._state in ("alive", "asleep")
        good, garbage = self._good, self._garbage
        self._good = self._garbage = 0
        self._sink(LineState(self.name, awake, at_ms, good, garbage, detail, self._state == "asleep"))
        self._counted_ms = at_ms


def _sleeps(answer: Answer, battery: float | None) -> bool:
    """This returns whether a car that does not answer is switched off, by the voltage in its socket."""
    if answer.kind not in (Kind.NO_DATA, Kind.ASLEEP, Kind.BUS):
        return False
    if battery is None:
        return answer.kind is not Kind.BUS  # an adapter that does not measure: what it says has to do
    return SOCKET_V <= battery < CHARGING_V * (2 if battery > TRUCK_V else 1)


def _said(battery: float | None) -> str:
    return "the adapter measures no voltage" if battery is None else f"{battery:g} V in the socket"

"""The obd source against an adapter on a real pty; and its parser against everything that a wire can do."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sickbay import config, pids
from sickbay.config import Obd
from sickbay.core.reading import LineState, Reading
from sickbay.edge.sources.obd import ObdSource
from sickbay.edge.sources.obd.answers import ANSWER_BYTES_MAX, Kind, Prompts, read, supported, volts
from sickbay.errors import ConfigError
from sickbay_sim.wires.adapter import AdapterPort
from sickbay_sim.wires.elm327 import Elm327, Quirks, Socket, encoded

PATIENCE_S = 15.0  # an upper bound, never waited for
RUNNING = {"coolant_temp": 88.0, "engine_rpm": 1850.0, "vehicle_speed": 52.0, "maf": 12.34, "battery_voltage": 14.12}


def clock() -> int:
    return time.monotonic_ns() // 1_000_000


class Car:
    """A car with an adapter in its socket, and the source that reads it."""

    def __init__(self, folder: Path, quirks: Quirks | None = None) -> None:
        self.socket = Socket(encoded(RUNNING))
        self.adapter = Elm327(lambda: self.socket, 1, quirks or Quirks(pace=100.0))
        self.port = AdapterPort(folder / "ttyOBD", self.adapter)
        self.facts: list[Reading | LineState] = []
        self._more = asyncio.Event()

    def source(self, every_s: float = 0.02, **keys: object) -> ObdSource:
        fields = {"coolant_temp": "coolant", "rpm": "rpm", "voltage": "battery"}
        found = Obd(str(self.port.pty.path), **{"timeout_s": 0.25, "asleep_s": 0.05, **keys})  # type: ignore[arg-type]
        return ObdSource("car", found, fields, dict.fromkeys(fields, every_s), clock, self._take)

    def _take(self, fact: Reading | LineState) -> None:
        self.facts.append(fact)
        self._more.set()

    async def until(self, seen: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not seen():
                self._more.clear()
                await self._more.wait()

    async def until_asked(self, count: int) -> None:
        """This waits until the adapter has heard so many commands."""
        heard, feed = asyncio.Event(), self.adapter.feed

        def counting(content: bytes, at_s: float) -> None:
            feed(content, at_s)
            if len(self.adapter.asked) >= count:
                heard.set()

        self.adapter.feed = counting  # type: ignore[method-assign]  # to be woken by it
        async with asyncio.timeout(PATIENCE_S):
            await heard.wait()

    def values(self, signal: str) -> list[float | None]:
        return [f.value for f in self.facts if isinstance(f, Reading) and f.signal == signal]

    @property
    def states(self) -> list[LineState]:
        return [f for f in self.facts if isinstance(f, LineState)]

    async def next_value(self, signal: str, value: float) -> None:
        """This waits for a reading that is still to come."""
        before = len(self.facts)
        await self.until(
            lambda: any(isinstance(f, Reading) and f.signal == signal and f.value == value for f in self.facts[before:])
        )


def drive(
    folder: Path,
    scene: Callable[[Car], Awaitable[None]],
    quirks: Quirks | None = None,
    plug: bool = True,
    **keys: object,
) -> Car:
    """This runs a source beside a scene, and ends it when the scene is over."""

    async def whole() -> Car:
        car = Car(folder, quirks)
        if plug:
            car.port.plug()
        running = asyncio.create_task(car.source(**keys).run())  # type: ignore[arg-type]
        try:
            await scene(car)
            assert not running.done(), f"a source goes on until it is cancelled: {running}"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            car.port.unplug()
        return car

    return asyncio.run(whole())


def test_an_adapter_is_set_up_and_asked_for_what_the_signals_want(tmp_path: Path) -> None:
    """Nothing was configured but the port: speed, protocol and the car's abilities are found out."""

    async def scene(car: Car) -> None:
        await car.next_value("coolant", 88.0)
        await car.next_value("rpm", 1850.0)
        await car.next_value("battery", 14.1)

    car = drive(tmp_path, scene)
    assert car.adapter.asked[:7] == ["ATZ", "ATE0", "ATL0", "ATS0", "ATH1", "ATSP0", "ATRV"]
    assert "0100" in car.adapter.asked and "010D" not in car.adapter.asked, "only what is wanted is asked"
    first = car.states[0]
    assert first.alive and not first.asleep and car.facts.index(first) < 2, "the word that the line lives comes first"


def test_each_signal_is_asked_at_its_own_cadence(tmp_path: Path) -> None:
    """A slow temperature must not take the bus's time from a fast speed."""

    async def scene(car: Car) -> None:
        await car.until(lambda: len(car.values("rpm")) >= 40)

    async def whole() -> Car:
        car = Car(tmp_path, Quirks(clone=False, pace=100.0))
        car.port.plug()
        fields = {"coolant_temp": "coolant", "rpm": "rpm"}
        table = Obd(str(car.port.pty.path), timeout_s=0.5)
        source = ObdSource("car", table, fields, {"rpm": 0.01, "coolant_temp": 0.1}, clock, car._take)
        running = asyncio.create_task(source.run())
        await scene(car)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        car.port.unplug()
        return car

    car = asyncio.run(whole())
    assert 2 <= len(car.values("coolant")) <= 12


@pytest.mark.parametrize("clone", [True, False])
def test_a_clone_and_an_original_both_read(tmp_path: Path, clone: bool) -> None:
    """Echo, blanks, line ends and delays differ; the values may not."""
    quirks = Quirks(clone=clone, pace=100.0, unknown=("ATS0", "ATL0", "ATH1", "ATE0"))
    drive(tmp_path, lambda car: car.next_value("rpm", 1850.0), quirks)


def test_of_two_computers_the_engines_is_read(tmp_path: Path) -> None:
    """The gearbox knows a temperature of its own under the same number: taking turns would look like a broken sensor."""

    async def scene(car: Car) -> None:
        car.socket.gearbox = {0x05: bytes([140]), 0x0D: bytes([52])}
        await car.next_value("coolant", 88.0)
        await car.until(lambda: len(car.values("coolant")) >= 8)

    assert set(drive(tmp_path, scene).values("coolant")) == {88.0}


def test_a_car_that_is_switched_off_is_asleep_and_not_lost(tmp_path: Path) -> None:
    """Every car is parked every night: that is no fault of its line, and nobody wants to hear of it."""

    async def scene(car: Car) -> None:
        await car.next_value("rpm", 1850.0)
        car.socket.awake, car.socket.volts = False, 12.4
        await car.until(lambda: car.states[-1].asleep)
        before = len(car.adapter.asked)
        await car.until_asked(before + 12)
        car.socket.awake, car.socket.volts = True, 14.2
        await car.next_value("rpm", 1850.0)

    car = drive(tmp_path, scene)
    assert all(s.alive for s in car.states), [s.detail for s in car.states]
    asleep = [s for s in car.states if s.asleep]
    assert len(asleep) == 1 and "switched off" in asleep[0].detail and "12.4 V" in asleep[0].detail
    assert car.states[-1].alive and not car.states[-1].asleep
    start = car.adapter.asked.index("ATRV", len(car.adapter.asked) // 3)
    quiet = car.adapter.asked[start:]
    assert quiet.count("0100") < quiet.count("ATRV"), (
        "a sleeping car's bus is left alone; only its voltage is looked at"
    )


def test_a_battery_that_still_falls_from_its_charge_is_a_parked_car(tmp_path: Path) -> None:
    """For minutes after the key is turned it stands above 13 V: that alone may not look like a broken wire, every evening."""

    async def scene(car: Car) -> None:
        await car.next_value("rpm", 1850.0)
        car.socket.awake, car.socket.volts = False, 13.6
        await car.until(lambda: car.states[-1].asleep)
        for volts_now in (13.5, 13.4, 13.3, 13.2, 13.6):  # at last somebody hangs it on a charger
            car.socket.volts = volts_now
            await car.until_asked(len(car.adapter.asked) + 5)

    car = drive(tmp_path, scene)
    assert all(s.alive for s in car.states) and sum(s.asleep for s in car.states) == 1


def test_a_running_engine_whose_computer_is_silent_is_a_lost_line(tmp_path: Path) -> None:
    """14 V in the socket come from an alternator that turns: then silence is a broken wire, not a parked car."""

    async def scene(car: Car) -> None:
        await car.next_value("rpm", 1850.0)
        car.socket.bus_error = True
        await car.until(lambda: not car.states[-1].alive)
        assert "hears no engine computer" in car.states[-1].detail and "14.1 V" in car.states[-1].detail
        car.socket.bus_error = False
        await car.next_value("rpm", 1850.0)
        assert car.states[-1].alive

    car = drive(tmp_path, scene)
    assert [s.alive for s in car.states].count(False) == 1, "once for each loss"


def test_an_adapter_in_no_car_is_lost_and_says_so(tmp_path: Path) -> None:
    """Powered by USB it answers all day; the socket's voltage tells."""

    async def scene(car: Car) -> None:
        car.socket.awake, car.socket.volts = False, 0.1
        await car.until(lambda: car.states)
        assert not car.states[0].alive and "sits in no car" in car.states[0].detail

    drive(tmp_path, scene)


def test_unplugged_is_told_once_and_the_adapter_is_taken_up_again(tmp_path: Path) -> None:
    """A pulled cable and a parked car are different tickets."""

    async def scene(car: Car) -> None:
        await car.next_value("rpm", 1850.0)
        car.port.unplug()
        await car.until(lambda: not car.states[-1].alive)
        assert "unplugged" in car.states[-1].detail
        car.port.plug(renamed=True)
        await car.next_value("rpm", 1850.0)

    car = drive(tmp_path, scene)
    assert [s.alive for s in car.states].count(False) == 1


def test_a_dip_of_the_supply_in_mid_run_is_survived(tmp_path: Path) -> None:
    """Cranking resets the adapter: echo and blanks are back, headers gone, and it says so to nobody."""

    async def scene(car: Car) -> None:
        await car.next_value("rpm", 1850.0)
        car.adapter.brown_out(asyncio.get_running_loop().time())
        car.port._speak()
        car.socket.engine = encoded({**RUNNING, "engine_rpm": 900.0})
        await car.next_value("rpm", 900.0)
        await car.next_value("coolant", 88.0)

    car = drive(tmp_path, scene)
    assert all(s.alive for s in car.states)


def test_a_lost_prompt_costs_a_value_and_not_the_line(tmp_path: Path) -> None:
    """One byte too few may never stop a conversation for good."""

    async def scene(car: Car) -> None:
        await car.next_value("rpm", 1850.0)
        lose = [2]
        write = car.port.pty.write

        def losing(content: bytes) -> None:
            if b">" in content and lose[0]:
                lose[0] -= 1
                content = content.replace(b">", b"")
            write(content)

        car.port._spoil = losing
        await car.until(lambda: not lose[0])
        car.socket.engine = encoded({**RUNNING, "engine_rpm": 950.0})
        await car.next_value("rpm", 950.0)

    car = drive(tmp_path, scene)
    assert all(s.alive for s in car.states)


def test_garbage_on_the_wire_is_counted_and_no_value(tmp_path: Path) -> None:
    """A spoilt answer is the line's fault; a number made of it would be blamed on the sensor."""

    async def scene(car: Car) -> None:
        await car.next_value("rpm", 1850.0)
        chance = random.Random(5)
        write = car.port.pty.write

        def garble(content: bytes) -> None:
            content = bytes(b if b in b">\r" else chance.randrange(0x80, 0x100) for b in content)
            write(content)

        car.port._spoil = garble
        seen = len(car.facts)
        await car.until(lambda: any(s.garbage for s in car.states))
        assert not [f for f in car.facts[seen + 3 :] if isinstance(f, Reading)]
        car.port._spoil = write
        await car.next_value("rpm", 1850.0)

    car = drive(tmp_path, scene)
    assert any("garbage" in s.detail for s in car.states)


def test_what_the_car_does_not_have_is_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The signal will be silent for ever: somebody must read why, and not a thousand times."""

    async def scene(car: Car) -> None:
        car.socket.engine = encoded({"engine_rpm": 1850.0})
        await car.next_value("rpm", 1850.0)
        car.socket.awake, car.socket.volts = False, 12.4
        await car.until(lambda: car.states[-1].asleep)
        car.socket.awake, car.socket.volts = True, 14.0
        await car.next_value("rpm", 1850.0)

    with caplog.at_level(logging.WARNING):
        car = drive(tmp_path, scene)
    named = [r.getMessage() for r in caplog.records if "coolant_temp (0105)" in r.getMessage()]
    assert len(named) == 1 and "signals.coolant stays silent" in named[0]
    assert not car.values("coolant")


def test_a_port_without_an_adapter_says_so(tmp_path: Path) -> None:
    """Silence at every speed: the wrong port, or no adapter on it."""

    async def scene(car: Car) -> None:
        car.port.adapter.feed = lambda content, at_s: None  # type: ignore[method-assign]  # a port that hears nothing
        await car.until(lambda: car.states)
        assert not car.states[0].alive and "no adapter answers" in car.states[0].detail

    drive(tmp_path, scene, timeout_s=0.02)


def test_check_reads_each_value_once_and_names_what_is_missing(tmp_path: Path) -> None:
    """What `sickbay check` prints before anybody drives off."""

    async def whole() -> tuple[str, str, bool]:
        car = Car(tmp_path)
        car.port.plug()
        car.socket.engine = encoded({"engine_rpm": 1850.0})
        awake = await car.source().probe(3.0)
        car.socket.awake, car.socket.volts = False, 12.2
        asleep = await car.source().probe(3.0)
        car.port.unplug()
        gone = await car.source().probe(3.0)
        assert not awake.ok and asleep.ok and not gone.ok
        return awake.detail, asleep.detail, gone.ok

    awake, asleep, _ = asyncio.run(whole())
    assert "rpm 1850" in awake and "the car has no coolant_temp (0105)" in awake
    assert "the car does not (unable to connect, 12.2 V in the socket)" in asleep


def test_check_does_not_wait_for_ever_for_what_never_answers(tmp_path: Path) -> None:
    """Six speeds are tried; a person at the desk wants an answer before that."""

    async def whole() -> str:
        car = Car(tmp_path)
        car.port.plug()
        car.port.adapter.feed = lambda content, at_s: None  # type: ignore[method-assign]  # a port that hears nothing
        found = await car.source(timeout_s=0.05).probe(0.1)
        car.port.unplug()
        assert not found.ok
        return found.detail

    assert "no adapter answers within 0.4 s" in asyncio.run(whole())


# The parser.


@pytest.mark.parametrize(
    ("said", "ecus"),
    [
        ("4105 7B", {"": b"\x7b"}),
        ("41 05 7B", {"": b"\x7b"}),
        ("7E803410 57B00000000", {"7E8": b"\x7b"}),
        ("7E8 03 41 05 7B AA AA AA AA\r7E9 03 41 05 7A 55 55 55 55", {"7E8": b"\x7b", "7E9": b"\x7a"}),
        ("18DAF110 03 41 05 7B 00 00 00 00", {"18DAF110": b"\x7b"}),
        ("48 6B 10 41 05 7B 84", {"10": b"\x7b"}),  # ISO 9141: a sum
        ("0105\r41 05 7B", {"": b"\x7b"}),  # with its echo
        ("SEARCHING...\r41 05 7B", {"": b"\x7b"}),
        ("SEARCHING...41057B", {"": b"\x7b"}),
        ("BUS INIT: ...OK\r41 05 7B", {"": b"\x7b"}),
        ("\x00\x0041\x0005 7B", {"": b"\x7b"}),
        ("7E8037F0112\r7E90341057B", {"7E9": b"\x7b"}),  # one refuses, the other answers
    ],
)
def test_an_answer_reads_the_same_in_every_dress(said: str, ecus: dict[str, bytes]) -> None:
    """Headers, blanks, echo and protocol are the adapter's choice, and change when it is reset."""
    (lines,) = Prompts().feed(said.encode() + b"\r\r>")
    answer = read(lines, "0105")
    assert answer.kind is Kind.VALUES and answer.ecus == ecus


@pytest.mark.parametrize("headers", [True, False])
def test_an_answer_of_several_frames_is_put_together(headers: bool) -> None:
    """ISO 15765-2: what does not fit into one frame comes in numbered ones."""
    adapter = Elm327(lambda: Socket(encoded(RUNNING)), 0, Quirks(clone=False))
    for at_s, command in enumerate(("ATE0", f"ATH{int(headers)}", "0902")):
        adapter.take(at_s)
        adapter.feed(command.encode() + b"\r", at_s)
    (lines,) = Prompts().feed(adapter.take(100.0))
    answer = read(lines, "0902")
    assert answer.kind is Kind.VALUES and list(answer.ecus.values()) == [b"\x01SIM00000000000042"]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("NO DATA", Kind.NO_DATA),
        ("SEARCHING...\rUNABLE TO CONNECT", Kind.ASLEEP),
        ("CAN ERROR", Kind.BUS),
        ("BUS INIT: ERROR", Kind.BUS),
        ("BUS INIT: ...ERROR", Kind.BUS),
        ("FB ERROR", Kind.BUS),
        ("STOPPED", Kind.STOPPED),
        ("41 05 7B\rBUFFER FULL", Kind.GARBAGE),
        ("41 05 7B <DATA ERROR", Kind.GARBAGE),
        ("?", Kind.REFUSED),
        ("ELM327 v1.5", Kind.RESET),
        ("LV RESET", Kind.RESET),
        ("7F 01 12", Kind.NO_DATA),
        ("41 0C 1C E8", Kind.GARBAGE),  # the answer to another question: out of step
        ("48 6B 10 41 05 7B 85", Kind.GARBAGE),  # a sum that does not fit
        ("7E8 10 14 41 05 31 44 34\r7E8 22 30 30 52 35 35 42 31", Kind.GARBAGE),  # a frame is missing
        ("", Kind.GARBAGE),
        ("zzzz", Kind.GARBAGE),
    ],
)
def test_what_is_no_value_is_known_for_what_it_is(said: str, kind: Kind) -> None:
    """The words of the data sheet, each with another meaning for the line."""
    (lines,) = Prompts().feed(said.encode() + b"\r\r>")
    assert read(lines, "0105").kind is kind


def test_a_hundred_thousand_random_answers_break_nothing_and_the_second_good_one_is_read() -> None:
    """A bad cable sends anything; after it the conversation goes on within two answers."""
    chance = random.Random(7)
    words = [b"41057B", b"7E8", b">", b"\r", b"NO DATA", b"0:", b"1:4105", b"014", b"18DAF110", b"SEARCHING...", b"?"]
    prompts = Prompts()
    for i in range(100_000):
        length = chance.randrange(12)
        frame = chance.choice(words) + chance.randbytes(length) if i % 3 else chance.choice(words) * (length % 4)
        for lines in prompts.feed(frame + (b"\r>" if i % 2 else b"")):
            answer = read(lines, "0105")
            assert answer.kind is not Kind.VALUES or answer.ecus
        if i % 1000 == 0:
            prompts.feed(b"7E80341057B\r\r>")
            (lines,) = prompts.feed(b"7E80341057B\r\r>")
            assert read(lines, "0105").ecus == {"7E8": b"\x7b"}


def test_an_answer_without_end_is_bounded() -> None:
    """A babbling port may not eat the memory."""
    prompts = Prompts()
    for _ in range(100):
        prompts.feed(b"A" * 1000)
    assert prompts.overflows and len(prompts._held) <= ANSWER_BYTES_MAX


@pytest.mark.parametrize(
    ("name", "payload", "value"),
    [  # J1979's own examples and the ends of each range
        ("coolant_temp", "00", -40),
        ("coolant_temp", "FF", 215),
        ("rpm", "FFFF", 16383.75),
        ("maf", "04D2", 12.34),
        ("engine_load", "FF", 100),
        ("short_fuel_trim_1", "80", 0),
        ("timing_advance", "00", -64),
        ("control_module_voltage", "3728", 14.12),
        ("lambda_1", "8000FFFF", 1),
        ("catalyst_temp_1", "1194", 410),
        ("injection_timing", "6900", 0),
        ("fuel_rate", "0014", 1),
    ],
)
def test_formulas_are_those_of_the_standard(name: str, payload: str, value: float) -> None:
    """A wrong factor would look like a healthy car with a strange engine."""
    assert pids.NAMES[name].value(bytes.fromhex(payload)) == pytest.approx(value, abs=1e-3)


def test_a_short_answer_is_no_value() -> None:
    assert pids.NAMES["rpm"].value(b"\x1c") is None


def test_names_and_numbers_mean_the_same() -> None:
    assert pids.find("0105") == pids.find("coolant_temp") and pids.find("01FE") is None and pids.find("0905") is None


def test_the_mask_of_what_there_is() -> None:
    """BE 1F A8 13, the data sheet's own example."""
    has = supported(0, bytes.fromhex("BE1FA813"))
    assert {0x01, 0x05, 0x0C, 0x20} <= has and 0x02 not in has
    assert volts("12.6V") == 12.6 and volts("OK") is None


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ('port = ""', "sources.car.port: empty"),
        ('port = "x"\npids = { t = "coolant_tmp" }', 'Did you mean "coolant_temp"?'),
        ('port = "x"\npids = { t = "01FE" }', "no formula is known"),
        ('port = "x"\ntimeout_s = 0.0', "sources.car.timeout_s: 0 is not between"),
    ],
)
def test_a_table_that_cannot_be_is_refused_with_a_mend(table: str, complaint: str) -> None:
    """Better at the desk than in the car."""
    with pytest.raises(ConfigError) as refused:
        config.parse(f'[sources.car]\ndriver = "obd"\n{table}\n')
    assert complaint in str(refused.value)


def test_a_field_that_is_no_standard_value_needs_a_pid() -> None:
    text = '[sources.car]\ndriver = "obd"\nport = "x"\n[signals.s]\nfrom = "car.cooland_temp"\n'
    with pytest.raises(ConfigError, match="coolant_temp"):
        config.parse(text)
    assert config.parse(text.replace("cooland", "coolant")).signals["s"].from_ == "car.coolant_temp"


def test_the_adapter_on_the_pty_keeps_the_quirks_of_a_clone() -> None:
    """The emulator itself: echo, blanks, a search before the first answer, and STOPPED for whoever interrupts."""
    adapter = Elm327(lambda: Socket(encoded(RUNNING)), 0, Quirks())
    adapter.feed(b"0105\r", 0.0)
    assert adapter.take(0.0) == b"0105\r" and adapter.take(0.5) == b"SEARCHING...\r"
    assert adapter.take(3.0) == b"41 05 80 \r\r>".replace(b" \r", b"\r")
    adapter.feed(b"010C\r", 4.0)
    adapter.feed(b"X", 4.01)
    assert b"STOPPED" in adapter.take(9.0)

"""These tests run the source on gpiozero's mock pins, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from gpiozero.pins.mock import MockFactory, MockPin

import virtual_time
from sickbay.config import Gpio, Pin
from sickbay.core.reading import LineState, Reading
from sickbay.edge.pins import FactoryPins, MockPins, Pins
from sickbay.edge.sources.gpio import RETRY_S, GpioSource

Facts = list[Reading | LineState]


class Board(MockPin):
    """A mock pin on a chip that can go away, as a USB GPIO adapter does when it is pulled."""

    gone = False

    def _get_state(self) -> bool:
        if Board.gone:
            raise OSError(19, "No such device")
        return bool(super()._get_state())

    def _set_function(self, value: str) -> None:
        if Board.gone:
            raise OSError(19, "No such device")
        super()._set_function(value)

    def close(self) -> None:
        self.when_changed = None


@pytest.fixture(autouse=True)
def board() -> None:
    Board.gone = False


def watch(
    config: Gpio,
    pins: Pins,
    script: Callable[[Facts], Awaitable[None]],
    fields: dict[str, str] | None = None,
) -> Facts:
    """This runs a source while `script` plays the outside world, and returns the facts it gave."""
    facts: Facts = []

    async def play() -> None:
        loop = asyncio.get_running_loop()
        wanted = fields or {name: name for name in config.inputs}
        source = GpioSource("pins", config, wanted, lambda: round(loop.time() * 1000), facts.append, pins)
        running = asyncio.create_task(source.run())
        await script(facts)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    virtual_time.run(play())
    return facts


def values(facts: Facts, signal: str) -> list[float | None]:
    return [fact.value for fact in facts if isinstance(fact, Reading) and fact.signal == signal]


def lines(facts: Facts) -> list[LineState]:
    return [fact for fact in facts if isinstance(fact, LineState)]


def test_levels_are_sampled_at_the_configured_beat() -> None:
    """A float switch is looked at once a second, and says 1.0 or 0.0 with the time of the look."""
    pins = MockPins()

    async def script(facts: Facts) -> None:
        await asyncio.sleep(2.5)
        pins.set_input(27, 0)
        await asyncio.sleep(1)

    facts = watch(Gpio({"float": Pin(27, pull="up")}), pins, script, {"float": "tank.float"})
    assert lines(facts) == [LineState("pins", True, 0)]
    assert facts[1:] == [
        Reading("tank.float", 1.0, 1000),
        Reading("tank.float", 1.0, 2000),
        Reading("tank.float", 0.0, 3000),
    ]


def test_active_low_turns_the_level_round() -> None:
    """A pulled-up contact to ground is closed when the wire is low."""
    pins = MockPins()
    facts = watch(Gpio({"door": Pin(5, pull="up", active_low=True)}), pins, lambda _: asyncio.sleep(1.5))
    assert values(facts, "door") == [0.0]


@pytest.mark.parametrize(
    ("count", "per_rev", "expected"),
    [
        ("rising", 2.0, 1800.0),
        ("falling", 2.0, 1800.0),
        ("both", 2.0, 1800.0),
        ("rising", 0.0, 60.0),
        ("both", 0.0, 120.0),
    ],
)
def test_edges_become_a_speed(count: str, per_rev: float, expected: float) -> None:
    """60 pulses a second of a fan with two pulses a revolution are 1800 rev/min, whichever edges are counted."""
    pins = MockPins()

    async def script(facts: Facts) -> None:
        await asyncio.sleep(0.5)
        for _ in range(60):
            pins.set_input(23, 1)
            pins.set_input(23, 0)
        await asyncio.sleep(2)

    config = Gpio({"tach": Pin(23, count=count, pulses_per_rev=per_rev)})
    assert values(watch(config, pins, script), "tach") == [expected, 0.0]


def test_a_rate_is_over_the_time_that_really_went_by() -> None:
    """When the loop was held up for three seconds, its pulses are no faster fan; missed beats are left out."""
    pins = MockPins()

    async def script(facts: Facts) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1.5)
        for _ in range(180):
            pins.set_input(23, 1)
            pins.set_input(23, 0)
        loop._jumping.now += 2.5
        await asyncio.sleep(1.2)

    facts = watch(Gpio({"tach": Pin(23, count="rising")}), pins, script)
    assert values(facts, "tach") == [0.0, 60.0, 0.0]
    assert [fact.at_ms for fact in facts if isinstance(fact, Reading)] == [1000, 4000, 5000]


def test_a_missing_chip_is_said_once_and_picked_up_when_it_comes() -> None:
    """A day without the adapter must be one message; and nobody should have to restart the daemon when it is back."""
    Board.gone = True

    async def script(facts: Facts) -> None:
        await asyncio.sleep(86400)
        assert [line.alive for line in lines(facts)] == [False]
        assert len(facts) == 1
        Board.gone = False
        await asyncio.sleep(RETRY_S[1] + 1.5)

    facts = watch(Gpio({"float": Pin(27)}), FactoryPins(MockFactory(pin_class=Board)), script)
    assert [line.alive for line in lines(facts)] == [False, True]
    assert "float: pin 27: No such device" in lines(facts)[0].detail
    assert values(facts, "float")[-1] == 0.0


def test_a_chip_that_vanishes_does_not_flood() -> None:
    """lgpio writes 3,574 log lines in 3 s when its chip goes; the source says it once and gives readings without value."""

    async def script(facts: Facts) -> None:
        await asyncio.sleep(2.5)
        Board.gone = True
        await asyncio.sleep(3600)

    facts = watch(Gpio({"a": Pin(5), "b": Pin(6)}), FactoryPins(MockFactory(pin_class=Board)), script)
    assert [line.alive for line in lines(facts)] == [True, False]
    assert values(facts, "a") == [0.0, 0.0, None]
    assert values(facts, "b") == [0.0, 0.0, None]


def test_one_bad_pin_does_not_take_its_fellows_along() -> None:
    """A typing error in one pin's number must not blind the others; its own signal reads nothing and so is not healthy."""
    pins = MockPins()
    facts = watch(Gpio({"good": Pin(5), "bad": Pin(99)}), pins, lambda _: asyncio.sleep(2.5))
    assert [line.alive for line in lines(facts)] == [True]
    assert "bad: pin 99" in lines(facts)[0].detail
    assert values(facts, "good") == [0.0, 0.0]
    assert values(facts, "bad") == [None, None]


def test_only_pins_that_a_signal_reads_are_opened() -> None:
    """A pin that nobody asked for may belong to somebody else."""
    pins = MockPins()
    watch(Gpio({"a": Pin(5), "b": Pin(6, pull="up")}), pins, lambda _: asyncio.sleep(1.5), {"a": "a"})
    assert pins.factory.pin(6).pull == "floating"


def test_stopping_gives_the_pins_back() -> None:
    """A source that is started again in the same process must find its pins free."""
    pins = MockPins()
    for _ in range(2):
        facts = watch(Gpio({"a": Pin(5, count="both")}), pins, lambda _: asyncio.sleep(1.5))
        assert lines(facts) == [LineState("pins", True, 0)]


def test_probe_says_what_each_pin_is_at() -> None:
    """`sickbay check` is how a person finds out that a wire is on the wrong pin."""

    async def probe(config: Gpio) -> tuple[bool, str]:
        source = GpioSource("pins", config, {name: name for name in config.inputs}, lambda: 0, [].append, MockPins())
        seen = await source.probe(1.0)
        return seen.ok, seen.detail

    ok, detail = asyncio.run(probe(Gpio({"float": Pin(27, pull="up")})))
    assert ok and "float: pin 27: GPIO27, now high" in detail
    ok, detail = asyncio.run(probe(Gpio({"float": Pin(27), "bad": Pin(99)})))
    assert not ok and "bad: pin 99" in detail

"""These tests drive outputs on gpiozero's mock pins, with a relay between output and read-back."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from gpiozero.pins.mock import MockConnectedPin, MockFactory, MockPin

import virtual_time
from sickbay.config import OutputTable
from sickbay.edge.actuators import LOOKS, RETRY_S, Outputs
from sickbay.edge.pins import FactoryPins, MockPins

T = TypeVar("T")
PLAIN = OutputTable("gpio", 17, "on")
READ_BACK = OutputTable("gpio", 17, "on", read_back=22)


class Adapter(MockPin):
    """A mock pin on a chip that can go away."""

    gone = False

    def _set_function(self, value: str) -> None:
        if Adapter.gone:
            raise OSError(19, "No such device")
        super()._set_function(value)

    def _set_state(self, value: float) -> None:
        if Adapter.gone:
            raise OSError(19, "No such device")
        super()._set_state(value)

    def close(self) -> None:
        self.when_changed = None


def wired() -> FactoryPins:
    """This returns pins with a relay that follows: 22 is at the level of 17."""
    factory = MockFactory()
    factory.pin(17, pin_class=MockConnectedPin, input_pin=factory.pin(22))
    return FactoryPins(factory)


def level(pins: FactoryPins, pin: int) -> Any:
    return pins.factory.pin(pin).state


def play(script: Callable[[], Any]) -> Any:
    return virtual_time.run(script())


def test_nothing_moves_before_it_is_asked() -> None:
    """Making the object must not click a relay: `sickbay check` makes it too."""
    pins = MockPins()
    Outputs({"fan": PLAIN}, pins)
    assert pins.factory.pin(17).function == "input"


@pytest.mark.parametrize(
    ("isolated", "low", "high"), [("off", False, True), ("on", False, False), ("off", True, False)]
)
def test_outputs_start_in_service(isolated: str, low: bool, high: bool) -> None:
    """The machine must run when the daemon starts: in service is the opposite of isolated, and active low turns it round."""
    pins = MockPins()
    table = OutputTable("gpio", 17, "on", isolated_state=isolated, active_low=low)
    done = play(Outputs({"fan": table}, pins).start)
    assert done["fan"][0]
    assert level(pins, 17) == high


def test_a_quarantine_outlives_a_restart() -> None:
    """A part that was isolated before a power cut must not be switched on for even a moment after it."""
    pins = MockPins()
    outputs = Outputs({"fan": PLAIN, "heater": OutputTable("gpio", 18, "off")}, pins)
    play(lambda: outputs.start({"fan": False}))
    assert [state.state for state in pins.factory.pin(17).states] == [False]
    assert level(pins, 18)


def test_driving_is_confirmed_by_the_read_back() -> None:
    """Only what was seen to happen is told as done."""
    outputs = Outputs({"fan": READ_BACK}, wired())
    ok, detail = play(lambda: outputs.drive("fan", False))
    assert ok and "pin 22 confirms" in detail
    assert play(lambda: outputs.drive("fan", True))[0]
    assert outputs.state()["fan"].read_back is True


def test_a_relay_that_does_not_follow_is_told() -> None:
    """Welded contacts: the pin is driven off and the fan turns on. Quarantine must not believe that it worked."""
    pins = MockPins()
    pins.set_input(22, 1)
    outputs = Outputs({"fan": READ_BACK}, pins)
    ok, detail = play(lambda: outputs.drive("fan", False))
    assert not ok
    assert "outputs.fan: pin 17 is driven off, but 0.05 s later pin 22 still reads on" in detail
    assert outputs.state()["fan"].read_back is True and not outputs.state()["fan"].ok


def test_active_low_holds_for_output_and_read_back() -> None:
    """Most relay boards switch on a low level."""
    pins = wired()
    table = OutputTable("gpio", 17, "on", active_low=True, read_back=22)
    outputs = Outputs({"fan": table}, pins)
    assert play(lambda: outputs.drive("fan", True))[0]
    assert not level(pins, 17)
    assert play(lambda: outputs.drive("fan", False))[0]
    assert level(pins, 17)


def test_a_clean_stop_leaves_every_output_in_its_fail_state() -> None:
    """What the machine needs when sickbay is gone is the owner's word, not the last quarantine's."""
    pins = MockPins()
    outputs = Outputs({"fan": PLAIN, "heater": OutputTable("gpio", 18, "off", active_low=True)}, pins)

    async def script() -> None:
        await outputs.start({"fan": False, "heater": True})
        await outputs.release_all()

    play(script)
    assert level(pins, 17) and level(pins, 18)


def test_a_missing_device_is_told_and_driven_when_it_comes() -> None:
    """The relay board may come up after the daemon; what was ordered meanwhile must then happen."""
    Adapter.gone = True
    pins = FactoryPins(MockFactory(pin_class=Adapter))
    outputs = Outputs({"fan": PLAIN}, pins)

    async def script() -> None:
        keeping = asyncio.create_task(outputs.run())
        ok, detail = (await outputs.start())["fan"]
        assert not ok and "outputs.fan: not driven on: pin 17: No such device" in detail
        ok, detail = await outputs.drive("fan", False)
        assert not ok and not outputs.state()["fan"].driven
        await asyncio.sleep(3600)
        Adapter.gone = False
        await asyncio.sleep(RETRY_S[1] + 1)
        keeping.cancel()

    play(script)
    assert outputs.state()["fan"].ok and outputs.state()["fan"].wanted is False
    assert pins.factory.pin(17).function == "output" and not level(pins, 17)


def test_a_device_that_goes_is_found_out_by_the_next_drive_and_opened_again() -> None:
    """A held line stays dead after its chip came back; it must be opened anew, not driven again and again in vain."""
    Adapter.gone = False
    outputs = Outputs({"fan": PLAIN}, FactoryPins(MockFactory(pin_class=Adapter)))

    async def script() -> list[bool]:
        seen = [(await outputs.drive("fan", True))[0]]
        Adapter.gone = True
        seen.append((await outputs.drive("fan", False))[0])
        Adapter.gone = False
        seen.append((await outputs.drive("fan", False))[0])
        return seen

    assert play(script) == [True, False, True]


def test_two_drives_at_once_do_not_mix() -> None:
    """Each read-back must belong to its own drive, else a release beside a quarantine confirms the wrong one."""
    outputs = Outputs({"fan": READ_BACK}, wired())

    async def script() -> list[tuple[bool, str]]:
        return await asyncio.gather(outputs.drive("fan", False), outputs.drive("fan", True))

    off, on = play(script)
    assert off[0] and "driven off" in off[1]
    assert on[0] and "driven on" in on[1]


def test_an_unknown_output_is_an_answer_not_a_crash() -> None:
    """The order may come from a journal that an older configuration wrote."""
    ok, detail = play(lambda: Outputs({"fan": PLAIN}, MockPins()).drive("fam", True))
    assert not ok and "Known: fan" in detail


def test_probe_moves_nothing() -> None:
    """`sickbay check` beside a running machine must not click its relays."""
    pins = MockPins()
    outputs = Outputs({"fan": READ_BACK, "bad": OutputTable("gpio", 99, "on")}, pins)
    fan, bad = play(lambda: outputs.probe(1.0))
    assert fan.ok and "GPIO17" in fan.detail and "read back on pin 22" in fan.detail
    assert not bad.ok and "pin 99" in bad.detail
    assert pins.factory.pin(17).function == "input"


def test_two_outputs_on_one_pin_do_not_fight() -> None:
    """Two tables with the same pin would undo each other unseen."""
    outputs = Outputs({"a": PLAIN, "b": PLAIN}, MockPins())
    done = play(outputs.start)
    assert done["a"][0] and not done["b"][0]
    assert "already an output" in done["b"][1]


def test_contacts_that_move_by_themselves_are_told_once_and_again_when_they_are_back() -> None:
    """A burnt relay lets go hours after it was ordered on. Nobody orders anything then, and nothing else would ever look."""
    pins, told = MockPins(), []
    pins.set_input(22, 1)
    outputs = Outputs({"fan": READ_BACK}, pins, lambda *what: told.append(what))

    async def script() -> None:
        await outputs.drive("fan", True)
        watch = asyncio.create_task(outputs.run())
        for reads, seconds in ((1, 60), (0, LOOKS - 1), (1, 60), (0, 60), (1, 60)):
            pins.set_input(22, reads)
            await asyncio.sleep(seconds)
        watch.cancel()

    play(script)
    assert [(name, follows) for name, follows, _ in told] == [("fan", False), ("fan", True)]
    assert "pin 17 is driven on, but pin 22 reads off" in told[0][2] and "pin 22 confirms" in told[1][2]
    assert outputs.state()["fan"].ok


def test_an_order_that_was_not_followed_is_told_by_its_answer_alone() -> None:
    """Else a welded relay would be news every few seconds."""
    pins, told = MockPins(), []
    pins.set_input(22, 1)
    outputs = Outputs({"fan": READ_BACK, "lamp": OutputTable("gpio", 18, "on")}, pins, lambda *what: told.append(what))

    async def script() -> None:
        await outputs.drive("fan", False)
        await outputs.drive("lamp", True)
        watch = asyncio.create_task(outputs.run())
        await asyncio.sleep(60)
        watch.cancel()

    play(script)
    assert not told

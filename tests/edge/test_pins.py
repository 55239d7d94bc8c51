"""These tests see to the choice of pins and to what a missing chip says; the pins are gpiozero's mock ones or none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

from sickbay.edge.pins import BoardPins, FactoryPins, MockPins, PinsError, choose
from sickbay.edge.pins_line import GuardedLine


def test_the_mock_factory_is_taken_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Source and outputs must share one factory, else a read-back pin never sees its relay."""
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    assert isinstance(choose(), MockPins)
    assert choose() is choose()


def test_without_a_word_real_pins_are_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mock pins on a real machine would read healthy for ever; they are never fallen back to."""
    for value in ("", "lgpio"):
        monkeypatch.setenv("GPIOZERO_PIN_FACTORY", value)
        assert isinstance(choose(), BoardPins)
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY")
    assert isinstance(choose(), BoardPins)


def test_an_unknown_factory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error must not end in other pins than were meant."""
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mok")
    with pytest.raises(PinsError, match=r"GPIOZERO_PIN_FACTORY=mok: gpiozero knows no such pins\. Known: .*mock"):
        choose()


def test_a_missing_chip_says_what_to_look_at() -> None:
    """The text is all that a person on site gets."""
    with pytest.raises(
        PinsError, match=r"/dev/gpiochip-none pin 5: No such file or directory\. What to do: .*/dev/gpiochip"
    ):
        BoardPins().input(5, chip="/dev/gpiochip-none")
    with pytest.raises(PinsError, match="/dev/gpiochip-none pin 5"):
        BoardPins().output(5, 1, chip="/dev/gpiochip-none")
    with pytest.raises(PinsError, match="/dev/gpiochip-none pin 5"):
        BoardPins().look(5, chip="/dev/gpiochip-none")


def test_a_chip_that_is_no_chip_is_an_error_of_ours(tmp_path: Path) -> None:
    """A path to something else must not bring the daemon down."""
    (tmp_path / "chip").write_text("not a device")
    with pytest.raises(PinsError, match="pin 5"):
        BoardPins().input(5, chip=str(tmp_path / "chip"))


def test_nothing_heavy_is_loaded_before_a_pin_is_opened(tmp_path: Path) -> None:
    """gpiozero costs 11 MB and 90 ms of start; lgpio writes a FIFO into the working directory when it is imported."""
    code = (
        "import sys, sickbay.edge.sources.gpio, sickbay.edge.actuators\n"
        "from sickbay.edge.pins import BoardPins, PinsError\n"
        "try: BoardPins().look(5, '/dev/gpiochip-none')\n"
        "except PinsError: pass\n"
        "print([m for m in ('gpiozero', 'lgpio', 'numpy') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_an_output_keeps_its_level_when_its_line_is_forgotten() -> None:
    """gpiozero's own OutputDevice turns the pin into an input when it is collected, and so undoes the fail state at exit."""
    pins = FactoryPins(MockFactory())
    line = pins.output(17, 1)
    del line
    assert pins.factory.pin(17).function == "output"
    assert pins.factory.pin(17).state


def test_an_output_is_opened_at_its_level() -> None:
    """A relay that clicks off and on at each start wears out, and its machine stumbles."""
    pins = MockPins()
    pins.output(17, 1)
    assert [state.state for state in pins.factory.pin(17).states] == [False, True]


def test_an_output_cannot_be_read_as_an_input_too() -> None:
    """gpiozero would make it an input without a word, and the relay would fall."""
    pins = MockPins()
    pins.output(17, 1)
    with pytest.raises(PinsError, match="pin 17: it is already an output"):
        pins.input(17)
    with pytest.raises(PinsError, match="pin 27: it is an input"):
        pins.input(27).drive(1)


def test_a_line_whose_chip_was_given_up_is_never_touched_again() -> None:
    """lgpio's handle is None by then, and each touch a TypeError that would end the daemon: seen on a gpio-sim chip."""
    pins = MockPins()
    here = True
    line = GuardedLine("pin 17", pins.output(17, 1), lambda: here)
    assert line.level() == 1
    here = False
    for touch in (line.level, lambda: line.drive(0), line.take_edges):
        with pytest.raises(PinsError, match=r"pin 17: No such device\. What to do: the chip has gone"):
            touch()
    line.close()

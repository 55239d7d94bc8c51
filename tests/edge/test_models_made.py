"""These hold the models that ship to the code that made them, and to what their cards promise."""

import hashlib
import random
from pathlib import Path

import pytest

from sickbay.edge.scorer.card import place
from sickbay.edge.scorer.model_file import read_card, read_network
from sickbay.edge.scorer.network import Network, block, narrowed, run
from sickbay.errors import ModelFileError

ROOT = Path(__file__).parents[2]
NAMES = ("generic", "cooling-loop")


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_file_is_what_the_maker_makes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model nobody can make again is a model nobody can trust. Weights within 1e-6, where a libm rounds otherwise."""
    monkeypatch.syspath_prepend(str(ROOT))
    from models.train import make

    committed, made = (ROOT / "models" / f"{name}.tflite").read_bytes(), make.MAKERS[name]()
    if committed == made:
        assert (ROOT / "models" / f"{name}.md").read_text(encoding="utf-8") == make.card_text(name, made)
        return
    a, b = read_network(committed), read_network(made)
    assert len(a.layers) == len(b.layers), "renew it: python -m models.train.make"
    for old, new in zip(a.layers, b.layers, strict=True):
        assert old.bias == pytest.approx(new.bias, abs=1e-6)
        for x, y in zip(old.weights, new.weights, strict=True):
            assert x == pytest.approx(y, abs=1e-6), "renew it: python -m models.train.make"


@pytest.mark.parametrize("name", NAMES)
def test_the_card_beside_it_has_its_digest(name: str) -> None:
    """Whoever copies a model to a device checks it by this."""
    raw = (ROOT / "models" / f"{name}.tflite").read_bytes()
    assert hashlib.sha256(raw).hexdigest() in (ROOT / "models" / f"{name}.md").read_text(encoding="utf-8")


def generic(signals: int) -> Network:
    raw = (ROOT / "models" / "generic.tflite").read_bytes()
    card = read_card(raw)
    assert card is not None
    entry = place(card, "any", None, signals)
    return narrowed(block(read_network(raw), entry.offset, len(entry.signals)), signals)


@pytest.mark.parametrize("signals", range(1, 17))
def test_the_generic_model_is_the_shrunk_mean_of_the_peers(signals: int) -> None:
    """What it does fits in one line, and so can be explained to a person."""
    place_for = min(n for n in (2, 3, 4, 5, 6, 7, 8, 12, 16) if n >= signals)
    chance = random.Random(signals)
    for scale in (1.0, 10.0, 1e6):
        row = [chance.gauss(0, scale) for _ in range(signals)]
        cut = [max(-3.0, min(3.0, z)) for z in row]
        assert run(generic(signals), row) == pytest.approx([(sum(cut) - c) / place_for for c in cut], abs=2e-6)


def test_the_generic_model_lets_one_signal_leave_its_peers_and_forgives_what_moves_all() -> None:
    """That is all it can see; the card says so."""
    z = [2.5] * 6
    together = [x - e for x, e in zip(z, run(generic(6), z), strict=True)]
    assert max(map(abs, together)) < 0.5
    z[2] = -2.5
    alone = [abs(x - e) for x, e in zip(z, run(generic(6), z), strict=True)]
    assert alone.index(max(alone)) == 2 and alone[2] > 4.0


def test_the_generic_model_refuses_parts_that_are_too_large() -> None:
    """Seventeen signals are a unit, not a part."""
    with pytest.raises(ModelFileError, match="up to 16 signals; any has 17"):
        generic(17)


def test_the_cooling_loop_s_fan_is_served_whatever_its_speed_is_called() -> None:
    """The rig counts the fan's pulses on a pin, the serial line sends its speed; it is the same fan."""
    card = read_card((ROOT / "models" / "cooling-loop.tflite").read_bytes())
    assert card is not None
    rest = ("inlet_temp", "outlet_temp", "outlet_temp_b")
    for name in ("fan_rpm", "fan_tach"):
        assert place(card, "fan", (name, *rest), 4).offset == 4
    assert place(card, "coolant pump", ("flow", "pressure", "current", "vibration"), 4).offset == 0
    with pytest.raises(ModelFileError, match="Fit it anew"):
        place(card, "fan", ("fan_rpm", "outlet_temp"), 2)

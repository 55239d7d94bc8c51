"""This is a model file's own card: what it judges, what it was fitted on and what it cannot see.

The card travels inside the file, as TFLite metadata named "sickbay.card", so that it cannot be lost or mixed up.
"""

from typing import Any

import msgspec

from sickbay.edge.scorer.network import ROW_MAX, WIDTH_MAX
from sickbay.errors import ModelFileError

CARD_NAME = "sickbay.card"
FORMAT = 1
CARD_BYTES_MAX = 1_048_576


class CardPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """One part's place in the file. `offset` is its first input; it has one input a signal, in this order.

    A part whose name begins with "*" serves any part that has as many signals or fewer; the cells left over are 0.0.
    """

    signals: tuple[str, ...]
    units: tuple[str, ...] = ()
    offset: int = 0
    learnt: dict[str, Any] | None = None  # the core's baseline of this unit; nothing here looks inside
    components: int | None = None  # of the linear model; 0: no signal foretells another, the residual is the row itself
    sight: tuple[
        float, ...
    ] = ()  # per signal: the share of its own fault that its own residual shows, 0 blind to 1 whole


class Card(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole file's card."""

    format: int
    name: str
    parts: dict[str, CardPart]
    fitted_on: str = ""
    rows: int = 0
    limits: str = ""


_decoder = msgspec.json.Decoder(Card)


def encode(card: Card) -> bytes:
    """This returns the card's bytes: keys in their order of declaration, numbers in their shortest form."""
    return msgspec.json.encode(card)


def decode(raw: bytes) -> Card:
    """This returns the card that `raw` holds, or raises ModelFileError."""
    if len(raw) > CARD_BYTES_MAX:
        raise ModelFileError(f"the card has {len(raw)} bytes; at most {CARD_BYTES_MAX} are read")
    try:
        card = _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelFileError(f"the card is not understood: {error}") from None
    if card.format != FORMAT:
        raise ModelFileError(f"the card is of format {card.format}; this sickbay reads format {FORMAT}")
    for name, part in card.parts.items():
        if not 1 <= len(part.signals) <= ROW_MAX or not 0 <= part.offset <= WIDTH_MAX:
            raise ModelFileError(
                f"the card's part {name!r} has {len(part.signals)} signals from input {part.offset} on"
            )
        if part.units and len(part.units) != len(part.signals):
            raise ModelFileError(
                f"the card's part {name!r} has {len(part.signals)} signals and {len(part.units)} units"
            )
    return card


def place(card: Card, part: str, signals: tuple[str, ...] | None, width: int) -> CardPart:
    """This returns the card's entry for `part`, which has `width` signals; raises ModelFileError where none fits.

    `signals` are the part's names in the configuration, or None when only their number is known.
    """
    own = card.parts.get(part)
    if signals is not None and (own is None or own.signals != signals):
        # A part may be called otherwise here: what it is made of decides.
        own = next((p for p in card.parts.values() if p.signals == signals), own)
    if own is not None:
        if len(own.signals) != width or (signals is not None and own.signals != signals):
            has = ", ".join(signals) if signals is not None else f"{width} signals"
            raise ModelFileError(f"the file judges {part} by {', '.join(own.signals)}; here it has {has}. Fit it anew")
        return own
    wild = [p for name, p in card.parts.items() if name.startswith("*")]
    fitting = [p for p in wild if len(p.signals) >= width]
    if fitting:
        return min(fitting, key=lambda p: len(p.signals))
    if wild:
        most = max(len(p.signals) for p in wild)
        raise ModelFileError(f"the file serves parts of up to {most} signals; {part} has {width}")
    raise ModelFileError(
        f"the file knows no part {part!r}, only {', '.join(sorted(card.parts)) or 'none'}. Fit it anew"
    )

"""This makes every model that ships and the card beside each: `python -m models.train.make`, in the project's root."""

import hashlib
import sys
from pathlib import Path

from models.train import cooling_loop, generic
from sickbay.edge.scorer.card import Card
from sickbay.edge.scorer.model_file import read_card, read_network

MODELS = Path(__file__).parent.parent
MAKERS = {"generic": generic.make, "cooling-loop": cooling_loop.make}


def card_text(name: str, raw: bytes) -> str:
    """This returns the card for eyes, made of the file alone but for the figures on unseen units."""
    network, card = read_network(raw), read_card(raw)
    assert card is not None
    widths = " -> ".join(str(n) for n in [network.inputs, *(layer.outputs for layer in network.layers)])
    lines = [
        f"# {name}.tflite",
        "",
        "Made by `python -m models.train.make`; this card too. The same card, for programs, is inside the file.",
        "",
        "| | |",
        "| --- | --- |",
        f"| input | `float32 [1, {network.inputs}]`: the rows of all parts side by side, standardised, 0.0 if missing |",
        f"| output | `float32 [1, {network.outputs}]`: what is expected of each cell, in the same units |",
        f"| layers | {len(network.layers)} FULLY_CONNECTED, {widths}; parts do not interact |",
        f"| fitted on | {card.fitted_on} |",
        f"| rows | {card.rows} |",
        f"| bytes | {len(raw)} |",
        f"| sha256 | `{hashlib.sha256(raw).hexdigest()}` |",
        "",
        "## Parts",
        "",
        *(_wild(card) if all(part.startswith("*") for part in card.parts) else _fitted(raw, card)),
        "",
        "## What it cannot see",
        "",
        card.limits,
        "",
    ]
    return "\n".join(lines)


def _wild(card: Card) -> list[str]:
    widths = [len(entry.signals) for entry in card.parts.values()]
    places = ", ".join(f"`{part}` from input {entry.offset}" for part, entry in card.parts.items())
    return [
        f"Any part of 1 to {max(widths)} signals takes the narrowest place it fits into; cells left over are 0.0.",
        "",
        f"{places}.",
    ]


def _fitted(raw: bytes, card: Card) -> list[str]:
    unseen = len(cooling_loop.UNSEEN)
    lines = [
        f"Scatter left: of the leave-one-out residual, on {unseen} units that were not fitted on; 1.0 says that the peers",
        "say nothing of the signal. Sight: the share of a signal's own fault that its plain residual shows.",
        "",
        "| part | input | signal | unit | sight | scatter left |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for part, entry in card.parts.items():
        if part not in cooling_loop.PARTS:
            continue
        left = cooling_loop.scatter_left(read_network(raw), entry.offset, part)
        for i, signal in enumerate(entry.signals):
            lines.append(
                f"| {part} ({entry.components} component) | {entry.offset + i} | {signal} | {entry.units[i]} | "
                f"{entry.sight[i]:.2f} | {left[i]:.2f} |"
            )
    return [*lines, "", "A fan whose speed is called `fan_tach` is served in the same place."]


def main() -> int:
    """This writes all files and says what changed."""
    for name, make in MAKERS.items():
        raw = make()
        for path, body in ((MODELS / f"{name}.tflite", raw), (MODELS / f"{name}.md", card_text(name, raw).encode())):
            same = path.exists() and path.read_bytes() == body
            path.write_bytes(body)
            print(f"{path.name}: {len(body)} bytes, {'unchanged' if same else 'written'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

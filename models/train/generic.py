"""This makes models/generic.tflite: for parts whose signals have no known meaning.

What one signal's peers say of it, with nothing learnt: the mean of the other signals, each cut to +-3 so that one wild
signal cannot talk for all, shrunk towards "nothing special". For signals z_i = common + own with half of the variance
common, the best linear guess of z_i from the n - 1 others is their sum / n: that is the factor. (Conditional mean of a
Gaussian: t / (1 - t + t (n - 1)) times the sum, with t = 1/2.)

Three layers say this exactly in float32, however wild the row:

    h1 = relu(z + 3)    h2 = relu(6 - h1)    estimate_i = sum over j != i of (3 - h2_j) / n

One block for each number of signals stands in the file; a part takes the narrowest it fits into, its cells left over
are 0.0.
"""

from sickbay.edge.scorer.card import FORMAT, Card, CardPart
from sickbay.edge.scorer.emit import emit
from sickbay.edge.scorer.network import Layer, Network, beside

WIDTHS = (2, 3, 4, 5, 6, 7, 8, 12, 16)
CUT = 3.0

LIMITS = (
    "Nothing is learnt: it assumes that the signals of a part tend to move together and in the same direction. "
    "Where they do, it shows one signal leaving its peers, and forgives what moves all of them. Where they move "
    "against each other or not at all together, it is no better than each signal's own distance from its centre, and "
    "up to an eighth noisier. It cannot see what moves all signals alike, a signal that stands still, or a wrong order "
    "in time. A part of one signal gets the row itself as residual. Fit your own with `sickbay learn`."
)


def block(n: int) -> Network:
    """This returns the network for parts of `n` signals."""

    def diagonal(value: float) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(value if i == j else 0.0 for j in range(n)) for i in range(n))

    peers = tuple(tuple(0.0 if i == j else -1.0 / n for j in range(n)) for i in range(n))
    return Network(
        (
            Layer(diagonal(1.0), (CUT,) * n, relu=True),
            Layer(diagonal(-1.0), (2 * CUT,) * n, relu=True),
            Layer(peers, (CUT * (n - 1) / n,) * n),
        )
    )


def card() -> Card:
    """This returns the file's card: a part "*n" serves any part of up to n signals."""
    parts, offset = {}, 0
    for n in WIDTHS:
        sight = (1.0,) * n  # no signal has a part in its own estimate
        parts[f"*{n}"] = CardPart(tuple(f"signal {i + 1}" for i in range(n)), ("standard",) * n, offset, sight=sight)
        offset += n
    return Card(FORMAT, "generic", parts, "nothing: it is set by hand, see models/train/generic.py", 0, LIMITS)


def make() -> bytes:
    """This returns the file."""
    return emit(beside([block(n) for n in WIDTHS]), card())

"""This fits a unit's own model in closed form: for each part the principal components of its rows, as two layers.

    estimate = D V V' D^-1 row    D: each signal's root mean square, V: the leading eigenvectors of the correlations

The rows are standardised by the unit's baseline, so that 0.0 is the centre and nothing is subtracted. Cells are cut to
+-8 first: a glitch in the learning rows must not become a direction. A constant signal is left out (its estimate is
0.0, its residual the row itself).

How many components: as many as best foretell each signal from the others on rows they were not fitted on. The rows are
cut into two halves in time; on each, components of the other half are judged by their leave-one-out residual r_i / (1 -
P_ii), P = V V' (the value that makes the row fit best; Qin, Survey on data-driven industrial process monitoring, 2012,
reconstruction-based contributions), relative to the signal's own mean square. A further component must lower the mean
of these ratios by a fiftieth. So a component that only copies one signal, which would make the model blind to that
signal's faults, is never taken; where no signal foretells another, none is, and the residual is the row itself. "90 %
of the variance" was not taken, since it keeps exactly those copies.

Two paths give the same projector within 1e-8: numpy where it is, else pure Python (cyclic Jacobi, Golub & Van Loan
8.5). Nothing here is imported by the daemon.
"""

import importlib
import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sickbay.edge.scorer import card as cards
from sickbay.edge.scorer.card import Card, CardPart
from sickbay.edge.scorer.emit import emit
from sickbay.edge.scorer.network import Layer, Network, beside
from sickbay.errors import ModelFileError

SIGNALS_MAX = 64
ROWS_MIN = 8  # fewer say nothing about how signals hang together: no components
CELL_MAX = 8.0
GAIN_MIN = 0.02
SIGHT_MIN = 0.05  # below this a leave-one-out residual is mostly amplified noise
COMPONENTS_MAX = 16

Matrix = list[list[float]]


class PartRows(msgspec.Struct, frozen=True):
    """What a part's model is fitted on. `rows` are standardised, a cell a signal, 0.0 where a reading is missing."""

    signals: tuple[str, ...]
    rows: Sequence[Sequence[float]]
    units: tuple[str, ...] = ()
    learnt: dict[str, Any] | None = None  # the core's baseline, carried on the card


class Fitted(msgspec.Struct, frozen=True):
    """One part's linear model."""

    encode: Matrix  # components x signals
    decode: Matrix  # signals x components
    sight: list[float]  # 1 - P_ii


def fit(
    parts: Mapping[str, PartRows], *, name: str, fitted_on: str, limits: str = "", use_numpy: bool | None = None
) -> bytes:
    """This returns the .tflite of a whole unit, its card inside.

    Raises ModelFileError where rows do not fit their signals. `use_numpy`: None takes numpy where it can be imported.
    """
    if not parts:
        raise ModelFileError("nothing to fit: no part")
    networks: list[Network] = []
    entries: dict[str, CardPart] = {}
    offset = 0
    for part, given in parts.items():
        fitted = fit_part(part, given.signals, given.rows, use_numpy=use_numpy)
        networks.append(as_network(fitted))
        sight = tuple(round(s, 4) for s in fitted.sight)
        entries[part] = CardPart(given.signals, given.units, offset, given.learnt, len(fitted.encode), sight)
        offset += len(given.signals)
    rows = max(len(given.rows) for given in parts.values())
    return emit(beside(networks), Card(cards.FORMAT, name, entries, fitted_on, rows, limits or LIMITS))


LIMITS = (
    "Linear, and of one moment: it sees a signal that leaves what its peers say, not a wrong sequence in time. "
    "Signals that go wrong together along a learnt direction, and signals that stand still, are not seen. "
    "It knows only what the learning rows showed."
)


def fit_part(
    part: str, signals: Sequence[str], rows: Sequence[Sequence[float]], *, use_numpy: bool | None = None
) -> Fitted:
    """This returns one part's linear model."""
    n = len(signals)
    if not 1 <= n <= SIGNALS_MAX:
        raise ModelFileError(f"{part}: {n} signals; 1 to {SIGNALS_MAX} can be fitted")
    if any(len(row) != n for row in rows):
        raise ModelFileError(f"{part}: a row without exactly {n} cells, one a signal")
    np = _numpy() if use_numpy is None or use_numpy else None
    if use_numpy and np is None:
        raise ModelFileError("numpy was asked for and cannot be imported")
    half = len(rows) // 2
    early, late = _moments(rows[:half], n, np), _moments(rows[half:], n, np)
    whole = [[a + b for a, b in zip(x, y, strict=True)] for x, y in zip(early, late, strict=True)]
    k = 0
    if n > 1 and half >= ROWS_MIN:
        k = _components(early, late, n, np)
    scale, vectors = _directions(whole, np)
    kept = vectors[:k]
    encode = [[v / d if d else 0.0 for v, d in zip(vector, scale, strict=True)] for vector in kept]
    decode = [[vector[i] * scale[i] for vector in kept] for i in range(n)]
    return Fitted(encode, decode, [1.0 - sum(vector[i] ** 2 for vector in kept) for i in range(n)])


def as_network(fitted: Fitted) -> Network:
    """This returns the two layers; a model without components has one hidden unit that is always zero."""
    n = len(fitted.decode)
    encode = fitted.encode or [[0.0] * n]
    decode = fitted.decode if fitted.encode else [[0.0]] * n
    return Network(
        (
            Layer(tuple(tuple(row) for row in encode), (0.0,) * len(encode)),
            Layer(tuple(tuple(row) for row in decode), (0.0,) * n),
        )
    )


def _components(early: Matrix, late: Matrix, n: int, np: Any) -> int:
    """This returns how many components foretell best, by the rule at the top."""
    most = min(n - 1, COMPONENTS_MAX)
    errors = [0.0] * (most + 1)
    for train, test in ((early, late), (late, early)):
        scale, vectors = _directions(train, np)
        judged = _correlations(test, scale)
        for k in range(most + 1):
            errors[k] += _left_out_error(vectors[:k], judged)
    best = 0
    for k in range(1, most + 1):
        if errors[k] < errors[best] * (1.0 - GAIN_MIN * (k - best)):
            best = k
    return best


def _left_out_error(vectors: Matrix, judged: Matrix) -> float:
    """This returns the mean over signals of E[(r_i / (1 - P_ii))^2] / E[z_i^2], from second moments alone."""
    n = len(judged)
    ratios = []
    for i in range(n):
        if judged[i][i] <= 0.0:
            continue
        sight = 1.0 - sum(v[i] ** 2 for v in vectors)
        if sight < SIGHT_MIN:
            return math.inf
        left = [(1.0 if j == i else 0.0) - sum(v[i] * v[j] for v in vectors) for j in range(n)]
        variance = sum(a * sum(map(operator.mul, row, left)) for a, row in zip(left, judged, strict=True) if a)
        ratios.append(variance / judged[i][i] / sight**2)
    return sum(ratios) / len(ratios) if ratios else 0.0


def _moments(rows: Sequence[Sequence[float]], n: int, np: Any) -> Matrix:
    """This returns the sums of products of every two signals, of cells cut to +-CELL_MAX; NaN counts as missing."""
    if np is not None:
        table = np.nan_to_num(np.array(rows, float).reshape(len(rows), n), nan=0.0, posinf=CELL_MAX, neginf=-CELL_MAX)
        table = np.clip(table, -CELL_MAX, CELL_MAX)
        return (table.T @ table).tolist()  # type: ignore[no-any-return]  # numpy is looked up by name, untyped here
    columns = [
        [min(max(x, -CELL_MAX), CELL_MAX) if x == x else 0.0 for x in column] for column in zip(*rows, strict=True)
    ]
    columns = columns or [[] for _ in range(n)]
    upper = [[sum(map(operator.mul, columns[i], columns[j])) for j in range(i, n)] for i in range(n)]
    return [[upper[min(i, j)][abs(i - j)] for j in range(n)] for i in range(n)]


def _directions(moments: Matrix, np: Any) -> tuple[list[float], Matrix]:
    """This returns each signal's scale (0.0: constant) and the eigenvectors of the correlations, the largest first."""
    scale = [math.sqrt(max(moments[i][i], 0.0)) for i in range(len(moments))]
    largest = max(scale)
    scale = [d if d > 1e-9 * largest and d > 1e-9 else 0.0 for d in scale]
    values, vectors = (
        _eigen_numpy(_correlations(moments, scale), np) if np is not None else _jacobi(_correlations(moments, scale))
    )
    order = sorted(range(len(values)), key=lambda i: -values[i])
    return scale, [vectors[i] for i in order]


def _correlations(moments: Matrix, scale: list[float]) -> Matrix:
    """This returns the moments in units of `scale`; a signal without one is nothing but zeros."""
    return [
        [x / a / b if a and b else 0.0 for x, b in zip(row, scale, strict=True)]
        for row, a in zip(moments, scale, strict=True)
    ]


def _eigen_numpy(matrix: Matrix, np: Any) -> tuple[list[float], Matrix]:
    values, vectors = np.linalg.eigh(np.array(matrix))
    return values.tolist(), vectors.T.tolist()


def _jacobi(matrix: Matrix) -> tuple[list[float], Matrix]:
    """This returns eigenvalues and eigenvectors (as rows) of a symmetric matrix, by cyclic Jacobi rotations."""
    n = len(matrix)
    a = [row[:] for row in matrix]
    vectors = [[1.0 if i == j else 0.0 for j in range(n)] for i in range(n)]
    for _ in range(60):  # converges quadratically: 6 to 10 sweeps
        off = sum(a[i][j] ** 2 for i in range(n) for j in range(i))
        if off <= 1e-26 * n * n:
            break
        for p in range(n - 1):
            for q in range(p + 1, n):
                if abs(a[p][q]) > 1e-300:
                    _rotate(a, vectors, p, q)
    return [a[i][i] for i in range(n)], vectors


def _rotate(a: Matrix, vectors: Matrix, p: int, q: int) -> None:
    """This makes a[p][q] zero by one rotation; `a` is kept whole and symmetric."""
    theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q])
    t = math.copysign(1.0, theta) / (abs(theta) + math.hypot(theta, 1.0))
    c = 1.0 / math.hypot(t, 1.0)
    s = t * c
    tpq = t * a[p][q]
    row_p, row_q = a[p], a[q]
    app, aqq = row_p[p] - tpq, row_q[q] + tpq
    new_p = [c * x - s * y for x, y in zip(row_p, row_q, strict=True)]
    new_q = [s * x + c * y for x, y in zip(row_p, row_q, strict=True)]
    new_p[p], new_p[q], new_q[q], new_q[p] = app, 0.0, aqq, 0.0
    a[p], a[q] = new_p, new_q
    for i, row in enumerate(a):
        row[p], row[q] = new_p[i], new_q[i]
    v, w = vectors[p], vectors[q]
    vectors[p] = [c * x - s * y for x, y in zip(v, w, strict=True)]
    vectors[q] = [s * x + c * y for x, y in zip(v, w, strict=True)]


def _numpy() -> Any:
    try:
        return importlib.import_module("numpy")
    except ImportError:
        return None

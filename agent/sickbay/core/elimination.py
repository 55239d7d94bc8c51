"""This solves the small linear systems of regressions: Gauss, without pivots."""

from collections.abc import Sequence


def solve(table: Sequence[list[float]]) -> list[float]:
    """This returns x of A x = b, of rows [A, b], and overwrites them. A is positive definite, as a ridged correlation matrix is."""
    for k, pivot in enumerate(table):
        for other in table[k + 1 :]:
            factor = other[k] / pivot[k]
            for c in range(k, len(pivot)):
                other[c] -= factor * pivot[c]
    out = [0.0] * len(table)
    for k in reversed(range(len(table))):
        out[k] = (table[k][-1] - sum(table[k][c] * out[c] for c in range(k + 1, len(table)))) / table[k][k]
    return out

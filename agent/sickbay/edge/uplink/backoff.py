"""This is how long to wait before trying again."""

from collections.abc import Callable

LEAST_S = 0.05


class Backoff:
    """Doubling with full jitter, so that a thousand devices do not come back in one and the same second.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("Full Jitter").
    """

    def __init__(self, first_s: float, max_s: float, jitter: Callable[[], float]) -> None:
        self._first_s, self._max_s, self._jitter = first_s, max_s, jitter
        self._failures = 0

    def next_s(self) -> float:
        """This returns the next wait: `jitter` (0 to 1) times a bound that doubles up to the longest."""
        bound = min(self._max_s, self._first_s * 2.0 ** min(self._failures, 60))
        self._failures += 1
        return max(LEAST_S, bound * self._jitter())

    def reset(self) -> None:
        """This starts afresh, after a connection that proved itself."""
        self._failures = 0

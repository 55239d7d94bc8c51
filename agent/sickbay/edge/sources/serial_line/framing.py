"""This cuts a stream of bytes into lines within a fixed memory. Pure."""

_ENDS = (b"\n", b"\r")


class Lines:
    """The cutter of one stream. A line ends with \\n, \\r or both; empty lines are no lines.

    It never holds more than `bytes_max` bytes: a longer line is dropped up to its end and counted once in `overlong`.
    """

    def __init__(self, bytes_max: int) -> None:
        self.overlong = 0
        self._bytes_max = bytes_max
        self._rest = b""
        self._dropping = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """This returns the lines that `chunk` completes, without their ends."""
        if self._dropping:
            ends = [at for at in (chunk.find(end) for end in _ENDS) if at >= 0]
            if not ends:
                return []
            chunk = chunk[min(ends) :]
            self._dropping = False
        stream = self._rest + chunk
        lines = stream.splitlines()
        self._rest = b"" if stream.endswith(_ENDS) or not lines else lines.pop()
        if len(self._rest) > self._bytes_max:
            self._rest = b""
            self._dropping = True
            self.overlong += 1
        if len(stream) <= self._bytes_max:
            return [line for line in lines if line]
        self.overlong += sum(len(line) > self._bytes_max for line in lines)
        return [line for line in lines if 0 < len(line) <= self._bytes_max]

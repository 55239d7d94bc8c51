"""This turns the bytes of one line into values, and counts what was good and what was garbage. Pure."""

from sickbay.config import SerialLine
from sickbay.edge.sources.serial_line import formats
from sickbay.edge.sources.serial_line.fields import Values
from sickbay.edge.sources.serial_line.framing import Lines

QUIET_MS = 100  # a line that begins after this much quiet since opening has not lost its head


class Frames:
    """The frames of one port. Garbage is counted and never raised; nothing here grows with what comes."""

    def __init__(self, config: SerialLine, fields: dict[str, str], keep_names: bool = False) -> None:
        self.good = self.garbage = 0  # frames since the last count()
        self.complaint = ""  # what was wrong with the last garbage
        self.names: dict[str, None] = {}  # of all fields, in the order they came, where they are kept
        self._keep_names = keep_names
        self._bytes_max = config.line_bytes_max
        self._lines = Lines(config.line_bytes_max)
        self._format = formats.build(config, fields)
        self._check = formats.checksum(config)
        self._opened_ms = 0
        self._first_chunk = self._first_line = True  # still to come since the port was opened

    def reopened(self, at_ms: int) -> None:
        """This forgets half a line; what a header has taught is kept."""
        self._lines = Lines(self._bytes_max)
        self._opened_ms = at_ms
        self._first_chunk = self._first_line = True

    def count(self) -> tuple[int, int]:
        """This returns (good, garbage) since the last call."""
        counts = self.good, self.garbage
        self.good = self.garbage = 0
        return counts

    def feed(self, chunk: bytes, at_ms: int) -> list[Values]:
        """This returns the mapped values of each good frame that `chunk` completes: empty for a frame without any."""
        lines = self._lines.feed(chunk)
        if self._lines.overlong:
            self._spoil(f"a line of more than {self._bytes_max} bytes", self._lines.overlong)
            self._lines.overlong = 0
        if self._first_chunk:
            self._first_chunk = False
            self._first_line = at_ms - self._opened_ms < QUIET_MS
        if self._first_line and lines:
            self._first_line = False
            if not self._is_whole(lines[0]):
                del lines[0]
        check, parse = self._check, self._format.parse
        rows = []
        for line in lines:
            try:
                body = check(line) if check else line
                values, spoilt = parse(body)
            except ValueError as error:
                self._spoil(str(error))
                continue
            if spoilt:
                self._spoil("a field that is not a number")
            else:
                self.good += 1
            if self._keep_names:
                self.names.update(dict.fromkeys(self._format.names(body)))
            rows.append(values)
        return rows

    def _is_whole(self, line: bytes) -> bool:
        """This returns whether the first line after opening can be believed.

        The port may have been opened amid a line, and "16.5" without its head is a wrong 6.5. Half a line counts for
        nothing.
        """
        try:
            body = self._check(line) if self._check else line
            if self._check or self._format.whole:
                self._format.parse(body)
                return True
            self._format.glance(body)
        except ValueError:
            return False
        return False

    def _spoil(self, complaint: str, times: int = 1) -> None:
        self.garbage += times
        self.complaint = complaint

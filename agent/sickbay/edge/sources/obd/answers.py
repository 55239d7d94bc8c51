"""This reads what an ELM327-class adapter answers: bytes to answers, answers to what each engine computer said. Pure.

Formats from the ELM327 data sheet (ELM327DSL, "Interpreting Responses", "Multiline Responses", "Error Messages and
Alerts"), ISO 15765-2 for frames on CAN, ISO 14230-2 and SAE J1850 for the checksums of older cars. With headers or
without, with spaces or without, with echo or without: the shape of a line tells, since a clone that was reset by a
dip of the supply is back at its defaults without saying so.
"""

import re
from collections.abc import Sequence
from enum import StrEnum

import msgspec

ANSWER_BYTES_MAX = 4096  # an ELM327 itself buffers 512; what is longer has lost its prompt
ECUS_MAX = 8  # of one answer, as many as ISO 15031-5 allows


class Kind(StrEnum):
    """This is what an answer comes down to."""

    VALUES = "values"  # one engine computer at least has answered what it was asked
    NO_DATA = "no data"  # the bus works, nobody answers this
    ASLEEP = "unable to connect"  # no bus that anybody answers on
    BUS = "bus error"  # CAN ERROR, BUS INIT: ERROR, FB ERROR: what stands on the bus is not what should
    STOPPED = "stopped"  # our own bytes interrupted it
    REFUSED = "?"  # the adapter does not know the command
    RESET = "reset"  # the adapter names itself: it has lost its settings
    TEXT = "text"  # OK, a voltage: whatever a setting or a question to the adapter itself gives
    GARBAGE = "garbage"


class Answer(msgspec.Struct, frozen=True):
    """What came between two prompts."""

    kind: Kind
    ecus: dict[
        str, bytes
    ] = {}  # what each computer said behind 41 and the number, by its address; "" where none is given
    text: str = ""


_ALERTS = (  # the words of the data sheet and of clones, without blanks
    ("UNABLETOCONNECT", Kind.ASLEEP),
    ("NODATA", Kind.NO_DATA),
    ("CANERROR", Kind.BUS),
    ("BUSERROR", Kind.BUS),
    ("BUSBUSY", Kind.BUS),
    ("BUSINIT:ERROR", Kind.BUS),
    ("BUSINIT:...ERROR", Kind.BUS),
    ("FBERROR", Kind.BUS),
    ("DATAERROR", Kind.GARBAGE),
    ("RXERROR", Kind.GARBAGE),
    ("BUFFERFULL", Kind.GARBAGE),
    ("STOPPED", Kind.STOPPED),
    ("ELM327", Kind.RESET),
    ("LVRESET", Kind.RESET),
)
_PROGRESS = re.compile(r"SEARCHING\.*|BUSINIT:(\.*OK)?\.*")
_HEX = re.compile(r"[0-9A-F]+")


class Prompts:
    """Bytes in, one list of lines for each prompt. What grows beyond all bounds is thrown away and counted."""

    def __init__(self) -> None:
        self.overflows = 0
        self._held = bytearray()

    @property
    def searching(self) -> bool:
        """Whether the adapter has said that it looks for the car's protocol, which takes seconds."""
        return b"SEARCH" in self._held or b"BUS INIT" in self._held

    def clear(self) -> None:
        self._held.clear()

    def feed(self, chunk: bytes) -> list[list[str]]:
        """This returns the answers that are whole now."""
        *whole, rest = (bytes(self._held) + chunk).split(b">")
        if len(rest) > ANSWER_BYTES_MAX:
            self.overflows += 1
            rest = b""
        self._held = bytearray(rest)
        return [_lines(answer[-ANSWER_BYTES_MAX:]) for answer in whole]


def _lines(answer: bytes) -> list[str]:
    """This returns lines without blanks. The data sheet says to ignore NUL; what is no ASCII stays visible as ?."""
    text = answer.replace(b"\0", b"").decode("ascii", "replace").replace("\n", "\r")
    return [line for line in ("".join(part.split()).upper() for part in text.split("\r")) if line]


def read(lines: Sequence[str], command: str) -> Answer:
    """This returns what the lines between two prompts say to `command`, with or without its echo."""
    asked = command.replace(" ", "").upper()
    said = [line for line in lines if line != asked]
    text = " ".join(said)
    for line in said:
        for word, kind in _ALERTS:
            if word in line and not (kind is Kind.RESET and asked in ("ATZ", "ATI", "ATWS")):
                return Answer(kind, text=text)
    if asked.startswith("AT"):
        return Answer(Kind.REFUSED if "?" in said else Kind.TEXT if said else Kind.GARBAGE, text=text)
    frames = [frame for line in said if (frame := _PROGRESS.sub("", line))]
    if frames == ["?"]:
        return Answer(Kind.REFUSED, text=text)
    ecus = _messages(frames, asked)
    if ecus is None:
        return Answer(Kind.GARBAGE, text=text)
    if ecus:
        return Answer(Kind.VALUES, ecus, text)
    return Answer(Kind.NO_DATA, text=text)


def volts(text: str) -> float | None:
    """This returns the voltage that ATRV gave, e.g. "12.6V"; None for what is none."""
    found = re.search(r"\d{1,2}\.\d{1,2}(?=V|$)", text)
    return float(found[0]) if found else None


def supported(base: int, mask: bytes) -> set[int]:
    """This returns the numbers that an answer to 0100, 0120, ... says there are: the highest bit is base + 1."""
    bits = int.from_bytes(mask[:4].ljust(4, b"\0"), "big")
    return {base + 1 + i for i in range(32) if bits >> (31 - i) & 1}


def _messages(frames: Sequence[str], asked: str) -> dict[str, bytes] | None:
    """This returns {address: bytes behind 41 and the number}; empty where all refused, None where a line makes no sense."""
    expected = bytes([int(asked[:2], 16) | 0x40, int(asked[2:4], 16)])
    long: dict[str, tuple[int, bytes]] = {}  # messages of several frames: length, and what came so far
    found: dict[str, bytes] = {}
    refused = False
    for frame in frames:
        part = _frame(frame, expected)
        if part is None:
            return None
        address, kind, payload = part
        if kind == "length":
            long[address] = int(payload.hex(), 16), b""
            continue
        if kind == "first":
            long[address] = payload[0] << 8 | payload[1], payload[2:]
        elif kind.startswith("next"):
            size, before = long.get(address, (0, b""))
            # ISO 15765-2: the first frame holds 6 bytes, each further one 7, numbered from 1 modulo 16.
            turn = (len(before) + 1) // 7 % 16
            if not size or int(kind[4:], 16) != turn:
                return None
            long[address] = size, before + payload
        else:
            long[address] = len(payload), payload
        size, so_far = long[address]
        if len(so_far) >= size:
            message = so_far[:size]
            del long[address]
            if message[:2] == expected and len(found) < ECUS_MAX:
                found.setdefault(address, message[2:])
            elif message[:2] == bytes([0x7F, expected[0] - 0x40]):
                refused = True
            else:
                return None  # the answer to another question: we are out of step
    return None if long or not (found or refused) else found


def _frame(line: str, expected: bytes) -> tuple[str, str, bytes] | None:
    """This returns (address, "whole" | "length" | "first" | "nextN", bytes) of one line, None for what is no frame."""
    if (many := re.fullmatch(r"([0-9A-F]):((?:[0-9A-F]{2})+)", line)) is not None:
        return "", "next" + many[1], bytes.fromhex(many[2])
    if not _HEX.fullmatch(line):
        return None
    if len(line) == 3:  # without headers: how many bytes the numbered lines will hold
        return "", "length", bytes.fromhex("0" + line)
    if len(line) % 2 and line[0] == "7":
        return _can(line[:3], bytes.fromhex(line[3:]))
    if len(line) % 2:
        return None
    if line.startswith(("18DA", "18DB")):
        return _can(line[:8], bytes.fromhex(line[8:]))
    content = bytes.fromhex(line)
    if content[:2] == expected or content[:1] == b"\x7f":
        return "", "whole", content
    if len(content) >= 5 and _sum_fits(content):
        return line[4:6], "whole", content[3:-1]
    return None


def _can(address: str, content: bytes) -> tuple[str, str, bytes] | None:
    """This returns a CAN frame behind its address, by its protocol byte. ISO 15765-2, table 9."""
    if not content:
        return None
    kind, low = content[0] >> 4, content[0] & 15
    if kind == 0 and 1 <= low <= len(content) - 1:
        return address, "whole", content[1 : 1 + low]
    if kind == 1 and len(content) >= 3:
        return address, "first", bytes([low]) + content[1:]
    if kind == 2:
        return address, f"next{low:X}", content[1:]
    return None


def _sum_fits(content: bytes) -> bool:
    """This returns whether the last byte is the checksum of the others, as on ISO 9141, KWP2000 or SAE J1850."""
    if sum(content[:-1]) & 0xFF == content[-1]:
        return True
    crc = 0xFF
    for byte in content[:-1]:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x1D if crc & 0x80 else crc << 1) & 0xFF
    return crc ^ 0xFF == content[-1]

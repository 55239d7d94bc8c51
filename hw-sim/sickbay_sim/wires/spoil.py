"""These are the faults of a line, on bytes: what is sent goes in, what arrives comes out, with its delay. No clock, no port.

Each kind is a function of one frame: what the machine sends at once, a line of text or an adapter's answer.
"""

import random
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sickbay_sim.wires.uart import resampled

Arrivals = list[tuple[float, bytes]]  # (seconds after it was sent, what arrives then)

FLIP_SHARE = 0.01  # of the bits, at severity 1
DRIBBLE_S = 60.0  # that a frame takes, at severity 1
BACKLOG_S = 120.0  # what is still to dribble out; beyond it the sender's buffer overruns, and frames are lost
FLOOD = 1000  # frames for one, at severity 1
AWAY_S = 3.0  # for which a renamed port is gone
RATIOS = (0.5, 2.0, 3.0, 12.0)  # bit lengths: 57600, 230400, 38400 and 9600 baud beside 115200
_NUMBER = re.compile(rb"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])")
_CHECKED = re.compile(rb"^(\$?)(.*)\*([0-9A-Fa-f]{2}|[0-9A-Fa-f]{4})(\s*)$", re.S)


@dataclass
class Course:
    """One fault of the line while it lasts: how bad it is now, its own chance, and what it has to remember."""

    kind: str
    chance: random.Random
    since_s: float
    severity: float = 1.0
    held: deque[bytes] = field(default_factory=lambda: deque(maxlen=1))
    free_s: float = 0.0  # slow_dribble: when the line has room again
    ratio: float = 2.0  # wrong_baud

    def strikes(self) -> bool:
        """This returns whether the fault befalls this frame: severity is the share that it befalls."""
        return self.chance.random() < self.severity


def _garbage(course: Course, frame: bytes, at_s: float) -> Arrivals:
    if not course.strikes():
        return [(0.0, frame)]
    end = frame[len(frame.rstrip(b"\r\n")) :]
    return [(0.0, course.chance.randbytes(len(frame) - len(end)) + end)]


def _flips(course: Course, frame: bytes, at_s: float) -> Arrivals:
    share = course.severity * FLIP_SHARE
    wrong = bytearray(frame)
    for place in range(len(wrong) * 8):
        if course.chance.random() < share:
            wrong[place // 8] ^= 1 << place % 8
    return [(0.0, bytes(wrong))]


def _wrong_baud(course: Course, frame: bytes, at_s: float) -> Arrivals:
    return [(0.0, resampled(frame, course.ratio) if course.strikes() else frame)]


def _truncated(course: Course, frame: bytes, at_s: float) -> Arrivals:
    body = frame.rstrip(b"\r\n")
    if not course.strikes() or len(body) < 2:
        return [(0.0, frame)]
    return [(0.0, body[: course.chance.randrange(1, len(body))] + frame[len(body) :])]


def _half_frame(course: Course, frame: bytes, at_s: float) -> Arrivals:
    """The end of the line is lost as well: the next frame sticks to this one."""
    return [(0.0, frame[: len(frame) // 2] if course.strikes() else frame)]


def _duplicated(course: Course, frame: bytes, at_s: float) -> Arrivals:
    return [(0.0, frame * 2 if course.strikes() else frame)]


def _reordered(course: Course, frame: bytes, at_s: float) -> Arrivals:
    if course.held:
        return [(0.0, frame + course.held.popleft())]
    if course.strikes():
        course.held.append(frame)
        return []
    return [(0.0, frame)]


def _crc_valid_wrong(course: Course, frame: bytes, at_s: float) -> Arrivals:
    """What a converter with bad memory sends: numbers are others, and the checksum is right for them."""
    if not course.strikes():
        return [(0.0, frame)]
    checked = _CHECKED.match(frame)
    if checked is None:
        return [(0.0, _other_numbers(frame, course.chance))]
    lead, body, check, end = checked.groups()
    body = _other_numbers(body, course.chance)
    right = b"%02X" % _xor(body) if len(check) == 2 else b"%04X" % _crc16(body)
    return [(0.0, lead + body + b"*" + right + end)]


def _slow_dribble(course: Course, frame: bytes, at_s: float) -> Arrivals:
    begin = max(at_s, course.free_s)
    if begin - at_s > BACKLOG_S:
        return []
    step_s = course.severity * DRIBBLE_S / max(1, len(frame))
    course.free_s = begin + step_s * len(frame)
    return [(begin - at_s + step_s * (i + 1), frame[i : i + 1]) for i in range(len(frame))]


def _flood(course: Course, frame: bytes, at_s: float) -> Arrivals:
    """A line of a debugging build, again and again, and ours somewhere in it."""
    many = round(course.severity * (FLOOD - 1))
    before = course.chance.randrange(many + 1)
    return [(0.0, _babble(course, before) + frame + _babble(course, many - before))]


def _babble(course: Course, lines: int) -> bytes:
    return b"".join(b"[dbg] %08x adc dma irq\r\n" % course.chance.getrandbits(32) for _ in range(lines))


def _stale_repeats(course: Course, frame: bytes, at_s: float) -> Arrivals:
    if not course.held:
        course.held.append(frame)
    return [(0.0, course.held[0] if course.strikes() else frame)]


def _gone(course: Course, frame: bytes, at_s: float) -> Arrivals:
    return []


def _renamed(course: Course, frame: bytes, at_s: float) -> Arrivals:
    return [] if at_s < course.since_s + AWAY_S else [(0.0, frame)]


KINDS: Mapping[str, Callable[[Course, bytes, float], Arrivals]] = {
    "garbage": _garbage,
    "flips": _flips,
    "wrong_baud": _wrong_baud,
    "truncated": _truncated,
    "duplicated": _duplicated,
    "reordered": _reordered,
    "crc_valid_wrong": _crc_valid_wrong,
    "half_frame": _half_frame,
    "slow_dribble": _slow_dribble,
    "flood": _flood,
    "stale_repeats": _stale_repeats,
    "unplug": _gone,
    "replug_renamed": _renamed,
}


class LineFaults:
    """All that is wrong with one line. The same seed, frames and times give the same bytes."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._courses: dict[str, Course] = {}
        self._begun: dict[str, int] = {}  # how often each kind has struck: each time with chance of its own

    def set(self, severities: Mapping[str, float], at_s: float) -> None:
        """This puts the faults in force from now on: {kind: severity in 0..1}; what is not in it is over."""
        for kind in [k for k in self._courses if not severities.get(k)]:
            del self._courses[kind]
        for kind, severity in severities.items():
            if kind not in KINDS:
                raise ValueError(f"line fault {kind!r}: unknown. Known: {', '.join(KINDS)}")
            if not severity:
                continue
            if kind not in self._courses:
                turn = self._begun[kind] = self._begun.get(kind, 0) + 1
                chance = random.Random(f"line {self._seed} {kind} {turn}")
                self._courses[kind] = Course(kind, chance, at_s, ratio=chance.choice(RATIOS))
            self._courses[kind].severity = min(1.0, severity)

    def plugged(self, at_s: float) -> bool:
        """This returns whether the port is there at all."""
        renamed = self._courses.get("replug_renamed")
        return "unplug" not in self._courses and (renamed is None or at_s >= renamed.since_s + AWAY_S)

    def renamed(self) -> bool:
        """This returns whether the port, when it is there, has another name than before."""
        return "replug_renamed" in self._courses

    def feed(self, frame: bytes, at_s: float) -> Arrivals:
        """This returns what arrives of one frame that is sent at `at_s`; more than one fault act one after another."""
        arriving: Arrivals = [(0.0, frame)]
        for course in self._courses.values():
            arriving = [
                (delay + later, part)
                for delay, content in arriving
                for later, part in KINDS[course.kind](course, content, at_s + delay)
            ]
        return arriving


def _other_numbers(content: bytes, chance: random.Random) -> bytes:
    """This changes one digit of each number; of hexadecimal, as an adapter's answer is, the last byte."""

    def other(found: re.Match[bytes]) -> bytes:
        text = bytearray(found[0])
        places = [i for i, c in enumerate(text) if 0x30 <= c <= 0x39]
        place = chance.choice(places)
        text[place] = chance.choice([c for c in b"123456789" if c != text[place]])
        return bytes(text)

    words = content.replace(b">", b" ").split()
    if words and all(re.fullmatch(rb"[0-9A-F]{2,}", word) for word in words):
        place = max((i for i, c in enumerate(content) if c in b"0123456789ABCDEF"), default=-1)
        wrong = chance.choice([c for c in b"0123456789ABCDEF" if c != content[place]])
        return content[:place] + bytes([wrong]) + content[place + 1 :]
    return _NUMBER.sub(other, content)


def _xor(content: bytes) -> int:
    value = 0
    for byte in content:
        value ^= byte
    return value


def _crc16(content: bytes) -> int:
    """CRC-16/MODBUS."""
    crc = 0xFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc

"""This is `sickbay score`: JSON lines in, verdicts out, for streams of which nothing is known. The node is the daemon's."""

import argparse
import math
import sys
from collections.abc import Iterable
from typing import TextIO

import msgspec

from sickbay.core.equipment import Equipment, Mode, Part, Policy, Signal
from sickbay.core.node import Node
from sickbay.core.reading import Reading
from sickbay.errors import SickbayError

PART = "stream"
SLOW_SCORE_MOST = 9.0  # of what lasts: beyond it only what is new counts, where rows are minutes apart


class ScoreError(SickbayError, ValueError):
    """This is a line that is not of the agreed shape; the text says which line, and what is wrong with it."""


class Header(msgspec.Struct, forbid_unknown_fields=False):
    """The first line."""

    signals: list[str]
    warm: int
    period_s: float = 1.0


class Sample(msgspec.Struct):
    """One sample a line."""

    t: float
    x: list[float | None]


class Answer(msgspec.Struct):
    """One answer a line: `score` is higher the odder, `blame` has one number a signal."""

    score: float
    alarm: bool
    blame: list[float] | None


class Stream:
    """One stream through one node."""

    def __init__(self, header: Header) -> None:
        every_ms = max(1, round(header.period_s * 1000))
        # Names carry no meaning here and may hold anything: the node gets its own.
        self._names = [f"s{i}" for i in range(len(header.signals))]
        signals = tuple(Signal(name, "stream", every_ms=every_ms, isolate=Mode.OFF) for name in self._names)
        part = Part(PART, tuple(self._names), isolate=Mode.OFF)
        self._node = Node(Equipment("score", signals, (part,), (), Policy(learn_rows=header.warm)), "score")
        self._row = self._node.ward.rows[PART]
        self._at_ms = 0
        self._every_ms = every_ms
        self._over: set[int] = set()  # signals that were over their limit in the present alarm

    def answer(self, sample: Sample) -> Answer:
        """This returns the verdict on one sample; a missing reading is simply not fed."""
        if len(sample.x) != len(self._names):
            raise ScoreError(f'"x" has {len(sample.x)} numbers, the header named {len(self._names)} signals')
        node = self._node
        # Cadence, not the stamp: a logger's clock may jump, and a gap in it is no silence of a sensor here.
        self._at_ms += self._every_ms
        for name, value in zip(self._names, sample.x, strict=True):
            if value is not None:
                node.feed(Reading(name, value, self._at_ms))
        node.row_over(self._at_ms)
        node.take_effects()
        return self._verdict()

    def _verdict(self) -> Answer:
        view, slow = self._row.view, self._row.view.slow
        if view.learning:
            return Answer(0.0, False, None)
        blame = view.blame()
        score, alarm = view.score, view.alarm
        self._over = self._over | {index for index, much in enumerate(blame) if much >= 1.0} if alarm else set()
        accused = set(self._over)
        failing = {index for index, _ in view.sensor_faults}
        if slow is not None:
            failing.update(slow.wild)
        for index, channel in enumerate(self._row.members):
            if channel.failing:
                failing.add(index)
            # A single impossible value is not yet a fault: the qualification decides, as in the daemon.
            if any(entry.test_failed for _, entry in channel.active):
                accused.add(index)
                alarm = True
        if failing:
            score = max(score, 1.5)
            # Where rows are minutes apart, one may be all that there ever is of a fault.
            alarm = alarm or slow is not None or bool(view.sensor_faults)
        if slow is not None:
            score = score / (1.0 + score / SLOW_SCORE_MOST) + slow.news
        return Answer(
            _finite(score), alarm, [_share(b, index in failing, index in accused) for index, b in enumerate(blame)]
        )


def _share(much: float, failing: bool, accused: bool) -> float:
    """This returns a signal's share in the blame: 1 to 3 where it is over its own limit or fails, else less than half of that.

    An alarm lingers on below the limits: who was over them in it stays accused, and nobody else becomes so.
    """
    if failing:
        return 2.0 + min(1.0, 0.01 * much)
    if much >= 1.0:
        return 2.0 - 1.0 / min(much, 1e12)
    return 0.45 + 0.04 * much if accused else 0.2 * much


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.epilog = (
        'First line in: {"signals": ["a", "b"], "warm": 400, "period_s": 1.0}. Then {"t": seconds, "x": [1.2, null]} a sample. '
        'Out, for each: {"score": 0.3, "alarm": false, "blame": [0.1, 0.3]}.'
    )


def run(options: argparse.Namespace) -> int:
    return serve(sys.stdin.buffer, sys.stdout)


def serve(lines: Iterable[bytes | str], out: TextIO) -> int:
    """This answers each line before it reads the next; returns 0 at the end of the input, 2 after a line it cannot take."""
    sample = msgspec.json.Decoder(Sample)
    stream: Stream | None = None
    for number, line in enumerate(lines, 1):
        try:
            if stream is None:
                stream = Stream(_checked(msgspec.json.decode(line, type=Header)))
                continue
            out.write(msgspec.json.encode(stream.answer(sample.decode(line))).decode() + "\n")
            out.flush()
        except (msgspec.MsgspecError, UnicodeError, ScoreError) as error:
            print(f"sickbay score: line {number}: {error}", file=sys.stderr)
            return 2
    return 0


def _checked(header: Header) -> Header:
    if not header.signals:
        raise ScoreError('"signals" is empty: there is nothing to judge')
    if header.warm < 0 or not 0 < header.period_s < math.inf:
        raise ScoreError('"warm" must be 0 or more, "period_s" above 0')
    return header


def _finite(value: float) -> float:
    return min(max(value, -1e12), 1e12) if value == value else 0.0

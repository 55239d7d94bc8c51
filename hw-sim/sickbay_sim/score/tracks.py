"""These are the lines of a run's picture, before anybody draws them: what was true, told, isolated and switched, over time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sickbay_sim.ailments.shape import severity_at
from sickbay_sim.scenario import Fault
from sickbay_sim.score.blame import meaning, stories
from sickbay_sim.score.machine import Played, fault_of

LINES_MAX = 14  # of one section; what is beyond is counted in its last line
VERDICTS_MAX = 8  # of that section: those that concern what was ill or blamed come first
SIGNALS_SHOWN = 3
TEETH_MAX = 200  # periods of an intermittent fault; finer ones are drawn as their mean
CORNERS = 240  # by which a severity that changes slowly is drawn
BEFORE = 0.06  # share of the story's length that is shown of the warm-up


@dataclass(frozen=True)
class Span:
    """One stretch of a line. `look` says how it is drawn: see picture.LOOKS."""

    from_s: float
    to_s: float
    look: str
    heights: tuple[tuple[float, float], ...] = ()  # (at_s, 0..1) corners of its upper edge; none: full height


@dataclass(frozen=True)
class Mark:
    """One moment of a line."""

    at_s: float
    look: str


@dataclass(frozen=True)
class Track:
    """One line of the picture."""

    label: str
    spans: tuple[Span, ...] = ()
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Section:
    """Lines that belong together."""

    title: str
    tracks: tuple[Track, ...]


@dataclass(frozen=True)
class Curve:
    """One signal: what reached the port, what perfect sensors would have said, and when it was isolated."""

    label: str
    said: tuple[tuple[float, float | None], ...]
    true: tuple[tuple[float, float], ...]
    isolated: tuple[Span, ...]


def extent(played: Played) -> tuple[float, float]:
    """This returns the first and the last second that a picture shows: a little of the warm-up, more where it was not quiet."""
    run = played.run
    first = min([-BEFORE * run.end_s, *(t.at_s for t in run.told), *(m.from_s for m in run.masked)])
    return max(first, -run.scenario.warm_s), max(run.end_s, 1.0)


def sections(played: Played) -> list[Section]:
    """This returns the lines of a picture from top to bottom; a section without lines says so."""
    return [
        Section("what was true", _bounded(_truth(played), "nothing was wrong")),
        Section("failed verdicts", _bounded(_verdicts(played), "none", VERDICTS_MAX)),
        Section("what was told", _bounded(_told(played), "nothing was told")),
        Section("quarantine", _bounded(_quarantine(played), "nothing was isolated")),
        Section("relays", _bounded(_relays(played), "none")),
    ]


def _bounded(tracks: list[Track], none: str, most: int = LINES_MAX) -> tuple[Track, ...]:
    if not tracks:
        return (Track(none),)
    if len(tracks) <= most:
        return tuple(tracks)
    return (*tracks[: most - 1], Track(f"and {len(tracks) - most + 1} more"))


def _truth(played: Played) -> list[Track]:
    out = []
    for illness in sorted(played.run.truth, key=lambda i: i.onset_s):
        end_s = played.run.end_s if illness.end_s is None else min(illness.end_s, played.run.end_s)
        fault = fault_of(played.run.scenario, illness)
        heights = tuple(_heights(fault, illness.onset_s, end_s)) if fault is not None else ()
        span = Span(illness.onset_s, end_s, f"true-{illness.layer}", heights)
        out.append(Track(f"{illness.kind} of {illness.target}", (span,)))
    return out


def _heights(fault: Fault, begin: float, end_s: float) -> list[tuple[float, float]]:
    """This returns the corners of a fault's severity, as a share of the kind's own worst, between onset and end."""
    if fault.shape == "step" or fault.over_s <= 0:
        return [(begin, fault.severity), (end_s, fault.severity)]
    if fault.shape == "intermittent":
        teeth = math.ceil((end_s - fault.at_s) / fault.over_s)
        if teeth > TEETH_MAX:
            return [(begin, fault.severity * fault.duty), (end_s, fault.severity * fault.duty)]
        out: list[tuple[float, float]] = []
        for k in range(teeth):
            on = fault.at_s + k * fault.over_s
            off = min(on + fault.duty * fault.over_s, end_s)
            out += [(on, 0.0), (on, fault.severity), (off, fault.severity), (off, 0.0)]
        return out
    until = replace(fault, until_s=None)
    times = [begin + (end_s - begin) * k / CORNERS for k in range(CORNERS + 1)]
    return [(t, severity_at(until, t)) for t in times]


def _verdicts(played: Played) -> list[Track]:
    failed = [c for c in played.run.changes if c.kind == "verdict" and c.detail.get("result") != "passed"]
    ill, blamed = concerned(played)
    names = sorted(dict.fromkeys(c.name for c in failed), key=lambda n: (n not in ill, n not in blamed))
    return [Track(n, marks=tuple(Mark(c.at_s, "verdict") for c in failed if c.name == n)) for n in names]


def _told(played: Played) -> list[Track]:
    out = []
    for messages in stories(played.run).values():
        first, last = messages[0], messages[-1]
        worth, _ = meaning(played.run, first.at_s, first.target, first.layer)
        until = last.at_s if last.kind == "closed" else played.run.end_s
        marks = []
        for told in messages:
            now, _ = meaning(played.run, told.at_s, told.target, told.layer)
            renamed = (told.target, told.layer) != (first.target, first.layer)
            marks.append(Mark(told.at_s, f"{told.kind}-{now if renamed and told.kind != 'closed' else worth}"))
        named = " > ".join(dict.fromkeys(t.target for t in messages))
        out.append(Track(f"{last.class_}: {named}", (Span(first.at_s, until, f"story-{worth}"),), tuple(marks)))
    return out


def _quarantine(played: Played) -> list[Track]:
    out = []
    for name in dict.fromkeys(s.name for s in sorted(played.run.masked, key=lambda s: s.from_s)):
        out.append(Track(name, _spans(played, name)))
    return out


def _spans(played: Played, name: str) -> tuple[Span, ...]:
    run = played.run
    return tuple(
        Span(s.from_s, run.end_s if s.to_s is None else s.to_s, "active" if s.active else "passive")
        for s in run.masked
        if s.name == name
    )


def _relays(played: Played) -> list[Track]:
    out = []
    for relay, moves in played.run.relays.items():
        ends = [at_s for at_s, _ in moves[1:]] + [played.run.end_s]
        spans = [Span(at_s, to, "closed" if on else "open") for (at_s, on), to in zip(moves, ends, strict=True)]
        out.append(Track(relay, tuple(spans)))
    return out


def curves(played: Played, most: int = SIGNALS_SHOWN) -> list[Curve]:
    """This returns the signals that tell most of the story, in the machine's order: those that were ill or blamed first,
    then those that went furthest from their warm-up.
    """
    run = played.run
    if not run.rows:
        return []
    ill, blamed = concerned(played)
    ranks = {
        n: (n in ill, n in blamed, _strayed([(at_s, row.get(n)) for at_s, row in run.rows]))
        for n in played.machine.signals
    }
    chosen = sorted(played.machine.signals, key=lambda n: ranks[n], reverse=True)[:most]
    out = []
    for name in (n for n in played.machine.signals if n in chosen):
        said = tuple((at_s, row.get(name)) for at_s, row in run.rows)
        true = tuple((at_s, row[name]) for at_s, row in run.true_rows if name in row)
        unit = played.machine.units.get(name, "")
        out.append(Curve(f"{name} [{unit}]" if unit else name, said, true, _spans(played, name)))
    return out


def concerned(played: Played) -> tuple[set[str], set[str]]:
    """This returns the names that were ill or may be blamed, and those that were blamed or isolated."""
    run = played.run
    ill = {name for i in run.truth for name in (i.target, *i.blamed)}
    return ill, {t.target for t in run.told} | {s.name for s in run.masked}


def _strayed(column: Sequence[tuple[float, float | None]]) -> float:
    """This returns how far a signal went from its warm-up, in spreads of that."""
    warm = [v for at_s, v in column if at_s < 0 and v is not None]
    story = [v for at_s, v in column if at_s >= 0 and v is not None]
    if len(warm) < 2 or not story:
        return 0.0
    mean = math.fsum(warm) / len(warm)
    sd = math.sqrt(math.fsum((v - mean) ** 2 for v in warm) / len(warm))
    return max(abs(v - mean) for v in story) / max(sd, 1e-9 * max(1.0, abs(mean)))

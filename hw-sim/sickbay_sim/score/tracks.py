"""These are the lines of a run's picture, before anybody draws them: what was true, told, isolated and switched, over time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sickbay_sim.record import Illness
from sickbay_sim.scenario import Fault
from sickbay_sim.score.blame import meaning, stories
from sickbay_sim.score.machine import Trial, fault_of

LINES_MAX = 14  # of one section; what is beyond is counted in its last line
SIGNALS_SHOWN = 3
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


def extent(trial: Trial) -> tuple[float, float]:
    """This returns the first and the last second that a picture shows."""
    run = trial.run
    return -min(run.scenario.warm_s, BEFORE * max(run.end_s, 1.0)), max(run.end_s, 1.0)


def sections(trial: Trial) -> list[Section]:
    """This returns the lines of a picture from top to bottom; a section without lines says so."""
    return [
        Section("what was true", _bounded(_truth(trial), "nothing was wrong")),
        Section("failed verdicts", _bounded(_verdicts(trial), "none")),
        Section("what was told", _bounded(_told(trial), "nothing was told")),
        Section("quarantine", _bounded(_quarantine(trial), "nothing was isolated")),
        Section("relays", _bounded(_relays(trial), "none")),
    ]


def _bounded(tracks: list[Track], none: str) -> tuple[Track, ...]:
    if not tracks:
        return (Track(none),)
    if len(tracks) <= LINES_MAX:
        return tuple(tracks)
    return (*tracks[: LINES_MAX - 1], Track(f"and {len(tracks) - LINES_MAX + 1} more"))


def _truth(trial: Trial) -> list[Track]:
    out = []
    for illness in sorted(trial.run.truth, key=lambda i: i.onset_s):
        end_s = trial.run.end_s if illness.end_s is None else min(illness.end_s, trial.run.end_s)
        fault = fault_of(trial.run.scenario, illness)
        heights = tuple(_heights(fault, illness, end_s)) if fault is not None else ()
        span = Span(illness.onset_s, end_s, f"true-{illness.layer}", heights)
        out.append(Track(f"{illness.kind} of {illness.target}", (span,)))
    return out


def _heights(fault: Fault, illness: Illness, end_s: float) -> list[tuple[float, float]]:
    """This returns the corners of a fault's severity, as a share of the kind's own worst, between onset and end."""
    full, begin, over = fault.severity, illness.onset_s, fault.over_s
    if over <= 0 or fault.shape == "step":
        return [(begin, full), (end_s, full)]
    if fault.shape == "intermittent":
        teeth = int((end_s - begin) / over) + 1
        if teeth > 200:  # finer than can be drawn
            return [(begin, full * fault.duty), (end_s, full * fault.duty)]
        out = []
        for k in range(teeth):
            on, off = begin + k * over, min(begin + (k + fault.duty) * over, end_s)
            out += [(on, 0.0), (on, full), (off, full), (off, 0.0)]
        return [*out, (end_s, 0.0)]
    top = min(fault.at_s + over, end_s)
    if fault.shape == "linear":
        corners = [(begin, 0.0), (top, full * (top - begin) / over)]
    elif fault.shape == "staircase":
        steps = [begin + k * over / 5 for k in range(6) if begin + k * over / 5 <= end_s]
        corners = [corner for k, t in enumerate(steps) for corner in ((t, full * max(0, k - 1) / 5), (t, full * k / 5))]
    else:
        times = [begin + (top - begin) * k / 24 for k in range(25)]
        corners = [(t, full * math.expm1(3 * (t - begin) / over) / math.expm1(3)) for t in times]
    return [*corners, (end_s, corners[-1][1])]


def _verdicts(trial: Trial) -> list[Track]:
    failed = [c for c in trial.run.changes if c.kind == "verdict" and c.detail.get("result") != "passed"]
    names = list(dict.fromkeys(c.name for c in failed))
    return [Track(n, marks=tuple(Mark(c.at_s, "verdict") for c in failed if c.name == n)) for n in names]


def _told(trial: Trial) -> list[Track]:
    out = []
    for messages in stories(trial.run).values():
        first, last = messages[0], messages[-1]
        worth, _ = meaning(trial.run, first.at_s, first.target, first.layer)
        until = last.at_s if last.kind == "closed" else trial.run.end_s
        marks = []
        for told in messages:
            now, _ = meaning(trial.run, told.at_s, told.target, told.layer)
            renamed = (told.target, told.layer) != (first.target, first.layer)
            marks.append(Mark(told.at_s, f"{told.kind}-{now if renamed and told.kind != 'closed' else worth}"))
        named = " > ".join(dict.fromkeys(t.target for t in messages))
        out.append(Track(f"{last.class_}: {named}", (Span(first.at_s, until, f"story-{worth}"),), tuple(marks)))
    return out


def _quarantine(trial: Trial) -> list[Track]:
    out = []
    for name in dict.fromkeys(s.name for s in sorted(trial.run.masked, key=lambda s: s.from_s)):
        out.append(Track(name, _spans(trial, name)))
    return out


def _spans(trial: Trial, name: str) -> tuple[Span, ...]:
    run = trial.run
    return tuple(
        Span(s.from_s, run.end_s if s.to_s is None else s.to_s, "active" if s.active else "passive")
        for s in run.masked
        if s.name == name
    )


def _relays(trial: Trial) -> list[Track]:
    out = []
    for relay, moves in trial.run.relays.items():
        ends = [at_s for at_s, _ in moves[1:]] + [trial.run.end_s]
        spans = [Span(at_s, to, "closed" if on else "open") for (at_s, on), to in zip(moves, ends, strict=True)]
        out.append(Track(relay, tuple(spans)))
    return out


def curves(trial: Trial, most: int = SIGNALS_SHOWN) -> list[Curve]:
    """This returns the signals that tell most of the story, in the machine's order: those that were ill or blamed first,
    then those that went furthest from their warm-up.
    """
    run = trial.run
    if not run.rows:
        return []
    ill = {name for i in run.truth for name in (i.target, *i.blamed)}
    blamed = {t.target for t in run.told} | {s.name for s in run.masked}
    ranks = {
        n: (n in ill, n in blamed, _strayed([(at_s, row.get(n)) for at_s, row in run.rows]))
        for n in trial.machine.signals
    }
    chosen = sorted(trial.machine.signals, key=lambda n: ranks[n], reverse=True)[:most]
    out = []
    for name in (n for n in trial.machine.signals if n in chosen):
        said = tuple((at_s, row.get(name)) for at_s, row in run.rows)
        true = tuple((at_s, row[name]) for at_s, row in run.true_rows if name in row)
        unit = trial.machine.units.get(name, "")
        out.append(Curve(f"{name} [{unit}]" if unit else name, said, true, _spans(trial, name)))
    return out


def _strayed(column: Sequence[tuple[float, float | None]]) -> float:
    """This returns how far a signal went from its warm-up, in spreads of that."""
    warm = [v for at_s, v in column if at_s < 0 and v is not None]
    story = [v for at_s, v in column if at_s >= 0 and v is not None]
    if len(warm) < 2 or not story:
        return 0.0
    mean = math.fsum(warm) / len(warm)
    sd = math.sqrt(math.fsum((v - mean) ** 2 for v in warm) / len(warm))
    return max(abs(v - mean) for v in story) / max(sd, 1e-9 * max(1.0, abs(mean)))

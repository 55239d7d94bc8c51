"""This decides what each word and each isolation of a run was about: rightly blamed, wrongly, a "don't know", or out of nothing.

Every figure of the card that speaks of right, wrong or false rests on `meaning` alone.

- An illness is *in force* from its onset to its end, and is *recent* for AFTER_S after its end.
- A word is RIGHT if it names what an illness in force or recent may be blamed for: a name in `blamed`, the target itself, or,
  for an illness of the line or the surroundings, its layer. Who is sent to look at the line or around the machine for a
  sensor's or part's illness is sent wrong, whatever name stands beside. A word that claims no layer is UNKNOWN instead.
- Else it is UNKNOWN if it claims no layer while an illness is in force, and WRONG if it claims one: the alarm had a cause.
- Else it is FALSE: nothing was in force. What is told of a neighbour after the end is false, too.

What machine.EVERYDAY lists is no illness: it excuses a word that names it, and no other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sickbay_sim.record import Illness, Masked, Run, Told
from sickbay_sim.score.machine import Played, is_everyday

AFTER_S = 300.0
TOUCHES_S = 1.5  # spans of one name that are no further apart are one stay: passive turned active, not a release
WIDE = (
    "line",
    "surroundings",
)  # layers that are named by themselves: whose name they bear is the configuration's affair


class Meaning(StrEnum):
    """This is what a word or an isolation was worth."""

    RIGHT = "right"
    UNKNOWN = "unknown"
    WRONG = "wrong"
    FALSE = "false"


@dataclass(frozen=True)
class Word:
    """One thing that was said anew: an escalation opened, or updated to blame something else."""

    told: Told
    meaning: Meaning
    illness: int | None  # index in the run's truth of what it is held to be about; None: FALSE


@dataclass(frozen=True)
class Stay:
    """One stay of a signal or part out of service, or as good as: spans that touch are one."""

    name: str
    from_s: float
    to_s: float | None
    active_from_s: float | None  # None: passive to the end
    meaning: Meaning
    illness: int | None

    @property
    def active(self) -> bool:
        return self.active_from_s is not None


@dataclass(frozen=True)
class Course:
    """What became of one illness. Times are seconds since its onset, None: never."""

    played: Played
    illness: Illness
    class_: str  # hard | intermittent | drift | wear | latent
    words: tuple[Word, ...]  # what was told about it, in order
    stays: tuple[Stay, ...]  # RIGHT ones
    opened: int
    messages: int
    noticed_s: float | None  # anything told about it
    named_s: float | None  # told rightly
    isolated_s: float | None  # first RIGHT stay, passive or active

    @property
    def first(self) -> Word | None:
        """The first word that claims a layer, else the first "don't know"."""
        definite = [w for w in self.words if w.meaning is not Meaning.UNKNOWN]
        return next(iter([*definite, *self.words]), None)


def in_force(illness: Illness, at_s: float) -> bool:
    """This returns whether an illness was there at a time."""
    return illness.onset_s <= at_s and (illness.end_s is None or at_s <= illness.end_s)


def recent(illness: Illness, at_s: float) -> bool:
    """This returns whether an illness ended no longer than AFTER_S ago."""
    return illness.end_s is not None and illness.end_s < at_s <= illness.end_s + AFTER_S


def names(illness: Illness, target: str, layer: str) -> bool:
    """This returns whether a blamed target answers an illness."""
    if layer in WIDE:
        return layer == illness.layer or (illness.layer in WIDE and target in (illness.target, *illness.blamed))
    return target in (illness.target, *illness.blamed)


def meaning(run: Run, at_s: float, target: str, layer: str = "") -> tuple[Meaning, int | None]:
    """This returns what blaming `target` at a time was worth, and which illness, by its index in the truth, it was about.

    Of several that fit, one in force goes before a recent one, and the latest onset first.
    """
    truth = run.truth
    now = sorted((i for i, ill in enumerate(truth) if in_force(ill, at_s)), key=lambda i: -truth[i].onset_s)
    past = sorted((i for i, ill in enumerate(truth) if recent(ill, at_s)), key=lambda i: -truth[i].onset_s)
    for i in (*now, *past):
        if names(truth[i], target, layer):
            return (Meaning.UNKNOWN if layer == "unknown" else Meaning.RIGHT), i
    excuse = next((i for i in now if not is_everyday(run, truth[i])), None)
    if excuse is None:
        return Meaning.FALSE, None
    return (Meaning.UNKNOWN if layer == "unknown" else Meaning.WRONG), excuse


def stories(run: Run) -> dict[str, list[Told]]:
    """This returns the messages of each fault told, in order of time, faults in order of their first message."""
    out: dict[str, list[Told]] = {}
    for told in sorted(run.told, key=lambda t: (t.at_s, t.revision)):
        out.setdefault(told.fault_id, []).append(told)
    return out


def words(run: Run) -> list[Word]:
    """This returns everything that was said anew. An update that blames nothing else says nothing anew, nor does a closing."""
    out: list[Word] = []
    for story in stories(run).values():
        said: tuple[str, str] | None = None
        for told in story:
            if told.kind == "closed" or (told.target, told.layer) == said:
                continue
            said = (told.target, told.layer)
            out.append(Word(told, *meaning(run, told.at_s, told.target, told.layer)))
    return sorted(out, key=lambda w: w.told.at_s)


def openings(said: Sequence[Word]) -> list[Word]:
    """This returns the first word of each fault told."""
    first: dict[str, Word] = {}
    for word in said:
        first.setdefault(word.told.fault_id, word)
    return list(first.values())


def stays(run: Run) -> list[Stay]:
    """This returns the stays out of service, in order of time. What a person ordered there is not the machine's doing."""
    out: list[Stay] = []
    for name in dict.fromkeys(span.name for span in run.masked):
        spans = sorted((s for s in run.masked if s.name == name), key=lambda s: s.from_s)
        for group in _touching(spans):
            if _ordered(run, name, group[0].from_s):
                continue
            active = next((s.from_s for s in group if s.active), None)
            worth = meaning(run, group[0].from_s, name)
            out.append(Stay(name, group[0].from_s, group[-1].to_s, active, *worth))
    return sorted(out, key=lambda s: (s.from_s, s.name))


def _ordered(run: Run, name: str, at_s: float) -> bool:
    near_s = max(TOUCHES_S, 2 * run.scenario.period_s)
    orders = [o for o in run.scenario.orders if o.verb == "quarantine" and o.target == name]
    return any(0 <= at_s - order.at_s <= near_s for order in orders)


def _touching(spans: list[Masked]) -> Iterator[list[Masked]]:
    group: list[Masked] = []
    for span in spans:
        ended = group[-1].to_s if group else None
        if group and ended is not None and span.from_s - ended > TOUCHES_S:
            yield group
            group = []
        group.append(span)
    if group:
        yield group


def courses(played: Played) -> list[Course]:
    """This returns what became of each illness of a run, in the order of its truth; what is everyday is none."""
    run = played.run
    said, out_of_service, told = words(run), stays(run), stories(run)
    about = {w.told.fault_id: w.illness for w in reversed(said)}  # a fault's whole story is about what its opening was
    out: list[Course] = []
    for i, illness in enumerate(run.truth):
        if is_everyday(run, illness):
            continue
        mine = tuple(w for w in said if w.illness == i)
        held = tuple(s for s in out_of_service if s.illness == i and s.meaning is Meaning.RIGHT)
        faults = [fault for fault, index in about.items() if index == i]
        right = [w.told.at_s for w in mine if w.meaning is Meaning.RIGHT]
        out.append(
            Course(
                played,
                illness,
                played.class_of(illness),
                mine,
                held,
                opened=len(faults),
                messages=sum(len(told[fault]) for fault in faults),
                noticed_s=mine[0].told.at_s - illness.onset_s if mine else None,
                named_s=right[0] - illness.onset_s if right else None,
                isolated_s=held[0].from_s - illness.onset_s if held else None,
            )
        )
    return out


def healthy_s(run: Run) -> float:
    """This returns for how long of 0..end no illness was in force: the time in which a word can be false."""
    ill, reached = 0.0, 0.0
    for illness in sorted((i for i in run.truth if not is_everyday(run, i)), key=lambda i: i.onset_s):
        begin = max(reached, illness.onset_s)
        end = run.end_s if illness.end_s is None else min(illness.end_s, run.end_s)
        if end > begin:
            ill, reached = ill + end - begin, end
    return max(0.0, run.end_s - ill)

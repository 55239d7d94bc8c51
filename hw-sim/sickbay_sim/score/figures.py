"""These are the figures of the card in the order in which people read them: name, aim, definition and how each is written."""

from collections.abc import Callable
from dataclasses import dataclass

from sickbay_sim.score.blame import AFTER_S
from sickbay_sim.score.card import Card
from sickbay_sim.score.intervals import Rate, Share, Times

NONE = "-"


@dataclass(frozen=True)
class Figure:
    """One line of the card. `says` defines it; "" where the line before has said it. `beside`: the baselines have it, too."""

    group: str
    name: str
    of: Callable[[Card], str]
    says: str = ""
    aim: str = ""
    beside: bool = False


def share(found: Share) -> str:
    """This returns a share as people write it: 92.3 % (36 of 39; 79-98)."""
    if found.share is None or found.low is None or found.high is None:
        return NONE
    return f"{100 * found.share:.1f} % ({found.n} of {found.of}; {100 * found.low:.0f}-{100 * found.high:.0f})"


def rate(found: Rate) -> str:
    """This returns a rate as people write it: 1.2 (3; 0.25-3.5)."""
    if found.per_month is None or found.low is None or found.high is None:
        return NONE
    return f"{short(found.per_month)} ({found.events}; {short(found.low)}-{short(found.high)})"


def times(found: Times) -> str:
    """This returns times as people write them: 3.0 / 12 s (n 36)."""
    if found.p50 is None or found.p95 is None:
        return NONE
    return f"{short(found.p50)} / {short(found.p95)} s (n {found.n})"


def number(value: float | None, unit: str = "") -> str:
    """This returns a number with its unit, and a dash where there is none."""
    return NONE if value is None else f"{short(value)} {unit}".rstrip()


def short(value: float) -> str:
    """This returns three significant figures without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{float(f'{value:.3g}'):g}"


def _recall(name: str, aim: str = "", says: str = "") -> Figure:
    return Figure("found", f"recall, {name}", lambda c: share(c.detection.by_class[name].noticed), says, aim, True)


def _delay(layer: str, says: str = "") -> Figure:
    return Figure(
        "found", f"onset to told, {layer}", lambda c: times(c.detection.by_layer[layer].to_noticed), says, "", True
    )


FIGURES = (
    Figure(
        "found",
        "recall, all",
        lambda c: share(c.detection.recall.noticed),
        f"illnesses of which anything was told between onset and {AFTER_S:g} s after the end, whomever it blamed: "
        "what alarms all the time has all of it, so read it beside the false escalations",
        "",
        True,
    ),
    _recall("hard", "99 %", "a fault's class follows from its kind and the shape of its severity (score/machine.py)"),
    _recall("intermittent", "95 %"),
    _recall("drift", "90 %"),
    _recall("wear"),
    _recall("latent", "", "what its story says nothing that is measured can show, and why: in no other share of what was found"),
    Figure(
        "found",
        "rightly named",
        lambda c: share(c.detection.recall.named),
        "the same, of which something was told that names what is to blame, be it after a wrong word",
        "",
        True,
    ),
    _delay("sensor", "p50 / p95 of the time from onset to the first message about it, over those that had one"),
    _delay("part"),
    _delay("line"),
    _delay("surroundings"),
    Figure(
        "found",
        "hard fault, onset to told",
        lambda c: times(c.detection.by_class["hard"].to_noticed),
        "the same, hard faults of all layers",
        "",
        True,
    ),
    Figure(
        "found",
        "hard fault, onset to quarantine",
        lambda c: times(c.detection.hard_to_quarantine),
        "hard faults of sensors and parts, to the first stay out of service of what is to blame, passive ones included",
        "p95 5 s",
    ),
    Figure(
        "found",
        "wear told of before its limit",
        lambda c: share(c.detection.wear.told),
        "wear that grows to a limit within the story (the first declared limit that a signal truly crosses, else the end of its "
        "over_s), of which anything was told before that",
        "",
        True,
    ),
    Figure(
        "found",
        "wear warned of with a fifth of its life left",
        lambda c: share(c.detection.wear.warned),
        "the same, of which what is to blame was named as early, be it with doubt whether it is the part or its sensor",
        "70 %",
        True,
    ),
    Figure(
        "found",
        "wear told with the time left, as early",
        lambda c: share(c.detection.wear.foretold),
        "the same, of wear that takes a signal beyond a limit that the scenario declares for it",
    ),
    Figure(
        "found",
        "wear rightly named before its limit",
        lambda c: share(c.detection.wear.named),
        "",
        "",
        True,
    ),
    Figure(
        "found",
        "life left at the warning",
        lambda c: f"{number(c.detection.wear.lead_p50)} / {number(c.detection.wear.lead_least)}",
        "median / least share of the time from onset to limit that is left at the first right word; below 0: too late",
        "",
        True,
    ),
    Figure(
        "blamed",
        "first word right",
        lambda c: share(c.detection.blame.right),
        "of the illnesses of which something definite was told: the first that claims a layer names what is to blame",
        "95 %",
        True,
    ),
    Figure(
        "blamed",
        "sensor for part, or the reverse",
        lambda c: share(c.detection.blame.wrong_layer),
        "of the sensor and part illnesses among them: the first such word is wrong, and of the other of the two layers",
        "at most 2 %",
        True,
    ),
    Figure(
        "blamed",
        "wrong at first, corrected",
        lambda c: share(c.detection.blame.corrected),
        "of those first blamed wrongly: rightly named later",
        "",
        True,
    ),
    Figure(
        "blamed",
        'only ever "don\'t know"',
        lambda c: str(c.detection.blame.dont_know),
        "illnesses of which something was told, but never a layer: the place may be right, and nobody is blamed",
        "",
        True,
    ),
    Figure(
        "false",
        "false escalations a device-month",
        lambda c: rate(c.detection.false_alarms.opened),
        "opened while no illness was in force, unless it names one that ended less than "
        f"{AFTER_S:g} s before. The months are those after the warm-up in which no illness was in force",
        "0.1",
        True,
    ),
    Figure(
        "false",
        "distinct among them",
        lambda c: str(c.detection.false_alarms.distinct),
        "at another moment, of another target, or on another unit: stories with the same plant and seed begin with the same "
        "healthy hours, and say the same false thing again. So the interval above is narrower than it should be",
        "",
        True,
    ),
    Figure(
        "false",
        "opened / isolated in the warm-up",
        lambda c: f"{c.detection.false_alarms.warm_up} / {c.isolation.warm_up}",
        "nothing is wrong there; in no rate, and the baselines, who only look on there, have none",
        "0 / 0",
    ),
    Figure(
        "false",
        "wrong blame",
        lambda c: str(c.detection.false_alarms.wrong_blame),
        "opened while an illness was in force, naming none of them: an alarm with a cause",
        "",
        True,
    ),
    Figure(
        "false",
        'opened as "don\'t know"',
        lambda c: str(c.detection.false_alarms.dont_know),
        "the same without claiming a layer: a question to a person, neither right nor wrong",
        "",
        True,
    ),
    Figure(
        "false",
        "false quarantines a device-month",
        lambda c: rate(c.isolation.false),
        "stays out of service begun while no illness was in force, as above; passive ones included",
        "0.05",
    ),
    Figure(
        "quarantine",
        "precision",
        lambda c: share(c.isolation.precision),
        "stays of what is to blame, of all stays; spans of one name that touch are one stay, a person's orders are none",
    ),
    Figure(
        "quarantine",
        "recall",
        lambda c: share(c.isolation.recall),
        "sensor and part illnesses of which what is to blame was isolated, or would have been where passive",
    ),
    Figure("quarantine", "active, of all stays", lambda c: f"{c.isolation.active} of {c.isolation.stays}"),
    Figure(
        "quarantine",
        "of a neighbour",
        lambda c: str(c.isolation.wrong),
        "stays of something else, begun while an illness was in force",
    ),
    Figure(
        "quarantine",
        "healthy signals masked, s a day",
        lambda c: number(c.isolation.collateral_signal_s_day),
        "seconds a device-day in which signals were actively out of service that were not to blame; "
        "what has healed and waits for its release is not counted here",
    ),
    Figure("quarantine", "healthy parts isolated, s a day", lambda c: number(c.isolation.collateral_part_s_day)),
    Figure(
        "quarantine",
        "essential parts isolated / driven",
        lambda c: f"{c.isolation.essential_isolated} / {c.isolation.essential_driven}",
        "active stays of essential parts / orders off to their outputs, or contacts that opened without a fault of their own",
        "0",
    ),
    Figure(
        "quarantine",
        "end to release",
        lambda c: times(c.isolation.to_release),
        "p50 / p95 from the end of an illness to the end of the active stay of what was to blame",
    ),
    Figure(
        "quarantine",
        "healed and not released",
        lambda c: f"{c.isolation.not_released}, and {c.isolation.by_hand} that wait for a person",
        "active stays of healed things at the end of the run; a part without power waits for a person (ADR 0009)",
    ),
    Figure(
        "quarantine",
        "flapping",
        lambda c: f"{share(c.isolation.flapped)}; most {c.isolation.cycles_most}",
        "isolated illnesses with more than one stay; most returns to service and back out of it of one target in one illness",
    ),
    Figure(
        "quarantine",
        "stand-in: bias / RMS / worst",
        lambda c: (
            f"{number(c.isolation.stand_ins.bias)} / {number(c.isolation.stand_ins.rms)} / "
            f"{number(c.isolation.stand_ins.worst)} (n {c.isolation.stand_ins.n})"
        ),
        "what stood in for a masked signal less what was true, in that signal's own normal spreads",
    ),
    Figure(
        "messages",
        "opened / updated / closed",
        lambda c: f"{c.messages.opened} / {c.messages.updated} / {c.messages.closed}",
        "faults told, and messages about them",
        "",
        True,
    ),
    Figure(
        "messages",
        "faults told an illness",
        lambda c: number(c.messages.opened_per_illness),
        "of illnesses that were told of; what was wrongly blamed while it was in force included",
        "1",
        True,
    ),
    Figure(
        "messages",
        "messages an illness / most",
        lambda c: f"{number(c.messages.messages_per_illness)} / {c.messages.messages_per_illness_most}",
        "",
        "",
        True,
    ),
    Figure(
        "messages",
        "duplicates / lost / under way",
        lambda c: f"{c.messages.duplicates} / {c.messages.lost} / {c.messages.undelivered}",
        "counted twice by the receiving end / known to nobody any more / not yet committed there when the run ended",
        "0 / 0",
    ),
    Figure(
        "cost",
        "bytes out / bytes in",
        lambda c: NONE if c.messages.out_per_in is None else f"1 / {short(1 / c.messages.out_per_in)}"
        if c.messages.out_per_in
        else "0",
        "what left for the fleet against what came over the line",
    ),
    Figure("cost", "bytes out a device-day", lambda c: number(c.messages.bytes_out_day), "warm-up included, as below"),
    Figure(
        "cost",
        "CPU seconds a device-day",
        lambda c: number(c.messages.cpu_s_day),
        "of the agent alone, on the machine that ran this; the one figure that differs from run to run",
    ),
)  # fmt: skip

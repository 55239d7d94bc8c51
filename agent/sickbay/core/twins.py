"""This follows signals that measure the same thing: whether they still agree, and which of them is to blame when not."""

from sickbay.core import casework, peers
from sickbay.core.channel import Channel, Twins
from sickbay.core.diagnosis import Finding
from sickbay.core.fault import Result
from sickbay.core.ward import Ward

CLASS = "disagreement"
UNDECIDED_STEPS = 20  # disagreements in a row without a culprit, before a person is asked


def heard(ward: Ward, twins: Twins, channel: Channel) -> None:
    """This takes note of one member's reading, and judges the group once all have spoken."""
    twins.fresh |= 1 << twins.members.index(channel)
    waits = sum(1 << i for i, c in enumerate(twins.members) if not c.silent and not twins.fresh >> i & 1)
    if waits:
        return
    twins.fresh = 0
    # A member that is out of service is judged all the same, in the shadow: how else would it come back?
    values = [None if c.silent or c.failing else c.value for c in twins.members]
    suspect = any(c.masked or c.failing for c in twins.members)
    failed = twins.judge.step(values, suspect)
    if failed:
        _blame(ward, twins)
    elif twins.judge.tested:
        twins.undecided = 0
        for member in twins.members:
            casework.judge(ward, member.spec.name, CLASS, Result.PREPASSED)


def _blame(ward: Ward, twins: Twins) -> None:
    names = [c.spec.name for c in twins.members]
    if any(
        c.target in names and c.layer == "sensor" and c.class_ != CLASS and c.is_failing
        for c in ward.triage.open_cases()
    ):
        return  # one of them is known to be ill: that they differ is no news
    if any(row.view.alarm and not row.settled for c in twins.members for row, _ in c.rows):
        return  # a part of theirs has just begun to run oddly: let its diagnosis come first
    if any(row.view.may_be_stuck(i) for c in twins.members for row, i in c.rows):
        return  # who stands still while the other moves left no normal, and is the one that errs: it is known in a moment
    known = next((k for k, name in enumerate(names) if ward.faults.is_failing(name, CLASS)), None)
    culprit = known if known is not None else twins.judge.who([_oddness(ward, c) for c in twins.members])
    said = ", ".join(
        f"{c.spec.name} says {c.value:.5g} {c.spec.unit}".strip() for c in twins.members if c.value is not None
    )
    if culprit is not None:
        twins.undecided = 0
        finding = Finding("sensor", names[culprit], CLASS, (said, f"{names[culprit]} is the one that left its normal"))
        for k, name in enumerate(names):
            result = Result.PREFAILED if k == culprit else Result.PREPASSED
            casework.judge(ward, name, CLASS, result, finding if k == culprit else None)
        return
    parts = [row.part.name for c in twins.members for row, _ in c.rows]
    if any(c.target in parts and c.layer in ("part", "unknown") and c.is_failing for c in ward.triage.open_cases()):
        return  # their part is known to be odd, and nobody knows more than that
    twins.undecided += 1
    if twins.undecided >= UNDECIDED_STEPS:
        doubt = (f"neither stands out: any of {' and '.join(names)} may be wrong",)
        casework.judge(ward, names[0], CLASS, Result.FAILED, Finding("unknown", names[0], CLASS, (said,), doubt))


def _oddness(ward: Ward, channel: Channel) -> float:
    """This returns how far a signal is out of its own normal, in units of its own limit.

    What relations say counts only where they name one: two that differ break the relations of both.
    """
    named = peers.verdict(ward, channel) == "sensor"
    views = ((row.view, i) for row, i in channel.rows if not row.view.learning)
    return max((view.blame()[i] if named else view.own(i) for view, i in views), default=0.0)

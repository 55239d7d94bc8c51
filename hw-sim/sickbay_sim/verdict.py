"""This judges a run by its own scenario: each expectation and bound, held or broken, in words. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from sickbay_sim.record import Masked, Run, Told
from sickbay_sim.scenario import Expect, Fault


@dataclass(frozen=True)
class Check:
    """One thing that was asked of a run."""

    name: str  # as the file's key: expect[0].within_s, bounds.escalations_max
    held: bool
    says: str


def judge(run: Run) -> list[Check]:
    """This returns every thing that the scenario asks, in the file's order."""
    checks = [Check("ran", not run.trouble, run.trouble or f"ran to its end, {run.end_s:g} s")]
    for i, expect in enumerate(run.scenario.expects):
        checks += _expected(run, f"expect[{i}]", expect)
    return [*checks, *_bounds(run)]


def fault_of(run: Run, expect: Expect) -> Fault:
    """This returns the fault that an expectation answers."""
    return run.scenario.faults[expect.fault or 0]


def targets_of(expect: Expect) -> tuple[str, ...]:
    """This returns the names of which any may be blamed."""
    return (expect.target,) if isinstance(expect.target, str) else expect.target


def _expected(run: Run, at: str, expect: Expect) -> Iterator[Check]:
    fault, names = fault_of(run, expect), targets_of(expect)
    who = " or ".join(names)
    due = run.end_s if expect.within_s is None else fault.at_s + expect.within_s
    named = [t for t in run.told if t.kind != "closed" and t.target in names and t.at_s >= fault.at_s]
    in_time = [t for t in named if t.at_s <= due]
    if expect.within_s is not None:
        yield Check(f"{at}.within_s", bool(in_time), _when(named, fault, who, expect.within_s))
    if expect.layer is not None:
        yield _word(f"{at}.layer", in_time, [t.layer for t in in_time], (expect.layer,), who)
    if expect.class_:
        yield _word(f"{at}.class", in_time, [t.class_ for t in in_time], expect.class_, who)
    spans = [m for m in run.masked if m.name in names and (m.to_s is None or m.to_s > fault.at_s)]
    if expect.quarantine is not None:
        yield _quarantined(f"{at}.quarantine", spans, fault, expect.quarantine, who)
    if expect.released_within_s is not None and fault.until_s is not None:
        yield _released(f"{at}.released_within_s", spans, fault.until_s + expect.released_within_s, fault.until_s, who)
    if expect.lead_s is not None:
        limit = fault.at_s + fault.over_s
        lead = limit - named[0].at_s if named else None
        says = "never told" if lead is None else f"{who} was told {lead:.0f} s before its limit"
        yield Check(
            f"{at}.lead_s", lead is not None and lead >= expect.lead_s, f"{says}; asked are {expect.lead_s:g} s"
        )


def _when(named: list[Told], fault: Fault, who: str, within_s: float) -> str:
    if not named:
        return f"{who} was never told; asked within {within_s:g} s"
    return f"{named[0].target} was told {named[0].at_s - fault.at_s:.1f} s after its onset; asked within {within_s:g} s"


def _word(name: str, told: list[Told], said: list[str], wanted: tuple[str, ...], who: str) -> Check:
    held = any(word in wanted for word in said)
    heard = ", ".join(dict.fromkeys(said)) or "nothing"
    where = f"of {told[0].target} it said {heard}" if told else f"{who} was not told in time"
    return Check(name, held, f"{where}; asked is {' or '.join(wanted)}")


def _quarantined(name: str, spans: list[Masked], fault: Fault, wanted: bool, who: str) -> Check:
    mine = [m for m in spans if fault.until_s is None or m.from_s <= fault.until_s]
    if not mine:
        return Check(name, not wanted, f"{who} stayed in service")
    how = "was isolated" if any(m.active for m in mine) else "would have been isolated"
    return Check(name, wanted, f"{mine[0].name} {how} {mine[0].from_s - fault.at_s:.1f} s after the onset")


def _released(name: str, spans: list[Masked], due_s: float, end_s: float, who: str) -> Check:
    late = [m for m in spans if m.to_s is None or m.to_s > due_s]
    if not spans:
        return Check(name, True, f"{who} was never out of service")
    if late:
        when = (
            "never came back"
            if late[0].to_s is None
            else f"came back {late[0].to_s - end_s:.0f} s after the fault's end"
        )
        return Check(name, False, f"{late[0].name} {when}; asked within {due_s - end_s:g} s")
    last = max(m.to_s for m in spans if m.to_s is not None)
    return Check(name, True, f"{who} was back {last - end_s:.0f} s after the fault's end")


def _bounds(run: Run) -> Iterator[Check]:
    asked = run.scenario.bounds
    counts = {
        "escalations_max": (len({t.fault_id for t in run.told}), "faults were told"),
        "messages_max": (len(run.told), "messages left"),
        "duplicates_max": (sum(max(0, t.arrivals - 1) for t in run.told), "messages counted twice"),
        "lost_max": (run.lost, "messages were lost"),
        "bytes_max": (run.bytes_out, "bytes left"),
    }
    for key, (count, what) in counts.items():
        most = getattr(asked, key)
        if most is not None:
            yield Check(f"bounds.{key}", count <= most, f"{count} {what}; at most {most}")
    for name in asked.never_isolate:
        spans = [m for m in run.masked if m.name == name and m.active]
        says = f"isolated at {spans[0].from_s:.0f} s" if spans else "stayed in service"
        yield Check(f"bounds.never_isolate.{name}", not spans, f"{name} {says}")
    for name in asked.never_blame:
        blamed = [t for t in run.told if t.target == name and t.kind != "closed"]
        says = f"blamed at {blamed[0].at_s:.0f} s: {blamed[0].class_}" if blamed else "not blamed"
        yield Check(f"bounds.never_blame.{name}", not blamed, f"{name} {says}")
    for relay, wanted in asked.relays.items():
        moves = run.relays.get(relay, [])
        closed = moves[-1][1] if moves else None
        words = {True: "closed", False: "open", None: "unknown"}
        says = f"{relay} is {words[closed]} at the end; asked is {words[wanted]}"
        yield Check(f"bounds.relays.{relay}", closed is wanted, says)

"""These are the words: what a case says to the person on site, without wall time and without a guess."""

from typing import Any

from sickbay.core.case import Case
from sickbay.core.channel import Channel
from sickbay.core.classes import CLASSES
from sickbay.core.fault import Entry
from sickbay.core.quarantine import Record, State

FRAME_POINTS = 40  # of each signal, in a freeze frame
FRAME_SIGNALS = 8

Window = list[tuple[int, float | None]]


def deviation(found: dict[str, Any], unit: str) -> str:
    """This returns what a signal's chart found, as a technician would say it."""
    if found.get("learning"):
        return f"{found['name']} is still being learnt"
    unit = f" {unit}" if unit else ""
    times = abs(float(found["deviations"]))
    if found["timescale"] == "noise":
        return f"{found['name']} is {times:.1f} times as noisy as usual"
    value, centre = float(found["value"]), float(found["centre"])
    if abs(value) < 1e-9 * abs(centre):
        value = 0.0  # what is left of a zero that was standardised and back
    if found["gone"]:
        way, rows = "up" if found["gone"] > 0.0 else "down", found["gone_rows"]
        by = f"{abs(found['gone']):.4g}{unit}"
        return f"{found['name']} went {way} by {by}, from the mean of {rows} rows to that of the next {rows}"
    over = "from one row to the next" if found["timescale"] == "jump" else f"over {found['rows']} rows"
    return f"{found['name']} is {value:.4g}{unit}, normally {centre:.4g}{unit}: {times:.1f} times its usual wander {over}".rstrip()


def afield(name: str, edges: tuple[float, float, float], unit: str) -> str:
    """This returns how far a signal is beyond all that it was in learning, from its mean then and now."""
    slow, low, high = edges
    unit = f" {unit}" if unit else ""
    never = f"above {high:.4g}" if slow > high else f"below {low:.4g}"
    return f"{name} is about {slow:.4g}{unit}; it was never {never}{unit} while it was learnt, and the other parts are as they were"


def alike(moved: dict[str, float], unit: str) -> str:
    """This returns that all signals of one unit have left their normal the same way, by so much each."""
    way = "above" if min(moved.values()) > 0.0 else "below"
    each = ", ".join(f"{name} {abs(far):.3g}" for name, far in moved.items())
    return f"all that is measured in {unit} is {way} where it was while it was learnt: {each} {unit}"


def mark(found: dict[str, Any], class_: str, unit: str) -> str:
    """This returns the words for a fault with a sensor's own signature."""
    if class_ == "stuck" and not found.get("learning"):
        value = f"{float(found['value']):.4g} {unit}".strip()
        stood = f"{found['name']} has stood still at {value} for {found['equal_rows']} rows"
        if not found["stuck_rows"]:  # it has no flicker: its peers have told
            return f"{stood}, longer than ever while the rest goes on as it always did"
        return f"{stood}; its own flicker, as learnt on this unit, allows fewer than {found['stuck_rows']:.0f}"
    return f"{found['name']} {CLASSES[class_].says}"


def standing(found: dict[str, Any], blame: float, unit: str) -> str:
    """This returns how a signal stands against its normal now, whether or not it is odd."""
    if found.get("learning"):
        return deviation(found, unit)
    if blame >= 1.0:
        return deviation(found, unit)
    unit = f" {unit}" if unit else ""
    normal = f"{float(found['centre']):.4g}{unit}"
    return f"{found['name']} is {float(found['value']):.4g}{unit}; normal is {normal}; {100 * blame:.0f} % of its limit"


def summary(case: Case, record: Record | None, substitute: str | None) -> str:
    """This returns one sentence: what is wrong, and what was done about it."""
    says = CLASSES[case.class_].says
    if case.layer == "unknown":
        says += ", and it is not known why"
    elif case.layer == "surroundings":
        says += ", and so does most of the device: look around it first"
    if case.is_open and case.clear_ms is not None and case.overlay.latched and case.revision <= 1:
        return (
            f"{case.target} comes and goes: it {says}, again and again. It stays open until somebody acknowledges it."
        )
    if case.is_open and case.clear_ms is not None:
        return f"It is over so far: {case.target} {says.replace('is ', 'was ', 1)}. The case closes when it stays well."
    outlook = f" {case.outlook}." if case.outlook else ""
    return f"{case.target} {says}.{outlook} {done(case, record, substitute)}"


def stand_in(channel: Channel) -> str | None:
    """This returns who stands in for a masked signal: another by name, or an estimate marked as one, with its error."""
    if channel.substitute is not None or channel.estimate is None:
        return channel.substitute
    value, error = channel.estimate
    unit = f" {channel.spec.unit}" if channel.spec.unit else ""
    return f"an estimate from its peers ({value:.4g}{unit}, give or take {2 * error:.2g})"


def done(case: Case, record: Record | None, substitute: str | None) -> str:
    """This returns what the device did."""
    if not case.is_open:
        return f"It is over. {case.feedback}." if case.feedback else "It is over."
    if record is None or record.state is State.IN_SERVICE:
        return "Nothing was switched."
    if record.state is State.WOULD_ISOLATE and record.output_fails:
        return "It was ordered off, but its output did not follow: it may be running or not."
    if record.state is State.WOULD_ISOLATE:
        return f"It was left in service: {record.rule}."
    if record.state is State.LOCKED_OUT:
        return "It is locked out after too many relapses."
    if record.state is State.PROBATION:
        return "It is on probation."
    stands_in = f"; {substitute} stands in" if substitute else ""
    return f"It was taken out of service{stands_in}."


def releases(case: Case, record: Record | None, can_prove_itself: bool) -> str:
    """This returns what would bring the target back, or close the case."""
    if record is not None and record.state is State.WOULD_ISOLATE and record.output_fails:
        return f'The order to switch off stands. A person takes it back: sickbay release {case.target} --reason "..."'
    if record is None or record.state in (State.IN_SERVICE, State.WOULD_ISOLATE):
        return f"The case closes when {case.origin[0]} is back to normal."
    if record.state is State.PROBATION:
        return f"Back in service after {record.probation_ms / 1000:g} s without a fault."
    if record.state is State.LOCKED_OUT or record.held or not can_prove_itself:
        return f'A person only: sickbay release {case.target} --reason "..."'
    return f"By itself: healthy again, then {record.probation_ms / 1000:g} s of probation."


def gist(case: Case, record: Record | None) -> str:
    """This returns, in short, what a message would say: a new one is worth sending only when this changes.

    Probation is left out on purpose: that it begins is no news, that it ends closes the case.
    """
    state = record.state if record is not None else State.IN_SERVICE
    if state is State.PROBATION:
        state = State.ISOLATED
    proof = record.output_fails if record is not None else False
    return f"{case.layer}|{case.target}|{case.severity}|{state}|{proof}|{case.overlay.latched}|{case.outlook_step}"


def thinned(window: Window, points: int = FRAME_POINTS) -> Window:
    """This returns at most `points` of a window: the first and last kept, evenly between."""
    if len(window) <= points:
        return list(window)
    last = len(window) - 1
    return [window[round(i * last / (points - 1))] for i in range(points)]


def history(case: Case, entry: Entry, cases: list[Case]) -> dict[str, Any]:
    """This returns this unit's own past with this fault."""
    before = [c for c in cases if c.origin == case.origin and c.id != case.id]
    return {
        "occurrences": entry.occurrences,
        "near_misses": entry.near_misses,
        "cases_before": len(before),
        "feedback": [c.feedback for c in [*before, case] if c.feedback][-5:],
        "last_case": before[-1].id if before else None,
        "first_ms": entry.first_ms,
        "last_ms": entry.last_ms,
    }

"""This decides whose fault it is: this sensor, this part, the line, the surroundings, or honestly unknown.

A sensor's fault breaks every relation that holds the sensor; a part's fault breaks the relation of that part and shows in more
than one signal, because physics follows. What one signal alone says about a part stays a question until its peers have had time
to answer it.
"""

from collections.abc import Sequence

import msgspec

ACCUSED = 1.0  # a signal at or beyond its own limit
GONE_LEAST = 2  # others of its part that have gone elsewhere, and slowly: it is the part that did


class Witness(msgspec.Struct, frozen=True):
    """What one signal of the part has to say."""

    signal: str
    blame: float  # how far out of its normal, in its own terms; 1 is the edge of normal
    words: str  # e.g. "flow is 18.2 below its normal 122 L/min (36 deviations)"
    ill: bool = False  # a sensor fault of its own is known
    twin_agrees: bool | None = None  # what its redundant twin says; None: it has none
    leapt: bool = False  # from one row to the next, farther than it ever moved in learning, and it stayed there
    # Whether its peers, as they always moved together, say otherwise; None: they never could tell.
    denied: bool | None = None
    coarse: bool = False  # it lost its flicker: it says the same, or something far away
    company: bool = False  # other signals of the unit are where they never were, too
    # Who broke its relation to the unit's other signals: "sensor", "part", "doubt" (two could each be it). None: it holds.
    relation: str | None = None
    gone: bool = False  # it is far beyond all that it was in learning, though its chart may have followed it
    # Since it left its normal it goes up and down as it never did, smoothly: no sensor's error does.
    roams: bool = False


class Finding(msgspec.Struct, frozen=True):
    """A diagnosis, with both sides of the case."""

    layer: str
    target: str
    class_: str
    evidence: tuple[str, ...]
    counter: tuple[str, ...] = ()
    settled: bool = True
    symptom_of: str | None = None  # the target whose fault explains this


def part_anomaly(
    part: str, witnesses: Sequence[Witness], waited: bool, others: Sequence[str], parts: int, common: bool = False
) -> Finding:
    """This returns whose fault an anomaly of `part` is.

    `witnesses` are its signals, `waited` says that the peers had their time to follow, `others` are the other parts in alarm since
    about the same time, out of `parts` in all; `common` says that several moved slowly together.
    """
    accused = sorted((w for w in witnesses if w.blame >= ACCUSED), key=lambda w: -w.blame)
    calm = tuple(f"{w.signal} is as usual" for w in witnesses if w not in accused and not w.ill)
    says = tuple(w.words for w in accused)
    well = [w for w in accused if not w.ill]
    believed = [w for w in well if w.twin_agrees is not False]
    if len(believed) == 1 and len(believed) < len(accused) == len(well):
        accused = well = believed  # the others are contradicted by their twins, which is judged by itself
    if parts >= 3 and len(others) + 1 > parts / 2:
        also = tuple(f"part {name} broke at the same time" for name in others)
        return Finding("surroundings", part, "anomaly", says + also, calm)
    if len(well) >= 2 or (well and len(accused) >= 2):
        if common:
            both = tuple(f"part {name} moved at the same time" for name in others)
            doubt = ("so load, weather or supply may have moved them all",)
            return Finding("unknown", part, "anomaly", says + both, calm + doubt, settled=waited)
        return Finding("part", part, "anomaly", says, calm)
    if not accused:
        loudest = max(witnesses, key=lambda w: w.blame, default=None)
        if loudest is not None and loudest.ill:
            # Most of the sum is a sensor's own fault, and what the others add is what they always add.
            says = (loudest.words, f"the fault of {loudest.signal} is known")
            return Finding("sensor", part, "anomaly", says, calm, settled=waited, symptom_of=loudest.signal)
        doubt = ("no single signal stands out, but together they no longer fit",)
        return Finding("unknown", part, "anomaly", doubt, calm, settled=waited)
    if not well:
        # Its own sensor fault explains it, once the peers had time to follow and did not.
        return Finding("sensor", part, "anomaly", says, calm, settled=waited, symptom_of=accused[0].signal)
    gone = [w.signal for w in witnesses if w.gone and w is not accused[0] and not w.ill and w.twin_agrees is None]
    if len(gone) >= GONE_LEAST and not common and accused[0].relation != "sensor":
        far = tuple(f"{name} is far from all that it was in learning" for name in gone)
        return Finding("part", part, "anomaly", says + far, calm, settled=waited)
    # Where other parts moved too, what always moved together need not do so: some follow later.
    if others and accused[0].denied:
        accused[0] = msgspec.structs.replace(accused[0], denied=False)
    return _alone(part, accused[0], says, calm, waited, len(witnesses), common)


def _alone(
    part: str, one: Witness, says: tuple[str, ...], calm: tuple[str, ...], waited: bool, width: int, common: bool
) -> Finding:
    """This returns what one signal that stands alone means."""
    if one.relation == "sensor" and width > 1:
        only = (*says, "its error alone explains every relation that is broken")
        return Finding("sensor", one.signal, "shift", only, calm)
    if one.relation == "part":
        more = (*says, "no single sensor's error explains the relations that are broken")
        return Finding("part", part, "anomaly", more, calm, settled=waited)
    if one.roams and not one.coarse and not common and one.twin_agrees is not False:
        roams = (*says, "it goes up and down as it never did, smoothly: so does no sensor's error")
        return Finding("part", part, "anomaly", roams, calm, settled=waited)
    if one.twin_agrees is False:
        return Finding(
            "sensor", one.signal, "shift", (*says, "its redundant twin did not follow"), calm, settled=waited
        )
    if one.twin_agrees is True and not common:
        return Finding("part", part, "anomaly", (*says, "its redundant twin says the same"), calm)
    if one.leapt and calm and not one.company:
        leapt = (*says, "it leapt from one reading to the next, farther than ever, and nothing else moved")
        return Finding("sensor", one.signal, "shift", leapt, calm, settled=waited)
    if one.coarse and calm:
        coarse = (*says, "its flicker is gone: it says the same again and again, or leaps")
        return Finding("sensor", one.signal, "shift", coarse, calm, settled=waited)
    if one.denied:
        denied = (*says, f"the others of {part} always moved with it, and now say otherwise")
        return Finding("sensor", one.signal, "shift", denied, calm, settled=waited)
    if width == 1:
        alone = ("it is the only signal of its part: nothing can confirm it",)
        return Finding("unknown", part, "anomaly", says, alone, settled=waited)
    doubt = (*calm, "so it may be the sensor, or a fault that shows here first")
    return Finding("unknown", part, "anomaly", says, doubt, settled=waited)


def silence(signal: str, source: str, peers_on_line: int, peers_silent: int, overdue_s: float) -> Finding:
    """This returns whether a signal fell silent alone, or its whole line did."""
    words = f"no reading of {signal} for {overdue_s:.1f} s"
    if peers_on_line and peers_silent == peers_on_line:
        both = (words, f"all {peers_on_line + 1} signals of {source} are silent")
        return Finding("line", source, "unplugged", both)
    if not peers_on_line:
        return Finding(
            "sensor", signal, "silent", (words,), (f"it is the only signal of {source}: it may be the line",)
        )
    alive = f"{peers_on_line - peers_silent} other signals of {source} still come"
    return Finding("sensor", signal, "silent", (words, alive))

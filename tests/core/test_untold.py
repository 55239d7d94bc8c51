"""What nobody need be told: what is faint, what drifts as one, and what a unit does where it never was."""

import itertools

from plants import BORN, NORMAL, Journey, drifts, rows, shifts
from related_signals import NAMES, A, B, Z, off, unit
from sickbay.core import peers
from sickbay.core.diagnosis import ACCUSED
from sickbay.core.equipment import Equipment, Mode, Part, Policy, Signal
from sickbay.core.node import Node
from sickbay.core.reading import Reading

ILL = BORN + 50
LEARN = 600


def together(size: float) -> Journey:
    """The pump's three signals, each off by as many of its own deviations."""
    off_by = (shifts(name, size * NORMAL[name][1], ILL) for name in ("flow", "pressure", "current"))
    return Journey().run(rows(range(ILL + 120), *off_by))


def test_what_signals_reach_only_together_and_faintly_is_in_status_and_no_message() -> None:
    """It was told as a critical fault of an essential part, at 1.01 of a limit that none of its signals had reached."""
    journeys = (together(size / 10.0) for size in range(10, 60))
    faint = next(j for j in journeys if j.node.ward.rows["pump"].view.alarm)
    view = faint.node.ward.rows["pump"].view
    assert view.alarm and max(view.blame()) < ACCUSED
    assert faint.told() == []


def test_the_same_farther_out_is_told() -> None:
    assert together(8.0).told()[0].body["target"] == "pump"


def test_what_creeps_after_a_ticket_without_a_culprit_belongs_to_it() -> None:
    """A warm day reaches one part after the other: it is one cause, and one message."""
    slow = (drifts("outlet", 40.0, ILL), drifts("room", 30.0, ILL + 200))
    j = Journey().run(rows(range(ILL + 1500), *slow))
    opened = [m.body for m in j.told() if m.kind == "opened"]
    assert [body["layer"] for body in opened] == ["unknown"]
    ward = j.node.ward
    open_cases = {c.origin[0]: c for c in ward.triage.open_cases()}
    assert set(open_cases) == {"fan", "tank"}
    assert open_cases["tank"].overlay.suppressed_by == open_cases["fan"].id


def pair(names: tuple[str, str]) -> Node:
    signals = tuple(Signal(name, f"line {name}", isolate=Mode.OFF) for name in names)
    node = Node(Equipment("d", signals, (Part("box", names, isolate=Mode.OFF),), (), Policy(learn_rows=50)), "boot1")
    node.start(0)
    return node


def test_a_gap_does_not_pair_the_signals_of_a_part_one_row_apart_for_good() -> None:
    """b comes first in each second, and is silent for a while: a's last reading waited for it, and met the next second's."""
    node = pair(("b", "a"))
    row = node.ward.rows["box"]
    for second in range(200):
        for name, late_ms in (("b", 0), ("a", 20)):
            if name == "b" and 100 <= second < 103:
                continue
            at = 1000 * second + late_ms
            while (due := node.deadline_ms()) is not None and due <= at:
                node.tick(due)
            node.feed(Reading(name, float(second % 7), at))
        if not 100 <= second < 104:
            assert row.seen == 0, second  # the second's row is whole, and closed


def related(seed: int, *gone: int) -> Node:
    """Five signals that hang together, learnt; afterwards those `gone` are far from where they ever were."""
    signals = tuple(Signal(name, "rig", isolate=Mode.OFF) for name in NAMES)
    part = Part("all", tuple(NAMES), isolate=Mode.OFF)
    node = Node(Equipment("d", signals, (part,), (), Policy(learn_rows=LEARN)), "boot1")
    far = [off(which, LEARN + 20, bias=500.0) for which in gone]
    for number, values in enumerate(unit(LEARN + 60, seed, *far)):
        for i, (name, value) in enumerate(zip(NAMES, values, strict=True)):
            if value is not None:
                node.feed(Reading(name, value, 1000 * number + i))
    return node


def test_a_third_of_the_signals_far_from_all_that_was_learnt_is_a_unit_elsewhere() -> None:
    for seed, gone in itertools.product(range(1, 4), ((), (A,), (A, B))):
        assert peers.unit_elsewhere(related(seed, *gone).ward) is (len(gone) > 1), (seed, gone)


def test_what_stands_still_in_a_unit_elsewhere_may_be_at_rest() -> None:
    ward = related(1, A, B).ward
    assert all(peers.rests(ward, channel) for channel in ward.channels.values())
    assert not any(peers.rests(well, channel) for well in (related(1).ward,) for channel in well.channels.values())


def test_what_a_part_finds_as_usual_speaks_for_the_unit_and_what_it_finds_odd_does_not() -> None:
    """A parked car's alternator was told, for the engine's speed that stood outside of all that was learnt is of its part."""
    signals = tuple(Signal(name, "line", every_ms=1000) for name in NAMES)
    parts = (Part("one", ("a", "b", "z"), isolate=Mode.OFF), Part("rest", ("c", "y"), isolate=Mode.OFF))
    for gone, elsewhere in (((), False), ((B, Z), True)):
        node = Node(Equipment("d", signals, parts, (), Policy(learn_rows=LEARN)), "boot1")
        for number, values in enumerate(unit(LEARN + 60, 1, off(A, LEARN + 20, bias=500.0))):
            for i, (name, value) in enumerate(zip(NAMES, values, strict=True)):
                if value is not None and not (i in gone and number > LEARN + 20):
                    node.feed(Reading(name, value, 1000 * number + i))
        assert peers.elsewhere_but_for(node.ward, node.ward.rows["one"]) is elsewhere, gone

"""What a line does to a device: garbage, a loose plug, a line that repeats itself. Never a sensor's fault, and told once."""

import msgspec
import pytest

from plants import BORN, LEARN, Ailment, Journey, Values, becomes, equipment, falls_silent, rows
from sickbay.core import alarms
from sickbay.core.equipment import Equipment, Part, Policy, Signal
from sickbay.core.node import Node
from sickbay.core.reading import LineState, Reading
from sickbay.core.report import status

RIG = ("flow", "pressure", "current")
ILL = BORN + 10


def learnt(**plant: object) -> Journey:
    return Journey(equipment(**plant)).run(rows(range(ILL)))


def freezes(names: tuple[str, ...], start: int, end: int = 10**9) -> Ailment:
    """This lets a line say again and again what it said at `start`."""
    (_, held), *_ = rows([start])

    def ail(second: int, values: Values) -> None:
        if start <= second < end:
            values.update({name: held[name] for name in names})

    return ail


def says(j: Journey, second: int, good: int = 0, garbage: int = 0, alive: bool = True) -> None:
    j.fact(LineState("rig", alive, 1000 * second + 900, good, garbage, "" if alive else "/dev/ttyS1: gone"))


def loose(j: Journey, first: int, times: int, every_s: int, gone_s: int) -> None:
    """This is a plug that loses contact `times` times."""
    for k in range(times):
        begin = first + k * every_s
        says(j, begin - 1, alive=False)
        j.run(rows(range(begin, begin + gone_s), falls_silent(RIG, begin)))
        says(j, begin + gone_s - 1)
        j.run(rows(range(begin + gone_s, begin + every_s)))


def test_one_garbled_frame_a_second_adds_up_to_a_fault_of_the_line() -> None:
    """A driver reports once a second: at 1 Hz no single report ever held more than one frame."""
    j = learnt()
    for second in range(ILL, ILL + 60):
        bad = second % 2 == 0
        j.run(rows([second], falls_silent(RIG if bad else (), 0)))
        says(j, second, good=not bad, garbage=bad)
    assert j.story() == [("opened", "rig", "garbage")]
    assert j.told()[0].body["layer"] == "line" and j.told()[0].at_ms <= 1000 * (ILL + 30)


def test_one_bad_frame_an_hour_is_told_to_nobody() -> None:
    j = learnt()
    for minute in range(0, 600, 10):
        second = ILL + 60 * minute
        if minute % 60 == 0:
            says(j, second, garbage=1, good=10)
        says(j, second + 30, good=10)
    assert not j.told("rig") or {e.body["class"] for e in j.told("rig")} == {"unplugged"}
    assert j.node.ward.faults.entry("rig", "garbage").occurrences == 0


def test_one_burst_of_garbage_is_no_fault() -> None:
    """A welder next door, once: the frames stay in the window, and count no second time."""
    j = learnt()
    says(j, ILL - 1, good=2, garbage=5)
    for second in range(ILL, ILL + 60):
        j.run(rows([second]))
        if second % 10 == 0:
            says(j, second, good=10)
    assert j.story() == []


def test_a_line_of_nothing_but_garbage_is_not_called_unplugged() -> None:
    """Bytes come: who is told to look for a pulled plug looks in vain. Its three silent signals are its symptom."""
    j = learnt()
    for second in range(ILL, ILL + 40):
        j.run(rows([second], falls_silent(RIG, ILL)))
        says(j, second, garbage=1)
    assert j.events("source_lost", "rig"), "nothing is known of what is behind it"
    assert j.story() == [("opened", "rig", "garbage")]
    assert {j.state(name) for name in RIG} == {"in_service"}


def test_a_slow_line_of_garbage_is_not_called_unplugged_either() -> None:
    """A board that speaks once a minute is silent for its ticket's ten seconds before the fourth bad frame."""
    signals = tuple(Signal(name, "rig", every_ms=60_000) for name in RIG)
    j = Journey(Equipment("slow", signals, (Part("pump", RIG),), (), Policy(learn_rows=LEARN)))
    j.run((60 * k, values) for k, values in rows(range(BORN)) if values.keys() & set(RIG))
    for k in range(BORN, BORN + 12):
        j.fact(LineState("rig", True, 60_000 * k, 0, 1))
    assert j.story("rig") == [("opened", "rig", "garbage")]


def test_garbage_that_rarely_ends_in_a_new_line_is_not_called_unplugged_first() -> None:
    """Halves of lines stick to each other: few bad frames come in the ten seconds in which a lost line is told."""
    j = learnt()
    for second in range(ILL, ILL + 45):
        j.run(rows([second], falls_silent(RIG, ILL)))
        if second in (ILL + 4, ILL + 16, ILL + 22, ILL + 26):
            says(j, second, garbage=1)
    assert j.story() == [("opened", "rig", "garbage")]


def test_one_burst_at_a_pulled_plug_puts_its_ticket_off_for_a_minute_at_the_most() -> None:
    j = learnt()
    j.run(rows(range(ILL, ILL + 6), falls_silent(RIG, ILL)))
    says(j, ILL + 5, garbage=1)
    j.run(rows(range(ILL + 6, ILL + 80), falls_silent(RIG, ILL)))
    assert j.story() == [("opened", "rig", "unplugged")]


def test_a_plug_that_is_pulled_after_garbage_is_unplugged() -> None:
    """What counts is whether bytes still come."""
    j = learnt()
    says(j, ILL - 1, garbage=4, good=6)
    j.run(rows(range(ILL, ILL + 10)))
    j.run(rows(range(ILL + 10, ILL + 40), falls_silent(RIG, ILL + 10)))
    assert j.story() == [("opened", "rig", "unplugged")]


def test_what_garbage_does_to_single_values_is_its_symptom() -> None:
    """A number that lost its last digits is out of range; the sensor that gave it is well."""
    j = learnt()
    for second in range(ILL, ILL + 60):
        spoilt = second > ILL + 20
        j.run(rows([second], becomes("flow", 1600.0, 0) if spoilt else falls_silent((), 0)))
        says(j, second, good=1, garbage=1)
    assert j.story() == [("opened", "rig", "garbage")]
    assert j.state("flow") == "in_service"


def test_a_plug_that_comes_and_goes_is_told_once_and_stays_open_until_somebody_acks() -> None:
    """Each loss is too short to be told, and the next comes before the case can close."""
    j = learnt(probation_ms=60_000)
    loose(j, ILL, times=20, every_s=30, gone_s=4)
    (told,) = j.told()
    assert (told.body["target"], told.body["class"], told.body["layer"]) == ("rig", "unplugged", "line")
    assert "comes and goes" in told.body["summary"]
    end = ILL + 600
    j.run(rows(range(end, end + 120)))
    assert len(j.told()) == 1, "latched"
    j.order("ack", "rig")
    j.run(rows(range(end + 120, end + 130)))
    assert [kind for kind, _, _ in j.story()] == ["opened", "closed"]


def test_a_plug_that_bounces_while_it_is_pushed_in_is_told_to_nobody() -> None:
    """Six losses within ten seconds are one hand at one plug."""
    j = learnt()
    for k in range(6):
        j.fact(LineState("rig", False, 1000 * ILL + 1500 * k, detail="gone"))
        j.fact(LineState("rig", True, 1000 * ILL + 1500 * k + 500))
        j.fact(Reading("flow", 16.0, 1000 * ILL + 1500 * k + 600))
    j.run(rows(range(ILL + 10, ILL + 200)))
    assert j.story() == []


def test_a_device_that_restarts_three_times_in_an_hour_is_told_to_nobody() -> None:
    """Somebody works on it. What was too short to be told is no story that could come and go."""
    j = learnt(probation_ms=20_000)
    loose(j, ILL, times=3, every_s=60, gone_s=5)
    assert j.story() == []
    assert len(j.events("source_lost", "rig")) == 3, "counted"


def test_a_symptom_that_nobody_was_told_of_is_not_latched() -> None:
    """Two pulled plugs in an hour and then garbage: the silence that comes with the garbage was counted as a third plug.

    Where it was judged before the garbage was sure, as on a busy machine, its case waited for an ack for ever.
    """
    j = learnt(probation_ms=10_000)
    for k in range(2):
        loose(j, ILL + 60 * k, times=1, every_s=60, gone_s=20)
    start = ILL + 120
    j.run(rows(range(start, start + 6), falls_silent(RIG, start)))
    for second in range(start + 6, start + 15):
        says(j, second, garbage=1)
    j.run(rows(range(start + 15, start + 30)))
    j.order("clear", "rig")
    j.run(rows(range(start + 30, start + 60)))
    assert not j.node.ward.triage.open_cases(), j.story()
    assert [c for _, _, c in j.story()] == ["unplugged"] * 4 + ["garbage"] * 2


def test_a_line_that_repeats_its_last_row_is_one_fault_of_the_line() -> None:
    """Three sensors stuck at the very same row are none; and a pump that is not seen is not judged."""
    j = learnt().run(rows(range(ILL, ILL + 100), freezes(RIG, ILL, ILL + 90)))
    assert j.story() == [("opened", "rig", "repeats")]
    assert {j.state(name) for name in (*RIG, "pump")} == {"in_service"}
    assert not j.events("would_isolate") and not j.events("isolate")
    j.run(rows(range(ILL + 100, ILL + 130)))
    assert j.story() == [("opened", "rig", "repeats"), ("closed", "rig", "repeats")]


def test_what_a_repeating_line_says_is_suspect_and_another_line_is_judged_as_ever() -> None:
    j = learnt().run(rows(range(ILL, ILL + 60), freezes(RIG, ILL), becomes("outlet", -50.0, ILL + 20)))
    quality = {name: s["quality"] for name, s in status(j.node.ward, str)["signals"].items()}
    assert {quality[name] for name in RIG} == {"suspect"} and quality["tach"] == "good"
    assert ("opened", "outlet", "sentinel") in j.story()


def test_one_signal_that_goes_on_is_enough_to_blame_the_sensors() -> None:
    """Flow and pressure may share a dead converter; the line brings new values of the current, and so it is well."""
    j = learnt().run(rows(range(ILL, ILL + 60), freezes(RIG[:2], ILL)))
    assert ("opened", "pressure", "stuck") in j.story() and not j.told("rig")


def test_a_machine_at_rest_is_no_line_that_repeats() -> None:
    """Switched off, flow and current are nought to the last digit: where they never flickered, standing still says nothing."""
    off = [becomes(name, 0.0, ILL) for name in RIG]
    j = learnt().run(rows(range(ILL, ILL + 300), *off))
    assert "repeats" not in {c for _, _, c in j.story()}


def test_a_line_that_holds_each_row_for_a_while_from_the_first_day_is_known_for_it() -> None:
    """A board that measures once in ten seconds and speaks once a second says each row ten times."""
    j = Journey()
    j.run((t, values) for t, (_, values) in ((t, next(iter(rows([t // 10])))) for t in range(ILL + 600)))
    assert "repeats" not in {c for _, _, c in j.story()}


def test_a_repeating_line_is_known_after_a_restart() -> None:
    """Else its first new row would close nothing, and the ticket would stay for ever."""
    j = learnt().run(rows(range(ILL, ILL + 40), freezes(RIG, ILL)))
    kept = j.node.snapshot()
    j.node = Node(equipment(), "boot1")
    assert j.node.restore(kept) == []
    j.run(rows(range(ILL + 40, ILL + 90), freezes(RIG, ILL, ILL + 50)))
    assert j.story() == [("opened", "rig", "repeats"), ("closed", "rig", "repeats")]


def test_a_repetition_that_goes_on_is_told_again_after_a_person_cleared_it() -> None:
    """What it says is still taken for nothing: that must have its ticket."""
    j = learnt().run(rows(range(ILL, ILL + 40), freezes(RIG, ILL)))
    j.order("clear", "rig")
    j.run(rows(range(ILL + 40, ILL + 80), freezes(RIG, ILL)))
    (case,) = j.node.ward.triage.open_cases()
    assert case.class_ == "repeats" and case.is_failing
    j.run(rows(range(ILL + 80, ILL + 120)))
    assert not j.node.ward.triage.open_cases()


def test_another_signal_on_a_repeating_line_lets_it_be_found_afresh() -> None:
    """After a change of the configuration nobody knows of the run: its ticket must not wait for an end that nobody sees."""
    j = learnt().run(rows(range(ILL, ILL + 40), freezes(RIG, ILL)))
    kept = j.node.snapshot()
    plant = equipment()
    more = (*plant.signals, Signal("oil", "rig"))
    j.node = Node(msgspec.structs.replace(plant, signals=more), "boot1")
    j.node.restore(kept)
    j.run(rows(range(ILL + 40, ILL + 80)))
    assert "repeats" not in {c.class_ for c in j.node.ward.triage.open_cases()}


def bounded() -> Equipment:
    """This is the plant with limits for all that the rig carries."""
    plant = equipment()
    ranges = {"flow": (0.0, 60.0), "pressure": (0.0, 400.0), "current": (0.0, 10.0)}
    limited = [
        msgspec.structs.replace(s, low=ranges[s.name][0], high=ranges[s.name][1]) if s.name in ranges else s
        for s in plant.signals
    ]
    return msgspec.structs.replace(plant, signals=tuple(limited))


def babbles(start: int, end: int = 10**9) -> Ailment:
    """This lets two of the rig's three signals say what cannot be, by turns."""

    def ail(second: int, values: Values) -> None:
        if start <= second < end:
            for k, name in enumerate(RIG):
                if (second + k) % 3:
                    values[name] = 1000.0 + 137.0 * (second % 7)

    return ail


def test_signals_that_take_turns_in_saying_the_impossible_are_one_fault_of_their_line() -> None:
    """A gateway with bad memory puts a right checksum under wrong numbers: no frame shows it, and no sensor may pay for it."""
    j = Journey(bounded()).run(rows(range(ILL + 60), babbles(ILL)))
    assert j.story() == [("opened", "rig", "nonsense")]
    assert j.told()[0].body["layer"] == "line" and j.told()[0].at_ms <= 1000 * (ILL + 20)
    assert not j.told("pump") and j.state("pump") == "in_service"
    j.run(rows(range(ILL + 60, ILL + 120)))
    assert j.story() == [("opened", "rig", "nonsense"), ("closed", "rig", "nonsense")]
    assert not j.node.ward.triage.open_cases()


@pytest.mark.parametrize("nonsense", [False, True])
def test_while_a_line_is_known_for_nonsense_no_part_on_it_is_diagnosed(nonsense: bool) -> None:
    """What a gateway with bad memory did to a part's numbers before it was known is no part's fault."""
    ails = (becomes("tach", 400.0, ILL), becomes("outlet", 90.0, ILL))
    j = Journey(bounded()).run(rows(range(ILL)))
    ward = j.node.ward
    row, second = ward.rows["fan"], ILL
    while not row.view.confirmed:
        j.run(rows(range(second, second + 1), *ails))
        second += 1
    assert ward.triage.open_case(("fan", "anomaly")) is None
    row.members[0].source.nonsense = nonsense
    for _ in range(20):
        alarms.follow(ward, row)
    assert (ward.triage.open_case(("fan", "anomaly")) is None) is nonsense


def test_sensors_that_stay_out_of_range_together_are_not_their_line() -> None:
    """A supply that sags pulls three transmitters below their range and keeps them there: the frames say what is measured."""
    low = [becomes(name, -1.0, ILL) for name in RIG]
    j = Journey(bounded()).run(rows(range(ILL + 60), *low))
    assert "nonsense" not in {c for _, _, c in j.story()}


def test_one_sensor_that_comes_and_goes_is_not_its_line() -> None:
    wild = [becomes("flow", 999.0, second, second + 1) for second in range(ILL, ILL + 60, 2)]
    j = Journey(bounded()).run(rows(range(ILL + 60), *wild))
    assert {target for _, target, _ in j.story()} == {"flow"}


def test_nonsense_that_goes_on_is_told_again_after_a_person_cleared_it() -> None:
    j = Journey(bounded()).run(rows(range(ILL + 60), babbles(ILL)))
    j.order("clear", "rig")
    j.run(rows(range(ILL + 60, ILL + 120), babbles(ILL)))
    assert [c.class_ for c in j.node.ward.triage.open_cases() if c.overlay.suppressed_by is None] == ["nonsense"]


def test_who_is_ill_stands_in_for_nobody() -> None:
    """The twin has an open case of its own: an estimate from the others is better than another wrong number."""
    j = learnt().run(rows(range(ILL, ILL + 20), becomes("level", 70.1, ILL)))
    assert j.node.ward.channels["level"].substitute == "level_b"
    j.order("quarantine", "level_b")
    j.run(rows(range(ILL + 20, ILL + 25), becomes("level", 70.1, ILL)))
    level = j.node.ward.channels["level"]
    assert level.substitute is None and level.estimate is not None

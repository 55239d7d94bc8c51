"""One device from reading to escalation: what becomes of each kind of fault, in a plant of eight signals and three parts."""

import math
import random

import pytest

from plants import (
    BORN,
    NORMAL,
    Ailment,
    Journey,
    Values,
    becomes,
    equipment,
    falls_silent,
    fan_dies,
    rows,
    shifts,
)
from sickbay.core.equipment import Mode, Policy
from sickbay.core.reading import LineState, Reading, Receipt, Residuals

ILL = BORN + 10  # the second at which a fault sets in
WELL = ILL + 40  # and is gone again


def journey(*ailments: Ailment, until: int = WELL + 60, follows: bool = True, **plant: object) -> Journey:
    """This is a plant that learns, falls ill and lives on."""
    return Journey(equipment(**plant), follows).run(rows(range(until), *ailments))


def test_a_quiet_plant_says_nothing() -> None:
    """Ten minutes of normal running after learning: no verdict, no message, nothing moved but the relay's first order."""
    j = journey(until=BORN + 600)
    assert j.drives() == [("fan_relay", True)]
    assert [e.kind for e in j.effects if getattr(e, "kind", "output") != "output"] == []


def test_a_row_that_is_said_twice_is_one_row() -> None:
    """A line that says all twice must not make a sensor look as if it stood still for twice as long."""
    once, twice = journey(until=BORN), journey(until=BORN)
    for second, values in rows(range(BORN, BORN + 120)):
        once.run([(second, values)])
        for again in range(2):
            for i, (name, value) in enumerate(values.items()):
                twice.fact(Reading(name, value, 1000 * second + 100 * again + 5 * i))
    for name, row in once.node.ward.rows.items():
        same = twice.node.ward.rows[name].view
        assert row.view.blame() == same.blame()
        assert [row.view.explain(i) for i in range(len(row.members))] == [
            same.explain(i) for i in range(len(row.members))
        ]


def test_a_stuck_sensor_with_a_twin_is_replaced_and_comes_back_through_probation() -> None:
    j = journey(becomes("level", 70.1, ILL, WELL), until=WELL)
    assert j.state("level") == "isolated" and j.node.ward.channels["level"].substitute == "level_b"
    j.run(rows(range(WELL, WELL + 15)))
    assert j.state("level") == "probation"
    j.run(rows(range(WELL + 15, WELL + 60)))
    assert j.state("level") == "in_service"
    assert j.story() == [("opened", "level", "stuck"), ("closed", "level", "stuck")]
    opened = j.told("level")[0].body
    assert opened["stands_in"] == "level_b" and opened["layer"] == "sensor"
    assert j.node.ward.channels["level"].substitute is None


def test_a_relapse_in_probation_isolates_again_and_lengthens_it() -> None:
    """Still masked, it is judged in the shadow: a sensor that sticks again does not come back into service."""
    j = journey(
        becomes("level", 70.1, ILL, WELL), becomes("level", 70.9, WELL + 12), until=WELL + 80, probation_ms=40_000
    )
    assert j.state("level") == "isolated"
    record = j.node.ward.quarantine.records["level"]
    assert record.relapses == 1 and record.probation_ms == 80_000
    assert [kind for kind, _, _ in j.story()] == ["opened"], "it is still the same fault"


def test_a_shift_that_comes_back_in_probation_is_seen() -> None:
    there_and_back = (shifts("level", -5.0, ILL, WELL), shifts("level", -5.0, WELL + 70))
    j = journey(*there_and_back, until=WELL + 69, probation_ms=90_000)
    assert j.state("level") == "probation"
    j.run(rows(range(WELL + 69, WELL + 80), *there_and_back))
    assert j.state("level") == "isolated"


@pytest.mark.parametrize(
    ("ailment", "target", "class_", "within_s"),
    [
        (becomes("flow", 75.0, ILL), "flow", "range", 3),
        (becomes("flow", None, ILL), "flow", "bad_value", 3),
        (becomes("flow", math.nan, ILL), "flow", "bad_value", 3),
        (becomes("flow", 1e300, ILL), "flow", "bad_value", 3),
        (becomes("flow", -math.inf, ILL), "flow", "bad_value", 3),
        (becomes("outlet", -50.0, ILL), "outlet", "sentinel", 2),
        (becomes("outlet", -127.0, ILL), "outlet", "sentinel", 2),
        (falls_silent(["tach"], ILL), "tach", "silent", 4),
    ],
    ids=["range", "none", "nan", "1e300", "-inf", "declared sentinel", "known sentinel", "silent"],
)
def test_a_hard_sensor_fault_is_in_quarantine_within_seconds(
    ailment: Ailment, target: str, class_: str, within_s: int
) -> None:
    j = journey(ailment, until=ILL + 30)
    isolated = j.events("isolate", target)
    assert isolated and isolated[0].at_ms <= 1000 * (ILL + within_s)
    assert j.story() == [("opened", target, class_)]
    assert not j.events("isolate", "fan") and not j.events("isolate", "pump")


def test_a_value_that_jumps_to_and_fro_is_a_sensors() -> None:
    def jumps(second: int, values: dict[str, float | None]) -> None:
        if second >= ILL:
            values["pressure"] = 240.0 + (200.0 if second % 2 else 0.0)

    j = journey(jumps, until=ILL + 30)
    assert j.story() == [("opened", "pressure", "rate")] and j.state("pressure") == "isolated"


def test_a_lost_line_is_one_ticket_and_its_sensors_are_none() -> None:
    j = journey(falls_silent(["level", "level_b", "room"], ILL, WELL))
    assert j.story() == [("opened", "bus", "unplugged"), ("closed", "bus", "unplugged")]
    assert [e.name for e in j.events("source_lost")] == ["bus"] and len(j.events("source_back")) == 1
    assert not j.events("isolate") and not j.events("would_isolate")
    assert not j.node.ward.triage.open_cases()


def test_a_line_that_says_that_it_is_unplugged_is_one_ticket() -> None:
    names = ("level", "level_b", "room")
    j = journey(until=ILL)
    j.fact(LineState("bus", False, 1000 * ILL, detail="/dev/ttyACM0: no such device"))
    j.run(rows(range(ILL, WELL), falls_silent(names, ILL)))
    j.fact(LineState("bus", True, 1000 * WELL, detail="/dev/ttyACM0 answers"))
    assert not j.events("source_back"), "an open port without a reading is no line that is back"
    j.run(rows(range(WELL, WELL + 60)))
    assert j.story() == [("opened", "bus", "unplugged"), ("closed", "bus", "unplugged")]


def test_a_port_that_is_open_and_says_nothing_stays_one_ticket() -> None:
    """Its driver goes on to say that the port is alive; the sensors' silence is still the line's."""
    names = ("level", "level_b", "room")
    j = journey(until=ILL)
    for second in range(ILL, WELL + 120, 10):
        j.fact(LineState("bus", True, 1000 * second))
        j.run(rows(range(second, second + 10), falls_silent(names, ILL)))
    assert j.story() == [("opened", "bus", "unplugged")]


def test_a_sensor_that_stays_silent_when_its_line_is_back_is_told_then() -> None:
    j = journey(falls_silent(["level", "level_b", "room"], ILL, WELL), falls_silent(["room"], ILL), until=WELL + 10)
    assert j.story() == [("opened", "bus", "unplugged")]
    j.run(rows(range(WELL + 10, WELL + 60), falls_silent(["room"], ILL)))
    assert j.story() == [("opened", "bus", "unplugged"), ("closed", "bus", "unplugged"), ("opened", "room", "silent")]
    assert j.state("room") == "isolated"


def test_garbage_on_a_line_is_the_lines_fault() -> None:
    j = journey(until=ILL)
    for second in range(ILL, ILL + 20):
        j.fact(LineState("rig", True, 1000 * second, good=10, garbage=10))
        j.run(rows([second]))
    assert j.story() == [("opened", "rig", "garbage")]


def test_a_dead_fan_is_switched_off_and_waits_for_a_person() -> None:
    """What has no power cannot prove itself."""
    j = journey(*fan_dies(ILL, ILL + 10), until=ILL + 200)
    assert j.drives() == [("fan_relay", True), ("fan_relay", False)]
    assert j.state("fan") == "isolated" and j.story() == [("opened", "fan", "anomaly")]
    assert "sickbay release fan" in j.told("fan")[0].body["releases"]
    assert "on probation" in j.order("release", "fan")
    j.run(rows(range(ILL + 200, ILL + 260)))
    assert j.drives()[2:] == [("fan_relay", True)] and j.state("fan") == "in_service"
    assert j.story() == [("opened", "fan", "anomaly"), ("closed", "fan", "anomaly")]


def test_a_relay_that_does_not_follow_is_told_and_the_part_is_not_called_isolated() -> None:
    j = journey(until=ILL)
    j.relay_follows = False
    j.run(rows(range(ILL, ILL + 60), *fan_dies(ILL)))
    assert j.state("fan") == "would_isolate"
    assert {(t, c) for _, t, c in j.story()} == {("fan", "anomaly"), ("fan_relay", "no_effect")}
    assert len(j.tickets()) == 2
    assert "did not follow" in j.told("fan")[-1].body["rule"]


def test_a_part_that_recovers_behind_a_stubborn_relay_closes_and_is_ordered_back() -> None:
    """The order to switch off still stands at the relay: in service without another order it might yet be followed."""
    j = journey(until=ILL)
    j.relay_follows = False
    j.run(rows(range(ILL, ILL + 10), *fan_dies(ILL)))
    j.relay_follows = True
    j.run(rows(range(ILL + 10, ILL + 200)))
    assert j.state("fan") == "in_service" and not j.node.ward.triage.open_cases()
    assert j.drives() == [("fan_relay", True), ("fan_relay", False), ("fan_relay", True)]


def test_an_essential_part_is_never_isolated_and_escalated_as_critical() -> None:
    j = journey(shifts("flow", -8.0, ILL), shifts("current", 1.5, ILL))
    assert j.state("pump") == "would_isolate" and not j.events("isolate")
    assert j.story() == [("opened", "pump", "anomaly")] and j.told()[0].severity == "critical"
    assert "essential" in j.told()[0].body["rule"]


def test_a_part_fault_that_also_freezes_its_tach_is_one_ticket_for_the_part() -> None:
    """A fan that stands still has a tach that stands at 0, and warms: whose fault that is must not be told twice."""
    j = journey(becomes("tach", 0.0, ILL), shifts("outlet", 20.0, ILL + 2), until=ILL + 60)
    assert j.story() == [("opened", "fan", "anomaly")]
    assert j.told()[0].body["layer"] == "part" and j.state("tach") == "in_service"


def test_most_parts_at_once_are_the_surroundings_and_one_ticket() -> None:
    down = ("pressure", "tach")
    everywhere = [
        shifts(name, (-20.0 if name in down else 20.0) * sd, ILL + i % 2)
        for i, (name, (_, sd)) in enumerate(NORMAL.items())
    ]
    j = journey(*everywhere, until=ILL + 60)
    assert len(j.tickets()) == 1 and j.told()[0].body["layer"] == "surroundings"
    assert not j.events("isolate")


def test_a_passive_part_is_told_and_not_moved() -> None:
    j = journey(*fan_dies(ILL), fan=Mode.PASSIVE)
    assert j.state("fan") == "would_isolate" and j.drives() == [("fan_relay", True)]
    assert j.story() == [("opened", "fan", "anomaly")] and "passive" in j.told()[0].body["summary"]


def test_a_part_that_is_off_is_told_and_not_even_marked() -> None:
    j = journey(*fan_dies(ILL), fan=Mode.OFF)
    assert j.state("fan") == "in_service" and j.story() == [("opened", "fan", "anomaly")]


def test_a_fault_that_blinks_before_it_stays_is_told() -> None:
    """It was gone when its first message was due; it must not be silent when it comes back for good."""
    j = journey(until=ILL)
    j.fact(LineState("bus", False, 1000 * ILL + 100, detail="reset"))
    j.fact(LineState("bus", True, 1000 * ILL + 600))
    j.run(rows(range(ILL + 1, ILL + 5)))
    assert not j.told()
    j.fact(LineState("bus", False, 1000 * (ILL + 5), detail="gone"))
    j.run(rows(range(ILL + 6, ILL + 12), falls_silent(["level", "level_b", "room"], ILL)))
    assert j.story() == [("opened", "bus", "unplugged")]


def test_a_fault_that_is_gone_heals_after_clean_cycles_and_ages() -> None:
    """Silence is over when the sensor speaks, and nothing says so twice: each clean cycle has to count all the same."""
    j = journey(falls_silent(["tach"], ILL, ILL + 10), becomes("flow", 70.0, ILL, ILL + 10), until=ILL + 100)
    table = j.node.ward.faults.entries
    assert set(table) == {("tach", "silent"), ("flow", "range")}
    for cycle in range(4):
        j.order("cycle", "")
        j.run(rows(range(ILL + 100 + 2 * cycle, ILL + 102 + 2 * cycle)))
        assert {str(e.memory) for e in table.values()} == {"healed" if cycle == 3 else "confirmed"}
    for cycle in range(41):
        j.order("cycle", "")
        j.run(rows(range(ILL + 108 + 2 * cycle, ILL + 110 + 2 * cycle)))
    assert not table


def test_unknown_signals_and_sources_change_nothing() -> None:
    j = journey(until=ILL)
    before = len(j.effects)
    j.fact(Reading("nobody", 1.0, 1000 * ILL))
    j.fact(Residuals("nobody", 1000 * ILL, (1.0,)))
    j.fact(LineState("nowhere", True, 1000 * ILL, good=3))
    j.fact(Receipt("nothing:7", 1000 * ILL, True))
    j.fact(Receipt("nothing.r7", 1000 * ILL, True))
    assert len(j.effects) == before and j.node.ward.unknown_signals == 1


def test_time_never_goes_back() -> None:
    """A reading that was stamped before the last tick counts from when it came; nothing is silent or a leap because of it."""
    straight, crooked = Journey(), Journey()
    for second, values in rows(range(BORN + 60)):
        for name, value in values.items():
            straight.fact(Reading(name, value, 1000 * second))
            crooked.at(1000 * second)
            crooked._give(Reading(name, value, 1000 * second - (40_000 if second % 7 == 3 else 0)))
    assert crooked.effects == straight.effects


def test_learning_asks_no_verdict_of_a_part() -> None:
    j = Journey().run(rows(range(100), *fan_dies(50)))
    assert not j.told() and j.node.ward.rows["fan"].view.learning


def test_the_most_isolated_at_once_is_kept() -> None:
    j = journey(
        becomes("tach", None, ILL), becomes("outlet", None, ILL + 5), becomes("room", None, ILL + 10), isolated_max=2
    )
    assert [j.state(n) for n in ("tach", "outlet", "room")] == ["isolated", "isolated", "would_isolate"]
    assert "the most allowed" in j.told("room")[0].body["rule"]


def test_a_part_keeps_its_least_signals() -> None:
    j = journey(becomes("flow", None, ILL), becomes("current", None, ILL + 5))
    assert j.state("flow") == "isolated" and j.state("current") == "would_isolate"
    assert "must keep 2 signal" in j.told("current")[0].body["rule"]


def test_a_full_disk_is_told_and_closes() -> None:
    j = journey(until=ILL)
    j.node.store(False, "the card is full", 1000 * ILL)
    j.run(rows(range(ILL, ILL + 10)))
    j.node.store(True, "", 1000 * (ILL + 10))
    j.run(rows(range(ILL + 10, ILL + 60)))
    assert j.story() == [("opened", "journal", "store"), ("closed", "journal", "store")]


def test_a_message_waits_until_it_can_say_what_was_done() -> None:
    j = journey(becomes("flow", 75.0, ILL), until=ILL + 20)
    (message,) = j.told()
    assert message.body["done"].startswith("It was taken out of service") and message.body["evidence"]
    frame = message.body["freeze_frame"]
    assert frame["signals"]["flow"] and frame["from_ms"] < 0 <= frame["to_ms"]
    assert message.effect_id == f"{message.fault_id}.r1" and Policy().isolated_max == 3


def test_an_output_that_did_not_follow_is_ordered_again_while_the_part_is_ill() -> None:
    """A relay that stuck once may follow the next time; nobody should have to think of trying."""
    j = journey(until=ILL)
    j.relay_follows = False
    j.run(rows(range(ILL, ILL + 200), *fan_dies(ILL)))
    assert j.state("fan") == "would_isolate"
    j.relay_follows = True
    j.run(rows(range(ILL + 200, ILL + 400), *fan_dies(ILL)))
    assert j.state("fan") == "isolated" and j.drives()[1:] == [("fan_relay", False)] * len(j.drives()[1:])


def test_a_sensor_that_stays_off_its_normal_is_never_called_well() -> None:
    """Its allowance for what may have wandered grows while its level is held; at its end the same fault was found anew.

    On the rig a thermometer 2 degrees off was "well" every few minutes, relapsed at once, and was locked out by the third.
    """
    chance, tide = random.Random(5), [0.0]
    for _ in range(4000):
        tide.append(0.98 * tide[-1] + chance.gauss(0.0, 0.15))

    def wanders(second: int, values: Values) -> None:
        for name in ("level", "level_b"):
            values[name] = (values[name] or 0.0) + tide[second]

    j = journey(wanders, shifts("level", -12.0, ILL), until=2500)
    assert [(kind, target) for kind, target, _ in j.story()] == [("opened", "level")]  # its chart and its twin race
    assert j.state("level") == "isolated" and j.node.ward.quarantine.records["level"].relapses == 0
    assert not [e for e in j.events("verdict", "level") if e.detail.get("result") == "passed"]
    j.run(rows(range(2500, 2800), wanders))
    assert j.state("level") == "in_service", "what is back comes back"


def test_a_line_that_carries_only_garbage_is_one_ticket_and_not_called_gone() -> None:
    """Bytes come, so nobody should look for a pulled plug: it is one fault, and the silence of its sensors follows from it."""
    j = journey(until=ILL)
    rig = falls_silent(["flow", "pressure", "current"], ILL)
    for second in range(ILL, ILL + 60):
        j.run(rows([second], rig))
        if second % 5 == 0:
            j.fact(LineState("rig", True, j.now_ms, good=0, garbage=33))
    assert j.story() == [("opened", "rig", "garbage")]
    j.run(rows(range(ILL + 60, ILL + 100)))
    for second in range(ILL + 100, ILL + 300, 5):
        j.run(rows(range(second, second + 5)))
        j.fact(LineState("rig", True, j.now_ms, good=15, garbage=0))
    assert j.story() == [("opened", "rig", "garbage"), ("closed", "rig", "garbage")]


def test_a_part_that_fails_throws_no_spikes_on_a_sensor_in_probation() -> None:
    """Masked, it is judged in the shadow: what the part's own fault does to its reading is not the sensor's fault, nor a ticket."""
    stuck = becomes("outlet", 45.05, ILL, ILL + 40)
    j = journey(stuck, until=ILL + 60, probation_ms=300_000)
    assert j.state("outlet") == "probation"
    steps = [shifts("outlet", 8.0, ILL + 60 + 8 * k) for k in range(7)]
    j.run(rows(range(ILL + 60, ILL + 140), shifts("tach", -1200.0, ILL + 60), *steps))
    assert {(t, c) for _, t, c in j.story()} == {("outlet", "stuck"), ("fan", "anomaly")}


def test_a_masked_signal_without_a_twin_is_stood_in_for_by_an_estimate_marked_as_one() -> None:
    """Whoever reads the status must see a number to work with, that it was not measured, and how far to trust it."""
    from sickbay.core import report

    j = journey(becomes("room", 22.05, ILL), until=ILL + 80)
    assert j.state("room") == "isolated"
    said = report.status(j.node.ward, str)["signals"]["room"]
    assert said["substitute"] == "estimate"
    assert said["substitute_value"] == pytest.approx(NORMAL["room"][0], abs=3 * said["substitute_error"])
    assert 0.01 < said["substitute_error"] < 0.5
    told = j.told("room")[0].body
    assert "an estimate from its peers" in told["done"] and "give or take" in told["stands_in"]
    j.order("release", "room")
    assert report.status(j.node.ward, str)["signals"]["level"]["substitute"] is None


def test_a_sensor_that_its_peers_leave_behind_is_silent_soon_even_where_the_line_pauses() -> None:
    """A cheap line drops seconds, and yet the one sensor that stays away while the others speak is found at once."""
    pauses = {second for second in range(20, 400, 60) for second in range(second, second + 7)}
    through = [s for s in range(ILL + 30) if s not in pauses]
    j = Journey(equipment()).run(rows(through, falls_silent(["room"], ILL)))
    opened = next(e for e in j.told("room") if e.kind == "opened")
    assert opened.body["class"] == "silent" and opened.at_ms <= (ILL + 7) * 1000
    assert not j.told("bus")

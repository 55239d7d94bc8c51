"""One fault, one ticket: what spreads, returns or shows another face goes into the ticket that is open, or is looked at anew."""

import pytest

from plants import BORN, NORMAL, Journey, Values, drifts, equipment, falls_silent, rows, shifts
from sickbay.core import casework, telling
from sickbay.core.diagnosis import Finding, Witness
from sickbay.core.equipment import Mode
from sickbay.core.fault import Result

ILL = BORN + 50


def opened(j: Journey) -> list[tuple[str, str]]:
    return [(str(m.body["target"]), str(m.body["layer"])) for m in j.told() if m.kind == "opened"]


def test_what_nobody_knows_and_spreads_to_an_essential_part_is_that_parts_ticket_from_then_on() -> None:
    """Two parts feel one leak, one after the other. There is one thing to look at, and it is where it matters most."""
    slow = (drifts("outlet", 40.0, ILL), drifts("current", 6.0, ILL + 200))
    j = Journey().run(rows(range(ILL + 1500), *slow))
    assert opened(j) == [("fan", "unknown")]
    (ticket,) = [c for c in j.node.ward.triage.open_cases() if c.overlay.suppressed_by is None]
    assert ticket.target == "pump" and ticket.origin == ("pump", "anomaly")
    assert any(words.startswith("before: outlet") for words in ticket.evidence)
    assert ("updated", "pump", "anomaly") in j.story()


def test_a_sensor_that_shows_another_fault_while_its_ticket_is_open_goes_on_in_it() -> None:
    """It falls silent, and comes back with an error code: people would otherwise get two tickets about one plug."""
    j = Journey().run(rows(range(ILL + 10), falls_silent(["outlet"], ILL, ILL + 8)))

    def code(second: int, values: Values) -> None:
        values["outlet"] = -50.0

    j.run(rows(range(ILL + 10, ILL + 16))).run(rows(range(ILL + 16, ILL + 40), code))
    assert opened(j) == [("outlet", "sensor")]
    (ticket,) = [c for c in j.node.ward.triage.open_cases() if c.overlay.suppressed_by is None]
    assert ticket.class_ == "sentinel" and ticket.id == j.told()[0].fault_id


def test_a_burst_of_a_sensor_known_for_its_noise_says_nothing_of_its_part() -> None:
    """Noise moves quick means, too: while its ticket is open that is no news. What moves a slower one is."""
    j = Journey(equipment(fan=Mode.PASSIVE)).run(rows(range(ILL)))
    ward = j.node.ward
    casework.judge(ward, "tach", "noise", Result.FAILED, Finding("sensor", "tach", "noise", ("tach is noisy",)))
    j.run(rows(range(ILL, ILL + 2), shifts("tach", -150.0, ILL)))

    def tach() -> Witness:
        return next(w for w in telling.witnesses(ward, ward.rows["fan"]) if w.signal == "tach")

    assert tach().blame >= 1.0 and tach().ill
    j.run(rows(range(ILL + 2, ILL + 60), shifts("tach", -150.0, ILL)))
    assert tach().blame >= 1.0 and not tach().ill


def test_what_comes_back_after_its_ticket_closed_keeps_the_next_one_for_longer() -> None:
    """Three silences of 7 s, 60 s apart, with a probation of 20 s: the second ticket stays until the third, and for an ack."""
    gone = [falls_silent(["tach"], ILL + 60 * k, ILL + 60 * k + 7) for k in range(3)]
    j = Journey().run(rows(range(ILL + 900), *gone))
    assert [kind for kind, _, _ in j.story() if kind != "updated"] == ["opened", "closed", "opened"]
    (ticket,) = j.node.ward.triage.open_cases()
    assert ticket.returns == 1 and ticket.overlay.latched


def test_a_consequence_that_outlasts_its_root_is_looked_at_anew() -> None:
    """What was thought of the tank while the pump was ill is no word to be told when the pump is well."""
    j = Journey().run(rows(range(ILL)))
    ward = j.node.ward
    casework.judge(ward, "pump", "anomaly", Result.FAILED, Finding("part", "pump", "anomaly", ("it stood still",)))
    root = ward.triage.open_case(("pump", "anomaly"))
    assert root is not None
    ward.rows["tank"].alarm_ms = ward.now_ms
    said = Finding("surroundings", "tank", "anomaly", ("all broke at once",))
    casework.judge(ward, "tank", "anomaly", Result.FAILED, said)
    (mute,) = [c for c in ward.triage.open_cases() if c.origin[0] == "tank"]
    assert mute.overlay.suppressed_by == root.id
    j.run(rows(range(ILL, ILL + 5)))
    casework.judge(ward, "pump", "anomaly", Result.PASSED)
    j.run(rows(range(ILL + 5, ILL + 400)))
    assert opened(j) == [("pump", "part")] and not ward.triage.open_cases()


def test_what_a_part_does_whose_relay_does_not_close_again_is_the_relays_story() -> None:
    """The fan stands still because its contacts do: one ticket, and it names the relay."""
    j = Journey().run(rows(range(ILL)))
    j.order("quarantine", "fan")
    stands = [shifts("tach", -NORMAL["tach"][0], ILL), shifts("outlet", 20.0, ILL)]
    j.run(rows(range(ILL, ILL + 30), *stands))
    j.relay_follows = False
    j.order("release", "fan")
    j.run(rows(range(ILL + 30, ILL + 900), *stands))
    assert opened(j) == [("fan_relay", "part")]


@pytest.mark.parametrize("share", [1.0, 0.8])
def test_a_twin_that_moves_as_far_in_its_own_unit_says_the_same(share: float) -> None:
    """Twins are alike, their limits need not be: the noisier one is the later to alarm, and no witness against the other."""
    slow = [drifts("level", 30.0, ILL), drifts("level_b", 30.0 * share, ILL)]

    def shaky(second: int, values: Values) -> None:
        value = values.get("level_b")
        if value is not None:
            values["level_b"] = value + 0.8 * ((second * 7919) % 13 - 6) / 6.0

    j = Journey().run(rows(range(ILL + 1200), *slow, shaky))
    assert not {target for target, layer in opened(j) if layer == "sensor"} & {"level"} or share < 1.0

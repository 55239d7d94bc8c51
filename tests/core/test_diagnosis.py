"""Whose fault it is: this sensor's, this part's, the line's, the surroundings', or honestly nobody knows."""

from hypothesis import given
from hypothesis import strategies as st

from sickbay.core.diagnosis import ACCUSED, Witness, part_anomaly, silence

witnesses = st.lists(
    st.builds(
        Witness,
        signal=st.sampled_from(["a", "b", "c", "d", "e"]),
        blame=st.sampled_from([0.0, 0.5, 0.99, 1.0, 1.5, 9.0]),
        words=st.just("is odd"),
        ill=st.booleans(),
        twin_agrees=st.sampled_from([None, None, True, False]),
    ),
    max_size=5,
    unique_by=lambda w: w.signal,
)


def odd(signal: str, blame: float = 3.0, ill: bool = False, twin: bool | None = None) -> Witness:
    return Witness(signal, blame, f"{signal} is odd", ill, twin)


def well(signal: str) -> Witness:
    return Witness(signal, 0.2, f"{signal} is fine")


def test_two_signals_that_left_their_normal_together_are_the_part() -> None:
    """Physics follows: a sensor's fault shows in one signal, a part's in more than one."""
    found = part_anomaly("fan", [odd("tach"), odd("outlet", 1.2), well("room")], False, [], 3)
    assert (found.layer, found.target, found.settled) == ("part", "fan", True)
    assert found.evidence == ("tach is odd", "outlet is odd") and found.counter == ("room is as usual",)


def test_the_most_blamed_speaks_first() -> None:
    found = part_anomaly("fan", [odd("tach", 1.1), odd("outlet", 8.0)], False, [], 1)
    assert found.evidence == ("outlet is odd", "tach is odd")


def test_one_signal_alone_whose_twin_did_not_follow_is_its_sensor_once_the_peers_had_their_time() -> None:
    for waited in (False, True):
        found = part_anomaly("tank", [odd("level", twin=False), well("room")], waited, [], 1)
        assert (found.layer, found.target, found.class_) == ("sensor", "level", "shift")
        assert found.settled is waited


def test_one_signal_alone_whose_twin_says_the_same_is_the_part() -> None:
    found = part_anomaly("tank", [odd("level", twin=True), well("room")], False, [], 1)
    assert (found.layer, found.target) == ("part", "tank") and found.settled


def test_one_signal_alone_without_a_twin_is_not_known() -> None:
    found = part_anomaly("pump", [odd("flow"), well("current")], True, [], 1)
    assert found.layer == "unknown" and found.settled and "may be the sensor" in found.counter[-1]


def test_whom_its_peers_deny_is_its_sensor_unless_other_parts_moved_as_well() -> None:
    """A load rose: the inlet was warm before the outlet was, and was masked for it."""
    denied = Witness("inlet", 3.0, "inlet is odd", False, None, denied=True)
    alone = part_anomaly("fan", [denied, well("outlet")], True, [], 3)
    assert (alone.layer, alone.target) == ("sensor", "inlet")
    assert part_anomaly("fan", [denied, well("outlet")], True, ["heater"], 5).layer == "unknown"


def test_what_mostly_a_known_sensor_fault_adds_up_to_is_its_symptom() -> None:
    """No signal is beyond its own limit, the sum is: the flicker of its peers must not make a part of a stuck sensor."""
    near = [odd("discharge", 0.97, ill=True), odd("flow", 0.3), odd("speed", 0.3)]
    found = part_anomaly("pump", near, True, [], 1)
    assert (found.layer, found.symptom_of, found.settled) == ("sensor", "discharge", True)
    found = part_anomaly("pump", [odd("discharge", 0.6, ill=True), odd("flow", 0.9), odd("speed", 0.8)], True, [], 1)
    assert found.layer == "unknown"


def test_one_signal_alone_that_lost_its_flicker_is_its_sensor() -> None:
    """A bearing that warms does not change how its thermometer flickers."""
    coarse = Witness("bearing", 2.0, "bearing is odd", coarse=True)
    found = part_anomaly("pump", [coarse, well("flow")], True, [], 1)
    assert (found.layer, found.target, found.class_) == ("sensor", "bearing", "shift")
    assert part_anomaly("pump", [coarse], True, [], 1).layer == "unknown"  # nothing else says that the machine runs


def test_the_only_signal_of_a_part_can_be_confirmed_by_nothing() -> None:
    found = part_anomaly("lamp", [odd("lux")], True, [], 1)
    assert found.layer == "unknown" and "only signal" in found.counter[0]


def test_one_signal_alone_beside_two_that_went_elsewhere_slowly_is_the_part() -> None:
    """A winding that ages: the bearing warms for all to see, and flow and speed fell too slowly for their charts."""
    gone = [Witness(name, 0.2, f"{name} is fine", gone=True) for name in ("flow", "speed")]
    found = part_anomaly("pump", [odd("bearing"), *gone, well("current")], True, [], 4)
    assert (found.layer, found.target) == ("part", "pump")
    assert "speed is far from all that it was in learning" in found.evidence
    assert part_anomaly("pump", [odd("bearing"), gone[0], well("current")], True, [], 4).layer == "unknown"
    assert part_anomaly("pump", [odd("bearing"), *gone], True, ["fan"], 4, common=True).layer == "unknown"


def test_relations_cannot_tell_the_only_sensor_of_a_part_from_its_part() -> None:
    """A heater that scales is warmer than its neighbours make it: so would its thermometer be that errs."""
    one = Witness("block", 3.0, "block is odd", relation="sensor")
    assert part_anomaly("heater", [one], True, [], 3).layer == "unknown"
    found = part_anomaly("heater", [one, well("glass")], True, [], 3)
    assert (found.layer, found.target) == ("sensor", "block")


def test_what_a_sensors_own_fault_explains_is_its_symptom() -> None:
    found = part_anomaly("fan", [odd("tach", ill=True), well("outlet")], True, [], 3)
    assert (found.layer, found.symptom_of) == ("sensor", "tach")


def test_a_sensor_that_is_ill_beside_one_that_is_well_and_odd_is_the_part() -> None:
    """A fan that stands still freezes its tach and warms its outlet: the tach only looks stuck."""
    found = part_anomaly("fan", [odd("tach", ill=True), odd("outlet")], False, [], 3)
    assert (found.layer, found.target) == ("part", "fan")


def test_most_parts_at_once_are_the_surroundings() -> None:
    found = part_anomaly("fan", [odd("tach"), odd("outlet")], False, ["pump"], 3)
    assert found.layer == "surroundings" and "part pump broke at the same time" in found.evidence


def test_two_parts_of_two_or_of_four_are_no_surroundings() -> None:
    for parts in (2, 4):
        assert part_anomaly("fan", [odd("tach"), odd("outlet")], False, ["pump"], parts).layer == "part"


def test_together_but_none_alone_waits_and_then_nobody_knows() -> None:
    """What no signal shows by itself is no part's fault yet: it would be urgency that nothing bears out."""
    found = part_anomaly("pump", [well("flow"), well("current")], False, [], 1)
    assert found.layer == "unknown" and not found.settled
    assert part_anomaly("pump", [well("flow"), well("current")], True, [], 1).settled


@given(witnesses, st.booleans(), st.lists(st.sampled_from(["p1", "p2", "p3"]), unique=True), st.integers(1, 6))
def test_a_diagnosis_rests_on_what_was_said(heard: list[Witness], waited: bool, others: list[str], parts: int) -> None:
    """A sensor is blamed only where it alone is odd, twins apart; after waiting there is an answer; nobody is blamed unheard."""
    found = part_anomaly("p0", heard, waited, others, max(parts, len(others) + 1))
    accused = [w.signal for w in heard if w.blame >= ACCUSED]
    assert found.settled or not waited
    assert found.evidence
    if found.layer == "sensor" and found.symptom_of is None:
        contradicted = [w.signal for w in heard if w.twin_agrees is False]
        assert [s for s in accused if s not in contradicted] in ([found.target], []) and found.target in accused
    if found.symptom_of is not None:
        assert found.symptom_of in [w.signal for w in heard if w.ill]
    if found.layer == "unknown":
        believed = [w for w in heard if w.blame >= ACCUSED and w.twin_agrees is not False]
        assert (len(accused) <= 1 or len(believed) == 1) and (found.counter or not heard)
    if found.layer == "surroundings":
        assert len(others) + 1 > max(parts, len(others) + 1) / 2


def test_one_of_several_that_falls_silent_is_a_sensor_and_all_of_them_are_the_line() -> None:
    alone = silence("flow", "rig", 2, 0, 3.2)
    assert (alone.layer, alone.target, alone.class_) == ("sensor", "flow", "silent")
    assert "2 other signals of rig still come" in alone.evidence
    together = silence("flow", "rig", 2, 2, 3.2)
    assert (together.layer, together.target, together.class_) == ("line", "rig", "unplugged")


def test_the_only_signal_of_a_line_is_a_sensor_with_a_doubt() -> None:
    found = silence("flow", "rig", 0, 0, 3.2)
    assert found.layer == "sensor" and "it may be the line" in found.counter[0]

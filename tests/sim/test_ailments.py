"""These tests see that each ailment does what its name says, where it says, and nothing else."""

import statistics
from collections.abc import Iterator

import pytest

from sickbay_sim.ailments import KINDS, Ailment, AilmentError, as_fault, check, check_load, kinds_of
from sickbay_sim.ailments.kinds import ACTS, LAYERS
from sickbay_sim.patient import COOLING_LOOP, Patient, rows
from sickbay_sim.plant import PLANTS
from sickbay_sim.plant.cooling_loop import CoolingLoop
from sickbay_sim.scenario import Fault, Load


def column(name: str, *ailments: Ailment, seconds: float = 200) -> list[float | None]:
    return [row[name] for row in rows(7, seconds, 1.0, ailments)]


def test_a_stuck_sensor_says_its_last_word() -> None:
    """It sticks at a plausible value: that is what makes it hard to see."""
    sound, ill = column("outlet_temp"), column("outlet_temp", Ailment("stuck", "outlet_temp", 100.0, 150.0))
    assert ill[:99] == sound[:99]
    assert set(ill[99:149]) == {sound[98]}
    assert ill[149:] == sound[149:]


def test_bias_drift_and_noise_are_measured_in_the_sensors_own_noise() -> None:
    """A severity then means the same for a flow meter and a thermometer."""
    sound = column("pressure")
    biased = column("pressure", Ailment("bias", "pressure", 100.0, None, 8.0))
    assert biased[150] == pytest.approx((sound[150] or 0) + 8 * COOLING_LOOP["pressure"].noise)
    drifting = column("pressure", Ailment("drift", "pressure", 100.0, None, 0.1))
    assert drifting[149] == pytest.approx((sound[149] or 0) + 50 * 0.1 * COOLING_LOOP["pressure"].noise)
    noisy = column("pressure", Ailment("noise", "pressure", 100.0, None, 10.0))
    off = [(a or 0) - (b or 0) for a, b in zip(noisy, sound, strict=True)][100:]
    assert statistics.stdev(off) == pytest.approx(10 * COOLING_LOOP["pressure"].noise, rel=0.25)


def test_a_dropout_leaves_readings_out() -> None:
    """None stands for a reading that is missing, not for zero."""
    assert column("flow", Ailment("dropout", "flow", 100.0))[99:] == [None] * 101
    half = column("flow", Ailment("dropout", "flow", 0.0, None, 0.5), seconds=400)
    assert 150 < half.count(None) < 250


def story(*faults: Fault, seconds: int = 170) -> Iterator[dict[str, float | None]]:
    """This yields the rows of all signals, one a second."""
    patient = Patient(7, faults)
    for _ in range(seconds):
        yield patient.advance(1.0)


@pytest.mark.parametrize("kind", ["stuck", "bias", "drift", "dropout", "noise"])
def test_one_sensors_ailment_moves_no_other(kind: str) -> None:
    """Else the wrong one could be blamed and the score card would call it right."""
    ill = list(rows(7, 100, 1.0, [Ailment(kind, "flow", 50.0)]))
    for with_it, without in zip(ill, rows(7, 100, 1.0), strict=True):
        assert {k: v for k, v in with_it.items() if k != "flow"} == {k: v for k, v in without.items() if k != "flow"}


def test_a_failed_fan_stands_still_and_the_outlet_warms() -> None:
    """Both relations, so that a dead tach can be told from a dead fan."""
    ill = list(rows(7, 160, 1.0, [Ailment("fan_fail", "fan", 100.0)]))
    assert ill[159]["fan_rpm"] < 10
    for name in ("outlet_temp", "outlet_temp_b"):
        assert ill[159][name] - ill[98][name] > 5
    assert ill[159]["flow"] == pytest.approx(ill[98]["flow"], rel=0.05)


def test_a_failed_pump_takes_flow_pressure_and_current() -> None:
    """And the fan goes on turning."""
    ill = list(rows(7, 130, 1.0, [Ailment("pump_fail", "pump", 100.0)]))[-1]
    assert ill["flow"] < 0.5 and ill["pressure"] < 1 and ill["current"] < 0.1
    assert ill["fan_rpm"] > 1700


def test_welded_contacts_stay_as_they_are() -> None:
    """The coil drops and the fan turns on; only the read-back tells."""
    patient = Patient(1)
    patient.ail("welded", "fan_relay")
    assert patient.switch("fan_relay", False) is True
    patient.heal("welded")
    assert patient.contacts("fan_relay") is False


def test_healing_ends_what_it_names_and_no_more() -> None:
    """A script that heals one thing must not cure another unseen."""
    patient = Patient(1)
    patient.ail("stuck", "flow")
    patient.ail("bias", "flow")
    patient.ail("fan_fail", "fan")
    patient.heal("stuck", "flow")
    assert [a.kind for a in patient.ailing()] == ["bias", "fan_fail"]
    patient.heal(target="flow")
    assert [a.kind for a in patient.ailing()] == ["fan_fail"]
    patient.heal()
    assert patient.ailing() == [] and not patient.plant.condition.fan_broken


@pytest.mark.parametrize(
    ("ailment", "text"),
    [
        (Ailment("stuk", "flow"), 'unknown kind. Did you mean "stuck"'),
        (Ailment("plague", "flow"), "unknown kind. Known: stuck"),
        (Ailment("stuck", "flo"), "'flo' cannot have it. It befalls: flow, pressure"),
        (Ailment("fan_fail", "pump"), "'pump' cannot have it. It befalls: fan"),
        (Ailment("stuck", "flow", 5.0, 5.0), "ends before it begins"),
        (Ailment("pump_wear", "pump", severity=1.5), "severity 1.5 is out of range"),
        (Ailment("bias", "flow", severity=float("nan")), "out of range"),
    ],
)
def test_an_ailment_that_cannot_be_is_an_error(ailment: Ailment, text: str) -> None:
    """A misspelt fault that silently does nothing would count as a perfect score."""
    with pytest.raises(AilmentError) as raised:
        as_fault(ailment, CoolingLoop)
    assert text in str(raised.value)
    with pytest.raises(AilmentError):
        Patient(0, [ailment])


def test_every_kind_shows() -> None:
    """A kind that changes nothing is a fault that every detector misses."""
    sound = list(story())
    for name, kind in kinds_of(CoolingLoop).items():
        if kind.acts not in ("reading", "physics") or name.startswith(("relay_", "welded")):
            continue
        target = "flow<>pressure" if name == "swap" else (kind.targets or ("flow",))[0]
        ill = list(story(Fault(name, target, 50.0)))
        assert ill[:49] == sound[:49], name
        assert ill[100:] != sound[100:], name


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault("drift", "float_switch", 0.0), "is a switch, which cannot have it"),
        (Fault("sentinel", "float_switch", 0.0), "has no error code"),
        (Fault("unit_change", "vibration_kurtosis", 0.0), "in no unit, for which no other unit is usual"),
        (Fault("relay_welded", "flow", 0.0), "'flow' cannot have it. It befalls: fan_relay, pump_relay"),
        (Fault("bias", "pump", 0.0), "'pump' cannot have it. It befalls: flow, pressure"),
        (Fault("swap", "flow<>flow", 0.0), "two different signals"),
        (Fault("swap", "flow", 0.0), 'not of the form "a<>b"'),
        (Fault("swap", "flow<>flo", 0.0), "'flo' cannot have it"),
        (Fault("garbage", "flow", 0.0), "It befalls: rig, line"),
        (Fault("thermostat_open", "thermostat", 0.0), "cooling-loop cannot have it"),
        (Fault("bias", "flow", 0.0, severity=1.5), "out of range"),
        (Fault("bias", "flow", 0.0, severity=0.0), "out of range"),
        (Fault("bias", "flow", float("nan")), "ends before it begins"),
        (Fault("bias", "flow", 5.0, 4.0), "ends before it begins"),
        (Fault("bias", "flow", 0.0, shape="liner", over_s=9.0), 'Did you mean "linear"'),
        (Fault("bias", "flow", 0.0, shape="linear"), "needs over_s"),
        (Fault("bias", "flow", 0.0, shape="intermittent", over_s=9.0, duty=1.0), "not a share between 0 and 1"),
    ],
)
def test_a_fault_that_cannot_be_is_an_error(fault: Fault, text: str) -> None:
    """A story about an impossible fault would be scored as missed."""
    with pytest.raises(AilmentError) as raised:
        check(fault, CoolingLoop)
    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("load", "text"),
    [
        (Load("lod", 1.0, 0.0), 'Did you mean "load"'),
        (Load("load", 9.0, 0.0), "9 is not within 0 .. 1.5"),
        (Load("load", 1.0, 0.0, -1.0), "makes no sense"),
    ],
)
def test_a_load_that_cannot_be_is_an_error(load: Load, text: str) -> None:
    """A plant outside of what it was made for proves nothing."""
    with pytest.raises(AilmentError) as raised:
        check_load(load, CoolingLoop)
    assert text in str(raised.value)


@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_every_kind_says_whom_it_befalls_and_what_it_changes(plant: str) -> None:
    """The registry is what `list`, the scenario reader and the score card go by."""
    described = PLANTS[plant]
    for name, kind in kinds_of(described).items():
        assert kind.layer in LAYERS and kind.acts in ACTS and kind.meaning, name
        assert name in KINDS and (KINDS[name].layer, KINDS[name].acts) == (kind.layer, kind.acts)
        if kind.layer == "part":
            assert kind.targets == described.part_ailments[name].targets
            assert set(kind.targets) <= set(KINDS[name].targets)
    assert set(described.part_ailments) <= set(KINDS)


@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_blame_goes_to_names_that_the_configuration_has(plant: str) -> None:
    """An agent can only blame what it was told of."""
    described = PLANTS[plant]
    for name, ailment in described.part_ailments.items():
        for target in ailment.blamed or ailment.targets:
            assert target in {*described.parts, *described.relays}, f"{name} of {target}"


def test_the_surroundings_befall_only_what_they_can_reach() -> None:
    """A car's readings are numbers on a bus: no sagging supply of its sensors can be told by them."""
    assert "left_open" in kinds_of(PLANTS["cold-room"]) and "left_open" not in kinds_of(PLANTS["car"])
    assert "common_mode" in kinds_of(PLANTS["cooling-loop"]) and "common_mode" not in kinds_of(PLANTS["car"])
    with pytest.raises(AilmentError, match="'supply_sag': car cannot have it"):
        check(Fault("supply_sag", "supply", 0.0), PLANTS["car"])

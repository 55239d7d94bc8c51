"""These tests count every figure of the card by hand."""

import json

import pytest

from score_runs import ill, masked, opened, played, story
from sickbay_sim.record import Change, StandIn
from sickbay_sim.scenario import Fault, Order
from sickbay_sim.score.card import Card, card
from sickbay_sim.score.machine import Played


def test_a_card_of_nothing_has_no_figures_and_does_not_fall_over() -> None:
    """Ctrl-C before the first run is over must still print."""
    empty = card([])
    assert empty.extent.runs == 0
    assert empty.detection.recall.noticed.share is None
    assert empty.detection.false_alarms.opened.per_month is None
    assert empty.messages.bytes_out_day is None
    json.dumps(empty.as_json())


def test_a_healthy_day_without_a_word_is_zero_with_an_interval() -> None:
    """No false alarm in an hour proves little: the interval says how little."""
    found = card([played(seconds=86_400.0)]).detection.false_alarms.opened
    assert (found.events, found.per_month, found.low) == (0, 0.0, 0.0)
    assert found.high == pytest.approx(3.6889 * 30, abs=0.01)


def test_false_wrong_and_dont_know_are_counted_apart() -> None:
    """An alarm with a cause is no false alarm; one in the warm-up is counted apart, as is the warm-up's time."""
    told = [
        *opened("f0", -50.0, "rpm"),
        *opened("f1", 40.0, "rpm"),
        *opened("f2", 110.0, "flow"),
        *opened("f3", 120.0, "temp"),
        *opened("f4", 130.0, "fan", "unknown"),
        *opened("f5", 250.0, "flow"),
        *opened("f6", 250.0, "temp"),
    ]
    found = card([played([ill("flow", 100.0, 200.0)], told)]).detection.false_alarms
    assert (found.opened.events, found.warm_up, found.wrong_blame, found.dont_know) == (2, 1, 1, 1)
    assert found.opened.months == pytest.approx(3500 / (30 * 86400))


def test_the_same_false_word_in_two_stories_of_one_seed_is_one_distinct_word() -> None:
    """They share their healthy hours; another seed is another unit."""
    runs = [
        played(told=opened("f1", 287.5, "fan"), name="a"),
        played(told=opened("f1", 287.5, "fan"), name="b"),
        played(told=opened("f1", 287.5, "fan"), name="a", seed=2),
    ]
    found = card(runs).detection.false_alarms
    assert (found.opened.events, found.distinct) == (3, 2)


def several() -> Card:
    """This returns the card of three runs with five illnesses, of all classes."""
    hard = played(
        [ill("flow", 100.0, 200.0), ill("fan", 1000.0, 1500.0, "fan_fail", "part")],
        [*opened("a1", 104.0, "flow"), *opened("a2", 1006.0, "rpm"), *story("a3", (1030.0, "opened", "part", "fan"))],
        [masked("flow", 103.0, 260.0), masked("rpm", 1005.0, 1025.0), masked("fan", 1029.0, None)],
    )
    flicker = Fault("bias", "temp", 50.0, shape="intermittent", over_s=20.0)
    wear = Fault("bearing_wear", "pump", 0.0, shape="linear", over_s=2000.0)
    slow = played(
        [ill("temp", 50.0, kind="bias"), ill("pump", 0.0, None, "bearing_wear", "part")],
        [*opened("b1", 500.0, "pump", "part")],
        [masked("pump", 501.0, None, active=False)],
        faults=(flicker, wear),
        name="slow",
    )
    cut = played([ill("rig", 10.0, 40.0, "cut", "line")], [*opened("c1", 21.0, "rig", "line")])
    return card([hard, slow, cut])


def test_recall_and_delay_are_by_class_and_layer() -> None:
    """Five illnesses: four noticed, four named; the fan first wrongly by its tach, after 6 s, rightly after 30 s."""
    found = several().detection
    assert (found.recall.noticed.n, found.recall.named.n, found.recall.named.of) == (4, 4, 5)
    assert (found.by_class["hard"].named.n, found.by_class["hard"].named.of) == (3, 3)
    assert (found.by_class["intermittent"].noticed.n, found.by_class["intermittent"].noticed.of) == (0, 1)
    assert (found.by_class["drift"].noticed.of, found.by_class["wear"].named.n) == (0, 1)
    assert found.by_layer["line"].to_named.p50 == 11.0
    part = found.by_layer["part"]
    assert (part.to_noticed.p50, part.to_noticed.longest) == (6.0, 500.0)
    assert (part.to_named.p50, part.to_named.longest) == (30.0, 500.0)
    assert (found.hard_to_quarantine.n, found.hard_to_quarantine.p50, found.hard_to_quarantine.p95) == (2, 3.0, 29.0)


def test_what_is_latent_is_counted_apart() -> None:
    """Nobody can find it, so nobody has missed it; whoever finds it all the same is seen to have."""
    latent = Fault("stuck", "flow", 100.0, latent="It never moved.")
    truth = [ill("flow", 100.0, None), ill("fan", 1000.0, 1500.0, "fan_fail", "part")]
    silent = played(truth, opened("a1", 1006.0, "fan", "part"), faults=(latent,))
    found = card([silent])
    assert (found.extent.illnesses, found.extent.latent) == (2, 1)
    assert (found.detection.recall.noticed.n, found.detection.recall.noticed.of) == (1, 1)
    assert found.detection.by_layer["sensor"].noticed.of == 0 and "stuck" not in found.detection.by_kind
    assert found.detection.by_class["latent"].noticed.of == found.detection.by_class["hard"].noticed.of == 1
    assert found.isolation.recall.of == 1
    told = played(truth, opened("a1", 104.0, "flow"), faults=(latent,))
    assert card([told]).detection.by_class["latent"].named.n == 1


def test_blame_is_the_first_definite_word() -> None:
    """Four have one; the fan's blames a sensor for a part, and is corrected later."""
    found = several().detection.blame
    assert (found.right.n, found.right.of) == (3, 4)
    assert (found.wrong_layer.n, found.wrong_layer.of) == (1, 3)  # the line's is neither sensor nor part
    assert (found.corrected.n, found.corrected.of) == (1, 1)


def test_wear_is_warned_of_before_its_limit() -> None:
    """Told at 500 s of 2000 s: three quarters of the life are left."""
    found = several().detection.wear
    assert (found.told.n, found.named.n, found.named.of, found.lead_p50) == (1, 1, 1, 0.75)


def test_wear_that_is_told_after_its_limit_was_no_warning() -> None:
    """It counts as found, with a lead below 0; wear without a limit in its story is asked for none."""
    wear = Fault("bearing_wear", "pump", 0.0, shape="linear", over_s=1000.0)
    late = played(
        [ill("pump", 0.0, None, "bearing_wear", "part")], opened("f1", 1500.0, "pump", "part"), faults=(wear,)
    )
    found = card([late, played([ill("pump", 0.0, None, "bearing_wear", "part")])]).detection.wear
    assert (found.told.n, found.named.n, found.named.of, found.lead_p50) == (0, 0, 1, -0.5)


def test_the_matrices_hold_truth_against_what_was_told() -> None:
    """Each illness once; a run in which nothing false was told is one "ok, nothing"."""
    found = several()
    assert found.layers.counts["part"] == {
        "nothing": 0, "sensor": 1, "part": 1, "line": 0, "surroundings": 0, "unknown": 0
    }  # fmt: skip
    assert found.layers.counts["ok"]["nothing"] == 3
    (plant,) = found.plants
    assert plant.name == "bench-top"
    assert (plant.counts["fan"]["rpm"], plant.right["fan"]["rpm"]) == (1, 0)
    assert (plant.counts["flow"]["flow"], plant.right["flow"]["flow"]) == (1, 1)
    assert (plant.counts["temp"]["nothing"], plant.counts["line"]["line"]) == (1, 1)
    assert sum(n for row in plant.counts.values() for n in row.values()) == 5 + 3


def test_a_blamed_name_that_is_not_the_target_is_right_in_its_cell() -> None:
    """Off the diagonal and right all the same: the radiator's dirt shows in the fan."""
    dirt = ill("radiator", 10.0, None, "fouling", "part", blamed=("fan", "pump"))
    (plant,) = card([played([dirt], opened("f1", 50.0, "fan", "part"))]).plants
    assert (plant.counts["radiator"]["fan"], plant.right["radiator"]["fan"]) == (1, 1)


def test_two_plants_have_a_matrix_each() -> None:
    """A pump of one machine is not the pump of another."""
    from dataclasses import replace

    one = played()
    other = Played(one.run, replace(one.machine, plant="another"))
    assert [m.name for m in card([one, other]).plants] == ["another", "bench-top"]


def test_quarantine_has_precision_and_recall() -> None:
    """Four stays: flow, fan and pump rightly, the tach for the fan's fault wrongly; the flickering sensor never."""
    found = several().isolation
    assert (found.stays, found.active, found.precision.n, found.wrong) == (4, 3, 3, 1)
    assert (found.recall.n, found.recall.of) == (3, 4)  # the line asks for none
    assert found.recall_by_class["intermittent"].n == 0
    assert found.false.events == 0
    assert found.collateral_signal_s_day == pytest.approx(20.0 / 3 * 24)  # 20 s in three hours
    assert found.collateral_part_s_day == 0


def test_a_stay_out_of_nothing_is_false_and_its_seconds_are_collateral() -> None:
    """An open one lasts to the end of the run."""
    found = card([played(spans=[masked("rpm", 3000.0, None), masked("pump", 100.0, 200.0, active=False)])]).isolation
    assert (found.false.events, found.precision.n, found.precision.of) == (2, 0, 2)
    assert found.collateral_signal_s_day == pytest.approx(600.0 * 24)
    assert found.collateral_part_s_day == 0  # passive takes nothing from anybody


def test_a_stay_in_the_warm_up_is_counted_apart() -> None:
    """It is false, but its time is not watched: in the rate it would have no share."""
    found = card([played(spans=[masked("rpm", -100.0, -50.0)])]).isolation
    assert (found.false.events, found.warm_up, found.precision.of) == (0, 1, 1)


def test_release_is_timed_from_the_end_of_the_illness() -> None:
    """A part with a relay waits for a person, and is not called late; a stay that ended before is none."""
    truth = [ill("flow", 100.0, 200.0), ill("temp", 100.0, 200.0), ill("fan", 100.0, 200.0, "fan_fail", "part")]
    spans = [masked("flow", 104.0, 275.0), masked("temp", 104.0, None), masked("fan", 110.0, None)]
    found = card([played(truth, spans=spans)]).isolation
    assert (found.to_release.n, found.to_release.p50, found.not_released, found.by_hand) == (1, 75.0, 1, 1)
    never = card([played([ill("flow", 100.0)], spans=[masked("flow", 104.0, 150.0)])]).isolation
    assert (never.to_release.n, never.not_released) == (0, 0)


def test_passive_is_not_released_since_it_was_never_taken() -> None:
    found = card([played([ill("flow", 100.0, 200.0)], spans=[masked("flow", 104.0, None, active=False)])]).isolation
    assert (found.to_release.n, found.not_released, found.recall.n, found.active) == (0, 0, 1, 0)


def test_flapping_is_stays_beyond_the_first() -> None:
    """Out, back, out, back, out: two cycles for nothing."""
    spans = [masked("flow", 110.0, 120.0), masked("flow", 130.0, 140.0), masked("flow", 150.0, 260.0)]
    found = card([played([ill("flow", 100.0, 200.0)], spans=spans)]).isolation
    assert (found.cycles_most, found.flapped.n, found.flapped.of) == (2, 1, 1)


def test_an_essential_part_out_of_service_is_a_violation() -> None:
    """Isolated, ordered off, or its contacts opened: each must be 0. Would-have-been is none."""
    assert card([played(spans=[masked("pump", 10.0, 20.0, active=False)])]).isolation.essential_isolated == 0
    assert card([played(spans=[masked("pump", 10.0, 20.0)])]).isolation.essential_isolated == 1
    on, off = (Change(10.0, "output", "pump_relay", {"on": word, "ok": True}) for word in (True, False))
    assert card([played(changes=[on])]).isolation.essential_driven == 0
    moves = [(-900.0, True), (10.2, False), (20.0, True), (30.0, False)]
    assert card([played(changes=[off], relays={"pump_relay": moves[:2]})]).isolation.essential_driven == 1
    assert card([played(relays={"pump_relay": moves, "fan_relay": moves})]).isolation.essential_driven == 2


def test_a_relay_that_is_itself_ill_or_ordered_by_a_person_is_no_violation() -> None:
    """A coil that burns out opens its contacts; that is the truth's doing."""
    moves = [(-900.0, True), (10.2, False)]
    truth = [ill("pump_relay", 10.0, None, "coil", "part")]
    assert card([played(truth, relays={"pump_relay": moves})]).isolation.essential_driven == 0
    ordered = played(relays={"pump_relay": moves}, orders=(Order("quarantine", "pump", 10.0),))
    assert card([ordered]).isolation.essential_driven == 0


def test_substitutes_are_measured_in_the_signals_own_spreads() -> None:
    """Errors of +1, +1 and -2 spreads: bias 0, RMS the root of 2."""
    said = [StandIn(float(k), "temp", "temp_b", 40.0 + e * 0.5, 40.0, 0.5) for k, e in enumerate((1.0, 1.0, -2.0))]
    found = card([played(stand_ins=[*said, StandIn(9.0, "temp", "temp_b", 1.0, 2.0, 0.0)])]).isolation
    assert (found.stand_ins.n, found.stand_ins.bias, found.stand_ins.worst) == (3, pytest.approx(0.0), 2.0)
    assert found.stand_ins_by_signal["temp"].rms == pytest.approx(2**0.5)


def test_messages_are_counted_with_their_fate() -> None:
    """One story in three messages, one of them twice; another that never arrived."""
    told = story(
        "f1",
        (104.0, "opened", "sensor", "flow"),
        (110.0, "updated", "sensor", "flow"),
        (260.0, "closed", "sensor", "flow"),
        delivered_s=300.0,
        arrivals=2,
    )
    told += opened("f2", 150.0, "temp")
    found = card(
        [played([ill("flow", 100.0, 200.0)], told, lost=1, bytes_out=900, bytes_in=90_000, cpu_s=0.5)]
    ).messages
    assert (found.opened, found.updated, found.closed) == (2, 1, 1)
    assert (found.opened_per_illness, found.messages_per_illness, found.messages_per_illness_most) == (2.0, 4.0, 4)
    assert (found.duplicates, found.lost, found.undelivered, found.to_delivery.longest) == (3, 1, 1, 196.0)
    assert found.out_per_in == 0.01
    assert found.cpu_s_day == pytest.approx(0.5 / 4500 * 86_400)  # an hour, and a warm-up of a quarter


def test_a_card_is_json_and_has_a_place_for_every_figure() -> None:
    """Programs read it; a key that moves breaks them."""
    found = json.loads(json.dumps(several().as_json()))
    assert set(found) == {"extent", "detection", "isolation", "messages", "layers", "plants"}
    assert set(found["detection"]["false_alarms"]["opened"]) == {"events", "months", "per_month", "low", "high"}
    assert set(found["detection"]["by_class"]) == {"hard", "intermittent", "drift", "wear", "latent"}
    assert found["extent"]["scenarios"] == 2

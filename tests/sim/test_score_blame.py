"""These tests hold what a word or an isolation is worth: the one rule that all figures of right, wrong and false rest on."""

import pytest

from score_runs import ill, masked, opened, played, story
from sickbay_sim.record import Illness
from sickbay_sim.scenario import Expect, Fault, Order
from sickbay_sim.score.blame import AFTER_S, Meaning, courses, healthy_s, meaning, stays, words

SENSOR = ill("flow", 100.0, 200.0)
FAN = ill("fan", 150.0, 400.0, "fan_fail", "part")


@pytest.mark.parametrize(
    ("at_s", "target", "layer", "worth", "about"),
    [
        (99.9, "flow", "sensor", Meaning.FALSE, None),  # before the onset: luck
        (100.0, "flow", "sensor", Meaning.RIGHT, 0),
        (120.0, "current", "sensor", Meaning.WRONG, 0),
        (120.0, "pump", "unknown", Meaning.UNKNOWN, 0),
        (120.0, "flow", "unknown", Meaning.UNKNOWN, 0),  # the right place, and nobody is blamed
        (450.0, "fan", "unknown", Meaning.UNKNOWN, 1),  # so, too, soon after the end
        (160.0, "fan", "surroundings", Meaning.WRONG, 1),  # whoever reads that looks around the machine
        (200.0, "flow", "sensor", Meaning.RIGHT, 0),
        (300.0, "flow", "sensor", Meaning.RIGHT, 0),  # recent
        (300.0, "current", "sensor", Meaning.WRONG, 1),  # the fan is still ill: a cause, another name
        (400.0 + AFTER_S, "fan", "part", Meaning.RIGHT, 1),
        (400.1 + AFTER_S, "fan", "part", Meaning.FALSE, None),
        (450.0, "current", "sensor", Meaning.FALSE, None),  # recent excuses only its own name
        (450.0, "pump", "unknown", Meaning.FALSE, None),
        (160.0, "flow", "sensor", Meaning.RIGHT, 0),  # two at once: each has its own name
        (160.0, "fan", "part", Meaning.RIGHT, 1),
        (160.0, "temp", "sensor", Meaning.WRONG, 1),  # of none: held against the latest
    ],
)
def test_a_word_is_right_wrong_or_false_by_what_was_in_force(
    at_s: float, target: str, layer: str, worth: Meaning, about: int | None
) -> None:
    """Two illnesses that overlap, before, within and after them."""
    assert meaning(played([SENSOR, FAN]).run, at_s, target, layer) == (worth, about)


def test_the_line_and_the_surroundings_are_named_by_their_layer() -> None:
    """What the configuration calls its line is not the story's affair."""
    cut = ill("line", 10.0, 20.0, "cut", "line")
    assert meaning(played([cut]).run, 15.0, "rig", "line") == (Meaning.RIGHT, 0)
    assert meaning(played([cut]).run, 15.0, "flow", "sensor") == (Meaning.WRONG, 0)


def test_what_shows_elsewhere_may_be_blamed_there() -> None:
    """A blocked hose is no part of the configuration: the pump it shows in is."""
    hose = ill("hose", 10.0, None, "blockage", "part", blamed=("pump",))
    assert meaning(played([hose]).run, 9e9, "pump", "part") == (Meaning.RIGHT, 0)


def test_of_one_name_ill_twice_the_later_one_is_meant() -> None:
    """A second fault of the same sensor, soon after the first, is not the first one's echo."""
    again = played([ill("flow", 100.0, 200.0), ill("flow", 250.0, 300.0)])
    assert meaning(again.run, 240.0, "flow") == (Meaning.RIGHT, 0)
    assert meaning(again.run, 260.0, "flow") == (Meaning.RIGHT, 1)


OFF = ill("engine", 100.0, 200.0, "engine_off", "surroundings")
EVENING = Fault("engine_off", "engine", 100.0, 200.0)


def test_an_engine_that_is_switched_off_excuses_no_alarm() -> None:
    """It happens every evening, and nobody should be called; who names it all the same told no lie."""
    evening = played([OFF], opened("f1", 105.0, "flow"), [masked("rpm", 106.0, 130.0)], faults=(EVENING,))
    assert meaning(evening.run, 110.0, "pump", "part") == (Meaning.FALSE, None)
    assert meaning(evening.run, 110.0, "pump", "unknown") == (Meaning.FALSE, None)
    assert meaning(evening.run, 110.0, "ambient", "surroundings") == (Meaning.RIGHT, 0)
    assert courses(evening) == []
    assert healthy_s(evening.run) == 3600.0


def test_what_is_everyday_and_the_story_wants_told_is_an_illness() -> None:
    """Then it is asked for, and has to be found like any other."""
    asked = played([OFF], faults=(EVENING,), expects=(Expect("engine", within_s=60.0),))
    assert len(courses(asked)) == 1
    assert healthy_s(asked.run) == 3500.0
    assert meaning(asked.run, 110.0, "pump", "part") == (Meaning.WRONG, 0)


def test_an_update_counts_only_when_it_blames_something_else() -> None:
    """An update that tells of probation while another thing is ill blames nothing anew."""
    told = story(
        "f1",
        (110.0, "opened", "sensor", "flow"),
        (160.0, "updated", "sensor", "flow"),
        (170.0, "closed", "sensor", "flow"),
    )
    told += story("f2", (155.0, "opened", "unknown", "fan"), (165.0, "updated", "part", "fan"))
    found = words(played([SENSOR, FAN], told).run)
    assert [(w.told.at_s, w.meaning) for w in found] == [
        (110.0, Meaning.RIGHT),
        (155.0, Meaning.UNKNOWN),
        (165.0, Meaning.RIGHT),
    ]


def test_a_course_holds_what_became_of_one_illness() -> None:
    """First wrongly blamed, then corrected; isolated in between; the story's messages counted whole."""
    told = story(
        "f1",
        (104.0, "opened", "part", "pump"),
        (130.0, "updated", "sensor", "flow"),
        (260.0, "closed", "sensor", "flow"),
    )
    (course,) = courses(played([SENSOR], told, [masked("flow", 128.0, 220.0)]))
    assert (course.noticed_s, course.named_s, course.isolated_s) == (4.0, 30.0, 28.0)
    assert (course.opened, course.messages) == (1, 3)
    assert course.first is not None
    assert course.first.meaning is Meaning.WRONG


def test_a_dont_know_gives_way_to_the_first_definite_word() -> None:
    """ "Don't know" is an answer, and goes to a person; what it became counts."""
    told = story("f1", (104.0, "opened", "unknown", "pump"), (130.0, "updated", "sensor", "flow"))
    (course,) = courses(played([SENSOR], told))
    assert course.first is not None
    assert (course.first.told.at_s, course.first.meaning) == (130.0, Meaning.RIGHT)
    (silent,) = courses(played([SENSOR], story("f1", (104.0, "opened", "unknown", "pump"))))
    assert silent.first is not None
    assert silent.first.meaning is Meaning.UNKNOWN
    assert (silent.noticed_s, silent.named_s) == (4.0, None)


def test_nothing_told_is_a_course_without_times() -> None:
    (course,) = courses(played([SENSOR]))
    assert (course.first, course.noticed_s, course.named_s, course.isolated_s) == (None, None, None, None)


def test_passive_that_turns_active_is_one_stay() -> None:
    """It is one decision in two steps; a gap in between is a release and a second stay."""
    spans = [
        masked("fan", 160.0, 170.0, active=False),
        masked("fan", 170.0, 300.0),
        masked("fan", 320.0, None),
        masked("temp", 165.0, 166.0, active=False),
    ]
    found = stays(played([FAN], spans=spans).run)
    assert [(s.name, s.from_s, s.to_s, s.active_from_s, s.meaning) for s in found] == [
        ("fan", 160.0, 300.0, 170.0, Meaning.RIGHT),
        ("temp", 165.0, 166.0, None, Meaning.WRONG),
        ("fan", 320.0, None, 320.0, Meaning.RIGHT),
    ]


def test_what_a_person_ordered_is_not_the_machines_doing() -> None:
    """A quarantine by hand is neither false nor right."""
    order = Order("quarantine", "rpm", 50.0)
    found = stays(played(spans=[masked("rpm", 50.0, 60.0), masked("rpm", 90.0, 95.0)], orders=(order,)).run)
    assert [(s.from_s, s.meaning) for s in found] == [(90.0, Meaning.FALSE)]


@pytest.mark.parametrize(
    ("truth", "healthy"),
    [
        ([], 3600.0),
        ([SENSOR], 3500.0),
        ([SENSOR, FAN], 3300.0),  # they overlap: 100..400
        ([ill("flow", 3000.0)], 3000.0),  # open: to the end of the run
        ([ill("flow", 3000.0), ill("fan", 3100.0, 3200.0)], 3000.0),
        ([ill("flow", 3000.0, 9000.0)], 3000.0),
    ],
)
def test_healthy_time_is_what_no_illness_covers(truth: list[Illness], healthy: float) -> None:
    """It is the time in which a word can be false; counting ill time, too, would flatter every rate."""
    assert healthy_s(played(truth).run) == healthy


@pytest.mark.parametrize(("severity", "class_"), [(1.0, "hard"), (0.5, "intermittent")])
def test_a_sensor_that_is_missing_half_of_the_time_is_intermittent(severity: float, class_: str) -> None:
    """One that never speaks again is as hard a fault as there is."""
    (course,) = courses(played([ill("flow", 100.0, kind="dropout", severity=severity)]))
    assert course.class_ == class_


@pytest.mark.parametrize(
    ("kind", "fault", "class_"),
    [
        ("stuck", Fault("stuck", "flow", 100.0), "hard"),
        ("bias", Fault("bias", "flow", 100.0, shape="intermittent", over_s=10.0), "intermittent"),
        ("bias", Fault("bias", "flow", 100.0, shape="linear", over_s=600.0), "drift"),
        ("drift", Fault("drift", "flow", 100.0), "drift"),
        ("bearing_wear", Fault("bearing_wear", "flow", 100.0), "wear"),
        ("unheard_of", Fault("stuck", "flow", 100.0), "hard"),
        ("stuck", Fault("stuck", "flow", 100.0, latent="It never moved."), "latent"),
    ],
)
def test_the_class_of_a_fault_follows_from_its_kind_and_shape(kind: str, fault: Fault, class_: str) -> None:
    """The aims of recall differ by class; the table is one and has a name."""
    (course,) = courses(played([ill("flow", 100.0, kind=kind)], faults=(fault,)))
    assert course.class_ == class_

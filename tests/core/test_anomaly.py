"""The view of one part: quiet when all is well, quick when not, and right about whom."""

import math
import random
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sickbay.core.anomaly import PartView
from sickbay.core.equipment import Signal
from sickbay.core.lasting import down, up

Row = list[float | None]
NAMES = ("flow", "pressure", "current", "temp")


def signals(names: Sequence[str] = NAMES) -> list[Signal]:
    return [Signal(name, "rig") for name in names]


def plant(rows: int, seed: int = 1) -> list[Row]:
    """Four signals as on a pump rig: white noise, quantised noise, a slow oscillation, a warm-up with wander."""
    chance, warm, out = random.Random(seed), 0.0, []
    for i in range(rows):
        warm += chance.gauss(0.0, 0.02)
        out.append(
            [
                32.0 + chance.gauss(0.0, 0.5),
                round(chance.gauss(0.4, 0.3) / 0.33) * 0.33,
                2.2 + 0.3 * math.sin(i / 7.0) + chance.gauss(0.0, 0.4),
                60.0 + 4.0 * (1.0 - math.exp(-i / 2000.0)) + warm + chance.gauss(0.0, 0.1),
            ]
        )
    return out


def run(view: PartView, rows: Sequence[Sequence[float | None]], first: int = 0) -> list[int]:
    """The rows in alarm."""
    found = []
    for i, row in enumerate(rows, first):
        view.step(row, i * 1000)
        if view.alarm:
            found.append(i)
    return found


def taught(rows: int = 600, seed: int = 1) -> PartView:
    view = PartView(signals(), 400)
    assert run(view, plant(rows, seed)) == []
    return view


def spoilt(rows: list[Row], first: int, index: int, change: Callable[[int, float], float | None]) -> list[Row]:
    out = [list(row) for row in rows]
    for i in range(first, len(out)):
        value = out[i][index]
        assert value is not None
        out[i][index] = change(i - first, value)
    return out


def test_learning_is_told_with_the_rows_that_are_left() -> None:
    view = PartView(signals(), 400)
    run(view, plant(100))
    assert view.learning and view.rows_left == 300
    assert view.explain(0)["learning"] is True
    assert view.learnt() is None and view.question() == (0.0,) * 4


@pytest.mark.parametrize("seed", range(4))
def test_hours_of_normal_running_give_no_alarm(seed: int) -> None:
    """What is asked is 0.1 alarms a month; a warm-up, wander and quantised noise are no reasons."""
    view = PartView(signals(), 400)
    assert run(view, plant(8000, seed)) == []
    assert view.sensor_faults == []


def test_a_small_lasting_shift_is_found_and_the_right_signal_blamed() -> None:
    rows = spoilt(plant(1000), 600, 0, lambda _, v: v - 1.5)
    view = PartView(signals(), 400)
    found = run(view, rows)
    assert found and 600 <= found[0] <= 660
    blame = view.blame()
    assert blame.index(max(blame)) == 0
    words = view.explain(0)
    assert words["direction"] == "down" and abs(float(words["deviations"] or 0.0)) > 4.0
    assert words["since_ms"] == found[0] * 1000


def test_an_alarm_lasts_as_long_as_its_cause_and_ends_after_it() -> None:
    """The level is not learnt while it is suspect: a fault that lasts must not become the new normal."""
    rows = plant(3000)
    for i in range(600, 2400):
        value = rows[i][0]
        assert value is not None
        rows[i][0] = value - 3.0
    found = run(PartView(signals(), 400), rows)
    assert found[0] < 630 and found == list(range(found[0], found[-1] + 1))
    assert 2400 <= found[-1] < 2500


def test_a_slow_drift_is_found_although_slow_wander_is_followed() -> None:
    rows = spoilt(plant(1400), 600, 0, lambda i, v: v + 0.006 * i)
    found = run(PartView(signals(), 400), rows)
    assert found and found[0] < 1100


def test_a_flicker_that_stops_is_a_stuck_sensor() -> None:
    rows = plant(700)
    frozen = rows[599][0]
    view = PartView(signals(), 400)
    run(view, spoilt(rows, 600, 0, lambda _, v: frozen))
    assert view.sensor_faults == [(0, "stuck")]


def test_a_part_that_stands_still_whole_is_no_stuck_sensor() -> None:
    """Switched off, or a line that repeats itself: neither is the sensors' fault."""
    rows = plant(700)
    view = PartView(signals(), 400)
    run(view, rows[:600] + [list(rows[599]) for _ in range(100)])
    assert view.sensor_faults == []


def test_lone_wild_values_are_a_sensors_spikes_and_do_not_move_its_level() -> None:
    rows = spoilt(plant(900), 600, 0, lambda i, v: v + 40.0 if i % 11 == 5 else v)
    view = PartView(signals(), 400)
    run(view, rows)
    assert (0, "spikes") in view.sensor_faults
    assert float(view.explain(0)["centre"] or 0.0) == pytest.approx(32.0, abs=0.4)


def test_wild_values_that_recur_are_spikes_though_each_alone_would_be_nothing() -> None:
    """Nine deviations, once in twenty rows, lie within what a single reading may do by chance in a month."""
    rows = spoilt(plant(900), 600, 0, lambda i, v: v + 4.5 if i % 20 == 5 else v)
    view = PartView(signals(), 400)
    run(view, rows[:600])
    found = set()
    for i, row in enumerate(rows[600:], 600):
        view.step(row, i * 1000)
        found.update(view.sensor_faults)
    assert found == {(0, "spikes")}


def test_a_signal_that_only_grew_noisier_throws_no_spikes() -> None:
    """Cavitation and bearings shake a healthy transmitter: that must not be called its loose contact."""
    chance = random.Random(5)
    view = PartView(signals(), 400)
    run(view, plant(600))
    found = set()
    for i, row in enumerate(spoilt(plant(1500), 600, 0, lambda _, v: v + chance.gauss(0.0, 1.0))[600:], 600):
        view.step(row, i * 1000)
        found.update(view.sensor_faults)
    assert (0, "spikes") not in found


def test_one_wild_value_alone_is_neither_alarm_nor_fault() -> None:
    rows = plant(800)
    rows[600][0] = 5000.0
    view = PartView(signals(), 400)
    assert run(view, rows) == [] and view.sensor_faults == []


def test_excess_noise_in_one_signal_is_told_as_noise() -> None:
    chance = random.Random(9)
    view = PartView(signals(), 400)
    seen = set()
    for i, row in enumerate(spoilt(plant(760), 600, 0, lambda _, v: v + chance.gauss(0.0, 1.8))):
        view.step(row, i * 1000)
        seen.update(view.sensor_faults)
    assert (0, "noise") in seen


def bursts(rows: int, seed: int) -> list[Row]:
    """The same, but the current bursts now and then: a mean squared step is ruled by those."""
    chance, out = random.Random(seed + 50), plant(rows, seed)
    for k in range(30, rows, 60):
        for i in range(k, min(k + 3, rows)):
            out[i][2] = 2.2 + chance.gauss(0.0, 4.0)
    return out


@pytest.mark.parametrize("seed", range(4))
def test_noise_that_stays_is_told_though_single_bursts_are_louder(seed: int) -> None:
    """How many steps are large says more than how large the largest are; and bursts as ever say nothing."""
    chance = random.Random(seed)
    loud, usual = PartView(signals(), 400), PartView(signals(), 400)
    found = set()
    noisy = spoilt(bursts(900, seed), 700, 2, lambda _, v: v + chance.gauss(0.0, 1.3))
    for i, (row, same) in enumerate(zip(noisy, bursts(900, seed), strict=True)):
        loud.step(row, i * 1000)
        usual.step(same, i * 1000)
        found.update(loud.sensor_faults)
        assert (2, "noise") not in usual.sensor_faults
    assert (2, "noise") in found


def test_what_shakes_harder_has_not_moved_by_that() -> None:
    """Its means scatter as much more as it does: else a loose cable's noise would be taken for a machine that changed."""
    loud, moved = taught(), taught()
    chance = random.Random(5)
    rows = plant(900)[600:]
    run(loud, spoilt([list(row) for row in rows], 20, 0, lambda _, v: v + chance.gauss(0.0, 4.0)))
    run(moved, spoilt([list(row) for row in rows], 20, 0, lambda _, v: v + 4.0))
    assert moved.moved(0) and not loud.moved(0)


def test_a_shock_in_two_signals_at_once_is_the_parts() -> None:
    rows = plant(700)
    rows[650][0], rows[650][2] = 90.0, 40.0
    found = run(PartView(signals(), 400), rows)
    assert found and 650 <= found[0] <= 653
    assert found[-1] < 700


def test_a_constant_never_alarms_for_being_constant() -> None:
    rows = [[*row, 7.0] for row in plant(1500)]
    assert run(PartView(signals((*NAMES, "setpoint")), 400), rows) == []


def test_a_constant_that_moves_does_not_alarm_alone() -> None:
    """It was never seen to move: that is no measure of how far it may."""
    rows = [[*row, 7.0 if i < 600 else 9.0] for i, row in enumerate(plant(900))]
    view = PartView(signals((*NAMES, "setpoint")), 400)
    assert run(view, rows) == []
    assert view.blame()[4] > 0.5


def test_missing_readings_are_no_evidence_and_their_return_is_no_leap() -> None:
    rows = plant(2000)
    for i in range(700, 1300):
        rows[i][3] = None
    for i in range(0, 2000, 7):
        rows[i][1] = None
    view = PartView(signals(), 400)
    assert run(view, rows) == []


def test_a_gap_in_the_readings_ends_no_alarm() -> None:
    """It says nothing: an alarm that ended in each gap would be told anew after it."""
    view = taught()
    rows = spoilt(plant(900)[600:], 0, 0, lambda _, v: v - 5.0)
    found = run(view, rows[:40], 600)
    assert view.alarm
    for row in rows[40:55]:
        row[0] = None
    assert run(view, rows[40:], 640)[:60] == list(range(640, 700)) and found


def test_a_gap_after_one_odd_reading_begins_no_alarm() -> None:
    view = taught()
    rows = plant(900)[600:]
    rows[0][0] = 90.0
    for row in rows[1:15]:
        row[0] = None
    assert run(view, rows[:15], 600) == []


@pytest.mark.parametrize("told", [False, True])
def test_what_somebody_was_told_of_does_not_wear_off(told: bool) -> None:
    """What wanders may go on wandering, and is normal there. But who was told that it is odd must not find it taken for normal."""

    def wanders(seed: int) -> list[Row]:
        chance, at, out = random.Random(seed), 0.0, []
        for _ in range(4000):
            at = 0.98 * at + chance.gauss(0.0, 0.15)
            out.append([50.0 + at + chance.gauss(0.0, 0.2)])
        return out

    view = PartView(signals(("level",)), 400)
    rows = wanders(5)
    assert run(view, rows[:600]) == []
    rows = spoilt(rows, 600, 0, lambda _, v: v - 8.0)
    assert run(view, rows[600:640], 600)
    view.keep(told)
    run(view, rows[640:], 640)
    off = view.explain(0)["ratio"]
    assert isinstance(off, float) and (off >= 1.0) is told


def test_a_masked_signal_does_not_count_but_stays_judged() -> None:
    """Probation needs a verdict on what is masked; the part's own verdict must not."""
    view = taught()
    view.mask(0, True)
    assert run(view, spoilt(plant(900)[600:], 0, 0, lambda _, v: v - 5.0), 600) == []
    assert view.blame()[0] > 1.0 and view.question()[0] == 0.0


def test_rest_ends_the_alarm_of_a_part_that_was_off() -> None:
    view = PartView(signals(), 400)
    assert run(view, spoilt(plant(700), 600, 0, lambda _, v: 0.0))
    view.rest()
    assert not view.alarm and view.score == 0.0
    assert run(view, plant(900)[700:], 700) == []


def test_a_prior_that_fits_is_judged_by_at_once() -> None:
    recording = PartView(signals(), 3000)
    run(recording, plant(3000))
    view = PartView(signals(), 400, 0.1, recording.learnt())
    found = run(view, spoilt(plant(400, 7), 60, 0, lambda _, v: v - 3.0))
    assert not view.learning and not view.settled_anew
    assert found and found[0] < 100


def test_at_a_new_operating_point_the_unit_settles_anew_and_says_so() -> None:
    """The fault-free recording of a real rig was at 122 L/min, what had to be judged ran at 32."""
    recording = PartView(signals(), 2000)
    run(recording, plant(2000))
    slower = [[10.0 + 0.3 * v if v is not None else None for v in row] for row in plant(1500, 5)]
    view = PartView(signals(), 400, 0.1, recording.learnt())
    assert run(view, slower[:399]) == [] and view.learning and view.settled_anew
    assert run(view, slower[399:], 399) == [] and not view.learning
    assert run(view, [[v - 1.5 if v is not None else None for v in row] for row in slower], 1500)


def test_a_sensor_dead_from_the_start_does_not_make_an_operating_point() -> None:
    recording = PartView(signals(), 2000)
    run(recording, plant(2000))
    view = PartView(signals(), 400, 0.1, recording.learnt())
    found = run(view, spoilt(plant(200, 5), 0, 0, lambda i, v: 0.0))
    assert found and not view.settled_anew
    assert view.blame().index(max(view.blame())) == 0


def test_a_model_that_no_longer_fits_raises_an_alarm_and_its_absence_none() -> None:
    """A relation can break while each signal stays within its own normal."""
    view, chance = PartView(signals(("a", "b")), 400), random.Random(2)
    for i in range(2200):
        a = chance.gauss(0.0, 1.0)
        b = a if i < 1600 else chance.gauss(0.0, 1.0)
        view.step([a, b + chance.gauss(0.0, 0.05)], i * 1000)
        if view.learning:
            continue
        z = view.question()
        mean = (z[0] + z[1]) / 2.0
        view.residuals((mean, mean) if i % 10 else None)
        if i < 1600:
            assert not view.alarm
    assert view.alarm
    for i in range(2200, 2400):
        a = chance.gauss(0.0, 1.0)
        view.step([a, a], i * 1000)
        view.residuals(None)
    assert not view.alarm


def test_a_model_that_answers_nonsense_has_no_view() -> None:
    view = taught()
    for estimates in ((math.nan,) * 4, (math.inf,) * 4, (0.0,), None):
        view.question()
        view.residuals(estimates)
        view.step(plant(601)[600], 600_000)
        assert math.isfinite(view.score) and not view.alarm


@pytest.mark.parametrize("at", [150, 500, 640])
def test_a_restart_changes_no_verdict(at: int) -> None:
    """A laptop must replay a device's decisions, restarts and all."""
    rows = spoilt(plant(900), 600, 0, lambda _, v: v - 3.0)
    whole, before = (PartView(signals(), 400) for _ in range(2))
    run(before, rows[:at])
    after = up(msgspec.msgpack.decode(msgspec.msgpack.encode(down(before))))
    run(whole, rows[:at])
    for i in range(at, 900):
        whole.step(rows[i], i * 1000)
        after.step(rows[i], i * 1000)
        assert (after.alarm, after.blame(), after.sensor_faults) == (whole.alarm, whole.blame(), whole.sensor_faults)


def test_a_person_can_make_it_learn_anew() -> None:
    view = taught()
    view.forget()
    assert view.learning and view.rows_left == 400 and view.learnt() is None


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.one_of(st.none(), st.floats()), min_size=2, max_size=2), min_size=60, max_size=140))
def test_no_row_breaks_the_view(rows: list[Row]) -> None:
    """Hardware says anything, in learning and after it; the score stays a finite number."""
    view = PartView(signals(("a", "b")), 40)
    for i, row in enumerate(rows):
        view.step(row, i * 1000)
        view.residuals(view.question())
        assert math.isfinite(view.score) and all(map(math.isfinite, view.blame()))
    assert msgspec.msgpack.encode(down(view))


def test_what_its_level_followed_away_is_judged_by_home_again_once_it_is_back() -> None:
    """A parked car's coolant went from 88 to 62, its level with it; two hours after the start 89 degC were told as critical."""
    chance = random.Random(2)
    view = PartView([Signal("coolant", "plug"), Signal("load", "plug")], 1200)

    def goes_on(rows: range, coolant: Callable[[int], float]) -> list[int]:
        noise = [chance.gauss(0.0, 0.3) for _ in rows]
        return run(
            view, [[coolant(i) + n, chance.gauss(50.0, 1.0)] for i, n in zip(rows, noise, strict=True)], rows.start
        )

    def usual(row: int) -> float:
        return 88.0 + 1.5 * math.sin(row / 60.0)

    assert goes_on(range(1200), usual) == []
    goes_on(range(1200, 13_200), lambda row: usual(row) - 0.002 * (row - 1200))
    alarms = goes_on(range(13_200, 13_600), lambda row: usual(row) - 24.0 * math.exp((13_200 - row) / 60.0))
    assert alarms and view.alarm and view.homeward(0)
    view.come_home(0)
    assert len(goes_on(range(13_600, 14_400), usual)) < 60 and not view.alarm
    assert goes_on(range(14_400, 14_500), lambda row: 100.0), "and what leaves home is seen"


def test_a_wild_reading_is_known_for_what_it_is_once_it_is_back() -> None:
    """Until then it may be the first of a departure: a belt that slipped again was told as a sensor's spikes."""
    view = taught()
    rows = plant(612)[600:]
    for row in rows[:10]:
        view.step(row, 0)
    view.step([99.0, *rows[10][1:]], 0)
    assert view.wild(0) and not view.wild(2)
    view.step(rows[11], 0)
    assert not view.wild(0)

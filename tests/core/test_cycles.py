"""Cycles: what no longer goes as a unit showed while it was learnt, and whose that is. And what is nobody's fault."""

from collections.abc import Callable

import pytest

from sickbay.core import cycle, lasting
from sickbay.core.cycle import Sign
from sickbay.core.cycles import Cycles
from thermostat import AIR, COIL, CURRENT, DAMP, EVERY_MS, FAN, NAMES, PARTS, PRESSURE, TWINS, Row, Store

LEARN = 2000
NOBODY = [False] * len(NAMES)

Spoil = Callable[[int, Row], None]


class Watch:
    """A store and its cycles, learnt."""

    def __init__(self, seed: int = 0, learn: int = LEARN) -> None:
        self.store, self.cycles, self.rows = Store(seed), Cycles(PARTS, TWINS, learn), 0
        self.seen: dict[str, tuple[int, Sign]] = {}
        self.go(learn)
        self.rows = 0

    def go(self, rows: int, spoil: Spoil = lambda k, row: None) -> "Watch":
        for _ in range(rows):
            row = self.store.row()
            self.rows += 1
            spoil(self.rows, row)
            self.cycles.step(row, self.store.number * EVERY_MS, NOBODY, NOBODY)
            for key, sign in self.cycles.signs().items():
                self.seen.setdefault(key, (self.rows, sign))
        return self

    def kinds(self) -> list[tuple[str, int]]:
        return sorted({(sign.kind, sign.signal) for _, sign in self.seen.values()})


def test_a_compressor_and_its_thaws_are_found_and_a_door_is_not() -> None:
    """A door's dwells scatter as people do: nothing may be concluded from how long it is shut."""
    watch = Watch()
    assert [switch.signal for switch in watch.cycles.switches] == [CURRENT, FAN]
    assert watch.cycles.master == 0 and watch.cycles.switches[1].rare


@pytest.mark.parametrize("seed", range(4))
def test_a_healthy_store_shows_no_sign(seed: int) -> None:
    assert Watch(seed).go(4000).kinds() == []


@pytest.mark.parametrize("seed", range(3))
def test_a_compressor_that_stands_while_the_air_warms_is_told(seed: int) -> None:
    watch = Watch(seed)
    watch.store.stands = True
    watch.go(300)
    assert ("stands", CURRENT) in watch.kinds()
    rows, sign = watch.seen["stands 0"]
    assert rows < 150 and not sign.state and sign.dwell_ms > 1.5 * sign.longest_ms


@pytest.mark.parametrize("seed", range(3))
def test_a_compressor_that_runs_on_though_the_air_is_cold_is_told(seed: int) -> None:
    watch = Watch(seed)
    watch.store.runs = True
    watch.go(200)
    assert watch.kinds()[0] == ("stands", CURRENT) and watch.seen["stands 0"][1].state


def test_a_compressor_that_runs_for_hours_since_the_air_is_warm_does_its_work() -> None:
    """After a delivery it runs ten times as long as ever: that is no welded contactor."""
    watch = Watch()
    watch.store.air += 12.0
    watch.store.cold = 0.1
    assert not [kind for kind in watch.go(300).kinds() if kind[0] == "stands"]


def test_a_compressor_that_dries_the_air_while_it_cools_warm_goods_does_its_work() -> None:
    """It had become drier than ever, and that was told as a contactor that hangs, hours after a delivery."""
    watch = Watch()
    watch.store.cold = 0.075  # as far as warm goods let it: it runs for ten times as long
    on = watch.cycles.switches[0].on
    within = (on.end[COIL] + on.end_low[COIL]) / 2.0  # as cold as at the end of many a stay

    def spoil(k: int, row: Row) -> None:
        if watch.store.calls:
            row[DAMP], row[COIL] = 40.0, within

    assert not [kind for kind in watch.go(600, spoil).kinds() if kind[0] == "stands"]


def test_what_a_stay_drives_past_all_its_ends_waits_for_how_long_that_lasts() -> None:
    """The room was told for a welded contactor: it is the compressor's, once that has run longer than it may."""
    watch = Watch()
    watch.store.runs = True
    now = 0
    while not watch.cycles.signs():
        watch.go(1)
        now = watch.store.number * EVERY_MS
        assert watch.rows < 200
    assert watch.cycles.outlasts(AIR, watch.store.air, now)
    assert not watch.cycles.outlasts(AIR, 0.0, now) and not watch.cycles.outlasts(PRESSURE, 900.0, now)
    assert not watch.cycles.outlasts(AIR, watch.store.air, now + 10 * now)


def test_who_is_odd_in_a_thaw_waits_for_how_that_ends_but_not_for_ever() -> None:
    """A fan that stood was told as its tachometer's error, and a thaw that went on as a hygrometer's."""
    watch = Watch()
    watch.store.fan_dead = True
    watch.go(12)
    now = watch.store.number * EVERY_MS
    assert watch.cycles.undecided(now)
    watch.go(400)
    now = watch.store.number * EVERY_MS
    assert not watch.cycles.undecided(now)


def test_a_compressor_that_rests_since_it_is_cold_outside_is_well() -> None:
    watch = Watch()
    watch.store.warm = 0.01
    assert watch.go(1500).kinds() == []


def test_what_stood_and_goes_again_is_over() -> None:
    watch = Watch()
    watch.store.stands = True
    watch.go(200)
    watch.store.stands = False
    assert watch.cycles.signs()
    assert not watch.go(5).cycles.signs()


def test_a_thaw_that_leaves_the_coil_cold_is_told_at_the_second_at_the_latest() -> None:
    watch = Watch()
    watch.store.heater_dead = True
    watch.go(900)
    assert watch.kinds() == [("missed", COIL)]
    assert watch.seen["missed 1 2 1"][0] <= 2 * 400


def test_a_fan_that_stands_while_the_compressor_goes_on_is_told() -> None:
    """Long before its coil has made the whole part odd. It lasts no longer than a thaw may, and is none."""
    watch = Watch()
    watch.store.fan_dead = True
    watch.go(150)
    assert ("together", FAN) in watch.kinds()


@pytest.mark.parametrize("seed", range(3))
def test_a_hygrometer_that_stands_still_while_all_others_move_is_told(seed: int) -> None:
    """It stands well within its range: no chart can see that."""

    def spoil(k: int, row: Row) -> None:
        row[DAMP] = 78.0

    assert ("still", DAMP) in Watch(seed).go(300, spoil).kinds()


@pytest.mark.parametrize(("signal", "factor", "offset"), [(CURRENT, 1.2, 0.0), (PRESSURE, 1.0, 60.0)])
def test_a_sensor_that_steps_from_one_cycle_to_the_next_is_told_within_three(
    signal: int, factor: float, offset: float
) -> None:
    """Between high and low it hides in what it shows in every cycle."""

    def spoil(k: int, row: Row) -> None:
        value = row[signal]
        assert value is not None
        row[signal] = value * factor + (offset if k > 60 else 0.0) if k > 60 else value

    watch = Watch().go(400, spoil)
    assert watch.kinds() == [("stepped", signal)]
    assert watch.seen[f"stepped {signal}"][0] < 60 + 4 * 45


def test_a_step_is_waited_for_until_the_next_cycle_and_no_longer() -> None:
    """A part must not be blamed for what the next stay may put on a sensor; nor may a compressor that stands delay it for ever."""

    def spoil(k: int, row: Row) -> None:
        value = row[PRESSURE]
        assert value is not None
        row[PRESSURE] = value + (60.0 if k > 60 else 0.0)

    watch = Watch().go(60, spoil)
    assert not watch.cycles.awaits_step(PRESSURE, 0)
    while not watch.cycles.awaits_step(PRESSURE, 0):
        watch.go(1, spoil)
    assert watch.rows < 60 + 3 * 45
    assert not watch.cycles.awaits_step(AIR, 0)
    assert not watch.cycles.awaits_step(PRESSURE, 1 << 40)


def test_a_sensor_that_steps_back_is_well_again() -> None:
    def spoil(k: int, row: Row) -> None:
        value = row[PRESSURE]
        assert value is not None
        row[PRESSURE] = value + (60.0 if 60 < k < 400 else 0.0)

    watch = Watch().go(390, spoil)
    assert watch.cycles.signs()
    assert not watch.go(300, spoil).cycles.signs()


def test_a_coil_that_ices_is_wear_of_its_part_only_once_a_thaw_has_not_helped() -> None:
    """Frost does the same, and a thaw takes it away."""
    watch = Watch()

    def grows(k: int, row: Row) -> None:
        watch.store.extra = min(8.0, k / 150.0)
        value = row[PRESSURE]
        assert value is not None
        row[PRESSURE] = value - 4.0 * watch.store.extra

    watch.go(1500, grows)
    assert ("worn", COIL) in watch.kinds() or ("worn", PRESSURE) in watch.kinds()
    assert watch.seen["worn"][0] > 400


def test_a_sensor_that_is_known_to_be_ill_is_no_sign_of_wear() -> None:
    """What else it shows in each cycle is its own: the part around it is well."""
    watch, ill = Watch(), [name == "damp" for name in NAMES]
    for _ in range(1500):
        row = watch.store.row()
        row[DAMP] = 20.0
        watch.cycles.step(row, watch.store.number * EVERY_MS, NOBODY, ill)
    assert "worn" not in watch.cycles.signs() and max(watch.cycles.levels.ratios) < 1.5


def test_too_few_rows_teach_no_cycle() -> None:
    assert Watch(learn=cycle.ROWS_LEAST).cycles.master == -1


def test_silence_ends_what_is_known_of_a_dwell() -> None:
    """A line that was gone for an hour says nothing of how long the compressor stood meanwhile."""
    watch = Watch()

    def silent(k: int, row: Row) -> None:
        row[CURRENT] = None if k < 300 else row[CURRENT]

    watch.store.stands = True
    assert not [kind for kind in watch.go(290, silent).kinds() if kind[1] == CURRENT]


def test_learnt_cycles_survive_a_restart() -> None:
    """Byte for byte: what is found later is the same with and without it."""
    one, other = Watch(), Watch()
    other.cycles = lasting.up(lasting.down(other.cycles))
    one.store.runs = other.store.runs = True
    one.go(120)
    other.go(120)
    assert one.seen == other.seen and one.seen
    assert lasting.down(one.cycles) == lasting.down(other.cycles)


def test_modes_are_two_with_an_empty_middle_or_none() -> None:
    assert cycle.split([0.0] * 50 + [3.0] * 50) is not None
    assert cycle.split([k / 100.0 for k in range(100)]) is None
    assert cycle.split([5.0] * 100) is None
    assert cycle.split([0.0] * 999 + [3.0]) is None


def test_the_air_is_what_a_compressor_drives() -> None:
    cycles = Watch().cycles
    assert cycles._drives(cycles.switches[0], AIR) == -1 and cycles._drives(cycles.switches[0], PRESSURE) == 1

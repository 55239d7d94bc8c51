"""After a fault: what is warm cools slowly. That is nobody's news, and a fault that stays behind it is told all the same."""

import math

from plants import BORN, Ailment, Journey, Values, equipment, rows, shifts
from sickbay.core import aftermath

ILL, OVER = BORN + 50, BORN + 350  # a pump stops, and runs again
WARMTH_S = 400.0


def pump_stops(start: int, end: int, rest: float = 0.0) -> Ailment:
    """Its flow and current are gone at once, and back at once; what it warms goes and comes back slowly, but for a rest."""

    def ail(second: int, values: Values) -> None:
        if start <= second < end:
            values["flow"], values["current"] = 0.1 * (second % 3), 0.01 * (second % 4)
        if second >= start:
            cold = 1.0 - math.exp(-(min(second, end) - start) / WARMTH_S)
            left = math.exp(-max(0, second - end) / WARMTH_S)
            pressure = values["pressure"]
            assert pressure is not None
            values["pressure"] = pressure - 60.0 * cold * max(left, rest)

    return ail


def pump(j: Journey) -> list[str]:
    return [kind for kind, _, _ in j.story() if kind != "updated"]


def test_a_part_is_well_again_when_what_broke_is_and_the_rest_is_on_its_way() -> None:
    """Its warmth is back twenty minutes later: nobody should wait for that before the ticket of a pump that runs is closed."""
    j = Journey().run(rows(range(OVER + 1500), pump_stops(ILL, OVER)))
    assert pump(j) == ["opened", "closed"]
    assert j.told()[-1].at_ms < 1000 * (OVER + 2.5 * WARMTH_S)


def test_what_stops_half_way_home_is_told() -> None:
    """The pump runs, and something of its fault has stayed: that is a fault that lasts."""
    j = Journey().run(rows(range(OVER + 1500), pump_stops(ILL, OVER, rest=0.3)))
    assert j.node.ward.rows["pump"].view.alarm and not j.node.ward.rows["pump"].ebbs
    assert any(case.is_failing for case in j.node.ward.triage.open_cases())


def test_a_restart_on_the_way_home_changes_nothing() -> None:
    through = list(rows(range(OVER + 1500), pump_stops(ILL, OVER)))
    first = Journey().run(through[: OVER + 600])
    second = Journey()
    second.node.restore(first.node.snapshot())
    second.now_ms = first.now_ms
    first.effects, second.effects = [], []
    first.run(through[OVER + 600 :]), second.run(through[OVER + 600 :])
    assert first.story() == second.story()


def warms(start: int, end: int) -> Ailment:
    """The room warms while the fan is out, and cools when it is back."""

    def ail(second: int, values: Values) -> None:
        if second >= start:
            warm = 1.0 - math.exp(-(min(second, end) - start) / WARMTH_S)
            left = math.exp(-max(0, second - end) / WARMTH_S)
            for name in ("room", "outlet"):
                value = values[name]
                assert value is not None
                values[name] = value + 30.0 * warm * left

    return ail


def test_what_a_persons_order_does_to_the_rest_of_the_machine_is_told_to_nobody() -> None:
    j = Journey().run(rows(range(ILL)))
    j.order("quarantine", "fan")
    j.run(rows(range(ILL, OVER), warms(ILL, OVER)))
    j.order("release", "fan")
    j.run(rows(range(OVER, OVER + 2000), warms(ILL, OVER)))
    assert j.story() == [] and j.state("fan") == "in_service"


def test_what_stays_odd_long_after_the_order_is_told() -> None:
    """Under cover of a person's order another part broke: it does not come home."""
    j = Journey().run(rows(range(ILL)))
    j.order("quarantine", "fan")
    broke = shifts("room", 5.0, ILL + 60)
    j.run(rows(range(ILL, OVER), broke))
    assert j.story() == []
    j.order("release", "fan")
    j.run(rows(range(OVER, OVER + 1500), broke))
    assert [(kind, target) for kind, target, _ in j.story()] == [("opened", "tank")]


def test_an_essential_part_speaks_whatever_is_ordered_beside_it() -> None:
    j = Journey().run(rows(range(ILL)))
    j.order("quarantine", "fan")
    j.run(rows(range(ILL, ILL + 100), shifts("flow", -9.0, ILL + 30), shifts("current", -2.0, ILL + 30)))
    assert [(kind, target) for kind, target, _ in j.story()] == [("opened", "pump")]


def test_a_signal_that_turns_round_is_on_its_way_out_again() -> None:
    j = Journey(equipment(corroborate_rows=30)).run(rows(range(OVER + 300), pump_stops(ILL, OVER)))
    row = j.node.ward.rows["pump"]
    assert row.view.alarm and aftermath.comes_nearer(row)
    j.run(rows(range(OVER + 300, OVER + 420), pump_stops(ILL, OVER), shifts("pressure", -25.0, OVER + 300)))
    assert not aftermath.comes_nearer(row) and not aftermath.heads_home(row)


def test_what_the_end_of_an_essential_parts_fault_shakes_is_its_symptom() -> None:
    """A hose that was free again shook the water's temperatures: the fan was told, switched off, and the block reached 89 degC."""
    ill, end = BORN + 100, BORN + 500  # long after what its beginning may have shaken

    def hose(second: int, values: Values) -> None:
        if ill <= second < end:
            values["flow"], values["pressure"] = 11.0, 270.0
        elif end <= second < end + 40:
            values["outlet"], values["tach"] = (values["outlet"] or 0.0) + 8.0, (values["tach"] or 0.0) + 400.0

    j = Journey().run(rows(range(end + 200), hose))
    assert [m.body["target"] for m in j.told() if m.kind == "opened"] == ["pump"]
    assert j.node.ward.quarantine.records["fan"].state == "in_service"

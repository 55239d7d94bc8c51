"""Relations: what the other signals say that one should be, found where there is something to find and nowhere else."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from related_signals import NAMES, A, B, C, Row, Y, Z, unit, wanderers
from sickbay.core.parity import Parity
from sickbay.core.relation import FEATURES_MOST, GAINS, Relation, Scatter, fit


def bank_of(rows: list[list[float]]) -> list[list[float]]:
    """This returns each row with its EWMAs behind it, as a relation sees it."""
    out: list[list[float]] = []
    means = [list(rows[0]) for _ in GAINS]
    for row in rows:
        means = [
            [m + g * (v - m) for m, v in zip(mean, row, strict=True)] for mean, g in zip(means, GAINS, strict=True)
        ]
        out.append([v for mean in means for v in mean])
    return out


def found(rows: list[Row] | list[list[float]]) -> tuple[list[Relation], list[Relation]]:
    """This returns relations and jurors of rows without gaps."""
    whole = [[v for v in row if v is not None] for row in rows]
    scatter = Scatter(len(whole[0]) * len(GAINS), len(whole))
    for bank in bank_of(whole):
        scatter.hear(bank)
    return fit(scatter, len(whole[0]))


def by_name(relations: list[Relation]) -> dict[str, Relation]:
    return {NAMES[r.signal]: r for r in relations}


@pytest.mark.parametrize("seed", range(5))
def test_a_weighted_and_smoothed_sum_is_found_with_its_weights(seed: int) -> None:
    """y is 2a - b over 10 rows. c is half of a, with twice the noise beside it, and may speak for a."""
    relation = by_name(found(list(unit(600, seed)))[0])["y"]
    weight = dict.fromkeys(range(3 * len(NAMES)), 0.0) | dict(zip(relation.features, relation.weights, strict=True))
    smoothed = len(NAMES)
    assert weight[smoothed + A] + 0.5 * weight[smoothed + C] == pytest.approx(2.0, abs=0.15)
    assert weight[smoothed + B] == pytest.approx(-1.0, abs=0.15)
    rest = [w for k, w in weight.items() if k not in (smoothed + A, smoothed + B, smoothed + C)]
    assert max(map(abs, rest)) < 0.15


def test_what_a_relation_says_is_right_on_rows_that_it_never_saw() -> None:
    relation = by_name(found(list(unit(600, 1)))[0])["y"]
    fresh = bank_of([[v for v in row if v is not None] for row in unit(600, 2)])[100:]
    errors = [bank[Y] - relation.said(bank) for bank in fresh]
    assert math.sqrt(math.fsum(e * e for e in errors) / len(errors)) < 0.3  # of a signal that deviates by 7


def test_leans_is_what_a_lasting_error_of_one_signal_does() -> None:
    """Over all timescales: that is how the culprit is found."""
    relation = Relation(0, [1, 4, 5], [0.5, 0.25, -2.0], 3.0)  # of three signals: 1 now, 1 and 2 over 10 rows
    assert relation.leans(1, 3) == 0.75 and relation.leans(2, 3) == -2.0 and relation.leans(0, 3) == 0.0


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_nothing_ever_leans_on_its_own_past(seed: int, signals: int) -> None:
    """A slow signal foretells itself best of all, and would explain its own fault away."""
    rows = list(wanderers(signals, 240, seed))
    if seed % 2:
        rows = [[sum(row), *row[1:]] for row in rows]
    relations, jurors = found(rows)
    for each in (*relations, *jurors):
        assert each.signal not in {k % signals for k in each.features}
        assert 0 < len(each.features) <= FEATURES_MOST and len(set(each.features)) == len(each.features)
        assert all(map(math.isfinite, (*each.weights, each.offset)))


def test_a_juror_does_without_the_signal_that_the_relation_leans_on_most() -> None:
    """Else it could not say which of two that move as one is wrong."""
    relations, jurors = map(by_name, found(list(unit(600, 1))))
    assert relations["c"].features == [A] and "c" in jurors
    assert A not in {k % len(NAMES) for k in jurors["c"].features}


@pytest.mark.parametrize(("home", "false_most"), [(1.0, 6), (0.99, 1), (0.9, 0)])
def test_signals_that_have_nothing_to_do_with_each_other_are_hardly_ever_related(home: float, false_most: int) -> None:
    """Six random walks of 400 rows look alike by chance (Yule, 1926, nonsense correlations): of 60 units at most 6 may fall for it.

    Measured over 40 units: 2 of random walks (5 %), none where signals are drawn home by 1 % a row or more.
    """
    fell = 0
    for seed in range(60):
        parity = Parity(6, 400)
        for row in wanderers(6, 400, seed, home):
            parity.step(row, [False] * 6, True)
        fell += bool(parity.watched)
    assert fell <= false_most


def test_two_signals_that_are_the_very_same_say_each_other() -> None:
    chance = random.Random(1)
    values = [chance.gauss(0.0, 1.0) for _ in range(400)]
    relations, jurors = found([[v, v] for v in values])
    assert [(r.signal, r.features) for r in relations] == [(0, [1]), (1, [0])] and jurors == []
    assert all(r.weights[0] == pytest.approx(1.0, abs=0.01) for r in relations)


@pytest.mark.parametrize("value", [0.0, 5.0, -273.15, 1e12])
def test_a_signal_that_never_moved_is_in_no_relation(value: float) -> None:
    rows = [[*row[:4], value] for row in unit(400, 3)]
    relations, jurors = found(rows)
    assert relations and all(Z not in {k % 5 for k in (r.signal, *r.features)} for r in (*relations, *jurors))


@pytest.mark.parametrize("at", [2, 60, 110, 200, 350, 399])
@pytest.mark.parametrize("far", [1e-6, 2.3, 1e9])
def test_a_relay_that_switched_once_in_learning_breaks_nothing(at: int, far: float) -> None:
    """Without the rows around that moment it never moved: a variance of rounding errors is none to divide by."""
    rows = [[*row[:4], 5.0 if n < at else 5.0 + far] for n, row in enumerate(unit(400, 4))]
    relations = by_name(found(rows)[0])
    assert set(relations) >= {"a", "c", "y"}
    assert all(map(math.isfinite, (*relations["y"].weights, relations["y"].offset)))


def test_a_wild_first_row_does_not_make_up_a_relation() -> None:
    """All is reckoned from the first row on: what is left of 1e14 in rounding must not count as movement."""
    rows = [[1e14 if n == 0 else row[0], *row[1:]] for n, row in enumerate(wanderers(3, 400, 1, 0.9))]
    assert found(rows) == ([], [])


def test_long_learning_takes_no_more_rows_than_it_needs() -> None:
    """Neighbours say the same: of 100,000 rows every hundredth is as good."""
    scatter = Scatter(2, 60_000)
    for n in range(60_000):
        scatter.hear([float(n), 1.0])
    assert sum(scatter.counts) == 600 and min(scatter.counts) >= 190


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_too_few_rows_teach_nothing_and_harm_nobody(rows: int) -> None:
    scatter = Scatter(6, 9)
    for bank in bank_of([[float(n), 2.0 * n] for n in range(6)])[:rows]:
        scatter.hear(bank)
    assert fit(scatter, 2) == ([], [])

"""These hold what `sickbay learn` fits: the right number of components, the same on every device, no blind signal."""

import random

import pytest

from sickbay.edge.scorer.fit import Fitted, PartRows, as_network, fit, fit_part
from sickbay.edge.scorer.model_file import read_card, read_network
from sickbay.edge.scorer.network import block, run
from sickbay.errors import ModelFileError

Rows = list[list[float]]


def drawn(signals: int, factors: int, count: int, seed: int, own: float = 0.3) -> Rows:
    """This returns rows whose signals follow hidden factors, each with some scatter of its own."""
    chance = random.Random(seed)
    weights = [[chance.choice((-1.0, 1.0)) * chance.uniform(0.6, 1.0) for _ in range(signals)] for _ in range(factors)]
    table = []
    for _ in range(count):
        hidden = [chance.gauss(0, 1) for _ in range(factors)]
        table.append(
            [sum(h * w[i] for h, w in zip(hidden, weights, strict=True)) + chance.gauss(0, own) for i in range(signals)]
        )
    return table


def projector(model: Fitted) -> Rows:
    n = len(model.decode)
    return [
        [sum(d * e[j] for d, e in zip(model.decode[i], model.encode, strict=True)) for j in range(n)] for i in range(n)
    ]


def names(count: int) -> tuple[str, ...]:
    return tuple(f"s{i}" for i in range(count))


@pytest.mark.parametrize(("signals", "factors"), [(2, 1), (4, 1), (8, 1), (8, 2), (8, 3), (16, 4)])
def test_it_takes_as_many_components_as_there_are_factors(signals: int, factors: int) -> None:
    """Too few leave the common movement in the residuals, too many hide the faults in the estimates."""
    assert len(fit_part("p", names(signals), drawn(signals, factors, 800, 5)).encode) == factors


@pytest.mark.parametrize("use_numpy", [True, False])
def test_signals_that_say_nothing_of_each_other_get_no_component(use_numpy: bool) -> None:
    """A component that copies one signal would make the model blind to that very signal."""
    chance = random.Random(2)
    noise = [[chance.gauss(0, 1) for _ in range(6)] for _ in range(400)]
    walks: Rows = [[0.0] * 4]
    for _ in range(399):
        walks.append([x + chance.gauss(0, 0.1) for x in walks[-1]])
    assert fit_part("p", names(6), noise, use_numpy=use_numpy).encode == []
    assert fit_part("p", names(4), walks, use_numpy=use_numpy).encode == [], "what wanders together by chance is no law"


def test_an_independent_signal_among_related_ones_keeps_its_full_sight() -> None:
    """Its fault is to be seen in its own residual, which is then the row itself."""
    chance = random.Random(3)
    rows = [[*row, chance.gauss(0, 1)] for row in drawn(4, 1, 600, 3)]
    fitted = fit_part("p", names(5), rows)
    assert len(fitted.encode) == 1 and fitted.sight[4] > 0.95


@pytest.mark.parametrize(("signals", "count"), [(1, 50), (3, 200), (8, 5000), (40, 300)])
def test_numpy_and_pure_python_fit_the_same_projector(signals: int, count: int) -> None:
    """A device without numpy must not judge otherwise. Stated tolerance: 1e-8 in every entry of decode x encode."""
    rows = drawn(signals, min(3, signals), count, signals)
    a, b = (projector(fit_part("p", names(signals), rows, use_numpy=x)) for x in (True, False))
    assert max(abs(x - y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)) < 1e-8


def test_decode_times_encode_is_a_projector() -> None:
    """Fitting an estimate once more changes nothing: the model is a subspace, whatever signs its vectors took."""
    p = projector(fit_part("p", names(6), drawn(6, 2, 500, 9)))
    twice = [[sum(p[i][k] * p[k][j] for k in range(6)) for j in range(6)] for i in range(6)]
    assert all(twice[i] == pytest.approx(p[i], abs=1e-9) for i in range(6))


@pytest.mark.parametrize("use_numpy", [True, False])
def test_constant_and_collinear_columns_do_no_harm(use_numpy: bool) -> None:
    """A tank level that never moved while learning, and a sensor that is wired twice."""
    chance = random.Random(4)
    rows = []
    for _ in range(300):
        x = chance.gauss(0, 1)
        rows.append([x, x, 0.0, chance.gauss(0, 1)])
    fitted = fit_part("p", names(4), rows, use_numpy=use_numpy)
    assert len(fitted.encode) == 1
    estimate = run(as_network(fitted), [4.0, 0.0, 5.0, 0.0])
    assert estimate[0] == pytest.approx(2.0, abs=0.1) and estimate[1] == pytest.approx(2.0, abs=0.1)
    assert estimate[2] == 0.0, "a constant signal's residual is the row itself"
    assert fit_part("p", names(2), [[0.0, 0.0]] * 100, use_numpy=use_numpy).encode == []


@pytest.mark.parametrize("use_numpy", [True, False])
def test_a_glitch_among_the_learning_rows_is_no_direction(use_numpy: bool) -> None:
    """One cell of a million would else be all that the model knows. NaN counts as missing."""
    rows = drawn(4, 1, 400, 6)
    clean = projector(fit_part("p", names(4), rows, use_numpy=use_numpy))
    rows[50][2], rows[51][1] = 1e6, float("nan")
    hurt = projector(fit_part("p", names(4), rows, use_numpy=use_numpy))
    assert all(a == pytest.approx(b, abs=0.05) for a, b in zip(clean, hurt, strict=True))


def test_one_signal_or_too_few_rows_leave_the_row_as_residual() -> None:
    """There is nothing to foretell it from, and the statistics judge it anyway."""
    for signals, rows in ((1, [[1.0]] * 100), (3, [[1.0, 1.0, 1.0]] * 5), (3, [])):
        fitted = fit_part("p", names(signals), rows)
        assert fitted.encode == [] and fitted.sight == [1.0] * signals
        assert run(as_network(fitted), [2.0] * signals) == [0.0] * signals


def test_a_fault_of_one_signal_stands_out_in_its_own_residual() -> None:
    """That is what the whole model is for: a drift that each signal's own limits would not see for long."""
    rows = drawn(6, 1, 1000, 8, own=0.1)
    net = as_network(fit_part("p", names(6), rows[:500]))
    usual = [0.0] * 6
    for row in rows[500:]:
        usual = [u + (x - e) ** 2 / 500 for u, x, e in zip(usual, row, run(net, row), strict=True)]
    for faulty in range(6):
        hits = 0
        for row in rows[500:]:
            row = [x + (1.0 if i == faulty else 0.0) for i, x in enumerate(row)]
            off = [abs(x - e) / u**0.5 for x, e, u in zip(row, run(net, row), usual, strict=True)]
            hits += off.index(max(off)) == faulty
        assert hits > 475, "one scale off, ten times the signal's own scatter: named in 95 % of the rows"


def test_one_file_serves_the_whole_unit() -> None:
    """Parts stand side by side in one network, and the core's baseline travels on the card."""
    pump, fan = drawn(4, 1, 300, 1), drawn(3, 1, 200, 2)
    raw = fit(
        {
            "pump": PartRows(names(4), pump, ("a", "b", "c", "d"), {"centre": [1.0], "rows": 300}),
            "fan": PartRows(("x", "y", "z"), fan),
        },
        name="mine",
        fitted_on="a test",
    )
    card, net = read_card(raw), read_network(raw)
    assert card is not None and card.name == "mine" and card.rows == 300
    assert card.parts["pump"].learnt == {"centre": [1.0], "rows": 300} and card.parts["fan"].learnt is None
    assert [p.offset for p in card.parts.values()] == [0, 4]
    own = as_network(fit_part("fan", ("x", "y", "z"), fan))
    assert run(block(net, 4, 3), fan[0]) == pytest.approx(run(own, fan[0]), abs=1e-5)


def test_what_cannot_be_fitted_is_refused() -> None:
    """The text names the part, since a file holds many."""
    with pytest.raises(ModelFileError, match="no part"):
        fit({}, name="x", fitted_on="")
    with pytest.raises(ModelFileError, match="pump: 65 signals; 1 to 64"):
        fit({"pump": PartRows(names(65), [])}, name="x", fitted_on="")
    with pytest.raises(ModelFileError, match="pump: a row without exactly 2 cells"):
        fit({"pump": PartRows(names(2), [[1.0]])}, name="x", fitted_on="")

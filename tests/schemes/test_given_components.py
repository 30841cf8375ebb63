"""Components whose W or H is given: they stay, wherever they stand, and a penalty counts them alike in every scheme."""

import itertools

import numpy as np
import pytest
import scipy.sparse
from breadth import quickly

import dnmf
from dnmf.constraints import Constraints
from dnmf.errors import InputError
from dnmf.penalty import Penalty
from dnmf.starts import start
from dnmf.starts.race import race

pytestmark = pytest.mark.numeric

rng = np.random.default_rng(11)
SHAPE = (90, 16)
A = rng.gamma(4.0, 0.25, SHAPE) * (1 + 6 * rng.random((90, 2)) @ rng.random((2, 16)))
SEEN = rng.random(SHAPE) < 0.8
COLUMN, ROW = rng.random((90, 1)) + 0.5, np.arange(1.0, 17.0)[None]
BOTH = Constraints(fixed_W=COLUMN, fixed_H=ROW)


def product(model):
    return (model.read_W().astype(float) * model.d) @ model.H


def stored(kind):
    rows, columns = np.nonzero(SEEN)
    return kind((A[SEEN], (rows, columns)), shape=SHAPE)


DATA = {
    "nan": (np.where(SEEN, A, np.nan), {"missing": "nan"}),
    "mask": (A, {"mask": SEEN}),
    "csr": (stored(scipy.sparse.csr_array), {"missing": "unstored"}),
    "csc": (stored(scipy.sparse.csc_array), {"missing": "unstored"}),
}
STARTS = {
    "sample": {},
    "random": {"init": "random"},
    "W": {"W": rng.random((90, 4))},
    "H": {"H": rng.random((4, 16))},
}
PENALTIES = {
    "none": Penalty(),
    "l2": Penalty(l2=0.5, scale="objective"),
    "counts": Penalty(l2=0.01, scale="counts", beside_given=0.5),
}
LOSSES = ("frobenius", "kullback-leibler", "itakura-saito")
ALL = tuple(
    each
    for each in itertools.product(LOSSES, DATA, STARTS, PENALTIES)
    if not (each[0] != "frobenius" and each[3] == "counts")
)
QUICK = tuple(
    [(loss, data, "sample", "none") for loss in LOSSES[:2] for data in ("nan", "csc")]
    + [("itakura-saito", "mask", "random", "l2"), ("kullback-leibler", "csr", "W", "l2")]
    + [("frobenius", "csc", "sample", "counts"), ("frobenius", "csr", "W", "l2"), ("frobenius", "mask", "H", "counts")]
)


@pytest.mark.parametrize("case", quickly(QUICK, of=ALL), ids=" ".join)
@pytest.mark.broad(1)
def test_a_given_column_and_a_given_row_both_stay(case):
    loss, data, start, penalty = case
    values, said = DATA[data]
    asked = {"constraints": BOTH, "penalty": PENALTIES[penalty], "dtype": "float64", "max_passes": 12}
    model = dnmf.fit(values, 4, loss=loss, **said, **STARTS[start], **asked)
    np.testing.assert_allclose(model.read_W()[:, 0], COLUMN[:, 0] / COLUMN.sum(), rtol=1e-9)
    np.testing.assert_allclose(model.H[1], ROW[0] / ROW.sum(), rtol=1e-9)
    assert (model.d[:2] > 0).all()
    objectives = [record.objective for record in model.history if record.accepted]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in itertools.pairwise(objectives))


AGAIN = [
    (loss, data, penalty)
    for loss, data, _, penalty in QUICK
    if (loss, penalty) in {("frobenius", "counts"), ("frobenius", "none"), ("kullback-leibler", "none")}
]


@pytest.mark.broad(2)
@pytest.mark.parametrize(("loss", "data", "penalty"), dict.fromkeys(AGAIN))
def test_rows_beside_both_are_found_again(loss, data, penalty):
    values, said = DATA[data]
    asked = {"constraints": BOTH, "penalty": PENALTIES[penalty], "dtype": "float64", "tol": 1e-9, "max_passes": 300}
    model = dnmf.fit(values, 4, loss=loss, **said, **asked)
    again = model.transform(values, fixed_W=COLUMN, **said).compute()
    np.testing.assert_allclose((again * model.d) @ model.H, product(model), atol=2e-3 * A.max())


PENALIZED = {
    "l1": Penalty(l1=0.5, scale="objective"),
    "l2": Penalty(l2=0.5, scale="objective"),
    "l1 and l2": Penalty(l1=(0.5, 0), l2=(0, 0.5), scale="objective"),
    "angular on H": Penalty(l2=0.5, angular=(0, 0.1), scale="objective"),
}
GIVEN = {"a column": {"fixed_W": COLUMN}, "a row": {"fixed_H": ROW}}
ONE_OF_EACH = (
    ("kullback-leibler", "a column", "l2"),
    ("kullback-leibler", "a row", "l2"),
    ("frobenius", "a column", "l1 and l2"),
    ("frobenius", "a row", "l1"),
)


@pytest.mark.parametrize(
    "case", quickly(ONE_OF_EACH, of=tuple(itertools.product(LOSSES, GIVEN, PENALIZED))), ids=", ".join
)
def test_a_penalty_counts_a_given_component_alike_in_all_units_and_under_a_mask_that_hides_nothing(case):
    loss, given, penalty = case
    asked = {"loss": loss, "penalty": PENALIZED[penalty], "dtype": "float64", "tol": 1e-9, "max_passes": 300}
    ((name, values),), start = GIVEN[given].items(), {"H": 1 + A[:3]}
    objectives = [
        dnmf.fit(A, 3, **asked, **start, **more, constraints=Constraints(**{name: unit * values})).history[-1].objective
        for unit, more in ((1.0, {}), (1000.0, {}), (1.0, {"mask": np.ones(SHAPE, bool)}))
    ]
    assert objectives[1:] == pytest.approx([objectives[0]] * 2, rel=2e-3)


@pytest.mark.parametrize(("of_W", "of_H", "rank"), [(1, 1, 1), (2, 2, 3), (1, 3, 3)])
def test_a_rank_below_the_number_of_given_components_is_refused(of_W, of_H, rank):
    given = Constraints(fixed_W=rng.random((90, of_W)), fixed_H=rng.random((of_H, 16)))
    with pytest.raises(InputError, match=f"rank={rank} is less than the {of_W + of_H} components"):
        dnmf.fit(A, rank, mask=SEEN, constraints=given)


def test_starts_of_counts_are_raced_with_given_rows_in_the_units_of_the_sample(monkeypatch):
    raced = []

    def noted(sample, rows, options, scheme, most):
        raced.append((sample, scheme))
        return race(sample, rows, options, scheme, most)

    monkeypatch.setattr(start, "race", noted)
    uneven = np.round(A * np.arange(1, 17) ** 3)
    dnmf.fit(uneven, 3, loss="kullback-leibler", constraints=Constraints(fixed_H=ROW), max_passes=2)
    ((sample, scheme),) = raced
    even = scheme.with_given_rows(np.zeros((3, 16)))[0] * sample.of_columns
    np.testing.assert_allclose(even / even.sum(), ROW[0] / ROW.sum(), rtol=1e-5)

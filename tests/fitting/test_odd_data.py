"""Odd data and odd options: a fit says what its model leaves, as the dense matrix has it, or says what is wrong."""

import itertools
import warnings

import numpy as np
import pytest
import scipy.sparse
from scipy.special import xlogy

import dnmf
from dnmf.constraints import Constraints
from dnmf.errors import UnsolvedWarning
from dnmf.kernels.kullback_leibler import LEAST
from dnmf.penalty import Penalty

pytestmark = pytest.mark.numeric

rng = np.random.default_rng(0)
W, H = rng.gamma(0.5, 1, (60, 4)), rng.gamma(0.5, 1, (4, 20))
COUNTS = rng.poisson(3 * W @ H).astype(float)
POSITIVE = W @ H + 0.1 * rng.random((60, 20))
ONE_IN_A_ROW = (np.arange(60) + 1.0)[:, None] * (np.arange(60)[:, None] % 20 == np.arange(20))
KL, IS = {"loss": "kullback-leibler"}, {"loss": "itakura-saito"}
OBJECTIVE = Penalty(scale="objective")
EVERY_OTHER_ROW, EVERY_OTHER_COLUMN = (np.arange(60) % 2)[:, None], np.arange(20) % 2

DATA = {
    "rank 1": (COUNTS, 1, {}),
    "full rank": (COUNTS, 20, {}),
    "a row": (COUNTS[3:4], 1, {}),
    "a column": (COUNTS[:, 3:4], 1, {}),
    "an entry": (np.array([[3.0]]), 1, {}),
    "zeros": (np.zeros((10, 6)), 2, {}),
    "columns of zeros": (COUNTS * (np.arange(20) % 3 > 0), 4, {}),
    "an entry in each row": (ONE_IN_A_ROW, 4, {}),
    "fewer entries than components": (np.where(rng.random(COUNTS.shape) < 0.08, COUNTS + 1, 0), 10, {}),
    "large": (1e9 * COUNTS, 3, {}),
    "as small as float32 takes": (1e-17 * COUNTS, 3, {}),
    "small in float64": (1e-35 * COUNTS, 3, {"dtype": "float64"}),
    "of many sizes": (np.exp(rng.normal(0, 6, COUNTS.shape)), 4, {}),
    "bool": (COUNTS > 0, 3, {}),
    "uint8": (COUNTS.astype(np.uint8), 3, {}),
    "int64": (COUNTS.astype(np.int64), 3, {}),
    "float16": (COUNTS.astype(np.float16), 3, {}),
    "float64": (COUNTS, 3, {"dtype": "float64"}),
    "no extrapolation": (COUNTS, 4, {"extrapolate": False}),
    "one pass": (COUNTS, 4, {"max_passes": 1}),
    "two passes": (COUNTS, 4, {"max_passes": 2}),
    "no tolerance": (COUNTS, 4, {"tol": 0.0}),
    "a random start": (COUNTS, 4, {"init": "random"}),
    "H with zeros": (COUNTS, 4, {"H": H * EVERY_OTHER_COLUMN}),
    "W with zeros": (COUNTS, 4, {"W": W * EVERY_OTHER_ROW}),
    "bounds": (COUNTS, 4, {"penalty": OBJECTIVE, "constraints": Constraints(upper=(2.0, 1.0))}),
    "L1": (COUNTS, 6, {"penalty": Penalty(l1=5.0, scale="objective")}),
    "L1 that leaves nothing": (COUNTS, 4, {"penalty": Penalty(l1=1e4, scale="objective")}),
    "L2 that leaves nothing": (COUNTS, 4, {"penalty": Penalty(l2=1e9, scale="objective")}),
    "columns given": (COUNTS, 4, {"constraints": Constraints(fixed_W=W[:, :2])}),
    "all rows given": (COUNTS, 4, {"constraints": Constraints(fixed_H=H)}),
}


def hidden_of(A):
    found = np.random.default_rng(1).random(A.shape) < 0.3
    found[0, 0] = False
    return found


def weights_of(A):
    return np.where(hidden_of(A), 0.0, np.random.default_rng(2).gamma(1.0, 1.0, A.shape))


def as_csr(A, seen):
    rows, columns = np.nonzero(seen)
    values = A[seen].astype(np.float32) if A.dtype == np.float16 else A[seen]
    return scipy.sparse.csr_array((values, (rows, columns)), shape=A.shape)


def nothing_hidden(A):
    return np.ones(A.shape)


def seen_of(A):
    return ~hidden_of(A) * 1.0


WAYS = {
    "counts": (lambda A: A, KL, nothing_hidden),
    "counts in CSR": (lambda A: as_csr(A, A != 0), KL, nothing_hidden),
    "counts in CSC": (lambda A: scipy.sparse.csc_array(as_csr(A, A != 0)), KL, nothing_hidden),
    "counts with holes": (
        lambda A: np.where(hidden_of(A), np.nan, A.astype(float)), {**KL, "missing": "nan"}, seen_of
    ),
    "counts that are stored": (lambda A: as_csr(A, ~hidden_of(A)), {**KL, "missing": "unstored"}, seen_of),
    "counts with weights": (lambda A: A, {**KL, "weights": weights_of}, weights_of),
    "counts in CSR with weights": (lambda A: as_csr(A, A != 0), {**KL, "weights": weights_of}, weights_of),
    "holes": (lambda A: np.where(hidden_of(A), np.nan, A.astype(float)), {"missing": "nan"}, seen_of),
    "stored": (lambda A: as_csr(A, ~hidden_of(A)), {"missing": "unstored"}, seen_of),
    "stored in CSC": (
        lambda A: scipy.sparse.csc_array(as_csr(A, ~hidden_of(A))), {"missing": "unstored"}, seen_of
    ),
    "a mask": (lambda A: A, {"mask": lambda A: ~hidden_of(A)}, seen_of),
    "a mask of CSC": (
        lambda A: scipy.sparse.csc_array(as_csr(A, A != 0)),
        {"mask": lambda A: scipy.sparse.csc_array(~hidden_of(A))}, seen_of,
    ),
    "weights": (lambda A: A, {"weights": weights_of}, weights_of),
    "weights of CSR": (lambda A: as_csr(A, A != 0), {"weights": weights_of}, weights_of),
    "implicit": (lambda A: as_csr(A, A != 0), {"implicit": 2.0}, nothing_hidden),
    "implicit in a dense array": (lambda A: A, {"implicit": 2.0}, nothing_hidden),
}  # fmt: skip
FEW_WAYS = ("counts with weights", "holes")


def product(model):
    return (model.read_W().astype(float) * model.d) @ model.H.astype(float)


def each_loss(A, P, loss):
    """The loss of each entry, and what it would be of a prediction of nothing, about."""
    if loss == "kullback-leibler":
        return xlogy(A, A / np.where(A > 0, P, 1.0)) - A + P, A
    if loss == "itakura-saito":
        return A / P - np.log(A / P) - 1, np.ones_like(A)
    return 0.5 * (A - P) ** 2, 0.5 * A**2


def assert_says_what_is_left(model, A, weights, options):
    seen, P = weights > 0, product(model)
    assert np.isfinite(P).all()
    P = np.maximum(P, LEAST * np.where(seen, A, 0).sum(axis=1, keepdims=True))
    A, P, weights = A[seen].astype(float), P[seen], weights[seen]
    if "implicit" in options:
        A, weights = (A > 0) * 1.0, 1 + options["implicit"] * A
    loss, whole = ((weights * each).sum() for each in each_loss(A, P, options.get("loss")))
    assert model.history[-1].loss == pytest.approx(loss, rel=1e-4, abs=2e-6 * whole)
    assert 0 <= model.relative_error < np.inf
    objectives = [record.objective for record in model.history if record.accepted]
    slack = 1e-6 * max(whole, abs(objectives[0]))
    assert all(later <= earlier + slack for earlier, later in itertools.pairwise(objectives))


def fitted(data, rank, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", UnsolvedWarning)
        return dnmf.fit(data, rank, **options)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        pytest.param(name, way, marks=() if way in FEW_WAYS else pytest.mark.slow, id=f"{name}, {way}")
        for name, way in itertools.product(DATA, WAYS)
    ],
)
@pytest.mark.broad(5)
def test_a_fit_of_odd_data_says_what_its_model_leaves(name, way):
    (A, rank, options), (stored, said, weights) = DATA[name], WAYS[way]
    options = {**options, **{key: value(A) if callable(value) else value for key, value in said.items()}}
    assert_says_what_is_left(fitted(stored(A), rank, options), A, weights(A), options)


SCALES = (1e-30, 1e12, 1e15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [KL, IS, {}], ids=["kullback-leibler", "itakura-saito", "frobenius"])
@pytest.mark.broad(1)
def test_weights_on_another_scale_are_the_same_fit(options, dtype):
    said = {"dtype": dtype, "tol": 0.0, "max_passes": 4, "init": "random"}
    draw, A = weights_of(POSITIVE), POSITIVE if options == IS else COUNTS
    losses = [
        fitted(A, 2, {**said, **options, "weights": draw * scale}).history[-1].loss / scale for scale in (1.0, *SCALES)
    ]
    assert losses == pytest.approx([losses[0]] * len(losses), rel=1e-3)


FEW_SEEN = np.full(COUNTS.shape, np.nan)
FEW_SEEN[7, 3] = 5.0
NOTHING_SEEN = np.full(COUNTS.shape, np.nan)


@pytest.mark.parametrize("options", [KL, {}, {"penalty": Penalty(l2=0.02, scale="objective")}], ids=str)
@pytest.mark.broad(1)
def test_what_nobody_saw_may_be_anything_finite(options):
    for stored, said in stored_in_two_ways(FEW_SEEN):
        assert_says_what_is_left(fitted(stored, 3, {**options, **said}), FEW_SEEN, ~np.isnan(FEW_SEEN) * 1.0, options)


def test_where_nobody_saw_anything_there_is_no_fit():
    for stored, said in stored_in_two_ways(NOTHING_SEEN):
        with pytest.raises(dnmf.InputError, match="nothing was observed"):
            dnmf.fit(stored, 3, **said)


def stored_in_two_ways(data):
    return (data, {"missing": "nan"}), (as_csr(np.nan_to_num(data), ~np.isnan(data)), {"missing": "unstored"})


def changed(A, value):
    A = A.copy()
    A[2, 3] = value
    return A


@pytest.mark.parametrize("value", [np.inf, -5.0])
@pytest.mark.parametrize("options", [KL, {}, pytest.param(IS, marks=pytest.mark.slow)], ids=["counts", "squares", "IS"])
def test_a_value_that_a_mask_hides_may_be_anything(options, value):
    A, mask = changed(POSITIVE, value), changed(np.ones(POSITIVE.shape, bool), False)
    assert_says_what_is_left(fitted(A, 3, {**options, "mask": mask}), A, mask * 1.0, options)


def test_a_row_that_sees_next_to_nothing_of_a_component_is_solved_for_all_the_same():
    rows, columns = np.eye(4).repeat(50, axis=0), np.kron(np.eye(4), np.r_[1.0, np.full(14, 1e-3)])
    A = rows @ columns + 1e-4 * rng.random((200, 60))
    data = np.where((np.arange(200) % 5 == 0)[:, None] & (columns.sum(axis=0) == 1.0), np.nan, A)
    models = [
        dnmf.fit(data, 4, missing="nan", H=columns, dtype=dtype, max_passes=3) for dtype in ("float32", "float64")
    ]
    seen = ~np.isnan(data)
    left = [0.5 * ((data - product(model)) ** 2)[seen].sum() for model in models]
    assert left[0] == pytest.approx(left[1], rel=1e-3)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (1e-60 * COUNTS, {}, "so small that products in float32 vanish"),
        (1e-60 * COUNTS, KL, "so small that products in float32 vanish"),
        (1e-200 * COUNTS, {**KL, "dtype": "float64"}, "overflow or vanish in float64"),
        (1e18 * COUNTS, KL, "overflow or vanish in float32"),
        (changed(COUNTS, np.inf), {**KL, "missing": "nan"}, "an infinity at row 2, column 3"),
        (changed(COUNTS, -1.0), {"missing": "nan"}, "negative value -1.0 at row 2, column 3"),
        (COUNTS, {**KL, "weights": changed(np.ones(COUNTS.shape), -1.0)}, "the weight -1.0 at row 2, column 3"),
        (COUNTS, {**KL, "weights": changed(np.ones(COUNTS.shape), np.nan)}, "the weight nan at row 2, column 3"),
        (COUNTS, {"weights": np.full(COUNTS.shape, 1e37)}, "the weight 1e.37 .* is too large for float32"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_refused_with_the_place_and_a_way(data, options, message):
    with pytest.raises(dnmf.InputError, match=message):
        dnmf.fit(data, 3, **options)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed(POSITIVE, 0.0), "a zero at row 2, column 3"),
        (as_csr(POSITIVE, POSITIVE > 0.2), "would have to look at every zero in it"),
    ],
)
def test_other_rows_are_refused_as_a_fit_refuses_them(rows, message):
    model = dnmf.fit(POSITIVE, 2, **IS, init="random", max_passes=1)
    for take in (model.transform, lambda rows: dnmf.measures.loss(model, rows)):
        with pytest.raises(dnmf.InputError, match=message):
            take(rows)

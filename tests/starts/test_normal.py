"""The start from normal numbers: the H of scikit-learn's random start, on its scale wherever that says something."""

import numpy as np
import pytest
import scipy.sparse
from engines import engine_on

import dnmf
from dnmf.constraints import Guides
from dnmf.options import FitOptions
from dnmf.penalty import Penalty
from dnmf.starts.begin import begin
from dnmf.starts.normal import drawn

pytestmark = pytest.mark.numeric


def of_sklearn(A, rank, seed):
    from sklearn.decomposition._nmf import _initialize_nmf

    return _initialize_nmf(A, rank, "random", random_state=seed)[1]


def started(matrix, **options):
    return begin(engine_on(matrix), FitOptions(4, init="normal", dtype="float64", **options), None, None, Guides())


@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("seed", [0, 7])
def test_a_fit_begins_with_the_H_of_scikit_learn_up_to_its_scale_and_reads_nothing(planted, wrap, seed):
    start, expected = started(wrap(planted), seed=seed), of_sklearn(planted, 4, seed)
    np.testing.assert_allclose(start.H, expected / expected.sum(axis=1, keepdims=True), rtol=1e-12)
    assert start.bytes_read == 0


@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array])
def test_where_scale_is_left_alone_it_is_that_of_scikit_learn_as_far_as_a_few_rows_tell(planted, wrap):
    start = started(wrap(planted), penalty=Penalty(scale="absolute", diagonal=False))
    np.testing.assert_allclose(start.H, of_sklearn(planted, 4, 0), rtol=0.1)
    assert 0 < start.bytes_read < planted.nbytes


SCALED = {
    "no penalty": {},
    "L1 in the objective": {"penalty": Penalty(l1=0.05, scale="objective")},
    "L1 by a rule": {"penalty": Penalty(l1=0.05)},
    "counts": {"loss": "kullback-leibler"},
}


@pytest.mark.parametrize("options", SCALED.values(), ids=SCALED)
def test_elsewhere_a_fit_does_not_depend_on_the_scale_of_its_start(planted, options):
    known = {"dtype": "float64", "max_passes": 3, "tol": 0.0, **options}
    model = dnmf.fit(planted, 4, init="normal", **known)
    given = dnmf.fit(planted, 4, H=of_sklearn(planted, 4, 0), **known)
    np.testing.assert_allclose(model.H, given.H, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "options", [{"missing": "nan"}, {"implicit": 2.0}, {"constraints": dnmf.Constraints(free="W")}]
)
def test_it_goes_with_whatever_a_fit_can_be_asked_for(planted, options):
    A = np.where(np.arange(80) == 3, np.nan, planted) if "missing" in options else planted
    assert np.isfinite(dnmf.fit(A, 3, init="normal", max_passes=2, **options).relative_error)


def test_zeros_begin_at_some_scale():
    assert dnmf.fit(np.zeros((40, 30)), 2, init="normal", max_passes=2).relative_error == 0
    assert started(np.zeros((40, 30)), penalty=Penalty(scale="absolute", diagonal=False)).H.any()


@pytest.mark.parametrize("seed", [2**32 - 1, 2**32, 2**63 + 5])
def test_seeds_of_any_size_are_told_apart(seed):
    found = {drawn(each, (1, 3)).tobytes() for each in (seed, seed + 1, seed % 2**32, seed + 2**64)}
    assert len(found) == (4 if seed >= 2**32 else 3)

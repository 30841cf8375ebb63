"""The error on other rows is that of the rows a transform gives; the first singular vector is that of an SVD."""

import numpy as np
import pytest
import scipy.sparse
import zarr

import dnmf
from dnmf.measures import first_singular_vector, relative_error

pytestmark = pytest.mark.numeric


def obvious_error(model, A):
    rebuilt = (model.transform(A).compute().astype(np.float64) * model.d) @ model.H.astype(np.float64)
    return np.linalg.norm(A - rebuilt) / np.linalg.norm(A)


PENALTIES = {
    "none": None,
    "relative": dnmf.Penalty(l1=0.1, l2=0.2),
    "objective": dnmf.Penalty(l1=(0.05, 0.02), l2=(0.1, 0.1), scale="objective"),
    "absolute": dnmf.Penalty(l1=(1e-5, 1e-4), l2=(1e-4, 1e-4), scale="absolute"),
}


@pytest.mark.broad(5)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_error_of_other_rows_is_that_of_their_transform(planted, penalty, dtype):
    model = dnmf.fit(planted[:400], 5, dtype=dtype, penalty=PENALTIES[penalty], max_passes=4)
    expected = obvious_error(model, planted[400:])
    for rows in (planted[400:], scipy.sparse.csr_array(planted[400:]), scipy.sparse.csc_array(planted[400:])):
        assert relative_error(model, rows) == pytest.approx(expected, rel=1e-5)


def test_the_error_of_the_rows_of_the_fit_is_that_of_the_fit(planted):
    model = dnmf.fit(planted, 5, max_passes=4)
    assert relative_error(model, planted) == pytest.approx(model.relative_error, rel=1e-6)


def test_an_order_of_components_does_not_change_it(planted):
    model = dnmf.fit(planted[:400], 5, dtype="float64", max_passes=4)
    expected = relative_error(model, planted[400:])
    assert relative_error(model.reordered([3, 0, 4, 1, 2]), planted[400:]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("dtype", "most"), [("float32", 3e-6), ("float64", 1e-9)])
def test_a_small_error_on_dense_data_is_not_lost_in_rounding(dtype, most):
    rng = np.random.default_rng(2)
    H = rng.random((3, 30)) * (rng.random((3, 30)) < 0.5)
    A = (rng.random((500, 3)) + 0.1) @ H
    model = dnmf.fit(A, 3, H=H, dtype=dtype, max_passes=2, tol=0)
    assert relative_error(model, A.astype(dtype)) < most


def test_dead_components_take_no_part(planted):
    H = np.vstack([np.random.default_rng(0).random((3, 80)), np.zeros((2, 80))])
    model = dnmf.fit(planted[:400], 5, H=H, dtype="float64", max_passes=3)
    assert (model.d[3:] == 0).all()
    assert relative_error(model, planted[400:]) == pytest.approx(obvious_error(model, planted[400:]), rel=1e-9)


def test_nothing_is_wrong_with_rows_of_zeros(planted):
    assert relative_error(dnmf.fit(planted, 5, max_passes=2), np.zeros((10, 80))) == 0


def test_it_is_measured_on_a_cluster_from_a_store(planted, tmp_path, client):
    zarr.create_array(tmp_path / "A.zarr", data=planted, chunks=(64, 80))
    model = dnmf.fit(planted, 5, max_passes=3, store=tmp_path / "run.dnmf")
    found = relative_error(model, tmp_path / "A.zarr", client=client)
    assert found == relative_error(model, tmp_path / "A.zarr")
    assert found == pytest.approx(model.relative_error, rel=1e-6)


def test_columns_of_another_number_are_refused(planted):
    with pytest.raises(dnmf.InputError, match="has 79 columns, the model was fitted on 80"):
        relative_error(dnmf.fit(planted, 5, max_passes=2), planted[:, :79])


@pytest.mark.parametrize("make", [np.asarray, np.float32, scipy.sparse.csr_array, scipy.sparse.csc_array])
def test_the_first_singular_vectors_are_those_of_an_svd(planted, make):
    A = make(planted)
    U, _, Vt = np.linalg.svd(np.asarray(A.toarray() if scipy.sparse.issparse(A) else A, np.float64))
    np.testing.assert_allclose(first_singular_vector(A), np.abs(Vt[0]), atol=1e-7)
    np.testing.assert_allclose(first_singular_vector(A, side="W"), np.abs(U[:, 0]), atol=1e-7)


def test_the_right_one_is_found_where_the_matrix_falls_apart_into_blocks():
    few_large = np.zeros((400, 9))
    few_large[:399, :5] = 0.1  # σ = 4.5
    few_large[399, 5:] = 3  # σ = 6, in a row that a sample would hardly have
    np.testing.assert_allclose(first_singular_vector(few_large), [0] * 5 + [0.5] * 4, atol=1e-7)


def test_close_singular_values_take_longer_and_come_out_right():
    A = np.diag([1.0, 0.97, 0.96, 0.5])
    np.testing.assert_allclose(first_singular_vector(A), [1, 0, 0, 0], atol=1e-5)


def test_a_store_by_columns_has_the_same_vectors(planted, tmp_path):
    anndata = pytest.importorskip("anndata")
    anndata.AnnData(scipy.sparse.csc_matrix(planted)).write_h5ad(tmp_path / "a.h5ad")
    for side in "WH":
        found = first_singular_vector(tmp_path / "a.h5ad", side=side)
        np.testing.assert_allclose(found, first_singular_vector(planted, side=side), atol=1e-7)


def test_the_vector_of_zeros_alone_is_zero():
    assert (first_singular_vector(np.zeros((5, 3))) == 0).all()


def test_an_unknown_side_is_refused_before_anything_is_read():
    with pytest.raises(dnmf.InputError, match="side='V'"):
        first_singular_vector("nothing.zarr", side="V")


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array])
def test_a_penalized_model_has_the_same_error_on_its_own_rows(planted, penalty, wrap):
    model = dnmf.fit(wrap(planted), 4, penalty=PENALTIES[penalty], dtype="float64", max_passes=20)
    assert relative_error(model, planted) == pytest.approx(model.relative_error, rel=1e-9)

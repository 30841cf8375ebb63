"""Chunks of a dask array of which a mask has left nothing, wherever a dask array may come."""

import numpy as np
import pytest
import scipy.sparse

import dnmf
from dnmf import measures
from dnmf.sources import open_source

da = pytest.importorskip("dask.array")
A = np.random.default_rng(0).poisson(1.0, (60, 10)).astype("f4")
HEIGHTS = {"first": (0, 30, 30), "middle": (30, 0, 30), "last": (30, 30, 0), "many": (0, 0, 25, 0, 0, 35, 0)}
KINDS = {"numpy": np.asarray, "CSR": scipy.sparse.csr_array, "COO": scipy.sparse.coo_array}
WIDTHS = {"whole rows": (10,), "cut": (4, 6), "nothing between": (4, 0, 6)}


def chunked(heights, widths, convert):
    array = da.from_array(A, chunks=(heights, widths))
    assert array.chunks == (heights, widths)
    return array if convert is np.asarray else array.map_blocks(convert)


@pytest.mark.parametrize("where", HEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.broad(3)
def test_every_door_takes_them(where, kind, width):
    array = chunked(HEIGHTS[where], WIDTHS[width], KINDS[kind])
    rows = open_source(array).read(0, 60)
    dense = rows if isinstance(rows, np.ndarray) else scipy.sparse.csr_array(tuple(rows), shape=A.shape).toarray()
    np.testing.assert_array_equal(dense, A)
    model = dnmf.fit(array, 2, max_passes=2, dtype="float64")
    np.testing.assert_allclose(model.transform(array).compute(), model.transform(A).compute(), rtol=1e-9)
    assert measures.relative_error(model, array) == pytest.approx(measures.relative_error(model, A), rel=1e-6)


@pytest.mark.parametrize("where", HEIGHTS)
def test_the_estimator_transforms_them(where):
    pytest.importorskip("sklearn")
    array = chunked(HEIGHTS[where], (10,), np.asarray)
    nmf = dnmf.NMF(2, random_state=0, dtype="float64", max_iter=300)
    fitted = nmf.fit_transform(array)
    found = nmf.transform(array)
    assert found.chunks == fitted.chunks == (HEIGHTS[where], (2,))
    np.testing.assert_allclose(found.compute(), fitted.compute(), rtol=1e-6, atol=1e-9)


def test_an_array_without_any_rows_is_refused():
    with pytest.raises(dnmf.InputError, match="is empty"):
        open_source(da.zeros((0, 4)))

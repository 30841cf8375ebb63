"""How well each slab is explained: as in the dense formula, of any kind of data, in one read, on workers too."""

from functools import partial

import dask.array
import numpy as np
import pytest
import scipy.sparse
import zarr
from cubes import array_of, planted

import dnmf
from dnmf.errors import InputError
from dnmf.measures import explained
from dnmf.passes import blocks

pytestmark = pytest.mark.numeric

SHAPE = (40, 12, 7)
cp = partial(dnmf.cp, init="random", max_passes=3)  # what is measured need not be the best model


@pytest.fixture(scope="module")
def cube():
    array = planted(SHAPE, 3, noise=0.3, seed=5)[0]
    array[array < np.quantile(array, 0.6)] = 0
    array[3], array[:, 5] = 0, 0
    return array


def by_hand(array, predicted, weights=1.0):
    """The shares along every axis, from all entries."""
    found = []
    for axis in range(array.ndim):
        others = tuple(other for other in range(array.ndim) if other != axis)
        left = np.sum(weights * (array - predicted) ** 2, axis=others)
        there = np.sum(weights * array**2, axis=others)
        found.append(np.where(there > 0, 1 - left / np.where(there > 0, there, 1), np.nan))
    return found


def of_cp(model):
    return array_of([X.astype(float) for X in model.factors.values()], model.weights)


def of_matrix(model):
    return (model.read_W().astype(float) * model.d) @ model.H


def check(found, expected, atol=1e-12):
    for shares, wanted in zip(found.values(), expected, strict=True):
        np.testing.assert_allclose(shares, wanted, rtol=0, atol=atol)


def sparse_cube(array):
    return pytest.importorskip("sparse").COO.from_numpy(array)


@pytest.mark.parametrize("convert", [np.asarray, sparse_cube])
@pytest.mark.parametrize("long_axis", [0, 1])
def test_the_shares_along_every_axis_are_those_of_the_dense_formula(cube, convert, long_axis):
    model = cp(convert(cube), 3, row_axes=long_axis, dtype="float64")
    found = explained(model, convert(cube))
    assert {axis: len(shares) for axis, shares in found.items()} == model.lengths
    check(found, by_hand(cube, of_cp(model)))


@pytest.mark.parametrize("convert", [np.asarray, sparse_cube])
def test_two_axes_that_have_one_factor_have_a_share_for_each_pair_of_places(cube, convert):
    more = np.stack([cube, cube[:, ::-1]], axis=-1)
    model = cp(convert(more), 3, row_axes=(0, 2), dtype="float64")
    found = explained(model, convert(more))
    assert list(found) == ["axis_0, axis_2", "axis_1", "axis_3"]
    check(found, by_hand(more.transpose(0, 2, 1, 3).reshape(-1, 12, 2), of_cp(model)))


def test_slabs_without_anything_in_them_have_no_share(cube):
    found = explained(cp(cube, 2), cube)
    assert np.flatnonzero(np.isnan(found["axis_0"])).tolist() == [3]
    assert np.flatnonzero(np.isnan(found["axis_1"])).tolist() == [5]


def test_a_slab_of_which_the_model_says_nothing_has_a_share_of_zero_and_one_it_is_has_one():
    cube = np.zeros((6, 4, 3))
    cube[:4, :2] = np.einsum("i,j,k->ijk", np.arange(1.0, 5), [1.0, 3], [2.0, 1, 1])
    model = dnmf.cp(cube, 1)
    cube[5, 3, 2] = 1e-3
    found = explained(model, cube)
    np.testing.assert_allclose(found["axis_0"][:4], 1, atol=1e-9)
    assert (found["axis_0"][5], found["axis_1"][3]) == (0, 0)


def test_the_shares_weighted_with_what_there_is_are_the_error_of_the_fit(cube):
    model = cp(cube, 3)
    there = np.sum(cube**2, axis=(1, 2))
    whole = np.nansum(explained(model, cube)["axis_0"] * there) / there.sum()
    assert whole == pytest.approx(1 - model.relative_error**2, abs=1e-6)


CHUNKS = [(8, 12, 7), (40, 12, 7), (10, 5, 3)]


@pytest.mark.parametrize("chunks", CHUNKS)
def test_however_a_store_is_chunked_it_is_the_same(cube, chunks, tmp_path):
    stored = zarr.create_array(tmp_path / "cube.zarr", shape=cube.shape, chunks=chunks, dtype=cube.dtype)
    stored[:] = cube
    model = cp(cube, 3)
    check(explained(model, tmp_path / "cube.zarr"), explained(model, cube).values(), atol=1e-14)


def test_of_any_blocks_the_rows_have_the_same_bits_and_of_dense_ones_the_columns_too(cube, monkeypatch):
    for convert, exact in ((np.asarray, 3), (sparse_cube, 1)):
        model = cp(convert(cube), 3)
        whole = list(explained(model, convert(cube)).values())
        with monkeypatch.context() as changed:
            changed.setattr(blocks, "BLOCK_BYTES", 1500)
            cut = list(explained(model, convert(cube)).values())
        for one, other in zip(whole[:exact], cut[:exact], strict=True):
            assert one.tobytes() == other.tobytes()
        check(dict(enumerate(cut)), whole, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("convert", [np.asarray, sparse_cube])
def test_workers_make_the_same_bits(cube, convert, client, tmp_path):
    model = cp(convert(cube), 3, store=tmp_path / "run.dnmf")
    here, there = (explained(model, convert(cube), client=each) for each in (None, client))
    for axis in here:
        assert here[axis].tobytes() == there[axis].tobytes()


KINDS = {
    "numpy": lambda A: A,
    "CSR": scipy.sparse.csr_array,
    "dask": lambda A: dask.array.from_array(A, chunks=(9, 20)),
    "dask of CSR": lambda A: dask.array.from_array(A, chunks=(9, A.shape[1])).map_blocks(scipy.sparse.csr_array),
}


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_matrix_they_are_those_of_its_rows_and_columns(cube, kind):
    A = cube.reshape(40, -1)
    model = dnmf.fit(KINDS[kind](A), 4)
    found = explained(model, KINDS[kind](A))
    assert list(found) == ["rows", "columns"]
    check(found, by_hand(A, of_matrix(model)))


def test_components_in_another_order_say_the_same(cube, tmp_path):
    A = cube.reshape(40, -1)
    model = dnmf.fit(A, 4, store=tmp_path / "run.dnmf")
    check(explained(model.reordered([2, 0, 3, 1]), A), explained(model, A).values())


RNG = np.random.default_rng(0)
SEEN = RNG.random((40, 84)) < 0.8
WEIGHTS = RNG.integers(0, 4, (40, 84)).astype("f4")


@pytest.mark.parametrize(
    ("counts", "source"),
    [
        (SEEN, lambda A: dnmf.open_source(np.where(SEEN, A, np.nan), missing="nan")),
        (SEEN, lambda A: dnmf.open_source(A, mask=SEEN)),
        (SEEN, lambda A: dnmf.open_source(scipy.sparse.csr_array(A), mask=SEEN)),
        (WEIGHTS, lambda A: dnmf.open_source(A, weights=WEIGHTS)),
        (None, lambda A: dnmf.open_source(scipy.sparse.csr_array(A), missing="unstored")),
    ],
)
def test_what_was_not_observed_counts_nowhere_and_weights_do(cube, counts, source):
    A = cube.reshape(40, -1)
    model = dnmf.fit(source(A), 3)
    weights = (A != 0) if counts is None else counts
    check(explained(model, source(A)), by_hand(A, of_matrix(model), weights), atol=1e-7)


def test_other_data_and_models_of_preferences_are_refused(cube):
    model = cp(cube, 2)
    with pytest.raises(InputError, match="has 10 rows, the model was fitted on 40; give all rows of what"):
        explained(model, cube[:10])
    with pytest.raises(InputError, match="implicit= predicts whether"):
        explained(dnmf.fit(scipy.sparse.csr_array(cube.reshape(40, -1)), 2, implicit=1.0), cube.reshape(40, -1))

"""The estimator takes what dnmf.fit takes, by the same rule of names, and refuses in the same words."""

import warnings

import dask.array as da
import numpy as np
import pytest
import scipy.sparse

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")
anndata = pytest.importorskip("anndata")

import dnmf  # noqa: E402
from dnmf import InputError  # noqa: E402

M, N = 20, 6
A = np.random.default_rng(0).poisson(2.0, (M, N)).astype("f8") + 0.5
NAMES, COUNT = [f"g{at}" for at in range(N)], [str(at) for at in range(N)]
TWICE, MIXED = ["a", "a", *NAMES[2:]], ["a", 1, *NAMES[2:]]


def nmf(**options):
    return dnmf.NMF(2, **{"random_state": 0, "max_iter": 2, "tol": 0, **options})


def frame(columns):
    return pd.DataFrame(A, columns=columns)


def cells(names):
    return anndata.AnnData(A, var=pd.DataFrame(index=names))


KINDS = {
    "array": lambda: A,
    "names in a frame": lambda: frame(NAMES),
    "names in an AnnData": lambda: cells(NAMES),
    "other names in a frame": lambda: frame(NAMES[::-1]),
    "other names in an AnnData": lambda: cells(NAMES[::-1]),
    "a count in a frame": lambda: frame(range(N)),
    "a count as text in a frame": lambda: frame(COUNT),
    "a count in an AnnData": lambda: cells(COUNT),
    "a converted store": lambda: None,
    "numbers in a frame": lambda: frame([str(at) for at in range(N, 0, -1)]),
    "names twice in a frame": lambda: frame(TWICE),
    "names twice in an AnnData": lambda: cells(TWICE),
    "text and numbers in a frame": lambda: frame(MIXED),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted")
    np.save(folder / "a.npy", A)
    dnmf.convert(folder / "a.npy", folder / "a.zarr")
    return {kind: make() for kind, make in KINDS.items()} | {"a converted store": folder / "a.zarr"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fitted", KINDS)
@pytest.mark.broad(2)
def test_the_estimator_takes_the_columns_that_the_model_takes(fitted, data):
    estimator, model = nmf(max_iter=1).fit(data[fitted]), dnmf.fit(data[fitted], 2, max_passes=1)
    for kind, other in data.items():
        assert _refused(estimator.transform, other) == _refused(model.open_rows, other), kind


def _refused(take, data):
    try:
        take(data)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("columns", [TWICE, MIXED])
def test_names_that_scikit_learn_does_not_take_are_taken_and_kept(columns):
    named = frame(columns)
    estimator = nmf().fit(named)
    assert list(estimator.feature_names_in_) == [str(name) for name in columns]
    W = estimator.transform(named)
    np.testing.assert_allclose(W, estimator.transform(cells(list(map(str, columns)))), rtol=1e-6)
    np.testing.assert_allclose(
        estimator.inverse_transform(pd.DataFrame(W, columns=["a", "a"])), W @ estimator.components_
    )
    assert estimator.set_output(transform="pandas").transform(named).shape == (M, 2)
    with pytest.raises(ValueError, match="5 features, but NMF is expecting 6"):
        estimator.transform(named.iloc[:, :5])


@pytest.mark.parametrize("case", ["a count in an AnnData", "a converted store", "array"])
def test_a_count_is_no_feature_name(case, data):
    estimator = nmf().fit(frame(NAMES)).fit(data[case])
    assert not hasattr(estimator, "feature_names_in_")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.transform(A)


def test_of_two_columns_of_one_name_the_one_that_is_no_number_is_told():
    named = pd.concat([frame(NAMES), pd.DataFrame({"g0": ["x"] * M})], axis=1)
    with pytest.raises(InputError, match="column 'g0' has dtype (object|str)"):
        dnmf.fit(named, 2)


CHUNKS = (10, N)
BLOCKS = {
    "nothing": (lambda block: None, "a block is a NoneType, no array"),
    "lists": (lambda block: block.tolist(), "a block is a list, no array"),
    "fewer rows": (lambda block: block[:5], r"a block has shape \(5, 6\), the array's chunks say \(10, 6\)"),
    "fewer columns": (lambda block: block[:, :5], r"a block has shape \(10, 5\)"),
    "more rows": (lambda block: np.vstack([block, block]), r"a block has shape \(20, 6\)"),
    "vectors": (lambda block: block[:, 0], r"a block has shape \(10,\)"),
    "masked": (lambda block: np.ma.masked_less(block, 1), "is masked"),
    "text": (lambda block: block.astype(str), "dtype <U"),
}


@pytest.mark.parametrize("case", BLOCKS)
def test_blocks_are_looked_at_as_by_fit_when_a_lazy_transform_is_computed(case):
    spoil, refused = BLOCKS[case]
    blocks = da.from_array(A, chunks=CHUNKS).map_blocks(spoil, meta=np.empty((0, 0)))
    with pytest.raises(InputError, match=refused):
        nmf().fit(A).transform(blocks).compute()
    with pytest.raises(InputError, match=refused):
        dnmf.fit(blocks, 2, max_passes=2)


W = np.random.default_rng(1).random((M, 2))
SOME_MASKED = np.ma.masked_less(W, 0.5)
NO_W = {
    "one dimension": (lambda: da.ones(2), "one for each of 2 components"),
    "three dimensions": (lambda: da.ones((3, 2, 2)), "one for each of 2 components"),
    "other columns": (lambda: da.ones((3, 4)), "4 columns, expected one for each of 2"),
    "masked": (lambda: da.from_array(SOME_MASKED, chunks=(10, 2)).rechunk((5, 1)), "is masked"),
    "masked in memory": (lambda: SOME_MASKED, "is masked"),
    "short blocks": (lambda: da.from_array(W, chunks=(10, 2)).map_blocks(lambda b: b[:5], meta=W[:0]), "say .10, 2"),
    "dates": (lambda: da.from_array(W.astype("M8[s]"), chunks=(10, 2)), "dtype datetime64"),
    "records": (lambda: np.ones((M, 2), [("a", "f8")]), "dtype .*'a'"),
    "lazy records": (lambda: da.ones((M, 2), dtype=[("a", "f8")]), "dtype .*'a'"),
}


@pytest.mark.parametrize("case", NO_W)
def test_what_is_no_W_is_refused_by_inverse_transform(case):
    make, refused = NO_W[case]
    with pytest.raises(InputError, match=refused):
        np.asarray(nmf().fit(A).inverse_transform(make()))


def test_inverse_transform_takes_a_masked_W_of_which_nothing_is_masked():
    estimator, whole = nmf().fit(A), da.from_array(np.ma.array(W, mask=False), chunks=(10, 1))
    np.testing.assert_allclose(estimator.inverse_transform(whole).compute(), W @ estimator.components_)


NO_NUMBERS = {
    "None": ([[1.0, None], [2.0, 3.0]], "row 0, column 1 is missing"),
    "NA": ([[1.0, 2.0], [pd.NA, 3.0]], "row 1, column 0 is missing"),
    "None in an array": (np.array([[None, 1.0], [2.0, 3.0]], object), "row 0, column 0 is missing"),
    "dates": (A.astype("M8[s]"), "dtype datetime64"),
    "times": (A.astype("m8[s]"), "dtype timedelta64"),
    "records": (np.ones((4, 3), [("a", "f8")]), "dtype .*'a'"),
}


@pytest.mark.broad(10)
@pytest.mark.parametrize("case", NO_NUMBERS)
@pytest.mark.parametrize("method", ["fit", "transform", "inverse_transform"])
def test_what_holds_no_numbers_is_refused_in_words(case, method):
    values, refused = NO_NUMBERS[case]
    with pytest.raises(InputError, match=refused):
        getattr(nmf().fit(A), method)(values)


@pytest.fixture
def stored(tmp_path):
    h5py, zarr = pytest.importorskip("h5py"), pytest.importorskip("zarr")
    made = anndata.AnnData(scipy.sparse.csr_matrix(A), var=pd.DataFrame(index=NAMES))
    made.write_h5ad(tmp_path / "a.h5ad")
    made.write_zarr(tmp_path / "a.zarr")
    with h5py.File(tmp_path / "a.h5ad") as file:
        group = zarr.open_group(tmp_path / "a.zarr", mode="r")
        yield {
            "a sparse matrix on disk": anndata.io.sparse_dataset(group["X"]),
            "a sparse matrix in a file": anndata.io.sparse_dataset(file["X"]),
            "a file": file,
            "a group of a file": file["X"],
            "a group": group["X"],
        }


@pytest.mark.slow
def test_matrices_on_disk_are_taken_as_by_fit(stored):
    model, of_stores = nmf().fit(A), nmf().fit(next(iter(stored.values())))
    for kind, data in stored.items():
        np.testing.assert_array_equal(nmf().fit(data).components_, of_stores.components_, err_msg=kind)
        np.testing.assert_allclose(np.asarray(model.transform(data)), model.transform(A), rtol=1e-5, err_msg=kind)

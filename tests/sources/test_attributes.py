"""What an object is, is asked of its type: frames answer for the names of their columns too."""

import numpy as np
import pytest

import dnmf

A = np.random.default_rng(0).random((12, 6))
WORDS = {
    "as of a DataArray": ["data", "dims", "coords", "x", "y", "z"],
    "as of an AnnData": ["X", "obs_names", "var_names", "isbacked", "uns", "layers"],
    "as of a Zarr array": ["store", "metadata", "group", "backend", "path", "chunks"],
    "as of a dask array": ["dask", "numblocks", "npartitions", "data_vars", "compute", "toarray"],
}


@pytest.mark.broad(3)
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_a_frame_of_any_words_is_a_frame(words, kind):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame(A, columns=words)
    if kind == "sparse":
        frame = frame.astype(pd.SparseDtype("float64", 0.0))
    model = dnmf.fit(frame, 2, max_passes=2)
    assert model.column_names.tolist() == words
    np.testing.assert_allclose(model.transform(frame).compute(), model.read_W(), rtol=1e-3, atol=1e-5)
    nmf = dnmf.NMF(2, random_state=0, max_iter=2, tol=0)
    assert nmf.fit_transform(frame).shape == (12, 2)
    given = dnmf.Constraints(target_H=pd.DataFrame(A[:2], columns=words))
    assert dnmf.fit(frame, 2, max_passes=2, penalty=dnmf.Penalty(target=0.1), constraints=given).rank == 2


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_an_array_with_coordinates_of_any_name_is_one(words):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    array = xarray.DataArray(A, dims=(words[0], words[1]), coords={words[0]: range(12), words[3]: 1.0})
    assert dnmf.fit(array, 2, max_passes=2).shape == (12, 6)

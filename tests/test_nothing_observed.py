"""Data of which nothing was observed is refused at every door: a perfect fit of it would say nothing."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import zarr
from command_line import assert_one_clear_line, call

import dnmf
from dnmf import measures
from dnmf.errors import NothingObservedError
from dnmf.estimator import NMF
from dnmf.starts import race

pytestmark = pytest.mark.numeric

A = 1.0 + np.random.default_rng(0).poisson(3.0, (30, 8))
NOTHING = {
    "mask": (A, {"mask": A < 0}, "every entry is false in the mask; a mask is true where an entry was observed, turn"),
    "weights": (A, {"weights": 0 * A}, "every entry has the weight 0; give what was observed a weight above 0"),
    "nan": (A * np.nan, {"missing": "nan"}, "every entry is NaN; leave a number where"),
    "unstored": (scipy.sparse.csr_array(A.shape), {"missing": "unstored"}, "every entry is not stored; .* zeros too"),
    "columns": (scipy.sparse.csc_array(A.shape), {"missing": "unstored"}, "every entry is not stored|is missing"),
    "row weights": (A, {"row_weights": np.zeros(30)}, "every entry is in a row of weight 0; give rows"),
    "column weights": (A, {"column_weights": np.zeros(8)}, "every entry is in a column of weight 0; give columns"),
    "all that is left": (
        np.where(np.arange(8) < 4, np.nan, A),
        {"missing": "nan", "mask": np.tile(np.arange(8) < 4, (30, 1))},
        "every entry is NaN or is false in the mask; a mask .* and leave a number",
    ),
    "a mask of sparse data": (scipy.sparse.csr_array(A), {"mask": A < 0}, "every entry is false in the mask"),
}
MODELS = {loss: dnmf.fit(A, 2, loss=loss, max_passes=2) for loss in ("frobenius", "kullback-leibler")}
DOORS = {
    "fit": lambda data, said: dnmf.fit(data, 2, **said),
    "fit of counts": lambda data, said: dnmf.fit(data, 2, loss="kullback-leibler", **said),
    "fit from W": lambda data, said: dnmf.fit(data, 2, W=np.ones((30, 2)), **said),
    "fit from H": lambda data, said: dnmf.fit(data, 2, H=np.ones((2, 8)), **said),
    "fit beside what is given": lambda data, said: dnmf.fit(
        data, 2, constraints=dnmf.Constraints(fixed_W=np.ones(30)), **said
    ),
    "path": lambda data, said: dnmf.path(data, 2, dnmf.Penalty(l2=1.0, scale="objective"), [0.1], **said),
    "NMF": lambda data, said: NMF(2).fit(dnmf.open_source(data, **said)),
    "transform": lambda data, said: MODELS["frobenius"].transform(data, **said),
    "transform of counts": lambda data, said: MODELS["kullback-leibler"].transform(data, **said),
    "loss": lambda data, said: measures.loss(MODELS["frobenius"], data, **said),
    "relative error": lambda data, said: measures.relative_error(MODELS["kullback-leibler"], data, **said),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", NOTHING)
@pytest.mark.broad(25)
def test_nothing_observed_is_refused_with_what_to_try(kind, door):
    data, said, message = NOTHING[kind]
    with pytest.raises(NothingObservedError, match=f"nothing was observed of it, {message}"):
        DOORS[door](data, said)


def test_a_command_says_so_in_a_line(tmp_path):
    for name, values in {"data": A, "mask": A < 0}.items():
        zarr.create_array(tmp_path / name, data=values, fill_value=1)
    said = ["--mask", tmp_path / "mask", "--rank", 2, "--store", tmp_path / "a.dnmf"]
    assert_one_clear_line(call("fit", tmp_path / "data", *said), "false in the mask", "turn round")


def test_one_entry_is_enough():
    seen = np.zeros(A.shape, bool)
    seen[29, 7] = True
    model = dnmf.fit(A, 1, mask=seen, tol=0, max_passes=3)
    np.testing.assert_allclose(model.predict(29, 7), A[29, 7], rtol=1e-5)


@pytest.mark.slow
def test_a_sample_may_hold_nothing_of_what_was_observed(monkeypatch):
    monkeypatch.setattr(race, "sample_rows", lambda *sizes: 1)
    seen = np.zeros((4096, 8), bool)
    seen[1000] = True
    model = dnmf.fit(np.tile(A[0], (4096, 1)), 1, mask=seen, tol=0, max_passes=3)
    np.testing.assert_allclose(model.predict(1000, np.arange(8)), A[0], rtol=1e-4)


def test_a_block_of_which_nothing_was_observed_is_zero():
    holes = np.where(np.arange(30)[:, None] < 15, np.nan, A)
    nmf = NMF(2, missing="nan", max_iter=3, tol=0).fit(holes)
    W = nmf.transform(da.from_array(holes, chunks=(15, 8))).compute()
    assert (W[:15] == 0).all()
    np.testing.assert_allclose(W[15:], nmf.transform(holes)[15:], rtol=1e-5)

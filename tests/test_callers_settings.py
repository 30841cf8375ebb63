"""What a program around asks of numpy, or of warnings, changes nothing."""

import threading
import warnings

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import zarr

import dnmf
from dnmf import measures

A = np.random.default_rng(0).gamma(0.05, 1, (200, 30))  # some entries are about 1e-50


def stored(folder):
    zarr.save_array(folder / "A.zarr", A)
    return folder / "A.zarr"


def numbers(model):
    return [model.relative_error, model.d.tolist(), model.H.tolist(), model.read_W().tolist()]


def fits(folder):
    """Every door that computes, each as the numbers it comes to."""
    model = dnmf.fit(A, 4, max_passes=4)
    two = dnmf.fit(A, 4, seed=1, max_passes=4)
    path = dnmf.path(A, 2, dnmf.Penalty(l1=1.0), [0.1], max_passes=3)
    nmf = dnmf.NMF(3, max_iter=4, tol=0, random_state=0)
    stored_fit = dnmf.fit(stored(folder), 3, store=folder / f"run-{len(list(folder.iterdir()))}.dnmf", max_passes=2)
    resumed = dnmf.resume(stored_fit.path, max_passes=4)
    return [
        numbers(model),
        numbers(resumed),
        numbers(dnmf.fit(scipy.sparse.csr_array(A), 3, init="random", max_passes=3)),
        numbers(dnmf.fit(da.from_array(A, chunks=(60, 30)), 3, init="surrogate", max_passes=3)),
        numbers(dnmf.fit(A, 3, constraints=dnmf.Constraints(fixed_H=A[:1] + 1e-200), max_passes=3)),
        model.solve(A[:20]).tolist(),
        nmf.fit_transform(A).tolist(),
        nmf.transform(A[:9]).tolist(),
        nmf.transform(da.from_array(A[:9], chunks=(4, 30))).compute().tolist(),
        [row.to_json() for row in path.rows],
        measures.cosines(model, "both").tolist(),
        measures.robustness(model, two),
        measures.relative_error(model, A[:50]),
        np.asarray(measures.kmeans_centres(A, 3)).tolist(),
    ]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return repr(fits(tmp_path_factory.mktemp("undisturbed")))


@pytest.mark.slow
def test_numpy_may_raise_on_whatever_it_likes(tmp_path, expected):
    with np.errstate(all="raise"):
        assert repr(fits(tmp_path)) == expected
        assert set(np.geterr().values()) == {"raise"}


@pytest.mark.slow
def test_a_callback_may_change_them_for_itself(expected):
    def strict(event):
        np.seterr(all="raise")
        with pytest.raises(FloatingPointError):
            np.float64(1e-200) * np.float64(1e-200)

    model = dnmf.fit(A, 4, max_passes=4, callbacks=[strict])
    assert repr(numbers(model)) in expected
    assert np.geterr()["under"] == "ignore"


def test_they_are_asked_for_in_another_thread(expected):
    found = []

    def work():
        np.seterr(all="raise")
        found.append(repr(numbers(dnmf.fit(A, 4, max_passes=4))))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0] in expected


@pytest.mark.slow
def test_warnings_may_be_errors(tmp_path, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert repr(fits(tmp_path)) == expected

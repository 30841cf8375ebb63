"""Fits of some rows and columns of data, divided by numbers: those of the matrix that was made so, and gone on with."""

import contextlib

import dask.array
import numpy as np
import pytest
import scipy.sparse
import zarr

import dnmf
from dnmf.fitting.events import PassDone
from dnmf.sources import slabs

M, N, K = 300, 60, 3
RNG = np.random.default_rng(0)
TRUTH = RNG.gamma(0.5, size=(M, K)) @ RNG.gamma(0.5, size=(K, N))
A = RNG.poisson(TRUTH).astype("f4")
ROWS = np.sort(RNG.permutation(M)[:220])
COLUMNS = np.flatnonzero(RNG.random(N) < 0.6)
OF_ROWS, OF_COLUMNS = RNG.random(M) + 0.5, RNG.random(N) + 0.5
VIEW = {"rows": ROWS, "columns": COLUMNS, "row_scale": OF_ROWS, "column_scale": OF_COLUMNS}
MADE = (A / OF_ROWS[:, None] / OF_COLUMNS)[np.ix_(ROWS, COLUMNS)]
FIT = {"rank": K, "dtype": "float64", "tol": 0.0, "max_passes": 6}


def in_anndata(convert):
    def make(folder):
        anndata = pytest.importorskip("anndata")
        anndata.AnnData(convert(A)).write_zarr(folder / "A.zarr")
        return folder / "A.zarr"

    return make


def in_zarr(folder):
    zarr.create_array(folder / "A.zarr", data=A, chunks=(16, N))
    return folder / "A.zarr"


KINDS = {
    "numpy": lambda _: A,
    "CSR": lambda _: scipy.sparse.csr_array(A),
    "Zarr": in_zarr,
    "CSR in a store": in_anndata(scipy.sparse.csr_matrix),
    "CSC in a store": in_anndata(scipy.sparse.csc_matrix),
    "dask": lambda _: dask.array.from_array(A, chunks=(64, 20)),
}
STORED = [kind for kind in KINDS if "tore" in kind or kind == "Zarr"]


@pytest.fixture(autouse=True)
def _small_slabs(monkeypatch):
    monkeypatch.setattr(slabs, "SLAB_BYTES", 4000)


@pytest.fixture(scope="module")
def expected():
    return dnmf.fit(MADE, H=START, **FIT)


START = RNG.random((K, len(COLUMNS)))


def same_model(found, expected, rtol=1e-4):
    np.testing.assert_allclose(found.H, expected.H, rtol=rtol, atol=1e-6)
    np.testing.assert_allclose(found.read_W(), expected.read_W(), rtol=rtol, atol=1e-6)
    assert found.relative_error == pytest.approx(expected.relative_error, rel=1e-5)


@pytest.mark.broad(2)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", ["auto", "stream"])
def test_a_fit_of_a_view_is_that_of_the_matrix_that_was_made(kind, keep, tmp_path, expected):
    source = dnmf.open_source(KINDS[kind](tmp_path), **VIEW)
    start = {"W": expected.read_W()} if kind.startswith("CSC") else {"H": START}  # as its transpose, by its W alone
    model = dnmf.fit(source, keep=keep, **start, **FIT)
    if kind.startswith("CSC"):
        assert model.relative_error == pytest.approx(expected.relative_error, rel=0.02)
    else:
        same_model(model, expected)


@pytest.mark.slow
@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", ["auto", "stream"])
def test_workers_see_the_same(kind, keep, tmp_path, client):
    source = dnmf.open_source(KINDS[kind](tmp_path), **VIEW)
    found = dnmf.fit(source, client=client, keep=keep, store=tmp_path / "run.dnmf", **FIT)
    here = dnmf.fit(source, **FIT, keep=keep)
    assert (found.H.tobytes(), found.read_W().tobytes()) == (here.H.tobytes(), here.read_W().tobytes())
    assert found.reads == pytest.approx(here.reads, rel=0.2)


class Stopped(Exception):
    """As a kill between two passes."""


def stop(event):
    if isinstance(event, PassDone) and event.record.number == 3:
        raise Stopped


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", STORED)
def test_a_run_that_was_stopped_finds_what_it_saw(kind, tmp_path):
    data, store = KINDS[kind](tmp_path), tmp_path / "run.dnmf"
    source = dnmf.open_source(data, **VIEW)
    with contextlib.suppress(Stopped):
        dnmf.fit(source, store=store, callbacks=[stop], **FIT)
    others = {"columns": np.arange(len(COLUMNS)), "column_scale": np.full(N, 2.0)}
    for name, told in (("columns", "the choice of columns"), ("column_scale", "what columns are divided by")):
        other = dnmf.open_source(data, **{**VIEW, name: others[name]})
        with pytest.raises(dnmf.errors.CheckpointError, match=f"{told} is not what the fit began with"):
            dnmf.resume(store, source=other)
    model = dnmf.resume(store)
    whole = dnmf.fit(source, **FIT)
    assert (model.H.tobytes(), model.read_W().tobytes()) == (whole.H.tobytes(), whole.read_W().tobytes())
    for each in (model, dnmf.load(store), model.save(tmp_path / "saved.dnmf")):
        np.testing.assert_array_equal(each.view.rows, ROWS)
        np.testing.assert_array_equal(each.view.column_scale, OF_COLUMNS[COLUMNS])
    assert len(dnmf.resume(store, max_passes=9).history) == 9


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", STORED)
def test_a_path_that_was_stopped_finds_what_it_saw(kind, tmp_path):
    source, store = dnmf.open_source(KINDS[kind](tmp_path), **VIEW), tmp_path / "path.dnmf"
    asked = {"rank": K, "penalty": dnmf.Penalty(l1=1.0), "strengths": [0, 0.1], "measures": "cheap", "max_passes": 6}
    with contextlib.suppress(Stopped):
        dnmf.path(source, store=store, callbacks=[stop], **asked)
    found, whole = dnmf.resume_path(store), dnmf.path(source, **asked)
    assert found.model(0.1).H.tobytes() == whole.model(0.1).H.tobytes()
    np.testing.assert_array_equal(found.model(0.1).view.columns, COLUMNS)


@pytest.mark.slow
def test_the_same_call_goes_on_with_the_same_view_only(tmp_path):
    data, store = in_zarr(tmp_path), tmp_path / "run.dnmf"
    source = dnmf.open_source(data, **VIEW)
    model = dnmf.fit(source, store=store, resume="auto", **FIT)
    assert dnmf.fit(source, store=store, resume="auto", **FIT).H.tobytes() == model.H.tobytes()
    with pytest.raises(dnmf.errors.CheckpointError, match="holds a run of other data .*rows: other values"):
        dnmf.fit(dnmf.open_source(data, **{**VIEW, "rows": np.arange(220)}), store=store, resume="auto", **FIT)


@pytest.mark.slow
def test_other_rows_are_divided_as_those_of_the_fit_were(tmp_path):
    view = {"columns": COLUMNS, "column_scale": OF_COLUMNS}
    source = dnmf.open_source(in_zarr(tmp_path), **view)
    model = dnmf.fit(source, **FIT)
    for rows in (
        source,
        A[:, COLUMNS],
        dnmf.open_source(A, columns=COLUMNS),
        dnmf.open_source(scipy.sparse.csr_array(A), **view),
    ):
        np.testing.assert_allclose(model.transform(rows).compute(), model.read_W(), rtol=1e-4, atol=1e-7)
    estimator = dnmf.NMF(K, max_iter=6).fit(source)
    in_blocks = dask.array.from_array(A[:, COLUMNS], chunks=(50, len(COLUMNS)))
    np.testing.assert_allclose(
        np.asarray(estimator.transform(in_blocks)), estimator.transform(A[:, COLUMNS]), rtol=1e-4, atol=1e-6
    )


def test_columns_that_are_found_by_name_are_divided_too(tmp_path):
    names = np.array([f"gene {at}" for at in range(N)])
    model = dnmf.fit(dnmf.open_source(A, column_names=names, columns=COLUMNS, column_scale=OF_COLUMNS), **FIT)
    other = np.random.default_rng(1).permutation(N)
    found = model.transform(dnmf.open_source(A[:, other], column_names=names[other]), columns="match").compute()
    np.testing.assert_allclose(found, model.read_W(), rtol=1e-4, atol=1e-7)


def test_what_is_kept_is_what_is_seen(tmp_path):
    source = dnmf.open_source(in_zarr(tmp_path), columns=np.arange(6))
    assert source.layout().total_bytes == A.nbytes
    assert source.layout().kept_bytes == pytest.approx(A.nbytes / 10, abs=2)


def test_rows_that_were_divided_have_to_be_again():
    model = dnmf.fit(dnmf.open_source(A, row_scale=OF_ROWS), **FIT)
    with pytest.raises(dnmf.InputError, match="rows of the fit were divided by row_scale=, and nothing is said of"):
        model.transform(A)
    again = model.transform(dnmf.open_source(A, row_scale=OF_ROWS)).compute()
    np.testing.assert_allclose(again, model.read_W(), rtol=1e-6, atol=1e-9)


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", STORED)
def test_a_pass_reads_what_has_to_be_read_once(kind, tmp_path):
    source = dnmf.open_source(KINDS[kind](tmp_path), columns=COLUMNS, column_scale=OF_COLUMNS)
    model = dnmf.fit(source, keep="stream", init="random", **FIT)
    rises = np.diff([0, *(record.reads for record in model.history)])
    np.testing.assert_allclose(rises[1:], 1, rtol=0.1)


@pytest.mark.slow
def test_a_run_of_a_view_of_a_backed_object_finds_its_file_again(tmp_path):
    anndata = pytest.importorskip("anndata")
    anndata.AnnData(scipy.sparse.csr_matrix(A)).write_h5ad(tmp_path / "A.h5ad")
    backed, store = anndata.read_h5ad(tmp_path / "A.h5ad", backed="r"), tmp_path / "run.dnmf"
    with contextlib.suppress(Stopped):
        dnmf.fit(backed[ROWS, COLUMNS], store=store, callbacks=[stop], **FIT)
    backed.file.close()
    model = dnmf.resume(store)
    same_model(model, dnmf.fit(A[np.ix_(ROWS, COLUMNS)], **FIT))
    assert model.column_names.tolist() == COLUMNS.astype(str).tolist()


@pytest.mark.slow
def test_a_mask_beside_a_view_and_data_that_was_moved_are_found_again(tmp_path):
    data, store = in_zarr(tmp_path), tmp_path / "run.dnmf"
    mask = np.random.default_rng(2).random((M, N)) < 0.9
    zarr.create_array(tmp_path / "mask.zarr", data=mask, chunks=(16, N))
    source = dnmf.open_source(data, mask=tmp_path / "mask.zarr", **VIEW)
    whole = dnmf.fit(source, **FIT)
    for moved in (False, True):
        with contextlib.suppress(Stopped):
            dnmf.fit(source, store=store, callbacks=[stop], overwrite=moved, **FIT)
        if moved:
            data.rename(tmp_path / "moved.zarr")
        model = dnmf.resume(store, **({"source": tmp_path / "moved.zarr"} if moved else {}))
        assert (model.H.tobytes(), model.read_W().tobytes()) == (whole.H.tobytes(), whole.read_W().tobytes())

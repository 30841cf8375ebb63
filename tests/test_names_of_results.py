"""What `transform` writes holds the names of its rows, whole, and everything that reads it finds them."""

import anndata
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import zarr
from command_line import call, records

import dnmf
from dnmf.errors import CheckpointError
from dnmf.sources.stored_factor import StoredFactor

A = np.random.default_rng(0).random((30, 8))
NAMES = [f"document {at}" for at in range(28)] + ["été\nin two lines", ""]
COLUMNS = [f"word {at}" for at in range(8)]


@pytest.fixture(scope="module")
def model():
    return dnmf.fit(A, 2, init="random", max_passes=3, column_names=COLUMNS)


SOURCES = {
    "given": lambda folder: dnmf.open_source(A, row_names=NAMES),
    "a frame": lambda folder: pd.DataFrame(A, index=NAMES, columns=COLUMNS),
    "an AnnData": lambda folder: anndata.AnnData(A, obs=pd.DataFrame(index=NAMES), var=pd.DataFrame(index=COLUMNS)),
    "a dask array": lambda folder: dnmf.open_source(da.from_array(A, chunks=(7, 8)), row_names=NAMES),
    "a store": lambda folder: _stored(folder, scipy.sparse.csr_matrix(A)),
    "a store of columns": lambda folder: _stored(folder, scipy.sparse.csc_matrix(A)),
}


def _stored(folder, matrix):
    kept = anndata.AnnData(matrix, obs=pd.DataFrame(index=NAMES), var=pd.DataFrame(index=COLUMNS))
    kept.write_zarr(folder / "data.zarr")
    return str(folder / "data.zarr")


@pytest.mark.broad(2)
@pytest.mark.parametrize("kind", SOURCES)
def test_a_result_holds_the_names_of_its_rows(model, kind, tmp_path):
    out = tmp_path / "W.zarr"
    W = model.transform(SOURCES[kind](tmp_path), out=out).compute()
    assert dnmf.open_source(out).row_names().tolist() == NAMES
    assert dnmf.open_source(zarr.open_array(out, mode="r")).row_names().tolist() == NAMES
    assert StoredFactor(out).row_names().tolist() == NAMES
    assert np.array_equal(zarr.open_array(out, mode="r")[:], W)
    assert np.array_equal(anndata.io.read_elem(zarr.open_array(out, mode="r")), W)


def test_columns_that_are_matched_leave_the_names_of_rows(model, tmp_path):
    wide = dnmf.open_source(np.c_[A, A[:, :1]][:, ::-1], row_names=NAMES, column_names=["more", *COLUMNS[::-1]])
    model.transform(wide, columns="match", out=tmp_path / "W.zarr")
    assert dnmf.open_source(tmp_path / "W.zarr").row_names().tolist() == NAMES


def test_a_fit_and_a_conversion_of_a_result_keep_its_names(model, tmp_path):
    model.transform(dnmf.open_source(A, row_names=NAMES), out=tmp_path / "W.zarr")
    again = dnmf.fit(tmp_path / "W.zarr", 1, init="random", max_passes=2)
    assert again.row_names.tolist() == NAMES
    assert dnmf.convert(tmp_path / "W.zarr", tmp_path / "converted.zarr").row_names
    assert dnmf.open_source(tmp_path / "converted.zarr").row_names().tolist() == NAMES


def test_data_without_names_has_a_result_without(model, tmp_path):
    model.transform(dnmf.open_source(A, row_names=NAMES), out=tmp_path / "W.zarr")
    model.transform(A, out=tmp_path / "W.zarr", overwrite=True)
    assert dnmf.open_source(tmp_path / "W.zarr").row_names() is None
    assert not (tmp_path / "W.zarr" / "row_names.text").exists()


HARMS = {
    "gone": lambda file: file.unlink(),
    "cut short": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "another": lambda file: file.write_bytes(file.read_bytes().replace(b"document 1", b"document 9")),
}


@pytest.mark.parametrize("harm", HARMS)
def test_names_that_were_damaged_are_an_error_and_the_values_still_there(model, harm, tmp_path):
    out = tmp_path / "W.zarr"
    W = model.transform(dnmf.open_source(A, row_names=NAMES), out=out)
    HARMS[harm](out / "row_names.text")
    with pytest.raises(CheckpointError, match=r"row_names\.text"):
        dnmf.open_source(out).row_names()
    assert W.compute().shape == (30, 2)


def test_the_command_says_whether_there_are_names(model, tmp_path):
    kept = model.save(tmp_path / "run.dnmf")
    zarr.save_array(tmp_path / "data.zarr", A)
    (tmp_path / "rows.txt").write_text("\n".join(f"row {at}" for at in range(30)))
    for options, named in (([], False), (["--rows", tmp_path / "rows.txt"], True)):
        out = tmp_path / f"W{named}.zarr"
        result = call("transform", kept.path, tmp_path / "data.zarr", "--out", out, *options, "--json")
        assert result.exit_code == 0, result.output
        assert records(result)[-1]["row_names"] is named
        assert (dnmf.open_source(out).row_names() is not None) is named


@pytest.mark.broad(1)
@pytest.mark.parametrize(
    ("names", "said"),
    [(["only"], "with their names"), (["0"], "without names"), (["7"], "with their names")],
    ids=str,
)
def test_a_command_tells_of_names_as_a_look_at_the_data_does(model, names, said, tmp_path):
    model.save(tmp_path / "model.dnmf")
    data = anndata.AnnData(A[:1], obs=pd.DataFrame(index=names), var=pd.DataFrame(index=COLUMNS))
    data.write_zarr(tmp_path / "data.zarr")
    written = call("transform", tmp_path / "model.dnmf", tmp_path / "data.zarr", "--out", tmp_path / "W.zarr")
    assert "W.zarr: 1 row × 2 components" in written.stdout
    assert said in written.stdout
    looked = records(call("inspect", tmp_path / "data.zarr", "--json"))[0]
    assert looked["row_names"] == (said == "with their names")

"""Bad input is refused by name, with its place, and never read as zeros; odd but legal input has a defined result."""

import json
import os
import pickle
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import sparse
import zarr

import dnmf
from dnmf.errors import DnmfError, InputError
from dnmf.passes.visit import check_rows
from dnmf.sources import open_source, retries
from dnmf.sources.stored import StoredArray

ROWS, COLUMNS = 60, 12


@pytest.fixture
def A():
    rng = np.random.default_rng(5)
    return np.where(rng.random((ROWS, COLUMNS)) < 0.6, rng.random((ROWS, COLUMNS)) + 0.1, 0.0)


def fit(data, **options):
    return dnmf.fit(data, **{"rank": 2, "max_passes": 3, **options})


def dense_zarr(A, folder, name="a.zarr", **how):
    path = folder / name
    chunks = how.pop("chunks", (10, COLUMNS))
    array = zarr.create_array(path, shape=A.shape, chunks=chunks, dtype=A.dtype, **how)
    array[:] = A
    return path


def compressed_zarr(A, folder, form="csr", chunk=50, **how):
    """A store in AnnData's layout with `chunk` entries a chunk, whatever the matrix `A` holds."""
    matrix = A if scipy.sparse.issparse(A) else getattr(scipy.sparse, f"{form}_array")(A)
    root = zarr.open_group(folder / f"{form}.zarr", mode="w")
    group = root.create_group("X", attributes={"encoding-type": f"{form}_matrix", "shape": list(A.shape)})
    for part, length in (("data", chunk), ("indices", chunk), ("indptr", 7)):
        values = getattr(matrix, part)
        array = group.create_array(part, shape=values.shape, chunks=(length,), dtype=values.dtype, **how)
        array[:] = values
    return folder / f"{form}.zarr"


def chunk_file(path: Path, inner: str, key: str) -> Path:
    file = path / inner / "c" / key
    assert file.is_file()
    return file


# ---- values


KINDS = {
    "numpy": lambda A, _: A,
    "numpy F order": lambda A, _: np.asfortranarray(A),
    "CSR": lambda A, _: scipy.sparse.csr_array(A),
    "CSC": lambda A, _: scipy.sparse.csc_matrix(A),
    "COO": lambda A, _: sparse.COO.from_numpy(A),
    "dask": lambda A, _: da.from_array(A, chunks=(7, 5)),
    "dask CSR": lambda A, _: da.from_array(A, chunks=(7, 5)).map_blocks(scipy.sparse.csr_matrix),
    "Zarr": dense_zarr,
    "stored CSR": compressed_zarr,
    "stored CSC": lambda A, folder: compressed_zarr(A, folder, "csc"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("value", "name"), [(np.nan, "a NaN"), (np.inf, "an infinity"), (-0.5, "the negative value -0.5")]
)
def test_a_bad_value_is_named_with_its_row_and_column(A, tmp_path, kind, value, name):
    A[37, 5] = value
    data = KINDS[kind](A, tmp_path)
    with pytest.raises(InputError, match=f"{name} at row 37, column 5"):
        fit(data)
    with pytest.raises(InputError, match=name):
        dnmf.fit(np.abs(np.nan_to_num(A, posinf=1)), 2, max_passes=2).solve(data)


def test_a_bad_value_is_counted(A):
    A[3, 2] = A[5, 1] = A[9, 9] = np.nan
    with pytest.raises(InputError, match=r"a NaN at row 3, column 2 \(at least 3 such values"):
        fit(A)


def sampled_rows(source, **options):
    """The rows that a fit reads for its start."""
    seen, read = [], source.read

    def noted(start, stop):
        seen.append((start, stop))
        return read(start, stop)

    source.read = noted
    source.for_rows = lambda start, stop: source
    fit(source, **options, callbacks=[lambda event: seen.append(None)])
    begun = [i for i, entry in enumerate(seen) if entry is None][1]  # Planned, then Started
    return {row for entry in seen[:begun] if entry for row in range(*entry)}


@pytest.mark.parametrize("init", ["sample", "random"])
def test_a_bad_value_is_found_inside_and_outside_the_sample(init, monkeypatch):
    monkeypatch.setattr("dnmf.starts.race.SMALL_BYTES", 0)  # this stands for large data
    rng = np.random.default_rng(0)
    A = rng.random((2000, COLUMNS))
    sampled = sampled_rows(open_source(A.copy()), init=init)
    rest = set(range(2000)) - sampled
    assert rest
    assert bool(sampled) == (init == "sample")
    for rows in filter(None, (sampled, rest)):
        row = sorted(rows)[len(rows) // 2]
        bad = A.copy()
        bad[row, 4] = np.nan
        for data in (bad, scipy.sparse.csr_array(bad), da.from_array(bad, chunks=(300, 5))):
            with pytest.raises(InputError, match=f"a NaN at row {row}, column 4"):
                fit(data, init=init)


@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize(("factor", "dtype"), [(1e30, "float32"), (1e300, "float32"), (1e200, "float64"),
                                               (1e-30, "float32"), (1e-200, "float64")])  # fmt: skip
@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("init", ["sample", "random"])
def test_values_whose_products_leave_the_dtype_are_refused(A, factor, dtype, convert, init):
    with pytest.raises(InputError, match="vanish"):
        fit(convert(A * factor), dtype=dtype, init=init)


@pytest.mark.parametrize("dtype", [object, "U3", "S2", complex, "M8[s]"])
def test_a_dtype_without_real_numbers_is_refused(dtype):
    data = np.ones((4, 3), int).astype(dtype)
    for matrix in (data, da.from_array(data, chunks=(2, 3))):
        with pytest.raises(InputError, match=r"dtype .*; dnmf reads integers and floating point"):
            fit(matrix)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("dtype", ["U3", "complex64", "M8[s]"])
def test_a_stored_dtype_without_real_numbers_is_refused(tmp_path, dtype):
    path = dense_zarr(np.ones((4, 3), int).astype(dtype), tmp_path, chunks=(2, 3))
    with pytest.raises(InputError, match=r"a\.zarr: the values have dtype"):
        fit(path)


def test_masked_values_are_not_read_as_what_lies_below_the_mask(A):
    masked = np.ma.masked_less(A, 0.3)
    with pytest.raises(InputError, match="masked array"):
        fit(masked)
    with pytest.raises(InputError, match="masked array"):
        fit(da.from_array(masked, chunks=(10, COLUMNS)))


def test_sparse_arrays_whose_zeros_are_not_zero_are_refused(A):
    with pytest.raises(InputError, match="fill"):
        fit(sparse.COO.from_numpy(A, fill_value=0.5))


# ---- shapes


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_an_empty_matrix_is_refused(tmp_path, shape):
    for data in (np.ones(shape), scipy.sparse.csr_array(shape), da.ones(shape, chunks=2)):
        with pytest.raises(InputError, match="the matrix is empty"):
            fit(data)
    zarr.create_array(tmp_path / "a.zarr", shape=shape, chunks=(1, 1), dtype="f4")
    with pytest.raises(InputError, match=r"a\.zarr: the matrix is empty"):
        fit(tmp_path / "a.zarr")


@pytest.mark.parametrize("shape", [(), (5,), (3, 4, 5)])
def test_a_matrix_has_two_dimensions(tmp_path, shape):
    for data in (np.ones(shape), da.ones(shape)):
        with pytest.raises(InputError, match="a matrix has 2 dimensions, this has"):
            fit(data)
    zarr.create_array(tmp_path / "a.zarr", shape=shape, chunks=(2,) * len(shape), dtype="f4")
    with pytest.raises(InputError, match="a matrix has 2 dimensions"):
        fit(tmp_path / "a.zarr")


@pytest.mark.parametrize("data", [None, {}, b"abc", {1, 2}, [[1, 2], [3]], object(), "", 3.0])
def test_what_is_no_matrix_is_refused(data):
    with pytest.raises(InputError):
        fit(data)


@pytest.mark.parametrize("rank", [0, -1, 13, 2.5, "3", None])
def test_a_rank_that_the_matrix_cannot_have_is_refused(A, rank):
    with pytest.raises(InputError, match="rank"):
        fit(A, rank=rank)


@pytest.mark.parametrize(
    "option",
    [
        {"init": "svd"}, {"solver": "mut"}, {"loss": "kl"}, {"dtype": "int8"}, {"seed": -1}, {"max_passes": 0},
        {"tol": -1.0}, {"tol": float("nan")}, {"penalty": 0.1}, {"memory_limit": "lots"}, {"client": 3},
        {"W": np.ones((3, 2))}, {"H": np.ones((2, 3))}, {"H": np.full((2, COLUMNS), -1.0)},
        {"W": np.full((ROWS, 2), np.nan)}, {"restarts": 0},
    ],
    ids=str,
)  # fmt: skip
def test_an_option_that_cannot_be_used_is_named(A, option):
    with pytest.raises(InputError, match=r"is not an amount" if "memory_limit" in option else next(iter(option))):
        fit(A, **option)


def test_missing_chunks_is_error_or_zeros(A, tmp_path):
    with pytest.raises(InputError, match="missing_chunks='ignore': use one of 'error', 'zeros'"):
        open_source(dense_zarr(A, tmp_path), missing_chunks="ignore")


# ---- other rows


def test_a_transform_needs_the_columns_of_the_fit(A):
    model = fit(A)
    with pytest.raises(InputError, match="has 11 columns, the model was fitted on 12"):
        model.solve(A[:, 1:])


def test_a_transform_needs_the_columns_in_the_order_of_the_fit(A):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame(A, columns=[f"gene{j}" for j in range(COLUMNS)])
    model = fit(frame)
    with pytest.raises(InputError, match="column 3 is named 'renamed', in the fit 'gene3'"):
        model.solve(frame.rename(columns={"gene3": "renamed"}))
    assert np.isfinite(model.solve(A[:4])).all()


def frame_of(A):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    return pd.DataFrame(A, columns=[f"gene{j}" for j in range(COLUMNS)])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda frame: frame.iloc[:, ::-1], r"in the fit 'gene0'; all names .* columns='match' \(--columns-match\)"),
        (lambda frame: frame.assign(more=1.0), r"fitted on 12; all names .* columns='match' \(--columns-match\)"),
        (lambda frame: frame.iloc[:, 1:], r"fitted on 12; 1 of the 12 names of the fit is not among them: 'gene0'"),
        (lambda frame: frame.iloc[:, 2:].assign(a=1.0, b=1.0), r"; 2 of the 12 names of the fit are not among them"),
        (lambda frame: frame.to_numpy()[:, 1:], r"fitted on 12$"),
    ],
    ids=["another order", "more columns", "fewer columns", "other columns", "no names"],
)
def test_columns_that_are_not_those_of_the_fit_are_refused_with_the_way_to_find_them(A, other, message):
    frame = frame_of(A)
    with pytest.raises(InputError, match=message):
        fit(frame).solve(other(frame))


# ---- places


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nothing.zarr", "there is nothing at this path"),
        (lambda folder: f"{folder / 'nothing.zarr'}::X", "there is nothing at this path"),
        (lambda folder: folder, r"a directory; neither a Zarr store .* it holds notes\.txt"),
        (lambda folder: "s3:nothing", "there is nothing at this path"),
        (lambda folder: "x" * 5000, "a name in it is too long"),
        (lambda folder: "a\0b", "a path holds no NUL"),
    ],
)
def test_a_path_without_a_store_is_refused(tmp_path, make, message):
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(InputError, match=message):
        fit(make(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"text", "text, but no table"),
        ("a.h5ad", b"text", "text, but no table"),
        ("a.h5ad", b"\x00\x01", "not a readable HDF5 file"),
        ("a.h5", b"", "an empty file"),
        ("a.mtx", b"text", "not a Matrix Market file; it should begin with a line like"),
        ("a.mtx.gz", b"3 3 1\n1 1 5\n", "not a Matrix Market file; it should begin with a line like"),
        ("a.mtx", b"\x00\x01", "convert it once with: dnmf convert"),
        ("a.npz", b"a,b\n1,2\n", "a table of text"),
        ("a.npz", b"\x00\x01", "convert it once with: dnmf convert"),
    ],
)
def test_a_file_that_is_no_store_is_refused(tmp_path, name, content, message):
    pytest.importorskip("h5py", reason="h5py is not installed")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        fit(tmp_path / name)


def test_an_unknown_place_in_a_store_is_answered_with_what_there_is(A, tmp_path):
    path = compressed_zarr(A, tmp_path)
    with pytest.raises(InputError, match=r"csr\.zarr: there is no 'layers/counts' in it; it holds X"):
        fit(f"{path}::layers/counts")
    with pytest.raises(InputError, match=r"a\.zarr: there is no 'X' in it"):
        fit(f"{dense_zarr(A, tmp_path)}::X")
    zarr.open_group(path, mode="r+").create_group("group")
    with pytest.raises(InputError, match="neither an array nor a sparse matrix"):
        fit(f"{path}::group")


def test_a_store_with_several_matrices_asks_which(A, tmp_path):
    for name in ("counts", "scaled"):
        dense_zarr(A, tmp_path / "g.zarr", name)
    zarr.open_group(tmp_path / "g.zarr", mode="a")
    with pytest.raises(InputError, match=r"say which matrix with .*g\.zarr::NAME; it holds counts, scaled"):
        fit(tmp_path / "g.zarr")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("text", ["", "{}", "[1", '{"zarr_format": 3, "node_type": "array"}'])
def test_a_damaged_description_is_refused(A, tmp_path, text):
    path = dense_zarr(A, tmp_path)
    (path / "zarr.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.zarr: (not a readable Zarr store|say which)"):
        fit(path)
    path = compressed_zarr(A, tmp_path)
    (path / "X/data/zarr.json").write_text(text)
    with pytest.raises(InputError, match=r"csr\.zarr"):
        fit(path)


@pytest.mark.parametrize("make", [dense_zarr, compressed_zarr])
def test_a_path_that_was_unmounted_is_not_read_as_zeros(A, tmp_path, make):
    path = make(A, tmp_path)
    source = open_source(path)
    source.layout()
    path.rename(tmp_path / "gone")
    for left in (source, pickle.loads(pickle.dumps(source))):
        with pytest.raises(InputError, match=path.name):
            left.read(20, 30)
        with pytest.raises(InputError, match=path.name):
            fit(left)


# ---- chunks

LAYOUTS = {
    "raw": {"compressors": None},
    "default": {},
    "sharded": {"shards": (20, COLUMNS)},
    "crc32c": {"compressors": zarr.codecs.Crc32cCodec()},
    "gzip": {"compressors": zarr.codecs.GzipCodec()},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("harm", ["missing", "empty"])
def test_a_chunk_that_is_missing_or_empty_is_not_read_as_zeros(A, tmp_path, layout, harm):
    path = dense_zarr(A, tmp_path, **LAYOUTS[layout])
    file = chunk_file(path, "", "1/0")
    file.unlink() if harm == "missing" else file.write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.zarr: chunk c/1/0 \(elements \d+:\d+ .* is missing or empty"):
        fit(path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_truncated_chunk_is_refused(A, tmp_path, layout):
    path = dense_zarr(A, tmp_path, **LAYOUTS[layout])
    file = chunk_file(path, "", "1/0")
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(InputError, match=r"a\.zarr: elements .* cannot be read"):
        fit(path)


@pytest.mark.parametrize("bit", [3, 500, 5000])
def test_a_flipped_bit_is_found_where_chunks_have_a_checksum(A, tmp_path, bit):
    path = dense_zarr(A, tmp_path, compressors=zarr.codecs.Crc32cCodec())
    file = chunk_file(path, "", "3/0")
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.zarr: elements .*checksum"):
        fit(path)


@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
@pytest.mark.parametrize("harm", ["missing", "empty", "truncated"])
def test_a_damaged_chunk_of_a_sparse_matrix_is_named(A, tmp_path, form, part, harm):
    path = compressed_zarr(A, tmp_path, form)
    file = chunk_file(path, f"X/{part}", "1")
    if harm == "missing":
        file.unlink()
    else:
        os.truncate(file, 0 if harm == "empty" else file.stat().st_size // 2)
    with pytest.raises(InputError, match=rf"{form}\.zarr::X/{part}: (chunk c/1|elements)"):
        fit(path)


def test_hdf5_chunks_that_were_never_written_are_not_read_as_zeros(A, tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        half = file.create_dataset("half", shape=A.shape, chunks=(10, COLUMNS), dtype="f8")
        half[:30] = A[:30]
        file.create_dataset("none", shape=A.shape, dtype="f8")
    for name in ("half", "none"):
        with pytest.raises(InputError, match=rf"a\.h5::{name}: chunk .* is missing or empty"):
            fit(f"{tmp_path / 'a.h5'}::{name}")
    assert not open_source(f"{tmp_path / 'a.h5'}::half", missing_chunks="zeros").read(30, 60).any()


# ---- structure of sparse matrices


def harmed(A, folder, part, at, value):
    path = compressed_zarr(A, folder)
    array = zarr.open_group(path, mode="r+")[f"X/{part}"]
    array[at] = value
    return path


@pytest.mark.parametrize("value", [COLUMNS, -1, 2**31 - 1])
def test_a_column_index_outside_the_matrix_is_refused(A, tmp_path, value):
    with pytest.raises(InputError, match=r"csr\.zarr::X: rows .* column index outside 0…11"):
        fit(harmed(A, tmp_path, "indices", 100, value))


@pytest.mark.parametrize("init", ["sample", "random"])
def test_a_column_that_comes_twice_in_a_stored_row_is_refused(A, tmp_path, init):
    first = scipy.sparse.csr_array(A).indptr[41]
    column = int(scipy.sparse.csr_array(A).indices[first])
    with pytest.raises(InputError, match="row 41 holds a column more than once"):
        fit(harmed(A, tmp_path, "indices", first + 1, column), init=init)


def test_offsets_that_fall_are_refused_with_their_row(A, tmp_path):
    with pytest.raises(InputError, match=r"csr\.zarr::X: indptr falls at row 30"):
        fit(harmed(A, tmp_path, "indptr", 31, 0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X["indptr"].resize(ROWS), "indptr has 60 entries, the shape asks for 61"),
        (lambda X: X["indices"].resize(7), "values but 7 column indices"),
        (lambda X: X["indptr"].__setitem__(ROWS, 5), "indptr ends at 5, but"),
        (lambda X: X["indptr"].__setitem__(0, 1), "indptr begins or goes on wrongly at row 0"),
        (lambda X: X.attrs.update(shape=[ROWS - 1, COLUMNS]), "the shape asks for 60"),
        (lambda X: X.attrs.update(shape=[ROWS, COLUMNS - 2]), "column index outside 0…9"),
        (lambda X: X.attrs.update(shape=[ROWS]), "a matrix has 2 dimensions"),
        (lambda X: X.attrs.update(shape="wide"), "an incomplete sparse matrix"),
        (lambda X: X.attrs.__delitem__("shape"), "an incomplete sparse matrix"),
        (lambda X: X.__delitem__("indices"), "an incomplete sparse matrix"),
        (lambda X: X.create_array("indices", shape=(3, 3), dtype="i4", overwrite=True), "has vectors"),
        (lambda X: X.create_array("indptr", data=np.ones(ROWS + 1), overwrite=True), "offsets are integers"),
        (lambda X: X.create_group("data", overwrite=True), "X/data: not an array"),
    ],
)  # fmt: skip
def test_parts_of_a_sparse_matrix_that_contradict_each_other_are_refused(A, tmp_path, change, message):
    path = compressed_zarr(A, tmp_path)
    change(zarr.open_group(path, mode="r+")["X"])
    with pytest.raises(InputError, match=message):
        fit(path)


@pytest.mark.parametrize("form", ["csr", "csc"])
def test_a_damaged_sparse_matrix_in_memory_is_refused_not_followed(A, form):
    for part, at, value in (("indices", 5, 999), ("indices", 5, -3), ("indptr", 4, 10**6), ("indptr", 4, 0)):
        matrix = getattr(scipy.sparse, f"{form}_array")(A)
        getattr(matrix, part)[at] = value
        with pytest.raises(InputError, match=f"{form}_array: cannot be used as a matrix"):
            fit(matrix)


# ---- storage that fails


class FailingReads:
    """Takes the place of the one read of a stored array and fails so many times in a row."""

    def __init__(self, times, error):
        self.times, self.error, self.calls = times, error, 0
        self.read = StoredArray._read_once

    def __call__(self, array, start, stop):
        self.calls += 1
        if self.calls % (self.times + 1):
            raise self.error
        return self.read(array, start, stop)


def failing(monkeypatch, times, error):
    reads = FailingReads(times, error)

    def read_once(array, start, stop):  # a method: it is bound to its array
        return reads(array, start, stop)

    monkeypatch.setattr(StoredArray, "_read_once", read_once)
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.0)
    return reads


@pytest.mark.parametrize("make", [dense_zarr, compressed_zarr])
def test_two_failures_of_three_reads_are_absorbed(A, tmp_path, monkeypatch, caplog, make):
    path = make(A, tmp_path)
    expected = fit(path)
    monkeypatch.setattr("dnmf.passes.threads._processors", lambda: 1)  # one read at a time: failures stay in a row
    reads = failing(monkeypatch, 2, OSError("connection reset"))
    model = fit(path)
    assert reads.calls > 3
    np.testing.assert_array_equal(model.H, expected.H)
    np.testing.assert_array_equal(model.read_W(), expected.read_W())
    assert "connection reset), trying again" in caplog.text


def test_a_lasting_failure_is_one_clear_error(A, tmp_path, monkeypatch):
    source = open_source(dense_zarr(A, tmp_path))
    reads = failing(monkeypatch, 10**9, OSError("the disk is gone"))
    with pytest.raises(InputError, match=r"a\.zarr: elements 0:10 .* cannot be read \(OSError: the disk is gone\)"):
        source.read(0, 10)
    assert reads.calls == retries.READ_TRIES


def test_a_denied_read_is_not_tried_again(A, tmp_path, monkeypatch):
    source = open_source(dense_zarr(A, tmp_path))
    reads = failing(monkeypatch, 10**9, PermissionError("denied"))
    with pytest.raises(InputError, match="PermissionError: denied"):
        source.read(0, 10)
    assert reads.calls == 1


def test_a_failure_while_opening_is_absorbed_too(A, tmp_path, monkeypatch):
    path, opened, failures = dense_zarr(A, tmp_path), zarr.open, [OSError("stale"), OSError("stale")]

    def flaky(*args, **kwargs):
        if failures:
            raise failures.pop()
        return opened(*args, **kwargs)

    monkeypatch.setattr(zarr, "open", flaky)
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.0)
    np.testing.assert_array_equal(open_source(path).read(0, 9), A[:9])


# ---- pickles


class Exploit:
    ran = False

    def __reduce__(self):
        return (Path.touch, (Path("exploited"),))


@pytest.mark.parametrize("dtype", ["|O", "<f8"])
@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_pickled_values_are_refused_and_nothing_is_run(tmp_path, monkeypatch, dtype, place):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a.zarr"
    folder.mkdir()
    codec = {"id": "pickle", "protocol": 5}
    record = {"zarr_format": 2, "shape": [4, 3], "chunks": [4, 3], "dtype": dtype, "fill_value": 0, "order": "C",
              "filters": [codec] if place == "filters" else None,
              "compressor": codec if place == "compressor" else None}  # fmt: skip
    (folder / ".zarray").write_text(json.dumps(record))
    (folder / "0.0").write_bytes(pickle.dumps(Exploit()))
    with pytest.raises(InputError, match=r"a\.zarr"):
        fit(folder)
    assert not (tmp_path / "exploited").exists()


def test_pickled_names_are_refused_and_nothing_is_run(A, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = compressed_zarr(A, tmp_path)
    root = zarr.open_group(path, mode="r+")
    for frame in ("obs", "var"):
        root.create_group(frame, attributes={"_index": "names"})
        names = path / frame / "names"
        names.mkdir()
        record = {"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "|O", "fill_value": "", "order": "C",
                  "filters": [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 5}], "compressor": None}  # fmt: skip
        (names / ".zarray").write_text(json.dumps(record))
        (names / "0").write_bytes(pickle.dumps(Exploit()))
    with pytest.raises(InputError, match="names"):
        fit(path)
    assert not (tmp_path / "exploited").exists()


# ---- legal, if odd


def assert_finite(model):
    for factor in (model.read_W(), model.d, model.H):
        assert np.isfinite(factor).all()
        assert (np.asarray(factor) >= 0).all()


@pytest.mark.parametrize("init", ["sample", "random"])
@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_row_and_a_column_of_zeros_have_factors_of_zeros(A, init, convert):
    A[:, 4], A[7] = 0, 0
    model = fit(convert(A), init=init, rank=3)
    assert_finite(model)
    assert not model.H[:, 4].any()
    assert not model.read_W()[7].any()
    assert model.relative_error < 1


@pytest.mark.parametrize("init", ["sample", "random"])
@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_matrix_of_zeros_has_factors_of_zeros_and_no_error(init, convert):
    model = fit(convert(np.zeros((ROWS, COLUMNS))), init=init)
    assert_finite(model)
    assert not model.d.any()
    assert not model.H.any()
    assert not model.read_W().any()
    assert model.relative_error == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2)])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_the_smallest_matrices_are_factorized(shape):
    A = np.random.default_rng(0).random(shape)
    model = dnmf.fit(A, min(shape), dtype="float64", tol=0, max_passes=60)
    assert_finite(model)
    np.testing.assert_allclose(model.read_W() * model.d @ model.H, A, atol=1e-4)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_more_components_than_the_data_has_do_no_harm(A):
    model = fit(np.outer(A[:, 0], A[0]), rank=5)
    assert_finite(model)
    assert model.relative_error < 1e-3


def test_a_start_of_zeros_stays_finite(A):
    assert_finite(fit(A, H=np.zeros((2, COLUMNS))))
    assert_finite(fit(A, W=np.zeros((ROWS, 2))))


def test_chunks_of_zeros_that_were_not_written_are_read_where_the_caller_says_so(A, tmp_path):
    A[10:30] = 0
    path = dense_zarr(A, tmp_path)
    assert not (path / "c/1/0").exists()
    with pytest.raises(InputError, match="missing_chunks='zeros'"):
        fit(path)
    model = fit(open_source(path, missing_chunks="zeros"))
    np.testing.assert_array_equal(model.H, fit(A).H)
    assert not model.read_W()[10:30].any()


def test_a_resumed_fit_takes_absent_chunks_as_the_fit_did(A, tmp_path):
    A[10:30] = 0
    path = dense_zarr(A, tmp_path)

    class Stop(Exception):
        pass

    def stop(event):
        if getattr(event, "committed", False):
            raise Stop

    source = open_source(path, missing_chunks="zeros")
    with pytest.raises(Stop):
        fit(source, store=tmp_path / "run.dnmf", callbacks=[stop], tol=0)
    model = dnmf.resume(tmp_path / "run.dnmf")
    whole = fit(source, tol=0)
    np.testing.assert_array_equal(model.H, whole.H)
    np.testing.assert_array_equal(model.read_W(), whole.read_W())


def test_the_check_of_rows_leaves_them_unchanged(A):
    before = A.copy()
    A.flags.writeable = False
    assert check_rows(open_source(A), 0, A) == pytest.approx((before**2).sum())
    np.testing.assert_array_equal(A, before)


def test_every_refusal_is_an_error_of_dnmf_and_a_value_error():
    assert issubclass(InputError, DnmfError)
    assert issubclass(InputError, ValueError)


@pytest.mark.parametrize("init", ["auto", "random"])
@pytest.mark.parametrize(("scale", "message"), [(1e38, "values up to .* overflow"), (1e-30, "so small that products")])
def test_values_whose_products_have_no_place_in_the_dtype_are_named_whatever_the_start(init, scale, message):
    with pytest.raises(InputError, match=message):
        dnmf.fit(scale * np.random.default_rng(0).random((80, 30)), 3, init=init)


@pytest.mark.parametrize("texts", [["hello world", "another text"], ("a", "a b")])
def test_texts_are_no_matrix_and_it_is_said_how_they_become_one(texts):
    with pytest.raises(InputError, match=r"a list of texts is not a matrix; .*CountVectorizer"):
        dnmf.fit(texts, 2)


def test_a_list_of_anndata_is_refused_before_it_is_looked_into():
    anndata = pytest.importorskip("anndata")
    cells = anndata.AnnData(np.ones((4, 3), np.float32))
    with pytest.raises(InputError, match=r"a list of AnnData is not a matrix; .*anndata\.concat"):
        dnmf.fit([cells, cells], 2)

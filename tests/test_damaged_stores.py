"""A store that is not there, not whole or damaged is refused by name, and never read as zeros."""

import os
import pickle

import numpy as np
import pytest
import scipy.sparse
import zarr
from small_stores import COLUMNS, ROWS, chunk_file, compressed_zarr, dense_zarr, fit, small

from dnmf.errors import InputError
from dnmf.sources import open_source


@pytest.fixture
def A():
    return small()


@pytest.mark.broad(3)
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


@pytest.mark.broad(4)
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


@pytest.mark.broad(7)
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

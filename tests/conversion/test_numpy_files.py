"""Files of save_npz, of scipy.sparse and of sparse, and of numpy.save: streamed, never unpickled."""

import anndata
import numpy as np
import pytest
import sparse as sparse_package
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_matrices import random_csr
from scipy import sparse

import dnmf
from dnmf.conversion import convert
from dnmf.conversion.compressed import CompressedParts
from dnmf.errors import InputError

QUICK = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
DTYPES = {
    "bool": "uint8", "int8": "uint8", "uint8": "uint8", "int16": "uint16", "uint16": "uint16",
    "int32": "int32", "uint32": "uint32", "int64": "int64", "uint64": "int64",
    "float32": "float32", "float64": "float64", ">f8": "float64", ">i4": "int32",
}  # fmt: skip


def whole_numbers(rows=60, columns=30, density=0.2, dtype="float32", seed=0):
    matrix = random_csr((rows, columns), density, seed)
    matrix.data = np.ceil(matrix.data * 9)
    return sparse.csr_array(matrix).astype(dtype)


@pytest.mark.slow
@QUICK
@given(
    st.sampled_from(["csr", "csc", "coo"]), st.sampled_from(sorted(set(DTYPES) - {">f8", ">i4"})),
    st.booleans(), st.booleans(), st.integers(1, 50), st.integers(1, 20), st.integers(16, 800),
    st.integers(0, 2**32),
)  # fmt: skip
def test_any_npz_equals_its_matrix(
    tmp_path_factory, read_back, kind, dtype, compressed, transpose, rows, columns, chunk_bytes, seed
):
    matrix = whole_numbers(rows, columns, 0.3, dtype, seed)
    folder = tmp_path_factory.mktemp("npz")
    sparse.save_npz(folder / "a.npz", matrix.asformat(kind), compressed=compressed)
    report = convert(folder / "a.npz", folder / "out.zarr", transpose=transpose, chunk_bytes=chunk_bytes)
    expected = matrix.T if transpose else matrix
    X = read_back(folder / "out.zarr")
    assert (report.shape, report.nonzeros) == (expected.shape, expected.nnz)
    assert X.dtype == report.dtype == DTYPES[dtype]
    np.testing.assert_array_equal(X.toarray(), expected.toarray())


def by_columns(array):
    return sparse_package.COO(np.asfortranarray(array.coords), array.data, array.shape)


OF_SPARSE = {
    "coo": sparse_package.COO.from_numpy,
    "coo, its coordinates in pairs": lambda A: by_columns(sparse_package.COO.from_numpy(A)),
    "gcxs by rows": lambda A: sparse_package.GCXS.from_numpy(A, compressed_axes=[0]),
    "gcxs by columns": lambda A: sparse_package.GCXS.from_numpy(A, compressed_axes=[1]),
    "nothing stored": lambda A: sparse_package.COO.from_numpy(0 * A),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("shape", [(17, 40), (40, 17)])
@pytest.mark.parametrize("kind", OF_SPARSE)
@pytest.mark.broad(1)
def test_a_file_of_the_sparse_package_equals_its_matrix(tmp_path, read_back, kind, shape, compressed):
    matrix = OF_SPARSE[kind](whole_numbers(*shape, 0.3).toarray())
    sparse_package.save_npz(tmp_path / "a.npz", matrix, compressed=compressed)
    report = convert(tmp_path / "a.npz", tmp_path / "out.zarr", memory_bytes=2**20)
    assert (report.shape, report.dtype) == (shape, "float32")
    np.testing.assert_array_equal(read_back(tmp_path / "out.zarr").toarray(), matrix.todense())


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (sparse_package.COO.from_numpy(np.eye(3), fill_value=1), r"are 1\.0, not 0; .*numpy\.save"),
        (sparse_package.GCXS.from_numpy(np.eye(3), fill_value=1), r"are 1\.0, not 0; .*numpy\.save"),
        (sparse_package.COO.from_numpy(np.ones((2, 2, 2))), r"two dimensions .* \(2, 2, 2\)"),
        (sparse_package.GCXS.from_numpy(np.ones((2, 2, 2))), r"two dimensions .* \(2, 2, 2\)"),
        (sparse_package.COO.from_numpy(-np.eye(3)), "entry 0, row 0, column 0: -1.0 is a negative value"),
        (sparse_package.COO.from_numpy(np.eye(3) * 1j), "complex"),
    ],
)
def test_a_file_of_the_sparse_package_that_is_no_such_matrix_is_refused(tmp_path, nothing_left, matrix, message):
    sparse_package.save_npz(tmp_path / "a.npz", matrix)
    with pytest.raises(InputError, match=message):
        convert(tmp_path / "a.npz", tmp_path / "out.zarr")
    nothing_left("a.npz")


@pytest.mark.slow
def test_unsorted_rows_duplicates_and_zeros_are_put_right(tmp_path, read_back):
    values, indices, indptr = np.array([3, 1, 2, 0, 200, 100], "uint16"), [2, 0, 2, 1, 1, 1], [0, 3, 4, 6]
    matrix = sparse.csr_array((values, indices, indptr), shape=(3, 3))
    for kind in ("csr", "coo"):
        other = matrix if kind == "csr" else sparse.coo_array((values, ([0, 0, 0, 1, 2, 2], indices)), shape=(3, 3))
        sparse.save_npz(tmp_path / "a.npz", other)
        convert(tmp_path / "a.npz", tmp_path / "out.zarr", overwrite=True)
        assert read_back(tmp_path / "out.zarr").toarray().tolist() == [[1, 0, 5], [0, 0, 0], [0, 300, 0]]


@pytest.mark.parametrize("kind", ["csr", "coo"])
def test_sums_that_do_not_fit_the_dtype_of_the_file_are_refused(tmp_path, nothing_left, kind):
    entries = np.array([200, 100], "uint8"), ([1, 1], [2, 2])
    matrix = sparse.coo_array(entries, shape=(3, 3))
    if kind == "csr":
        matrix = sparse.csr_array((entries[0], [2, 2], [0, 0, 2, 2]), shape=(3, 3))
    sparse.save_npz(tmp_path / "a.npz", matrix)
    with pytest.raises(InputError, match="row 1, column 2 of the result: 300 does not fit uint8"):
        convert(tmp_path / "a.npz", tmp_path / "out.zarr")
    nothing_left("a.npz")
    assert convert(tmp_path / "a.npz", tmp_path / "out.zarr", dtype="uint16").nonzeros == 1


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
@pytest.mark.parametrize(("value", "what"), [(-1, "negative"), (np.nan, "not a finite"), (np.inf, "not a finite")])
def test_a_bad_value_is_refused_with_its_cell(tmp_path, nothing_left, kind, value, what):
    matrix = whole_numbers().tolil()
    matrix[41, 7] = value
    sparse.save_npz(tmp_path / "a.npz", matrix.asformat(kind))
    with pytest.raises(InputError, match=f"row 41, column 7: .* is .*{what}"):
        convert(tmp_path / "a.npz", tmp_path / "out.zarr")
    nothing_left("a.npz")


@pytest.mark.parametrize(("value", "wanted"), [(300.0, "uint8"), (0.5, "int32"), (1e39, "float32"), (2.0**63, "int64")])
def test_a_dtype_that_would_change_a_value_is_refused(tmp_path, value, wanted):
    matrix = sparse.coo_array(([1.0, value], ([0, 4], [0, 3])), shape=(5, 5))
    for kind in ("csr", "csc"):
        sparse.save_npz(tmp_path / "a.npz", matrix.asformat(kind))
        with pytest.raises(InputError, match=f"row 4, column 3.*does not fit {wanted}"):
            convert(tmp_path / "a.npz", tmp_path / "out.zarr", dtype=wanted)


def test_unsigned_values_beyond_int64_are_refused(tmp_path):
    for kind in ("csr", "csc", "coo"):
        matrix = sparse.coo_array((np.array([2**63], "uint64"), ([1], [0])), shape=(2, 1)).asformat(kind)
        sparse.save_npz(tmp_path / "a.npz", matrix)
        with pytest.raises(InputError, match="does not fit int64"):
            convert(tmp_path / "a.npz", tmp_path / "out.zarr")


def save_parts(path, **changes):
    matrix = whole_numbers(5, 4, 0.5)
    parts = {
        "format": b"csr", "shape": matrix.shape, "data": matrix.data, "indices": matrix.indices,
        "indptr": matrix.indptr,
    } | changes  # fmt: skip
    np.savez(path, **{name: part for name, part in parts.items() if part is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": b"bsr"}, "save it as csr"),
        ({"format": None}, "numpy.savez; it holds data, indices"),
        ({"indices": None}, "it holds data, format, indptr, shape, a csr matrix has indptr and indices too"),
        ({"indptr": None}, "a csr matrix has indptr and indices too"),
        ({"format": b"csc", "indptr": None}, "a csc matrix has indptr and indices too"),
        ({"format": b"coo"}, "a coo matrix has row and col too"),
        ({"coords": np.zeros((2, 9), int), "fill_value": 0}, "10 values, but 9 rows and columns"),
        ({"coords": np.full((2, 10), 4), "fill_value": 0}, "column 4, outside 0…3"),
        ({"coords": np.zeros((3, 10), int), "fill_value": 0}, "two rows of indices were expected"),
        ({"coords": np.zeros((2, 10)), "fill_value": 0}, "two rows of indices were expected"),
        ({"data": np.array([object()] * 10)}, "data"),
        ({"data": np.ones(10, complex)}, "complex128"),
        ({"data": np.ones(9)}, "9 values but 10 indices"),
        ({"indices": np.full(10, 4)}, "holds the index 4, outside 0…3"),
        ({"indices": np.full(10, -1)}, "holds the index -1, outside 0…3"),
        ({"indptr": np.array([0, 2, 1, 3, 4, 10])}, "indptr falls"),
        ({"indptr": np.array([0, 2, 4, 6, 8, 9])}, "indptr ends at 9, but 10 values"),
        ({"indptr": np.array([0, 2, 4, 6, 8, 11])}, "passes the 10 values"),
        ({"indptr": np.array([1, 2, 4, 6, 8, 10])}, "begins with 1"),
        ({"indptr": np.array([0, 10])}, "indptr has 2 entries, the shape asks for 6"),
        ({"shape": (5, 4, 1)}, "two dimensions"),
        ({"shape": (0, 4)}, "above zero"),
    ],
)
def test_a_damaged_npz_is_refused(tmp_path, nothing_left, changes, message):
    save_parts(tmp_path / "a.npz", **changes)
    with pytest.raises(InputError) as error:
        convert(tmp_path / "a.npz", tmp_path / "out.zarr")
    assert message in str(error.value)
    nothing_left("a.npz")


def test_a_truncated_npz_is_refused(tmp_path, nothing_left):
    sparse.save_npz(tmp_path / "a.npz", whole_numbers())
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="truncated or damaged"):
        convert(tmp_path / "a.npz", tmp_path / "out.zarr")
    position = whole.index(b"data.npy") + 300
    (tmp_path / "a.npz").write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
    with pytest.raises(InputError, match=r"a\.npz"):
        convert(tmp_path / "a.npz", tmp_path / "out.zarr")
    nothing_left("a.npz")


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(1, 12))
def test_lines_are_cut_by_entries(counts, limit):
    """Every line once and in order; a block holds at most `limit` entries unless it is a single line."""

    class Counted:
        def __init__(self, values):
            self.values, self.length = np.asarray(values), len(values)

        def read(self, count):
            part, self.values = self.values[:count], self.values[count:]
            return part

    total = sum(counts)
    vectors = [Counted(v) for v in (np.cumsum([0, *counts]), np.zeros(total, int), np.arange(total))]
    parts = CompressedParts("x", *vectors, len(counts), 1, True, np.dtype("int64"))
    blocks = list(parts.lines(limit))
    assert np.concatenate([b.values for b in blocks]).tolist() == list(range(total))
    assert [n for b in blocks for n in np.diff(b.indptr)] == counts
    assert all(len(b.values) <= limit or len(b.indptr) == 2 for b in blocks)


@pytest.mark.slow
@QUICK
@given(
    st.sampled_from([*DTYPES, "float16"]), st.sampled_from("CF"), st.booleans(), st.integers(1, 40),
    st.integers(1, 12), st.integers(16, 800),
)  # fmt: skip
def test_any_npy_equals_its_array(tmp_path_factory, read_back, dtype, order, transpose, rows, columns, chunk_bytes):
    array = np.asarray(np.random.default_rng(rows).integers(0, 2, (rows, columns)), dtype=dtype, order=order)
    folder = tmp_path_factory.mktemp("npy")
    np.save(folder / "a.npy", array)
    report = convert(folder / "a.npy", folder / "out.zarr", transpose=transpose, chunk_bytes=chunk_bytes)
    X = read_back(folder / "out.zarr")
    np.testing.assert_array_equal(X, array.T if transpose else array)
    assert (report.kind, report.dtype) == ("dense", (DTYPES | {"float16": "float32"})[dtype])


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf])
@pytest.mark.parametrize("transpose", [False, True])
def test_a_bad_value_in_an_npy_is_refused_with_its_cell(tmp_path, nothing_left, bad, transpose):
    array = np.ones((50, 6))
    array[33, 4] = bad
    np.save(tmp_path / "a.npy", array)
    cell = "row 4, column 33" if transpose else "row 33, column 4"
    with pytest.raises(InputError, match=cell):
        convert(tmp_path / "a.npy", tmp_path / "out.zarr", transpose=transpose)
    nothing_left("a.npy")


@pytest.mark.parametrize(
    "array", [np.ones(3), np.ones((2, 2, 2)), np.ones((0, 3)), np.ones((2, 2), complex), np.array([["a"]])]
)
def test_an_npy_that_is_no_matrix_of_numbers_is_refused(tmp_path, nothing_left, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=r"a\.npy"):
        convert(tmp_path / "a.npy", tmp_path / "out.zarr")
    nothing_left("a.npy")


def test_nothing_is_unpickled(tmp_path, nothing_left):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    np.save(tmp_path / "a.npy", np.array([[Trap()]], dtype=object), allow_pickle=True)
    save_parts(tmp_path / "b.npz", format=np.array(Trap(), dtype=object))
    for name in ("a.npy", "b.npz"):
        with pytest.raises(InputError):
            convert(tmp_path / name, tmp_path / "out.zarr")
    nothing_left("a.npy", "b.npz")


def test_a_truncated_npy_is_refused(tmp_path, nothing_left):
    np.save(tmp_path / "a.npy", np.ones((100, 10)))
    whole = (tmp_path / "a.npy").read_bytes()
    for length in (3, 60, len(whole) - 8):
        (tmp_path / "a.npy").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"a\.npy"):
            convert(tmp_path / "a.npy", tmp_path / "out.zarr")
    nothing_left("a.npy")


@pytest.mark.slow
def test_negative_values_are_answered_with_a_way_that_works(tmp_path):
    signed = np.random.default_rng(0).random((20, 6)) - 0.5
    np.save(tmp_path / "signed.npy", signed)
    with pytest.raises(dnmf.InputError, match=r"negative value.*free='W'.*anndata\.AnnData\(matrix\)\.write_zarr"):
        dnmf.convert(tmp_path / "signed.npy", tmp_path / "out.zarr")
    anndata.AnnData(np.load(tmp_path / "signed.npy")).write_zarr(tmp_path / "out.zarr")
    options = {"rank": 2, "max_passes": 2, "constraints": dnmf.Constraints(free="W")}
    assert dnmf.fit(tmp_path / "out.zarr", **options).relative_error == dnmf.fit(signed, **options).relative_error

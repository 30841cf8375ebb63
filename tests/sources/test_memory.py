"""Matrices in this process: numpy, scipy sparse, ``sparse``, pandas, xarray."""

import numpy as np
import pytest
import scipy.sparse
import sparse
from source_contract import COLUMN_NAMES, ROW_NAMES, SourceContract, read, small_matrix

from dnmf import InputError, open_source
from dnmf.sources.memory import MemorySource
from dnmf.sources.rows import CsrRows


def split_entries(A):
    """Rows, columns and values of `A` with every entry in two parts, in no order."""
    rows, columns = np.nonzero(A)
    values = A[rows, columns]
    order = np.random.default_rng(0).permutation(2 * len(values))
    parts = np.concatenate([values / 2, values / 2])
    return parts[order], (np.tile(rows, 2)[order], np.tile(columns, 2)[order])


def unsorted(matrix):
    """The same matrix with the entries of each row or column in falling order."""
    for begin, end in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        matrix.indices[begin:end] = matrix.indices[begin:end][::-1].copy()
        matrix.data[begin:end] = matrix.data[begin:end][::-1].copy()
    matrix.has_sorted_indices = False
    return matrix


def csr_with_duplicates(A):
    values, (rows, columns) = split_entries(A)
    order = np.argsort(rows, kind="stable")
    offsets = np.append(0, np.cumsum(np.bincount(rows, minlength=len(A))))
    return scipy.sparse.csr_array((values[order], columns[order], offsets), shape=A.shape)


class MemoryContract(SourceContract):
    def parts(self, data):
        if isinstance(data, np.ndarray):
            return [data]
        names = ("data", "indices", "indptr", "row", "col", "coords", "offsets")
        return [part for name in names if isinstance(part := getattr(data, name, None), np.ndarray)]

    def test_the_input_is_unchanged(self, data):
        before = [(id(part), part.copy()) for part in self.parts(data)]
        source = open_source(data)
        for rows in (source.read(0, 9), source.for_rows(2, 5).read(2, 5)):
            del rows
        source.layout(), source.fingerprint()
        assert before
        for (_, old), part in zip(before, self.parts(data), strict=True):
            np.testing.assert_array_equal(old, part)

    def test_read_only_input_is_read(self, own_data, A):
        for part in self.parts(own_data):
            part.flags.writeable = False
        np.testing.assert_array_equal(read(open_source(own_data), 0, len(A)), A)

    def test_it_lies_in_this_process(self, source):
        assert source.in_memory
        assert not source.blocks_are_tasks

    def test_a_part_takes_only_its_rows_along(self, source):
        rows = source.for_rows(3, 6)._rows
        assert (len(rows) if isinstance(rows, np.ndarray) else rows.n_rows) == 3

    def test_the_fingerprint_tells_other_values(self, source, case, A, tmp_path):
        A[0, 0] += 1
        assert open_source(self.CASES[case](A, tmp_path)).fingerprint() != source.fingerprint()


class TestNumpy(MemoryContract):
    SPARSE = False
    CASES = {
        "C order": lambda A, _: A,
        "F order": lambda A, _: np.asfortranarray(A),
        "strided": lambda A, _: np.repeat(A, 2, axis=1)[:, ::2],
        "backwards": lambda A, _: A[::-1].copy()[::-1],
        **{dtype: lambda A, _, dtype=dtype: A.astype(dtype) for dtype in ("int8", "uint16", "int64", "float32")},
        "half": lambda A, _: A.astype(np.float16),
        "extended": lambda A, _: A.astype(np.longdouble),
        "other byte order": lambda A, _: A.astype(">f4"),
    }


def test_an_array_is_not_copied():
    A = small_matrix()
    assert np.shares_memory(open_source(A).read(2, 5), A)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("convert", [np.ndarray.tolist, np.asmatrix])
def test_lists_and_matrices_are_read(convert):
    data = convert(small_matrix())
    np.testing.assert_array_equal(read(open_source(data), 0, 23), small_matrix())


class TestScipy(MemoryContract):
    SPARSE = True
    CASES = {
        **{
            f"{form}_{kind}": lambda A, _, name=f"{form}_{kind}": getattr(scipy.sparse, name)(A)
            for form, kinds in {
                "csr": ("array", "matrix"),
                "csc": ("array", "matrix"),
                "coo": ("array", "matrix"),
                "bsr": ["array"],
                "lil": ["array"],
                "dok": ["array"],
                "dia": ["array"],
            }.items()
            for kind in kinds
        },
        "COO with duplicates": lambda A, _: scipy.sparse.coo_array(split_entries(A), shape=A.shape),
        "CSR with duplicates": lambda A, _: csr_with_duplicates(A),
        "CSC with duplicates": lambda A, _: csr_with_duplicates(A.T.copy()).T,
        "CSR unsorted": lambda A, _: unsorted(scipy.sparse.csr_array(A)),
        "CSC unsorted": lambda A, _: unsorted(scipy.sparse.csc_array(A)),
        "CSR float32": lambda A, _: scipy.sparse.csr_array(A.astype(np.float32)),
        "CSR integers": lambda A, _: scipy.sparse.csr_matrix(A.astype(np.uint8)),
    }

    def test_the_input_is_unchanged(self, data, case):
        if case.startswith("dok"):
            pytest.skip("has no arrays of its own")
        super().test_the_input_is_unchanged(data)


def test_a_canonical_csr_matrix_is_not_copied():
    A = scipy.sparse.csr_array(small_matrix())
    assert np.shares_memory(open_source(A).read(2, 5).data, A.data)


class TestPydataSparse(MemoryContract):
    SPARSE = True
    CASES = {
        "COO": lambda A, _: sparse.COO.from_numpy(A),
        "COO with duplicates": lambda A, _: sparse.COO(np.array(split_entries(A)[1]), split_entries(A)[0], A.shape),
        "GCXS by rows": lambda A, _: sparse.GCXS.from_numpy(A, compressed_axes=[0]),
        "GCXS by columns": lambda A, _: sparse.GCXS.from_numpy(A, compressed_axes=[1]),
        "DOK": lambda A, _: sparse.DOK.from_numpy(A),
    }

    def test_the_input_is_unchanged(self, data, case):
        if case == "DOK":
            pytest.skip("has no arrays of its own")
        super().test_the_input_is_unchanged(data)


class TestPandas(SourceContract):
    NAMED, SPARSE = True, False

    @staticmethod
    def frame(A, dtype):
        pd = pytest.importorskip("pandas", reason="pandas is not installed")
        return pd.DataFrame(A, index=ROW_NAMES, columns=COLUMN_NAMES).astype(dtype)

    CASES = {
        "float64": lambda A, _: TestPandas.frame(A, "float64"),
        "int32": lambda A, _: TestPandas.frame(A, "int32"),
        "nullable": lambda A, _: TestPandas.frame(A, "Int64"),
    }


def data_array(values, named=True):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    coords = {"cell": ROW_NAMES, "gene": COLUMN_NAMES} if named else None
    return xarray.DataArray(values, dims=("cell", "gene"), coords=coords)


def chunked(A):
    import dask.array

    return dask.array.from_array(A, chunks=(6, 4))


class TestXarray(SourceContract):
    NAMED, SPARSE = True, False
    CASES = {"numpy": lambda A, _: data_array(A), "dask": lambda A, _: data_array(chunked(A))}


class TestXarrayWithoutCoordinates(SourceContract):
    SPARSE = False
    CASES = {"numpy": lambda A, _: data_array(A, named=False), "dask": lambda A, _: data_array(chunked(A), named=False)}


def test_names_that_are_not_text_become_text():
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    days = np.array(["2020-01-01", "2020-01-02"], "M8[ns]")
    A = xarray.DataArray(np.ones((2, 3)), dims=("day", "depth"), coords={"day": days, "depth": [0, 5, 10]})
    source = open_source(A)
    assert source.row_names().tolist() == ["2020-01-01T00:00:00.000000000", "2020-01-02T00:00:00.000000000"]
    assert source.column_names().tolist() == ["0", "5", "10"]


@pytest.mark.parametrize(
    "kind", ["interval", "datetime64", "timedelta64", "period", "category", "complex128", "object"]
)
def test_a_column_that_holds_no_numbers_is_named(kind):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    columns = {
        "interval": pandas.interval_range(0, 3),
        "datetime64": pandas.date_range("2020", periods=3),
        "timedelta64": pandas.timedelta_range("1D", periods=3),
        "period": pandas.period_range("2020", periods=3, freq="D"),
        "category": pandas.Categorical([1, 2, 3]),
        "complex128": [1j, 2j, 3j],
        "object": np.array([1, "b", None], object),
    }
    for frame in (pandas.DataFrame({"a": columns[kind]}), pandas.DataFrame({"n": [1, 2, 3], "a": columns[kind]})):
        with pytest.raises(InputError, match=f"column 'a' has dtype {kind}.*leave it out or convert it"):
            open_source(frame)


def test_rows_read_elsewhere_are_cut_alike_whatever_dtype_their_columns_have():
    """A sample of a store, a copy in memory and a turned matrix then give a start of the same bits."""
    A = scipy.sparse.random_array((60, 20), density=0.3, random_state=np.random.default_rng(0), format="csr")
    found = [
        MemorySource.of_rows(CsrRows(A.data, A.indices.astype(dtype), A.indptr.astype(np.int64)), 20, "rows").layout()
        for dtype in (np.int32, np.int64)
    ]
    np.testing.assert_array_equal(found[0].bytes_before, found[1].bytes_before)

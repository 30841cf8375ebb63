"""What every source must do, whatever holds its matrix: test classes inherit this and name their cases."""

import itertools
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import dask
import naive
import numpy as np
import pytest
import scipy.sparse
import zarr

from dnmf import open_source
from dnmf.sources import CsrRows
from dnmf.sources import source as source_module

ROWS, COLUMNS = 23, 11
ROW_NAMES = [f"cell{i}" for i in range(ROWS)]
COLUMN_NAMES = [f"gene{j}" for j in range(COLUMNS)]


def small_matrix() -> np.ndarray:
    """Counts from 0 to 9 that every dtype holds (23 × 11, about half zeros), with a row and a column of zeros."""
    rng = np.random.default_rng(3)
    A = rng.integers(1, 10, (ROWS, COLUMNS)) * (rng.random((ROWS, COLUMNS)) < 0.5)
    A[4], A[:, 7] = 0, 0
    A[0, 0] = A[-1, -1] = 9  # no chunk of zeros in the corners
    return A.astype(np.float64)


def as_dense(rows: Any, n_columns: int) -> np.ndarray:
    """What a source's `read` returned, as a float64 matrix."""
    return naive.dense(*rows, n_columns) if isinstance(rows, CsrRows) else np.asarray(rows, np.float64)


def read(source: Any, start: int, stop: int) -> np.ndarray:
    """Rows `start:stop` of a source as a float64 matrix."""
    return as_dense(source.read(start, stop), source.shape[1])


READ_AS = {"f2": np.dtype("f4"), "f16": np.dtype("f8")}  # what compiled code does not know


def dtypes_of(data: Any) -> tuple[np.dtype, np.dtype | None]:
    """The dtypes of the values and of the column numbers (None if there are none) of what is to be opened."""
    if isinstance(data, (str, Path)):
        return _dtypes_of_node(_node_at(str(data)))
    data = getattr(data, "X", data)  # an AnnData
    if hasattr(data, "group"):  # its sparse matrix, on disk
        return _dtypes_of_node(data.group)
    if hasattr(data, "iloc"):
        dtype = data.dtypes.iloc[0]
        return getattr(dtype, "numpy_dtype", dtype), None
    data = data.data if hasattr(data, "dims") else data
    block = data.blocks[0, 0].compute(scheduler="synchronous") if hasattr(data, "dask") else data
    indices = block.indices if scipy.sparse.issparse(block) and block.format in ("csr", "csc") else None
    return np.dtype(data.dtype), getattr(indices, "dtype", None)


def _dtypes_of_node(node: Any) -> tuple[np.dtype, np.dtype | None]:
    return (node.dtype, None) if hasattr(node, "dtype") else (node["data"].dtype, node["indices"].dtype)


def _node_at(path: str) -> Any:
    path, _, inner = path.partition("::")
    if Path(path).is_file():
        import h5py

        node = h5py.File(path, "r")
    else:
        node = zarr.open(path, mode="r")
    if hasattr(node, "shape"):
        return node
    return node[inner.strip("/") or ("X" if "X" in node else "counts")]


class SourceContract:
    """Inherit it and set CASES: a name for each case, and what makes the object to open from a matrix and a folder."""

    CASES: ClassVar[dict[str, Callable[[np.ndarray, Path], Any]]]
    DTYPE: ClassVar[str | None] = None
    SPARSE: ClassVar[bool]
    NAMED: ClassVar[bool] = False

    @pytest.fixture
    def A(self):
        return small_matrix()

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls, case, tmp_path_factory):
        """Made once for a case: what a test only reads."""
        return cls.CASES[case](small_matrix(), tmp_path_factory.mktemp("shared"))

    @pytest.fixture
    def own_data(self, case, A, tmp_path):
        """For a test that changes it."""
        return self.CASES[case](A.copy(), tmp_path)

    @pytest.fixture
    def source(self, data):
        return open_source(data)

    @pytest.fixture
    def expected(self, source, A):
        """The matrix as the engine sees it."""
        return A.T if source.transposed else A

    def test_shape_and_dtype_are_those_of_the_rows(self, source, expected):
        assert source.shape == expected.shape
        assert all(type(n) is int for n in source.shape)
        rows = source.read(0, 3)
        assert isinstance(rows, CsrRows) == source.sparse == self.SPARSE
        values = rows.data if source.sparse else rows
        assert values.dtype == source.dtype == np.dtype(self.DTYPE or source.dtype)
        assert values.dtype.isnative

    def test_values_and_column_numbers_have_the_dtypes_they_are_stored_in(self, source, data):
        rows = source.read(0, 9)
        values, indices = dtypes_of(data)
        assert source.dtype == READ_AS.get(values.str[1:], values.newbyteorder("="))
        assert (rows.data if source.sparse else rows).dtype == source.dtype
        if indices is not None:
            assert rows.indices.dtype == indices.newbyteorder("=")

    def test_every_span_of_rows_equals_the_matrix(self, source, expected):
        m = len(expected)
        spans = [tuple(sorted(pair)) for pair in np.random.default_rng(0).integers(0, m + 1, (12, 2))]
        for start, stop in [(0, m), (0, 1), (m - 1, m), *(span for span in spans if span[0] < span[1])]:
            np.testing.assert_array_equal(read(source, int(start), int(stop)), expected[start:stop])

    def test_sparse_rows_hold_every_column_once(self, source):
        rows = source.read(1, 9)
        if not isinstance(rows, CsrRows):
            pytest.skip("dense")
        assert rows.indptr[0] == 0
        assert rows.indptr[-1] == len(rows.data) == len(rows.indices)
        for begin, end in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
            assert len(set(rows.indices[begin:end].tolist())) == end - begin

    def check_layout(self, source):
        layout = source.layout()
        assert layout.cuts[0] == 0
        assert layout.cuts[-1] == source.shape[0]
        assert layout.cuts.dtype == layout.bytes_before.dtype == np.int64
        assert len(layout.cuts) == len(layout.bytes_before)
        assert np.all(np.diff(layout.cuts) > 0)
        assert layout.bytes_before[0] == 0
        assert np.all(np.diff(layout.bytes_before) > 0)
        assert set(range(0, source.shape[0], layout.row_step)) <= set(layout.cuts.tolist())
        assert layout.object_bytes >= 0

    def test_layout_rises_and_multiples_of_the_row_step_are_cuts(self, source):
        self.check_layout(source)

    def test_the_layout_of_a_very_long_matrix_has_fewer_cuts(self, source, monkeypatch):
        before = source.layout().bytes_before[-1]
        monkeypatch.setattr(source_module, "MOST_CUTS", 4)
        source = pickle.loads(pickle.dumps(source))
        self.check_layout(source)
        assert source.layout().bytes_before[-1] == before

    def test_rows_between_cuts_make_up_the_matrix(self, source, expected):
        cuts = source.layout().cuts
        found = [read(source, int(low), int(high)) for low, high in itertools.pairwise(cuts)]
        np.testing.assert_array_equal(np.concatenate(found), expected)

    def test_a_part_reads_what_the_whole_reads(self, source, expected):
        for start, stop in [(0, 5), (3, 9), (5, len(expected)), (0, len(expected))]:
            part = source.for_rows(start, stop)
            assert part.shape == source.shape
            for low, high in [(start, stop), (start + 1, stop), (start, start + 1)]:
                np.testing.assert_array_equal(read(part, low, high), expected[low:high])

    def test_a_part_that_travelled_reads_the_same(self, source, expected):
        part = source.for_rows(2, 8)
        if source.blocks_are_tasks:  # what the scheduler computed is put in on the worker
            computed = list(dask.compute(*part.blocks(), scheduler="synchronous"))
            part = pickle.loads(pickle.dumps(part.with_blocks([]))).with_blocks(computed)
            assert part.blocks() == []
        part = pickle.loads(pickle.dumps(part))
        np.testing.assert_array_equal(read(part, 2, 8), expected[2:8])
        np.testing.assert_array_equal(read(part, 5, 7), expected[5:7])

    def test_reading_touches_at_least_the_bytes_of_its_rows(self, source):
        rows = source.read(3, 9)
        assert source.touched_bytes(3, 9, rows) > 0
        whole = source.touched_bytes(0, source.shape[0], source.read(0, source.shape[0]))
        assert whole == pytest.approx(source.layout().total_bytes, rel=0.1)

    def test_the_fingerprint_is_json_and_that_of_another_opening(self, source, data):
        mark = source.fingerprint()
        assert json.loads(json.dumps(mark)) == mark == open_source(data).fingerprint()

    def test_a_source_is_opened_as_itself(self, source):
        assert open_source(source) is source

    def test_names_are_carried(self, source):
        rows, columns = source.row_names(), source.column_names()
        if not self.NAMED:
            assert rows is None
            assert columns is None
            return
        if source.transposed:
            rows, columns = columns, rows
        assert rows.tolist() == ROW_NAMES
        assert columns.tolist() == COLUMN_NAMES
        assert rows.dtype.kind == columns.dtype.kind == "T"  # of variable width


class StoredContract(SourceContract):
    """A source with a path; `change` puts another value in place under the same path."""

    def change(self, data: str) -> None:
        raise NotImplementedError

    def test_what_travels_is_the_path(self, source, data):
        source.read(0, 3)
        assert len(pickle.dumps(source)) < 4000

    @pytest.mark.broad(3)
    def test_the_fingerprint_tells_changed_data(self, own_data):
        before = open_source(own_data).fingerprint()  # not kept open: HDF5 lets nobody write then
        self.change(str(own_data))
        assert open_source(own_data).fingerprint() != before

    def test_the_fingerprint_does_not_depend_on_where_the_data_lies(self, own_data):
        before = open_source(own_data).fingerprint()
        path, separator, inner = str(own_data).partition("::")
        moved = Path(path).rename(Path(path).with_name("moved" + Path(path).suffix))
        assert open_source(f"{moved}{separator}{inner}").fingerprint() == before

    @pytest.mark.parametrize("missing_chunks", ["error", "zeros"])
    def test_it_says_how_absent_chunks_are_taken(self, data, missing_chunks):
        assert open_source(data, missing_chunks=missing_chunks).missing_chunks == missing_chunks

    def test_a_relative_path_is_made_absolute(self, data, A, monkeypatch):
        folder, name = str(data).rsplit("/", 1) if "::" not in str(data) else str(data).split("::")[0].rsplit("/", 1)
        inner = str(data).partition("::")[2]
        monkeypatch.chdir(folder)
        source = open_source(f"{name}::{inner}" if inner else name)
        monkeypatch.chdir("/")
        assert source.address.startswith("/")
        expected = A.T if source.transposed else A
        np.testing.assert_array_equal(read(pickle.loads(pickle.dumps(source)), 0, 4), expected[:4])

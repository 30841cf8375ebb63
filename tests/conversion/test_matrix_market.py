"""Matrix Market text: any legal file gives the matrix scipy reads, anything else one clear sentence."""

import gzip
import subprocess

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import io, sparse

from dnmf.conversion import convert
from dnmf.conversion import matrix_market as reader
from dnmf.errors import InputError

FIXTURES_ARE_STATELESS = [HealthCheck.function_scoped_fixture]


def write(path, header: str, body: str):
    path.write_text(f"%%MatrixMarket matrix {header}\n{body}")
    return path


@pytest.mark.parametrize("name", ["hawaiibirds_counts", "movielens_ratings"])
@pytest.mark.parametrize("transpose", [False, True])
def test_shared_data_equals_scipy(shared_matrix, read_back, tmp_path, name, transpose):
    source = shared_matrix(f"{name}.mtx.gz")
    expected = io.mmread(source).tocsr()
    expected = expected.T.tocsr() if transpose else expected
    report = convert(source, tmp_path / "out.zarr", transpose=transpose, memory_bytes=2**20)
    X = read_back(tmp_path / "out.zarr")
    assert (expected.astype(X.dtype) != X).nnz == 0
    assert (report.shape, report.nonzeros, report.dtype) == (X.shape, X.nnz, X.dtype.name)


@pytest.mark.slow
def test_pbmc3k_becomes_cells_by_genes(shared_matrix, read_back, tmp_path):
    source = shared_matrix("pbmc3k_counts.mtx.gz")
    report = convert(source, tmp_path / "out.zarr", transpose=True)
    assert (report.shape, report.nonzeros, report.dtype) == ((2638, 13714), 2238732, "uint16")
    X = read_back(tmp_path / "out.zarr")
    assert (io.mmread(source).T.tocsr().astype("uint16") != X).nnz == 0


@st.composite
def matrices(draw):
    """A small sparse matrix as scipy's COO, with duplicates and explicit zeros, and a field for it."""
    rows, columns = draw(st.integers(1, 40)), draw(st.integers(1, 12))
    field = draw(st.sampled_from(["real", "integer", "pattern"]))
    count = draw(st.integers(0, 120))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    at = rng.integers(0, rows, count), rng.integers(0, columns, count)
    values = {
        "real": rng.random(count) * 10.0 ** rng.integers(-20, 20, count), "pattern": np.ones(count, int),
        "integer": rng.integers(0, draw(st.sampled_from([2, 200, 70_000, 2**40])), count),
    }[field]  # fmt: skip
    return sparse.coo_array((values, at), shape=(rows, columns)), field


def write_coordinates(path, matrix, field):
    entries = zip(matrix.row.tolist(), matrix.col.tolist(), matrix.data.tolist(), strict=True)
    lines = [f"{row + 1} {column + 1}" + (f" {value}" if field != "pattern" else "") for row, column, value in entries]
    sizes = f"{matrix.shape[0]} {matrix.shape[1]} {len(lines)}"
    return write(path, f"coordinate {field} general", "\n".join([sizes, *lines]) + "\n")


@settings(max_examples=15, deadline=None, suppress_health_check=FIXTURES_ARE_STATELESS)
@given(matrices(), st.booleans(), st.integers(8, 400), st.sampled_from([2, 3]))
@pytest.mark.slow
def test_any_coordinate_file_equals_scipy(tmp_path_factory, read_back, case, transpose, chunk_bytes, zarr_format):
    matrix, field = case
    folder = tmp_path_factory.mktemp("mtx")
    write_coordinates(folder / "in.mtx", matrix, field)
    report = convert(
        folder / "in.mtx",
        folder / "out.zarr",
        transpose=transpose,
        chunk_bytes=chunk_bytes,
        zarr_format=zarr_format,
    )
    expected = matrix.tocsr()  # sums duplicates
    expected.eliminate_zeros()
    expected = expected.T.tocsr() if transpose else expected
    X = read_back(folder / "out.zarr")
    assert X.shape == expected.shape == report.shape
    np.testing.assert_array_equal(X.indptr, expected.indptr)
    np.testing.assert_array_equal(X.indices, expected.indices)
    np.testing.assert_allclose(X.data, expected.data, rtol=1e-6 if field == "real" else 0)
    assert report.dtype == ("float32" if field == "real" else narrowest(expected.data))


def narrowest(values) -> str:
    largest = max(values, default=0)
    return next(name for name in ("uint8", "uint16", "uint32", "int64") if largest <= np.iinfo(name).max)


def test_sums_of_duplicates_widen_the_integers(tmp_path, read_back):
    source = write(tmp_path / "a.mtx", "coordinate integer general", "3 2 4\n1 1 200\n3 2 7\n1 1 100\n2 2 0\n")
    report = convert(source, tmp_path / "out.zarr")
    assert (report.dtype, report.nonzeros) == ("uint16", 2)
    assert read_back(tmp_path / "out.zarr").toarray().tolist() == [[300, 0], [0, 0], [0, 7]]


@pytest.mark.broad(1)
@pytest.mark.parametrize("transpose", [False, True])
def test_integers_are_kept_in_the_dtype_that_was_asked_for_or_refused(tmp_path, read_back, transpose):
    source = write(tmp_path / "a.mtx", "coordinate integer general", "2 2 3\n1 1 7\n2 1 300\n2 2 3\n")
    for dtype in ("uint16", "int64", "float32", "float64"):
        report = convert(source, tmp_path / f"{dtype}.zarr", dtype=dtype, transpose=transpose)
        assert (report.dtype, report.nonzeros) == (dtype, 3)
        assert sorted(read_back(tmp_path / f"{dtype}.zarr").data.tolist()) == [3, 7, 300]
    with pytest.raises(InputError, match="300 does not fit uint8 without loss"):
        convert(source, tmp_path / "uint8.zarr", dtype="uint8", transpose=transpose)
    assert not (tmp_path / "uint8.zarr").exists()


def test_symmetric_files_are_mirrored(tmp_path, read_back):
    source = write(tmp_path / "a.mtx", "coordinate real symmetric", "3 3 3\n1 1 1.5\n3 1 2\n3 2 4\n")
    convert(source, tmp_path / "out.zarr")
    np.testing.assert_array_equal(read_back(tmp_path / "out.zarr").toarray(), io.mmread(source).toarray())


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("field", ["real", "integer"])
def test_array_files_become_dense(tmp_path, read_back, field, transpose):
    values = np.random.default_rng(0).integers(0, 300, (17, 5)).astype(float) / (8 if field == "real" else 1)
    io.mmwrite(tmp_path / "a.mtx", values, field=field, symmetry="general")
    report = convert(tmp_path / "a.mtx", tmp_path / "out.zarr", transpose=transpose, chunk_bytes=64)
    assert (report.kind, report.nonzeros) == ("dense", None)
    assert report.dtype == ("float32" if field == "real" else "uint16")
    np.testing.assert_array_equal(read_back(tmp_path / "out.zarr"), values.T if transpose else values)


def test_real_values_are_float32_unless_asked(tmp_path, read_back):
    decimals = [".32432432432432434", "1e-3", "123456789.123456789", "5"]
    body = "2 2 4\n" + "".join(f"{1 + i // 2} {1 + i % 2} {text}\n" for i, text in enumerate(decimals))
    source = write(tmp_path / "a.mtx", "coordinate real general", body)
    for dtype in (None, "float64"):
        report = convert(source, tmp_path / "out.zarr", dtype=dtype, overwrite=True)
        assert report.dtype == (dtype or "float32")
        expected = np.array([float(text) for text in decimals]).astype(report.dtype)
        np.testing.assert_array_equal(read_back(tmp_path / "out.zarr").data, expected)


@pytest.mark.broad(4)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [4, 7, 64])
def test_lines_cut_at_the_end_of_a_buffer(monkeypatch, tmp_path, read_back, size, ending):
    lines = ["%%MatrixMarket  MATRIX Coordinate Real General", "% comment", "", "12 3 5"]
    lines += ["1\t1  1.25", "% in between", "", "12 3 2e2", " 3 2 .5 ", "4 1 1", "5 1 0.000"]
    (tmp_path / "a.mtx").write_bytes(ending.join(lines).encode())  # no newline at the end
    monkeypatch.setattr(reader, "MOST_TEXT", size)
    convert(tmp_path / "a.mtx", tmp_path / "out.zarr")
    expected = sparse.coo_array(([1.25, 200, 0.5, 1], ([0, 11, 2, 3], [0, 2, 1, 0])), shape=(12, 3))
    assert (read_back(tmp_path / "out.zarr") != expected.tocsr()).nnz == 0


@pytest.mark.parametrize(
    ("header", "body", "message"),
    [
        ("coordinate complex general", "1 1 1\n1 1 1 1\n", "complex"),
        ("coordinate real hermitian", "1 1 1\n1 1 1\n", "hermitian"),
        ("coordinate real skew-symmetric", "1 1 1\n1 1 1\n", "skew-symmetric"),
        ("array real symmetric", "1 1\n1\n", "symmetric array"),
        ("coordinate real", "1 1 1\n1 1 1\n", "not a Matrix Market file"),
        ("coordinate real general", "", "before the sizes"),
        ("coordinate real general", "2 2\n1 1 1\n", "line 2: '2 2' should be 3 sizes"),
        ("coordinate real general", "0 2 0\n", "empty"),
        ("coordinate real symmetric", "2 3 0\n", "square"),
        ("coordinate real general", "2 2 2\n1 1 1.0\n", "after 1 entries, but its header promises 2"),
        ("coordinate real general", "2 2 3\n1 1 1\n", "promises 3 entries, but the 6 bytes after it hold 1 at most"),
        ("coordinate pattern general", "9 9 999999\n1 1\n2 2", "promises 999,999 entries, but the 7 bytes after it"),
        ("array real general", "3 1000\n1\n", "promises 3,000 entries, but the 2 bytes after it"),
        ("coordinate real general", "99999999999 3 1\n1 1 1\n", "99,999,999,999 rows in the result for 1 stored value"),
        ("coordinate real symmetric", "99999999999 99999999999 1\n1 1 1\n", "its shape is damaged, or nearly all rows"),
        (
            "coordinate real general",
            "2 2 1\n1 1 1\n\n2 2 1\n",
            "line 5: '2 2 1' is one entry more than the 1",
        ),
        ("coordinate real general", "2 2 1\n1 1 -0.5\n", "line 3: '1 1 -0.5': the value is negative"),
        ("coordinate real general", "2 2 1\n%\n1 1 NaN\n", "line 4: '1 1 NaN': the value is not finite"),
        ("coordinate real general", "2 2 1\n1 1 inf\n", "line 3: '1 1 inf': the value is not finite"),
        ("coordinate real general", "2 2 1\n1 1 1e999\n", "line 3: '1 1 1e999': the value is not finite"),
        ("coordinate real general", "2 2 1\n3 1 1\n", "line 3: '3 1 1' has row 3, outside 1…2"),
        ("coordinate real general", "2 2 1\n1 0 1\n", "line 3: '1 0 1' has column 0, outside 1…2"),
        ("coordinate real general", "2 2 1\n1 1\n", "line 3: '1 1' should hold: row, column, value"),
        ("coordinate real general", "2 2 1\n1 1 one\n", "line 3: '1 1 one' is not a matrix entry"),
        (
            "coordinate integer general",
            "2 2 1\n1 1 1.5\n",
            "line 3: '1 1 1.5' is not a matrix entry whose value",
        ),
        ("coordinate integer general", "2 2 1\n1 1 9223372036854775808\n", "an integer below 2^63"),
        ("coordinate pattern general", "2 2 1\n1 1 1\n", "should hold: row, column"),
        ("array real general", "2 1\n1\n-1\n", "line 4: '-1': the value is negative"),
        ("array integer general", "2 1\n100\n", "after 1 entries, but its header promises 2"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path, nothing_left, header, body, message):
    source = write(tmp_path / "a.mtx", header, body)
    with pytest.raises(InputError) as error:
        convert(source, tmp_path / "out.zarr")
    assert message in str(error.value)
    assert str(source) in str(error.value)
    nothing_left("a.mtx")


@pytest.mark.broad(1)
@pytest.mark.parametrize("transpose", [False, True])
def test_a_matrix_of_mostly_empty_rows_is_converted(tmp_path, read_back, transpose):
    source = write(tmp_path / "a.mtx", "coordinate real general", "100000 90000 1\n99999 7 2\n")
    convert(source, tmp_path / "out.zarr", transpose=transpose)
    X = read_back(tmp_path / "out.zarr")
    assert X.shape == ((90000, 100000) if transpose else (100000, 90000))
    assert X.nnz == 1


def test_a_transpose_of_very_many_empty_rows_is_refused(tmp_path, nothing_left):
    source = write(tmp_path / "a.mtx", "coordinate real general", "3 99999999999 1\n1 1 2\n")
    with pytest.raises(InputError, match="99,999,999,999 rows in the result"):
        convert(source, tmp_path / "out.zarr", transpose=True)
    nothing_left("a.mtx")


@pytest.mark.broad(4)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("before", [b"\n", b"\r\n  \n", b"\xef\xbb\xbf\n"])
def test_blank_lines_before_the_first_are_passed_over(tmp_path, read_back, before, pack):
    text = before + b"%%MatrixMarket matrix coordinate real general\n2 3 1\n2 3 4\n"
    (tmp_path / "a").write_bytes(pack(text))
    convert(tmp_path / "a", tmp_path / "out.zarr")
    np.testing.assert_array_equal(read_back(tmp_path / "out.zarr").toarray(), [[0, 0, 0], [0, 0, 4]])


def test_lines_are_counted_from_the_first_of_the_file(tmp_path):
    (tmp_path / "a.mtx").write_bytes(b"\n\n%%MatrixMarket matrix coordinate real general\n2 3 1\n2 3 x\n")
    with pytest.raises(InputError, match="line 5: '2 3 x'"):
        convert(tmp_path / "a.mtx", tmp_path / "out.zarr")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_is_said_of_lines_without_line_feeds_mends_them(tmp_path, read_back, pack):
    text = b"%%MatrixMarket matrix coordinate real general\r2 3 1\r2 3 4\r"
    (tmp_path / "a b").write_bytes(pack(text))
    with pytest.raises(InputError, match="carriage returns alone") as refused:
        convert(tmp_path / "a b", tmp_path / "out.zarr")
    subprocess.run(str(refused.value).rpartition(": ")[2], shell=True, check=True, cwd=tmp_path)
    convert(tmp_path / "matrix.mtx", tmp_path / "out.zarr")
    np.testing.assert_array_equal(read_back(tmp_path / "out.zarr").toarray(), [[0, 0, 0], [0, 0, 4]])


def test_a_bad_line_far_into_the_file_is_named(tmp_path):
    lines = [f"{i} 1 1" for i in range(1, 5001)]
    lines[4321] = "4322 1 x"
    source = write(tmp_path / "a.mtx", "coordinate real general", "5000 1 5000\n" + "\n".join(lines) + "\n")
    with pytest.raises(InputError, match="line 4324: '4322 1 x'"):
        convert(source, tmp_path / "out.zarr", memory_bytes=2**20)


def test_sums_beyond_64_bits_are_refused(tmp_path):
    body = "1 1 2\n" + f"1 1 {2**62}\n" * 2
    source = write(tmp_path / "a.mtx", "coordinate integer general", body)
    with pytest.raises(InputError, match="more than a 64-bit integer holds"):
        convert(source, tmp_path / "out.zarr")


def test_a_truncated_gz_is_refused(tmp_path, nothing_left):
    rows = np.random.default_rng(0).integers(1, 1000, 3000)
    text = "%%MatrixMarket matrix coordinate integer general\n1000 1 3000\n" + "".join(f"{r} 1 1\n" for r in rows)
    whole = gzip.compress(text.encode())
    for length in (5, len(whole) // 2, len(whole) - 3):
        (tmp_path / "a.mtx.gz").write_bytes(whole[:length])
        with pytest.raises(InputError, match="truncated or damaged"):
            convert(tmp_path / "a.mtx.gz", tmp_path / "out.zarr")
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 16
    (tmp_path / "a.mtx.gz").write_bytes(damaged)
    with pytest.raises(InputError, match=r"a\.mtx\.gz"):
        convert(tmp_path / "a.mtx.gz", tmp_path / "out.zarr")
    nothing_left("a.mtx.gz")

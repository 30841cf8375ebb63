"""Files of coordinates (.tns) become sparse matrices that know the axes of the array."""

import bz2
import gzip

import numpy as np
import pytest
import scipy.sparse

import dnmf
from dnmf.errors import InputError
from dnmf.sources import open_source


def lines_of(array, separator=" "):
    """Its entries, coordinates from one, in no order."""
    places = np.random.default_rng(0).permutation(np.argwhere(array))
    return "".join(separator.join([*map(str, at + 1), f"{array[tuple(at)]:g}"]) + "\n" for at in places)


def dense(path):
    source = open_source(path)
    rows = source.read(0, source.shape[0])
    return scipy.sparse.csr_array(
        (rows.data, rows.indices, rows.indptr), shape=source.shape
    ).toarray(), source.unfolding


@pytest.fixture
def counts():
    array = np.random.default_rng(1).poisson(0.3, (7, 12, 5, 4))
    array[-1, -1, -1, -1] = 3  # the lengths are the largest coordinates
    return array


@pytest.mark.parametrize("row_axes", [0, "longest", (1, 3)], ids=str)
@pytest.mark.parametrize("memory_bytes", [2**20, 2**30])
def test_the_result_is_the_array(counts, row_axes, memory_bytes, tmp_path):
    (tmp_path / "a.tns").write_text("# made here\n" + lines_of(counts))
    report = dnmf.convert(tmp_path / "a.tns", tmp_path / "out.zarr", row_axes=row_axes, memory_bytes=memory_bytes)
    found, unfolding = dense(tmp_path / "out.zarr")
    np.testing.assert_array_equal(found, unfolding.matrix(counts))
    assert (report.kind, report.dtype, report.nonzeros) == ("csr", "uint8", np.count_nonzero(counts))


@pytest.mark.parametrize(("suffix", "pack"), [(".tns.gz", gzip.compress), (".tns.bz2", bz2.compress), (".tns", bytes)])
def test_files_may_be_compressed_and_their_lines_end_as_they_like(counts, suffix, pack, tmp_path):
    text = lines_of(counts, "\t").replace("\n", "\r\n") + "\n\n# the end\n"
    (tmp_path / f"a{suffix}").write_bytes(pack(text.encode()))
    dnmf.convert(tmp_path / f"a{suffix}", tmp_path / "out.zarr", row_axes=0)
    found, unfolding = dense(tmp_path / "out.zarr")
    np.testing.assert_array_equal(found, unfolding.matrix(counts))


def test_real_values_are_float32_and_several_lines_of_one_entry_are_added_up(tmp_path):
    (tmp_path / "a.tns").write_text("1 1 1 0.5\n2 1 3 1e-2\n1 1 1 0.25\n2 2 3 0\n")
    report = dnmf.convert(tmp_path / "a.tns", tmp_path / "out.zarr", row_axes=0)
    found, unfolding = dense(tmp_path / "out.zarr")
    assert (report.dtype, report.nonzeros, unfolding.shape) == ("float32", 2, (2, 2, 3))
    np.testing.assert_allclose(found[0], [0.75, 0, 0, 0, 0, 0])


def test_cp_of_it_is_that_of_the_dense_array(tmp_path):
    from cubes import congruence, planted

    array, factors = planted((30, 8, 7), 2)
    array[array < np.quantile(array, 0.3)] = 0
    (tmp_path / "a.tns").write_text(lines_of(array))
    dnmf.convert(tmp_path / "a.tns", tmp_path / "out.zarr", row_axes="longest", dtype="float64")
    options = {"rank": 2, "dtype": "float64", "tol": 1e-8, "seed": 1}
    sparse, of_dense = (list(dnmf.cp(source, **options).factors.values()) for source in (tmp_path / "out.zarr", array))
    assert congruence(sparse, of_dense) > 0.9999
    assert congruence(sparse, factors) > 0.99


BAD = {
    "1 2 3\n": "2 coordinates and a value",
    "1 2 3 4\n1 2 3\n": "line 2: '1 2 3' should hold 3 coordinates and a value",
    "1 2 3 x\n": "line 1: '1 2 3 x' should hold",
    "1 2 3 4\n\n# so\n1 2 3 -4\n": "line 4: '1 2 3 -4' has a value that is negative",
    "0 2 3 4\n": "a coordinate that is no whole number from 1 on",
    "1 1 1.5 2\n": "a coordinate that is no whole number from 1 on",
    "1 2 3 nan\n": "negative or not finite",
    "1 2 3 inf\n": "negative or not finite",
    "# nothing\n": "it holds no entries",
    "": "an empty file",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_entry_is_named_by_its_line_and_nothing_is_left(text, tmp_path):
    (tmp_path / "a.tns").write_text(text)
    with pytest.raises(InputError, match=BAD[text]):
        dnmf.convert(tmp_path / "a.tns", tmp_path / "out.zarr", row_axes=0)
    assert not (tmp_path / "out.zarr").exists()


def test_who_fits_the_file_is_told_to_convert_it(tmp_path):
    (tmp_path / "a.tns").write_text("1 2 3 4\n")
    with pytest.raises(InputError, match=r"a file of coordinates \(\.tns\) cannot be read in parts; convert it once"):
        dnmf.cp(tmp_path / "a.tns", 1)


def test_axes_have_to_be_said_or_the_longest_is_taken(tmp_path):
    (tmp_path / "a.tns").write_text("1 2 3 4\n")
    with pytest.raises(InputError, match="say which axes make the rows"):
        dnmf.convert(tmp_path / "a.tns", tmp_path / "out.zarr")

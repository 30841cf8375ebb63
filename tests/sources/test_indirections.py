"""What stands between a name and its bytes is followed: something that is missing is refused, never read as zeros."""

import os
from contextlib import contextmanager

import numpy as np
import pytest
from hdf5_of_parts import HALF, HDF5, external, of_chunked_parts, of_parts, parts, tiled, virtual
from source_contract import COLUMNS, ROWS, read, small_matrix

import dnmf
from dnmf import open_source
from dnmf.errors import InputError
from dnmf.matrix_inspection import inspect_source

h5py = pytest.importorskip("h5py", reason="h5py is not installed")


def read_all(data, **options):
    source = open_source(data, **options)
    return read(source, 0, source.shape[0])


@contextmanager
def working_in(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(params=HDF5)
def stored(request, tmp_path):
    return HDF5[request.param](tmp_path)


@pytest.mark.broad(9)
def test_what_is_whole_is_read(stored):
    np.testing.assert_array_equal(read_all(stored), small_matrix())
    source = open_source(stored)
    np.testing.assert_array_equal(read(source, HALF - 2, HALF + 3), small_matrix()[HALF - 2 : HALF + 3])


def test_a_missing_file_is_named(stored, tmp_path):
    os.unlink(tmp_path / "part1.h5")
    with pytest.raises(InputError, match=r"part1\.h5"):
        read_all(stored)
    with pytest.raises(InputError, match=r"part1\.h5"):
        read_all(stored, missing_chunks="zeros")


def test_a_missing_file_is_named_when_the_matrix_is_inspected(stored, tmp_path):
    assert inspect_source(open_source(stored), 2)["shape"] == [ROWS, COLUMNS]
    if os.path.samefile(stored, tmp_path / "part1.h5"):
        pytest.skip("there is one file")
    os.unlink(tmp_path / "part1.h5")
    with pytest.raises(InputError, match=r"part1\.h5"):
        inspect_source(open_source(stored), 2)


def test_a_file_that_goes_while_rows_are_read_is_named(stored, tmp_path):
    source = open_source(stored)
    read(source, 0, 3)
    if os.path.samefile(stored, tmp_path / "part1.h5"):
        pytest.skip("there is one file")
    os.unlink(tmp_path / "part1.h5")
    with pytest.raises(InputError, match=r"part1\.h5"):
        read(source, 0, ROWS)


def test_the_fingerprint_follows(stored, tmp_path):
    before = open_source(stored).fingerprint()
    assert open_source(stored).fingerprint() == before
    os.utime(tmp_path / "part1.h5", (1, 1))
    assert open_source(stored).fingerprint() != before


@pytest.mark.broad(6)
def test_a_fit_goes_through(stored):
    assert dnmf.fit(stored, 2, max_passes=2).shape == (ROWS, COLUMNS)


# ---- not whole


def a_source_without_its_dataset(folder):
    path = of_parts(folder)
    with h5py.File(folder / "part1.h5", "r+") as file:
        del file["d"]
    return path


def a_source_with_a_dangling_link(folder):
    path = a_source_without_its_dataset(folder)
    with h5py.File(folder / "part1.h5", "r+") as file:
        file["d"] = h5py.ExternalLink("gone.h5", "/d")
    return path


def a_source_that_is_too_small(folder):
    path = of_parts(folder)
    with h5py.File(folder / "part1.h5", "w") as file:
        file["d"] = small_matrix()[HALF:-3]
    return path


def a_source_with_a_missing_chunk(folder):
    path = of_chunked_parts(folder)
    with h5py.File(folder / "part1.h5", "w") as file:
        file.create_dataset("d", shape=(ROWS - HALF, COLUMNS), dtype="f8", chunks=(5, 4))[:5] = 1
    return path


def a_source_that_is_no_hdf5_file(folder):
    path = of_parts(folder)
    (folder / "part1.h5").write_text("gone")
    return path


def rows_that_belong_to_no_source(folder):
    parts(folder)
    return virtual(folder, mapped=[(0, HALF)])


def columns_that_belong_to_no_source(folder):
    path = tiled(folder)
    with h5py.File(path, "r+") as file:
        del file["X"]
        layout = h5py.VirtualLayout(shape=(ROWS, COLUMNS), dtype="f8")
        layout[:HALF, :4] = h5py.VirtualSource("part0.h5", "d", shape=(HALF, 4))
        layout[HALF:, :7] = h5py.VirtualSource("part2.h5", "d", shape=(ROWS - HALF, 7))
        file.create_virtual_dataset("X", layout)
    return path


def as_many_sources_as_there_are(folder):
    parts(folder)
    create, space = h5py.h5p.create(h5py.h5p.DATASET_CREATE), h5py.h5s
    here = space.create_simple((2 * HALF, COLUMNS), (space.UNLIMITED, COLUMNS))
    here.select_hyperslab((0, 0), (space.UNLIMITED, 1), (HALF, 1), (HALF, COLUMNS))
    create.set_virtual(here, b"part%b.h5", b"d", space.create_simple((HALF, COLUMNS)))
    with h5py.File(folder / "all.h5", "w") as file:
        whole = space.create_simple((2 * HALF, COLUMNS), (space.UNLIMITED, COLUMNS))
        h5py.h5d.create(file.id, b"X", h5py.h5t.IEEE_F64LE, whole, create)
    return folder / "all.h5"


def an_external_file_that_is_cut_off(folder):
    path = external(folder)
    with open(folder / "part1.h5", "r+b") as file:
        file.truncate(100)
    return path


def a_soft_link(folder):
    with h5py.File(folder / "all.h5", "w") as file:
        file["X"] = h5py.SoftLink("/somewhere")
    return folder / "all.h5"


def a_link_to_a_file(folder):
    with h5py.File(folder / "all.h5", "w") as file:
        file["X"] = h5py.ExternalLink("somewhere.h5", "/d")
    return folder / "all.h5"


def a_link_on_the_way(folder):
    with h5py.File(folder / "all.h5", "w") as file:
        file["group"] = h5py.SoftLink("/somewhere")
    return f"{folder / 'all.h5'}::group/X"


def an_unknown_filter(folder):
    create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    create.set_chunk((5, COLUMNS))
    create.set_filter(257, h5py.h5z.FLAG_OPTIONAL, ())
    with h5py.File(folder / "all.h5", "w") as file:
        h5py.h5d.create(file.id, b"X", h5py.h5t.IEEE_F64LE, h5py.h5s.create_simple((ROWS, COLUMNS)), create)
    return folder / "all.h5"


def nothing_written(folder):
    with h5py.File(folder / "all.h5", "w") as file:
        file.create_dataset("X", (ROWS, COLUMNS), "f8")
    return folder / "all.h5"


def a_source_of_its_own(folder):
    layout = h5py.VirtualLayout((ROWS, COLUMNS), "f8")
    layout[:] = h5py.VirtualSource("all.h5", "X", shape=(ROWS, COLUMNS))
    with h5py.File(folder / "all.h5", "w") as file:
        file.create_virtual_dataset("X", layout)
    return folder / "all.h5"


def sources_of_each_other(folder):
    for name, other in (("all", "part0"), ("part0", "all")):
        layout = h5py.VirtualLayout((ROWS, COLUMNS), "f8")
        layout[:] = h5py.VirtualSource(f"{other}.h5", "X", shape=(ROWS, COLUMNS))
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.create_virtual_dataset("X", layout)
    return folder / "all.h5"


NOT_WHOLE = {
    a_source_of_its_own: "all.h5::X: a virtual dataset that is a source of its own",
    sources_of_each_other: "a virtual dataset that is a source of its own",
    a_source_without_its_dataset: r"part1\.h5::d is not there",
    a_source_with_a_dangling_link: r"link to '/d' in gone\.h5",
    a_source_that_is_too_small: r"part1\.h5::d has shape \(8, 11\)",
    a_source_with_a_missing_chunk: r"chunk \(1, 0\) of .*part1\.h5::d .* is missing",
    a_source_that_is_no_hdf5_file: r"part1\.h5 cannot be opened",
    rows_that_belong_to_no_source: r"fills it from element \(12, 0\)",
    columns_that_belong_to_no_source: r"fills it from element \(0, 4\)",
    as_many_sources_as_there_are: "a number of sources that is not fixed",
    an_external_file_that_is_cut_off: r"part1\.h5, which ends at byte 100",
    a_soft_link: "X: a link to '/somewhere', which is not there",
    a_link_to_a_file: r"X: a link to '/d' in somewhere\.h5, which is not there",
    a_link_on_the_way: "group: a link to '/somewhere'",
    an_unknown_filter: r"filter .* \(257\), which is not here; pip install hdf5plugin",
    nothing_written: r"chunk \(contiguous\) .* is missing",
}


@pytest.mark.parametrize("make", NOT_WHOLE, ids=lambda make: make.__name__.replace("_", " "))
def test_what_is_not_whole_is_refused(make, tmp_path):
    with pytest.raises(InputError, match=NOT_WHOLE[make]):
        read_all(make(tmp_path))


def test_a_virtual_dataset_may_hold_zeros_where_that_is_said(tmp_path):
    path = rows_that_belong_to_no_source(tmp_path)
    expected = small_matrix()
    expected[HALF:] = 0
    np.testing.assert_array_equal(read_all(path, missing_chunks="zeros"), expected)
    with pytest.raises(InputError, match=r"from element \(12, 0\) on, where it would read as 5\.0"):
        read_all(virtual(tmp_path, "five.h5", mapped=[(0, HALF)], fillvalue=5), missing_chunks="zeros")


def test_names_that_are_not_there_are_refused_too(tmp_path):
    names = np.array([b"gene%d" % j for j in range(COLUMNS)])
    with h5py.File(tmp_path / "part1.h5", "w") as file:
        file["d"] = names
    layout = h5py.VirtualLayout(shape=names.shape, dtype=names.dtype)
    layout[:] = h5py.VirtualSource("part1.h5", "d", shape=names.shape)
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file["X"] = small_matrix()
        file.create_group("var").attrs["_index"] = "names"
        file["var"].create_virtual_dataset("names", layout)
    assert open_source(tmp_path / "a.h5ad").column_names()[2] == "gene2"
    os.unlink(tmp_path / "part1.h5")
    with pytest.raises(InputError, match=r"its source part1\.h5 is not there"):
        open_source(tmp_path / "a.h5ad").column_names()


def test_external_files_are_looked_for_in_the_working_directory(tmp_path):
    with working_in(tmp_path):
        with h5py.File("all.h5", "w") as file:
            file.create_dataset("X", (4, 3), "f8", external=[("values.bin", 0, h5py.h5f.UNLIMITED)])[:] = 2
        assert read_all("all.h5").sum() == 24
    (tmp_path / "elsewhere").mkdir()
    with working_in(tmp_path / "elsewhere"), pytest.raises(InputError, match="HDF5 looks in the working directory"):
        read_all(tmp_path / "all.h5")


@pytest.mark.parametrize("layout", ["chunked", "contiguous"])
def test_zeros_that_may_be_left_out_are_not_another_fill_value(tmp_path, layout):
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file.create_dataset("X", (4, 3), "f8", fillvalue=5, chunks=(2, 3) if layout == "chunked" else None)
    with pytest.raises(InputError, match="fill value of the array, which is not zero"):
        read_all(tmp_path / "all.h5", missing_chunks="zeros")

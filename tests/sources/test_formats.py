"""What a path holds is told by its content, and what is not read in parts is refused with the way that works."""

import bz2
import gzip
import lzma
import zipfile

import h5py
import numpy as np
import pytest
import zarr
from scipy import sparse

import dnmf
from dnmf.errors import InputError
from dnmf.sources.contents import contents_of
from dnmf.sources.formats import format_of

A = np.random.default_rng(0).poisson(0.4, (40, 12)).astype("float32")
MTX = b"%%MatrixMarket matrix coordinate integer general\n2 2 1\n1 1 5\n"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def members(**files):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name.replace("__", "/"), content)

    return write


def tenx_directory(path):
    path.mkdir()
    (path / "matrix.mtx.gz").write_bytes(gzip.compress(MTX))


def other_directory(path):
    (path / "outs").mkdir(parents=True)


def npz(**arrays):
    return lambda path: np.savez(path.open("wb"), **arrays)


def sparse_npz(matrix):
    return lambda path: sparse.save_npz(path.open("wb"), matrix)


def frame_of_r(path):
    path.write_bytes(gzip.compress(b"X\n\x00\x00\x00\x03"))


def tar(path):
    path.write_bytes(gzip.compress(b"\0" * 257 + b"ustar\x0000" + b"\0" * 300))


REFUSED = {
    "a directory of 10x": (tenx_directory, r"matrix\.mtx.* dnmf convert \S+ out\.zarr"),
    "another directory": (other_directory, r"it holds outs"),
    "Matrix Market without a suffix": (MTX, "dnmf convert"),
    "Matrix Market with a byte order mark": (b"\xef\xbb\xbf" + MTX, "dnmf convert"),
    "Matrix Market by gzip": (gzip.compress(MTX), "dnmf convert"),
    "Matrix Market by bzip2": (bz2.compress(MTX), "dnmf convert"),
    "Matrix Market by xz": (lzma.compress(MTX), "dnmf convert"),
    "text of 16 bits": ("﻿%%MatrixMarket".encode("utf-16-le"), "byte order mark.*iconv"),
    "csv": (b"gene,a,b\nx,1,2\n", r"pandas\.read_csv\('\S+', index_col=0\)"),
    "tsv by gzip": (gzip.compress(b"gene\ta\tb\nx\t1\t2\n"), r"read_csv\('\S+', sep='\\t', index_col=0\)"),
    "Parquet": (b"PAR1\x15\x04", r"pandas\.read_parquet"),
    "Feather": (b"ARROW1\0\0", r"pandas\.read_feather"),
    "Excel": (members(xl__workbook="x"), r"pandas\.read_excel"),
    "an R object": (frame_of_r, "writeMM"),
    "MATLAB": (b"MATLAB 5.0 MAT-file", r"scipy\.io\.loadmat"),
    "MATLAB 7.3": (b"MATLAB 7.3 MAT-file".ljust(512) + HDF5_MAGIC, "-v7"),
    "netCDF 3": (b"CDF\x01\0\0", r"xarray\.open_dataset"),
    "a pickle": (b"\x80\x04\x95", "pickles can run any code"),
    "HDF5 by gzip": (gzip.compress(HDF5_MAGIC), "gunzip"),
    ".npy by xz": (lzma.compress(b"\x93NUMPY\x01\0"), "unxz"),
    "a tar archive": (tar, "tar xf"),
    "a zip archive of others": (members(**{"data.h5ad": HDF5_MAGIC}), "zipfile -e"),
    "a zipped folder that is a store": (members(**{"a.zarr__zarr.json": "{}"}), "zipfile -e"),
    "nothing": (b"", "empty file"),
    "a web page": (b"<!DOCTYPE html><html>", "download it again"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "noise": (bytes(range(256)), "unknown kind of file"),
    "csr": (sparse_npz(sparse.csr_array(A)), "dnmf convert"),
    "coo": (sparse_npz(sparse.coo_array(A)), "dnmf convert"),
    "bsr": (sparse_npz(sparse.bsr_array(A)), r"tocsr\(\)"),
    "dia": (sparse_npz(sparse.dia_array(np.eye(3))), r"tocsr\(\)"),
    "dense .npz": (npz(counts=A), r"numpy\.save\('matrix\.npy', numpy\.load\('\S+'\)\['counts'\]\)"),
    ".npy": (lambda path: np.save(path.open("wb"), A), "dnmf convert"),
}  # fmt: skip


def put(path, content):
    path.write_bytes(content) if isinstance(content, bytes) else content(path)
    return path


@pytest.mark.parametrize("suffix", ["", ".dat"])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_read_in_parts_is_refused_with_the_way_that_works(tmp_path, kind, suffix):
    content, way = REFUSED[kind]
    path = put(tmp_path / f"data{suffix}", content)
    with pytest.raises(InputError, match=way) as error:
        dnmf.open_source(path)
    assert str(path) in str(error.value)
    assert "{" not in str(error.value)


def said_by(call, *given):
    try:
        call(*given)
    except InputError as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("kind", [kind for kind in REFUSED if kind != "a directory of 10x"])
def test_what_is_sent_to_convert_is_what_convert_reads(tmp_path, kind):
    """All else convert refuses in the same words."""
    path = put(tmp_path / "data", REFUSED[kind][0])
    opened, converted = said_by(dnmf.open_source, path), said_by(dnmf.convert, path, tmp_path / "out.zarr")
    assert converted == ("" if "dnmf convert /" in opened else opened)


@pytest.mark.parametrize(
    "name", ["a.mtx", "A.MTX.GZ", "a.npy", "a.npz", "a.mtx.zst"]
)  # fmt: skip
def test_a_damaged_file_is_of_the_kind_its_name_says(tmp_path, name):
    path = put(tmp_path / name, b"\x01\x02damage")
    assert format_of(path).use == "convert"
    with pytest.raises(InputError, match=r"(?i)a\.(mtx|np)"):
        dnmf.convert(path, tmp_path / "out.zarr")


@pytest.mark.broad(3)
@pytest.mark.parametrize("name", ["a.H5AD", "a.hdf", "a", "a.h5mu", "a.npz"])
def test_hdf5_is_recognized_whatever_its_name(tmp_path, name):
    with h5py.File(tmp_path / name, "w") as file:
        file["X"] = A
    source = dnmf.open_source(tmp_path / name)
    np.testing.assert_array_equal(source.read(3, 9), A[3:9])
    model = dnmf.fit(tmp_path / name, 3, max_passes=2)
    dnmf.convert(tmp_path / name, tmp_path / "out.zarr")
    np.testing.assert_array_equal(dnmf.open_source(tmp_path / "out.zarr").read(0, 40), A)
    assert model.rank == 3


def test_hdf5_behind_a_block_of_the_user_is_recognized(tmp_path):
    with h5py.File(tmp_path / "a", "w", userblock_size=1024) as file:
        file["X"] = A
    np.testing.assert_array_equal(dnmf.open_source(tmp_path / "a").read(0, 40), A)


def zipped(path):
    with zarr.storage.ZipStore(path, mode="w") as store, zarr.config.set({"array.write_empty_chunks": True}):
        zarr.create_array(store, data=A, chunks=(7, 12))
    return path


@pytest.mark.slow
def test_a_zipped_store_is_read_by_path(tmp_path):
    source = dnmf.open_source(zipped(tmp_path / "a.zarr.zip"))
    np.testing.assert_array_equal(source.read(5, 30), A[5:30])
    first = dnmf.fit(tmp_path / "a.zarr.zip", 3, max_passes=3)
    np.testing.assert_array_equal(first.H, dnmf.fit(A, 3, max_passes=3).H)
    dnmf.convert(tmp_path / "a.zarr.zip", tmp_path / "out.zarr")
    np.testing.assert_array_equal(dnmf.open_source(tmp_path / "out.zarr").read(0, 40), A)


def test_a_chunk_missing_in_a_zipped_store_is_refused(tmp_path):
    zipped(tmp_path / "whole.zip")
    with zipfile.ZipFile(tmp_path / "whole.zip") as whole, zipfile.ZipFile(tmp_path / "a.zip", "w") as part:
        for name in whole.namelist():
            if name != "c/1/0":
                part.writestr(name, whole.read(name))
    with pytest.raises(InputError, match="chunk c/1/0 .* missing"):
        dnmf.fit(tmp_path / "a.zip", 3)


def test_a_zipped_store_that_was_replaced_has_another_fingerprint(tmp_path):
    before = dnmf.open_source(zipped(tmp_path / "a.zip")).fingerprint()
    assert dnmf.open_source(tmp_path / "a.zip").fingerprint() == before
    (tmp_path / "a.zip").unlink()
    assert dnmf.open_source(zipped(tmp_path / "a.zip")).fingerprint() != before


@pytest.mark.parametrize("kind", [list, tuple, set])
@pytest.mark.parametrize("call", [dnmf.open_source, lambda data: dnmf.convert(data, "out.zarr")])
def test_several_paths_are_refused(tmp_path, kind, call):
    paths = kind([str(tmp_path / "a.zarr"), str(tmp_path / "b.zarr")])
    with pytest.raises(InputError, match="path"):
        call(paths)


def test_a_blank_in_the_name_of_a_store_makes_it_no_text(tmp_path):
    (tmp_path / "my data.zarr").mkdir()
    with pytest.raises(InputError, match="a list of paths is not a matrix"):
        dnmf.open_source([str(tmp_path / "my data.zarr"), str(tmp_path / "more data.zarr")])


def test_a_pipe_is_not_read(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    assert contents_of(tmp_path / "pipe").head == b""
    with pytest.raises(InputError, match="a pipe, a socket or a device"):
        dnmf.open_source(tmp_path / "pipe")

"""A target is whole or absent, and what was there before stays until the new one is complete."""

import subprocess
import sys
import textwrap
import time

import anndata
import numpy as np
import pytest
from random_matrices import random_csr
from scipy import sparse

from dnmf.conversion import convert
from dnmf.errors import DnmfError, InputError


@pytest.fixture
def sources(tmp_path):
    matrix = random_csr((300, 20), 0.3)
    sparse.save_npz(tmp_path / "csr.npz", matrix)
    sparse.save_npz(tmp_path / "csc.npz", matrix.tocsc())
    np.save(tmp_path / "dense.npy", matrix.toarray())
    (tmp_path / "text.mtx").write_text("%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 1\n2 2 5\n")
    return ["csr.npz", "csc.npz", "dense.npy", "text.mtx"]


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("interrupt", [StoppedError, KeyboardInterrupt])
@pytest.mark.parametrize("calls", [1, 2])
def test_an_exception_midway_leaves_nothing(tmp_path, sources, nothing_left, interrupt, calls):
    for source in sources:
        count = 0

        def stop(done, total):
            nonlocal count
            count += 1
            if count == calls:
                raise interrupt

        try:
            convert(tmp_path / source, tmp_path / "out.zarr", progress=stop)
        except interrupt:
            nothing_left(*sources)
        else:
            assert count < calls
            convert(tmp_path / source, tmp_path / "out.zarr", overwrite=True)
            break


@pytest.mark.slow
def test_progress_rises_to_the_total(tmp_path, sources):
    for source in sources:
        seen: list[tuple[int, int]] = []
        convert(
            tmp_path / source,
            tmp_path / "out.zarr",
            overwrite=True,
            progress=lambda done, total, seen=seen: seen.append((done, total)),
        )
        done, totals = zip(*seen, strict=True)
        assert len(set(totals)) == 1
        assert list(done) == sorted(done)
        assert done[-1] == totals[0]


def test_an_existing_target_is_refused_and_not_touched(tmp_path, sources):
    convert(tmp_path / "text.mtx", tmp_path / "out.zarr")
    before = (tmp_path / "out.zarr" / "zarr.json").stat().st_mtime_ns
    with pytest.raises(InputError, match="exists already"):
        convert(tmp_path / "csr.npz", tmp_path / "out.zarr")
    assert (tmp_path / "out.zarr" / "zarr.json").stat().st_mtime_ns == before


def test_an_old_target_is_replaced_only_by_a_complete_one(tmp_path, sources, nothing_left):
    convert(tmp_path / "text.mtx", tmp_path / "out.zarr")
    (tmp_path / "bad.mtx").write_text("%%MatrixMarket matrix coordinate real general\n9 9 1\n1 1 -1\n")
    with pytest.raises(InputError, match="negative"):
        convert(tmp_path / "bad.mtx", tmp_path / "out.zarr", overwrite=True)
    assert anndata.read_zarr(tmp_path / "out.zarr").shape == (2, 2)
    convert(tmp_path / "csr.npz", tmp_path / "out.zarr", overwrite=True)
    assert anndata.read_zarr(tmp_path / "out.zarr").shape == (300, 20)
    nothing_left(*sources, "bad.mtx", "out.zarr")


def test_only_what_convert_wrote_is_ever_replaced(tmp_path, sources):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("…")
    for target in ("mine", "text.mtx"):
        with pytest.raises(InputError, match="is not marked as written by dnmf convert"):
            convert(tmp_path / "csr.npz", tmp_path / target, overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_source_and_target_must_not_overlap(tmp_path, sources):
    convert(tmp_path / "text.mtx", tmp_path / "out.zarr")
    for target in (tmp_path / "out.zarr", tmp_path / "out.zarr" / "inside.zarr", tmp_path):
        with pytest.raises(InputError, match="overlap"):
            convert(tmp_path / "out.zarr", target, overwrite=True)


@pytest.mark.slow
def test_what_a_killed_conversion_left_is_removed_by_the_next(tmp_path, sources, nothing_left):
    script = textwrap.dedent(f"""
        import time
        from dnmf.conversion import convert
        def wait(done, total):
            print("begun", flush=True)
            time.sleep(60)
        convert({str(tmp_path / "csc.npz")!r}, {str(tmp_path / "out.zarr")!r}, progress=wait)
    """)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"begun\n"
    (left,) = tmp_path.glob(".out.zarr.converting-*")
    convert(tmp_path / "text.mtx", tmp_path / "out.zarr")
    assert left.exists(), "another conversion at work is left alone"
    process.kill()
    process.wait()
    assert anndata.read_zarr(tmp_path / "out.zarr").shape == (2, 2)
    for _ in range(50):  # the lock goes with the process, not before
        convert(tmp_path / "text.mtx", tmp_path / "out.zarr", overwrite=True)
        if not left.exists():
            break
        time.sleep(0.1)
    nothing_left(*sources, "out.zarr")


def test_an_old_target_moved_aside_by_a_killed_conversion_comes_back(tmp_path, sources, nothing_left):
    convert(tmp_path / "csr.npz", tmp_path / "out.zarr")
    work = tmp_path / ".out.zarr.converting-killed"
    work.mkdir()
    (work / "lock").touch()
    (tmp_path / "out.zarr").rename(work / "replaced")
    with pytest.raises(InputError, match="exists already"):
        convert(tmp_path / "text.mtx", tmp_path / "out.zarr")
    assert anndata.read_zarr(tmp_path / "out.zarr").shape == (300, 20)
    nothing_left(*sources, "out.zarr")


def test_a_target_that_cannot_be_written_is_one_error(tmp_path, sources, monkeypatch, nothing_left):
    from dnmf.conversion import buckets

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(buckets, "_scatter", full)
    with pytest.raises(DnmfError, match=r"out\.zarr: cannot be written: .*No space left"):
        convert(tmp_path / "csc.npz", tmp_path / "out.zarr")
    nothing_left(*sources)


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        ("none.mtx", "out.zarr", {}, "nothing at this path"),
        ("csr.npz", "no/such/out.zarr", {}, "directory does not exist"),
        ("table.csv", "out.zarr", {}, "a table of text"),
        ("", "out.zarr", {}, "overlap|neither a Zarr store"),
        ("csr.npz::X", "out.zarr", {}, "only Zarr stores and .h5ad"),
        ("csr.npz", "out.zarr", {"dtype": "complex64"}, "dtype='complex64': use one of"),
        ("csr.npz", "out.zarr", {"dtype": "float16"}, "dtype='float16': use one of"),
        ("csr.npz", "out.zarr", {"zarr_format": 4}, "zarr_format=4"),
        ("csr.npz", "out.zarr", {"chunk_bytes": 0}, "chunk_bytes=0"),
        ("csr.npz", "out.zarr", {"memory_bytes": 1000}, "memory_bytes=1000: a whole number from 1048576"),
        ("csr.npz", "https://host/out.zarr", {}, "to a directory or to object storage"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(tmp_path, sources, nothing_left, source, target, options, message):
    (tmp_path / "table.csv").write_text("1,2\n")
    target = target if "://" in target else tmp_path / target
    with pytest.raises(InputError, match=message):
        convert(f"{tmp_path}/{source}", target, **options)
    nothing_left(*sources, "table.csv")


@pytest.mark.broad(6)
@pytest.mark.parametrize(
    ("source", "target"),
    [
        (None, "out.zarr"), (5, "out.zarr"), (b"csr.npz", "out.zarr"), (["csr.npz"], "out.zarr"),
        (np.ones((2, 2)), "out.zarr"), ("x" * 5000, "out.zarr"), ("a\0b", "out.zarr"), ("csr.npz/x", "out.zarr"),
        ("csr.npz", None), ("csr.npz", 5), ("csr.npz", "a\0b"), ("csr.npz", "x" * 5000), ("csr.npz", "."),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_no_path_is_refused(tmp_path, sources, nothing_left, monkeypatch, source, target):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DnmfError):
        convert(source, target)
    nothing_left(*sources)


def test_a_home_is_expanded(tmp_path, sources, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert convert("~/csr.npz", "~/out.zarr").target == tmp_path / "out.zarr"

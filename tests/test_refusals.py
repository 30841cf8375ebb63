"""What a system refuses is said in words: no message of dnmf has the numbers of its errors."""

import errno
import os
import re
from pathlib import Path

import numpy as np
import pytest
import zarr

import dnmf
from dnmf.passes import rows_out
from dnmf.passes.rows_out import create_rows_array, open_rows_out, write_rows
from dnmf.refusals import in_words, told

FULL = OSError(errno.ENOSPC, "No space left on device", "c/0/0")
NUMBERED = re.compile(r"\[Errno")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FULL, "c/0/0: No space left on device"),
        (FileNotFoundError(2, "No such file or directory"), "No such file or directory"),
        (OSError("[Errno 2] Unable to open file"), "OSError: Unable to open file"),
        (ValueError("a\n  b"), "ValueError: a b"),
        (EOFError(), "EOFError"),
    ],
)
def test_an_error_is_told_without_its_number(error, words):
    assert told(error) == words
    assert not isinstance(error, OSError) or not NUMBERED.search(in_words(error))


class Full:
    """An array on a disk that is full."""

    chunks = (2, 1)

    def __setitem__(self, rows, values):
        raise FULL


def write_into_a_full_array(path, monkeypatch):
    monkeypatch.setattr(rows_out, "open_for_writing", lambda path: Full())
    write_rows(str(path / "W.zarr"), (4, 1), 2, "float32", lambda low, high: np.zeros((high - low, 1)))


def write_rows_of_a_pass(path, monkeypatch):
    monkeypatch.setattr(rows_out, "open_for_writing", lambda path: Full())
    open_rows_out(str(path / "W.zarr"), 0, 2).write(0, np.zeros((2, 1)))


def write_where_nothing_is(path, monkeypatch):
    open_rows_out(str(path / "nothing" / "W.zarr"), 0, 2).write(0, np.zeros((2, 1)))


def make_below_a_file(path, monkeypatch):
    (path / "file").write_text("")
    create_rows_array(str(path / "file" / "W.zarr"), (4, 1), 2, "float32")


def convert_onto_a_full_disk(path, monkeypatch):
    def full(*_, **__):
        raise FULL

    np.save(path / "a.npy", np.eye(3))
    monkeypatch.setattr("dnmf.conversion.to_zarr.write_matrix", full)
    dnmf.convert(path / "a.npy", path / "a.zarr")


def read_a_file_that_is_damaged(path, monkeypatch):
    (path / "a.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    dnmf.fit(path / "a.h5ad", 1)


def read_a_chunk_that_is_a_directory(path, monkeypatch):
    zarr.create_array(path / "a.zarr", data=np.eye(4), chunks=(2, 4))
    os.remove(path / "a.zarr" / "c" / "0" / "0")
    os.mkdir(path / "a.zarr" / "c" / "0" / "0")
    dnmf.fit(path / "a.zarr", 1)


@pytest.mark.parametrize(
    "refused",
    [
        write_into_a_full_array, write_rows_of_a_pass, write_where_nothing_is, make_below_a_file,
        convert_onto_a_full_disk, read_a_file_that_is_damaged, read_a_chunk_that_is_a_directory,
    ],
    ids=lambda call: call.__name__,
)  # fmt: skip
def test_no_message_has_the_number_of_an_error(refused, tmp_path, monkeypatch):
    with pytest.raises(dnmf.DnmfError) as found:
        refused(tmp_path, monkeypatch)
    assert not NUMBERED.search(str(found.value))
    assert "\n" not in str(found.value)


def test_a_full_disk_is_named_and_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(dnmf.CheckpointError, match=r"W cannot be written: .*No space left on device; free some room"):
        write_into_a_full_array(Path(tmp_path), monkeypatch)

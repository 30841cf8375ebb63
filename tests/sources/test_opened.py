"""What a process opens: once for all tasks of a fit, anew for whoever opens it anew."""

import pickle

import h5py
import numpy as np
import pytest
import zarr

from dnmf.errors import InputError
from dnmf.sources import stored
from dnmf.sources.opened import OpenedArrays
from dnmf.sources.stored import StoredArray


@pytest.fixture
def openings(monkeypatch):
    """The paths that are opened from now on, in a process that has opened nothing yet."""
    opened, open_node = [], stored.open_node

    def watched(path, inner):
        opened.append(path)
        return open_node(path, inner)

    monkeypatch.setattr(stored, "open_node", watched)
    monkeypatch.setattr(stored, "OPENED", OpenedArrays())
    return opened


def dense(path, value):
    zarr.create_array(path, data=np.full((6, 2), value), chunks=(3, 2), overwrite=True)
    return str(path)


def test_tasks_that_come_to_a_process_one_after_the_other_open_an_array_once(tmp_path, openings):
    array = StoredArray(dense(tmp_path / "a.zarr", 1.0), "")
    tasks = [pickle.loads(pickle.dumps(array)) for _ in range(5)]
    assert all((task.read(0, 6) == 1.0).all() for task in tasks)
    assert len(openings) == 1


def test_data_that_was_replaced_and_opened_again_is_not_taken_for_what_it_was(tmp_path, openings):
    StoredArray(dense(tmp_path / "a.zarr", 1.0), "").read(0, 6)
    zarr.create_array(tmp_path / "a.zarr", data=np.full((4, 3), 2.0), chunks=(2, 3), overwrite=True)
    again = pickle.loads(pickle.dumps(StoredArray(tmp_path / "a.zarr", "")))
    assert again.shape == (4, 3)
    assert (again.read(0, 4) == 2.0).all()
    assert len(openings) == 2


def test_an_HDF5_file_is_closed_with_the_task_that_opened_it(tmp_path, openings):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"] = np.ones((6, 2))
    array = StoredArray(tmp_path / "a.h5", "X")
    for _ in range(3):
        assert (pickle.loads(pickle.dumps(array)).read(0, 6) == 1.0).all()
    assert len(openings) == 4


def test_what_could_not_be_read_is_opened_anew(tmp_path, openings):
    array = StoredArray(dense(tmp_path / "a.zarr", 1.0), "")
    chunk = tmp_path / "a.zarr" / "c" / "1" / "0"
    stored_bytes = chunk.read_bytes()
    chunk.write_bytes(stored_bytes[:-3])
    for _ in range(2):
        with pytest.raises(InputError, match="cannot be read"):
            pickle.loads(pickle.dumps(array)).read(0, 6)
    chunk.write_bytes(stored_bytes)
    assert (pickle.loads(pickle.dumps(array)).read(0, 6) == 1.0).all()
    assert len(openings) == 3  # once by the user, once after each failure


def test_an_opening_that_fails_is_tried_again():
    opened, answers = OpenedArrays(), iter([OSError("away"), "here"])

    def open_it():
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    with pytest.raises(OSError, match="away"):
        opened.get("a", open_it)
    assert opened.get("a", open_it) == opened.get("a", open_it) == "here"


def test_what_was_not_used_for_longest_is_let_go_of_first():
    opened, made = OpenedArrays(most=2), []

    def opening(mark):
        return opened.get(mark, lambda: made.append(mark) or mark)

    assert [opening(mark) for mark in "abacab"] == list("abacab")
    assert made == ["a", "b", "c", "b"]

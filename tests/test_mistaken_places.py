"""A run that is not where it was, data given for a run, a run given for data, and other data given to go on with."""

import re

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import zarr
from command_line import call

import dnmf

A = np.random.default_rng(0).random((30, 9)).astype(np.float32)
FRAME = pd.DataFrame(A, index=[f"cell {i}" for i in range(30)], columns=[f"gene {j}" for j in range(9)])
DASK = da.from_array(A, chunks=(10, 9))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    zarr.create_array("data.zarr", data=A, chunks=(10, 9))
    np.save("data.npy", A)
    return tmp_path


def begun(data=FRAME):
    return dnmf.fit(data, 2, max_passes=2, store="run.dnmf")


@pytest.mark.parametrize(
    "opened",
    [begun, lambda: begun() and dnmf.load("run.dnmf"), lambda: dnmf.fit(FRAME, 2, max_passes=2).save("run.dnmf")],
    ids=["fitted", "loaded", "saved"],
)
def test_a_model_stays_readable_when_the_working_directory_changes(here, monkeypatch, opened):
    model = opened()
    before = model.read_W()
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert model.path == here / "run.dnmf"
    np.testing.assert_array_equal(model.W.compute(), before)
    assert model.top(1, side="W").names().keys() == {0, 1}


@pytest.mark.broad(3)
@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.W.compute(),
        lambda model: model.top(side="W"),
        lambda model: model.top(),
        lambda model: model.transform(FRAME),
        lambda model: model.row_names,
    ],
    ids=["W", "top of W", "top", "transform", "names"],
)
def test_whatever_is_read_of_a_run_that_was_moved_says_to_load_it_from_where_it_is(here, use):
    begun()
    model = dnmf.load("run.dnmf")
    (here / "run.dnmf").rename(here / "moved.dnmf")
    with pytest.raises(dnmf.CheckpointError, match=r"run\.dnmf/.* is gone\. Was its store moved .*dnmf\.load"):
        use(model)


@pytest.mark.parametrize("door", [dnmf.load, dnmf.resume, dnmf.load_path, dnmf.resume_path])
@pytest.mark.parametrize(("data", "kind"), [("data.zarr", "a Zarr store"), ("data.npy", "an .npy file")])
def test_data_is_no_run(here, door, data, kind):
    with pytest.raises(dnmf.CheckpointError, match=rf"{data}: is data \({re.escape(kind)}\), not a run; .*dnmf\.fit"):
        door(data)


@pytest.mark.parametrize(
    "use",
    [
        lambda: dnmf.fit("run.dnmf", 2),
        lambda: dnmf.open_source("run.dnmf::X"),
        lambda: begun_model().transform("run.dnmf"),
        lambda: dnmf.conversion.convert("run.dnmf", "out.zarr"),
    ],
    ids=["fit", "open_source", "transform", "convert"],
)
def test_a_run_is_no_data(here, use):
    begun()
    with pytest.raises(
        dnmf.InputError,
        match=r"run\.dnmf: a run of dnmf; not a matrix: dnmf resume .*inspect .*dnmf\.load.*transform [^;]*$",
    ):
        use()


def begun_model():
    return dnmf.load("run.dnmf")


@pytest.mark.broad(2)
@pytest.mark.parametrize(
    ("first", "then", "told"),
    [
        (DASK, "data.zarr", "(a dask array, which cannot be compared with stored data)"),
        (DASK, A, "(a dask array, which cannot be compared with an array in memory)"),
        ("data.zarr", DASK, "(stored data, which cannot be compared with a dask array)"),
        (DASK, da.from_array(A + 1, chunks=(7, 9)),
         "(by its name or its chunks another dask array, or one that was made in another way)"),
        (DASK, da.from_array(A[:, 1:], chunks=(10, 8)),
         "(shape: [30, 9] → [30, 8]; by its name or its chunks another dask array"),
    ],
    ids=["dask to stored", "dask to memory", "stored to dask", "another dask array", "another shape"],
)  # fmt: skip
def test_what_cannot_be_compared_with_the_data_of_the_fit_is_said_in_one_sentence(here, first, then, told):
    begun(first)
    with pytest.raises(dnmf.CheckpointError, match=rf"not what the fit began with {re.escape(told)}"):
        dnmf.resume("run.dnmf", source=then, max_passes=5)


@pytest.mark.parametrize(
    "command", [["status"], ["resume"], ["plot", "--out", "a.png"], ["transform", "--out", "W.zarr"]]
)
def test_commands_say_that_data_is_no_run(here, command):
    name, *rest = command
    result = call(name, "data.zarr", *(["data.zarr"] if name == "transform" else []), *rest)
    assert result.exit_code != 0
    assert "data.zarr: is data (a Zarr store), not a run" in result.stderr

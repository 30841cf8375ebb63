"""Arrays of more than two axes on the command line: ``--row-axes``, and what knows them afterwards."""

import json

import numpy as np
import pytest
import zarr
from command_line import assert_one_clear_line, call

import dnmf

CUBE = (np.random.default_rng(0).random((30, 4, 6)) ** 3).astype(np.float32)


@pytest.fixture
def cube(tmp_path):
    path = tmp_path / "cube.zarr"
    zarr.create_array(path, shape=CUBE.shape, chunks=(10, 4, 3), dtype="f4", dimension_names=("time", "y", "x"))[:] = (
        CUBE
    )
    return path


@pytest.mark.broad(2)
@pytest.mark.parametrize(("asked", "rows"), [("time", (0,)), ("0", (0,)), ("x, time", (2, 0)), ("-1", (2,))])
def test_a_fit_knows_the_axes_of_its_rows(cube, tmp_path, asked, rows):
    result = call("fit", cube, "--row-axes", asked, "--rank", 2, "--store", tmp_path / "run.dnmf")
    assert result.exit_code == 0, result.output
    assert dnmf.load(tmp_path / "run.dnmf").unfolding.rows == rows


@pytest.mark.slow
def test_what_is_said_of_the_data_says_which_they_are(cube, tmp_path):
    words = "time: 30 make the rows, y: 4, x: 6 the columns"
    assert words in call("inspect", cube, "--row-axes", "time").stdout
    store = tmp_path / "run.dnmf"
    call("fit", cube, "--row-axes", "time", "--rank", 2, "--store", store)
    assert words in call("status", store).stdout
    assert words in call("inspect", store).stdout
    found = json.loads(call("status", store, "--json").stdout)
    assert found["unfolding"]["rows"] == [0]


@pytest.mark.slow
def test_a_run_goes_on_and_other_data_is_transformed_without_saying_it_again(cube, tmp_path):
    store = tmp_path / "run.dnmf"
    call("fit", cube, "--row-axes", "x,time", "--rank", 2, "--tol", 0, "--max-passes", 2, "--store", store)
    assert call("resume", store, "--max-passes", 4).exit_code == 0
    assert len(dnmf.load(store).history) == 4
    result = call("transform", store, cube, "--out", tmp_path / "W.zarr")
    assert result.exit_code == 0, result.output
    assert zarr.open(tmp_path / "W.zarr").shape == (180, 2)


def test_who_does_not_say_them_is_told_how_in_one_line(cube, tmp_path):
    result = call("fit", cube, "--rank", 2, "--store", tmp_path / "run.dnmf")
    assert_one_clear_line(result, "--row-axes time")
    assert_one_clear_line(call("inspect", cube, "--row-axes", "band"), "no axis 'band' among time: 30, y: 4, x: 6")


@pytest.mark.slow
def test_a_plane_is_drawn_without_saying_its_shape(cube, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    store = tmp_path / "run.dnmf"
    call("fit", cube, "--row-axes", "time", "--rank", 2, "--store", store)
    assert call("plot", store, "--kind", "images", "--out", tmp_path / "a.png").exit_code == 0
    assert call("report", store, "--out", tmp_path / "r.html").exit_code == 0
    assert "as images" in (tmp_path / "r.html").read_text(encoding="utf-8")


STUDIES = {
    "ranks": ("--ranks", "2,3", "--folds", 2),
    "path": ("--rank", 2, "--l1", "0,1", "--strengths", "0,0.1"),
    "consensus": ("--rank", 2),
}


@pytest.mark.broad(1)
@pytest.mark.parametrize("study", STUDIES)
def test_studies_take_them_too(cube, tmp_path, study):
    store = tmp_path / "study.dnmf"
    told = ("--row-axes", "time", *STUDIES[study], "--seeds", 2, "--max-passes", 3, "--store", store)
    result = call(study, cube, *told)
    assert result.exit_code == 0, result.output
    assert "time: 30 make the rows" in call("status", store).stdout


@pytest.mark.broad(1)
@pytest.mark.parametrize("axes", ["time", "x,time"])
def test_a_matrix_that_was_unfolded_before_is_transformed_too(cube, tmp_path, axes):
    store, flat = tmp_path / "run.dnmf", tmp_path / "flat.zarr"
    call("fit", cube, "--row-axes", axes, "--rank", 2, "--store", store)
    shape = dnmf.load(store).shape
    zarr.create_array(flat, data=np.ones(shape, np.float32), chunks=(10, shape[1]))
    assert call("transform", store, flat, "--out", tmp_path / "W.zarr").exit_code == 0
    assert_one_clear_line(call("inspect", flat, "--row-axes", "1"), "has rows and columns already")

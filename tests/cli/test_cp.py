"""``dnmf cp`` on the command line, and what the other commands say of its runs."""

import json

import numpy as np
import pytest
import zarr
from command_line import assert_one_clear_line, call
from cubes import planted

import dnmf


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    path = tmp_path_factory.mktemp("cube") / "cube.zarr"
    values = planted((40, 6, 5), 2, noise=0.05)[0].astype("f4")
    zarr.create_array(path, data=values, chunks=(10, 6, 5), dimension_names=("time", "place", "band"))
    return path


@pytest.fixture(scope="module")
def run(cube, tmp_path_factory):
    store = tmp_path_factory.mktemp("run") / "cp.dnmf"
    result = call("cp", cube, "--rank", 2, "--store", store)
    assert result.exit_code == 0, result.output
    return store


def test_it_is_that_of_the_library(cube, run):
    model = dnmf.load(run)
    assert isinstance(model, dnmf.CPModel)
    np.testing.assert_array_equal(model.H, dnmf.cp(cube, 2).H)


def test_every_option_is_handed_on(cube, tmp_path):
    given = ["--row-axes", "place", "--init", "random", "--seed", 3, "--solver", "hals", "--sweeps", 2,
             "--dtype", "float64", "--tol", 0.01, "--max-passes", 5, "--truncated-rows",
             "--no-extrapolate", "--l1", "0.1,0", "--l2", "0,0.2", "--prune", "off"]  # fmt: skip
    assert call("cp", cube, "--rank", 2, "--store", tmp_path / "cp.dnmf", *given).exit_code == 0
    model = dnmf.load(tmp_path / "cp.dnmf")
    asked = model.options
    assert model.long_axis == "place"
    assert (asked.init, asked.seed, asked.solver, asked.sweeps, asked.dtype) == ("random", 3, "hals", 2, "float64")
    assert (asked.penalty, asked.prune) == (dnmf.Penalty((0.1, 0), (0, 0.2), "objective"), "off")
    assert (asked.tol, asked.max_passes, asked.exact_rows, asked.extrapolate) == (0.01, 5, False, False)


def test_strengths_for_each_axis_are_handed_on(cube, tmp_path):
    given = ["--l1", "0,0.2,0.1", "--l2", "0.3,0,0.5"]
    assert call("cp", cube, "--rank", 2, "--store", tmp_path / "cp.dnmf", *given).exit_code == 0
    penalty = dnmf.load(tmp_path / "cp.dnmf").options.penalty
    assert penalty == dnmf.Penalty((0, 0.2, 0.1), (0.3, 0, 0.5), "objective")
    refused = call("cp", cube, "--rank", 2, "--store", tmp_path / "no.dnmf", "--l1", "1,2,3,4")
    assert "for 4 factors, and there are 3" in refused.stderr
    assert refused.exit_code


def test_what_was_observed_and_the_loss_are_handed_on(cube, tmp_path):
    seen = np.ones(zarr.open_array(cube).shape, bool)
    seen[2, 3] = False
    zarr.create_array(tmp_path / "seen.zarr", data=seen)
    given = ["--loss", "kullback-leibler", "--mask", tmp_path / "seen.zarr"]
    assert call("cp", cube, "--rank", 2, "--store", tmp_path / "cp.dnmf", *given).exit_code == 0
    expected = dnmf.cp(cube, 2, loss="kullback-leibler", mask=seen)
    np.testing.assert_array_equal(dnmf.load(tmp_path / "cp.dnmf").H, expected.H)
    assert call("cp", cube, "--rank", 2, "--store", tmp_path / "i.dnmf", "--implicit", 2).exit_code == 0
    assert dnmf.load(tmp_path / "i.dnmf").options.implicit == 2


def test_the_strongest_entries_along_each_axis_are_shown(run):
    shown = call("inspect", run, "--top", 2).stdout
    assert "strongest along place and band" in shown
    found = json.loads(call("inspect", run, "--json", "--top", 1).stdout)
    assert [next(iter(entry)) for entry in found["components"][0]["top"]] == ["place", "band"]
    assert "leads rows" in call("inspect", run, "--side", "W").stdout


def test_it_goes_on_and_is_done_by_the_same_line(cube, tmp_path):
    line = ["cp", cube, "--rank", 2, "--tol", 0, "--init", "random", "--store", tmp_path / "cp.dnmf", "--resume"]
    assert call(*line, "--max-passes", 2).exit_code == 0
    assert call(*line, "--max-passes", 4).exit_code == 0
    assert len(dnmf.load(tmp_path / "cp.dnmf").history) == 4
    assert_one_clear_line(
        call("fit", cube, "--rank", 2, "--row-axes", "time", "--store", tmp_path / "cp.dnmf", "--resume"),
        "structure: cp → matrix",
    )


def test_new_slabs_are_transformed(cube, run, tmp_path):
    assert call("transform", run, cube, "--out", tmp_path / "W.zarr").exit_code == 0
    np.testing.assert_allclose(zarr.open(tmp_path / "W.zarr")[:], dnmf.load(run).read_W(), rtol=1e-4, atol=1e-7)


def test_it_is_drawn_along_all_axes_and_reported(run, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")
    for kind in ([], ["--kind", "modes"]):
        assert call("plot", run, "--out", tmp_path / "p.png", "--overwrite", *kind).exit_code == 0
    assert call("report", run, "--out", tmp_path / "r.html").exit_code == 0
    assert "strongest along place" in (tmp_path / "r.html").read_text()


def test_a_matrix_is_refused_in_one_line(tmp_path):
    zarr.create_array(tmp_path / "matrix.zarr", data=np.ones((4, 3)))
    assert_one_clear_line(
        call("cp", tmp_path / "matrix.zarr", "--rank", 1, "--store", tmp_path / "cp.dnmf"), "is a matrix", "dnmf fit"
    )

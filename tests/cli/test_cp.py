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


@pytest.mark.slow
@pytest.mark.parametrize("command", [("path", "--rank", 2, "--strengths", 1), ("ranks", "--ranks", 2, "--seeds", 1)])
def test_the_strengths_of_studies_of_cp_are_those_of_its_objective(cube, tmp_path, command):
    name, *asked = command
    given = [name, cube, *asked, "--structure", "cp", "--l2", 0.1, "--max-passes", 2, "--store", tmp_path / "s.dnmf"]
    assert call(*given).exit_code == 0
    study = (dnmf.load_path if name == "path" else dnmf.load_ranks)(tmp_path / "s.dnmf")
    assert study.options.fit.penalty == dnmf.Penalty(l2=0.1, scale="objective")


def test_strengths_that_cannot_be_are_refused_in_the_words_of_the_command(cube, tmp_path):
    cp = ["cp", cube, "--rank", 2, "--store", tmp_path / "no.dnmf"]
    assert_one_clear_line(call(*cp, "--l1", "0,0.1,0,0"), "--l1=(0.0, 0.1, 0.0, 0.0) is for 4 factors, and there are 3")
    assert_one_clear_line(call(*cp, "--l1", "0,0.1,0"), "on some axes alone")
    assert "nor, of a CP, one for each axis such as 0.1,0,0.1" in call(*cp, "--l1", "a").stderr
    path = ["path", cube, "--rank", 2, "--strengths", 1, "--structure", "cp", "--store", tmp_path / "no.dnmf"]
    refused = call(*path, "--l2", 1, "--penalty-scale", "relative")
    assert_one_clear_line(refused, "say --penalty-scale objective, or --penalty-scale fraction")
    assert_one_clear_line(call(*path, "--angular", 1), "--angular: that of a CP is L1 and L2; leave it out")


@pytest.mark.parametrize("command", ["fit", "inspect"])
def test_an_array_without_axes_of_rows_is_said_to_be_one_for_cp(cube, tmp_path, command):
    given = ["--rank", 2, "--store", tmp_path / "no.dnmf"] if command == "fit" else []
    assert_one_clear_line(call(command, cube, *given), "dnmf cp; of paths and ranks structure='cp', --structure cp")


def test_a_file_of_numpy_is_converted_by_the_command_that_its_refusal_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("film.npy", planted((40, 6, 5), 2)[0])
    refused = call("cp", "film.npy", "--rank", 2, "--store", "no.dnmf").stderr
    command = refused.rpartition("dnmf convert ")[2].split()
    assert command[1:] == ["out.zarr", "--row-axes", "longest"]
    assert call("convert", *command).exit_code == 0
    np.save("matrix.npy", np.ones((4, 3)))
    refused = call("fit", "matrix.npy", "--rank", 2, "--store", "no.dnmf").stderr
    assert refused.endswith("matrix.npy out.zarr\n")


def test_labels_along_the_axes_are_told(tmp_path):
    table = tmp_path / "plays.csv"
    table.write_text("user,song,month,plays\nann,x,may,1\nbob,y,june,2\nann,y,june,3\n")
    long = ["--long", "user,song,month,plays", "--row-axes", "user"]
    words = "labels along user, song, month\n"
    assert words in call("convert", table, tmp_path / "plays.zarr", *long).stdout
    assert words in call("inspect", tmp_path / "plays.zarr").stdout
    assert call("cp", tmp_path / "plays.zarr", "--rank", 1, "--store", tmp_path / "cp.dnmf").exit_code == 0
    assert words in call("inspect", tmp_path / "cp.dnmf").stdout


def test_axes_without_labels_have_none(cube, run):
    for place in ([cube, "--row-axes", "time"], [run]):
        assert "names     none" in call("inspect", *place).stdout


def test_a_component_that_was_dropped_has_no_axis(cube, tmp_path):
    store = tmp_path / "cp.dnmf"
    assert call("cp", cube, "--rank", 4, "--l2", 2, "--store", store).exit_code == 0
    assert 0 < dnmf.load(store).alive < 4
    shown = call("inspect", store).stdout
    assert " %  none: this component is zero" in shown
    assert ": none" not in shown


@pytest.mark.slow
def test_its_report_names_the_decomposition_and_the_axes(run, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")
    assert call("report", run, "--out", tmp_path / "cp.html").exit_code == 0
    page = (tmp_path / "cp.html").read_text()
    assert "Non-negative CP (PARAFAC) A ≈ Σ_q weights_q · w_q ∘ x_q ∘ y_q ∘ … of 40 × 6 × 5 values" in page
    assert "time: 40, place: 6, band: 5; slabs along time were read" in page
    assert "A ≈ W" not in page
    assert "Rows × columns" not in page


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


def test_the_axis_of_the_rows_is_found_by_its_name_wherever_it_stands(cube, run, tmp_path):
    slabs = zarr.open(cube)[:8].transpose(1, 0, 2)
    zarr.create_array(
        tmp_path / "new.zarr", data=np.ascontiguousarray(slabs), dimension_names=["place", "time", "band"]
    )
    assert call("transform", run, tmp_path / "new.zarr", "--out", tmp_path / "W.zarr").exit_code == 0
    np.testing.assert_allclose(zarr.open(tmp_path / "W.zarr")[:], dnmf.load(run).read_W(0, 8), rtol=1e-4, atol=1e-7)
    result = call("transform", run, tmp_path / "new.zarr", "--row-axes", "place", "--out", tmp_path / "V.zarr")
    assert_one_clear_line(result, "axis 'time' makes the rows of the fit")


@pytest.mark.slow
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

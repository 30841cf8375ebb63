"""Missing entries, masks, weights and implicit feedback on the command line."""

import shutil

import numpy as np
import pytest
import zarr
from breadth import quickly
from command_line import assert_one_clear_line, call, records
from example_pages import parse

import dnmf
import dnmf.plots
from dnmf.inspection import run_status
from dnmf.matrix_inspection import inspect_source
from dnmf.unfinished import Unfinished

SEEN = np.random.default_rng(1).random((300, 40)) < 0.8
SHORT = ["--rank", 3, "--max-passes", 2, "--tol", 0, "--quiet"]


@pytest.fixture(scope="module")
def places(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("observed")
    stored = {"data": values, "holes": np.where(SEEN, values, np.nan), "mask": SEEN, "weights": 1 + SEEN.astype("f4")}
    for name, array in stored.items():
        zarr.create_array(folder / f"{name}.zarr", data=array, chunks=(50, 40))
    np.save(folder / "rows.npy", 1 + np.arange(300) % 2)
    np.savetxt(folder / "columns.txt", np.ones(40))
    np.save(folder / "ones_of_rows.npy", np.ones(300))
    np.save(folder / "ones_of_columns.npy", np.ones(40))
    return {place.stem: str(place) for place in folder.iterdir()}


def ways(places):
    return {
        "missing": ("holes", ["--missing", "nan"], {"missing": "nan"}),
        "mask": ("data", ["--mask", places["mask"]], {"mask": places["mask"]}),
        "weights": ("data", ["--weights", places["weights"]], {"weights": places["weights"]}),
        "sides": ("data", ["--row-weights", places["rows"], "--column-weights", places["columns"]],
                  {"row_weights": places["rows"], "column_weights": places["columns"]}),
        "implicit": ("data", ["--implicit", 2], {"implicit": 2.0}),
    }  # fmt: skip


@pytest.mark.parametrize("how", quickly(("missing", "weights"), of=("missing", "mask", "weights", "sides", "implicit")))
def test_a_fit_is_that_of_the_library(places, how, tmp_path):
    name, options, said = ways(places)[how]
    result = call("fit", places[name], "--store", tmp_path / "run.dnmf", *SHORT, *options)
    assert result.exit_code == 0, result.stderr
    expected = dnmf.fit(places[name], 3, max_passes=2, tol=0, **said)
    assert dnmf.load(tmp_path / "run.dnmf").H.tobytes() == expected.H.tobytes()
    shown = call("status", tmp_path / "run.dnmf").stdout
    assert ("\nobserved " in shown) == (how != "implicit")


@pytest.mark.slow
def test_a_path_and_other_rows_are_told_too(places, tmp_path):
    options = [
        "--missing",
        "nan",
        "--penalty-scale",
        "counts",
        "--l2",
        0.1,
        "--strengths",
        "0.5",
        "--measures",
        "cheap",
    ]
    assert call("path", places["holes"], "--store", tmp_path / "p.dnmf", *SHORT, *options).exit_code == 0
    run = tmp_path / "p.dnmf" / "strength-0.5-seed-0.dnmf"
    for name, missing in {"told": ["--missing", "nan"], "as the fit": []}.items():
        told = call("transform", run, places["holes"], *missing, "--out", tmp_path / name)
        assert told.exit_code == 0, told.stderr
        np.testing.assert_allclose(zarr.open(tmp_path / name)[:], dnmf.load(run).read_W(), rtol=1e-5)
    whole = call("transform", run, places["holes"], "--missing", "refuse", "--out", tmp_path / "w2.zarr")
    assert_one_clear_line(whole, "--missing nan", "--mask", "a NaN at row")


def test_biases_are_given_ones(places, tmp_path):
    given = ["--fixed-w", places["ones_of_rows"], "--fixed-h", places["ones_of_columns"], "--beside-given", 0.3]
    result = call("fit", places["holes"], "--missing", "nan", "--store", tmp_path / "b.dnmf", *SHORT, "--l2", 0.01,
                  "--penalty-scale", "counts", *given)  # fmt: skip
    assert result.exit_code == 0, result.stderr
    model = dnmf.load(tmp_path / "b.dnmf")
    assert model.penalty.beside_given == 0.3
    np.testing.assert_allclose(model.read_W()[:, 0], 1 / 300, rtol=1e-5)


@pytest.mark.slow
def test_what_was_said_is_known_when_a_run_goes_on_and_a_mask_that_changed_is_told(places, tmp_path):
    mask, run = tmp_path / "mask.zarr", tmp_path / "run.dnmf"
    shutil.copytree(places["mask"], mask)
    said = ["--mask", mask, "--row-weights", places["rows"]]
    assert call("fit", places["data"], "--store", run, *SHORT, *said).exit_code == 0
    assert call("resume", run, "--max-passes", 3).exit_code == 0
    zarr.open(mask)[:1] = True
    changed = call("resume", run, "--max-passes", 4)
    assert_one_clear_line(changed, f"{mask}: the mask is not what the fit began with (", "other names, sizes and times")
    assert "times of files:" not in changed.stderr
    moved = mask.rename(tmp_path / "moved.zarr")
    lost = call("resume", run, "--max-passes", 4)
    assert_one_clear_line(lost, "mask: ", "mask.zarr: there is nothing at this path", "--mask, --row-weights")
    assert call("resume", run, "--max-passes", 4, "--mask", moved, "--force").exit_code == 0


OTHERS = {  # what a run began with, what is told when it goes on, and what is said of it
    "weights it had not": ((), ["--weights", "weights"], "the weights are not what the fit began with (none → given)"),
    "a mask it had not": ((), ["--mask", "mask"], "the mask is not what the fit began with (none → given)"),
    "other weights of rows": (["--row-weights", "rows"], ["--row-weights", "ones_of_rows"],
                              "the row weights are not what the fit began with (other values)"),
    "another mask": (["--mask", "mask"], ["--mask", "data"], "the mask is not what the fit began with (dtype: "),
}  # fmt: skip


@pytest.mark.broad(1)
@pytest.mark.parametrize(("before", "then", "told"), OTHERS.values(), ids=OTHERS)
def test_what_lies_beside_the_data_and_is_another_is_named_by_its_place(places, before, then, told, tmp_path):
    before, then = ([places.get(word, word) for word in words] for words in (before, then))
    assert call("fit", places["data"], "--store", tmp_path / "run.dnmf", *SHORT, *before).exit_code == 0
    refused = call("resume", tmp_path / "run.dnmf", "--max-passes", 3, *then)
    assert_one_clear_line(refused, f"{then[1]}: {told}")
    assert "{" not in refused.stderr


@pytest.mark.broad(1)
@pytest.mark.parametrize("limits", [(), ("--max-passes", 3)], ids=["finished", "with new limits"])
@pytest.mark.parametrize("then", ["refuse", "unstored"])
def test_a_run_goes_on_with_what_is_missing_as_it_began(places, then, limits, tmp_path):
    assert call("fit", places["holes"], "--store", tmp_path / "run.dnmf", *SHORT, "--missing", "nan").exit_code == 0
    other = call("resume", tmp_path / "run.dnmf", "--missing", then, *limits)
    assert other.exit_code == 2
    assert f"--missing {then}: the run began with --missing nan" in other.stderr
    assert call("resume", tmp_path / "run.dnmf", "--missing", "nan", *limits, "--quiet").exit_code == 0


TOLD = {  # what each face says of entries, and of the error
    "missing": ["what is not NaN", "‖A − W diag(d) H‖ / ‖A‖ over what was observed"],
    "mask": ["mask", "‖A‖ over what was observed"],
    "weights": ["weights", "‖A‖, weighted"],
    "sides": ["row weights", "column weights", "‖A‖, weighted"],
    "implicit": ["√(Σ c (b − p)² / Σ c b²)", "1 + 2 a"],
}


@pytest.mark.slow
@pytest.mark.parametrize("how", quickly(("missing", "implicit"), of=TOLD))
@pytest.mark.broad(1)
def test_status_inspect_and_reports_say_what_was_observed_and_what_the_error_is(places, how, tmp_path):
    pytest.importorskip("matplotlib")
    name, options, _ = ways(places)[how]
    run = tmp_path / "run.dnmf"
    assert call("fit", places[name], "--store", run, *SHORT, *options).exit_code == 0
    for shown in (call("status", run).stdout, call("inspect", run).stdout):
        assert all(words in shown for words in TOLD[how])
        assert ("α = 2" in shown) == (how == "implicit")
    model = dnmf.load(run)
    stopped = Unfinished(run, "", model.shape, model.options, model.penalty, model.history,
                         run_status(run)["observed"] or {})  # fmt: skip
    for which in (model, stopped):
        text = parse(dnmf.plots.report(which, tmp_path / "a.html", overwrite=True).read_text(encoding="utf-8")).text
        assert all(words in text for words in TOLD[how])


def test_inspect_says_what_is_observed_and_what_room_it_takes(places):
    known = records(call("inspect", places["holes"], "--missing", "nan", "--json"))[0]
    whole = records(call("inspect", places["data"], "--json"))[0]
    assert known["observed"] == {"missing": "nan"}
    assert whole["observed"] is None
    assert known["plan"]["projected_bytes"] > whole["plan"]["projected_bytes"]
    shown = call("inspect", places["data"], "--mask", places["mask"]).stdout
    assert f"observed  mask {places['mask']}" in shown


@pytest.mark.slow
def test_with_little_memory_the_plan_gives_up_gram_matrices_of_columns():
    wide = np.where(np.random.default_rng(0).random((100, 10_000)) < 0.5, np.nan, 1.0).astype(np.float32)
    source = dnmf.open_source(wide, missing="nan")
    room = inspect_source(source, 20, "8GB")["plan"]
    less = range(0, 400 * 2**20, 8 * 2**20)  # whatever the process takes itself
    limits = (int((room["projected_bytes"] - each) / 0.7) for each in less if each < room["projected_bytes"])
    plans = [inspect_source(source, 20, limit)["plan"] for limit in limits]
    assert not room["gave_up"]
    assert any("diagonal" in what for plan in plans for what in plan.get("gave_up", ()))


def test_a_run_has_its_entries_already(finished):
    assert call("inspect", finished, "--missing", "nan").exit_code == 2

"""The commands: what they do, what they print, and their JSON."""

import re

import numpy as np
import pytest
import scipy.io
import scipy.sparse
import zarr
from command_line import assert_one_clear_line, call, records
from random_matrices import random_csr

import dnmf
from dnmf.cli import commands


@pytest.mark.parametrize("option", ["--fixed-h", "--fixed-w", "--target-h", "--graph"])
@pytest.mark.parametrize("text", ["a,b\n1,2\n", ",0,1\n0,1,2\n"], ids=["header", "header and index"])
def test_a_csv_with_a_header_is_refused_with_what_it_should_hold(tmp_path, option, text):
    (tmp_path / "h.csv").write_text(text)
    result = call("fit", tmp_path / "a.zarr", "--rank", "2", "--store", tmp_path / "r", option, tmp_path / "h.csv")
    assert_one_clear_line(result, "h.csv: cannot be read as a matrix", "numbers only, no header", ".npy")


@pytest.mark.slow
def test_convert_says_what_came_along_and_transform_what_its_columns_are(tmp_path):
    anndata, pd = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    values, wide = np.random.default_rng(0).random((30, 12)), {f"batch{at}": np.arange(30) for at in range(10)}
    obs = pd.DataFrame(wide, index=[f"cell {at}" for at in range(30)])
    anndata.AnnData(values, obs=obs).write_h5ad(tmp_path / "a.h5ad")
    result = call("convert", tmp_path / "a.h5ad", tmp_path / "a.zarr")
    assert re.search(r"names +rows", result.output)
    assert re.search(r"obs +batch0, .*batch7 and 2 more", result.output)
    dnmf.fit(tmp_path / "a.zarr", 2, max_passes=2, store=tmp_path / "r.dnmf")
    result = call("transform", tmp_path / "r.dnmf", tmp_path / "a.zarr", "--out", tmp_path / "W.zarr")
    assert re.search(r"columns +as those of W, without the weights: d is in .*r\.dnmf", result.output)


@pytest.mark.slow
def test_fit_prints_the_plan_the_passes_and_where_the_model_is(tmp_path, data):
    store = tmp_path / "b.dnmf"
    result = call("fit", data, "--rank", 3, "--store", store)
    assert result.exit_code == 0, result.stderr
    assert re.search(r"^[\d-]{10} [\d:]{8}  plan +\d+ task", result.stderr, re.M)
    assert re.search(r"^[\d-]{10} [\d:]{8}  pass +1 +error 0\.\d{4}", result.stderr, re.M)
    assert f"dnmf inspect {store}" in result.stdout
    assert dnmf.load(store).rank == 3


@pytest.mark.slow
def test_fit_hands_every_option_to_the_model(tmp_path, data):
    store = tmp_path / "b.dnmf"
    result = call(
        "fit", data, "--rank", 3, "--store", store, "--init", "random", "--dtype", "float64", "--seed", 7, "--tol", 0,
        "--max-passes", 3, "--no-extrapolate", "--l1", "0.1,0.2", "--l2", "0.3", "--penalty-scale", "objective",
        "--memory-limit", "4GB",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    penalty = dnmf.Penalty(l1=(0.1, 0.2), l2=0.3, scale="objective")
    expected = dict(
        rank=3, init="random", dtype="float64", seed=7, tol=0, max_passes=3, extrapolate=False, penalty=penalty
    )
    assert {name: getattr(dnmf.load(store).options, name) for name in expected} == expected


@pytest.mark.slow
def test_fit_solves_by_the_name_of_a_solver_and_status_says_which(tmp_path, data):
    store = tmp_path / "b.dnmf"
    chosen = ("--solver", "hals", "--sweeps", 2, "--truncated-rows", "--max-passes", 3)
    result = call("fit", data, "--rank", 3, "--store", store, *chosen)
    assert result.exit_code == 0, result.stderr
    found = dnmf.load(store).options
    assert (found.solver, found.sweeps, found.exact_rows) == ("hals", 2, False)
    assert re.search(r"^solver +hals, 2 sweeps, rows too$", call("status", store).stdout, re.M)


@pytest.mark.slow
def test_fit_reads_what_is_given_from_files(tmp_path, data):
    rng = np.random.default_rng(0)
    given, graph = rng.random((2, 40)), scipy.sparse.diags_array([np.ones(39), np.ones(39)], offsets=[-1, 1])
    np.save(tmp_path / "given.npy", given)
    np.savetxt(tmp_path / "target.csv", rng.random((3, 40)), delimiter=",")
    scipy.sparse.save_npz(tmp_path / "graph.npz", graph.tocsr())
    store = tmp_path / "c.dnmf"
    result = call(
        "fit", data, "--rank", 3, "--store", store, "--fixed-h", tmp_path / "given.npy", "--graph",
        tmp_path / "graph.npz", "--smooth", "0.2", "--target-h", tmp_path / "target.csv", "--target", "0.1",
        "--angular", "0.1", "--max-passes", 4,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    model = dnmf.load(store)
    assert model.options.penalty == dnmf.Penalty(smooth=0.2, target=0.1, angular=0.1)
    np.testing.assert_allclose(model.H[:2], given / given.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.slow
def test_fit_bounds_and_frees_factors(tmp_path, data):
    store, free = tmp_path / "c.dnmf", tmp_path / "f.dnmf"
    bounded = call("fit", data, "--rank", 3, "--store", store, "--upper", "1,inf", "--penalty-scale", "objective")
    assert bounded.exit_code == 0, bounded.stderr
    assert dnmf.load(store).options.limits.upper == (1.0, float("inf"))
    assert call("fit", data, "--rank", 3, "--store", free, "--free", "W").exit_code == 0
    assert (dnmf.load(free).read_W() < 0).any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--smooth", "0.1"], ["--smooth=0.1", "give --graph too"]),
        (["--fixed-h", "small.npy"], ["--fixed-h: has shape (2, 3)"]),
        (["--fixed-h", "small.npy", "--fixed-w", "small.npy"], ["--fixed-w and --fixed-h", "--target 1"]),
        (["--upper", "1"], ["--penalty-scale objective"]),
        (["--solver", "bpp", "--sweeps", "2"], ["--sweeps 2", "--solver bpp is exact", "leave --sweeps out"]),
        (["--truncated-rows"], ["--truncated-rows", "leave --truncated-rows out"]),
        (["--solver", "ipg", "--upper", "1", "--penalty-scale", "objective"], ["--solver ipg does not take"]),
        (["--l1", "1.5"], ["--l1", "--penalty-scale objective"]),
    ],
)
def test_what_is_wrong_is_said_in_options(tmp_path, data, options, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("small.npy", np.ones((2, 3)))
    assert_one_clear_line(call("fit", data, "--rank", 3, "--store", "s.dnmf", *options), *words)


def test_names_of_files_are_left_as_they_are(tmp_path, data):
    gone = tmp_path / "My--Data" / "fixed_W.npy"
    result = call("fit", data, "--rank", 3, "--store", tmp_path / "s.dnmf", "--fixed-w", gone)
    assert_one_clear_line(result, str(gone), "there is nothing at this path")
    (tmp_path / "My--Data").mkdir()
    store = tmp_path / "My--Data" / "Run_target_H.dnmf"
    assert call("fit", data, "--rank", 3, "--store", store, "--max-passes", 2).exit_code == 0
    assert_one_clear_line(call("fit", data, "--rank", 3, "--store", store), f"dnmf resume {store}")


def test_an_empty_file_is_no_matrix(tmp_path, data):
    (tmp_path / "empty.npy").write_bytes(b"")
    result = call("fit", data, "--rank", 3, "--store", tmp_path / "s.dnmf", "--fixed-h", tmp_path / "empty.npy")
    assert_one_clear_line(result, "cannot be read as a matrix")


def test_transform_overwrites_nothing_but_its_results(tmp_path, data, finished):
    (tmp_path / "w.zarr" / "mine").mkdir(parents=True)
    command = ("transform", finished, data, "--out", tmp_path / "w.zarr")
    assert_one_clear_line(call(*command), "exists already", "--overwrite")
    assert_one_clear_line(
        call(*command, "--overwrite"), "is not marked as written by dnmf transform", "remove it yourself"
    )


def test_a_warning_of_a_penalty_is_in_options_too(tmp_path, data):
    result = call("fit", data, "--rank", 3, "--store", tmp_path / "s.dnmf", "--penalty-scale", "objective", "--l1",
                  "0.1,0", "--max-passes", 2)  # fmt: skip
    assert result.exit_code == 0
    assert "--penalty-scale relative" in result.stderr


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.npy", "no array", "cannot be read"),
        ("a.txt", "1 2", "not one of"),
        ("gone.npy", None, "there is nothing at this path"),
    ],
)
def test_a_file_that_is_no_matrix_is_one_clear_sentence(tmp_path, data, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    result = call("fit", data, "--rank", 3, "--store", tmp_path / "s.dnmf", "--fixed-h", tmp_path / name)
    assert_one_clear_line(result, message)


def test_json_is_one_object_a_line_events_first_the_result_last(tmp_path, data):
    result = call("fit", data, "--rank", 3, "--store", tmp_path / "b.dnmf", "--max-passes", 3, "--tol", 0, "--json")
    types = [record["type"] for record in records(result) if record["type"] != "pass_progress"]
    assert types == ["planned", "started", "pass", "pass", "pass", "finished", "result"]
    last = records(result)[-1]
    assert (last["command"], last["passes"], last["shape"]) == ("fit", 3, [300, 40])
    assert zarr.open_array(last["W"], mode="r").shape == (300, 3)
    assert "done" in result.stderr


def test_status_says_how_to_go_on(half_way, finished):
    result = call("status", half_way)
    assert "stopped" in result.stdout
    assert f"dnmf resume {half_way}" in result.stdout
    assert "done" in call("status", finished).stdout


@pytest.mark.slow
def test_resume_ends_where_the_fit_would_have(half_way, data, tmp_path):
    call("fit", data, "--rank", 3, "--store", tmp_path / "whole.dnmf", "--tol", 0, "--max-passes", 6)
    assert call("resume", half_way).exit_code == 0
    whole, resumed = dnmf.load(tmp_path / "whole.dnmf"), dnmf.load(half_way)
    assert np.array_equal(whole.H, resumed.H)
    assert np.array_equal(whole.read_W(), resumed.read_W())


def test_resume_takes_other_limits(half_way):
    assert call("resume", half_way, "--max-passes", 3).exit_code == 0
    assert len(dnmf.load(half_way).history) == 3


def test_resuming_a_finished_fit_is_no_error(finished):
    result = call("resume", finished, "--json")
    assert result.exit_code == 0
    assert records(result)[-1]["status"] == "done"
    assert "finished" in result.stderr


@pytest.mark.slow
def test_resume_finds_moved_data_by_its_new_path(tmp_path, values):
    place = tmp_path / "first.zarr"
    zarr.create_array(place, data=values, chunks=(50, 40))
    store = tmp_path / "moved.dnmf"
    dnmf.fit(str(place), rank=3, store=tmp_path / "done.dnmf", max_passes=1)
    with pytest.raises(RuntimeError):
        dnmf.fit(str(place), rank=3, store=store, tol=0, max_passes=4, callbacks=[_stop_at_first_pass])
    place.rename(tmp_path / "second.zarr")
    assert_one_clear_line(call("resume", store), "first.zarr")
    result = call("resume", store, "--source", tmp_path / "second.zarr", "--force")
    assert result.exit_code == 0, result.stderr


def _stop_at_first_pass(event):
    if hasattr(event, "record"):
        raise RuntimeError


def test_fit_remembers_where_the_data_is_from_any_folder(tmp_path, values, monkeypatch):
    zarr.create_array(tmp_path / "here.zarr", data=values, chunks=(50, 40))
    monkeypatch.chdir(tmp_path)
    result = call("fit", "here.zarr", "--rank", 2, "--store", "b.dnmf", "--json", "--max-passes", 1)
    assert records(result)[0]["source"] == str(tmp_path / "here.zarr")


@pytest.mark.slow
def test_inspect_describes_data(data):
    result = call("inspect", data, "--rank", 3)
    assert "300 rows × 40 columns" in result.stdout
    (found,) = records(call("inspect", data, "--rank", 3, "--memory-limit", "2GB", "--json"))
    assert (found["shape"], found["plan"]["limit_bytes"]) == ([300, 40], 2 * 10**9)


def test_inspect_plans_with_the_options_of_a_fit(data, tmp_path):
    np.save(tmp_path / "h.npy", np.ones((1, dnmf.open_source(data).shape[1])))
    (plain,) = records(call("inspect", data, "--rank", 3, "--json"))
    (found,) = records(call("inspect", data, "--rank", 3, "--init", "random", "--restarts", 2, "--dtype", "float64",
                            "--l1", 0.1, "--penalty-scale", "objective", "--fixed-h", tmp_path / "h.npy",
                            "--keep", "stream", "--solver", "bpp", "--no-extrapolate", "--json"))  # fmt: skip
    assert (plain["plan"]["init"], plain["plan"]["restarts"], plain["plan"]["keeps"]) == ("sample", 1, True)
    assert (found["plan"]["init"], found["plan"]["restarts"], found["plan"]["keeps"]) == ("random", 2, False)
    result = call("inspect", data, "--init", "nndsvd", "--restarts", 2)
    assert_one_clear_line(result, "--restarts 2: --init nndsvd is the same every time")


def test_inspect_names_as_many_columns_as_are_asked_for(finished):
    table = call("inspect", finished, "--top", 12).stdout.partition("strongest columns")[2]
    (found,) = records(call("inspect", finished, "--top", 12, "--json"))
    shares = [place for entry in found["components"] for place in entry["top"]]
    assert table.count(" %") == len(shares) + len(found["components"])


def test_inspect_names_rows_too_and_says_how_many_a_component_leads(finished):
    model = dnmf.load(finished)
    (found,) = records(call("inspect", finished, "--side", "W", "--top", 3, "--json"))
    assert [place["row"] for place in found["components"][0]["top"]] == [e.number for e in model.top(3, "W").of(0)]
    assert [entry["rows"] for entry in found["components"]] == dnmf.measures.sizes(model).rows.tolist()
    heading, first = call("inspect", finished, "--side", "W").stdout.splitlines()[-4:-2]
    assert "leads rows  strongest rows (share of the component's column of W)" in heading
    assert f"{found['components'][0]['rows']}" in first.split()


@pytest.mark.parametrize("on_terminal", [False, True])
def test_lines_are_broken_on_a_terminal_alone(finished, monkeypatch, on_terminal):
    monkeypatch.setattr("dnmf.cli.component_lines.on_terminal", lambda: on_terminal)
    table = call("inspect", finished, "--top", 12).stdout.partition("strongest columns")[2].splitlines()[1:]
    assert (max(map(len, table)) <= 100) == on_terminal
    assert (len(table) == 3) != on_terminal


def test_inspect_describes_a_run(finished, half_way):
    result = call("inspect", finished)
    assert "weight d" in result.stdout
    (found,) = records(call("inspect", finished, "--top", 2, "--json"))
    assert len(found["components"]) == 3
    assert "stopped" in call("inspect", half_way).stdout


@pytest.mark.slow
def test_convert_then_inspect_then_fit(tmp_path):
    matrix = random_csr((200, 30), 0.2, dtype="float32")
    scipy.sparse.save_npz(tmp_path / "a.npz", matrix)
    result = call("convert", tmp_path / "a.npz", tmp_path / "a.zarr", "--chunk-size", "4KiB", "--json")
    assert result.exit_code == 0, result.stderr
    assert records(result)[-1]["nonzeros"] == matrix.nnz
    (found,) = records(call("inspect", tmp_path / "a.zarr", "--json"))
    assert (found["kind"], found["nonzeros"]) == ("csr", matrix.nnz)
    assert call("fit", tmp_path / "a.zarr", "--rank", 2, "--store", tmp_path / "a.dnmf").exit_code == 0
    assert_one_clear_line(call("convert", tmp_path / "a.npz", tmp_path / "a.zarr"), "a.zarr")
    assert call("convert", tmp_path / "a.npz", tmp_path / "a.zarr", "--overwrite").exit_code == 0


@pytest.mark.slow
def test_convert_names_rows_and_columns_and_keeps_features_of_one_type(tmp_path):
    scipy.io.mmwrite(tmp_path / "matrix.mtx", scipy.sparse.coo_array(np.arange(1, 7).reshape(3, 2)))
    (tmp_path / "features.tsv").write_text("i\ta\tGene Expression\nj\tb\tPeaks\nk\tc\tGene Expression\n")
    (tmp_path / "barcodes.tsv").write_text("x\ny\n")
    (tmp_path / "rows.txt").write_text("first\nsecond\n")
    both = call("convert", tmp_path, tmp_path / "both.zarr", "--json")
    assert "'Peaks' (1)" in records(both)[-1]["notes"][0]
    (said,) = [line for line in both.stderr.splitlines() if line.startswith("dnmf: warning: ")]
    assert "features of several types" in said
    options = ("--feature-type", "Gene Expression", "--rows", tmp_path / "rows.txt")
    assert call("convert", tmp_path, tmp_path / "a.zarr", *options).exit_code == 0
    source = dnmf.open_source(tmp_path / "a.zarr")
    assert (source.row_names().tolist(), source.column_names().tolist()) == (["first", "second"], ["a", "c"])
    (tmp_path / "rows.txt").write_text("heading\nfirst\nsecond\n")
    assert_one_clear_line(call("convert", tmp_path, tmp_path / "b.zarr", *options), "first line a heading")


def test_transform_of_the_training_rows_is_W(tmp_path, finished, data):
    out = tmp_path / "W.zarr"
    result = call("transform", finished, data, "--out", out, "--json")
    assert result.exit_code == 0, result.stderr
    assert records(result)[-1]["shape"] == [300, 3]
    assert np.allclose(zarr.open_array(out, mode="r")[:], dnmf.load(finished).read_W(), rtol=1e-5, atol=1e-9)
    assert_one_clear_line(call("transform", finished, data, "--out", out), "W.zarr")


def test_every_command_has_a_help_with_json_and_debug():
    assert call("--help").exit_code == 0
    for name in commands.commands:
        text = call(name, "--help").stdout
        assert "--json" in text
        assert "--debug" in text

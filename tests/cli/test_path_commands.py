"""The command path, and what the other commands make of its store."""

import re
from dataclasses import asdict

import numpy as np
import pytest
from command_line import assert_one_clear_line, call, records

import dnmf

GRID = ["--rank", 3, "--l1", 1, "--strengths", "0.1,0.4", "--seeds", 2, "--measures", "cheap"]


@pytest.fixture(scope="module")
def finished_path(tmp_path_factory, data):
    """The store of a finished path: strengths 0, 0.1 and 0.4, two seeds."""
    store = str(tmp_path_factory.mktemp("path") / "p.dnmf")
    assert call("path", data, "--store", store, *GRID).exit_code == 0
    return store


@pytest.fixture
def stopped_path(tmp_path, data):
    """The store of a path that was stopped after its third pass."""

    def stop(event):
        if type(event).__name__ == "PathPassDone" and event.number == 3:
            raise KeyboardInterrupt

    store = str(tmp_path / "stopped.dnmf")
    with pytest.raises(KeyboardInterrupt):
        dnmf.path(data, 3, dnmf.Penalty(l1=1.0), (0.1, 0.4), seeds=2, measures="cheap", store=store, callbacks=[stop])
    return store


@pytest.mark.slow
def test_path_prints_the_passes_and_a_table(tmp_path, data):
    result = call("path", data, "--store", tmp_path / "p.dnmf", *GRID)
    assert result.exit_code == 0, result.stderr
    assert re.search(r"  pass +1 +2 models in it, 0 of 6 done +reads", result.stderr, re.M)
    table = [line.split() for line in result.stdout.splitlines()[:7]]
    assert table[0][:3] == ["strength", "seed", "error"]
    assert [line[:2] for line in table[1:]] == [[s, seed] for s in ("0", "0.1", "0.4") for seed in ("0", "1")]
    assert table[1][-3:-1] == ["–", "–"]  # not measured
    assert "6 models" in result.stdout


@pytest.mark.slow
def test_path_hands_every_option_to_the_models(tmp_path, data):
    store = tmp_path / "p.dnmf"
    result = call(
        "path", data, "--store", store, "--rank", 3, "--strengths", "0.5,2", "--seeds", "3,7", "--warm", "chain",
        "--measures", "cheap", "--side", "W", "--init", "random", "--dtype", "float64", "--tol", 0, "--max-passes", 3,
        "--no-extrapolate", "--prune", "off", "--l1", "0.1,0.2", "--l2", 0.3, "--penalty-scale", "objective",
        "--memory-limit", "4GB",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    path = dnmf.load_path(store)
    assert (path.strengths, path.seeds) == ((0.5, 2.0), (3, 7))
    assert (path.options.warm, path.options.side) == ("chain", "W")
    penalty = dnmf.Penalty(l1=(0.1, 0.2), l2=0.3, scale="objective")
    expected = dict(rank=3, dtype="float64", tol=0, max_passes=3, extrapolate=False, prune="off", seed=7)
    for strength in path.strengths:
        options = path.model(strength, 7).options
        assert {name: getattr(options, name) for name in expected} == expected
        assert options.penalty == penalty.at(strength)


@pytest.mark.slow
def test_json_is_one_object_a_line_events_first_the_result_last(tmp_path, data):
    result = call("path", data, "--store", tmp_path / "p.dnmf", *GRID, "--json")
    found = [record for record in records(result) if record["type"] != "pass_progress"]
    kinds = [record["type"] for record in found]
    assert kinds[:3] == ["planned", "started", "path_pass"]
    assert set(kinds[2:-2]) == {"path_pass"}
    assert kinds[-2:] == ["path_finished", "result"]
    last = found[-1]
    assert (last["command"], last["models"], last["strengths"]) == ("path", 6, [0.0, 0.1, 0.4])
    assert [row["kmeans"] for row in last["rows"]] == [None] * 6
    assert last["passes"] == found[-2]["passes"]


@pytest.mark.slow
def test_status_and_inspect_say_how_far_a_path_is(finished_path, stopped_path):
    result = call("status", stopped_path)
    assert "stopped" in result.stdout
    assert f"dnmf resume {stopped_path}" in result.stdout
    (found,) = records(call("status", stopped_path, "--json"))
    assert (found["kind"], found["passes"], found["models"]) == ("path", 3, 6)
    assert "6 of 6 models done" in call("status", finished_path).stdout
    assert "robustness" in call("inspect", finished_path).stdout
    assert "stopped" in call("inspect", stopped_path).stdout


@pytest.mark.slow
def test_resume_ends_where_the_path_would_have(finished_path, stopped_path):
    result = call("resume", stopped_path, "--json")
    assert result.exit_code == 0, result.stderr
    assert records(result)[-1]["rows"][0]["alive"] == 3
    whole, resumed = dnmf.load_path(finished_path), dnmf.load_path(stopped_path)
    np.testing.assert_equal([asdict(row) for row in resumed.rows], [asdict(row) for row in whole.rows])  # NaN too
    again = call("resume", stopped_path)
    assert again.exit_code == 0
    assert "finished" in again.stdout


def test_new_limits_are_for_a_single_fit(stopped_path):
    result = call("resume", stopped_path, "--max-passes", 3)
    assert result.exit_code == 2
    assert "--max-passes" in result.stderr


@pytest.mark.slow
def test_a_signal_stops_a_path_after_a_committed_pass(tmp_path, data, monkeypatch):
    import os
    import signal

    from dnmf.studies.waves import StudyRun

    tell = StudyRun.tell

    def signalled(self, served):
        if self.state.passes == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        tell(self, served)

    monkeypatch.setattr(StudyRun, "tell", signalled)
    result = call("path", data, "--store", tmp_path / "p.dnmf", *GRID)
    assert result.exit_code == 75, result.output
    assert "stopped by SIGTERM after pass 2" in result.stderr
    assert f"dnmf resume {tmp_path / 'p.dnmf'}" in result.stderr
    monkeypatch.undo()
    assert call("resume", tmp_path / "p.dnmf").exit_code == 0


@pytest.mark.slow
def test_a_model_of_a_path_is_an_ordinary_run(finished_path):
    store = f"{finished_path}/strength-0.1-seed-1.dnmf"
    assert "weight d" in call("inspect", store).stdout
    assert "done" in call("status", store).stdout


@pytest.mark.parametrize(
    ("option", "value", "code", "word"),
    [
        ("--strengths", "0,x", 2, "list of numbers"),
        ("--strengths", "0,2", 1, "between 0 and 1"),
        ("--strengths", "-1", 1, "not negative"),
        ("--seeds", "many", 2, "neither a count"),
        ("--seeds", "0", 1, "at least one"),
        ("--l1", "0", 1, "no path"),
    ],
)
def test_options_that_cannot_be_used_are_refused(tmp_path, data, option, value, code, word):
    result = call("path", data, "--store", tmp_path / "p.dnmf", *GRID, option, value)
    assert result.exit_code == code
    assert word in result.stderr


@pytest.mark.slow
def test_a_path_is_drawn_as_a_path_without_being_told(finished_path, tmp_path):
    for number, kind in enumerate(([], ["--kind", "path"])):
        assert call("plot", finished_path, *kind, "--out", tmp_path / f"{number}.svg").exit_code == 0
    assert (tmp_path / "0.svg").read_bytes() == (tmp_path / "1.svg").read_bytes()


def test_a_store_of_a_path_is_not_taken_for_a_run(finished_path, data, tmp_path):
    assert_one_clear_line(call("fit", data, "--rank", 3, "--store", finished_path), "path", "another store")
    plot = ("plot", finished_path, "--kind", "heatmap", "--out", tmp_path / "a.png")
    assert_one_clear_line(call(*plot), "path", "inside it")
    assert_one_clear_line(
        call("path", data, "--store", finished_path, *GRID), "holds a regularization path already", "dnmf resume"
    )


@pytest.mark.parametrize("options", [[], ["--measure", "robustness"]])
@pytest.mark.slow
def test_plot_draws_a_path(tmp_path, finished_path, options):
    pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")
    out = tmp_path / "path.svg"
    result = call("plot", finished_path, "--kind", "path", "--out", out, *options)
    assert result.exit_code == 0, result.output
    assert call("plot", finished_path, finished_path, "--kind", "path", "--out", tmp_path / "two.png").exit_code == 0
    assert out.read_bytes().startswith(b"<?xml")


@pytest.mark.slow
def test_plot_writes_a_page_with_a_slider(tmp_path, finished_path):
    pytest.importorskip("bokeh", reason="the slider needs the extra 'plot'")
    out = tmp_path / "slider.html"
    result = call("plot", finished_path, "--kind", "slider", "--seed", 1, "--out", out)
    assert result.exit_code == 0, result.output
    assert "strength 0.4" in out.read_text()
    assert_one_clear_line(call("plot", finished_path, "--kind", "slider", "--out", out), "--overwrite")


@pytest.mark.slow
def test_report_of_a_path_has_the_measures_and_the_slider(tmp_path, finished_path):
    pytest.importorskip("bokeh", reason="the slider needs the extra 'plot'")
    out = tmp_path / "path.html"
    result = call("report", finished_path, "--out", out)
    assert result.exit_code == 0, result.output
    text = out.read_text()
    assert "Along the penalty" in text
    assert "Components at each strength" in text
    assert "<title>p.dnmf</title>" in text

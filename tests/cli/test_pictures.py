"""The commands plot and report: what they write, and how they refuse."""

import pytest
from command_line import assert_one_clear_line, call, records
from example_pages import parse

import dnmf
from dnmf.fitting.events import Started
from dnmf.plots import convergence
from dnmf.unfinished import so_far

pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")

BEGINS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.mark.broad(1)
@pytest.mark.parametrize(
    ("kind", "ending", "options"),
    [
        ("convergence", "png", ["--value", "gradient", "--against", "passes"]),
        ("profiles", "svg", ["--side", "W"]),
        ("images", "png", ["--shape", "5x8"]),
        ("heatmap", "pdf", ["--top", 2]),
        ("biplot", "png", ["--component", 1]),
    ],
)
def test_plot_writes_a_picture_of_the_kind_its_name_says(tmp_path, finished, kind, ending, options):
    out = tmp_path / f"picture.{ending}"
    result = call("plot", finished, "--kind", kind, "--out", out, *options, "--json")
    assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(BEGINS[ending])
    assert records(result)[-1] == {
        "type": "result", "command": "plot", "runs": [finished], "kind": kind, "out": str(out),
        "bytes": out.stat().st_size,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("runs", "options", "kind"),
    [
        (1, [], "components"),
        (1, ["--side", "W", "--top", 3], "components"),
        (1, ["--shape", "5x8"], "images"),
        (1, ["--value", "gradient"], "convergence"),
        (1, ["--component", 1], "biplot"),
        (2, [], "convergence"),
        (2, ["--component", 1], "biplot"),
    ],
)
@pytest.mark.broad(1)
def test_without_a_kind_plot_draws_components_or_what_the_options_belong_to(tmp_path, finished, runs, options, kind):
    result = call("plot", *[finished] * runs, "--out", tmp_path / "a.png", *options, "--json")
    assert result.exit_code == 0, result.output
    assert records(result)[-1]["kind"] == kind


@pytest.mark.slow
def test_of_a_run_that_is_not_finished_the_convergence_so_far_is_drawn(tmp_path, half_way, finished):
    for runs in ([half_way], [half_way, finished]):
        result = call("plot", *runs, "--out", tmp_path / f"{len(runs)}.svg", "--json")
        assert result.exit_code == 0, result.output
        assert records(result)[-1]["kind"] == "convergence"
    run = so_far(half_way)
    assert [record.number for record in run.history] == [1, 2]
    assert (run.shape, run.rank) == ((300, 40), 3)
    assert convergence(run).get_title(loc="left") == "model (not finished), 2 passes so far"
    texts = convergence({"half": run, "whole": so_far(finished)}).get_legend().get_texts()
    assert [text.get_text() for text in texts] == ["half (not finished)", "whole"]


@pytest.mark.parametrize("options", [["--kind", "bars"], ["--kind", "biplot"], ["--side", "W"], ["--top", 3]])
def test_components_of_a_run_that_is_not_finished_are_refused_with_the_way(tmp_path, half_way, options):
    result = call("plot", half_way, "--out", tmp_path / "a.png", *options)
    assert_one_clear_line(result, "not finished (2 passes are committed) and has no W yet", f"dnmf resume {half_way}")


@pytest.mark.slow
def test_a_report_of_a_run_that_is_not_finished_says_so_and_how_far_it_is(tmp_path, half_way):
    result = call("report", half_way, "--out", tmp_path / "half.html")
    assert result.exit_code == 0, result.output
    text = parse((tmp_path / "half.html").read_text()).text
    reads = f"{so_far(half_way).reads:.1f}"
    for words in ("300 × 40 values: a fit that is not finished", f"dnmf resume {half_way}", reads):
        assert words in text


def test_of_a_run_without_a_pass_there_is_nothing_to_draw(tmp_path, data):
    def stop(event):
        if isinstance(event, Started):
            raise KeyboardInterrupt

    store = str(tmp_path / "begun.dnmf")
    with pytest.raises(KeyboardInterrupt):
        dnmf.fit(data, rank=3, store=store, init="random", callbacks=[stop])
    for command in ("plot", "report"):
        result = call(command, store, "--out", tmp_path / ("a.png" if command == "plot" else "a.html"))
        assert_one_clear_line(result, "no pass of this fit is committed yet", f"dnmf resume {store}")


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", ["convergence", "biplot"])
def test_plot_compares_two_runs(tmp_path, finished, kind):
    out = tmp_path / "two.svg"
    assert call("plot", finished, finished, "--kind", kind, "--out", out).exit_code == 0
    assert out.exists()


@pytest.mark.slow
def test_report_writes_a_page(tmp_path, finished):
    out = tmp_path / "run.html"
    result = call("report", finished, "--out", out, "--title", "Mine")
    assert result.exit_code == 0, result.output
    assert str(out) in result.stdout
    assert "<title>Mine</title>" in out.read_text()


@pytest.mark.slow
def test_nothing_is_written_over_unless_asked_for(tmp_path, finished):
    for command, name in (("plot", "a.png"), ("report", "a.html")):
        out = tmp_path / name
        out.write_text("mine")
        assert_one_clear_line(call(command, finished, "--out", out), name, "--overwrite")
        assert out.read_text() == "mine"
        assert call(command, finished, "--out", out, "--overwrite").exit_code == 0
        assert out.read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("runs", "options", "words"),
    [
        (1, ["--kind", "heatmap", "--shape", "5x8"], "--shape is for --kind images"),
        (1, ["--side", "W", "--value", "gradient"], "--value is for --kind convergence"),
        (2, ["--shape", "5x8"], "--shape is for --kind images"),
        (2, ["--kind", "profiles"], "one run"),
        (3, ["--kind", "biplot"], "one or two runs"),
        (1, ["--kind", "images", "--shape", "5"], "28x28"),
    ],
)
def test_options_that_do_not_belong_together_are_a_usage_error(tmp_path, finished, runs, options, words):
    result = call("plot", *[finished] * runs, "--out", tmp_path / "a.png", *options)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["plot", "--out", "a.png"],
        ["plot", "--kind", "heatmap", "--out", "a.png"],
        ["plot", "--kind", "path", "--out", "a.png"],
        ["plot", "--kind", "slider", "--out", "a.html"],
        ["report", "--out", "a.html"],
        ["status"],
        ["resume"],
        ["inspect"],
        ["transform", "data.zarr", "--out", "W.zarr"],
    ],
    ids=lambda command: "-".join(command[:3]),
)
def test_a_run_that_is_not_there_is_told_in_the_same_words_by_every_command(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    name, *rest = command
    assert_one_clear_line(call(name, "gone.dnmf", *rest), "gone.dnmf: there is nothing at this path")


def test_what_cannot_be_drawn_is_one_clear_line(tmp_path, finished):
    out = tmp_path / "a.png"
    assert_one_clear_line(call("plot", finished, "--kind", "images", "--out", out), "--shape")
    assert_one_clear_line(call("plot", finished, "--out", tmp_path / "a.jpg"), ".png, .svg or .pdf")
    assert_one_clear_line(call("report", tmp_path / "gone.dnmf", "--out", tmp_path / "a.html"), "gone.dnmf")
    assert not out.exists()

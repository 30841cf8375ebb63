"""What a picture of a regularization path shows: means, intervals, and strength 0."""

from dataclasses import replace

import numpy as np
import pytest
from example_pictures import NAN, Row, example_path
from scipy import stats

import dnmf
from dnmf.errors import InputError
from dnmf.plots import path, path_overview
from dnmf.plots.curves import summarize

pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")


def test_the_interval_is_that_of_students_t():
    values = [0.1, 0.4, 0.25, 0.3]
    curve = summarize([Row(1.0, seed, sparsity_H=value) for seed, value in enumerate(values)], "sparsity_H", 0.9)
    low, high = stats.t.interval(0.9, 3, np.mean(values), stats.sem(values))
    assert np.allclose([curve.mean[0] - curve.half_width[0], curve.mean[0] + curve.half_width[0]], [low, high])
    assert curve.seeds.tolist() == [4]


@pytest.mark.broad(7)
@pytest.mark.parametrize(
    ("measure", "values", "low", "high"),
    [
        ("sparsity_H", [0.0, 0.1], 0, None),
        ("sparsity_W", [0.9, 1.0], None, 1),
        ("sparsity_H", [0.0, 1.0], 0, 1),
        ("robustness", [0.98, 1.0], None, 1),
        ("cosine_off", [0.0, 0.05], 0, None),
        ("cosine", [-0.9, 0.9], -1, 1),
        ("kmeans", [-0.1, 0.0], None, None),
        ("singular", [0.9, 1.0], None, 1),
        ("relative_error", [0.0, 0.3], 0, None),
        ("objective", [0.0, 3.0], 0, None),
        ("passes", [1, 9], 0, None),
        ("alive", [0, 3], 0, None),
    ],
)
def test_the_band_ends_where_the_measure_does(measure, values, low, high):
    rows = [Row(1.0, seed, **{measure: value}) for seed, value in enumerate(values)]
    curve = summarize(rows, measure)
    interval = curve.mean[0] + np.array([-1, 1]) * curve.half_width[0]
    expected = [end if bound is None else bound for end, bound in zip(interval, (low, high), strict=True)]
    assert np.concatenate(curve.band) == pytest.approx(expected)
    drawn = path(rows, measure).collections[0].get_paths()[0].vertices[:, 1]
    assert (drawn.min(), drawn.max()) == pytest.approx(expected)


def test_no_more_components_are_alive_than_the_rank_of_the_path(planted):
    found = dnmf.path(planted, 2, dnmf.Penalty(l1=1.0), [0, 0.3], seeds=2, measures="cheap", max_passes=2)
    rows = tuple(replace(row, alive=row.seed + 1) for row in found.rows)
    low, high = summarize(replace(found, rows=rows), "alive").band
    assert (low.tolist(), high.tolist()) == ([0, 0], [2, 2])


def test_rows_in_which_it_was_not_measured_do_not_count():
    curve = summarize([Row(0, sparsity_H=NAN), Row(1, sparsity_H=0.5), Row(1, 1, sparsity_H=NAN)], "sparsity_H")
    assert (curve.strengths.tolist(), curve.mean.tolist()) == ([1], [0.5])
    assert np.isnan(curve.half_width).all()


def test_the_line_is_the_mean_and_several_seeds_have_a_band():
    axes = path(example_path())
    assert np.allclose(axes.lines[0].get_ydata(), [0.21, 0.215, 0.26, 0.71])
    assert len(axes.collections) == 1
    assert "mean of 3 seeds" in axes.get_title(loc="left")


def test_a_path_is_drawn_as_its_rows_are(planted):
    found = dnmf.path(planted, 2, dnmf.Penalty(l1=1.0), [0, 0.3], seeds=2, measures="cheap", max_passes=3)
    for given in (found, {"a": found, "b": found.rows}):
        assert np.array_equal(path(given).lines[-1].get_ydata(), path(found.rows).lines[0].get_ydata())
    assert len(path_overview(found).axes) == 6


def test_the_largest_strength_has_a_mark():
    rows = [Row(strength, sparsity_H=0.1) for strength in (0, 0.01, 0.07, 0.8)]
    axes = path(rows)
    assert axes.get_xticks()[[0, -1]].tolist() == [0, 0.8]


def test_a_single_seed_is_a_line_without_a_band():
    axes = path(example_path(seeds=1))
    assert not axes.collections
    assert axes.get_title(loc="left") == "one seed"


@pytest.mark.parametrize(
    ("strengths", "scale"),
    [
        ((0, 0.01, 0.1, 1), "symlog"),
        ((0.01, 0.1, 1), "log"),
        ((0, 1, 2), "linear"),
        ((1, 2, 3), "linear"),
        ((0,), "linear"),
    ],
)
def test_the_axis_suits_the_strengths_and_shows_zero(strengths, scale):
    axes = path(example_path(strengths, 1))
    assert axes.get_xscale() == scale
    left, right = axes.get_xlim()
    assert left <= min(strengths) <= max(strengths) <= right
    if scale == "symlog":
        axes.figure.draw_without_rendering()
        assert [label.get_text() for label in axes.get_xticklabels()] == [
            "0",
            "0.01",
            "0.02",
            "0.05",
            "0.1",
            "0.2",
            "0.5",
            "1",
        ]


def test_several_tables_are_lines_with_their_labels():
    axes = path({"L1": example_path(), "L2": example_path((0.0, 2.0))})
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["L1", "L2"]
    assert axes.lines[1].get_xdata().tolist() == [0, 2]


@pytest.mark.parametrize(
    ("table", "measure", "words"),
    [
        ([], "sparsity_H", "no rows"),
        (example_path(), "beauty", "sparsity_H"),
        (example_path(), "robustness", "not measured"),
        ([object()], "sparsity_H", "attributes strength"),
    ],
)
def test_what_cannot_be_drawn_is_refused(table, measure, words):
    with pytest.raises(InputError, match=words):
        path(table, measure)


def test_the_overview_has_a_panel_for_each_measure():
    figure = path_overview({"L1": example_path(), "L2": [replace(row, robustness=0.9) for row in example_path()]})
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    for word in ("error", "sparsity of H", "sparsity of W", "cosine", "robustness", "alive"):
        assert any(word in title for title in titles)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["L1", "L2"]


def test_the_overview_says_what_was_not_measured():
    figure = path_overview(example_path())
    (axes,) = [axes for axes in figure.axes if axes.texts]
    assert "robustness" in axes.get_title(loc="left")
    assert axes.texts[0].get_text() == "not measured"

"""What a picture of convergence shows of the history."""

from dataclasses import replace

import numpy as np
import pytest
from example_pictures import example_model, history

import dnmf
from dnmf.errors import InputError
from dnmf.plots import convergence

pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")


def line_labelled(axes, label):
    (line,) = [line for line in axes.lines if line.get_label() == label]
    return line


def legend_texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()] if axes.get_legend() else []


def test_a_line_is_the_value_of_each_pass_over_the_reads():
    model = example_model()
    line = line_labelled(convergence(model), "model")
    assert line.get_xdata().tolist() == [record.reads for record in model.history]
    assert line.get_ydata().tolist() == [record.objective for record in model.history]


@pytest.mark.parametrize(("against", "x"), [("passes", [1, 2, 3]), ("seconds", [0.25, 0.5, 0.75])])
def test_it_can_be_drawn_against_passes_and_seconds(against, x):
    axes = convergence(example_model(), against=against, value="relative_error")
    assert line_labelled(axes, "model").get_xdata().tolist() == x
    assert "lower is better" in axes.get_ylabel()


def test_the_change_of_H_is_drawn_where_it_was_measured(planted):
    rule, plain = (dnmf.fit(planted, 3, penalty=dnmf.Penalty(l1=l1), max_passes=5) for l1 in (0.1, 0.0))
    changes = [record.change for record in rule.history[:-1]]
    assert line_labelled(convergence(rule, value="change"), "model").get_ydata()[:-1].tolist() == changes
    assert np.isnan(line_labelled(convergence(plain, value="change"), "model").get_ydata()[0])
    with pytest.raises(InputError, match="change was not measured"):
        convergence(replace(plain, history=plain.history[:1]), value="change")


def test_passes_that_were_taken_back_are_crosses_off_the_line():
    axes = convergence(example_model(history=history([0.5, 0.4, 0.6, 0.3], undone=[3])), value="relative_error")
    assert line_labelled(axes, "model").get_ydata().tolist() == [0.5, 0.4, 0.3]
    (crosses,) = [line for line in axes.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert crosses.get_ydata().tolist() == [0.6]
    assert legend_texts(axes) == ["pass taken back"]


def test_the_number_alive_is_written_where_it_changes():
    course = history([0.5, 0.4, 0.3, 0.2], alive=[3, 2, 2, 1])
    axes = convergence(example_model(history=course))
    assert [text.get_text() for text in axes.texts] == ["2 alive", "1 alive"]
    assert axes.texts[0].xy == (course[1].reads, course[1].objective)
    assert not convergence(example_model()).texts


def test_several_models_are_lines_that_colour_dash_and_marker_tell_apart():
    axes = convergence({"plain": example_model(), "sparse": example_model(seed=1)})
    lines = axes.lines[:2]
    assert legend_texts(axes) == ["plain", "sparse"]
    assert all(
        len({getattr(line, f"get_{what}")() for line in lines}) == 2 for what in ("color", "linestyle", "marker")
    )


def test_many_models_stay_distinct():
    axes = convergence([example_model()] * 20)
    styles = {(line.get_color(), line.get_marker()) for line in axes.lines[:20]}
    assert len(styles) == 20


def test_values_over_a_factor_of_ten_are_on_a_logarithmic_axis():
    assert convergence(example_model(history=history([0.5, 0.4]))).get_yscale() == "linear"
    assert convergence(example_model(history=history([0.5, 0.004]))).get_yscale() == "log"


def test_a_fit_that_hardly_moved_looks_flat():
    low, high = convergence(example_model(history=history([0.500001, 0.5])), value="relative_error").get_ylim()
    assert low < 0.5 < high
    assert high - low >= 0.005


def test_given_axes_are_drawn_on():
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    assert convergence(example_model(), axes) is axes


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"against": "time"}, "'reads', 'passes', 'seconds'"),
        ({"value": "loss"}, "'objective', 'relative_error', 'gradient'"),
    ],
)
def test_unknown_options_are_refused_with_those_that_are_known(given, words):
    with pytest.raises(InputError, match=words):
        convergence(example_model(), **given)


def test_something_without_history_is_refused():
    with pytest.raises(InputError, match="history"):
        convergence(np.eye(3))
    with pytest.raises(InputError, match="nothing to draw"):
        convergence([])


def test_a_dollar_sign_in_a_label_is_no_formula():
    axes = convergence({r"$\broken": example_model(), "b": example_model()})
    axes.figure.draw_without_rendering()
    assert legend_texts(axes)[0] == r"$\broken"

"""Names, labels and titles are drawn as they are: no sign in them begins a formula, whatever it would have meant."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import call
from example_pictures import example_model, example_path

import dnmf
from dnmf import plots
from dnmf.plots.labels import text_size

matplotlib = pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")

HOSTILE = [
    "US_$_per_EU_$", "$$", "A_$_B_$", "$\\bad{$", "$", r"\$", r"$\frac{1}{0$", "$x^2$", "a\\$b$c$", "{$}", "100 %",
    "$_", "^", "$\\undefined$", "$a$ and $b",
]  # fmt: skip
NAMES = np.array([f"{HOSTILE[at % len(HOSTILE)]}{at}" for at in range(24)])


def hostile_model(**changes):
    return example_model(rows=24, columns=24, column_names=NAMES, row_names=NAMES, **changes)


def texts_in(figure):
    from matplotlib.text import Text

    figure.draw_without_rendering()
    return {text.get_text(): text for text in figure.findobj(Text) if text.get_visible()}


PICTURES = {
    "bars": lambda model: plots.components(model, "bars"),
    "profiles": lambda model: plots.components(model, "profiles", top=5),
    "heatmap": lambda model: plots.components(model, "heatmap"),
    "images": lambda model: plots.components(model, "images", shape=(4, 6)),
    "bars of W": lambda model: plots.components(model, "bars", side="W"),
    "biplot": lambda model: plots.biplot(model, top=10),
    "biplot of two": lambda model: plots.biplot(model, reference=hostile_model(seed=1), top=10),
    "convergence of several": lambda model: plots.convergence({name: model for name in HOSTILE}),
    "path of several": lambda model: plots.path({name: example_path() for name in HOSTILE}),
    "overview of several": lambda model: plots.path_overview({name: example_path() for name in HOSTILE}),
}
NAMELESS = ("images",)


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.broad(1)
def test_texts_of_others_are_drawn_as_they_are(picture):
    made = PICTURES[picture](hostile_model())
    figure = made[0] if isinstance(made, list) else getattr(made, "figure", made)
    figure = getattr(figure, "figure", figure)
    written = [text for content, text in texts_in(figure).items() if "$" in content]
    assert written or picture in NAMELESS
    assert not any(text.get_parse_math() or text.get_usetex() for text in written)


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", plots.figures.PICTURE_KINDS)
def test_a_picture_of_hostile_names_is_one_in_every_kind_of_file(kind):
    assert plots.figures.picture(plots.components(hostile_model(), "heatmap")[0].figure, kind)


@pytest.mark.slow
def test_a_setting_of_tex_is_not_for_texts_of_others():
    with matplotlib.rc_context({"text.usetex": True}):
        ax = plots.components(hostile_model(), "bars")[0]
        assert not any(label.get_usetex() for label in ax.get_yticklabels())


def test_the_width_of_a_name_is_that_of_its_signs():
    assert text_size("$$$$")[0] > 3 * text_size("$")[0] > 0
    assert text_size("$x^2$")[0] > text_size("x^2")[0]
    assert text_size(r"\$")[0] > text_size("$")[0]


@pytest.mark.slow
def test_runs_called_so_are_drawn_and_reported(tmp_path):
    A = np.random.default_rng(0).poisson(0.6, (30, 24)).astype("float32")
    run, out = str(tmp_path / "US_$_per_$\\bad{$.dnmf"), str(tmp_path / "$a_$.png")
    dnmf.fit(A, 3, max_passes=2, store=run, column_names=NAMES)
    for options in ([run], [run, run, "--kind", "biplot"], [run, run]):
        result = call("plot", *options, "--out", out, "--overwrite")
        assert result.exit_code == 0, result.output
    result = call("report", run, "--out", tmp_path / "a.html")
    assert result.exit_code == 0, result.output


LABELS = ["_hidden", "plain", "_nolegend", "__", "$_$"]


@pytest.mark.parametrize("kind", ["convergence", "path", "path_overview"])
def test_every_line_has_its_label_in_the_legend(kind):
    thing = hostile_model() if kind == "convergence" else example_path()
    made = getattr(plots, kind)({label: thing for label in LABELS})
    legend = made.legends[0] if kind == "path_overview" else made.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == LABELS
    drawn = [line.get_color() for line in legend.get_lines()]
    axes = made.axes[0] if kind == "path_overview" else made
    assert drawn == [next(line.get_color() for line in axes.lines if line.get_label() == label) for label in LABELS]


def test_lines_of_others_in_the_same_axes_stay_as_they_were():
    ax = plots.figures.new_figure(4, 3).add_subplot()
    ax.plot([1, 2], [1, 2], label="mine")
    ax.plot([1, 2], [1, 2])
    ax.plot([1, 2], [1, 2], label="_nolegend_")
    plots.convergence({"_a": hostile_model(), "b": hostile_model(seed=1)}, ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["mine", "_a", "b"]


@pytest.mark.slow
def test_a_slider_page_has_no_formulas_of_others(tmp_path):
    pytest.importorskip("bokeh", reason="pages with sliders need bokeh")
    models = {strength: hostile_model(seed=seed) for seed, strength in enumerate((0.1, 1.0))}
    page = plots.slider_page(models, tmp_path / "a.html", title="$$x^2$$").read_text()
    assert '"disable_math":true' in page
    assert '"name":"PlainText"' in page


BACKENDS = [
    "nonsense",
    *(pytest.param(backend, marks=pytest.mark.slow)
      for backend in ("module://matplotlib_inline.backend_inline", "module://nowhere", "TkAgg", "svg", "")),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_pictures_need_no_backend(tmp_path, backend):
    code = (  # in a process of its own: matplotlib looks once
        "import os, sys; from example_pictures import example_model; from dnmf import plots;"
        "axes = plots.biplot(example_model()); axes.figure.savefig(sys.argv[1]); plots.convergence(example_model());"
        "print(os.environ['MPLBACKEND'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.png")],
        capture_output=True, text=True, env={**os.environ, "MPLBACKEND": backend, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == backend
    assert Path(tmp_path / "a.png").stat().st_size

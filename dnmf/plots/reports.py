"""A page about a run: what was factorized, how it went, and what was found."""

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.amounts import percent
from dnmf.arguments import text, whole
from dnmf.arithmetic import undisturbed
from dnmf.cp_model import CPModel
from dnmf.fitting.history import last_accepted, lost_in, reads_within
from dnmf.measures.components import refuse_no_model
from dnmf.model import Model
from dnmf.options import format_bytes
from dnmf.paths import Path as RegularizationPath
from dnmf.plots import pages
from dnmf.plots.asked import data_section, summary_of
from dnmf.plots.convergences import convergence
from dnmf.plots.curves import summarize, tables_of
from dnmf.plots.factors import component_kind, components
from dnmf.plots.figures import check_free, checked_page, new_figure, panels, require, tidy, write_whole
from dnmf.plots.frames import take_frames
from dnmf.plots.modes import modes
from dnmf.plots.short_names import told_apart
from dnmf.plots.sides import by_weight, share_of
from dnmf.plots.sliders import slider_layout
from dnmf.plots.strengths import path_overview
from dnmf.plots.sums import FactorSums, cosines_of, draw_cosines, factor_sums
from dnmf.progress import counted, ended_text, format_seconds
from dnmf.tables import Entry
from dnmf.unfinished import Unfinished, formulas

MOST_OF_A_NAME = 60
NBSP = "\N{NO-BREAK SPACE}"
TABLE_MEASURES = ("relative_error", "alive", "sparsity_W", "sparsity_H", "cosine_off", "robustness", "passes")
STARTS = {"unpenalized": "the one without a penalty", "chain": "the one of the strength before"}
TABLE_HEADS = ("relative error", "alive", "zeros in W", "zeros in H", "mean cosine", "robustness", "passes")


@undisturbed
def report(  # noqa: PLR0913  what a page is made of, by name
    model: Any, out: str | Path, *, path: Any = None, models: Any = None, title: str | None = None,
    shape: tuple[int, int] | None = None, names: Any = None, top: int = 8, overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write a page about a run, and return where it is.

    What was factorized and with which options; how the fit went; the components with their strongest columns and
    rows, weights, sparsity and angles; a regularization path, where one is given. The page holds all it needs.
    Of a fit that has not ended it says so, and how it went so far.

    Parameters
    ----------
    model : Model, Path or Unfinished
        What :func:`dnmf.fit` returned, :func:`dnmf.load` or :func:`dnmf.unfinished.so_far` read. Of a regularization
        path the model of its smallest strength is described, then the path, with a slider over the strengths of its
        first seed.
    out : path
        The page to write, an ``.html`` file.
    path : Path or sequence of rows, or dict of label to such, optional
        A regularization path or its table, as :func:`dnmf.plots.path` takes it.
    models : Path, dict of strength to Model, or sequence of (strength, Model), optional
        The models of the path, for a slider as on :func:`dnmf.plots.slider_page`; this needs bokeh.
    title : str, optional
        Of the page; by default the name of the store or the address of the data.
    shape : (int, int), optional
        Height and width, where the rows of H are images; those that the model knows by default.
    names : sequence or path, optional
        Of the columns: labels, or a text file with one a line; those of the model by default.
    top : int
        Strongest columns, and strongest rows, to name for each component.
    overwrite : bool
        Whether a file at `out` may be replaced.

    Raises
    ------
    InputError
        There is something at `out`, an option does not fit the model, or matplotlib (or bokeh) is not installed.

    Examples
    --------
    >>> report(dnmf.load("run.dnmf"), "run.html")  # doctest: +SKIP
    """
    target = check_free(checked_page(out), overwrite)
    require("matplotlib")
    top, title = whole("top", top, least=1), None if title is None else text("title", title)
    if isinstance(model, Unfinished):
        return _report_so_far(model, target, title)
    if isinstance(model, RegularizationPath):
        model, path, models, title = _parts_of_path(model, title)
    refuse_no_model(model)
    model = model.with_names(column_names=names)
    of_path = [] if path is None else _path_section(path)
    of_columns = None if names is None else model.column_names
    head, of_slider = ("", []) if models is None else _slider_section(models, of_columns, shape)
    sums = factor_sums(model, top)
    name = title or (model.path.name if model.path else "") or model.address or "a matrix in memory"
    body = [f"<header><h1>{escape(name)}</h1>", pages.paragraph(_summary(model, path), "soft"), "</header>"]
    body += [pages.fact_cards(_facts(model))]
    body += data_section(model) + _course_section(model) + _components_section(model, sums, shape, top)
    return write_whole(target, pages.page(name, body + of_path + of_slider, head).encode())


def _report_so_far(run: Unfinished, target: Path, title: str | None) -> Path:
    name = title or run.path.name
    body = [
        f"<header><h1>{escape(name)}</h1>",
        pages.paragraph(f"{summary_of(run)}: a fit that is not finished, by dnmf.", "soft"),
        "</header>",
        pages.fact_cards(_facts(run)),
        *data_section(run),
        *_course_section(run),
        "<h2>Components</h2>",
        pages.paragraph("They come with the last pass of the fit, which finds their weights d and W."),
    ]
    return write_whole(target, pages.page(name, body, "").encode())


def _parts_of_path(path: Any, title: str | None) -> tuple[Model, Any, Any, str]:
    """The model of a path that is described, the path, its models for a slider where it can have one, and a title."""
    model = path.model(path.strengths[0])
    slides = len(path.strengths) > 1 and not model.options.limits.is_free("H")
    name = title or (path.path.name if path.path else model.address or "a matrix in memory")
    return model, path, path if slides else None, name


def _summary(model: Model, path: Any) -> str:
    text = f"{summary_of(model)}, by dnmf."
    if not isinstance(path, RegularizationPath):
        return text
    return f"{text} First the model of strength {path.strengths[0]:g} and seed {path.seeds[0]}, then the whole path."


def _facts(model: Model | Unfinished) -> list[tuple[str, str]]:
    passes = counted(len(model.history), "pass")
    words = formulas(model)
    alive = model.alive if isinstance(model, Unfinished) else int(np.count_nonzero(model.d > 0))
    return [
        (f"{model.relative_error:.4f}", f"relative error {words.error}, lower is better"),
        (f"{100 * max(0.0, 1 - model.relative_error**2):.1f} %", f"of {words.whole} explained"),
        (f"{alive} of {model.rank}", "components alive"),
        (passes.split()[0], passes.split()[1]),
        (f"{model.reads:.1f}", "reads of the data, the start included"),
        (format_seconds(sum(record.seconds for record in model.history)), "in passes"),
    ]


def _course_section(model: Model | Unfinished) -> list[str]:
    last, stands = model.history[-1], last_accepted(model.history)
    undone = sum(not record.accepted for record in model.history)
    read_s, compute_s = (sum(getattr(r, name) for r in model.history) for name in ("read_s", "compute_s"))
    facts = [
        ("Ended", ended_text(model.stop_reason) or "not recorded"),
        ("Objective", f"{stands.objective:.6g} ({formulas(model).formula} alone: {stands.loss:.6g})"),
        *_stillness(model),
        ("Passes taken back", f"{undone}, because the objective rose" if undone else "none"),
        ("Read", f"{format_bytes(last.bytes_read)} decoded, the start included"),
        (
            "Tasks",
            f"{format_seconds(read_s)} waiting for data, {format_seconds(compute_s)} computing, summed over tasks",
        ),
    ]
    if lost := lost_in(model.history).told:
        facts.append(("Lost on the way", f"{lost}; the result is the same"))
    left, right = (tidy(axes) for axes in panels(2, 2, 4.9, 3.4))
    convergence(model, left, value="relative_error")
    second = "change" if any(math.isfinite(record.change) for record in model.history) else "gradient"
    convergence(model, right, value=second)
    for axes in (left, right):
        axes.set_title(axes.get_ylabel(), fontsize=9.5, loc="left")
        axes.set_ylabel("")
    alternative = f"Relative error and {second} over the reads of the data, ending at {model.relative_error:.4f}"
    return ["<h2>How it went</h2>", pages.facts_table(facts), pages.shown(left.figure, alternative)]  # type: ignore[arg-type]


def _stillness(model: Model | Unfinished) -> list[tuple[str, str]]:
    """How near the fit came to standing still: a rule has no objective, and no gradient of one."""
    facts, rule = [], model.options.penalty.is_rule
    if changes := [record.change for record in model.history if math.isfinite(record.change)]:
        what = "between H and the next" if rule else "of the component that turned most"
        facts = [("Change of H", f"{changes[-1]:.2e} when it was last measured: one less the cosine {what}")]
    if not rule:
        facts.append(("Projected gradient", f"{last_accepted(model.history).gradient:.2e}, 0 where all stays"))
    return [*facts, ("Error within 0.2 % of its end", f"after {reads_within(model.history):.1f} reads")]


def _components_section(model: Model, sums: FactorSums, shape: Any, top: int) -> list[str]:
    body = ["<h2>Components</h2>"]
    if not (model.d > 0).any():
        return [*body, pages.paragraph("All components are zero: the penalty was too strong for this matrix.")]
    body += [_component_table(model, sums), pages.paragraph(_table_note(model, sums), "soft")]
    body.append(_strongest_table(model, sums, top))
    if isinstance(model, CPModel):
        picture = modes(model)[0].figure
        body.append(pages.shown(picture, "The components along all axes", _caption("modes")))  # type: ignore[arg-type]
        return [*body, "<h2>Angles between components</h2>", _angles(model, sums)]
    kind = component_kind(model.column_names, model.column_pixels if shape is None else shape)
    picture = components(model, kind, shape=shape)[0].figure
    body.append(pages.shown(picture, f"The components of H as {kind}", _caption(kind)))  # type: ignore[arg-type]
    if kind != "images":
        heat = components(model, "heatmap")[0].figure
        body.append(pages.shown(heat, "The largest columns of each component", _caption("heatmap")))  # type: ignore[arg-type]
    body += ["<h2>Angles between components</h2>", _angles(model, sums)]
    return body


def _caption(kind: str) -> str:
    return {
        "bars": "The strongest columns of H by name, the strongest component first; each on its own scale.",
        "profiles": "Rows of H, the strongest component first; the height is the share of the component.",
        "images": "Rows of H as images, the strongest component first; dark is large, each on its own scale.",
        "modes": "The vectors of each component along all axes, the strongest first; each on its own scale.",
        "heatmap": "The columns that are the largest of any component.",
    }[kind]


def _component_table(model: Model, sums: FactorSums) -> str:
    energy = model.d**2 * np.diag(sums.gram_W) * np.diag(sums.gram_H)
    energy /= energy.sum() or 1.0
    rows: list[Sequence[str | float]] = []
    for number in by_weight(model).tolist():
        zeros = (f"{100 * share[number]:.0f} %" for share in (sums.zeros_W, sums.zeros_H))
        weight, share = _weight(float(model.d[number])), share_of(model, number)
        rows.append([str(number), weight, share, float(energy[number]), *zeros])
    heads = ("#", "weight d", "share of Σd", "energy", "zeros in W", "zeros in H")
    return pages.table(heads, rows, (True, True, False, False, True, True))


def _strongest_table(model: Model, sums: FactorSums, top: int) -> str:
    both = [(table, told_apart((entry.name for entry in table), MOST_OF_A_NAME))
            for table in (*model.strongest(top), sums.top_rows)]  # fmt: skip
    rows = [
        [str(number), *(_listed(table.of(number), texts) for table, texts in both)]
        for number in by_weight(model).tolist()
    ]
    return pages.table(("#", *(table.title for table, _ in both)), rows, (True, *(False for _ in both)))


def _listed(entries: Sequence[Entry], texts: dict[str, str]) -> str:
    return ", ".join(f"{texts[entry.name]} ({percent(entry.share, NBSP)})" for entry in entries)


def _weight(value: float) -> str:
    return f"{value:,.0f}" if 100 <= value < 1e9 else f"{value:.4g}"


def _table_note(model: Model, sums: FactorSums) -> str:
    alive = model.d > 0
    note = (
        "Energy is the component's share of Σ d² ‖w‖² ‖h‖². Zeros are exact: over the components alive "
        f"{100 * sums.zeros_W[alive].mean():.1f} % of W and {100 * sums.zeros_H[alive].mean():.1f} % of H."
    )
    if not alive.all():
        dead = ", ".join(str(number) for number in np.flatnonzero(~alive))
        note += f" Zero as a whole, and not shown: {dead}."
    if sums.rows_read < model.shape[0]:
        note += f" What is said of W comes from {sums.rows_read:,} of its {model.shape[0]:,} rows."
    return note


def _angles(model: Model, sums: FactorSums) -> str:
    alive = np.flatnonzero(model.d > 0)
    side = 1.6 + 0.27 * min(len(alive), 40)
    figure = new_figure(2 * side + 0.8, side)
    grams = {"W": sums.gram_W, "H": sums.gram_H}
    means = []
    for axes, (name, gram) in zip(figure.subplots(1, 2), grams.items(), strict=True):
        cosine = cosines_of(gram)[np.ix_(alive, alive)]
        image = draw_cosines(axes, cosine, alive, "columns of W" if name == "W" else "rows of H")
        k = len(alive)
        means.append((cosine.sum() - np.trace(cosine)) / (k * (k - 1)) if k > 1 else math.nan)
    bar = figure.colorbar(image, ax=figure.axes, pad=0.02)
    bar.set_label("cosine (0: orthogonal)")
    bar.outline.set_visible(False)  # type: ignore[operator]
    text = "Cosines between components"
    if len(alive) > 1:
        text += f"; the mean of different ones is {means[0]:.3f} in W and {means[1]:.3f} in H."
    return pages.shown(figure, "Cosines between the components of W and of H", text)


def _path_section(path: Any) -> list[str]:
    figure = path_overview(path)
    body = ["<h2>Along the penalty</h2>", pages.shown(figure, "Measures along the regularization path")]
    if isinstance(path, RegularizationPath):
        seeds, starts = ", ".join(map(str, path.seeds)), STARTS[path.options.warm]
        penalty = f"{path.options.fit.penalty}, times each strength; seeds {seeds}; each model starts from {starts}."
        body.append(pages.paragraph(penalty))
    for label, rows in tables_of(path).items():
        if isinstance(path, dict):
            body.append(f"<h3>{escape(label)}</h3>")
        body.append(_path_table(rows))
    return body


def _path_table(rows: list[Any]) -> str:
    means = []
    for measure in TABLE_MEASURES:
        curve = summarize(rows, measure)
        means.append(dict(zip(curve.strengths.tolist(), curve.mean.tolist(), strict=True)))
    strengths = sorted({float(row.strength) for row in rows})
    lines = [[f"{strength:g}", *(_number(mean.get(strength)) for mean in means)] for strength in strengths]
    return pages.table(("strength", *TABLE_HEADS), lines, [True] * (1 + len(TABLE_HEADS)))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _slider_section(models: Any, names: Any, shape: Any) -> tuple[str, list[str]]:
    """Return what the head of the page needs for the slider, and its section."""
    require("bokeh")
    from bokeh.embed import components as embedded
    from bokeh.resources import Resources

    script, place = embedded(slider_layout(take_frames(models, names=names, shape=shape)))
    note = pages.paragraph("Move the slider from strength to strength; a component keeps its row.", "soft")
    return Resources(mode="inline", components=["bokeh", "bokeh-widgets"]).render_js(), [
        "<h2>Components at each strength</h2>",
        note,
        f'<div class="white">{place}</div>',
        script,
    ]

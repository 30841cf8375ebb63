"""A page with a slider over the strengths of a penalty: the components change under the hand."""

from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.arguments import is_finite, shown, text
from dnmf.arithmetic import undisturbed
from dnmf.colours import PALETTE
from dnmf.errors import InputError
from dnmf.page_figures import page_figure
from dnmf.plots.figures import check_free, checked_page, require, write_whole
from dnmf.plots.frames import MOST_NAMED_COLUMNS, Frames, take_frames
from dnmf.plots.short_names import told_apart
from dnmf.plots.slider_images import MOVE_IMAGES, draw_images, image_ranges, image_sources

ROW_PX = 58
WEIGHT_PX = 26
MOST_TICKS = 10
MOST_BELOW = 16  # letters of a name below a bar
FILL = 0.6  # of the height of a row; above it stand names

MOVE_PROFILES = """
const values = frames.data["values_" + slider.value];
const bars = profiles.data;
const top = new Float64Array(values.length);
for (let i = 0; i < values.length; i++) top[i] = bars.bottom[i] + bars.unit[i] * values[i];
profiles.data = {...bars, top: top, value: values};
strongest.data = {...strongest.data, text: tops.data["tops_" + slider.value]};
"""
EXPLAINED = (
    "Components times their weight d, by their numbers at the weakest penalty; each on its own scale, "
    "the same at all strengths."
)
MOVE = """
const at = slider.value;
weights.data = {...weights.data, d: weight_frames.data["d_" + at]};
marker.data = {x: [at], error: [course.data.error[at]], alive: [course.data.alive[at]]};
caption.text = course.data.caption[at];
"""


@undisturbed
def slider_page(
    models: Any, out: str | Path, *, side: str = "H", title: str = "Components along a penalty",
    names: Any = None, start: float | None = None, shape: tuple[int, int] | None = None,
    overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write a page whose slider moves along the strengths of a penalty, and return where it is.

    It shows the components ``d · H`` as profiles, the largest columns of each by name where names have no order, or
    images; the weights ``d``, the relative error and the number of
    components alive. Axes stay as they are when the slider moves. A component keeps its place: each model is
    matched to the one before. The page holds all it needs and opens from a file.

    Parameters
    ----------
    models : Path, dict of strength to Model, or sequence of (strength, Model)
        Those of the first seed of a path, or others of the same columns (for ``side="W"``: rows), two at least.
    out : path
        The page to write, an ``.html`` file.
    side : {"W", "H"}
        Which factor. Long profiles are thinned to the largest value of each run of neighbours; of a long W a
        sample of rows is read.
    title : str
        Of the page.
    names : sequence or path, optional
        Of the columns (or rows): labels, or a text file with one a line; those of the first model by default.
    start : float, optional
        The strength that is shown first; the weakest by default.
    shape : (int, int), optional
        Height and width, where the entries of a component are pixels; those that the models know by default.
    overwrite : bool
        Whether a file at `out` may be replaced.

    Raises
    ------
    InputError
        The models do not fit together or have negative entries, there is something at `out`, or bokeh is not installed.

    Examples
    --------
    >>> slider_page({0.0: plain, 0.01: weak, 0.1: strong}, "path.html")  # doctest: +SKIP
    """
    target, title = check_free(checked_page(out), overwrite), text("title", title)
    require("bokeh")
    from bokeh.embed import file_html
    from bokeh.layouts import column
    from bokeh.models.widgets import Div
    from bokeh.resources import INLINE

    body = slider_layout(take_frames(models, side, names, shape), start)
    heading = Div(text=f"<h1>{escape(title)}</h1>", disable_math=True, styles={"font-family": "system-ui, sans-serif"})
    page = file_html(column(heading, body, margin=(0, 20, 20, 20)), resources=INLINE, title=title)
    return write_whole(target, page.encode())


def slider_layout(frames: Frames, start: float | None = None) -> Any:
    """Return the slider and its figures as a bokeh layout.

    Raises
    ------
    InputError
        `start` is none of the strengths, or a factor has negative entries.
    """
    from bokeh.layouts import column, row
    from bokeh.models import ColumnDataSource, CustomJS
    from bokeh.models.widgets import Div, Slider

    if any(values.min(initial=0) < 0 for values in frames.values):
        raise InputError("a page with a slider draws factors that are not negative; use profiles or a heatmap")
    first = _index(frames, start)
    weights, course, marker = (ColumnDataSource(data) for data in _sources(frames, first))
    slider = Slider(
        start=0, end=len(frames.strengths) - 1, step=1, value=first, show_value=False, title=None, width=640,
        name="strength",
    )  # fmt: skip
    caption = Div(text=_caption(frames, first), styles={"font": "15px system-ui, sans-serif"})
    d = ColumnDataSource({f"d_{i}": d for i, d in enumerate(frames.d)})
    main, moves, code = (_profiles if frames.shape is None else _images)(frames, first)
    given = {
        "slider": slider, "weights": weights, "course": course, "marker": marker, "caption": caption,
        "weight_frames": d, **moves,
    }  # fmt: skip
    slider.js_on_change("value", CustomJS(args=given, code=code + MOVE))
    explained = Div(text=EXPLAINED, styles={"font": "13px system-ui, sans-serif", "color": "#5b6470"})
    below = (_course_figure(frames, course, marker, name) for name in ("error", "alive"))
    return column(caption, slider, explained, row(main, _weight_figure(frames, weights)), row(*below))


def _profiles(frames: Frames, first: int) -> tuple[Any, dict[str, Any], str]:
    """The figure of the profiles, the sources that move with the slider, and how."""
    from bokeh.models import ColumnDataSource

    profiles, strongest = (ColumnDataSource(data) for data in _profile_sources(frames, first))
    kept = {f"values_{i}": values.ravel().astype(np.float32) for i, values in enumerate(frames.values)}
    moves = {
        "profiles": profiles, "strongest": strongest, "frames": ColumnDataSource(kept),
        "tops": ColumnDataSource({f"tops_{i}": tops for i, tops in enumerate(frames.tops)}),
    }  # fmt: skip
    return _profile_figure(frames, profiles, strongest), moves, MOVE_PROFILES


def _images(frames: Frames, first: int) -> tuple[Any, dict[str, Any], str]:
    """The figure of the images, the sources that move with the slider, and how."""
    from bokeh.models import ColumnDataSource

    shown, kept = (ColumnDataSource(data) for data in image_sources(frames, first))
    made = page_figure(**image_ranges(frames), title="Components")
    draw_images(made, shown)
    return made, {"pictures": shown, "image_frames": kept}, MOVE_IMAGES


def _index(frames: Frames, start: float | None) -> int:
    if start is None:
        return 0
    if not is_finite(start) or start not in frames.strengths:
        raise InputError(f"start={shown(start)}: the strengths are {', '.join(f'{s:g}' for s in frames.strengths)}")
    return frames.strengths.index(start)


def _caption(frames: Frames, at: int) -> str:
    return (
        f"strength {frames.strengths[at]:g} · relative error {frames.error[at]:.4f} · "
        f"{frames.alive[at]} of {frames.d.shape[1]} components alive"
    )


def _sources(frames: Frames, first: int) -> tuple[dict[str, Any], ...]:
    """Return the data of the weights, the courses and the marker on them, at one strength."""
    k = frames.d.shape[1]
    weights = {
        "y": k - 1.0 - np.arange(k) + FILL / 2, "d": frames.d[first],
        "color": [_color(row) for row in range(k)],
    }  # fmt: skip
    captions = [_caption(frames, at) for at in range(len(frames.strengths))]
    course = {"x": np.arange(len(captions)), "error": frames.error, "alive": frames.alive, "caption": captions}
    marker = {"x": [first], "error": [frames.error[first]], "alive": [frames.alive[first]]}
    return weights, course, marker


def _profile_sources(frames: Frames, first: int) -> tuple[dict[str, Any], ...]:
    """Return the data of the bars and of the names above them, at one strength."""
    _, k, bins = frames.values.shape
    rows = np.repeat(np.arange(k), bins)
    highest = frames.values.max(axis=(0, 2))
    unit = (FILL / np.where(highest > 0, highest, 1.0))[rows]
    values, bottom = frames.values[first].ravel(), k - 1.0 - rows
    profiles = {
        "x": np.tile((frames.edges[:-1] + frames.edges[1:]) / 2, k), "width": np.tile(np.diff(frames.edges), k),
        "bottom": bottom, "unit": unit, "top": bottom + unit * values, "value": values.astype(np.float32),
        "component": [frames.numbers[row] for row in rows], "label": list(frames.labels) * k,
        "color": [_color(row) for row in rows.tolist()],
    }  # fmt: skip
    strongest = {
        "x": np.full(k, float(frames.edges[-1])), "y": k - 0.02 - np.arange(k), "text": frames.tops[first],
    }  # fmt: skip
    return profiles, strongest


def _color(row: int) -> str:
    return PALETTE[row % len(PALETTE)]


def _profile_figure(frames: Frames, profiles: Any, strongest: Any) -> Any:
    from bokeh.models import PlainText

    k, bins = frames.d.shape[1], len(frames.labels)
    made = page_figure(
        width=680, frame_height=ROW_PX * k, y_range=(0, k),
        x_range=(float(frames.edges[0]), float(frames.edges[-1])),
        title="Components",
    )  # fmt: skip
    bars = made.vbar(x="x", width="width", bottom="bottom", top="top", color="color", line_width=0, source=profiles)
    _add_hover(made, bars, [("component", "@component"), ("", "@label"), ("value", "@value{0.000e+0}")])
    made.text(
        x="x", y="y", text="text", source=strongest, text_align="right", text_baseline="top", text_font_size="12px",
        text_color="#555555", x_offset=-4,
    )  # fmt: skip
    _number_rows(made, frames)
    made.xaxis.axis_label = frames.axis_text
    if bins <= MOST_NAMED_COLUMNS:
        middles = ((frames.edges[:-1] + frames.edges[1:]) / 2).tolist()
        made.xaxis.ticker = middles
        texts = told_apart(frames.labels, MOST_BELOW)
        labels = [PlainText(text=texts[name]) for name in frames.labels]  # text alone may hold formulas
        made.xaxis.major_label_overrides = dict(zip(middles, labels, strict=True))
        made.xaxis.major_label_orientation = "vertical"
        made.xaxis.major_label_text_font_size = "11px"
    return made


def _number_rows(made: Any, frames: Frames) -> None:
    """Write the number of each component beside its row."""
    k = frames.d.shape[1]
    made.ygrid.ticker = list(range(k))
    made.yaxis.ticker = [k - 1 - row + FILL / 2 for row in range(k)]
    made.yaxis.major_label_overrides = {k - 1 - row + FILL / 2: frames.numbers[row] for row in range(k)}
    made.yaxis.axis_label = "component"


def _add_hover(made: Any, renderer: Any, tooltips: list[tuple[str, str]]) -> None:
    from bokeh.models import HoverTool

    made.add_tools(HoverTool(renderers=[renderer], tooltips=tooltips))


def _weight_figure(frames: Frames, weights: Any) -> Any:
    most, k = float(frames.d.max()) or 1.0, frames.d.shape[1]
    px = ROW_PX if frames.shape is None else WEIGHT_PX
    made = page_figure(width=215, frame_height=px * k, y_range=(0, k), x_range=(0, 1.05 * most), title="Weight d")
    bars = made.hbar(y="y", right="d", height=0.5, color="color", source=weights)
    _add_hover(made, bars, [("d", "@d{0.000e+0}")])
    made.ygrid.visible = False
    if frames.shape is None:  # beside the rows of the profiles
        made.yaxis.visible = False
    else:
        _number_rows(made, frames)
    made.xaxis.ticker.desired_num_ticks = 3
    if most >= 1e4 or most < 1e-2:
        made.xaxis.ticker.desired_num_ticks = 2
        made.xaxis.formatter.precision = 0
    return made


def _course_figure(frames: Frames, course: Any, marker: Any, name: str) -> Any:
    titles = {"error": "Relative error (lower is better)", "alive": "Components alive"}
    highest = frames.error.max() * 1.08 if name == "error" else frames.d.shape[1] * 1.08
    made = page_figure(width=447, height=230, y_range=(0, float(highest)), title=titles[name])
    made.line("x", name, source=course, color=PALETTE[0], line_width=2)
    made.scatter("x", name, source=course, color=PALETTE[0], size=6)
    made.scatter("x", name, source=marker, color=PALETTE[1], size=14, fill_alpha=0.3, line_width=2)
    made.xaxis.axis_label = "strength"
    last = len(frames.strengths) - 1
    ticks = sorted({round(at) for at in np.linspace(0, last, min(last + 1, MOST_TICKS)).tolist()})
    made.xaxis.ticker = ticks
    made.xaxis.major_label_overrides = {at: f"{frames.strengths[at]:g}" for at in ticks}
    return made
